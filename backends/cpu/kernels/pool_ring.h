/*
 * Max pools without padding of rows that were just computed: floats [place][...], one vector of channels at a time. What comes
 * out goes where cpu_sink says, in its dtype.
 */
#ifndef CPU_KERNELS_POOL_RING_H
#define CPU_KERNELS_POOL_RING_H

#include "epilogue.h"

/* Where vectors of VF channels are stored, of which the first `used` count. */
typedef struct cpu_sink {
    void *dst;
    uint64_t place_step; /* in elements */
    uint16_t dtype;
    int32_t used;
    float per_unit;     /* U8, S8: stored = number * per_unit */
    vf lowest, highest; /* of what a pool stores */
} cpu_sink;

static inline __attribute__((always_inline)) void sink_put(const cpu_sink *sink, uint64_t at, vf x) {
    if (sink->used == VF) {
#if defined(__AVX512BF16__)
        if (sink->dtype == FR_BF16) {
            __m256i halves = (__m256i)_mm512_cvtneps_pbh(x);
            _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)sink->dst + at), halves);
            return;
        }
#endif
        vf_put(sink->dtype, sink->per_unit, sink->dst, at, x);
        return;
    }
    char row[VF * sizeof(float)];
    size_t item = fr_dtype_bytes((fr_dtype)sink->dtype);
    vf_put(sink->dtype, sink->per_unit, row, 0, x);
    char *to = (char *)sink->dst + at * item;
#if defined(__AVX512F__)
    uint32_t used = (1u << sink->used) - 1;
    if (item == 4)
        _mm512_mask_storeu_ps(to, (__mmask16)used, _mm512_loadu_ps(row));
    else if (item == 2)
        _mm256_mask_storeu_epi16(to, (__mmask16)used, _mm256_loadu_si256((const __m256i *)(const void *)row));
    else
        _mm_mask_storeu_epi8(to, (__mmask16)used, _mm_loadu_si128((const __m128i *)(const void *)row));
#else
    memcpy(to, row, (size_t)sink->used * item);
#endif
}

typedef struct ring_rows {
    const float *first, *second, *third;
} ring_rows;

static inline __attribute__((always_inline)) vf ring_column(ring_rows rows, uint64_t at, const int side) {
    vf best = vf_max(vf_load(rows.first + at), vf_load(rows.second + at));
    return side == 3 ? vf_max(vf_load(rows.third + at), best) : best;
}

static inline __attribute__((always_inline)) void ring_places(ring_rows rows, uint64_t step, int32_t places,
                                                              const cpu_sink *to_sink, const int side,
                                                              const int stride) {
    const cpu_sink sink = *to_sink; /* what is stored might lie over the one that was given */
    uint64_t at = 0, to = 0;
    vf a = ring_column(rows, 0, side), b = a;
    if (side == 3 && stride == 1)
        b = ring_column(rows, step, side);
    for (int32_t i = 0; i < places; i++, at += (uint64_t)stride * step, to += sink.place_step) {
        if (side == 2 && stride == 2)
            a = ring_column(rows, at, side);
        if (side == 3 && stride == 2)
            b = ring_column(rows, at + step, side);
        vf last = ring_column(rows, at + (uint64_t)(side - 1) * step, side);
        vf most = side == 3 ? vf_max(vf_max(a, b), last) : vf_max(a, last);
        sink_put(&sink, to, vf_min(sink.highest, vf_max(sink.lowest, most)));
        a = side == 3 && stride == 1 ? b : last;
        b = last;
    }
}

/* One row of `places` windows of 2x2 or 3x3, a step of 1 or 2; of: `side` rows, their places `step` floats apart. */
static void ring_pool(const float *const of[3], uint64_t step, int32_t side, int32_t stride, int32_t places,
                      const cpu_sink *sink) {
    const ring_rows rows = {of[0], of[1], of[2]};
    if (side == 3 && stride == 2)
        ring_places(rows, step, places, sink, 3, 2);
    else if (side == 3)
        ring_places(rows, step, places, sink, 3, 1);
    else if (stride == 2)
        ring_places(rows, step, places, sink, 2, 2);
    else
        ring_places(rows, step, places, sink, 2, 1);
}

#endif
