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
    float per_unit; /* U8, S8: stored = number * per_unit */
} cpu_sink;

static inline void sink_put(const cpu_sink *sink, uint64_t at, vf x) {
    if (sink->used == VF) {
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

static inline __attribute__((always_inline)) vf ring_column(const float *const rows[3], uint64_t at, const int side) {
    vf best = vf_max(vf_load(rows[0] + at), vf_load(rows[1] + at));
    return side == 3 ? vf_max(vf_load(rows[2] + at), best) : best;
}

static inline __attribute__((always_inline)) void ring_places(const float *const rows[3], uint64_t step, int32_t places,
                                                              const cpu_sink *sink, const int side, const int stride) {
    uint64_t at = 0, to = 0;
    vf a = ring_column(rows, 0, side), b = a;
    if (side == 3 && stride == 1)
        b = ring_column(rows, step, side);
    for (int32_t i = 0; i < places; i++, at += (uint64_t)stride * step, to += sink->place_step) {
        if (side == 2 && stride == 2)
            a = ring_column(rows, at, side);
        if (side == 3 && stride == 2)
            b = ring_column(rows, at + step, side);
        vf last = ring_column(rows, at + (uint64_t)(side - 1) * step, side);
        sink_put(sink, to, side == 3 ? vf_max(vf_max(a, b), last) : vf_max(a, last));
        a = side == 3 && stride == 1 ? b : last;
        b = last;
    }
}

/* Windows that the functions above know. */
static inline bool ring_pools(int32_t side, int32_t stride) {
    return (side == 2 || side == 3) && (stride == 1 || stride == 2);
}

/* One row of `places` windows; rows: `side` of them, their places `step` floats apart. */
static void ring_pool(const float *const rows[3], uint64_t step, int32_t side, int32_t stride, int32_t places,
                      const cpu_sink *sink) {
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
