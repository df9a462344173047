#define _GNU_SOURCE /* dladdr */
/*
 * A stand-in for libcublasLt.so.13: products in double over host memory. Descriptions are checked as the real library would; what
 * is wrong is said on stderr. PAPER_LT_CREATE=CODE: cublasLtCreate answers so; PAPER_LT_NONE=1: there is no algorithm.
 *
 * The algorithms: one that fails when it runs (2), one that wants all of the workspace (3), and a plain one (1).
 */
#include <cublasLt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/convert.h"
#include "paper_stream.h"

enum { FAILS = 2, WANTS_ALL = 3, PLAIN = 1 };

typedef struct how {
    cublasComputeType_t compute;
    int32_t transa, transb;
    cublasLtEpilogue_t epilogue;
    const void *bias;
} how;

typedef struct layout {
    cudaDataType_t type;
    int64_t rows, columns, ld, stride;
    int32_t batch;
} layout;

typedef struct wishes {
    uint64_t workspace;
    uint32_t schemes, alignment[4];
} wishes;

typedef struct job {
    how how;
    layout a, b, c, d;
    const char *from_a, *from_b, *from_c;
    char *to;
    void *workspace;
    uint64_t workspace_bytes;
    float alpha, beta;
    struct job *next;
} job;

static job *jobs; /* they stay: one that is recorded into a graph runs again and again */

static cublasStatus_t wrong(const char *words) {
    (void)fprintf(stderr, "paper: cublasLt: %s\n", words);
    return CUBLAS_STATUS_INVALID_VALUE;
}

static long setting(const char *name) {
    const char *text = getenv(name);
    return text && *text ? atol(text) : 0;
}

size_t cublasLtGetVersion(void) {
    return 130100;
}

const char *cublasLtGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "a refusal of the paper GPU's cuBLASLt";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
    static int nothing;
    *handle = (cublasLtHandle_t)(void *)&nothing;
    return (cublasStatus_t)setting("PAPER_LT_CREATE");
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    return handle ? CUBLAS_STATUS_SUCCESS : wrong("no handle is destroyed");
}

/* ---- descriptions ------------------------------------------------------------------------------------------------------------ */

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale) {
    how *made = calloc(1, sizeof *made);
    *out = (cublasLtMatmulDesc_t)(void *)made;
    if (!made)
        return CUBLAS_STATUS_ALLOC_FAILED;
    made->compute = compute;
    made->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    return scale == CUDA_R_32F && (compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32)
               ? CUBLAS_STATUS_SUCCESS
               : wrong("sums that are not f32");
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
    free((void *)desc);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t take(void *to, size_t wanted, const void *from, size_t bytes) {
    if (bytes != wanted)
        return wrong("an attribute of another size");
    memcpy(to, from, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes) {
    how *h = (how *)(void *)desc;
    switch ((int)name) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(&h->transa, sizeof h->transa, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(&h->transb, sizeof h->transb, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(&h->epilogue, sizeof h->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(&h->bias, sizeof h->bias, value, bytes);
    default: return wrong("an attribute of products that is not known here");
    }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows, uint64_t cols,
                                          int64_t ld) {
    layout *made = calloc(1, sizeof *made);
    *out = (cublasLtMatrixLayout_t)(void *)made;
    if (!made)
        return CUBLAS_STATUS_ALLOC_FAILED;
    *made = (layout){.type = type, .rows = (int64_t)rows, .columns = (int64_t)cols, .ld = ld, .batch = 1};
    return rows && cols && ld >= (int64_t)rows ? CUBLAS_STATUS_SUCCESS : wrong("columns that lie on each other");
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t desc) {
    free((void *)desc);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t desc, cublasLtMatrixLayoutAttribute_t name,
                                                const void *value, size_t bytes) {
    layout *l = (layout *)(void *)desc;
    switch ((int)name) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return take(&l->batch, sizeof l->batch, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return take(&l->stride, sizeof l->stride, value, bytes);
    default: return wrong("an attribute of matrices that is not known here");
    }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out) {
    wishes *made = calloc(1, sizeof *made);
    *out = (cublasLtMatmulPreference_t)(void *)made;
    if (!made)
        return CUBLAS_STATUS_ALLOC_FAILED;
    for (int i = 0; i < 4; i++)
        made->alignment[i] = 256;
    made->schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t pref) {
    free((void *)pref);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t pref,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void *value,
                                                    size_t bytes) {
    wishes *w = (wishes *)(void *)pref;
    switch ((int)name) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return take(&w->workspace, sizeof w->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return take(&w->schemes, sizeof w->schemes, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
        return take(&w->alignment[0], sizeof w->alignment[0], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
        return take(&w->alignment[1], sizeof w->alignment[1], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
        return take(&w->alignment[2], sizeof w->alignment[2], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return take(&w->alignment[3], sizeof w->alignment[3], value, bytes);
    default: return wrong("a preference that is not known here");
    }
}

/* ---- algorithms ---------------------------------------------------------------------------------------------------------------- */

static bool fits(const how *h, const layout *a, const layout *b, const layout *c, const layout *d) {
    int64_t m = h->transa ? a->columns : a->rows, k = h->transa ? a->rows : a->columns;
    int64_t n = h->transb ? b->rows : b->columns, depth = h->transb ? b->columns : b->rows;
    return depth == k && d->rows == m && d->columns == n && c->rows == m && c->columns == n && a->type == b->type &&
           c->type == d->type && a->batch == d->batch && b->batch == d->batch && c->batch == d->batch;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t pref, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *found) {
    const wishes *w = (const wishes *)(void *)pref;
    const layout *out = (const layout *)(const void *)d;
    static const int ids[] = {FAILS, WANTS_ALL, PLAIN};
    *found = 0;
    if (!handle || !fits((const how *)(void *)desc, (const layout *)(void *)a, (const layout *)(void *)b,
                         (const layout *)(void *)c, out))
        return wrong("matrices that do not fit each other");
    if (out->type != CUDA_R_32F && (w->schemes & CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE))
        return wrong("sums may be rounded to 16 bits between");
    if (setting("PAPER_LT_NONE"))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    /* recipes' products are not tried before they run: they have no workspace, and get the plain one alone */
    for (int i = w->workspace ? 0 : 2; i < 3 && *found < wanted; i++) {
        cublasLtMatmulHeuristicResult_t *r = &results[(*found)++];
        memset(r, 0, sizeof *r);
        r->algo.data[0] = (uint64_t)ids[i];
        for (int k = 0; k < 4; k++)
            r->algo.data[1 + k] = w->alignment[k];
        r->workspaceSize = ids[i] == WANTS_ALL ? w->workspace : 0;
        r->algo.data[5] = r->workspaceSize;
        r->state = CUBLAS_STATUS_SUCCESS;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result) {
    (void)desc;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    memset(result, 0, sizeof *result);
    result->workspaceSize = algo->data[5];
    return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

/* ---- the product ----------------------------------------------------------------------------------------------------------------- */

static double load(const char *memory, cudaDataType_t type, int64_t at) {
    float f;
    uint16_t half;
    if (type == CUDA_R_32F) {
        memcpy(&f, memory + 4 * at, 4);
        return (double)f;
    }
    memcpy(&half, memory + 2 * at, 2);
    return (double)(type == CUDA_R_16F ? fr_f16_to_f32(half) : fr_bf16_to_f32(half));
}

static void store(char *memory, cudaDataType_t type, int64_t at, double value) {
    float f = (float)value;
    uint16_t half = type == CUDA_R_16F ? fr_f32_to_f16(f) : fr_f32_to_bf16(f);
    if (type == CUDA_R_32F)
        memcpy(memory + 4 * at, &f, 4);
    else
        memcpy(memory + 2 * at, &half, 2);
}

static double to_tf32(double value) {
    float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* op(matrix) as doubles, `outer` by k, k contiguous. */
static double *spread_out(const layout *l, const char *memory, bool k_is_rows, int64_t batch, bool tf32) {
    int64_t k = k_is_rows ? l->rows : l->columns, outer = k_is_rows ? l->columns : l->rows;
    double *out = malloc((size_t)(k * outer) * sizeof *out), *to = out;
    for (int64_t o = 0; out && o < outer; o++)
        for (int64_t i = 0; i < k; i++) {
            int64_t at = batch * l->stride + (k_is_rows ? o * l->ld + i : i * l->ld + o);
            double value = load(memory, l->type, at);
            *to++ = tf32 ? to_tf32(value) : value;
        }
    return out;
}

static void multiply(const job *j, int64_t batch) {
    bool tf32 = j->how.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && j->a.type == CUDA_R_32F;
    int64_t k = j->how.transa ? j->a.rows : j->a.columns, m = j->d.rows, n = j->d.columns;
    double *a = spread_out(&j->a, j->from_a, j->how.transa, batch, tf32),
           *b = spread_out(&j->b, j->from_b, !j->how.transb, batch, tf32);
    for (int64_t column = 0; a && b && column < n; column++)
        for (int64_t row = 0; row < m; row++) {
            double sum = 0;
            for (int64_t i = 0; i < k; i++)
                sum += a[row * k + i] * b[column * k + i];
            sum = (double)(float)sum * (double)j->alpha;
            if (j->beta != 0)
                sum += (double)j->beta * load(j->from_c, j->c.type, batch * j->c.stride + column * j->c.ld + row);
            if (j->how.epilogue & CUBLASLT_EPILOGUE_BIAS)
                sum += load(j->how.bias, j->d.type, row);
            if (j->how.epilogue & CUBLASLT_EPILOGUE_RELU)
                sum = sum < 0 ? 0 : sum;
            store(j->to, j->d.type, batch * j->d.stride + column * j->d.ld + row, sum);
        }
    free(a);
    free(b);
}

static void work(void *user) {
    const job *j = user;
    if (j->workspace_bytes)
        memset(j->workspace, 0xee, j->workspace_bytes);
    for (int64_t i = 0; i < j->d.batch; i++)
        multiply(j, i);
}

static bool is_aligned(const void *at, uint64_t bytes) {
    return at && (uintptr_t)at % bytes == 0;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t a_desc, const void *b, cublasLtMatrixLayout_t b_desc,
                              const void *beta, const void *c, cublasLtMatrixLayout_t c_desc, void *d,
                              cublasLtMatrixLayout_t d_desc, const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
    if (!handle || !algo)
        return wrong("a product without a handle or an algorithm");
    if (algo->data[0] == FAILS)
        return CUBLAS_STATUS_EXECUTION_FAILED;
    job *j = calloc(1, sizeof *j);
    if (!j)
        return CUBLAS_STATUS_ALLOC_FAILED;
    *j = (job){.how = *(const how *)(void *)desc,
               .a = *(const layout *)(void *)a_desc,
               .b = *(const layout *)(void *)b_desc,
               .c = *(const layout *)(void *)c_desc,
               .d = *(const layout *)(void *)d_desc,
               .from_a = a,
               .from_b = b,
               .from_c = c,
               .to = d,
               .workspace = workspace,
               .workspace_bytes = algo->data[5]};
    memcpy(&j->alpha, alpha, sizeof j->alpha);
    memcpy(&j->beta, beta, sizeof j->beta);
    do
        j->next = __atomic_load_n(&jobs, __ATOMIC_RELAXED);
    while (!__sync_bool_compare_and_swap(&jobs, j->next, j));
    if (!is_aligned(a, algo->data[1]) || !is_aligned(b, algo->data[2]) || !is_aligned(c, algo->data[3]) ||
        !is_aligned(d, algo->data[4]))
        return wrong("a matrix that does not begin where it was said to");
    if (workspace_bytes < algo->data[5] || (algo->data[5] && !workspace))
        return wrong("less workspace than the algorithm wants");
    if ((j->how.epilogue & CUBLASLT_EPILOGUE_BIAS) && !j->how.bias)
        return wrong("no bias");
    return paper_stream_run(&jobs, stream, work, j) == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS
                                                                    : CUBLAS_STATUS_EXECUTION_FAILED;
}
