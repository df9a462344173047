/* See wino_rows.h. Built for AVX2 and AVX-512. */
#include "wino_rows.h"

#include <string.h>

#include "epilogue.h"

#if defined(__AVX2__) && defined(__FMA__)

/* 6 sums a tile stay in registers, beside a vector of weights: 30 of 32, 12 of 16. */
#if defined(__AVX512F__)
enum { GROUP = 5 };
#else
enum { GROUP = 2 };
#endif

enum { STRIP = CPU_WINO_ROWS_STRIP, V_CHANNEL = 6 * STRIP, QUARTER = STRIP + 16 };

/* ---- weights: U [block][ky][c_in][6][lane] = G g, in double --------------------------------------------------------------- */

static void CPU_FN(wino_rows_weights)(const cpu_wino_rows *w, const float *weight, float *u) {
    memset(u, 0, (size_t)cpu_wino_rows_weight_count(w, VF) * sizeof *u);
    for (int64_t o = 0; o < w->c_out; o++)
        for (int64_t c = 0; c < w->c_in; c++)
            for (int64_t ky = 0; ky < 3; ky++) {
                const float *g = weight + ((o * w->c_in + c) * 3 + ky) * 3;
                double a = (double)g[0], b = (double)g[1], d = (double)g[2];
                double six[6] = {
                    a / 4, -(a + b + d) / 6, -(a - b + d) / 6, a / 24 + b / 12 + d / 6, a / 24 - b / 12 + d / 6, d};
                for (int64_t k = 0; k < 6; k++)
                    u[(((o / VF * 3 + ky) * w->c_in + c) * 6 + k) * VF + o % VF] = (float)six[k];
            }
}

/* ---- input: V [c_in][6][tile] of one row, for a strip of tiles --------------------------------------------------------------- */

/* quarter[j][t] = the row at first + 4t + j, zero outside the map. */
static void take_apart(const float *row, int32_t width, int32_t first, float quarter[4][QUARTER]) {
    float padded[4 * STRIP + 16] = {0};
    int32_t from = first < 0 ? 0 : first, end = first + 4 * STRIP + 2 < width ? first + 4 * STRIP + 2 : width;
    if (from < end)
        memcpy(padded + (from - first), row + from, (size_t)(end - from) * sizeof *row);
    for (int t = 0; t < STRIP + 1; t++)
        for (int j = 0; j < 4; j++)
            quarter[j][t] = padded[4 * t + j];
}

static void input_row(const cpu_wino_rows *w, const float *src, int32_t y, int32_t first, float *v) {
    float quarter[4][QUARTER];
    if (y < 0 || y >= w->h) {
        memset(v, 0, (size_t)w->c_in * V_CHANNEL * sizeof *v);
        return;
    }
    for (int32_t c = 0; c < w->c_in; c++, v += V_CHANNEL) {
        take_apart(src + ((int64_t)c * w->h + y) * w->w, w->w, first, quarter);
        for (int t = 0; t < STRIP; t += VF) {
            vf d0 = vf_load(quarter[0] + t), d1 = vf_load(quarter[1] + t), d2 = vf_load(quarter[2] + t),
               d3 = vf_load(quarter[3] + t);
            vf d4 = vf_load(quarter[0] + t + 1), d5 = vf_load(quarter[1] + t + 1);
            vf a = vf_fma(vf_all(-4.0f), d2, d4), b = vf_fma(vf_all(-4.0f), d1, d3), e = vf_sub(d4, d2),
               f = vf_sub(d3, d1);
            vf_store(v + t, vf_fma(vf_all(4.0f), d0, vf_fma(vf_all(-5.0f), d2, d4)));
            vf_store(v + STRIP + t, vf_add(a, b));
            vf_store(v + 2 * STRIP + t, vf_sub(a, b));
            vf_store(v + 3 * STRIP + t, vf_fma(vf_all(2.0f), f, e));
            vf_store(v + 4 * STRIP + t, vf_fma(vf_all(-2.0f), f, e));
            vf_store(v + 5 * STRIP + t, vf_fma(vf_all(4.0f), d1, vf_fma(vf_all(-5.0f), d3, d5)));
        }
    }
}

/* ---- products and output ------------------------------------------------------------------------------------------------------ */

typedef struct out_row {
    const cpu_wino_rows *w;
    const float *v[3]; /* of the three input rows */
    const float *u;    /* of the block */
    vf bias, lowest, highest;
    void *dst;
    uint64_t at;  /* of the strip's first place in the row, in elements */
    int32_t wide; /* places of the strip */
} out_row;

/* The first operand is the constant: NaN comes out as it went in. */
static inline vf finish(const out_row *o, vf x, bool plain) {
    return plain ? vf_min(o->highest, vf_max(o->lowest, x)) : vf_act(FR_ACT_LEAKY, vf_all(o->w->act_a), o->bias, x);
}

static inline __attribute__((always_inline)) void put_tile(const out_row *o, int32_t tile, const vf m[6], bool floats,
                                                           bool plain) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]);
    vf y[4] = {vf_add(vf_add(m[0], a), c), vf_fma(vf_all(2.0f), d, b), vf_fma(vf_all(4.0f), c, a),
               vf_add(vf_fma(vf_all(8.0f), d, b), m[5])};
    const uint64_t step = o->w->place_step, at = o->at + (uint64_t)tile * 4 * step;
    for (int x = 0; x < 4; x++) {
        if (tile * 4 + x >= o->wide)
            return;
        if (floats)
            vf_store((float *)o->dst + at + (uint64_t)x * step, finish(o, y[x], plain));
        else
            vf_put(o->w->dtype, o->w->per_unit, o->dst, at + (uint64_t)x * step, finish(o, y[x], plain));
    }
}

/* `count` tiles from `tile` on; inlined for each constant count, so that m stays in registers. The bias rides on m[1],
 * which is in each of the four sums once. */
static inline __attribute__((always_inline)) void tile_group(const out_row *o, int32_t tile, const int count,
                                                             bool floats, bool plain) {
    vf m[GROUP][6];
    const float *u = o->u;
    for (int t = 0; t < count; t++)
        for (int k = 0; k < 6; k++)
            m[t][k] = k == 1 ? o->bias : vf_all(0);
    for (int ky = 0; ky < 3; ky++) {
        const float *v = o->v[ky] + tile;
        for (int32_t c = 0; c < o->w->c_in; c++, v += V_CHANNEL, u += 6 * VF)
            CPU_UNROLL(6)
        for (int k = 0; k < 6; k++) {
            vf weights = vf_load(u + k * VF);
            CPU_UNROLL(5)
            for (int t = 0; t < count; t++)
                m[t][k] = vf_fma(vf_all(v[k * STRIP + t]), weights, m[t][k]);
        }
    }
    CPU_UNROLL(5)
    for (int t = 0; t < count; t++)
        put_tile(o, tile + t, m[t], floats, plain);
}

static inline __attribute__((always_inline)) void block_row(const out_row *o, bool floats, bool plain) {
    int32_t across = (o->wide + 3) / 4, groups = (across + GROUP - 1) / GROUP;
    for (int32_t g = 0; g < groups; g++) { /* of nearly equal size */
        int32_t tile = across * g / groups;
        switch (across * (g + 1) / groups - tile) {
        case 1: tile_group(o, tile, 1, floats, plain); break;
#if defined(__AVX512F__)
        case 3: tile_group(o, tile, 3, floats, plain); break;
        case 4: tile_group(o, tile, 4, floats, plain); break;
        case 5: tile_group(o, tile, 5, floats, plain); break;
#endif
        default: tile_group(o, tile, 2, floats, plain); break;
        }
    }
}

static __attribute__((noinline)) void floats_plain(const out_row *o) {
    block_row(o, true, true);
}
static __attribute__((noinline)) void others_plain(const out_row *o) {
    block_row(o, false, true);
}
static __attribute__((noinline)) void leaky(const out_row *o) {
    block_row(o, false, false);
}

static void run_strip(const cpu_wino_rows *w, const float *src, const float *u, const float *bias, void *dst,
                      int32_t left, float *v) {
    const int64_t row = (int64_t)w->c_in * V_CHANNEL, u_block = 18ll * w->c_in * VF;
    bool plain = w->act != FR_ACT_LEAKY;
    const float infinity = __builtin_inff();
    vf lowest = vf_all(w->act == FR_ACT_RELU ? 0.0f : w->act == FR_ACT_CLIP ? w->act_a : -infinity);
    vf highest = vf_all(w->act == FR_ACT_CLIP ? w->act_b : infinity);
    void (*run_row)(const out_row *o) = !plain ? leaky : w->dtype == FR_F32 ? floats_plain : others_plain;
    int32_t wide = w->out_w - left < 4 * STRIP ? w->out_w - left : 4 * STRIP;
    for (int32_t y = -2; y < w->out_h; y++) {
        int32_t newest = y + 2; /* padded row */
        input_row(w, src, newest - w->pad_top, left - w->pad_left, v + newest % 3 * row);
        for (int32_t b = 0; b < w->out_blocks && y >= 0; b++) {
            out_row o = {w,
                         {v + y % 3 * row, v + (y + 1) % 3 * row, v + newest % 3 * row},
                         u + b * u_block,
                         vf_load(bias + b * VF),
                         lowest,
                         highest,
                         dst,
                         (uint64_t)b * w->block_step +
                             ((uint64_t)y * (uint64_t)w->out_w + (uint64_t)left) * w->place_step,
                         wide};
            run_row(&o);
        }
    }
}

static void CPU_FN(wino_rows_run)(const cpu_wino_rows *w, const float *src, const float *u, const float *bias,
                                  void *dst, float *scratch) {
    for (int32_t left = 0; left < w->out_w; left += 4 * STRIP)
        run_strip(w, src, u, bias, dst, left, scratch);
}

const cpu_wino_rows_kernels CPU_FN(wino_rows_kernels) = {
    .lanes = VF, .weights = CPU_FN(wino_rows_weights), .run = CPU_FN(wino_rows_run)};

#endif
