/* See grouped.h. Built for AVX2 and AVX-512. */
#include "grouped.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "grouped_image.h"

/* Places of a tile: a sum of each stays in registers, beside the weights and what is multiplied with them. */
#if defined(__AVX512F__)
enum { MOST_PLACES = 16 };
#else
enum { MOST_PLACES = 12 };
#endif

#if defined(__AVX512F__)
/* The first operand of a bound is the constant: NaN comes out as it went in. */
#define CLAMP_512(x, low, high) _mm512_min_ps(high, _mm512_max_ps(low, x))
#define NAME                    floats16
#define LANES                   16
#define VEC                     __m512
#define LOAD(p)                 _mm512_loadu_ps(p)
#define STORE(p, x)             _mm512_storeu_ps(p, x)
#define MADD(sum, at, w)        _mm512_fmadd_ps(_mm512_set1_ps(*(const float *)(const void *)(at)), w, sum)
#define CLAMP                   CLAMP_512
#include "grouped_body.h"
#endif

#define CLAMP_256(x, low, high) _mm256_min_ps(high, _mm256_max_ps(low, x))
#define NAME                    floats8
#define LANES                   8
#define VEC                     __m256
#define LOAD(p)                 _mm256_loadu_ps((const float *)(const void *)(p))
#define STORE(p, x)             _mm256_storeu_ps((float *)(void *)(p), x)
#define MADD(sum, at, w)        _mm256_fmadd_ps(_mm256_set1_ps(*(const float *)(const void *)(at)), w, sum)
#define CLAMP                   CLAMP_256
#include "grouped_body.h"

#if defined(__AVX512BF16__)
#define NAME        pairs16
#define LANES       16
#define VEC         __m512
#define LOAD(p)     _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define MADD(sum, at, w) \
    _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32((int)*(at)), (__m512bh)_mm512_castps_si512(w))
#define CLAMP CLAMP_512
#include "grouped_body.h"

#define NAME        pairs8
#define LANES       8
#define VEC         __m256
#define LOAD(p)     _mm256_loadu_ps((const float *)(const void *)(p))
#define STORE(p, x) _mm256_storeu_ps((float *)(void *)(p), x)
#define MADD(sum, at, w) \
    _mm256_dpbf16_ps(sum, (__m256bh)_mm256_set1_epi32((int)*(at)), (__m256bh)_mm256_castps_si256(w))
#define CLAMP CLAMP_256
#include "grouped_body.h"
#endif

#if defined(__AVX512VNNI__)
#define NAME             bytes16
#define LANES            16
#define VEC              __m512i
#define LOAD(p)          _mm512_loadu_si512(p)
#define STORE(p, x)      _mm512_storeu_si512(p, x)
#define MADD(sum, at, w) _mm512_dpbusd_epi32(sum, _mm512_set1_epi32((int)*(at)), w)
#include "grouped_body.h"
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define HAS_BYTES 1
#if defined(__AVX512VNNI__)
#define DOT_256 _mm256_dpbusd_epi32
#else
#define DOT_256 _mm256_dpbusd_avx_epi32
#endif
#define NAME             bytes8
#define LANES            8
#define VEC              __m256i
#define LOAD(p)          _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE(p, x)      _mm256_storeu_si256((__m256i *)(void *)(p), x)
#define MADD(sum, at, w) DOT_256(sum, _mm256_set1_epi32((int)*(at)), w)
#include "grouped_body.h"
#else
#define HAS_BYTES 0
#endif

static void (*row_of(const cpu_grouped *g))(const grouped_row *) {
#if defined(__AVX512F__)
    bool wide = g->lanes == 16;
#endif
#if defined(__AVX512BF16__)
    if (g->sums == CPU_GROUPED_BF16)
        return wide ? pairs16_row : pairs8_row;
#endif
#if defined(__AVX512VNNI__)
    if (g->sums == CPU_GROUPED_INT8)
        return wide ? bytes16_row : bytes8_row;
#elif HAS_BYTES
    if (g->sums == CPU_GROUPED_INT8)
        return bytes8_row;
#endif
#if defined(__AVX512F__)
    return wide ? floats16_row : floats8_row;
#else
    (void)g;
    return floats8_row;
#endif
}

static void CPU_LEVEL_FN(grouped_run)(const cpu_grouped *g, const void *src, const uint32_t *weights,
                                      const void *residual, void *dst, void *scratch) {
    strip s = {.g = g, .rows = scratch, .row_bytes = (size_t)cpu_grouped_strip_row(g) * 4};
    s.padding = s.rows + (size_t)cpu_grouped_span(g) * s.row_bytes;
    s.raw = s.padding + s.row_bytes;
    s.plain_bytes = s.row_bytes;
    const size_t words = (size_t)g->words;
    bool is_dense = g->win.dw == 1;
    grouped_row r = {.g = g,
                     .place_words = (size_t)g->win.sw * words,
                     .runs = is_dense ? 1 : (size_t)g->win.kw,
                     .run_words = is_dense ? (size_t)g->win.kw * words : words,
                     .run_step = (size_t)g->win.dw * words,
                     .dst = dst,
                     .residual = residual};
    run_image(&s, &r, src, weights, row_of(g));
}

const cpu_grouped_kernels CPU_LEVEL_FN(grouped_kernels) = {.lanes = VF,
                                                           .has = {true,
#if defined(__AVX512BF16__)
                                                                   true,
#else
                                                                   false,
#endif
                                                                   HAS_BYTES},
                                                           .run = CPU_LEVEL_FN(grouped_run)};

#endif
