/* See wino_rows.h. Built for AVX2 and AVX-512. */
#include "wino_rows.h"

#include <string.h>

#include "epilogue.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "wino_rows_in.h"

/* 6 sums a tile stay in registers, beside a vector of weights: 30 of 32, 12 of 16. */
#if defined(__AVX512F__)
enum { GROUP = CPU_WINO_ROWS_GROUP };
#define GROUP_IS_5 1
#else
enum { GROUP = 2 };
#define GROUP_IS_5 0
#endif

/* So many rows of a tile row are run one by one: 18 products a row and channel, against 36 and a second transform. */
enum { MOST_ROWS = 2 };

/* ---- weights, in double: U [block][6 along][c_in][6 down][lane] = G g G^T, then [block][ky][c_in][6 along][lane] = g G^T ----- */

static void filter_line(const double g[3], double six[6]) {
    const double sum = g[0] + g[2], wide = g[0] / 24 + g[2] / 6;
    six[0] = g[0] / 4;
    six[1] = -(sum + g[1]) / 6;
    six[2] = -(sum - g[1]) / 6;
    six[3] = wide + g[1] / 12;
    six[4] = wide - g[1] / 12;
    six[5] = g[2];
}

static void filter(const cpu_wino_rows *w, const float *weight, int64_t o, int64_t c, float *tiles, float *rows) {
    double along[3][6];
    for (int64_t ky = 0; ky < 3; ky++) {
        const float *g = weight + ((o * w->c_in + c) * 3 + ky) * 3;
        filter_line((const double[3]){(double)g[0], (double)g[1], (double)g[2]}, along[ky]);
        for (int64_t k = 0; k < 6; k++)
            rows[(((o / VF * 3 + ky) * w->c_in + c) * 6 + k) * VF + o % VF] = (float)along[ky][k];
    }
    for (int64_t k = 0; k < 6; k++) {
        double down[6];
        filter_line((const double[3]){along[0][k], along[1][k], along[2][k]}, down);
        for (int64_t i = 0; i < 6; i++)
            tiles[(((o / VF * 6 + k) * w->c_in + c) * 6 + i) * VF + o % VF] = (float)down[i];
    }
}

static void CPU_FN(wino_rows_weights)(const cpu_wino_rows *w, const float *weight, float *u) {
    memset(u, 0, (size_t)cpu_wino_rows_weight_count(w, VF) * sizeof *u);
    for (int64_t o = 0; o < w->c_out; o++)
        for (int64_t c = 0; c < w->c_in; c++)
            filter(w, weight, o, c, u, u + 36ll * w->c_in * w->out_blocks * VF);
}

/* ---- what comes out ----------------------------------------------------------------------------------------------------------- */

typedef struct out_row { /* a block of a tile row, in a strip */
    const cpu_wino_rows *w;
    const float *h[6], *v; /* of the strip */
    const float *u_tiles, *u_rows, *bias;
    bool is_plain;      /* act is a maximum */
    vf lowest, highest; /* of act */
    void *dst;
    uint64_t at; /* of the block in dst, in elements; without a pool, of the row's first place in the strip */
    int32_t tile_row, first_tile; /* of the strip */
    int32_t tall, wide;           /* rows of the tile row, places of the strip */
    int32_t live;                 /* lanes that are stored */
    float *half;                  /* of a group */
    float *above, *left; /* what a pool keeps: [place of the strip][side - stride], [4/stride][side - stride] */
} out_row;

typedef void finish_tiles(const out_row *o, int32_t tile, int32_t end);

/* The first operand is the constant: NaN comes out as it went in. */
static inline vf act_of(const out_row *o, vf x) {
    if (o->w->act == FR_ACT_LEAKY)
        return vf_fma(vf_all(o->w->act_a), vf_min(vf_all(0), x), vf_max(vf_all(0), x));
    return vf_min(o->highest, vf_max(o->lowest, x));
}

/* As many lanes as are stored. */
static inline void put_floats(const out_row *o, float *to, vf x) {
    if (o->live == VF) {
        vf_store(to, x);
        return;
    }
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << o->live) - 1), x);
#else
    float lanes[VF];
    vf_store(lanes, x);
    memcpy(to, lanes, (size_t)o->live * sizeof *to);
#endif
}

/* The first lanes alone. */
static void put_live(const out_row *o, uint64_t at, vf x) {
    const size_t width = fr_dtype_bytes((fr_dtype)o->w->dtype);
    if (width == sizeof(float)) {
        put_floats(o, (float *)o->dst + at, x);
        return;
    }
    float stored[VF];
    vf_put(o->w->dtype, o->w->per_unit, stored, 0, x);
#if defined(__AVX512F__)
    char *to = (char *)o->dst + at * width;
    if (width == 2)
        _mm256_mask_storeu_epi16(to, (__mmask16)((1u << o->live) - 1),
                                 _mm256_loadu_si256((const __m256i *)(const void *)stored));
    else
        _mm_mask_storeu_epi8(to, (__mmask16)((1u << o->live) - 1),
                             _mm_loadu_si128((const __m128i *)(const void *)stored));
#else
    memcpy((char *)o->dst + at * width, stored, (size_t)o->live * width);
#endif
}

static inline void put(const out_row *o, uint64_t at, vf x) {
    x = act_of(o, x);
#if defined(__AVX512BF16__)
    if (o->live == VF && o->w->dtype == FR_BF16) {
        _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)o->dst + at), (__m256i)_mm512_cvtneps_pbh(x));
        return;
    }
#endif
    if (o->live == VF)
        vf_put(o->w->dtype, o->w->per_unit, o->dst, at, x);
    else
        put_live(o, at, x);
}

/* ---- products and sums, on whole vectors and, for what is left of c_out, on half ones --------------------------------------------- */

/* In a register, so that the product's other factor is what comes from memory, broadcast on the way. */
#define HELD(x)                   \
    ({                            \
        VEC held = (x);           \
        __asm__("" : "+v"(held)); \
        held;                     \
    })

/* One tile after another: all at once they would not fit the registers. */
#define TOGETHER(m)                                                                                       \
    __asm__ volatile(""                                                                                   \
                     : "+v"((m)[0]), "+v"((m)[1]), "+v"((m)[2]), "+v"((m)[3]), "+v"((m)[4]), "+v"((m)[5]) \
                     :                                                                                    \
                     : "memory")

#define NAME(part)   whole_##part
#define VEC          vf
#define LANES        VF
#define LOAD(at)     vf_load(at)
#define STORE(at, x) vf_store(at, x)
#define ALL(x)       vf_all(x)
#define ADD(a, b)    vf_add(a, b)
#define SUB(a, b)    vf_sub(a, b)
#define FMA(a, b, c) vf_fma(a, b, c)
#define MAX(a, b)    vf_max(a, b)
#define WIDE(x)      (x)
#include "wino_rows_body.h"

#if defined(__AVX512F__)
#undef NAME
#undef VEC
#undef LANES
#undef LOAD
#undef STORE
#undef ALL
#undef ADD
#undef SUB
#undef FMA
#undef MAX
#undef WIDE
#define NAME(part)   half_##part
#define VEC          __m256
#define LANES        8
#define LOAD(at)     _mm256_loadu_ps(at)
#define STORE(at, x) _mm256_storeu_ps(at, x)
#define ALL(x)       _mm256_set1_ps(x)
#define ADD(a, b)    _mm256_add_ps(a, b)
#define SUB(a, b)    _mm256_sub_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define MAX(a, b)    _mm256_max_ps(a, b)
#define WIDE(x)      _mm512_zextps256_ps512(x)
#include "wino_rows_body.h"
#else
#define half_block_row whole_block_row
#endif

/* ---- one input ------------------------------------------------------------------------------------------------------------------ */

typedef struct parts { /* of the scratch */
    float *lines, *h, *v, *half, *above, *left;
} parts;

static parts parts_of(const cpu_wino_rows *w, float *scratch) {
    parts p;
    p.lines = scratch;
    p.h = p.lines + cpu_wino_rows_line(w) * (uint64_t)w->c_in;
    p.v = p.h + 6 * cpu_wino_rows_h(w);
    p.half = p.v + cpu_wino_rows_v(w);
    p.above = p.half + cpu_wino_rows_half(VF);
    p.left = p.above + (uint64_t)w->out_blocks * cpu_wino_rows_above(w, VF);
    return p;
}

static void run_blocks(out_row o, const parts *p, const float *u, const float *bias, int32_t strip) {
    const cpu_wino_rows *w = o.w;
    const uint64_t u_block = (uint64_t)w->c_in * VF, above = cpu_wino_rows_above(w, VF),
                   place = (uint64_t)strip * 4 * STRIP;
    uint64_t at = w->side ? 0 : ((uint64_t)o.tile_row * 4 * (uint64_t)w->dst_w + place) * w->place_step;
    for (int32_t b = 0; b < w->out_blocks; b++) {
        int32_t left = w->c_out - b * VF;
        o.u_tiles = u + 36 * u_block * (uint64_t)b;
        o.u_rows = u + (36 * (uint64_t)w->out_blocks + 18 * (uint64_t)b) * u_block;
        o.bias = bias + b * VF;
        o.at = (uint64_t)b * w->block_step + at;
        o.live = w->interleaved && left < VF ? left : VF;
        o.is_plain = w->act == FR_ACT_NONE || w->act == FR_ACT_RELU;
        o.above = p->above + (uint64_t)b * above + place * 2 * VF;
        o.left = p->left + (uint64_t)b * cpu_wino_rows_left(VF);
        if (left > VF / 2)
            whole_block_row(&o);
        else
            half_block_row(&o);
    }
}

static void CPU_FN(wino_rows_run)(const cpu_wino_rows *w, const void *src, const float *u, const float *bias, void *dst,
                                  float *scratch) {
    const parts p = parts_of(w, scratch);
    const uint64_t row = cpu_wino_rows_h(w), strip_row = (uint64_t)w->c_in * H_CHANNEL;
    const float infinity = __builtin_inff();
    out_row o = {.w = w,
                 .v = p.v,
                 .lowest = vf_all(w->act == FR_ACT_RELU   ? 0.0f
                                  : w->act == FR_ACT_CLIP ? w->act_a
                                                          : -infinity),
                 .highest = vf_all(w->act == FR_ACT_CLIP ? w->act_b : infinity),
                 .dst = dst,
                 .half = p.half};
    memset(p.lines, 0, cpu_wino_rows_line(w) * (uint64_t)w->c_in * sizeof *p.lines);
    for (int32_t y = 0, next = 0; y < w->out_h; y += 4) {
        o.tile_row = y / 4;
        o.tall = w->out_h - y < 4 ? w->out_h - y : 4;
        int32_t rows = o.tall > MOST_ROWS ? 6 : o.tall + 2;
        for (; next < y + rows; next++)
            input_row(w, src, next, p.lines, p.h + (uint64_t)(next % 6) * row);
        for (int32_t strip = 0; strip < (int32_t)cpu_wino_rows_strips(w); strip++) {
            for (int32_t i = 0; i < 6; i++)
                o.h[i] = p.h + (uint64_t)((y + i) % 6) * row + (uint64_t)strip * strip_row;
            if (o.tall > MOST_ROWS)
                input_tiles(o.h, w->c_in, p.v);
            o.first_tile = strip * STRIP;
            o.wide = w->out_w - strip * 4 * STRIP < 4 * STRIP ? w->out_w - strip * 4 * STRIP : 4 * STRIP;
            run_blocks(o, &p, u, bias, strip);
        }
    }
}

const cpu_wino_rows_kernels CPU_FN(wino_rows_kernels) = {
    .lanes = VF, .weights = CPU_FN(wino_rows_weights), .run = CPU_FN(wino_rows_run)};

#endif
