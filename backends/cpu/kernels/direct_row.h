/* One row of sums of one panel of outputs, which the tiles of each kind compute: see direct.h. */
#ifndef CPU_KERNELS_DIRECT_ROW_H
#define CPU_KERNELS_DIRECT_ROW_H

#include "direct.h"
#include "kernels_isa.h"
#include "vec.h"

/* Sums of a tile, beside one vector of weights and a broadcast: 30 of 32 registers, 14 of 16; half as many places of a pair. */
#if defined(__AVX512F__)
enum { DIRECT_PLACES = 28, DIRECT_HALF = 8 };
#else
enum { DIRECT_PLACES = 12, DIRECT_HALF = 0 };
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
    bool pads;                     /* a half writes zeros behind itself */
    vf lowest, highest;
} direct_row;

/* Rows of a kind: of a block, of a pair of blocks, of a half; as floats, or in the dtype that own is (else they are NULL). */
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
static inline void put_floats(const direct_row *r, uint64_t at, vf x) {
    vf_store((float *)r->out + at, x);
}

#if defined(__AVX512F__)
static inline __m256 half_clipped(const direct_row *r, __m256 x) {
    return _mm256_min_ps(_mm512_castps512_ps256(r->highest), _mm256_max_ps(_mm512_castps512_ps256(r->lowest), x));
}
static inline void put_half_floats(const direct_row *r, uint64_t at, __m256 x) {
    _mm256_storeu_ps((float *)r->out + at, x);
    if (r->pads)
        _mm256_storeu_ps((float *)r->out + at + 8, _mm256_setzero_ps());
}
#endif

#endif
