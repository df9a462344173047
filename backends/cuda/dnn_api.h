/* The entry points of cuDNN 9 (its graph API), found at run time. A build without cudnn.h has the struct, and no library. */
#ifndef CUDA_DNN_API_H
#define CUDA_DNN_API_H

#include "api.h"

enum { CUD_LEAST_DNN = 90000 }; /* as cudnnGetVersion says it: 9.0 */

/* clang-format off */
#ifdef CUDA_WITH_CUDNN
#define CUD_DNN_FUNCTIONS(X) \
    X(cudnnGetVersion) \
    X(cudnnGetCudartVersion) \
    X(cudnnGetErrorString) \
    X(cudnnGetLastErrorString) \
    X(cudnnCreate) \
    X(cudnnDestroy) \
    X(cudnnSetStream) \
    X(cudnnBackendCreateDescriptor) \
    X(cudnnBackendDestroyDescriptor) \
    X(cudnnBackendSetAttribute) \
    X(cudnnBackendGetAttribute) \
    X(cudnnBackendFinalize) \
    X(cudnnBackendExecute)
#else
#define CUD_DNN_FUNCTIONS(X)
#endif
/* clang-format on */

typedef struct cud_dnn_api {
    void *library; /* NULL: why */
    char why[192];
    int version; /* cudnnGetVersion: 91900 is 9.19.0 */
#ifdef CUDA_WITH_CUDNN
    CUD_DNN_FUNCTIONS(CUD_MEMBER)
#endif
} cud_dnn_api;

/* .library NULL when it is not there, or is made for a CUDA that the driver (cuDriverGetVersion's number) is too old for. */
void cud_dnn_api_open(const fr_host *host, int driver_version, cud_dnn_api *out_dnn);
void cud_dnn_api_close(cud_dnn_api *dnn);

#endif
