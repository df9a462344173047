/* What Winograd's stages share, whatever the tile: a chunk's tiles in order, and a block's channels at a place of a map. */
#ifndef CPU_KERNELS_WINO_CELLS_H
#define CPU_KERNELS_WINO_CELLS_H

#include "epilogue.h"
#include "wino.h"

/* Accumulators, two vectors of weights and one broadcast fill the registers: 2*14+3 of 32, 2*6+3 of 16. */
#if defined(__AVX512F__)
enum { TILES = 14 };
#else
enum { TILES = 6 };
#endif

enum { STRIP = 5 }; /* tiles side by side whose columns are transformed at once; they stay in L1 */

typedef struct wino_at {
    int32_t image, y, x; /* of the tile's first output */
    int32_t row, lane;   /* of the chunk */
} wino_at;

static inline wino_at wino_first(const cpu_wino *w, const cpu_wino_chunk *chunk) {
    int64_t across = (w->out_w + w->side_x - 1) / w->side_x, down = (w->out_h + w->side_y - 1) / w->side_y;
    int64_t line = chunk->first / across;
    return (wino_at){(int32_t)(line / down), (int32_t)(line % down) * w->side_y,
                     (int32_t)(chunk->first % across) * w->side_x, 0, 0};
}

/* Tiles from `at` on, the chunk's tile number `tile`, that are side by side on the map and in the chunk. */
static inline int32_t wino_strip(const cpu_wino *w, const cpu_wino_chunk *chunk, const wino_at *at, int32_t tile) {
    int32_t across = (w->out_w - at->x + w->side_x - 1) / w->side_x, left = chunk->tiles - tile,
            in_row = chunk->per_row - at->lane;
    int32_t tiles = across < left ? across : left;
    tiles = tiles < in_row ? tiles : in_row;
    return tiles < STRIP ? tiles : STRIP;
}

/* On by so many tiles of a strip. */
static inline void wino_next(const cpu_wino *w, const cpu_wino_chunk *chunk, wino_at *at, int32_t tiles) {
    if ((at->lane += tiles) == chunk->per_row) {
        at->lane = 0;
        at->row++;
    }
    if ((at->x += tiles * w->side_x) < w->out_w)
        return;
    at->x = 0;
    if ((at->y += w->side_y) < w->out_h)
        return;
    at->y = 0;
    at->image++;
}

/* Lets all of a vector through, or zeros. */
#if defined(__AVX512F__)
typedef __mmask16 wino_gate;
static inline wino_gate wino_gate_of(bool open) {
    return (wino_gate)(open ? 0xffff : 0);
}
static inline vf wino_load(wino_gate gate, const void *row, int64_t at, const bool bf16) {
    if (!bf16)
        return _mm512_maskz_loadu_ps(gate, (const float *)row + at);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_maskz_cvtepu16_epi32(
                              gate, _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)row + at))),
                          16));
}
#else
typedef __m256i wino_gate;
static inline wino_gate wino_gate_of(bool open) {
    return _mm256_set1_epi32(open ? -1 : 0);
}
static inline vf wino_load(wino_gate gate, const void *row, int64_t at, const bool bf16) {
    if (!bf16)
        return _mm256_and_ps(_mm256_castsi256_ps(gate), _mm256_loadu_ps((const float *)row + at));
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)row + at)));
    return _mm256_castsi256_ps(_mm256_and_si256(gate, _mm256_slli_epi32(wide, 16)));
}
#endif

/* ---- what follows a sum -------------------------------------------------------------------------------------------------- */

typedef struct wino_out {
    const cpu_wino *w;
    const float *bias;
    const void *residual;
    void *dst;
    bool plain; /* no residual, and an activation that only bounds from below, by `lowest` */
    vf lowest;
} wino_out;

static inline wino_out wino_out_of(const cpu_wino *w, const float *bias, const void *residual, void *dst) {
    return (wino_out){.w = w,
                      .bias = bias,
                      .residual = residual,
                      .dst = dst,
                      .plain = residual == NULL && (w->act == FR_ACT_NONE || w->act == FR_ACT_RELU),
                      .lowest = vf_all(w->act == FR_ACT_RELU ? 0.0f : -__builtin_inff())};
}

static inline __attribute__((always_inline)) void wino_put(const wino_out *o, int64_t at, vf sum, const bool bf16,
                                                           const bool plain) {
    if (plain) { /* the first operand is the constant: NaN comes out as it went in */
        sum = vf_max(o->lowest, sum);
    } else {
        if (o->residual != NULL)
            sum = vf_add(sum, o->w->residual_dtype == FR_BF16 ? wino_load(wino_gate_of(true), o->residual, at, true)
                                                              : vf_load((const float *)o->residual + at));
        sum = vf_act(o->w->act, vf_all(o->w->act_a), vf_all(o->w->act_b), sum);
    }
    vf_put(plain ? bf16 ? FR_BF16 : FR_F32 : o->w->dst.dtype, 0.0f, o->dst, (uint64_t)at, sum);
}

#endif
