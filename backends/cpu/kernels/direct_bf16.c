/* Tiles of direct.h in bf16: pairs of products, summed in f32. */
#include "direct_row.h"

#if defined(__AVX512BF16__)

static inline vf as_it_is(vf x, const float *scale, const float *bias) {
    (void)scale, (void)bias;
    return x;
}
static inline vf widened(__m256 x, const float *scale, const float *bias) {
    (void)scale, (void)bias;
    return _mm512_zextps256_ps512(x);
}

#define TILE                  bf16
#define ACC                   vf
#define LANES                 VF
#define OPERAND               __m512i
#define LOAD(at)              _mm512_loadu_si512(at)
#define ALL(word)             _mm512_set1_epi32((int32_t)(word))
#define DOT(sums, all, words) _mm512_dpbf16_ps(sums, (__m512bh)(words), (__m512bh)(all))
#define START(at)             vf_load((const float *)(const void *)(at))
#define NUMBERS               as_it_is
#include "direct_tile.h"

#define TILE bf16_half
#define TILE_IS_HALF
#define ACC                   __m256
#define LANES                 8
#define OPERAND               __m256i
#define LOAD(at)              _mm256_loadu_si256((const __m256i *)(const void *)(at))
#define ALL(word)             _mm256_set1_epi32((int32_t)(word))
#define DOT(sums, all, words) _mm256_dpbf16_ps(sums, (__m256bh)(words), (__m256bh)(all))
#define START(at)             _mm256_loadu_ps((const float *)(const void *)(at))
#define NUMBERS               widened
#include "direct_tile.h"

const direct_tiles CPU_BF16_FN(direct_bf16_tiles) = {bf16_row, bf16_pair_row, bf16_half_row};

#endif
