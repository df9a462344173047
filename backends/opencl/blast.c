#include "blast.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#ifdef OPENCL_WITH_CLBLAST

void ocl_blast_open(const fr_host *host, ocl_blast *out_blast) {
    memset(out_blast, 0, sizeof *out_blast);
    void *library = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        host->log(3, "opencl: no CLBlast: %s", dlerror());
        return;
    }
    bool whole = true;
#define FIND(name)                                        \
    {                                                     \
        void *symbol = dlsym(library, #name);             \
        memcpy(&out_blast->name, &symbol, sizeof symbol); \
        whole = whole && symbol != NULL;                  \
    }
    OCL_BLAST_FUNCTIONS(FIND)
#undef FIND
    if (whole)
        out_blast->library = library;
    else
        dlclose(library);
}

void ocl_blast_close(ocl_blast *blast) {
    if (!blast->library)
        return;
    (void)blast->CLBlastClearCache(); /* its programs hold on to contexts that are closed */
    dlclose(blast->library);
    blast->library = NULL;
}

static CLBlastTranspose transpose(bool transposed) {
    return transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
}

fr_status ocl_blast_gemm(const fr_host *host, const ocl_blast *blast, const gpu_gemm *gemm, const cl_mem memory[3],
                         const cl_uint offset[3], cl_command_queue queue, cl_event *out_event) {
    CLBlastStatusCode code;
    size_t m = (size_t)gemm->m, n = (size_t)gemm->n, k = (size_t)gemm->k;
    size_t lda = (size_t)gemm->lda, ldb = (size_t)gemm->ldb, ldc = (size_t)gemm->ldc;
    if (!blast->library)
        return host_fail(host, FR_INTERNAL, "opencl: a step wants CLBlast, which is not there");
    if (gemm->batch > 1)
        code = blast->CLBlastSgemmStridedBatched(
            CLBlastLayoutRowMajor, transpose(gemm->a_transposed), transpose(gemm->b_transposed), m, n, k, 1.0f,
            memory[0], offset[0], lda, gemm->a_stride, memory[1], offset[1], ldb, gemm->b_stride, 0.0f, memory[2],
            offset[2], ldc, gemm->c_stride, (size_t)gemm->batch, &queue, out_event);
    else
        code = blast->CLBlastSgemm(CLBlastLayoutRowMajor, transpose(gemm->a_transposed), transpose(gemm->b_transposed),
                                   m, n, k, 1.0f, memory[0], offset[0], lda, memory[1], offset[1], ldb, 0.0f, memory[2],
                                   offset[2], ldc, &queue, out_event);
    if (code == CLBlastSuccess)
        return FR_OK;
    char what[64];
    snprintf(what, sizeof what, "a product of %zux%zux%zu", m, n, k);
    if (code > -100) /* these are OpenCL's own codes */
        return ocl_check(host, (cl_int)code, "CLBlastSgemm", what);
    return host_fail(host, FR_INTERNAL, "opencl: CLBlastSgemm for %s failed: CLBlast's error %d", what, (int)code);
}

#else

void ocl_blast_open(const fr_host *host, ocl_blast *out_blast) {
    (void)host;
    out_blast->library = NULL;
}

void ocl_blast_close(ocl_blast *blast) {
    (void)blast;
}

fr_status ocl_blast_gemm(const fr_host *host, const ocl_blast *blast, const gpu_gemm *gemm, const cl_mem memory[3],
                         const cl_uint offset[3], cl_command_queue queue, cl_event *out_event) {
    (void)blast;
    (void)gemm;
    (void)memory;
    (void)offset;
    (void)queue;
    (void)out_event;
    return host_fail(host, FR_INTERNAL, "opencl: a step wants CLBlast, and this build has none");
}

#endif
