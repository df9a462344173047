/* cuDNN, found at run time. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "cud.h"

#ifdef CUDA_WITH_CUDNN

static bool take_all(cud_dnn_api *dnn) {
    char why[96];
    void *symbol;
#define TAKE(name)                                                                \
    symbol = cud_symbol(dnn->library, #name, why, sizeof why);                    \
    if (!symbol) {                                                                \
        (void)snprintf(dnn->why, sizeof dnn->why, "cuDNN is of no use: %s", why); \
        return false;                                                             \
    }                                                                             \
    memcpy(&dnn->name, &symbol, sizeof symbol); /* no cast to a function's address */
    CUD_DNN_FUNCTIONS(TAKE)
#undef TAKE
    return true;
}

static bool is_known(cud_dnn_api *dnn, int driver_version) {
    int made_for = (int)(dnn->cudnnGetCudartVersion() / 1000);
    dnn->version = (int)dnn->cudnnGetVersion();
    if (dnn->version < CUD_LEAST_DNN)
        (void)snprintf(dnn->why, sizeof dnn->why, "cuDNN %d was found, 9.0 or later is needed: pip install %s",
                       dnn->version, "nvidia-cudnn-cu12");
    else if (made_for > driver_version / 1000)
        (void)snprintf(dnn->why, sizeof dnn->why,
                       "the cuDNN that was found is for CUDA %d, the driver for CUDA %d: pip install nvidia-cudnn-cu%d",
                       made_for, driver_version / 1000, driver_version / 1000);
    else
        return true;
    return false;
}

void cud_dnn_api_open(const fr_host *host, int driver_version, cud_dnn_api *out_dnn) {
    static const char *const names[] = {"libcudnn.so.9", NULL};
    memset(out_dnn, 0, sizeof *out_dnn);
    if (cud_without("cudnn")) {
        (void)snprintf(out_dnn->why, sizeof out_dnn->why, "FOLDRUN_CUDA_WITHOUT leaves cuDNN out");
        return;
    }
    out_dnn->library = cud_library_open(names);
    if (!out_dnn->library) {
        (void)snprintf(out_dnn->why, sizeof out_dnn->why,
                       "no cuDNN (libcudnn.so.9): install it, or pip install nvidia-cudnn-cu12 (-cu13) and name the "
                       "library's folder in FOLDRUN_CUDA_PATH");
        host->log(3, "cuda: %s", out_dnn->why);
        return;
    }
    if (take_all(out_dnn) && is_known(out_dnn, driver_version))
        return;
    host->log(1, "cuda: %s", out_dnn->why);
    (void)dlclose(out_dnn->library);
    out_dnn->library = NULL;
}

void cud_dnn_api_close(cud_dnn_api *dnn) {
    if (dnn->library)
        (void)dlclose(dnn->library);
    memset(dnn, 0, sizeof *dnn);
}

#else

void cud_dnn_api_open(const fr_host *host, int driver_version, cud_dnn_api *out_dnn) {
    (void)host;
    (void)driver_version;
    memset(out_dnn, 0, sizeof *out_dnn);
    (void)snprintf(out_dnn->why, sizeof out_dnn->why, "built without cuDNN's headers (cudnn.h)");
}

void cud_dnn_api_close(cud_dnn_api *dnn) {
    memset(dnn, 0, sizeof *dnn);
}

#endif
