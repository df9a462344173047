/* Tiles of direct.h in f32: FMA. */
#include <string.h>

#include "direct_row.h"

#if defined(__AVX2__) && defined(__FMA__)

static inline vf words_of(const uint32_t *at) {
    return vf_load((const float *)(const void *)at);
}
static inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#define TILE                     f32
#define ACC                      vf
#define LANES                    VF
#define OPERAND                  vf
#define LOAD                     words_of
#define ALL(word)                vf_all(float_of(word))
#define DOT(sums, all, words)    vf_fma(all, words, sums)
#define START                    words_of
#define NUMBERS                  vf
#define CLIPPED(row, lane, sums) clipped(row, sums)
#define STORE                    put_floats
#include "direct_tile.h"

#if defined(__AVX512F__)
static inline __m256 half_words_of(const uint32_t *at) {
    return _mm256_loadu_ps((const float *)(const void *)at);
}

#define TILE f32_half
#define TILE_IS_HALF
#define ACC                      __m256
#define LANES                    8
#define OPERAND                  __m256
#define LOAD                     half_words_of
#define ALL(word)                _mm256_set1_ps(float_of(word))
#define DOT(sums, all, words)    _mm256_fmadd_ps(all, words, sums)
#define START                    half_words_of
#define NUMBERS                  __m256
#define CLIPPED(row, lane, sums) half_clipped(row, sums)
#define STORE                    put_half_floats
#include "direct_tile.h"
#else
#define f32_half_row NULL
#endif

const direct_tiles CPU_FN(direct_f32_tiles) = {FR_F32, {f32_row, f32_pair_row, f32_half_row}, {NULL, NULL, NULL}};

#endif
