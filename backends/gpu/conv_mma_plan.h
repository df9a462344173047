/*
 * How conv_mma cuts a convolution: what a block computes, and what lies where in its shared memory. Pure sums.
 *
 * What to expect, f16 on NHWC maps, one image (bytes: source and result once): tile fill is the useful part of the products.
 *   V1 3 -> 32, 22x52, pool3/s2   2.0 MFLOP   23 KB   fill 0.75 (K 27 of 32, 10 of 11 columns new)   memory on every GPU
 *   V1 32 -> 32, 10x25            4.6 MFLOP   32 KB   fill 0.98 (250 pixels of 256)                  144 FLOP a byte
 *   N4 64 -> 64, 50x50, pool2/s2  184 MFLOP   400 KB  fill 0.81 (9x7 of dst: 252 pixels of 256)      460 FLOP a byte: products
 * A step of k costs a warp MT + NT / 2 reads of 512 bytes for MT * NT products of 4 KFLOP: with 4 and 4, shared memory and matrix
 * units are busy in the proportion 3 to 4 on sm_80, and 3 to 2 on sm_90.
 */
#ifndef FR_BACKENDS_GPU_CONV_MMA_PLAN_H
#define FR_BACKENDS_GPU_CONV_MMA_PLAN_H

#include "gpu/gpu.h"

enum { GPU_MMA_RUN_BYTES = 16 }; /* of channels, that lanes take at once */

typedef struct gpu_mma_shape { /* a variant's, and what follows from the step */
    int32_t mt, nt, warps;     /* tiles of 16 pixels and of 8 outputs a warp, warps a block */
    int32_t number_bytes;      /* of sources */
    int32_t cell_bytes;        /* of a sum on its way out */
    bool packed;               /* K runs through the window's rows, whatever the channels */
} gpu_mma_shape;

typedef struct gpu_mma_plan {
    int32_t n_tiles;                                                /* of a group's outputs */
    int32_t images, part_h, part_w;                                 /* of a job: inputs, and places of dst */
    int32_t tile_h, tile_w;                                         /* the same in the conv's own map */
    int32_t tiles_y, tiles_x, jobs;                                 /* of an input; in all */
    int32_t pixels, chunks;                                         /* of a job; chunks of mt * 16 */
    int32_t patch_h, patch_w;                                       /* of the source, an input */
    int32_t patch_pixel, patch_row, patch_image, twin, patch_bytes; /* twin: 0 = there is no second copy */
    int32_t slices, slice_runs;                                     /* of a group's channels: runs of 16 bytes */
    int32_t k_steps, w_pitch, w_bytes;                              /* of a slice; w_*: bytes */
    int32_t stages;                                                 /* patches in flight */
    int32_t map_pitch;                                              /* bytes of a pixel's cells */
    int32_t at_table, at_weights, at_patch, at_map;
    uint32_t shared_bytes;
    uint32_t blocks; /* to start, of each tile of outputs */
    double cycles;   /* of one unit, a guess */
} gpu_mma_plan;

/* The best tile of 8 * nt outputs for `co` of them: least padding, then the widest; nt is one of `widths`. */
int32_t gpu_mma_best_width(int32_t co, const int32_t *widths, int32_t count);

/* False: nothing fits into traits->shared_bytes. step: a CONV, layouts need not be settled. */
bool gpu_mma_plan_make(const gpu_traits *traits, const fr_step *step, const gpu_mma_shape *shape,
                       gpu_mma_plan *out_plan);

/* K of a packed slice, in numbers: rows of the window, each run made whole words. */
int32_t gpu_mma_packed_run(const fr_step *step, int32_t *out_runs);

/* i / d = i * magic >> 32 as long as i * d < 2^32; 0 for d = 1. */
static inline int32_t gpu_mma_magic(int32_t d) {
    return d > 1 ? (int32_t)(uint32_t)((1ull << 32) / (uint32_t)d + 1) : 0;
}

#endif
