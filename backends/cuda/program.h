/* A compiled step: what launch needs, worked out beforehand. */
#ifndef CUDA_PROGRAM_H
#define CUDA_PROGRAM_H

#include "gpu/bindings.h"
#include "ways.h"

typedef struct cud_dispatch {
    gpu_call call;
    CUfunction kernel; /* KERNEL */
    gpu_gemm gemm;     /* GEMM */
    char name[48];     /* of the kernel, for sentences */
    gpu_bind binds[GPU_MAX_BUFFERS];
    int32_t n_binds;
    gpu_word params[GPU_PARAM_WORDS];
    int32_t n_params;
    uint32_t groups[3], local[3], shared_bytes;
} cud_dispatch;

struct fr_program {
    fr_device *device;
    CUdeviceptr packed; /* 0: no weights */
    uint64_t packed_bytes;
    cud_dispatch dispatches[GPU_MAX_DISPATCHES];
    int32_t n_dispatches;
    cud_op *op; /* a library's, instead of dispatches */
    gpu_bindings bindings;
};

/* A dispatch of a recipe, its kernel built; *out_bad as cud_kernel_get says it. */
fr_status cud_dispatch_prepare(fr_device *device, const gpu_dispatch *from, cud_dispatch *out,
                               bool *out_bad) FR_MUST_CHECK;
/* launch.c; packed: where the weights begin. */
fr_status cud_dispatch_enqueue(fr_queue *queue, const cud_dispatch *dispatch, const cud_place *place,
                               CUdeviceptr packed) FR_MUST_CHECK;

/* ---- ways.c: what the libraries offer, beside the recipes ---------------------------------------------------------- */

static inline bool cud_is_way(const fr_candidate *candidate) {
    return candidate->id >= GPU_OTHERS;
}
/* `user` of the others is this. */
typedef struct cud_ways {
    fr_device *device;
} cud_ways;
void cud_ways_offer(cud_ways *ways, gpu_others *out_others);
/* As gpu_recipe_make. What FR_UNSUPPORTED is answered for is not offered again for such a step. */
fr_status cud_way_make(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                       cud_op **out_op) FR_MUST_CHECK;

#endif
