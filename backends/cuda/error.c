/* CUDA's error codes in words, and what they mean to the engine. */
#include "cud.h"

enum { CONTAINED = 226, TENSOR_MEMORY_LEAK = 721 }; /* the headers of CUDA 12.0 have no names for them */

#define NAMED(code) \
    { code, #code }
static const struct {
    CUresult code;
    const char *name;
} names[] = {
    NAMED(CUDA_ERROR_INVALID_VALUE),
    NAMED(CUDA_ERROR_OUT_OF_MEMORY),
    NAMED(CUDA_ERROR_NOT_INITIALIZED),
    NAMED(CUDA_ERROR_DEINITIALIZED),
    NAMED(CUDA_ERROR_STUB_LIBRARY),
    NAMED(CUDA_ERROR_DEVICE_UNAVAILABLE),
    NAMED(CUDA_ERROR_NO_DEVICE),
    NAMED(CUDA_ERROR_INVALID_DEVICE),
    NAMED(CUDA_ERROR_DEVICE_NOT_LICENSED),
    NAMED(CUDA_ERROR_INVALID_IMAGE),
    NAMED(CUDA_ERROR_INVALID_CONTEXT),
    NAMED(CUDA_ERROR_MAP_FAILED),
    NAMED(CUDA_ERROR_NO_BINARY_FOR_GPU),
    NAMED(CUDA_ERROR_ECC_UNCORRECTABLE),
    NAMED(CUDA_ERROR_UNSUPPORTED_LIMIT),
    NAMED(CUDA_ERROR_INVALID_PTX),
    NAMED(CUDA_ERROR_NVLINK_UNCORRECTABLE),
    NAMED(CUDA_ERROR_JIT_COMPILER_NOT_FOUND),
    NAMED(CUDA_ERROR_UNSUPPORTED_PTX_VERSION),
    NAMED(CUDA_ERROR_INVALID_SOURCE),
    NAMED(CUDA_ERROR_FILE_NOT_FOUND),
    NAMED(CUDA_ERROR_SHARED_OBJECT_INIT_FAILED),
    NAMED(CUDA_ERROR_OPERATING_SYSTEM),
    NAMED(CUDA_ERROR_INVALID_HANDLE),
    NAMED(CUDA_ERROR_ILLEGAL_STATE),
    NAMED(CUDA_ERROR_NOT_FOUND),
    NAMED(CUDA_ERROR_NOT_READY),
    NAMED(CUDA_ERROR_ILLEGAL_ADDRESS),
    NAMED(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES),
    NAMED(CUDA_ERROR_LAUNCH_TIMEOUT),
    NAMED(CUDA_ERROR_CONTEXT_IS_DESTROYED),
    NAMED(CUDA_ERROR_ASSERT),
    NAMED(CUDA_ERROR_HARDWARE_STACK_ERROR),
    NAMED(CUDA_ERROR_ILLEGAL_INSTRUCTION),
    NAMED(CUDA_ERROR_MISALIGNED_ADDRESS),
    NAMED(CUDA_ERROR_INVALID_ADDRESS_SPACE),
    NAMED(CUDA_ERROR_INVALID_PC),
    NAMED(CUDA_ERROR_LAUNCH_FAILED),
    NAMED(CUDA_ERROR_NOT_PERMITTED),
    NAMED(CUDA_ERROR_NOT_SUPPORTED),
    NAMED(CUDA_ERROR_SYSTEM_NOT_READY),
    NAMED(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH),
    NAMED(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE),
    NAMED(CUDA_ERROR_MPS_CONNECTION_FAILED),
    NAMED(CUDA_ERROR_MPS_RPC_FAILURE),
    NAMED(CUDA_ERROR_MPS_SERVER_NOT_READY),
    NAMED(CUDA_ERROR_MPS_MAX_CLIENTS_REACHED),
    NAMED(CUDA_ERROR_MPS_CLIENT_TERMINATED),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_MERGE),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_UNJOINED),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_ISOLATION),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT),
    NAMED(CUDA_ERROR_CAPTURED_EVENT),
    NAMED(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD),
    NAMED(CUDA_ERROR_TIMEOUT),
    NAMED(CUDA_ERROR_EXTERNAL_DEVICE),
    NAMED(CUDA_ERROR_UNKNOWN),
    {(CUresult)CONTAINED, "CUDA_ERROR_CONTAINED"},
    {(CUresult)TENSOR_MEMORY_LEAK, "CUDA_ERROR_TENSOR_MEMORY_LEAK"},
};
#undef NAMED

static const char *name_of(CUresult code) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code)
            return names[i].name;
    return "an error without a name";
}

static fr_status meaning(CUresult code, const char **out_hint) {
    if ((int)code == CONTAINED || (int)code == TENSOR_MEMORY_LEAK) {
        *out_hint =
            "the device was lost, for this program as a whole: start the program again; the system's log (dmesg, "
            "Xid) may tell why";
        return FR_DEVICE_LOST;
    }
    switch (code) {
    case CUDA_ERROR_OUT_OF_MEMORY:
        *out_hint = "device memory is short: try a smaller --batch, or close other programs on the device";
        return FR_NO_MEMORY;
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_EXTERNAL_DEVICE:
    case CUDA_ERROR_MPS_CLIENT_TERMINATED:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_DEINITIALIZED:
        *out_hint = "the device was lost: open the session again, and if that fails start the program again; the "
                    "system's log (dmesg, Xid) may tell why";
        return FR_DEVICE_LOST;
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_TIMEOUT:
        *out_hint = "a kernel ran past the driver's time limit and the device was lost: start the program again, with "
                    "a smaller --batch";
        return FR_DEVICE_LOST;
    case CUDA_ERROR_NO_DEVICE:
        *out_hint = "the driver finds no device: nvidia-smi -L lists what there is, and this user must be allowed to "
                    "open /dev/nvidia*";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_OPERATING_SYSTEM:
    case CUDA_ERROR_NOT_PERMITTED:
        *out_hint = "the system refuses the driver: this user must be allowed to open /dev/nvidia* (in a container: "
                    "docker run --gpus all)";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_STUB_LIBRARY:
        *out_hint = "the libcuda.so.1 that was found is the toolkit's stub, no driver: take the folder stubs out of "
                    "LD_LIBRARY_PATH";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
        *out_hint = "libcuda and the kernel's module are of different versions: restart the machine, or install the "
                    "driver anew";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
        *out_hint = "the package cuda-compat is not for this device: remove it, or update the driver itself";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_SYSTEM_NOT_READY:
        *out_hint = "the system is not ready: on machines with NVSwitch, systemctl start nvidia-fabricmanager";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
        *out_hint = "the device is busy or in an exclusive mode: nvidia-smi -q -d COMPUTE shows it, nvidia-smi -c "
                    "DEFAULT shares it";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_MPS_CONNECTION_FAILED:
    case CUDA_ERROR_MPS_RPC_FAILURE:
    case CUDA_ERROR_MPS_SERVER_NOT_READY:
    case CUDA_ERROR_MPS_MAX_CLIENTS_REACHED:
        *out_hint = "the MPS server does not let this program in: look at nvidia-cuda-mps-control's log";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_NOT_INITIALIZED:
    case CUDA_ERROR_DEVICE_NOT_LICENSED:
    case CUDA_ERROR_UNKNOWN:
        *out_hint = "the driver does not work: nvidia-smi may say why; after an update of it the machine must be "
                    "restarted";
        return FR_UNAVAILABLE;
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
    case CUDA_ERROR_INVALID_SOURCE:
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:
    case CUDA_ERROR_NOT_SUPPORTED:
        *out_hint = "the driver refuses this kernel: another driver version or another device may take it";
        return FR_UNSUPPORTED;
    case CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED:
    case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
    case CUDA_ERROR_STREAM_CAPTURE_MERGE:
    case CUDA_ERROR_STREAM_CAPTURE_UNMATCHED:
    case CUDA_ERROR_STREAM_CAPTURE_UNJOINED:
    case CUDA_ERROR_STREAM_CAPTURE_ISOLATION:
    case CUDA_ERROR_STREAM_CAPTURE_IMPLICIT:
    case CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD:
    case CUDA_ERROR_CAPTURED_EVENT:
        *out_hint = "these launches are no graph; they run one by one";
        return FR_UNSUPPORTED;
    default:
        *out_hint = "the driver may be at fault: nvidia-smi shows its version, compute-sanitizer checks our calls";
        return FR_INTERNAL;
    }
}

/* What has no better name is, once a device was opened, a kernel's failure. */
static fr_status meaning_on(const fr_device *device, CUresult code, const char **out_hint) {
    return meaning(device && code == CUDA_ERROR_UNKNOWN ? CUDA_ERROR_LAUNCH_FAILED : code, out_hint);
}

fr_status cud_check(fr_device *device, const fr_host *host, CUresult code, const char *call, const char *what) {
    const char *hint;
    if (code == CUDA_SUCCESS)
        return FR_OK;
    fr_status status = meaning_on(device, code, &hint);
    if (status == FR_DEVICE_LOST && device)
        atomic_store(&device->is_lost, true);
    return host_fail(host, status, "cuda: %s for %s failed: %s (%d); %s", call, what, name_of(code), (int)code, hint);
}

fr_status cud_check_there(fr_device *device, const char *call, const char *what) {
    size_t unused, total;
    const char *hint;
    if (!device)
        return FR_OK;
    CUresult code = device->cu->cuMemGetInfo(&unused, &total); /* answers with what failed earlier, if that stays */
    if (code == CUDA_SUCCESS || meaning_on(device, code, &hint) != FR_DEVICE_LOST)
        return FR_OK;
    return cud_check(device, device->base.host, code, call, what);
}

fr_status cud_enter(fr_device *device) {
    if (atomic_load(&device->is_lost))
        return host_fail(device->base.host, FR_DEVICE_LOST,
                         "cuda: %s was lost before: open the session again, and if that fails start the program again",
                         device->found->facts.name);
    return cud_check(device, device->base.host, device->cu->cuCtxSetCurrent(device->context), "cuCtxSetCurrent",
                     device->found->facts.name);
}

void cud_enter_to_free(fr_device *device) {
    if (device->context)
        (void)device->cu->cuCtxSetCurrent(device->context);
}
