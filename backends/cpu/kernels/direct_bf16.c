/* Tiles of direct.h in bf16: pairs of products, summed in f32. */
#include <string.h>

#include "direct_row.h"

#if defined(__AVX512BF16__)

static inline void put_own(const direct_row *r, int32_t place, int block, vf x) {
    uint16_t *to = (uint16_t *)r->out + out_at(r, place, block);
    _mm256_storeu_si256((__m256i *)(void *)to, (__m256i)_mm512_cvtneps_pbh(x));
}

static inline void put_own_half(const direct_row *r, int32_t place, __m128i x) {
    __m128i *to = (__m128i *)(void *)((uint16_t *)r->out + out_at(r, place, 0));
    _mm_storeu_si128(to, x);
    if (r->pads)
        _mm_storeu_si128(to + 1, _mm_setzero_si128());
}

static inline void put_own_halves(const direct_row *r, int32_t place, int block, vf x) {
    (void)block;
    __m256i places = (__m256i)_mm512_cvtneps_pbh(by_place(x));
    put_own_half(r, place, _mm256_castsi256_si128(places));
    if (place + 1 < r->columns)
        put_own_half(r, place + 1, _mm256_extracti128_si256(places, 1));
}

#define TILE                     bf16
#define ACC                      vf
#define LANES                    VF
#define SPAN                     1
#define OPERAND                  __m512i
#define LOAD(at)                 _mm512_loadu_si512(at)
#define ALL                      one_word
#define DOT(sums, all, words)    _mm512_dpbf16_ps(sums, (__m512bh)(words), (__m512bh)(all))
#define START(at)                vf_load((const float *)(const void *)(at))
#define NUMBERS(row, lane, sums) (sums)
#define STORE                    put_floats
#define OWN_STORE                put_own
#include "direct_tile.h"

#define TILE                     bf16_half
#define ACC                      vf
#define LANES                    VF
#define SPAN                     2
#define OPERAND                  __m512i
#define LOAD(at)                 _mm512_loadu_si512(at)
#define ALL                      two_words
#define DOT(sums, all, words)    _mm512_dpbf16_ps(sums, (__m512bh)(words), (__m512bh)(all))
#define START(at)                vf_load((const float *)(const void *)(at))
#define NUMBERS(row, lane, sums) (sums)
#define STORE                    put_half_floats
#define OWN_STORE                put_own_halves
#include "direct_tile.h"

const direct_tiles CPU_BF16_FN(direct_bf16_tiles) = {
    FR_BF16, {bf16_row, bf16_pair_row, bf16_half_row}, {bf16_own_row, bf16_own_pair_row, bf16_half_own_row}};

#endif
