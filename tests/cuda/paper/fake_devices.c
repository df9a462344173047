/* What devices there are, and contexts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_cuda.h"

enum { MOST_DEVICES = 8 };

static struct {
    paper_device devices[MOST_DEVICES];
    int count;
    bool is_ready;
} all;

enum { MOST_CONTEXTS = 16 };

static _Thread_local struct { /* the thread's; the last is current */
    CUcontext at[MOST_CONTEXTS];
    int count;
} stack;

static CUcontext top(void) {
    return stack.count > 0 ? stack.at[stack.count - 1] : NULL;
}

uint64_t paper_memory(void) {
    return (uint64_t)paper_number("PAPER_MEMORY", 8l << 30);
}

const paper_device *paper_device_at(int index) {
    return index >= 0 && index < all.count ? &all.devices[index] : NULL;
}

static int units_of(int arch) {
    return arch >= 90 ? 132 : arch >= 80 ? 108 : arch >= 75 ? 40 : 80;
}

CUresult CUDAAPI cuInit(unsigned flags) {
    CUresult answer = (CUresult)paper_number("PAPER_INIT", CUDA_SUCCESS);
    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (answer != CUDA_SUCCESS)
        return answer;
    const char *at = paper_setting("PAPER_ARCH") ? paper_setting("PAPER_ARCH") : "90";
    pthread_mutex_lock(&paper_lock);
    all.count = 0;
    for (char *end; all.count < MOST_DEVICES && *at; at = *end ? end + 1 : end) {
        int arch = (int)strtol(at, &end, 10);
        if (end == at)
            break;
        all.devices[all.count++] = (paper_device){arch, units_of(arch)};
    }
    all.is_ready = true;
    pthread_mutex_unlock(&paper_lock);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDriverGetVersion(int *out) {
    *out = (int)paper_number("PAPER_VERSION", 13000);
    return CUDA_SUCCESS;
}

static const struct {
    CUresult code;
    const char *name, *words;
} errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_ECC_UNCORRECTABLE, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_ERROR_LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_SYSTEM_NOT_READY, "CUDA_ERROR_SYSTEM_NOT_READY", "system not yet initialized"},
    {CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static CUresult say(CUresult code, const char **out, bool is_name) {
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].code == code) {
            *out = is_name ? errors[i].name : errors[i].words;
            return CUDA_SUCCESS;
        }
    *out = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuGetErrorName(CUresult code, const char **out) {
    return say(code, out, true);
}

CUresult CUDAAPI cuGetErrorString(CUresult code, const char **out) {
    return say(code, out, false);
}

/* ---- facts ------------------------------------------------------------------------------------------------------------ */

uint64_t paper_shared_optin(int arch) {
    long given = paper_number("PAPER_SHARED", 0);
    if (given > 0)
        return (uint64_t)given;
    switch (arch) {
    case 70:
    case 72: return 96 << 10;
    case 75: return 64 << 10;
    case 80:
    case 87: return 163 << 10;
    case 86:
    case 89:
    case 120: return 99 << 10;
    default: return arch >= 90 ? 227 << 10 : 48 << 10;
    }
}

CUresult CUDAAPI cuDeviceGetCount(int *out) {
    *out = all.count;
    return all.is_ready ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult CUDAAPI cuDeviceGet(CUdevice *out, int index) {
    *out = index;
    return paper_device_at(index) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult CUDAAPI cuDeviceGetName(char *out, int bytes, CUdevice device) {
    if (!paper_device_at(device))
        return CUDA_ERROR_INVALID_DEVICE;
    snprintf(out, (size_t)bytes, "Paper GPU sm_%d", paper_device_at(device)->arch);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetUuid(CUuuid *out, CUdevice device) {
    memset(out, 0, sizeof *out);
    if (!paper_device_at(device))
        return CUDA_ERROR_INVALID_DEVICE;
    snprintf(out->bytes, sizeof out->bytes, "paper%d.%d", paper_device_at(device)->arch, device);
    return CUDA_SUCCESS;
}

#undef cuDeviceGetUuid
CUresult CUDAAPI cuDeviceGetUuid(CUuuid *out, CUdevice device);
CUresult CUDAAPI cuDeviceGetUuid(CUuuid *out, CUdevice device) {
    return cuDeviceGetUuid_v2(out, device);
}

CUresult CUDAAPI cuDeviceGetPCIBusId(char *out, int bytes, CUdevice device) {
    if (!paper_device_at(device))
        return CUDA_ERROR_INVALID_DEVICE;
    snprintf(out, (size_t)bytes, "0000:%02x:00.0", device + 1);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceTotalMem(size_t *out, CUdevice device) {
    if (!paper_device_at(device))
        return CUDA_ERROR_INVALID_DEVICE;
    *out = paper_memory();
    return CUDA_SUCCESS;
}

static int cache_bytes(int arch) {
    return arch >= 90 ? 50 << 20 : arch >= 80 ? 40 << 20 : arch >= 75 ? 4 << 20 : 6 << 20;
}

CUresult CUDAAPI cuDeviceGetAttribute(int *out, CUdevice_attribute attribute, CUdevice index) {
    const paper_device *device = paper_device_at(index);
    *out = 0;
    if (!device)
        return CUDA_ERROR_INVALID_DEVICE;
    int arch = device->arch, optin = (int)paper_shared_optin(arch);
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *out = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *out = 64; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *out = INT32_MAX; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *out = 65535; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *out = 48 << 10; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *out = optin; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *out = arch == 70 ? optin : optin + 1024; break;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: *out = arch >= 80 ? 1024 : 0; break;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: *out = 64 << 10; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *out = PAPER_WARP; break;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH: *out = INT32_MAX; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: *out = 65536; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *out = arch == 75 ? 1024 : 2048; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: *out = arch == 75 ? 16 : 32; break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *out = 1500000; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *out = 2619000; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *out = arch >= 90 ? 6144 : arch >= 80 ? 5120 : 256; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *out = cache_bytes(arch); break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *out = device->units; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *out = arch / 10; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *out = arch % 10; break;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: *out = 3; break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: *out = index + 1; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
    case CU_DEVICE_ATTRIBUTE_INTEGRATED:
    case CU_DEVICE_ATTRIBUTE_ECC_ENABLED:
    case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT:
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID: break;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY: *out = 1; break;
    default:
        paper_complain("cuDeviceGetAttribute: attribute %d is not on paper", (int)attribute);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

/* ---- contexts ----------------------------------------------------------------------------------------------------------- */

CUresult paper_enter(CUcontext *out_context) {
    *out_context = top();
    if (!all.is_ready)
        return CUDA_ERROR_NOT_INITIALIZED;
    return *out_context ? (*out_context)->lost : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult CUDAAPI cuCtxPushCurrent(CUcontext context) {
    if (!all.is_ready)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (!context || stack.count >= MOST_CONTEXTS)
        return CUDA_ERROR_INVALID_VALUE;
    stack.at[stack.count++] = context;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxPopCurrent(CUcontext *out) {
    if (stack.count == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (out)
        *out = top();
    stack.count--;
    return CUDA_SUCCESS;
}

#undef cuCtxCreate
CUresult CUDAAPI cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device);
CUresult CUDAAPI cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device) {
    CUresult answer = paper_answer(PAPER_CONTEXTS);
    (void)flags;
    *out = NULL;
    if (!all.is_ready)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (!paper_device_at(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (answer != CUDA_SUCCESS)
        return answer;
    CUcontext context = calloc(1, sizeof *context);
    if (!context)
        return CUDA_ERROR_OUT_OF_MEMORY;
    context->device = device;
    *out = context;
    return cuCtxPushCurrent(context);
}

CUresult CUDAAPI cuCtxDestroy(CUcontext context) {
    if (!context)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&paper_lock);
    paper_check_guards(context);
    if (context->allocations || context->modules || context->streams || context->events || context->graphs)
        paper_complain("context destroyed with %d allocations, %d modules, %d streams, %d events, %d graphs left",
                       context->allocations, context->modules, context->streams, context->events, context->graphs);
    paper_free_all(context);
    pthread_mutex_unlock(&paper_lock);
    if (top() == context)
        stack.count--;
    for (int i = 0; i < stack.count; i++)
        if (stack.at[i] == context)
            paper_complain("a context is destroyed that lies below another one");
    free(context);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext context) {
    if (!all.is_ready)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (stack.count > 0)
        stack.count--;
    return context ? cuCtxPushCurrent(context) : CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxGetCurrent(CUcontext *out) {
    *out = top();
    return all.is_ready ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult CUDAAPI cuCtxGetDevice(CUdevice *out) {
    *out = top() ? top()->device : 0;
    return top() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
