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
    const uint32_t *rows[CPU_DIRECT_ROWS]; /* of the strip */
    const uint32_t *weights;
    const int32_t *offsets;
    const uint32_t *start;
    const float *scale, *bias;
    int64_t taps;
    int32_t kh, columns;
    float *out;
    uint64_t out_place, out_block;
    vf lowest, highest;
} direct_row;

/* Of a kind: a block, a pair of blocks, a half. */
typedef struct direct_tiles {
    void (*row)(const direct_row *r);
    void (*pair_row)(const direct_row *r);
    void (*half_row)(const direct_row *r);
} direct_tiles;

extern const direct_tiles CPU_FN(direct_f32_tiles), CPU_BF16_FN(direct_bf16_tiles), CPU_VNNI_FN(direct_bytes_tiles);

#endif
