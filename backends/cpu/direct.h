/*
 * Dense convs by register tiles, exactly: sums of a run of places by one or two vectors of output channels.
 *
 * All kinds see the source as 32-bit words that are broadcast: one f32, two bf16 or four bytes of neighbouring channels, each
 * multiplied by the words of 8 or 16 outputs at once. Source rows come into a strip of their own, in planes
 * [word][column % sw][column / sw] with the padding around them, so that neighbouring places are neighbouring words whatever the
 * source's layout, its stride and its borders.
 *
 * Outputs are cut into panels: pairs of blocks of `lanes` channels, a block left over, and one of at most `half` channels,
 * which are there twice, side by side: its vectors are sums of two places.
 * Weights: [panel][ky][word][kx][output] words; then rows of a word for each output (CPU_DIRECT_START ...); then the strip's
 * offset of each (word, kx).
 */
#ifndef CPU_DIRECT_H
#define CPU_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "foldrun/backend.h"

typedef enum cpu_direct_kind {
    CPU_DIRECT_F32 = 0,
    CPU_DIRECT_BF16 = 1,
    CPU_DIRECT_BYTES = 2,
    CPU_DIRECT_KINDS = 3
} cpu_direct_kind;

/* What begins a sum; what a sum of integers is multiplied by; and what is added to it then. */
enum { CPU_DIRECT_START = 0, CPU_DIRECT_SCALE = 1, CPU_DIRECT_BIAS = 2, CPU_DIRECT_VECTORS = 3 };

enum { CPU_DIRECT_ROWS = 16 }; /* most rows of a filter */

typedef struct cpu_direct {
    uint8_t kind;   /* cpu_direct_kind */
    bool is_signed; /* S8: 128 is added on the way, and taken out of the sums where they start */
    bool planar;    /* the source is NCHW; else places hold src_lanes channels, which is c_in in NHWC */
    bool blocked;   /* so is the destination: places hold `lanes` channels, padding included */
    int32_t src_lanes;
    int32_t c_in, h, w, c_out;
    int32_t kh, kw, sh, sw, dh, dw, pad_top, pad_left;
    int32_t rows, columns;          /* of sums: what the pool reads, or the whole map */
    int32_t phase;                  /* columns of the strip, of each phase of sw */
    int32_t map_w;                  /* of the residual */
    int32_t out_h, out_w;           /* after the pool */
    int32_t pool_side, pool_stride; /* a max pool without padding; side 0: none */
    uint64_t place_step;            /* of dst and of the residual, in elements */
    uint64_t block_step;            /* of dst, from a block of `lanes` channels to the next */
    uint64_t residual_block_step;
    uint16_t dtype, residual_dtype; /* of dst; FR_F32 where there is no residual */
    float per_unit, residual_scale; /* stored = sum * per_unit in U8 and S8; sum += residual_scale * stored */
    float unit;   /* BYTES: what sums count; already in the two above, and in act_a and act_b of CLIP */
    uint16_t act; /* NONE, RELU, CLIP or LEAKY; act(0) = 0 where a blocked dst has padding */
    float act_a, act_b;
} cpu_direct;

typedef struct cpu_direct_kernels {
    int32_t lanes, half; /* half 0: a last block is computed wholly however few are used */
    bool has[CPU_DIRECT_KINDS];
    /* One image. residual: NULL without; scratch: cpu_direct_scratch_bytes, 64-byte aligned, readied once before. */
    void (*ready)(const cpu_direct *d, void *scratch);
    void (*run)(const cpu_direct *d, const void *src, const void *weights, const void *residual, void *dst,
                void *scratch);
} cpu_direct_kernels;

static inline int32_t cpu_direct_per_word(const cpu_direct *d) {
    return d->kind == CPU_DIRECT_F32 ? 1 : d->kind == CPU_DIRECT_BF16 ? 2 : 4;
}
static inline int32_t cpu_direct_words(const cpu_direct *d) {
    int32_t each = cpu_direct_per_word(d);
    return (d->c_in + each - 1) / each;
}
static inline int32_t cpu_direct_blocks(const cpu_direct *d, int32_t lanes) {
    return (d->c_out + lanes - 1) / lanes;
}

/* ---- the strip ------------------------------------------------------------------------------------------------------- */

/* Columns of the padded map that are read, in one of sw phases: for d->phase. */
static inline int32_t cpu_direct_phase(const cpu_direct *d) {
    return ((d->columns - 1) * d->sw + (d->kw - 1) * d->dw + 1 + d->sw - 1) / d->sw;
}
static inline int64_t cpu_direct_plane(const cpu_direct *d) {
    return (int64_t)d->phase * d->sw;
}
static inline int64_t cpu_direct_strip_row(const cpu_direct *d) { /* words of a row */
    return cpu_direct_plane(d) * cpu_direct_words(d);
}
static inline int32_t cpu_direct_ring(const cpu_direct *d) { /* rows that are kept */
    return (d->kh - 1) * d->dh + 1;
}
static inline uint64_t cpu_direct_strip_words(const cpu_direct *d) { /* with a row of padding */
    return ((uint64_t)cpu_direct_strip_row(d) * ((uint64_t)cpu_direct_ring(d) + 1) + 15) / 16 * 16;
}
/* Behind the strip: rows of sums, as many as the pool reads at once. */
static inline uint64_t cpu_direct_scratch_bytes(const cpu_direct *d, int32_t lanes) {
    uint64_t row = (uint64_t)d->columns * (uint64_t)cpu_direct_blocks(d, lanes) * (uint64_t)lanes;
    return (cpu_direct_strip_words(d) + row * (d->pool_side > 0 ? (uint64_t)d->pool_side : 1u)) * 4;
}

/* ---- weights, in words ------------------------------------------------------------------------------------------------ */

static inline int64_t cpu_direct_taps(const cpu_direct *d) { /* of one row of the filter */
    return (int64_t)cpu_direct_words(d) * d->kw;
}
static inline int64_t cpu_direct_vectors(const cpu_direct *d, int32_t lanes) { /* where they begin */
    return cpu_direct_taps(d) * d->kh * cpu_direct_blocks(d, lanes) * lanes;
}
static inline int64_t cpu_direct_offsets(const cpu_direct *d, int32_t lanes) {
    return cpu_direct_vectors(d, lanes) + CPU_DIRECT_VECTORS * (int64_t)cpu_direct_blocks(d, lanes) * lanes;
}
static inline uint64_t cpu_direct_weight_bytes(const cpu_direct *d, int32_t lanes) {
    return (uint64_t)(cpu_direct_offsets(d, lanes) + cpu_direct_taps(d)) * 4;
}

#endif
