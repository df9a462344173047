/* See grouped.h. Built for AVX2 and AVX-512. */
#include "grouped.h"

#include <string.h>

#include "lanes.h"

#if defined(__AVX2__) && defined(__FMA__)

/* Places of a tile: a sum of each stays in registers, beside the weights and what is multiplied with them. */
#if defined(__AVX512F__)
enum { MOST_PLACES = 16 };
#else
enum { MOST_PLACES = 12 };
#endif

typedef struct grouped_row { /* an output row of a vector of channels */
    const cpu_grouped *g;
    const uint32_t *rows[CPU_GROUPED_ROWS]; /* of the strip */
    size_t place_words, runs, run_words, run_step;
    const uint32_t *weights, *start;
    const float *scale, *bias, *low, *high;
    void *dst;
    const void *residual;
    uint64_t at, residual_at; /* of the row's first place */
    int outputs;              /* of the vector */
    bool is_plain;            /* floats in whole vectors, with nothing but bounds before they are stored */
} grouped_row;

/* Sums in memory to their place in dst. */
static __attribute__((noinline)) void finish(const grouped_row *r, int32_t x, int count, int lanes,
                                             const uint32_t *sums) {
    const cpu_grouped *g = r->g;
    const float per_unit = g->dst.scale > 0.0f ? 1.0f / g->dst.scale : 1.0f,
                unit = g->residual.scale > 0.0f ? g->residual.scale : 1.0f;
    const vf act_a = vf_all(g->act_a), act_b = vf_all(g->act_b);
    for (int p = 0; p < count; p++, sums += lanes) {
        vf number = vf_load((const float *)(const void *)sums);
#if defined(__AVX512F__)
        if (g->sums == CPU_GROUPED_INT8)
            number = _mm512_cvtepi32_ps(_mm512_castps_si512(number));
#else
        if (g->sums == CPU_GROUPED_INT8)
            number = _mm256_cvtepi32_ps(_mm256_castps_si256(number));
#endif
        if (g->is_scaled)
            number = vf_fma(number, vf_get(FR_F32, r->scale, 0, lanes), vf_get(FR_F32, r->bias, 0, lanes));
        uint64_t place = (uint64_t)(x + p);
        if (g->has_residual)
            number = vf_fma(
                vf_all(unit),
                vf_get(g->residual.dtype, r->residual, r->residual_at + place * g->residual.place_step, r->outputs),
                number);
        vf_put_some(g->dst.dtype, per_unit, r->dst, r->at + place * g->dst.place_step,
                    vf_act(g->act, act_a, act_b, number), r->outputs);
    }
}

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

/* ---- the strip ------------------------------------------------------------------------------------------------------- */

typedef struct strip {
    const cpu_grouped *g;
    char *rows, *padding; /* the ring, and a row outside of the map */
    char *raw;            /* a row of the group as it is stored, where sums are not of what is stored */
    size_t row_bytes;
    int32_t first; /* channel */
    int32_t next;  /* row that was not read yet */
} strip;

static void copy_places(const char *src, size_t src_step, char *dst, size_t dst_step, int32_t places, size_t bytes) {
#define COPY(size)                                                         \
    for (int32_t x = 0; x < places; x++, src += src_step, dst += dst_step) \
        memcpy(dst, src, size);                                            \
    return
    switch (bytes) {
    case 4: COPY(4);
    case 8: COPY(8);
    case 16: COPY(16);
    case 32: COPY(32);
    case 64: COPY(64);
    default: COPY(bytes);
    }
#undef COPY
}

/* The group's channels of a row, together, by pieces that lie in one block. */
static void gather(const cpu_grouped *g, int32_t first, const char *row, char *dst, size_t dst_step, int32_t places) {
    const size_t bytes = fr_dtype_bytes((fr_dtype)g->src.dtype);
    for (int32_t c = first, end = first + g->in_each, piece; c < end; c += piece, dst += (size_t)piece * bytes) {
        piece = VF - c % VF < end - c ? VF - c % VF : end - c;
        const char *from = row + ((uint64_t)(c / VF) * g->src.block_step + (uint64_t)(c % VF)) * bytes;
        copy_places(from, g->src.place_step * bytes, dst, dst_step, places, (size_t)piece * bytes);
    }
}

static void read_row(const strip *s, const void *src, int32_t y) {
    const cpu_grouped *g = s->g;
    const size_t bytes = fr_dtype_bytes((fr_dtype)g->src.dtype), place_bytes = (size_t)g->words * 4;
    int32_t reach = (int32_t)(s->row_bytes / place_bytes) - g->win.pad_left, places = g->w < reach ? g->w : reach;
    if (places <= 0)
        return;
    const char *row = (const char *)src + (uint64_t)y * (uint64_t)g->w * g->src.place_step * bytes;
    char *to = s->rows + (size_t)(y % cpu_grouped_span(g)) * s->row_bytes + (size_t)g->win.pad_left * place_bytes;
    if (g->sums == CPU_GROUPED_F32 && g->src.dtype != FR_F32) {
        gather(g, s->first, row, s->raw, (size_t)g->in_each * bytes, places);
        CPU_FN(convert)
        (g->src.dtype, g->src.scale, s->raw, FR_F32, 0.0f, to, (uint64_t)places * (uint64_t)g->in_each);
        return;
    }
    gather(g, s->first, row, to, place_bytes, places);
    if (g->src.dtype == FR_S8)
        for (size_t i = 0; i < (size_t)places * place_bytes; i++)
            to[i] = (char)(to[i] ^ -128);
}

/* What lies outside of the map, and beside the group's channels in a word, is set once. */
static void strip_begin(strip *s, int32_t group) {
    const cpu_grouped *g = s->g;
    bool shifted = g->sums == CPU_GROUPED_INT8 && g->src.dtype == FR_S8;
    memset(s->rows, shifted ? 0x80 : 0, ((size_t)cpu_grouped_span(g) + 1) * s->row_bytes);
    s->first = group * g->in_each;
    s->next = 0;
}

/* The rows of the window at `top`, a row of the map or of its padding. */
static void strip_rows(strip *s, const void *src, int32_t top, const uint32_t **rows) {
    const cpu_grouped *g = s->g;
    int32_t span = cpu_grouped_span(g), end = top + span < g->h ? top + span : g->h;
    for (s->next = s->next > top ? s->next : top; s->next < end; s->next++)
        read_row(s, src, s->next);
    for (int32_t ky = 0; ky < g->win.kh; ky++) {
        int32_t y = top + ky * g->win.dh;
        const char *row = y >= 0 && y < g->h ? s->rows + (size_t)(y % span) * s->row_bytes : s->padding;
        rows[ky] = (const uint32_t *)(const void *)row;
    }
}

/* ---- an image -------------------------------------------------------------------------------------------------------- */

static uint64_t channel_at(const cpu_grouped_map *m, int32_t c) {
    return (uint64_t)(c / VF) * m->block_step + (uint64_t)(c % VF);
}

static void run_block(grouped_row *r, const uint32_t *weights, int32_t group, int32_t block, int32_t y,
                      void (*row)(const grouped_row *)) {
    const cpu_grouped *g = r->g;
    const uint64_t lanes = (uint64_t)g->lanes, index = (uint64_t)group * (uint64_t)g->out_blocks + (uint64_t)block;
    const uint32_t *rows = weights + (uint64_t)g->groups * (uint64_t)g->out_blocks * cpu_grouped_block_words(g);
    int32_t first = group * g->out_each + block * g->lanes, left = g->out_each - block * g->lanes;
    uint64_t place = (uint64_t)y * (uint64_t)g->out_w;
    r->weights = weights + index * cpu_grouped_block_words(g);
    r->start = rows + index * lanes;
    r->scale = (const float *)(const void *)(rows + cpu_grouped_row(g) + index * lanes);
    r->bias = (const float *)(const void *)(rows + 2 * cpu_grouped_row(g) + index * lanes);
    r->at = channel_at(&g->dst, first) + place * g->dst.place_step;
    r->residual_at = channel_at(&g->residual, first) + place * g->residual.place_step;
    r->outputs = left < g->lanes ? left : g->lanes;
    r->is_plain =
        g->dst.dtype == FR_F32 && !g->has_residual && !g->is_scaled && g->act != FR_ACT_LEAKY && r->outputs == g->lanes;
    row(r);
}

static void CPU_LEVEL_FN(grouped_run)(const cpu_grouped *g, const void *src, const uint32_t *weights,
                                      const void *residual, void *dst, void *scratch) {
    const float infinity = __builtin_inff();
    float low[VF], high[VF];
    vf_store(low, vf_all(g->act == FR_ACT_RELU ? 0.0f : g->act == FR_ACT_CLIP ? g->act_a : -infinity));
    vf_store(high, vf_all(g->act == FR_ACT_CLIP ? g->act_b : infinity));
    strip s = {.g = g, .rows = scratch, .row_bytes = (size_t)cpu_grouped_strip_row(g) * 4};
    s.padding = s.rows + (size_t)cpu_grouped_span(g) * s.row_bytes;
    s.raw = s.padding + s.row_bytes;
    const size_t words = (size_t)g->words;
    bool is_dense = g->win.dw == 1;
    grouped_row r = {.g = g,
                     .place_words = (size_t)g->win.sw * words,
                     .runs = is_dense ? 1 : (size_t)g->win.kw,
                     .run_words = is_dense ? (size_t)g->win.kw * words : words,
                     .run_step = (size_t)g->win.dw * words,
                     .low = low,
                     .high = high,
                     .dst = dst,
                     .residual = residual};
    void (*row)(const grouped_row *) = row_of(g);
    for (int32_t group = 0; group < g->groups; group++) {
        strip_begin(&s, group);
        for (int32_t y = 0; y < g->out_h; y++) {
            strip_rows(&s, src, y * g->win.sh - g->win.pad_top, r.rows);
            for (int32_t block = 0; block < g->out_blocks; block++)
                run_block(&r, weights, group, block, y, row);
        }
    }
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
