/*
 * A loader between the backend and the real one, for failures that no healthy driver shows. It wraps a few calls; all others
 * are found in the real loader, which this library needs. The environment says what goes wrong:
 *
 *   SHIM_BUILD=TEXT     sources that contain TEXT do not build; several TEXTs are joined by |
 *   SHIM_MEMORY=BYTES   buffers have so many bytes in all; the one too many fails at its first use, as with lazy drivers
 *   SHIM_ENQUEUE=N      kernels from the Nth on are refused (from 1)
 *   SHIM_FINISH=N       the Nth wait for a queue fails, and all after it
 *   SHIM_BINARY=1       binaries are refused
 *   SHIM_GPU=1          devices are GPUs, of 4-wide vectors
 *   SHIM_TWINS=1        each device is listed twice, at one PCI address
 *   SHIM_VERSION=TEXT   what devices say of their version
 *   SHIM_DEVICES=0      platforms have no device
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

enum { MOST = 4096, PCI_BUS_INFO = 0x410F };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    cl_mem memory;
    size_t bytes;
} buffers[MOST];
static cl_program bad[MOST];
static int n_bad;
static atomic_int enqueued, finished, built, refused;

/* For the tests: sources built so far, in this process. */
int shim_builds(void);
int shim_builds(void) {
    return atomic_load(&built);
}

int shim_refusals(void);
int shim_refusals(void) { /* of those, how many were not to build */
    return atomic_load(&refused);
}

void shim_reset(void);
void shim_reset(void) {
    atomic_store(&built, 0);
    atomic_store(&refused, 0);
    atomic_store(&enqueued, 0);
    atomic_store(&finished, 0);
}

static void *real(const char *name) {
    static void *library;
    pthread_mutex_lock(&lock);
    if (!library)
        library = dlopen("libOpenCL.so.1", RTLD_NOW);
    pthread_mutex_unlock(&lock);
    void *symbol = library ? dlsym(library, name) : NULL;
    if (!symbol) {
        fprintf(stderr, "shim: no %s in the real loader\n", name);
        abort();
    }
    return symbol;
}

#define REAL(name)              \
    __typeof__(&name) forward;  \
    void *symbol = real(#name); \
    memcpy(&forward, &symbol, sizeof forward)

static const char *setting(const char *name) { /* NULL or not empty */
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

static long number(const char *name) {
    const char *text = setting(name);
    return text ? atol(text) : 0;
}

/* ---- devices ------------------------------------------------------------------------------------------------------ */

CL_API_ENTRY cl_int CL_API_CALL clGetDeviceIDs(cl_platform_id platform, cl_device_type type, cl_uint capacity,
                                               cl_device_id *devices, cl_uint *count) {
    REAL(clGetDeviceIDs);
    if (setting("SHIM_DEVICES"))
        return CL_DEVICE_NOT_FOUND;
    cl_int code = forward(platform, type, capacity, devices, count);
    if (code == CL_SUCCESS && setting("SHIM_TWINS") && devices && count && *count * 2 <= capacity) {
        memcpy(devices + *count, devices, *count * sizeof(cl_device_id));
        *count *= 2;
    }
    return code;
}

static cl_int answer(const void *data, size_t bytes, size_t capacity, void *out, size_t *out_bytes) {
    if (out_bytes)
        *out_bytes = bytes;
    if (out && capacity < bytes)
        return CL_INVALID_VALUE;
    if (out)
        memcpy(out, data, bytes);
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t capacity, void *out,
                                                size_t *out_bytes) {
    REAL(clGetDeviceInfo);
    static const cl_uint address[4] = {0, 1, 2, 3};
    cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    if (what == CL_DEVICE_TYPE && setting("SHIM_GPU"))
        return answer(&gpu, sizeof gpu, capacity, out, out_bytes);
    if (what == CL_DEVICE_VERSION && setting("SHIM_VERSION"))
        return answer(getenv("SHIM_VERSION"), strlen(getenv("SHIM_VERSION")) + 1, capacity, out, out_bytes);
    if (what == CL_DEVICE_EXTENSIONS && setting("SHIM_TWINS"))
        return answer("cl_khr_pci_bus_info", sizeof "cl_khr_pci_bus_info", capacity, out, out_bytes);
    if (what == PCI_BUS_INFO && setting("SHIM_TWINS"))
        return answer(address, sizeof address, capacity, out, out_bytes);
    return forward(device, what, capacity, out, out_bytes);
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static size_t in_use(void) {
    size_t sum = 0;
    for (int i = 0; i < MOST; i++)
        sum += buffers[i].memory ? buffers[i].bytes : 0;
    return sum;
}

CL_API_ENTRY cl_mem CL_API_CALL clCreateBuffer(cl_context context, cl_mem_flags flags, size_t bytes, void *from,
                                               cl_int *code) {
    REAL(clCreateBuffer);
    cl_mem memory = forward(context, flags, bytes, from, code);
    pthread_mutex_lock(&lock);
    for (int i = 0; memory && i < MOST; i++) {
        if (buffers[i].memory)
            continue;
        buffers[i].memory = memory;
        buffers[i].bytes = bytes;
        break;
    }
    pthread_mutex_unlock(&lock);
    return memory;
}

CL_API_ENTRY cl_int CL_API_CALL clReleaseMemObject(cl_mem memory) {
    REAL(clReleaseMemObject);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST; i++)
        if (buffers[i].memory == memory)
            buffers[i].memory = NULL;
    pthread_mutex_unlock(&lock);
    return forward(memory);
}

CL_API_ENTRY cl_int CL_API_CALL clEnqueueFillBuffer(cl_command_queue queue, cl_mem memory, const void *pattern,
                                                    size_t pattern_bytes, size_t offset, size_t bytes, cl_uint n_wait,
                                                    const cl_event *wait, cl_event *event) {
    REAL(clEnqueueFillBuffer);
    pthread_mutex_lock(&lock);
    bool full = setting("SHIM_MEMORY") && in_use() > (size_t)number("SHIM_MEMORY");
    pthread_mutex_unlock(&lock);
    if (full)
        return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return forward(queue, memory, pattern, pattern_bytes, offset, bytes, n_wait, wait, event);
}

/* ---- programs ------------------------------------------------------------------------------------------------------- */

static bool is_refused(const char *source) {
    char texts[512], *rest = texts;
    snprintf(texts, sizeof texts, "%s", setting("SHIM_BUILD") ? getenv("SHIM_BUILD") : "");
    for (char *text; (text = strsep(&rest, "|")) != NULL;)
        if (*text && strstr(source, text))
            return true;
    return false;
}

CL_API_ENTRY cl_program CL_API_CALL clCreateProgramWithSource(cl_context context, cl_uint count, const char **texts,
                                                              const size_t *lengths, cl_int *code) {
    REAL(clCreateProgramWithSource);
    cl_program program = forward(context, count, texts, lengths, code);
    atomic_fetch_add(&built, 1);
    if (program && is_refused(texts[0])) {
        atomic_fetch_add(&refused, 1);
        pthread_mutex_lock(&lock);
        if (n_bad < MOST)
            bad[n_bad++] = program;
        pthread_mutex_unlock(&lock);
    }
    return program;
}

CL_API_ENTRY cl_program CL_API_CALL clCreateProgramWithBinary(cl_context context, cl_uint count,
                                                              const cl_device_id *devices, const size_t *lengths,
                                                              const unsigned char **binaries, cl_int *states,
                                                              cl_int *code) {
    REAL(clCreateProgramWithBinary);
    if (!setting("SHIM_BINARY"))
        return forward(context, count, devices, lengths, binaries, states, code);
    *code = CL_INVALID_BINARY;
    return NULL;
}

CL_API_ENTRY cl_int CL_API_CALL clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                                               const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                                               void *user) {
    REAL(clBuildProgram);
    bool fails = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_bad; i++)
        fails |= bad[i] == program;
    pthread_mutex_unlock(&lock);
    return fails ? CL_BUILD_PROGRAM_FAILURE : forward(program, count, devices, options, done, user);
}

CL_API_ENTRY cl_int CL_API_CALL clReleaseProgram(cl_program program) {
    REAL(clReleaseProgram);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_bad; i++)
        if (bad[i] == program)
            bad[i] = NULL;
    pthread_mutex_unlock(&lock);
    return forward(program);
}

/* ---- queues --------------------------------------------------------------------------------------------------------- */

CL_API_ENTRY cl_int CL_API_CALL clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                                       const size_t *offset, const size_t *global, const size_t *local,
                                                       cl_uint n_wait, const cl_event *wait, cl_event *event) {
    REAL(clEnqueueNDRangeKernel);
    if (atomic_fetch_add(&enqueued, 1) + 1 >= number("SHIM_ENQUEUE") && setting("SHIM_ENQUEUE"))
        return CL_OUT_OF_RESOURCES;
    return forward(queue, kernel, dims, offset, global, local, n_wait, wait, event);
}

CL_API_ENTRY cl_int CL_API_CALL clFinish(cl_command_queue queue) {
    REAL(clFinish);
    cl_int code = forward(queue);
    if (atomic_fetch_add(&finished, 1) + 1 >= number("SHIM_FINISH") && setting("SHIM_FINISH"))
        return CL_OUT_OF_RESOURCES;
    return code;
}
