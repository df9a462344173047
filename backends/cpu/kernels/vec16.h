/* Vectors of 16-bit integers as wide as vec.h's of floats, and sums of products of their pairs. */
#ifndef CPU_KERNELS_VEC16_H
#define CPU_KERNELS_VEC16_H

#include <stdint.h>
#include <string.h>

#include "vec.h"

#if defined(__AVX2__) && defined(__FMA__)

enum { VH = 2 * VF };

#if defined(__AVX512F__)
typedef __m512i vh; /* VH int16 */
typedef __m512i vi; /* VF s32 */
#define CPU_VH(op) _mm512_##op
#else
typedef __m256i vh;
typedef __m256i vi;
#define CPU_VH(op) _mm256_##op
#endif

static inline vh vh_all(int16_t a) {
    return CPU_VH(set1_epi16)(a);
}
static inline vh vh_add(vh a, vh b) {
    return CPU_VH(add_epi16)(a, b);
}
static inline vh vh_sub(vh a, vh b) {
    return CPU_VH(sub_epi16)(a, b);
}
static inline vh vh_times4(vh a) {
    return CPU_VH(slli_epi16)(a, 2);
}
static inline vh vh_half(vh a) { /* rounded down */
    return CPU_VH(srai_epi16)(a, 1);
}
static inline vh vh_quarter(vh a) {
    return CPU_VH(srai_epi16)(a, 2);
}
static inline void vh_store(int16_t *p, vh a) {
#if defined(__AVX512F__)
    _mm512_storeu_si512(p, a);
#else
    _mm256_storeu_si256((__m256i *)(void *)p, a);
#endif
}

static inline vi vi_all(int32_t a) {
    return CPU_VH(set1_epi32)(a);
}
/* The pair of int16 at p, in all lanes. */
static inline vi vi_pair(const int16_t *p) {
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return vi_all(pair);
}
static inline vi vi_load(const void *p) {
#if defined(__AVX512F__)
    return _mm512_loadu_si512(p);
#else
    return _mm256_loadu_si256((const __m256i *)p);
#endif
}
static inline void vi_store(int32_t *p, vi a) {
#if defined(__AVX512F__)
    _mm512_storeu_si512(p, a);
#else
    _mm256_storeu_si256((__m256i *)(void *)p, a);
#endif
}
static inline vi vi_and(vi a, vi b) {
#if defined(__AVX512F__)
    return _mm512_and_si512(a, b);
#else
    return _mm256_and_si256(a, b);
#endif
}
static inline vi vi_or(vi a, vi b) {
#if defined(__AVX512F__)
    return _mm512_or_si512(a, b);
#else
    return _mm256_or_si256(a, b);
#endif
}
/* sum + a[2k] * b[2k] + a[2k+1] * b[2k+1] */
static inline vi vi_dot(vi sum, vi a, vi b) {
#if defined(__AVX512VNNI__) /* written out: with the intrinsic gcc 12 keeps sums in memory too */
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#elif defined(__AVXVNNI__)
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
#else
    return CPU_VH(add_epi32)(sum, CPU_VH(madd_epi16)(a, b));
#endif
}
static inline vf vi_float(vi a) {
    return CPU_VH(cvtepi32_ps)(a);
}

/* Floats within +-32767 as int16, rounded: even numbers of pairs from `even`, odd ones from `odd`. Adding 1.5 * 2^23 leaves
 * the integer in the low digits. */
static inline vh vh_pairs(vf even, vf odd, vf scale) {
    const vf shift = vf_all(12582912.0f);
    even = vf_fma(even, scale, shift);
    odd = vf_fma(odd, scale, shift);
#if defined(__AVX512F__)
    return _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_castps_si512(even),
                                   _mm512_slli_epi32(_mm512_castps_si512(odd), 16));
#else
    return _mm256_blend_epi16(_mm256_castps_si256(even), _mm256_slli_epi32(_mm256_castps_si256(odd), 16), 0xaa);
#endif
}

#endif
#endif
