/* The entry points of cuBLASLt, found at run time. A build without cublasLt.h has the struct, and no library. */
#ifndef CUDA_LT_API_H
#define CUDA_LT_API_H

#include "api.h"

enum { CUD_LEAST_LT = 120000 }; /* as cublasLtGetVersion says it: that of CUDA 12.0 */

/* clang-format off */
#ifdef CUDA_WITH_CUBLASLT
#define CUD_LT_FUNCTIONS(X) \
    X(cublasLtGetVersion) \
    X(cublasLtGetStatusString) \
    X(cublasLtCreate) \
    X(cublasLtDestroy) \
    X(cublasLtMatmul) \
    X(cublasLtMatmulDescCreate) \
    X(cublasLtMatmulDescDestroy) \
    X(cublasLtMatmulDescSetAttribute) \
    X(cublasLtMatrixLayoutCreate) \
    X(cublasLtMatrixLayoutDestroy) \
    X(cublasLtMatrixLayoutSetAttribute) \
    X(cublasLtMatmulPreferenceCreate) \
    X(cublasLtMatmulPreferenceDestroy) \
    X(cublasLtMatmulPreferenceSetAttribute) \
    X(cublasLtMatmulAlgoGetHeuristic) \
    X(cublasLtMatmulAlgoCheck)
#else
#define CUD_LT_FUNCTIONS(X)
#endif
/* clang-format on */

typedef struct cud_lt_api {
    void *library; /* NULL: why */
    char why[192];
    size_t version; /* cublasLtGetVersion: 130100 is that of CUDA 13.1 */
#ifdef CUDA_WITH_CUBLASLT
    CUD_LT_FUNCTIONS(CUD_MEMBER)
#endif
} cud_lt_api;

/* .library NULL when there is none that the driver (cuDriverGetVersion's number) can run. */
void cud_lt_api_open(const fr_host *host, int driver_version, cud_lt_api *out_lt);
void cud_lt_api_close(cud_lt_api *lt);

#endif
