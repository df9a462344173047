/* One product of cuBLASLt: its description, its algorithms, and its launch. */
#include "lt.h"

#ifdef CUDA_WITH_CUBLASLT

#include <string.h>

fr_status lt_check(fr_device *device, cublasStatus_t code, const char *call, const char *what) {
    if (code == CUBLAS_STATUS_SUCCESS)
        return FR_OK;
    HOST_TRY(cud_check_there(device, call, what));
    fr_status status = code == CUBLAS_STATUS_ALLOC_FAILED       ? FR_NO_MEMORY
                       : code == CUBLAS_STATUS_EXECUTION_FAILED ? FR_INTERNAL
                                                                : FR_UNSUPPORTED;
    return host_fail(device->base.host, status, "cuda: %s for %s failed: %s (%d)", call, what,
                     device->driver->lt.cublasLtGetStatusString(code), (int)code);
}

static fr_status set_how(fr_device *device, lt_product *p, cublasLtMatmulDescAttributes_t name, const void *value,
                         size_t bytes) {
    return lt_check(device, device->driver->lt.cublasLtMatmulDescSetAttribute(p->how, name, value, bytes),
                    "cublasLtMatmulDescSetAttribute", "a product");
}

static fr_status describe(fr_device *device, const lt_spec *spec, lt_product *p) {
    const int32_t op_first = spec->transposes_first ? CUBLAS_OP_T : CUBLAS_OP_N,
                  op_second = spec->transposes_second ? CUBLAS_OP_T : CUBLAS_OP_N;
    const void *bias = (const void *)(uintptr_t)spec->bias;
    HOST_TRY(lt_check(device, device->driver->lt.cublasLtMatmulDescCreate(&p->how, spec->compute, CUDA_R_32F),
                      "cublasLtMatmulDescCreate", "a product"));
    HOST_TRY(set_how(device, p, CUBLASLT_MATMUL_DESC_TRANSA, &op_first, sizeof op_first));
    HOST_TRY(set_how(device, p, CUBLASLT_MATMUL_DESC_TRANSB, &op_second, sizeof op_second));
    HOST_TRY(set_how(device, p, CUBLASLT_MATMUL_DESC_EPILOGUE, &spec->epilogue, sizeof spec->epilogue));
    return bias ? set_how(device, p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias) : FR_OK;
}

static fr_status lay_out(fr_device *device, const lt_matrix *m, int64_t ld, int32_t batch,
                         cublasLtMatrixLayout_t *out) {
    const cud_lt_api *api = &device->driver->lt;
    const char *what = "a matrix";
    HOST_TRY(lt_check(device,
                      api->cublasLtMatrixLayoutCreate(out, m->type, (uint64_t)m->rows, (uint64_t)m->columns, ld),
                      "cublasLtMatrixLayoutCreate", what));
    if (batch <= 1)
        return FR_OK;
    HOST_TRY(lt_check(
        device, api->cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch),
        "cublasLtMatrixLayoutSetAttribute", what));
    return lt_check(device,
                    api->cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &m->stride,
                                                          sizeof m->stride),
                    "cublasLtMatrixLayoutSetAttribute", what);
}

static fr_status set_wish(fr_device *device, cublasLtMatmulPreference_t wishes,
                          cublasLtMatmulPreferenceAttributes_t name, const void *value, size_t bytes) {
    return lt_check(device, device->driver->lt.cublasLtMatmulPreferenceSetAttribute(wishes, name, value, bytes),
                    "cublasLtMatmulPreferenceSetAttribute", "a product");
}

/* Parts of split sums are added up in f32: never in what out is stored as. */
static fr_status wish(fr_device *device, const lt_spec *spec, cublasLtMatmulPreference_t wishes) {
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    HOST_TRY(
        set_wish(device, wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &spec->workspace, sizeof spec->workspace));
    HOST_TRY(set_wish(device, wishes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes));
    HOST_TRY(set_wish(device, wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &spec->first.alignment,
                      sizeof spec->first.alignment));
    HOST_TRY(set_wish(device, wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &spec->second.alignment,
                      sizeof spec->second.alignment));
    HOST_TRY(set_wish(device, wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &spec->out.alignment,
                      sizeof spec->out.alignment));
    return set_wish(device, wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &spec->out.alignment,
                    sizeof spec->out.alignment);
}

static fr_status choose(fr_device *device, cublasLtMatmulPreference_t wishes, lt_product *p) {
    cublasLtMatmulHeuristicResult_t results[LT_MOST_ALGORITHMS];
    int found = 0;
    memset(results, 0, sizeof results);
    HOST_TRY(lt_check(device,
                      device->driver->lt.cublasLtMatmulAlgoGetHeuristic(device->lt->handle, p->how, p->first, p->second,
                                                                        p->add, p->out, wishes, LT_MOST_ALGORITHMS,
                                                                        results, &found),
                      "cublasLtMatmulAlgoGetHeuristic", "a product"));
    for (int i = 0; i < found && i < LT_MOST_ALGORITHMS; i++)
        if (results[i].state == CUBLAS_STATUS_SUCCESS)
            p->algorithms[p->n_algorithms++] = results[i].algo;
    return p->n_algorithms > 0
               ? FR_OK
               : host_fail(device->base.host, FR_UNSUPPORTED, "cuda: cuBLASLt has no algorithm for this product");
}

fr_status lt_product_new(fr_device *device, const lt_spec *spec, lt_product *p) {
    const cud_lt_api *api = &device->driver->lt;
    cublasLtMatmulPreference_t wishes = NULL;
    fr_status status;
    memset(p, 0, sizeof *p);
    HOST_GO(done, describe(device, spec, p));
    HOST_GO(done, lay_out(device, &spec->first, spec->first.ld, spec->batch, &p->first));
    HOST_GO(done, lay_out(device, &spec->second, spec->second.ld, spec->batch, &p->second));
    HOST_GO(done, lay_out(device, &spec->out, spec->add_ld, spec->batch, &p->add));
    HOST_GO(done, lay_out(device, &spec->out, spec->out.ld, spec->batch, &p->out));
    HOST_GO(done, lt_check(device, api->cublasLtMatmulPreferenceCreate(&wishes), "cublasLtMatmulPreferenceCreate",
                           "a product"));
    HOST_GO(done, wish(device, spec, wishes));
    HOST_GO(done, choose(device, wishes, p));
done:
    if (wishes)
        (void)api->cublasLtMatmulPreferenceDestroy(wishes);
    if (status != FR_OK)
        lt_product_free(device, p);
    return status;
}

void lt_product_free(const fr_device *device, lt_product *p) {
    const cud_lt_api *api = &device->driver->lt;
    cublasLtMatrixLayout_t layouts[] = {p->first, p->second, p->add, p->out};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (layouts[i])
            (void)api->cublasLtMatrixLayoutDestroy(layouts[i]);
    if (p->how)
        (void)api->cublasLtMatmulDescDestroy(p->how);
    memset(p, 0, sizeof *p);
}

static void *at(CUdeviceptr memory) {
    return (void *)(uintptr_t)memory;
}

fr_status lt_product_run(fr_device *device, const lt_product *p, const lt_operands *o, CUstream stream) {
    const float alpha = 1, beta = o->add ? 1 : 0;
    CUdeviceptr add = o->add ? o->add : o->out;
    return lt_check(device,
                    device->driver->lt.cublasLtMatmul(device->lt->handle, p->how, &alpha, at(o->first), p->first,
                                                      at(o->second), p->second, &beta, at(add), p->add, at(o->out),
                                                      p->out, &p->algorithms[p->chosen], at(o->workspace),
                                                      (size_t)o->workspace_bytes, stream),
                    "cublasLtMatmul", "a product");
}

#endif
