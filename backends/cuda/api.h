/*
 * The entry points of libcuda, NVRTC, cuDNN and cuBLASLt, found at run time. A library is looked for in the folders of
 * FOLDRUN_CUDA_PATH (joined by colons), then where the loader looks, then in the toolkit's usual place.
 */
#ifndef CUDA_API_H
#define CUDA_API_H

#include <cuda.h>
#include <nvrtc.h>
#include <stdbool.h>

#include "common/host_device.h"

#ifdef CUDA_WITH_CUDNN
#include <cudnn.h>
#endif
#ifdef CUDA_WITH_CUBLASLT
#include <cublasLt.h>
#endif

/* The macros of cuda.h (cuMemAlloc is cuMemAlloc_v2) are expanded in the member and in the symbol alike. Two are declared apart,
 * for their newest forms are not in older drivers. */
/* clang-format off */
#define CUD_FUNCTIONS(X) \
    X(cuInit) \
    X(cuDriverGetVersion) \
    X(cuDeviceGetCount) \
    X(cuDeviceGet) \
    X(cuDeviceGetName) \
    X(cuDeviceGetUuid) \
    X(cuDeviceGetAttribute) \
    X(cuDeviceTotalMem) \
    X(cuDeviceGetPCIBusId) \
    X(cuCtxDestroy) \
    X(cuCtxPopCurrent) \
    X(cuCtxSetCurrent) \
    X(cuCtxGetCurrent) \
    X(cuMemGetInfo) \
    X(cuMemAlloc) \
    X(cuMemFree) \
    X(cuMemHostAlloc) \
    X(cuMemFreeHost) \
    X(cuMemcpyHtoDAsync) \
    X(cuMemcpyDtoHAsync) \
    X(cuMemcpyDtoDAsync) \
    X(cuMemsetD8Async) \
    X(cuPointerGetAttribute) \
    X(cuStreamCreate) \
    X(cuStreamDestroy) \
    X(cuStreamSynchronize) \
    X(cuStreamWaitEvent) \
    X(cuThreadExchangeStreamCaptureMode) \
    X(cuStreamBeginCapture) \
    X(cuStreamEndCapture) \
    X(cuEventCreate) \
    X(cuEventDestroy) \
    X(cuEventRecord) \
    X(cuEventSynchronize) \
    X(cuModuleLoadData) \
    X(cuModuleUnload) \
    X(cuModuleGetFunction) \
    X(cuFuncGetAttribute) \
    X(cuFuncSetAttribute) \
    X(cuLaunchKernel) \
    X(cuGraphInstantiateWithFlags) \
    X(cuGraphLaunch) \
    X(cuGraphExecDestroy) \
    X(cuGraphDestroy)
/* clang-format on */

typedef struct cud_api {
    void *library;
    int version;                                                                     /* cuDriverGetVersion: 12040 */
    CUresult (*create_context)(CUcontext *context, unsigned flags, CUdevice device); /* cuCtxCreate_v2 */
    CUresult (*elapsed_time)(float *out_ms, CUevent begin, CUevent end);             /* cuEventElapsedTime, the first */
#define CUD_MEMBER(name)  CUD_MEMBER_(name)
#define CUD_MEMBER_(name) __typeof__(&name) name;
    CUD_FUNCTIONS(CUD_MEMBER)
} cud_api;

/* NVRTC, cuDNN and cuBLASLt in the same manner (nvrtc_api.c, dnn_api.c, lt_api.c). `why` says why library is NULL, with what to
 * install. */
/* clang-format off */
#define CUD_NVRTC_FUNCTIONS(X) \
    X(nvrtcVersion) \
    X(nvrtcGetErrorString) \
    X(nvrtcGetNumSupportedArchs) \
    X(nvrtcGetSupportedArchs) \
    X(nvrtcCreateProgram) \
    X(nvrtcDestroyProgram) \
    X(nvrtcCompileProgram) \
    X(nvrtcGetProgramLogSize) \
    X(nvrtcGetProgramLog) \
    X(nvrtcGetCUBINSize) \
    X(nvrtcGetCUBIN)
/* clang-format on */

typedef struct cud_nvrtc {
    void *library;
    char why[192];
    int major, minor;
    int32_t archs[64]; /* that it compiles for, rising */
    int32_t n_archs;
    CUD_NVRTC_FUNCTIONS(CUD_MEMBER)
} cud_nvrtc;

#include "dnn_api.h" /* cud_dnn_api: struct with library, why, version; empty besides in a build without the headers */
#include "lt_api.h"  /* cud_lt_api */

/* FR_UNAVAILABLE with the versions found and needed when there is no driver or an old one. */
fr_status cud_api_open(const fr_host *host, cud_api *out_api) FR_MUST_CHECK;
void cud_api_close(cud_api *api);
/* Of the versions of NVRTC that are there and that the driver can take kernels from, the one that knows most of the
 * architectures (70, 90; one for each device), and the newer of two that know as many. .library is NULL when there is none. */
void cud_nvrtc_open(const fr_host *host, int driver_version, const int32_t *archs, uint32_t n_archs,
                    cud_nvrtc *out_nvrtc);
void cud_nvrtc_close(cud_nvrtc *nvrtc);
/* The architecture that kernels for a device of this one are compiled for: its own, or the nearest below of the same
 * generation, whose kernels run there too (but not to or from a Tegra's). 0 when NVRTC knows none. */
int32_t cud_nvrtc_arch(const cud_nvrtc *nvrtc, int32_t arch);

/* ---- library.c ------------------------------------------------------------------------------------------------------ */

/* The first of `names` (ends with NULL) that loads; NULL when none does. */
void *cud_library_open(const char *const *names);
/* The same, in the folders of FOLDRUN_CUDA_PATH alone. */
void *cud_library_open_named(const char *const *names);
/* The address of a symbol, or NULL with its name in why. */
void *cud_symbol(void *library, const char *name, char *why, size_t bytes);

/* Is the word one of FOLDRUN_CUDA_WITHOUT's (a list with commas: cudnn, cublaslt, nvrtc, mma, graphs, pinned)? */
bool cud_without(const char *word);

#endif
