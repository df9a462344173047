/*
 * Winograd's F(m,3) in two dimensions: a tile of side_y x side_x outputs, each side of 4, 5 or 6, costs
 * (side_y + 2) * (side_x + 2) multiplications in place of 9 for each output. Sides that divide a map leave nothing to waste:
 * 9x12 is 6 tiles of 5x4.
 *
 * A chunk of tiles, from as many images as it takes, goes through three stages in scratch that stays in L2:
 *   V = B^T d B       [place of the tile][row of tiles][block of c_in][tile of the row][lane]
 *   M = U V           a small product for each place; a register tile is up to `tiles` tiles x 2 blocks of c_out
 *   Y = A^T M A       + bias [+ residual], act, and only what lies on the map is stored
 *
 * Side m evaluates at the first m + 1 of the points 0, 1, -1, 2, -2, 1/2, -1/2 and at infinity. Sums of 9 * 64 products of
 * normally distributed numbers come out with 3.8 (4x4), 6.0 (5x5) or 7.4 (6x6) times the root mean square error of plain sums
 * in order, as measured: the candidates are marked inexact.
 */
#ifndef CPU_WINO_H
#define CPU_WINO_H

#include <stdint.h>

#include "foldrun/backend.h"

enum { CPU_WINO_LEAST_SIDE = 4, CPU_WINO_MOST_SIDE = 6, CPU_WINO_SIDES = 3 };

/* How the numbers of a map lie; steps in elements. */
typedef struct cpu_wino_map {
    uint16_t dtype; /* FR_F32 or FR_BF16 */
    int64_t image, block, row, place;
} cpu_wino_map;

typedef struct cpu_wino { /* 3x3, stride 1, dilation 1, one group */
    int32_t n, h, w, out_h, out_w, pad_top, pad_left;
    int32_t in_blocks, out_blocks; /* of `lanes` channels */
    int32_t c_in, c_out;
    int32_t side_y, side_x; /* outputs of a tile */
    cpu_wino_map src, dst;
    uint16_t residual_dtype; /* it lies as dst does */
    uint16_t act;            /* NONE, RELU, CLIP or LEAKY, and act(0) = 0 where out_blocks has padding */
    float act_a, act_b;
} cpu_wino;

/* Some tiles on their way, in rows of `per_row`; the last row may have fewer. */
typedef struct cpu_wino_chunk {
    int64_t first; /* tile */
    int32_t tiles, per_row, rows;
    int64_t v_place, m_place; /* floats from place to place */
    float *v, *m;
} cpu_wino_chunk;

typedef struct cpu_wino_tile { /* what depends on a tile's sides */
    void (*input)(const cpu_wino *w, const cpu_wino_chunk *chunk, const void *src);
    /* bias: out_blocks * lanes floats; residual: like dst, or NULL */
    void (*output)(const cpu_wino *w, const cpu_wino_chunk *chunk, const float *bias, const void *residual, void *dst);
} cpu_wino_tile;

/* One instruction set's. lanes: channels of a block, 16 or 8. */
typedef struct cpu_wino_kernels {
    int32_t lanes, tiles; /* tiles: most of a row */
    void (*multiply)(const cpu_wino *w, const cpu_wino_chunk *chunk, const float *u);
    const cpu_wino_tile *tile[CPU_WINO_SIDES][CPU_WINO_SIDES]; /* [side_y - 4][side_x - 4] */
} cpu_wino_kernels;

static inline int64_t cpu_wino_places(const cpu_wino *w) {
    return (int64_t)(w->side_y + 2) * (w->side_x + 2);
}

/* ---- weights (wino_pack.c) ----------------------------------------------------------------------------------------- */

/* A last block with half of its lanes in use or fewer: vectors of 16 have halves that cost half as much. */
static inline int32_t cpu_wino_half_block(const cpu_wino *w, int32_t lanes) {
    return lanes == 16 && w->c_out % lanes != 0 && w->c_out % lanes <= lanes / 2;
}

/* Channels out that are multiplied. U is [place][panel][c_in][2, 1 or half a block of lanes], pairs of blocks first. */
static inline int64_t cpu_wino_wide(const cpu_wino *w, int32_t lanes) {
    return (int64_t)w->out_blocks * lanes - cpu_wino_half_block(w, lanes) * (lanes / 2);
}

static inline uint64_t cpu_wino_weight_count(const cpu_wino *w, int32_t lanes) {
    return (uint64_t)cpu_wino_places(w) * (uint64_t)w->c_in * (uint64_t)cpu_wino_wide(w, lanes);
}

/* weight [c_out][c_in][3][3] -> u, cpu_wino_weight_count floats that are zero */
/* U = G g G^T of one filter, [side_y + 2][side_x + 2]. */
void cpu_wino_filter(int32_t side_y, int32_t side_x, const double g[9], double *u);
void cpu_wino_weights(const cpu_wino *w, int32_t lanes, const float *weight, float *u);

/* ---- chunks (wino_chunk.c) ------------------------------------------------------------------------------------------- */

uint64_t cpu_wino_scratch_bytes(const cpu_wino *w, const cpu_wino_kernels *k);
/* scratch: cpu_wino_scratch_bytes of as many images or more, 64-byte aligned */
void cpu_wino_run(const cpu_wino *w, const cpu_wino_kernels *k, const void *src, const float *u, const float *bias,
                  const void *residual, void *dst, float *scratch);

#endif
