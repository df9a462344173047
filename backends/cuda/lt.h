/*
 * cuBLASLt's products. It counts columns first: a row-major matrix is to it the transposed one, so that C = A * B is asked for as
 * C' = B' * A'. "First" and "second" below are its operands, in its order.
 */
#ifndef CUDA_LT_H
#define CUDA_LT_H

#include "ways.h"

#ifdef CUDA_WITH_CUBLASLT

typedef struct lt_matrix {
    int64_t rows, columns, ld, stride; /* as it lies there, columns first; stride: to the next of a batch */
    cudaDataType_t type;
    uint32_t alignment; /* bytes that its memory is known to begin at a multiple of */
} lt_matrix;

typedef struct lt_spec {
    cublasComputeType_t compute;
    lt_matrix first, second, out; /* what is added to out lies as it does, with add_ld */
    int64_t add_ld;
    bool transposes_first, transposes_second;
    int32_t batch;
    cublasLtEpilogue_t epilogue;
    CUdeviceptr bias;   /* of out's type, a number a row of out */
    uint64_t workspace; /* the most there is */
} lt_spec;

enum { LT_MOST_ALGORITHMS = 8 };

typedef struct lt_product {
    cublasLtMatmulDesc_t how;
    cublasLtMatrixLayout_t first, second, add, out;
    cublasLtMatmulAlgo_t algorithms[LT_MOST_ALGORITHMS]; /* the likeliest first */
    int32_t n_algorithms, chosen;
} lt_product;

typedef struct lt_gemm { /* a recipe's product, kept for its next launch */
    gpu_gemm gemm;
    uint32_t alignment;
    bool is_made;
    lt_product product;
} lt_gemm;

enum { LT_GEMMS = 32 };

struct cud_lt {
    cublasLtHandle_t handle; /* belongs to no stream, and may be used by many threads */
    pthread_mutex_t lock;    /* of the rest */
    lt_gemm gemms[LT_GEMMS];
    int32_t next_gemm;
};

/* ---- lt_product.c ------------------------------------------------------------------------------------------------------- */

/* FR_DEVICE_LOST where the driver says that it is, whatever the code. */
fr_status lt_check(fr_device *device, cublasStatus_t code, const char *call, const char *what) FR_MUST_CHECK;
/* With the algorithms that the heuristics list. FR_UNSUPPORTED when there is none. */
fr_status lt_product_new(fr_device *device, const lt_spec *spec, lt_product *out_product) FR_MUST_CHECK;
void lt_product_free(const fr_device *device, lt_product *product); /* takes one half made */
/* out = first * second + add (0: nothing is added). */
typedef struct lt_operands {
    CUdeviceptr first, second, add, out, workspace;
    uint64_t workspace_bytes;
} lt_operands;
fr_status lt_product_run(fr_device *device, const lt_product *product, const lt_operands *operands,
                         CUstream stream) FR_MUST_CHECK;

#endif
#endif
