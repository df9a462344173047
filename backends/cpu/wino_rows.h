/*
 * Winograd's F(4,3) along the rows of a 3x3 conv with few input channels, down the columns as it is: 18 multiplications a
 * channel for 4 sums of 9. Made for first layers, where the two-dimensional transform costs more than it saves.
 *
 * An input row becomes V [c_in][6][tile], once; three of them are kept. An output row is, for each block of `lanes`
 * channels, sums over (ky, c_in, 6) of a number of V times a vector of U; 4 sums come of each 6.
 * Output goes straight to its dtype and layout.
 */
#ifndef CPU_WINO_ROWS_H
#define CPU_WINO_ROWS_H

#include <stdint.h>

#include "foldrun/backend.h"

typedef struct cpu_wino_rows { /* 3x3, stride 1, dilation 1, one group; src is NCHW in f32 */
    int32_t h, w, out_h, out_w, pad_top, pad_left, c_in, c_out;
    int32_t out_blocks;              /* of `lanes` channels */
    uint64_t place_step, block_step; /* of dst, in elements: from place to place, from block to block */
    uint16_t dtype;                  /* of dst */
    float per_unit;                  /* U8, S8: stored = number * per_unit */
    uint16_t act;                    /* NONE, RELU, CLIP or LEAKY, and act(0) = 0 where out_blocks has padding */
    float act_a, act_b;
} cpu_wino_rows;

typedef struct cpu_wino_rows_kernels {
    int32_t lanes;
    void (*weights)(const cpu_wino_rows *w, const float *weight, float *u); /* cpu_wino_rows_weight_count floats */
    /* One image. bias: out_blocks * lanes floats; scratch: cpu_wino_rows_scratch_bytes, 64-byte aligned */
    void (*run)(const cpu_wino_rows *w, const float *src, const float *u, const float *bias, void *dst, float *scratch);
} cpu_wino_rows_kernels;

static inline uint64_t cpu_wino_rows_weight_count(const cpu_wino_rows *w, int32_t lanes) {
    return 18u * (uint64_t)w->c_in * (uint64_t)w->out_blocks * (uint64_t)lanes;
}

/* Rows are worked on in strips of so many tiles. */
enum { CPU_WINO_ROWS_STRIP = 16 };

static inline uint64_t cpu_wino_rows_scratch_bytes(const cpu_wino_rows *w) {
    return 3 * 6 * (uint64_t)w->c_in * CPU_WINO_ROWS_STRIP * sizeof(float);
}

#endif
