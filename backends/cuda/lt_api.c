/* cuBLASLt, found at run time. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "cud.h"

#ifdef CUDA_WITH_CUBLASLT

static bool take_all(cud_lt_api *lt) {
    char why[96];
    void *symbol;
#define TAKE(name)                                                                 \
    symbol = cud_symbol(lt->library, #name, why, sizeof why);                      \
    if (!symbol) {                                                                 \
        (void)snprintf(lt->why, sizeof lt->why, "cuBLASLt is of no use: %s", why); \
        return false;                                                              \
    }                                                                              \
    memcpy(&lt->name, &symbol, sizeof symbol); /* no cast to a function's address */
    CUD_LT_FUNCTIONS(TAKE)
#undef TAKE
    lt->version = lt->cublasLtGetVersion();
    if (lt->version >= CUD_LEAST_LT)
        return true;
    (void)snprintf(lt->why, sizeof lt->why, "cuBLASLt %zu was found, that of CUDA 12.0 or later is needed",
                   lt->version);
    return false;
}

void cud_lt_api_open(const fr_host *host, int driver_version, cud_lt_api *out_lt) {
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12", NULL};
    memset(out_lt, 0, sizeof *out_lt);
    if (cud_without("cublaslt")) {
        (void)snprintf(out_lt->why, sizeof out_lt->why, "FOLDRUN_CUDA_WITHOUT leaves cuBLASLt out");
        return;
    }
    for (int i = driver_version < 13000 ? 1 : 0; names[i]; i++) { /* an older driver runs no newer CUDA */
        const char *const one[] = {names[i], NULL};
        out_lt->library = cud_library_open(one);
        if (!out_lt->library)
            continue;
        if (take_all(out_lt))
            return;
        host->log(1, "cuda: %s: %s", names[i], out_lt->why);
        (void)dlclose(out_lt->library);
        out_lt->library = NULL;
    }
    if (!out_lt->why[0])
        (void)snprintf(out_lt->why, sizeof out_lt->why,
                       "no cuBLASLt (libcublasLt.so): install the CUDA toolkit, or pip install nvidia-cublas-cu12 and "
                       "name the library's folder in FOLDRUN_CUDA_PATH");
    host->log(3, "cuda: %s", out_lt->why);
}

void cud_lt_api_close(cud_lt_api *lt) {
    if (lt->library)
        (void)dlclose(lt->library);
    memset(lt, 0, sizeof *lt);
}

#else

void cud_lt_api_open(const fr_host *host, int driver_version, cud_lt_api *out_lt) {
    (void)host;
    (void)driver_version;
    memset(out_lt, 0, sizeof *out_lt);
    (void)snprintf(out_lt->why, sizeof out_lt->why, "built without cuBLASLt's headers (cublasLt.h)");
}

void cud_lt_api_close(cud_lt_api *lt) {
    memset(lt, 0, sizeof *lt);
}

#endif
