/* See wino.h. Built for AVX2 and AVX-512; narrower vectors have no use for it. */
#include "wino.h"

#include <string.h>

#include "kernels_isa.h"
#include "vec.h"

#if defined(__AVX2__) && defined(__FMA__)

/* Accumulators, two vectors of weights and one broadcast fill the registers: 2*14+3 of 32, 2*6+3 of 16. */
#if defined(__AVX512F__)
enum { TILES = 14 };
#define EACH_TILE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13)
#else
enum { TILES = 6 };
#define EACH_TILE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#endif

enum { PLACES = 36 };

/* ---- weights: U = G g G^T, in double ------------------------------------------------------------------------------ */

static const double g_rows[6][3] = {{1.0 / 4, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                    {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};

static void transform_filter(const float g[9], double u[PLACES]) {
    double half[6][3];
    for (int i = 0; i < 6; i++)
        for (int x = 0; x < 3; x++)
            half[i][x] = g_rows[i][0] * (double)g[x] + g_rows[i][1] * (double)g[3 + x] + g_rows[i][2] * (double)g[6 + x];
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++)
            u[i * 6 + k] = half[i][0] * g_rows[k][0] + half[i][1] * g_rows[k][1] + half[i][2] * g_rows[k][2];
}

/* u: [36][pair of out blocks][c_in padded][2 * lanes], a block left over at the end alone */
static void CPU_FN(wino_weights)(const cpu_wino *w, const float *weight, float *u) {
    const int64_t c_in = (int64_t)w->in_blocks * VF, c_out = (int64_t)w->out_blocks * VF, paired = w->out_blocks / 2 * 2 * VF;
    memset(u, 0, (size_t)cpu_wino_weight_count(w, VF) * sizeof *u);
    for (int64_t o = 0; o < w->c_out; o++) {
        int64_t wide = o < paired ? 2 * VF : VF, column = o % wide, panel = (o - column) * c_in;
        for (int64_t i = 0; i < w->c_in; i++) {
            double place[PLACES];
            transform_filter(weight + (o * w->c_in + i) * 9, place);
            for (int64_t p = 0; p < PLACES; p++)
                u[p * c_in * c_out + panel + i * wide + column] = (float)place[p];
        }
    }
}

/* ---- input: V = B^T d B ---------------------------------------------------------------------------------------------- */

static inline void input_line(const vf d[6], vf t[6]) {
    vf a = vf_fma(vf_all(-4.0f), d[2], d[4]), b = vf_fma(vf_all(-4.0f), d[1], d[3]);
    vf c = vf_sub(d[4], d[2]), e = vf_sub(d[3], d[1]);
    t[0] = vf_fma(vf_all(4.0f), d[0], vf_fma(vf_all(-5.0f), d[2], d[4]));
    t[1] = vf_add(a, b);
    t[2] = vf_sub(a, b);
    t[3] = vf_fma(vf_all(2.0f), e, c);
    t[4] = vf_fma(vf_all(-2.0f), e, c);
    t[5] = vf_fma(vf_all(4.0f), d[1], vf_fma(vf_all(-5.0f), d[3], d[5]));
}

/* rows[y] points at the tile's leftmost place of each row, or is NULL outside the map; columns likewise by [x0, x1). */
static inline void input_tile(const float *const rows[6], int32_t x0, int32_t x1, float *v, int64_t place_step) {
    vf half[6][6];
    for (int x = 0; x < 6; x++) {
        vf d[6], t[6];
        for (int y = 0; y < 6; y++)
            d[y] = rows[y] && x >= x0 && x < x1 ? vf_load(rows[y] + x * VF) : vf_all(0);
        input_line(d, t);
        for (int y = 0; y < 6; y++)
            half[y][x] = t[y];
    }
    for (int y = 0; y < 6; y++) {
        vf t[6];
        input_line(half[y], t);
        for (int x = 0; x < 6; x++)
            vf_store(v + (y * 6 + x) * place_step, t[x]);
    }
}

/* The same for a tile that lies inside the map: no tests. */
static inline void input_tile_inside(const float *at, int64_t row_step, float *v, int64_t place_step) {
    vf half[6][6];
    for (int x = 0; x < 6; x++) {
        vf d[6], t[6];
        for (int y = 0; y < 6; y++)
            d[y] = vf_load(at + y * row_step + x * VF);
        input_line(d, t);
        for (int y = 0; y < 6; y++)
            half[y][x] = t[y];
    }
    for (int y = 0; y < 6; y++) {
        vf t[6];
        input_line(half[y], t);
        for (int x = 0; x < 6; x++)
            vf_store(v + (y * 6 + x) * place_step, t[x]);
    }
}

typedef struct tile_place { int32_t image, y, x; } tile_place; /* y, x: of its first output */

static inline tile_place place_of(const cpu_wino *w, int64_t tile) {
    int32_t across = (w->out_w + 3) / 4, down = (w->out_h + 3) / 4;
    int64_t line = tile / across;
    return (tile_place){(int32_t)(line / down), (int32_t)(line % down) * 4, (int32_t)(tile % across) * 4};
}

static void input_chunk(const cpu_wino *w, const float *src, int64_t first, int64_t last, int32_t rows, float *v) {
    const int64_t place_step = (int64_t)rows * w->in_blocks * TILES * VF, row_step = (int64_t)w->w * VF;
    for (int64_t tile = first; tile < last; tile++) {
        tile_place at = place_of(w, tile);
        int64_t row = (tile - first) / TILES, lane = (tile - first) % TILES;
        int32_t y = at.y - w->pad_top, x = at.x - w->pad_left;
        bool inside = y >= 0 && x >= 0 && y + 6 <= w->h && x + 6 <= w->w;
        for (int32_t b = 0; b < w->in_blocks; b++) {
            const float *map = src + ((int64_t)at.image * w->in_blocks + b) * w->h * row_step;
            float *to = v + ((row * w->in_blocks + b) * TILES + lane) * VF;
            if (inside) {
                input_tile_inside(map + y * row_step + (int64_t)x * VF, row_step, to, place_step);
                continue;
            }
            const float *lines[6];
            for (int k = 0; k < 6; k++) /* x may be negative: only places in [x0, x1) are read */
                lines[k] = y + k >= 0 && y + k < w->h ? map + (y + k) * row_step + (int64_t)x * VF : NULL;
            input_tile(lines, x < 0 ? -x : 0, w->w - x < 6 ? w->w - x : 6, to, place_step);
        }
    }
}

/* ---- products ---------------------------------------------------------------------------------------------------------- */

#define DECLARE2(t) vf a##t = vf_all(0), b##t = vf_all(0);
#define FMA2(t)                                  \
    {                                            \
        vf s = vf_all(v[(t) * VF + c]);          \
        a##t = vf_fma(s, u0, a##t);              \
        b##t = vf_fma(s, u1, b##t);              \
    }
#define STORE2(t)                                \
    vf_store(m + (t) * VF, a##t);                \
    vf_store(m + (TILES + (t)) * VF, b##t);
#define DECLARE1(t) vf a##t = vf_all(0);
#define FMA1(t) a##t = vf_fma(vf_all(v[(t) * VF + c]), u0, a##t);
#define STORE1(t) vf_store(m + (t) * VF, a##t);

/* m [2][tile][lane] = sum over c_in of v [block][tile][lane of c_in] * u [c_in][2][lane] */
static void product2(const float *v, const float *u, int32_t in_blocks, float *m) {
    EACH_TILE(DECLARE2)
    for (int32_t b = 0; b < in_blocks; b++, v += TILES * VF)
        for (int c = 0; c < VF; c++, u += 2 * VF) {
            vf u0 = vf_load(u), u1 = vf_load(u + VF);
            EACH_TILE(FMA2)
        }
    EACH_TILE(STORE2)
}

static void product1(const float *v, const float *u, int32_t in_blocks, float *m) {
    EACH_TILE(DECLARE1)
    for (int32_t b = 0; b < in_blocks; b++, v += TILES * VF)
        for (int c = 0; c < VF; c++, u += VF) {
            vf u0 = vf_load(u);
            EACH_TILE(FMA1)
        }
    EACH_TILE(STORE1)
}

static void multiply_chunk(const cpu_wino *w, const float *v, const float *u, int32_t rows, int32_t used_rows, float *m) {
    const int64_t c_in = (int64_t)w->in_blocks * VF, v_row = (int64_t)w->in_blocks * TILES * VF, m_row = (int64_t)w->out_blocks * TILES * VF;
    for (int p = 0; p < PLACES; p++) {
        const float *up = u + p * c_in * w->out_blocks * VF, *vp = v + p * rows * v_row;
        float *mp = m + p * rows * m_row;
        for (int32_t o = 0; o < w->out_blocks; o += 2, up += c_in * 2 * VF)
            for (int32_t r = 0; r < used_rows; r++) {
                float *to = mp + r * m_row + (int64_t)o * TILES * VF;
                if (o + 1 < w->out_blocks)
                    product2(vp + r * v_row, up, w->in_blocks, to);
                else
                    product1(vp + r * v_row, up, w->in_blocks, to);
            }
    }
}

/* ---- output: Y = A^T M A ------------------------------------------------------------------------------------------------- */

static inline void output_line(const vf m[6], vf y[4]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]);
    y[0] = vf_add(vf_add(m[0], a), c);
    y[1] = vf_fma(vf_all(2.0f), d, b);
    y[2] = vf_fma(vf_all(4.0f), c, a);
    y[3] = vf_add(vf_fma(vf_all(8.0f), d, b), m[5]);
}

static inline vf activate(uint16_t act, vf a, vf b, vf x) {
    switch (act) {
    case FR_ACT_RELU: return vf_max(x, vf_all(0));
    case FR_ACT_CLIP: return vf_min(vf_max(x, a), b);
    case FR_ACT_LEAKY: return vf_add(vf_max(x, vf_all(0)), vf_mul(a, vf_min(x, vf_all(0))));
    default: return x;
    }
}

static inline void output_tile(const cpu_wino *w, const float *m, int64_t place_step, vf bias, const float *residual, float *dst, int32_t tall, int32_t wide) {
    const int64_t row_step = (int64_t)w->out_w * VF;
    const vf a = vf_all(w->act_a), b = vf_all(w->act_b);
    vf half[4][6];
    for (int x = 0; x < 6; x++) {
        vf d[6], t[4];
        for (int y = 0; y < 6; y++)
            d[y] = vf_load(m + (y * 6 + x) * place_step);
        output_line(d, t);
        for (int y = 0; y < 4; y++)
            half[y][x] = t[y];
    }
    for (int y = 0; y < tall; y++) {
        vf t[4];
        output_line(half[y], t);
        for (int x = 0; x < wide; x++) {
            vf sum = vf_add(t[x], bias);
            if (residual)
                sum = vf_add(sum, vf_load(residual + y * row_step + x * VF));
            vf_store(dst + y * row_step + x * VF, activate(w->act, a, b, sum));
        }
    }
}

static void output_chunk(const cpu_wino *w, const float *m, int64_t first, int64_t last, int32_t rows, const float *bias, const float *residual, float *dst) {
    const int64_t place_step = (int64_t)rows * w->out_blocks * TILES * VF, map = (int64_t)w->out_h * w->out_w * VF;
    for (int64_t tile = first; tile < last; tile++) {
        tile_place at = place_of(w, tile);
        int64_t row = (tile - first) / TILES, lane = (tile - first) % TILES;
        int32_t tall = w->out_h - at.y < 4 ? w->out_h - at.y : 4, wide = w->out_w - at.x < 4 ? w->out_w - at.x : 4;
        for (int32_t b = 0; b < w->out_blocks; b++) {
            int64_t to = ((int64_t)at.image * w->out_blocks + b) * map + ((int64_t)at.y * w->out_w + at.x) * VF;
            output_tile(w, m + ((row * w->out_blocks + b) * TILES + lane) * VF, place_step, vf_load(bias + b * VF), residual ? residual + to : NULL, dst + to, tall, wide);
        }
    }
}

static void CPU_FN(wino_run)(const cpu_wino *w, const float *src, const float *u, const float *bias, const float *residual, float *dst, float *scratch) {
    const int32_t rows = cpu_wino_chunk_rows(w, &CPU_FN(wino_kernels));
    const int64_t tiles = cpu_wino_tile_count(w), chunk = (int64_t)rows * TILES;
    float *v = scratch, *m = scratch + (int64_t)PLACES * rows * w->in_blocks * TILES * VF;
    for (int64_t first = 0; first < tiles; first += chunk) {
        int64_t last = first + chunk < tiles ? first + chunk : tiles;
        input_chunk(w, src, first, last, rows, v);
        /* tiles that no image has hold what an earlier chunk left: their products are not stored */
        multiply_chunk(w, v, u, rows, (int32_t)((last - first + TILES - 1) / TILES), m);
        output_chunk(w, m, first, last, rows, bias, residual, dst);
    }
}

const cpu_wino_kernels CPU_FN(wino_kernels) = {.lanes = VF, .tiles = TILES, .weights = CPU_FN(wino_weights), .run = CPU_FN(wino_run)};

#endif
