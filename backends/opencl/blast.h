/* CLBlast's matrix products, where the library is installed. Built without its header there are none. */
#ifndef OPENCL_BLAST_H
#define OPENCL_BLAST_H

#include <stdbool.h>

#include "api.h"
#include "gpu/gpu.h"

#ifdef OPENCL_WITH_CLBLAST
#include <clblast_c.h>
#define OCL_BLAST_FUNCTIONS(X) X(CLBlastSgemm) X(CLBlastSgemmStridedBatched) X(CLBlastClearCache)
#else
#define OCL_BLAST_FUNCTIONS(X)
#endif

typedef struct ocl_blast {
    void *library; /* NULL: there is none */
#define OCL_MEMBER(name) __typeof__(&name) name;
    OCL_BLAST_FUNCTIONS(OCL_MEMBER)
#undef OCL_MEMBER
} ocl_blast;

void ocl_blast_open(const fr_host *host, ocl_blast *out_blast); /* its absence is no failure */
void ocl_blast_close(ocl_blast *blast);
/* A, B, C at the offsets (elements). Enqueued; the event of the last kernel goes to *out_event. */
fr_status ocl_blast_gemm(const fr_host *host, const ocl_blast *blast, const gpu_gemm *gemm, const cl_mem memory[3],
                         const cl_uint offset[3], cl_command_queue queue, cl_event *out_event) FR_MUST_CHECK;

#endif
