/* Tiles of direct.h in bf16: pairs of products, summed in f32. */
#include "direct_row.h"

#if defined(__AVX512BF16__)

static inline void put_own(const direct_row *r, uint64_t at, vf x) {
    _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)r->out + at), (__m256i)_mm512_cvtneps_pbh(x));
}
static inline void put_half_own(const direct_row *r, uint64_t at, __m256 x) {
    __m128i *to = (__m128i *)(void *)((uint16_t *)r->out + at);
    _mm_storeu_si128(to, (__m128i)_mm256_cvtneps_pbh(x));
    if (r->pads)
        _mm_storeu_si128(to + 1, _mm_setzero_si128());
}

#define TILE                     bf16
#define ACC                      vf
#define LANES                    VF
#define OPERAND                  __m512i
#define LOAD(at)                 _mm512_loadu_si512(at)
#define ALL(word)                _mm512_set1_epi32((int32_t)(word))
#define DOT(sums, all, words)    _mm512_dpbf16_ps(sums, (__m512bh)(words), (__m512bh)(all))
#define START(at)                vf_load((const float *)(const void *)(at))
#define NUMBERS                  vf
#define CLIPPED(row, lane, sums) clipped(row, sums)
#define STORE                    put_floats
#define OWN_STORE                put_own
#include "direct_tile.h"

#define TILE bf16_half
#define TILE_IS_HALF
#define ACC                      __m256
#define LANES                    8
#define OPERAND                  __m256i
#define LOAD(at)                 _mm256_loadu_si256((const __m256i *)(const void *)(at))
#define ALL(word)                _mm256_set1_epi32((int32_t)(word))
#define DOT(sums, all, words)    _mm256_dpbf16_ps(sums, (__m256bh)(words), (__m256bh)(all))
#define START(at)                _mm256_loadu_ps((const float *)(const void *)(at))
#define NUMBERS                  __m256
#define CLIPPED(row, lane, sums) half_clipped(row, sums)
#define STORE                    put_half_floats
#define OWN_STORE                put_half_own
#include "direct_tile.h"

const direct_tiles CPU_BF16_FN(direct_bf16_tiles) = {
    FR_BF16, {bf16_row, bf16_pair_row, bf16_half_row}, {bf16_own_row, bf16_own_pair_row, bf16_half_own_row}};

#endif
