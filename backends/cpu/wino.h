/*
 * Winograd's F(4x4,3x3) and F(5x5,3x3) for maps in blocks of channels: 36 multiplications for 16 sums of 9, or 49 for 25.
 *
 * A chunk of tiles (6x6 or 7x7 of the input), from as many images as it takes, goes through three stages in scratch that
 * stays in L2:
 *   V = B^T d B       [place of the tile][row of tiles][block of c_in][tile of the row][lane]
 *   M = U V           a small product for each place; a register tile is `tiles` tiles x 2 blocks of c_out
 *   Y = A^T M A       + bias [+ residual], act, and only what lies on the map is stored
 * The transforms' constants grow errors to some 10 times those of direct sums: candidates are marked inexact.
 */
#ifndef CPU_WINO_H
#define CPU_WINO_H

#include <stdint.h>

#include "foldrun/backend.h"

typedef struct cpu_wino { /* 3x3, stride 1, dilation 1, one group */
    int32_t n, h, w, out_h, out_w, pad_top, pad_left;
    int32_t in_blocks, out_blocks; /* of `lanes` channels */
    int32_t c_in, c_out;
    int32_t side; /* outputs a side of a tile: 4 or 5 */
    uint16_t act; /* NONE, RELU, CLIP or LEAKY, and act(0) = 0 where out_blocks has padding */
    float act_a, act_b;
} cpu_wino;

/* One instruction set's. lanes: channels of a block, 16 or 8. */
typedef struct cpu_wino_kernels {
    int32_t lanes, tiles;
    /* weight [c_out][c_in][3][3] -> u, cpu_wino_weight_count floats */
    void (*weights)(const cpu_wino *w, const float *weight, float *u);
    /* bias: out_blocks * lanes floats; residual: like dst, or NULL; scratch: cpu_wino_scratch_bytes, 64-byte aligned */
    void (*run)(const cpu_wino *w, const float *src, const float *u, const float *bias, const float *residual,
                float *dst, float *scratch);
} cpu_wino_kernels;

static inline int64_t cpu_wino_places(const cpu_wino *w) {
    return (int64_t)(w->side + 2) * (w->side + 2);
}

static inline uint64_t cpu_wino_weight_count(const cpu_wino *w, int32_t lanes) {
    return (uint64_t)cpu_wino_places(w) * (uint64_t)w->in_blocks * (uint64_t)w->out_blocks * (uint64_t)lanes *
           (uint64_t)lanes;
}

static inline int64_t cpu_wino_tile_count(const cpu_wino *w) {
    return (int64_t)w->n * ((w->out_h + w->side - 1) / w->side) * ((w->out_w + w->side - 1) / w->side);
}

/* V and M of a row of tiles, in bytes. */
static inline int64_t cpu_wino_row_bytes(const cpu_wino *w, const cpu_wino_kernels *k) {
    return cpu_wino_places(w) * (w->in_blocks + w->out_blocks) * k->lanes * k->tiles * (int64_t)sizeof(float);
}

/* Rows of tiles in a chunk: V and M take about 400 KB, so that a core's L2 holds them beside the weights of a layer. */
static inline int32_t cpu_wino_chunk_rows(const cpu_wino *w, const cpu_wino_kernels *k) {
    int64_t rows = 400 * 1024 / cpu_wino_row_bytes(w, k), all = (cpu_wino_tile_count(w) + k->tiles - 1) / k->tiles;
    rows = rows < 1 ? 1 : rows;
    return (int32_t)(rows < all ? rows : all);
}

static inline uint64_t cpu_wino_scratch_bytes(const cpu_wino *w, const cpu_wino_kernels *k) {
    return (uint64_t)cpu_wino_chunk_rows(w, k) * (uint64_t)cpu_wino_row_bytes(w, k);
}

#endif
