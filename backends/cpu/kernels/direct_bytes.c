/* Tiles of direct.h in bytes: four products of an unsigned by a signed one, summed without saturation. */
#include <string.h>

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

#if defined(__AVX512VNNI__)
BYTES_DOT(__m512i, dot)
static inline vf numbers_of(const direct_row *r, int lane, __m512i sums) {
    return vf_fma(_mm512_cvtepi32_ps(sums), vf_load(r->scale + lane), vf_load(r->bias + lane));
}

/* The bounds are within 0 and 255. */
static inline void put_own(const direct_row *r, int32_t place, int block, vf x) {
    __m128i *to = (__m128i *)(void *)((uint8_t *)r->out + out_at(r, place, block));
    _mm_storeu_si128(to, _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(x)));
}

static inline void put_own_half(const direct_row *r, int32_t place, __m128i x) {
    __m128i *to = (__m128i *)(void *)((uint8_t *)r->out + out_at(r, place, 0));
    _mm_storel_epi64(to, x);
    if (r->pads)
        memset((char *)to + 8, 0, 8);
}

static inline void put_own_halves(const direct_row *r, int32_t place, int block, vf x) {
    (void)block;
    __m128i places = _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(by_place(x)));
    put_own_half(r, place, places);
    if (place + 1 < r->columns)
        put_own_half(r, place + 1, _mm_srli_si128(places, 8));
}

#define TILE      bytes
#define ACC       __m512i
#define LANES     VF
#define SPAN      1
#define OPERAND   __m512i
#define LOAD(at)  _mm512_loadu_si512(at)
#define ALL       one_word
#define DOT       dot
#define START(at) _mm512_loadu_si512(at)
#define NUMBERS   numbers_of
#define STORE     put_floats
#define OWN_STORE put_own
#include "direct_tile.h"

#define TILE      bytes_half
#define ACC       __m512i
#define LANES     VF
#define SPAN      2
#define OPERAND   __m512i
#define LOAD(at)  _mm512_loadu_si512(at)
#define ALL       two_words
#define DOT       dot
#define START(at) _mm512_loadu_si512(at)
#define NUMBERS   numbers_of
#define STORE     put_half_floats
#define OWN_STORE put_own_halves
#include "direct_tile.h"

const direct_tiles CPU_VNNI_FN(direct_bytes_tiles) = {
    FR_U8, {bytes_row, bytes_pair_row, bytes_half_row}, {bytes_own_row, bytes_own_pair_row, bytes_half_own_row}};
#else
BYTES_DOT(__m256i, dot)
static inline __m256i words_of(const uint32_t *at) {
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}
static inline vf numbers_of(const direct_row *r, int lane, __m256i sums) {
    return vf_fma(_mm256_cvtepi32_ps(sums), vf_load(r->scale + lane), vf_load(r->bias + lane));
}

#define TILE      bytes
#define ACC       __m256i
#define LANES     VF
#define SPAN      1
#define OPERAND   __m256i
#define LOAD      words_of
#define ALL(at)   _mm256_set1_epi32((int32_t) * (at))
#define DOT       dot
#define START     words_of
#define NUMBERS   numbers_of
#define STORE     put_floats
#define OWN_STORE put_floats
#include "direct_tile.h"

const direct_tiles CPU_VNNI_FN(direct_bytes_tiles) = {
    FR_F32, {bytes_row, bytes_pair_row, NULL}, {bytes_own_row, bytes_own_pair_row, NULL}};
#endif

#endif
