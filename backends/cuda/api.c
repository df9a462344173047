/* libcuda. Before cuInit the driver is asked for its version: an old one lacks functions, and says less in words. */
#include "api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cud.h"

#define CUD_NAME_OF(name)  CUD_NAME_OF_(name)
#define CUD_NAME_OF_(name) #name

static fr_status take(const fr_host *host, void *library, const char *name, void *out_function) {
    char why[96];
    void *symbol = cud_symbol(library, name, why, sizeof why);
    if (!symbol)
        return host_fail(host, FR_UNAVAILABLE,
                         "CUDA's driver library (libcuda.so.1) is not whole: %s; install NVIDIA's driver anew", why);
    memcpy(out_function, &symbol, sizeof symbol); /* no cast from an object's address to a function's */
    return FR_OK;
}

static fr_status check_version(const fr_host *host, cud_api *api) {
    CUresult code;
    HOST_TRY(take(host, api->library, "cuDriverGetVersion", &api->cuDriverGetVersion));
    code = api->cuDriverGetVersion(&api->version);
    if (code != CUDA_SUCCESS)
        return cud_check(NULL, host, code, "cuDriverGetVersion", "the driver's version");
    if (api->version < CUD_LEAST_DRIVER)
        return host_fail(host, FR_UNAVAILABLE,
                         "NVIDIA's driver is too old: CUDA %d.%d was found, %d.%d or later is needed: install driver "
                         "525 or later (nvidia-smi shows the one that runs)",
                         api->version / 1000, api->version / 10 % 100, CUD_LEAST_DRIVER / 1000,
                         CUD_LEAST_DRIVER / 10 % 100);
    return FR_OK;
}

static fr_status take_all(const fr_host *host, cud_api *api) {
#define CUD_TAKE(name) HOST_TRY(take(host, api->library, CUD_NAME_OF(name), &api->name));
    CUD_FUNCTIONS(CUD_TAKE)
#undef CUD_TAKE
    HOST_TRY(take(host, api->library, "cuCtxCreate_v2", &api->create_context));
    return take(host, api->library, "cuEventElapsedTime", &api->elapsed_time);
}

static fr_status init(const fr_host *host, cud_api *api) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    CUresult code = api->cuInit(0);
    if (code == CUDA_ERROR_NO_DEVICE && visible)
        return host_fail(host, FR_UNAVAILABLE,
                         "NVIDIA's driver (CUDA %d.%d) shows no device: CUDA_VISIBLE_DEVICES='%.80s' may hide it; "
                         "nvidia-smi -L lists what there is",
                         api->version / 1000, api->version / 10 % 100, visible);
    return cud_check(NULL, host, code, "cuInit", "NVIDIA's driver");
}

fr_status cud_api_open(const fr_host *host, cud_api *out_api) {
    static const char *const names[] = {"libcuda.so.1", NULL};
    fr_status status = FR_OK;
    memset(out_api, 0, sizeof *out_api);
    out_api->library = cud_library_open(names);
    if (!out_api->library)
        return host_fail(host, FR_UNAVAILABLE,
                         "no NVIDIA driver (libcuda.so.1): a GPU of NVIDIA needs the driver 525 or later, CUDA %d.%d; "
                         "in a container, start it with the GPUs (docker run --gpus all)",
                         CUD_LEAST_DRIVER / 1000, CUD_LEAST_DRIVER / 10 % 100);
    HOST_GO(done, check_version(host, out_api));
    HOST_GO(done, take_all(host, out_api));
    HOST_GO(done, init(host, out_api));
done:
    if (status != FR_OK)
        cud_api_close(out_api);
    return status;
}

void cud_api_close(cud_api *api) {
    if (api->library)
        dlclose(api->library);
    memset(api, 0, sizeof *api);
}
