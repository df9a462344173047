/*
 * Convs in groups, directly. Rows of one group's input go into a strip in scratch, padded with zeros, its channels together, so
 * that a window's row is one run of words. A word is one f32, two bf16 or four bytes: what one instruction multiplies in a lane.
 * A tile of places is then sums over the window of a word of the strip, in all lanes, times a vector of weights.
 *
 * Or by Winograd's F(4,3) and F(4,5) along the rows of windows that are 3 or 5 wide, down the columns as it is: 6 products for 4
 * sums of 3, 8 for 4 sums of 5, in f32. The strip then holds the transformed rows: for each tile of 4 places, its points, the
 * channels together.
 */
#ifndef CPU_GROUPED_H
#define CPU_GROUPED_H

#include <stdbool.h>
#include <stdint.h>

#include "foldrun/backend.h"

typedef enum cpu_grouped_sums {
    CPU_GROUPED_F32 = 0, /* also of bytes, while their sums are exact in f32 */
    CPU_GROUPED_BF16 = 1,
    CPU_GROUPED_INT8 = 2, /* of u8; s8 has 128 added, and `start` takes it off */
    CPU_GROUPED_SUMS = 3
} cpu_grouped_sums;

/* A map: channel c of place p lies at c / block * block_step + c % block + p * place_step, in elements; the block is that of the
 * instruction set's vectors, for NHWC too. */
typedef struct cpu_grouped_map {
    uint16_t dtype;
    float scale; /* U8, S8: number = scale * stored */
    uint64_t place_step, block_step;
} cpu_grouped_map;

enum { CPU_GROUPED_ROWS = 16 }; /* most rows of a window */

typedef struct cpu_grouped {
    int32_t h, w, out_h, out_w;
    fr_window win;
    int32_t groups, in_each, out_each; /* channels of a group */
    cpu_grouped_sums sums;
    int32_t points;                   /* of a tile of Winograd's: 6 or 8; 0: directly */
    int32_t words, lanes, out_blocks; /* of a group: words of a place, outputs of a vector, vectors */
    cpu_grouped_map src, dst, residual;
    bool has_residual;
    bool is_scaled; /* number = sum * scale + bias; else the bias is in `start` */
    uint16_t act;   /* NONE, RELU, CLIP or LEAKY */
    float act_a, act_b;
} cpu_grouped;

/* Weights: [group][block][ky][kx][word][lane] words, or [group][block][ky][word][point][lane]; then rows of [group][block][lane]: start, scale, bias. */
static inline uint64_t cpu_grouped_block_words(const cpu_grouped *g) {
    return (uint64_t)(g->win.kh * (g->points ? g->points : g->win.kw)) * (uint64_t)g->words * (uint64_t)g->lanes;
}
static inline uint64_t cpu_grouped_row(const cpu_grouped *g) {
    return (uint64_t)g->groups * (uint64_t)g->out_blocks * (uint64_t)g->lanes;
}
static inline uint64_t cpu_grouped_weight_words(const cpu_grouped *g) {
    return (uint64_t)g->groups * (uint64_t)g->out_blocks * cpu_grouped_block_words(g) + 3 * cpu_grouped_row(g);
}

/* Of the strip: its rows are those that a window spans, and one of padding. */
static inline int32_t cpu_grouped_span(const cpu_grouped *g) {
    return (g->win.kh - 1) * g->win.dh + 1;
}
static inline uint64_t cpu_grouped_tiles(const cpu_grouped *g) {
    return ((uint64_t)g->out_w + 3) / 4;
}
static inline uint64_t cpu_grouped_wino_step(const cpu_grouped *g) { /* words from point to point */
    return ((uint64_t)g->words + 7) / 8 * 8;
}
static inline uint64_t cpu_grouped_strip_row(const cpu_grouped *g) { /* in words */
    if (g->points > 0)
        return cpu_grouped_tiles(g) * (uint64_t)g->points * cpu_grouped_wino_step(g);
    return (uint64_t)((g->out_w - 1) * g->win.sw + (g->win.kw - 1) * g->win.dw + 1) * (uint64_t)g->words;
}
static inline uint64_t cpu_grouped_plain_row(
    const cpu_grouped *g) { /* of words before their transform, read by vectors */
    return g->points > 0 ? (cpu_grouped_tiles(g) * 4 + (uint64_t)g->win.kw - 1) * (uint64_t)g->words + 8 : 0;
}
static inline uint64_t cpu_grouped_scratch_bytes(const cpu_grouped *g) { /* the strip, and a row as it was read */
    return (((uint64_t)cpu_grouped_span(g) + 1) * cpu_grouped_strip_row(g) + cpu_grouped_plain_row(g) +
            (uint64_t)g->w * (uint64_t)g->in_each) *
           4;
}

typedef struct cpu_grouped_kernels {
    int32_t lanes;              /* of a block */
    bool has[CPU_GROUPED_SUMS]; /* ways of summing */
    /* One image. */
    void (*run)(const cpu_grouped *g, const void *src, const uint32_t *weights, const void *residual, void *dst,
                void *scratch);
} cpu_grouped_kernels;

/*
 * Depthwise convs, one channel in and out a group: vectors across channels, tiles of places in registers.
 * Weights: for each block of channels kh * kw vectors, then scale and bias.
 */
typedef struct cpu_depthwise {
    int32_t h, w, out_h, out_w, channels;
    int32_t side, stride, pad_top, pad_left; /* a window of 3x3 or 5x5, stride 1 or 2 both ways */
    cpu_grouped_map src, dst, residual;
    bool has_residual, is_interleaved; /* NHWC */
    bool by_bytes;                     /* with cpu_depthwise_bytes */
    uint16_t act;
    float act_a, act_b;
} cpu_depthwise;

/* Of bytes, for 64 channels in the order of words (depthwise_bytes.c): dot products of four rows with taps that begin in the
 * first or the second of them; stored = sum * scale + bias. */
enum { CPU_DEPTHWISE_BYTES = 64 };
typedef struct cpu_depthwise_bytes {
    int8_t taps[2][3][4][64];
    int32_t start[4][16];
    float scale[4][16], bias[4][16];
} cpu_depthwise_bytes;

typedef struct cpu_depthwise_kernels {
    int32_t lanes;
    void (*run)(const cpu_depthwise *d, const void *src, const float *weights, const void *residual, void *dst);
    /* U8 or S8 to U8 or S8, 3x3, NHWC, without residual or LEAKY; NULL: there is none */
    void (*bytes)(const cpu_depthwise *d, const void *src, const cpu_depthwise_bytes *weights, void *dst);
} cpu_depthwise_kernels;

static inline uint64_t cpu_depthwise_block(const cpu_depthwise *d, int32_t lanes) { /* floats of a block's weights */
    return (uint64_t)(d->side * d->side + 2) * (uint64_t)lanes;
}

#endif
