/* One row of sums of one panel of outputs, which the tiles of each kind compute: see direct.h. */
#ifndef CPU_KERNELS_DIRECT_ROW_H
#define CPU_KERNELS_DIRECT_ROW_H

#include <string.h>

#include "direct.h"
#include "kernels_isa.h"
#include "vec.h"

/* Vectors of sums of a tile, beside one of weights and a broadcast: 30 of 32 registers, 14 of 16; a pair's weights take
 * another. */
#if defined(__AVX512F__)
enum { DIRECT_SUMS = 28, DIRECT_HALF = 8 };
#else
enum { DIRECT_SUMS = 12, DIRECT_HALF = 0 };
#endif

typedef struct direct_row {
    const uint32_t *rows[CPU_DIRECT_ROWS]; /* of the strip: kh of them */
    const uint32_t *weights;
    const int32_t *offsets;
    const uint32_t *start;
    const float *scale, *bias;
    int64_t taps;
    int32_t kh, columns;
    void *out;
    uint64_t out_place, out_block; /* in elements */
    bool pads;                     /* halves write zeros behind themselves */
    vf lowest, highest;
} direct_row;

/* Rows of a kind: of a block, of a pair of blocks, of a half; as floats, or in the dtype that own is, between bounds. */
typedef enum direct_width { DIRECT_BLOCK = 0, DIRECT_PAIR = 1, DIRECT_LAST_HALF = 2, DIRECT_WIDTHS = 3 } direct_width;
typedef void (*direct_row_fn)(const direct_row *r);
typedef struct direct_tiles {
    uint16_t own;
    direct_row_fn row[DIRECT_WIDTHS], own_row[DIRECT_WIDTHS];
} direct_tiles;

extern const direct_tiles CPU_FN(direct_f32_tiles), CPU_BF16_FN(direct_bf16_tiles), CPU_VNNI_FN(direct_bytes_tiles);

/* The first operands are the constants: NaN comes out as it went in. */
static inline vf clipped(const direct_row *r, vf x) {
    return vf_min(r->highest, vf_max(r->lowest, x));
}

static inline uint64_t out_at(const direct_row *r, int32_t place, int block) {
    return (uint64_t)place * r->out_place + (uint64_t)block * r->out_block;
}

static inline void put_floats(const direct_row *r, int32_t place, int block, vf x) {
    vf_store((float *)r->out + out_at(r, place, block), x);
}

#if defined(__AVX512F__)
/* A word of the strip to all lanes; or it and the next by turns, for sums of two places. */
static inline __m512i one_word(const uint32_t *at) {
    return _mm512_set1_epi32((int32_t)*at);
}
static inline __m512i two_words(const uint32_t *at) {
    int64_t both;
    memcpy(&both, at, sizeof both);
    return _mm512_set1_epi64(both);
}

/* [output][of two places] -> [place][output] */
static inline __m512 by_place(__m512 x) {
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15), x);
}

static inline void put_half(const direct_row *r, int32_t place, __m256 x) {
    float *to = (float *)r->out + out_at(r, place, 0);
    _mm256_storeu_ps(to, x);
    if (r->pads)
        _mm256_storeu_ps(to + 8, _mm256_setzero_ps());
}

/* Two places of 8 outputs; the second may be past the row. */
static inline void put_half_floats(const direct_row *r, int32_t place, int block, __m512 x) {
    (void)block;
    __m512 places = by_place(x);
    put_half(r, place, _mm512_castps512_ps256(places));
    if (place + 1 < r->columns)
        put_half(r, place + 1, _mm512_extractf32x8_ps(places, 1));
}
#endif

#endif
