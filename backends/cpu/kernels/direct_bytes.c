/* Tiles of direct.h in bytes: four products of an unsigned by a signed one, summed without saturation. */
#include "direct_row.h"

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)

static inline __m256i half_words_of(const uint32_t *at) {
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}
static inline __m256 half_number(__m256i sums, const float *scale, const float *bias) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(scale), _mm256_loadu_ps(bias));
}

#if defined(__AVX512VNNI__)
static inline vf full_number(__m512i sums, const float *scale, const float *bias) {
    return vf_fma(_mm512_cvtepi32_ps(sums), vf_load(scale), vf_load(bias));
}
static inline vf widened_number(__m256i sums, const float *scale, const float *bias) {
    return _mm512_zextps256_ps512(half_number(sums, scale, bias));
}

#define TILE      bytes
#define ACC       __m512i
#define LANES     VF
#define OPERAND   __m512i
#define LOAD(at)  _mm512_loadu_si512(at)
#define ALL(word) _mm512_set1_epi32((int32_t)(word))
#define DOT       _mm512_dpbusd_epi32
#define START(at) _mm512_loadu_si512(at)
#define NUMBERS   full_number
#include "direct_tile.h"

#define TILE bytes_half
#define TILE_IS_HALF
#define ACC       __m256i
#define LANES     8
#define OPERAND   __m256i
#define LOAD      half_words_of
#define ALL(word) _mm256_set1_epi32((int32_t)(word))
#define DOT       _mm256_dpbusd_epi32
#define START     half_words_of
#define NUMBERS   widened_number
#include "direct_tile.h"
#else
#define TILE      bytes
#define ACC       __m256i
#define LANES     VF
#define OPERAND   __m256i
#define LOAD      half_words_of
#define ALL(word) _mm256_set1_epi32((int32_t)(word))
#define DOT       _mm256_dpbusd_avx_epi32
#define START     half_words_of
#define NUMBERS   half_number
#include "direct_tile.h"
#define bytes_half_row NULL
#endif

const direct_tiles CPU_VNNI_FN(direct_bytes_tiles) = {bytes_row, bytes_pair_row, bytes_half_row};

#endif
