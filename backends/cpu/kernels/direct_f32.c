/* Tiles of direct.h in f32: FMA. */
#include <string.h>

#include "direct_row.h"

#if defined(__AVX2__) && defined(__FMA__)

static inline vf words_of(const uint32_t *at) {
    return vf_load((const float *)(const void *)at);
}
static inline float float_at(const uint32_t *at) {
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

#define TILE                     f32
#define ACC                      vf
#define LANES                    VF
#define SPAN                     1
#define OPERAND                  vf
#define LOAD                     words_of
#define ALL(word)                vf_all(float_at(word))
#define DOT(sums, all, words)    vf_fma(all, words, sums)
#define START                    words_of
#define NUMBERS(row, lane, sums) (sums)
#define STORE                    put_floats
#define OWN_STORE                put_floats
#include "direct_tile.h"

#if defined(__AVX512F__)
static inline vf two_places(const uint32_t *at) {
    double both;
    memcpy(&both, at, sizeof both);
    return _mm512_castpd_ps(_mm512_set1_pd(both));
}

#define TILE                     f32_half
#define ACC                      vf
#define LANES                    VF
#define SPAN                     2
#define OPERAND                  vf
#define LOAD                     words_of
#define ALL                      two_places
#define DOT(sums, all, words)    vf_fma(all, words, sums)
#define START                    words_of
#define NUMBERS(row, lane, sums) (sums)
#define STORE                    put_half_floats
#define OWN_STORE                put_half_floats
#include "direct_tile.h"
#else
#define f32_half_row     NULL
#define f32_half_own_row NULL
#endif

const direct_tiles CPU_FN(direct_f32_tiles) = {
    FR_F32, {f32_row, f32_pair_row, f32_half_row}, {f32_own_row, f32_own_pair_row, f32_half_own_row}};

#endif
