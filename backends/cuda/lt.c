/* A device's share of cuBLASLt, and the products of recipes. */
#include "lt.h"

#ifdef CUDA_WITH_CUBLASLT

#include <string.h>

fr_status cud_lt_open(fr_device *device) {
    const fr_host *host = device->base.host;
    void *block;
    device->lt = NULL;
    if (!device->driver->lt.library)
        return FR_OK;
    HOST_TRY(host_alloc(host, sizeof(cud_lt), "cuBLASLt's state", &block));
    cud_lt *lt = block;
    pthread_mutex_lock(&device->quiet);
    cublasStatus_t code = device->driver->lt.cublasLtCreate(&lt->handle);
    pthread_mutex_unlock(&device->quiet);
    fr_status status = lt_check(device, code, "cublasLtCreate", device->found->facts.name);
    if (status != FR_OK) {
        host->free(lt);
        if (status == FR_NO_MEMORY || status == FR_DEVICE_LOST) /* those say nothing of cuBLASLt */
            return status;
        host->log(1, "cuda: cuBLASLt %zu does not start on %s: it is left out", device->driver->lt.version,
                  device->found->facts.name);
        return FR_OK;
    }
    pthread_mutex_init(&lt->lock, NULL);
    device->lt = lt;
    return FR_OK;
}

void cud_lt_close(fr_device *device) {
    cud_lt *lt = device->lt;
    if (!lt)
        return;
    for (int32_t i = 0; i < LT_GEMMS; i++)
        if (lt->gemms[i].is_made)
            lt_product_free(device, &lt->gemms[i].product);
    pthread_mutex_lock(&device->quiet);
    (void)device->driver->lt.cublasLtDestroy(lt->handle);
    pthread_mutex_unlock(&device->quiet);
    pthread_mutex_destroy(&lt->lock);
    device->base.host->free(lt);
    device->lt = NULL;
}

/* ---- recipes' products -------------------------------------------------------------------------------------------------- */

static bool is_same(const gpu_gemm *a, const gpu_gemm *b) {
    return a->m == b->m && a->n == b->n && a->k == b->k && a->lda == b->lda && a->ldb == b->ldb && a->ldc == b->ldc &&
           a->batch == b->batch && a->a_transposed == b->a_transposed && a->b_transposed == b->b_transposed &&
           a->a_stride == b->a_stride && a->b_stride == b->b_stride && a->c_stride == b->c_stride;
}

/* A row-major matrix of so many rows and columns, as columns first. */
static lt_matrix turned(int32_t rows, int32_t columns, int32_t ld, uint64_t stride, uint32_t alignment) {
    return (lt_matrix){.rows = columns,
                       .columns = rows,
                       .ld = ld,
                       .stride = (int64_t)stride,
                       .type = CUDA_R_32F,
                       .alignment = alignment};
}

static lt_spec spec_of(const gpu_gemm *g, uint32_t alignment) {
    lt_spec spec = {.compute = CUBLAS_COMPUTE_32F, .epilogue = CUBLASLT_EPILOGUE_DEFAULT, .batch = g->batch};
    spec.first = g->b_transposed ? turned(g->n, g->k, g->ldb, g->b_stride, alignment)
                                 : turned(g->k, g->n, g->ldb, g->b_stride, alignment);
    spec.second = g->a_transposed ? turned(g->k, g->m, g->lda, g->a_stride, alignment)
                                  : turned(g->m, g->k, g->lda, g->a_stride, alignment);
    spec.out = turned(g->m, g->n, g->ldc, g->c_stride, alignment);
    spec.add_ld = g->ldc;
    spec.transposes_first = g->b_transposed;
    spec.transposes_second = g->a_transposed;
    return spec;
}

static fr_status find(fr_device *device, const gpu_gemm *gemm, uint32_t alignment, const lt_product **out) {
    cud_lt *lt = device->lt;
    for (int32_t i = 0; i < LT_GEMMS; i++)
        if (lt->gemms[i].is_made && lt->gemms[i].alignment == alignment && is_same(&lt->gemms[i].gemm, gemm)) {
            *out = &lt->gemms[i].product;
            return FR_OK;
        }
    lt_gemm *slot = &lt->gemms[lt->next_gemm];
    lt->next_gemm = (lt->next_gemm + 1) % LT_GEMMS;
    if (slot->is_made)
        lt_product_free(device, &slot->product);
    memset(slot, 0, sizeof *slot);
    const lt_spec spec = spec_of(gemm, alignment);
    HOST_TRY(lt_product_new(device, &spec, &slot->product));
    slot->gemm = *gemm;
    slot->alignment = alignment;
    slot->is_made = true;
    *out = &slot->product;
    return FR_OK;
}

static uint32_t alignment_of(CUdeviceptr a, CUdeviceptr b, CUdeviceptr c) {
    uint32_t most = 16;
    while (most > 4 && (a | b | c) % most != 0)
        most /= 2;
    return most;
}

fr_status cud_lt_gemm(fr_queue *queue, const gpu_gemm *gemm, CUdeviceptr a, CUdeviceptr b, CUdeviceptr c) {
    fr_device *device = queue->device;
    const lt_product *product;
    if (!device->lt)
        return host_fail(device->base.host, FR_UNSUPPORTED,
                         "cuda: a step wants cuBLASLt, which does not start on this device: "
                         "FOLDRUN_CUDA_WITHOUT=cublaslt does without it");
    pthread_mutex_lock(&device->lt->lock);
    fr_status status = find(device, gemm, alignment_of(a, b, c), &product);
    if (status == FR_OK) {
        const lt_operands operands = {.first = b, .second = a, .out = c};
        status = lt_product_run(device, product, &operands, queue->stream);
    }
    pthread_mutex_unlock(&device->lt->lock);
    return status;
}

#else

fr_status cud_lt_open(fr_device *device) {
    device->lt = NULL;
    return FR_OK;
}

void cud_lt_close(fr_device *device) {
    (void)device;
}

fr_status cud_lt_gemm(fr_queue *queue, const gpu_gemm *gemm, CUdeviceptr a, CUdeviceptr b, CUdeviceptr c) {
    (void)gemm;
    (void)a;
    (void)b;
    (void)c;
    return host_fail(queue->device->base.host, FR_INTERNAL,
                     "cuda: a step wants cuBLASLt, and this build has no headers of it");
}

#endif

/* A queue has nothing of its own: cuBLASLt's handle belongs to no stream. */

fr_status cud_lt_queue_ready(fr_queue *queue) {
    (void)queue;
    return FR_OK;
}

void cud_lt_queue_close(fr_queue *queue) {
    (void)queue;
}
