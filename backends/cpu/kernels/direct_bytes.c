/* Tiles of direct.h in bytes: four products of an unsigned by a signed one, summed without saturation. */
#include "direct_row.h"

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)

/* GCC 12 copies sums about when it is given the intrinsic in a tile. */
#if defined(__AVX512VNNI__)
#define DPBUSD "vpdpbusd"
#else
#define DPBUSD "%{vex%} vpdpbusd"
#endif
#define BYTES_DOT(type, name)                                                  \
    static inline type name(type sums, type bytes, type weights) {             \
        __asm__(DPBUSD " %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(weights)); \
        return sums;                                                           \
    }

static inline __m256i half_words_of(const uint32_t *at) {
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}
static inline __m256 half_numbers(const direct_row *r, int lane, __m256i sums) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(r->scale + lane), _mm256_loadu_ps(r->bias + lane));
}
BYTES_DOT(__m256i, half_dot)

#if defined(__AVX512VNNI__)
BYTES_DOT(__m512i, full_dot)
static inline vf full_numbers(const direct_row *r, int lane, __m512i sums) {
    return vf_fma(_mm512_cvtepi32_ps(sums), vf_load(r->scale + lane), vf_load(r->bias + lane));
}
/* The bounds are within 0 and 255. */
static inline void put_own(const direct_row *r, uint64_t at, vf x) {
    _mm_storeu_si128((__m128i *)(void *)((uint8_t *)r->out + at), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(x)));
}
static inline void put_half_own(const direct_row *r, uint64_t at, __m256 x) {
    __m128i bytes = _mm256_cvtusepi32_epi8(_mm256_cvtps_epi32(x)); /* zeros in the upper half */
    __m128i *to = (__m128i *)(void *)((uint8_t *)r->out + at);
    if (r->pads)
        _mm_storeu_si128(to, bytes);
    else
        _mm_storel_epi64(to, bytes);
}

#define TILE                     bytes
#define ACC                      __m512i
#define LANES                    VF
#define OPERAND                  __m512i
#define LOAD(at)                 _mm512_loadu_si512(at)
#define ALL(word)                _mm512_set1_epi32((int32_t)(word))
#define DOT                      full_dot
#define START(at)                _mm512_loadu_si512(at)
#define NUMBERS                  vf
#define CLIPPED(row, lane, sums) clipped(row, full_numbers(row, lane, sums))
#define STORE                    put_floats
#define OWN_STORE                put_own
#include "direct_tile.h"

#define TILE bytes_half
#define TILE_IS_HALF
#define ACC                      __m256i
#define LANES                    8
#define OPERAND                  __m256i
#define LOAD                     half_words_of
#define ALL(word)                _mm256_set1_epi32((int32_t)(word))
#define DOT                      half_dot
#define START                    half_words_of
#define NUMBERS                  __m256
#define CLIPPED(row, lane, sums) half_clipped(row, half_numbers(row, lane, sums))
#define STORE                    put_half_floats
#define OWN_STORE                put_half_own
#include "direct_tile.h"

const direct_tiles CPU_VNNI_FN(direct_bytes_tiles) = {
    FR_U8, {bytes_row, bytes_pair_row, bytes_half_row}, {bytes_own_row, bytes_own_pair_row, bytes_half_own_row}};
#else
#define TILE                     bytes
#define ACC                      __m256i
#define LANES                    VF
#define OPERAND                  __m256i
#define LOAD                     half_words_of
#define ALL(word)                _mm256_set1_epi32((int32_t)(word))
#define DOT                      half_dot
#define START                    half_words_of
#define NUMBERS                  vf
#define CLIPPED(row, lane, sums) clipped(row, half_numbers(row, lane, sums))
#define STORE                    put_floats
#include "direct_tile.h"

const direct_tiles CPU_VNNI_FN(direct_bytes_tiles) = {FR_F32, {bytes_row, bytes_pair_row, NULL}, {NULL, NULL, NULL}};
#endif

#endif
