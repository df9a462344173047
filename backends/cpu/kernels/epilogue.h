/* What follows the sums, on vectors: activation, and storing as any dtype. */
#ifndef CPU_KERNELS_EPILOGUE_H
#define CPU_KERNELS_EPILOGUE_H

#include <string.h>

#include "base/convert.h"
#include "kernels_isa.h"
#include "vec.h"

/* The first operand is the constant: NaN comes out as it went in. */
static inline vf vf_act(uint16_t act, vf a, vf b, vf x) {
    switch (act) {
    case FR_ACT_RELU: return vf_max(vf_all(0), x);
    case FR_ACT_CLIP: return vf_min(b, vf_max(a, x));
    case FR_ACT_LEAKY: return vf_add(vf_max(vf_all(0), x), vf_mul(a, vf_min(vf_all(0), x)));
    default: return x;
    }
}

/* VF numbers to dst[at ...] of dtype; per_unit: 1 / what a stored U8 or S8 counts. */
static inline void vf_put(uint16_t dtype, float per_unit, void *dst, uint64_t at, vf x) {
    if (dtype == FR_F32) {
        vf_store((float *)dst + at, x);
        return;
    }
#if defined(__AVX512F__)
    if (dtype == FR_BF16) {
        /* round half to even by adding 0x7fff and the last kept bit; NaN stays, made quiet */
        __m512i bits = _mm512_castps_si512(x),
                odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        rounded =
            _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits, _mm512_set1_epi32(0x400000));
        _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)dst + at),
                            _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
        return;
    }
    __m512 number = _mm512_mul_ps(x, _mm512_set1_ps(per_unit));
    __m512 low = _mm512_set1_ps(dtype == FR_U8 ? 0.0f : -128.0f),
           high = _mm512_set1_ps(dtype == FR_U8 ? 255.0f : 127.0f);
    __m512i whole = _mm512_cvtps_epi32(
        _mm512_maskz_min_ps(_mm512_cmp_ps_mask(number, number, _CMP_ORD_Q), _mm512_max_ps(number, low), high));
    _mm_storeu_si128((__m128i *)(void *)((uint8_t *)dst + at),
                     dtype == FR_U8 ? _mm512_cvtusepi32_epi8(whole) : _mm512_cvtsepi32_epi8(whole));
#else
    float row[VF];
    vf_store(row, dtype == FR_BF16 ? x : vf_mul(x, vf_all(per_unit)));
    CPU_FN(convert)(FR_F32, 0.0f, row, dtype, 1.0f, (char *)dst + at * fr_dtype_bytes((fr_dtype)dtype), VF);
#endif
}

#endif
