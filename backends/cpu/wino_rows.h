/*
 * First layers: a 3x3 conv of stride 1 with few input channels, and the max pool after it.
 *
 * Winograd's F(4x4,3x3), where the transforms of wino.h would cost more than they save: with few channels all that lies
 * between is small, so it never leaves the first cache. Where only one or two rows of a tile row are wanted, F(4,3) along the
 * rows, down the columns as it is: its 18 multiplications a channel and row are fewer then.
 *
 *   row of the map -> H [c_in][6][tile], along the row; six rows of them are kept
 *   six of H       -> V [c_in][6 along][6 down][tile]
 *   V, U [6 along][c_in][6 down][lane] -> sums, and these at once down the columns -> half [tile][4 down][6 along][lane]
 *   half           -> 4 x 4 sums of a tile -> act, or the pool and then act -> dst in its dtype and layout
 */
#ifndef CPU_WINO_ROWS_H
#define CPU_WINO_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "foldrun/backend.h"

typedef struct cpu_wino_rows { /* 3x3, stride 1, dilation 1, one group */
    int32_t h, w, pad_top, pad_left, c_in, c_out;
    int32_t out_h, out_w;            /* what is wanted of the conv's map: with a pool, what its windows cover */
    int32_t side, stride;            /* of the max pool's windows, (2 or 3) by (1 or 2); side 0: there is none */
    int32_t dst_h, dst_w;            /* after the pool */
    int32_t out_blocks;              /* of `lanes` channels */
    bool interleaved;                /* dst has exactly c_out channels a place; else each block has all its lanes */
    uint64_t place_step, block_step; /* of dst, in elements: from place to place, from block to block */
    uint16_t from;                   /* F32 or BF16: of src, in NCHW */
    uint16_t dtype;                  /* of dst */
    float per_unit;                  /* U8, S8: stored = number * per_unit */
    uint16_t act;                    /* NONE, RELU, CLIP or LEAKY; act(0) = 0 where out_blocks has padding */
    float act_a, act_b;
} cpu_wino_rows;

typedef struct cpu_wino_rows_kernels {
    int32_t lanes;
    void (*weights)(const cpu_wino_rows *w, const float *weight, float *u); /* cpu_wino_rows_weight_count floats */
    /* One image. bias: out_blocks * lanes floats; scratch: cpu_wino_rows_scratch_bytes, 64-byte aligned */
    void (*run)(const cpu_wino_rows *w, const void *src, const float *u, const float *bias, void *dst, float *scratch);
} cpu_wino_rows_kernels;

/* Rows are worked on in strips of so many tiles, these in groups. */
enum { CPU_WINO_ROWS_STRIP = 16, CPU_WINO_ROWS_GROUP = 5 };

static inline uint64_t cpu_wino_rows_weight_count(const cpu_wino_rows *w, int32_t lanes) {
    return (36u + 18u) * (uint64_t)w->c_in * (uint64_t)w->out_blocks * (uint64_t)lanes;
}

static inline uint64_t cpu_wino_rows_strips(const cpu_wino_rows *w) {
    return ((uint64_t)w->out_w + 4 * CPU_WINO_ROWS_STRIP - 1) / (4 * CPU_WINO_ROWS_STRIP);
}

/* Floats of each part of the scratch. */
static inline uint64_t cpu_wino_rows_line(const cpu_wino_rows *w) { /* a row of a channel between zeros */
    return 4 * CPU_WINO_ROWS_STRIP * cpu_wino_rows_strips(w) + 16;
}
static inline int32_t cpu_wino_rows_taken(const cpu_wino_rows *w) { /* of the row: a pool need not reach its end */
    int32_t room = (int32_t)cpu_wino_rows_line(w) - w->pad_left;
    return w->w < room ? w->w : room;
}
static inline uint64_t cpu_wino_rows_h(const cpu_wino_rows *w) { /* of one row */
    return 6 * CPU_WINO_ROWS_STRIP * (uint64_t)w->c_in * cpu_wino_rows_strips(w);
}
static inline uint64_t cpu_wino_rows_v(const cpu_wino_rows *w) {
    return 36 * CPU_WINO_ROWS_STRIP * (uint64_t)w->c_in;
}
static inline uint64_t cpu_wino_rows_half(int32_t lanes) { /* of a group */
    return 24 * CPU_WINO_ROWS_GROUP * (uint64_t)lanes;
}
/* What a pool keeps of the tile row above, and of the tile to the left, for a block. */
static inline uint64_t cpu_wino_rows_above(const cpu_wino_rows *w, int32_t lanes) {
    return 2 * 4 * CPU_WINO_ROWS_STRIP * cpu_wino_rows_strips(w) * (uint64_t)lanes;
}
static inline uint64_t cpu_wino_rows_left(int32_t lanes) {
    return 2 * 4 * (uint64_t)lanes;
}

static inline uint64_t cpu_wino_rows_scratch_bytes(const cpu_wino_rows *w, int32_t lanes) {
    uint64_t pooled =
        w->side ? (uint64_t)w->out_blocks * (cpu_wino_rows_above(w, lanes) + cpu_wino_rows_left(lanes)) : 0;
    return (cpu_wino_rows_line(w) * (uint64_t)w->c_in + 6 * cpu_wino_rows_h(w) + cpu_wino_rows_v(w) +
            cpu_wino_rows_half(lanes) + pooled) *
           sizeof(float);
}

#endif
