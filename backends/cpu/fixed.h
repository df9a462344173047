/*
 * Winograd with products of 16-bit integers, for int8 and bf16 steps: a 3x3 conv of stride 1 by tiles of down x across outputs.
 * A multiplication of pairs of int16 into s32 does twice what one of f32 does, and keeps more digits than one of bf16.
 *
 * A chunk of tiles, from as many images as it takes, goes through three stages in scratch that stays in L2:
 *   V = B^T d B       int16  [place of the tile][row of tiles][block of c_in][tile of the row][2 * lanes]
 *   M = U V           s32, then f32  [place][row of tiles][block of c_out][tile of the row][lane]
 *   Y = A^T M A       f32, + bias [+ residual], act, and only what lies on the map is stored, as dst's dtype
 * Bytes are transformed as integers, and but for halves that are rounded V is exact. Real numbers are transformed in f32
 * and then counted in units of their image: the largest magnitude of an image bounds each place of V, so none overflows.
 * U is counted in units of its output channel and place, so large that no sum of products can overflow, whatever the maps
 * hold. So the roundings are of a known size: 2^-16 of the largest V, and c_in * 2^-17
 * of the mean weight, or 2^-12 where there are more than 32.
 */
#ifndef CPU_FIXED_H
#define CPU_FIXED_H

#include <stdbool.h>
#include <stdint.h>

#include "foldrun/backend.h"

/* Channels in, whose products one sum of 32 bits holds: a multiple of any block. */
enum { CPU_FIXED_GROUP = 32 };

/* How a map lies, in elements: NHWC or blocks of `lanes` channels. */
typedef struct cpu_fixed_map {
    uint16_t dtype;
    int64_t image_step, place_step, block_step;
} cpu_fixed_map;

typedef struct cpu_fixed { /* 3x3, stride 1, dilation 1, one group */
    int32_t n, h, w, out_h, out_w, pad_top, pad_left;
    int32_t c_in, c_out;
    cpu_fixed_map src, dst, residual; /* src: U8, S8, BF16 or F32; residual: like dst but for the dtype */
    bool is_blocked;                  /* dst: channels are padded to whole blocks, with zeros */
    float residual_unit;              /* what a stored residual counts, in dst's units */
    uint16_t act;                     /* NONE, RELU, CLIP or LEAKY, and act(0) = 0 where c_out has padding */
    float act_a, act_b;               /* of CLIP: in dst's units */
} cpu_fixed;

/* What pack() makes: the parts of one block of memory, in bytes from its begin. */
typedef struct cpu_fixed_parts {
    uint64_t units, bias, limits, end; /* U comes first */
} cpu_fixed_parts;

/* Weights on their way into U: one of the two, and what one counts in dst's units: NULL is 1. */
typedef struct cpu_fixed_weights {
    const float *weight;       /* [c_out][c_in][3][3] */
    const int8_t *weight_s8;   /* the same, in */
    const float *weight_scale; /* [c_out] */
    const float *bias;         /* [c_out] or NULL */
    float unit;                /* a product of weight and source, in dst's units */
    float bias_unit;
} cpu_fixed_weights;

/* One instruction set's, for one size of tiles. */
typedef struct cpu_fixed_kernels {
    int32_t lanes, tiles; /* channels of a block of c_out; tiles of a row */
    int32_t down, across; /* outputs of a tile */
    void (*pack)(const cpu_fixed *f, const cpu_fixed_weights *from, void *to);
    /* residual: NULL where there is none; scratch: cpu_fixed_scratch_bytes, 64-byte aligned */
    void (*run)(const cpu_fixed *f, const void *packed, const void *src, const void *residual, void *dst,
                void *scratch);
} cpu_fixed_kernels;

static inline int64_t cpu_fixed_places(const cpu_fixed_kernels *k) {
    return (int64_t)(k->down + 2) * (k->across + 2);
}

static inline int32_t cpu_fixed_in_blocks(const cpu_fixed *f, const cpu_fixed_kernels *k) {
    return (f->c_in + 2 * k->lanes - 1) / (2 * k->lanes);
}

static inline int32_t cpu_fixed_out_blocks(const cpu_fixed *f, const cpu_fixed_kernels *k) {
    return (f->c_out + k->lanes - 1) / k->lanes;
}

static inline cpu_fixed_parts cpu_fixed_parts_of(const cpu_fixed *f, const cpu_fixed_kernels *k) {
    uint64_t places = (uint64_t)cpu_fixed_places(k), out = (uint64_t)cpu_fixed_out_blocks(f, k) * (uint64_t)k->lanes,
             in = (uint64_t)cpu_fixed_in_blocks(f, k) * 2 * (uint64_t)k->lanes;
    cpu_fixed_parts parts;
    parts.units = places * in * out * sizeof(int16_t);
    parts.bias = parts.units + places * out * sizeof(float);
    parts.limits = parts.bias + out * sizeof(float);
    parts.end = parts.limits + places * sizeof(float);
    return parts;
}

static inline int64_t cpu_fixed_tile_count(const cpu_fixed *f, const cpu_fixed_kernels *k) {
    return (int64_t)f->n * ((f->out_h + k->down - 1) / k->down) * ((f->out_w + k->across - 1) / k->across);
}

/* V and M of a row of tiles, in bytes, and its images' units. */
static inline int64_t cpu_fixed_row_bytes(const cpu_fixed *f, const cpu_fixed_kernels *k) {
    int64_t lanes = cpu_fixed_in_blocks(f, k) + cpu_fixed_out_blocks(f, k);
    return (cpu_fixed_places(k) * lanes * k->lanes + 1) * k->tiles * 4;
}

/* Rows of tiles in a chunk: V and M take about 400 KB, so that a core's L2 holds them beside the weights of a layer. */
static inline int32_t cpu_fixed_chunk_rows(const cpu_fixed *f, const cpu_fixed_kernels *k) {
    int64_t rows = 400 * 1024 / cpu_fixed_row_bytes(f, k), all = (cpu_fixed_tile_count(f, k) + k->tiles - 1) / k->tiles;
    rows = rows < 1 ? 1 : rows;
    return (int32_t)(rows < all ? rows : all);
}

/* With a vector more for each place of V and M: see v_step_of in kernels/fixed_body.h. */
static inline uint64_t cpu_fixed_scratch_bytes(const cpu_fixed *f, const cpu_fixed_kernels *k) {
    return (uint64_t)cpu_fixed_chunk_rows(f, k) * (uint64_t)cpu_fixed_row_bytes(f, k) +
           (uint64_t)(2 * cpu_fixed_places(k) * k->lanes) * sizeof(float);
}

#endif
