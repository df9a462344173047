/* What the float convolutions share: the steps they take, how their tensors lie, and the words their kernels begin with. */
#ifndef FR_BACKENDS_GPU_CONV_COMMON_H
#define FR_BACKENDS_GPU_CONV_COMMON_H

#include "gpu/gpu.h"

enum { GPU_LAYOUT_NATIVE = 0xff }; /* in a variant: blocks of the device's own vectors */

typedef struct gpu_conv_dims {
    int32_t c, co;        /* channels of a group */
    int32_t map_h, map_w; /* before a pool */
    double flops;         /* of one launch */
    double bytes;         /* sources, weights and result, once */
} gpu_conv_dims;

/* Refuses what is no float convolution, or is too large for 32-bit indices. The layouts it fills in are those of the step,
 * and where the step leaves them free, src and dst (fr_layout or GPU_LAYOUT_NATIVE); the residual's is dst's. */
bool gpu_conv_begin(const gpu_traits *traits, const fr_step *step, uint16_t src, uint16_t dst, fr_candidate *candidate,
                    gpu_conv_dims *out_dims);
gpu_conv_dims gpu_conv_dims_of(const fr_step *step);

/* The step's own output as a tensor: dst, or with a pool the unpooled map, kept as f32 in dst's layout. */
fr_tensor gpu_conv_out(const fr_step *step);
/* Of gpu_conv_out where the pool is a dispatch of its own. */
uint64_t gpu_conv_map_bytes(const fr_step *step, uint16_t layout);
/* The pool behind a dispatch that wrote gpu_conv_out to the scratch's beginning; nothing without a pool. */
fr_status gpu_conv_add_pool(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step) FR_MUST_CHECK;

/* A dispatch with VW, SRC_DTYPE, RES_DTYPE, DST_DTYPE, the buffers src, res, wgt, dst and CONV_PARAMS filled in; out is what it
 * writes, to the buffer of that role. Never NULL in a recipe that has none yet. */
gpu_dispatch *gpu_conv_add(gpu_recipe *recipe, const char *file, const char *kernel, const fr_step *step, int32_t vec,
                           const fr_tensor *out, int32_t role);
/* How the kernels may take vec channels of a place of the tensor at once: see conv_lanes.cl. */
int32_t gpu_conv_side(const fr_step *step, const fr_tensor *t, int32_t vec);
/* The first stored channel that stores of whole vectors leave out. */
int32_t gpu_conv_zeros_from(const fr_step *step, const fr_tensor *out, int32_t vec);

/* I(pool) CONV_POOL_PARAMS(I, pool) I(dst_h) I(dst_w) */
void gpu_conv_pool_params(gpu_dispatch *d, const fr_step *step);
/* A max pool whose windows are all inside the map, and plain. */
bool gpu_conv_pool_is_inside(const fr_step *step);

/* bias of output channel o, 0 without. */
static inline float gpu_conv_bias(const fr_step *step, const fr_weights *weights, int32_t o) {
    return step->has_bias && weights->bias ? weights->bias[o] : 0.0f;
}

/*
 * Weights for register tiles of `wide` outputs: for each group, for each tile of its outputs: [kh][kw][c][wide], zeros past
 * the group's last output; before them all tiles' biases.
 */
fr_status gpu_conv_pack(const fr_host *host, const fr_step *step, const fr_weights *weights, int32_t wide,
                        gpu_recipe *recipe) FR_MUST_CHECK;

#endif
