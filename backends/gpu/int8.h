/*
 * CONV and FC over bytes: what the kernels of both share. An FC is a 1x1 CONV over the numbers of its source in the
 * order they are stored; its weights are put in that order.
 */
#ifndef FR_BACKENDS_GPU_INT8_H
#define FR_BACKENDS_GPU_INT8_H

#include "gpu/gpu.h"

/* Where a kernel's answers go: dst, or, before a pool of its own dispatch, a map in scratch. */
typedef struct int8_target {
    fr_tensor tensor;
    bool is_map;
    float inverse_scale;
} int8_target;

/* How the direct kernel walks a step. All words are those of CONV_INT8_PARAMS in shaders/params.h. */
typedef struct int8_walk {
    fr_step conv; /* with all layouts; of an FC, the 1x1 CONV */
    int8_target target;
    int32_t places, outs, items; /* a tile's places and vectors of outputs; items in a group */
    int32_t vec;
    int32_t block; /* channels of the source that lie side by side */
    int32_t blocks, all_blocks;
    int32_t tiles;
    int32_t out_h, out_w;
    int32_t span;
    bool is_pooled; /* by the kernel itself */
    int32_t bands, band_rows, band_bytes;
    uint64_t weights_step, constants_step; /* words a tile */
    uint64_t scratch_bytes;
} int8_walk;

/* int8_walk.c */
enum { INT8_DEPTH = 4, INT8_WORD = 4 }; /* channels a word of weights, and its bytes */
bool int8_is_dense(const fr_tensor *t); /* channels lie side by side at each place */
fr_reason int8_walk_make(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                         int8_walk *out_walk);
int32_t int8_first_block(const int8_walk *walk, int32_t tile); /* of the source, that a tile of outputs reads */
void int8_direct_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                     double *out_ns);

/* int8_direct.c */
fr_status int8_direct_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                           const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) FR_MUST_CHECK;

/* int8_plain.c: any shape in any layout */
void int8_plain_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                    double *out_ns);
fr_status int8_plain_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                          const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) FR_MUST_CHECK;

/* int8_common.c */
fr_reason int8_check(const fr_step *step); /* kernels for these dtypes exist */
bool int8_is_counted(const fr_step *step); /* all layouts fixed: the kernels count elements in 32 bits */
fr_status int8_check_weights(const fr_host *host, const fr_step *step, const fr_weights *weights) FR_MUST_CHECK;
int8_target int8_target_of(const fr_step *step, bool is_pooled_inside);  /* dst's layout is fixed */
uint64_t int8_map_bytes(const fr_step *step, const int8_target *target); /* of scratch: 0 without a map */
/* What an output channel's sum is multiplied by, and its bias, as f32 words of packed + at. */
void int8_put_factor(gpu_recipe *recipe, uint64_t at, const fr_step *step, const fr_weights *weights, int32_t o,
                     uint64_t factor_index, uint64_t bias_index);
void int8_bind_target(gpu_dispatch *d, const int8_target *target);
/* The last of a kernel's buffers; a shader that can have a residual is bound one in any case. */
void int8_bind_residual(gpu_dispatch *d, const gpu_traits *traits, const fr_step *step);
void int8_define_types(gpu_dispatch *d, const fr_step *step, const int8_target *target);
float int8_residual_scale(const fr_step *step);
/* The pool's own dispatch, where the target is a map. */
fr_status int8_finish(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step,
                      const int8_target *target) FR_MUST_CHECK;

/* A variant of the direct kernel; the rest is its tile: places, vectors of outputs, items of a group. */
#define INT8_DIRECT(name, kind, layout, vec, ...)                               \
    {                                                                           \
        name, GPU_KIND(kind), int8_direct_fit, int8_direct_make, layout, vec, { \
            __VA_ARGS__                                                         \
        }                                                                       \
    }

#endif
