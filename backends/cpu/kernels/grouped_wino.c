/* See grouped.h. Built for AVX2 and AVX-512. */
#include "grouped.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "grouped_image.h"

#if defined(__AVX512F__)
#define TILES_OF_6 5
#define TILES_OF_8 3
#define LANES      16
#define VEC        __m512
#define LOAD       _mm512_loadu_ps
#define STORE      _mm512_storeu_ps
#define ALL        _mm512_set1_ps
#define FMA        _mm512_fmadd_ps
/* The first operand of a bound is the constant: NaN comes out as it went in. */
#define CLAMP(x, low, high) _mm512_min_ps(high, _mm512_max_ps(low, x))
#define NAME                wide6
#define POINTS              6
#define TILES               TILES_OF_6
#include "grouped_wino_body.h"
#define NAME   wide8
#define POINTS 8
#define TILES  TILES_OF_8
#include "grouped_wino_body.h"
#undef LANES
#undef VEC
#undef LOAD
#undef STORE
#undef ALL
#undef FMA
#undef CLAMP
#else
#define TILES_OF_6 2
#define TILES_OF_8 1
#endif

#define LANES               8
#define VEC                 __m256
#define LOAD                _mm256_loadu_ps
#define STORE               _mm256_storeu_ps
#define ALL                 _mm256_set1_ps
#define FMA                 _mm256_fmadd_ps
#define CLAMP(x, low, high) _mm256_min_ps(high, _mm256_max_ps(low, x))
#define NAME                narrow6
#define POINTS              6
#define TILES               TILES_OF_6
#include "grouped_wino_body.h"
#define NAME   narrow8
#define POINTS 8
#define TILES  TILES_OF_8
#include "grouped_wino_body.h"

/* ---- input: a row of floats to the points of its tiles ------------------------------------------------------------------- */

static inline __m256 by(float factor, __m256 x, __m256 sum) {
    return FMA(ALL(factor), x, sum);
}

static inline void six_points(const __m256 *d, __m256 *v) {
    __m256 a = by(-4.0f, d[2], d[4]), b = by(-4.0f, d[1], d[3]), e = d[4] - d[2], f = d[3] - d[1];
    v[0] = by(4.0f, d[0], by(-5.0f, d[2], d[4]));
    v[1] = a + b;
    v[2] = a - b;
    v[3] = by(2.0f, f, e);
    v[4] = by(-2.0f, f, e);
    v[5] = by(4.0f, d[1], by(-5.0f, d[3], d[5]));
}

static inline void eight_points(const __m256 *d, __m256 *v) {
    __m256 a = by(-4.25f, d[4], d[2] + d[6]), b = by(-4.25f, d[3], d[1] + d[5]);
    __m256 c = by(0.25f, d[2], by(-1.25f, d[4], d[6])), e = by(0.5f, d[1], by(-2.5f, d[3], d[5] + d[5]));
    __m256 f = by(4.0f, d[2], by(-5.0f, d[4], d[6])), h = by(0.5f, d[5], by(-2.5f, d[3], d[1] + d[1]));
    v[0] = by(5.25f, d[4] - d[2], d[0] - d[6]);
    v[1] = a + b;
    v[2] = a - b;
    v[3] = c + e;
    v[4] = c - e;
    v[5] = f + h;
    v[6] = f - h;
    v[7] = by(5.25f, d[3] - d[5], d[7] - d[1]);
}

/* plain [place][channel] -> row [tile][point][channel, padded to vectors]; what is read past a place's channels is not used. */
static inline __attribute__((always_inline)) void transform(const cpu_grouped *g, const float *plain, float *row,
                                                            const int points) {
    const size_t words = (size_t)g->words, step = cpu_grouped_wino_step(g);
    for (int32_t x = 0; x < g->out_w; x += 4, plain += 4 * words, row += (size_t)points * step)
        for (size_t c = 0; c < words; c += 8) {
            __m256 d[8], v[8];
            CPU_UNROLL(8)
            for (int i = 0; i < points; i++)
                d[i] = LOAD(plain + (size_t)i * words + c);
            if (points == 6)
                six_points(d, v);
            else
                eight_points(d, v);
            CPU_UNROLL(8)
            for (int i = 0; i < points; i++)
                STORE(row + (size_t)i * step + c, v[i]);
        }
}

static void transform6(const cpu_grouped *g, const float *plain, float *row) {
    transform(g, plain, row, 6);
}

static void transform8(const cpu_grouped *g, const float *plain, float *row) {
    transform(g, plain, row, 8);
}

static void CPU_FN(grouped_wino_run)(const cpu_grouped *g, const void *src, const uint32_t *weights,
                                     const void *residual, void *dst, void *scratch) {
    bool six = g->points == 6;
    strip s = {.g = g,
               .rows = scratch,
               .row_bytes = (size_t)cpu_grouped_strip_row(g) * 4,
               .plain_bytes = (size_t)cpu_grouped_plain_row(g) * 4,
               .transform = six ? transform6 : transform8};
    s.padding = s.rows + (size_t)cpu_grouped_span(g) * s.row_bytes;
    s.plain = s.padding + s.row_bytes;
    s.raw = s.plain + s.plain_bytes;
    grouped_row r = {.g = g,
                     .place_words = cpu_grouped_wino_step(g),
                     .run_words = (size_t)g->words,
                     .dst = dst,
                     .residual = residual};
    void (*row)(const grouped_row *) = six ? narrow6_row : narrow8_row;
#if defined(__AVX512F__)
    if (g->lanes == 16)
        row = six ? wide6_row : wide8_row;
#endif
    run_image(&s, &r, src, weights, row);
}

const cpu_grouped_kernels CPU_FN(grouped_wino_kernels) = {.lanes = VF, .has = {true}, .run = CPU_FN(grouped_wino_run)};

#endif
