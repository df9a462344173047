/*
 * A block of VH channels of one place, as 16-bit integers or as two vectors of floats: those of even and odd positions in
 * its pairs. It lies in two halves of VF channels: together in NHWC, in two blocks otherwise.
 */
#ifndef CPU_KERNELS_FIXED_LOAD_H
#define CPU_KERNELS_FIXED_LOAD_H

#include "base/convert.h"
#include "vec16.h"

#if defined(__AVX2__) && defined(__FMA__)

typedef struct halves {
    int64_t step; /* from the first half to the second, in elements */
#if defined(__AVX512F__)
    __mmask16 low, high; /* channels that exist */
#else
    int32_t low, high;
#endif
} halves;

/* count: channels from the block's first on */
static inline halves halves_of(int64_t step, int32_t count) {
    int32_t low = count < VF ? count : VF, high = count - low < VF ? count - low : VF;
#if defined(__AVX512F__)
    return (halves){high > 0 ? step : 0, (__mmask16)((1u << low) - 1u), (__mmask16)((1u << high) - 1u)};
#else
    return (halves){high > 0 ? step : 0, low, high};
#endif
}

/* The channel that lies at a position of V's blocks. */
static inline int32_t channel_at(uint16_t dtype, int32_t position) {
    return dtype == FR_F32 ? position % 2 * VF + position / 2 : position;
}

#if defined(__AVX512F__)

static inline vh load_bytes(uint16_t dtype, const void *src, int64_t at, const halves *h) {
    const uint8_t *p = (const uint8_t *)src + at;
    __m256i bytes = _mm256_set_m128i(_mm_maskz_loadu_epi8(h->high, p + h->step), _mm_maskz_loadu_epi8(h->low, p));
    return dtype == FR_U8 ? _mm512_cvtepu8_epi16(bytes) : _mm512_cvtepi8_epi16(bytes);
}

static inline __m512i load_words(const void *src, int64_t at, const halves *h) {
    const uint16_t *p = (const uint16_t *)src + at;
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi16(h->low, p)),
                              _mm256_maskz_loadu_epi16(h->high, p + h->step), 1);
}

static inline void load_floats(uint16_t dtype, const void *src, int64_t at, const halves *h, vf *even, vf *odd) {
    if (dtype == FR_BF16) {
        __m512i words = load_words(src, at, h);
        *even = _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
        *odd = _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32((int32_t)0xffff0000u)));
        return;
    }
    const float *p = (const float *)src + at;
    *even = _mm512_maskz_loadu_ps(h->low, p);
    *odd = _mm512_maskz_loadu_ps(h->high, p + h->step);
}

#else

/* `count` of 8 elements of `bytes` each; the rest is zero. */
static inline __m256i load_half(const void *p, int32_t count, const int32_t bytes) {
    if (count == VF && bytes == 1)
        return _mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)p));
    if (count == VF && bytes == 2)
        return _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    if (count == VF)
        return _mm256_loadu_si256((const __m256i *)p);
    char some[32] = {0};
    memcpy(some, p, (size_t)(count * bytes));
    return _mm256_loadu_si256((const __m256i *)(void *)some);
}

static inline vh load_bytes(uint16_t dtype, const void *src, int64_t at, const halves *h) {
    const uint8_t *p = (const uint8_t *)src + at;
    __m128i low = _mm256_castsi256_si128(load_half(p, h->low, 1)),
            high = h->high ? _mm256_castsi256_si128(load_half(p + h->step, h->high, 1)) : _mm_setzero_si128(),
            bytes = _mm_unpacklo_epi64(low, high);
    return dtype == FR_U8 ? _mm256_cvtepu8_epi16(bytes) : _mm256_cvtepi8_epi16(bytes);
}

static inline void load_floats(uint16_t dtype, const void *src, int64_t at, const halves *h, vf *even, vf *odd) {
    if (dtype == FR_BF16) {
        const uint16_t *p = (const uint16_t *)src + at;
        __m128i low = _mm256_castsi256_si128(load_half(p, h->low, 2)),
                high = h->high ? _mm256_castsi256_si128(load_half(p + h->step, h->high, 2)) : _mm_setzero_si128();
        __m256i words = _mm256_set_m128i(high, low);
        *even = _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
        *odd = _mm256_castsi256_ps(_mm256_and_si256(words, _mm256_set1_epi32((int32_t)0xffff0000u)));
        return;
    }
    const float *p = (const float *)src + at;
    *even = _mm256_castsi256_ps(load_half(p, h->low, 4));
    *odd = h->high ? _mm256_castsi256_ps(load_half(p + h->step, h->high, 4)) : vf_all(0);
}

#endif

/* ---- the reach of an image: its largest magnitude, and whether it is signed ------------------------------------------- */

typedef struct reach {
    float most; /* NaN where a number of the image is, or is too large */
    bool is_signed;
} reach;

/* Bits of a float order as the magnitudes do, NaN above all. */
static inline reach reach_of(uint16_t dtype, const void *src, int64_t count) {
    uint32_t most = 0, signs = 0;
    int64_t i = 0;
    uint32_t lanes[2][VF];
    if (dtype == FR_BF16) {
        const uint16_t *p = src;
        vh top = vh_all(0), any = vh_all(0), magnitude = vh_all(0x7fff);
        for (; i + VH <= count; i += VH) {
            vh words = vi_load(p + i);
            top = CPU_VH(max_epu16)(top, vi_and(words, magnitude));
            any = vi_or(any, words);
        }
        for (; i < count; i++) {
            most = p[i] % 0x8000u * 0x10000u > most ? p[i] % 0x8000u * 0x10000u : most;
            signs |= p[i] * 0x10000u;
        }
        vi_store((int32_t *)lanes[0], top);
        vi_store((int32_t *)lanes[1], any);
        for (int k = 0; k < VF; k++) {
            uint32_t even = lanes[0][k] << 16, odd = lanes[0][k] & 0xffff0000u;
            most = even > most ? even : most;
            most = odd > most ? odd : most;
            signs |= lanes[1][k] | lanes[1][k] << 16;
        }
    }
    const float *floats = src;
    for (; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, floats + i, sizeof bits);
        most = (bits & 0x7fffffffu) > most ? bits & 0x7fffffffu : most;
        signs |= bits;
    }
    reach r = {0, signs >> 31 != 0};
    memcpy(&r.most, &most, sizeof most);
    if (!(r.most < 1e36f)) /* transformed in f32, larger ones would not stay finite */
        r.most = __builtin_nanf("");
    return r;
}

#endif
#endif
