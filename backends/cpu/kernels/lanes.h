/* Vectors of numbers of any dtype, and of fewer than VF. */
#ifndef CPU_KERNELS_LANES_H
#define CPU_KERNELS_LANES_H

#include "epilogue.h"

/* The first `lanes` from src[at ...] as stored, unscaled; zeros after them. Nothing else is read. */
static inline __attribute__((always_inline)) vf vf_get(uint16_t dtype, const void *src, uint64_t at, int lanes) {
    const char *from = (const char *)src + at * fr_dtype_bytes((fr_dtype)dtype);
#if defined(__AVX512F__)
    __mmask16 mask = (__mmask16)((1u << lanes) - 1u);
    switch (dtype) {
    case FR_BF16:
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16));
    case FR_U8: return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from)));
    case FR_S8: return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, from)));
    default: return _mm512_maskz_loadu_ps(mask, from);
    }
#else
    if (dtype == FR_F32 && lanes == VF)
        return vf_load((const float *)(const void *)from);
    float raw[VF] = {0}, row[VF] = {0};
    memcpy(raw, from, (size_t)lanes * fr_dtype_bytes((fr_dtype)dtype));
    if (dtype == FR_F32)
        return vf_load(raw);
#if defined(__AVX2__)
    __m128i stored = _mm_loadu_si128((const __m128i *)(const void *)raw);
    switch (dtype) {
    case FR_BF16: return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(stored), 16));
    case FR_U8: return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(stored));
    default: return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(stored));
    }
#endif
    CPU_FN(convert)(dtype, 1.0f, raw, FR_F32, 0.0f, row, VF);
    return vf_load(row);
#endif
}

/* As vf_put, of the first `lanes` alone. */
static inline void vf_put_some(uint16_t dtype, float per_unit, void *dst, uint64_t at, vf x, int lanes) {
    if (lanes == VF) {
        vf_put(dtype, per_unit, dst, at, x);
        return;
    }
    float row[VF];
    size_t bytes = fr_dtype_bytes((fr_dtype)dtype);
    vf_put(dtype, per_unit, row, 0, x);
    memcpy((char *)dst + at * bytes, row, (size_t)lanes * bytes);
}

#endif
