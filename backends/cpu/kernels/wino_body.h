/*
 * The stages of a two-dimensional Winograd, for any tile: see wino.h. The including file gives
 *   OUT           outputs a side of a tile; IN = OUT + 2 inputs
 *   KERNELS       the name of the table it defines
 *   filter_lines  G, [IN][3]
 *   input_line    d[IN] -> (B^T d)[IN]
 *   output_line   m[IN] -> (A^T m)[OUT]
 */
#include <string.h>

#include "epilogue.h"
#include "wino.h"

/* Accumulators, two vectors of weights and one broadcast fill the registers: 2*14+3 of 32, 2*6+3 of 16. */
#if defined(__AVX512F__)
enum { TILES = 14 };
#else
enum { TILES = 6 };
#endif

enum { IN = OUT + 2, PLACES = IN * IN };

/* ---- weights: U = G g G^T, in double ------------------------------------------------------------------------------ */

static void transform_filter(const float g[9], double u[PLACES]) {
    double half[IN][3];
    for (int i = 0; i < IN; i++)
        for (int x = 0; x < 3; x++)
            half[i][x] = filter_lines[i][0] * (double)g[x] + filter_lines[i][1] * (double)g[3 + x] +
                         filter_lines[i][2] * (double)g[6 + x];
    for (int i = 0; i < IN; i++)
        for (int k = 0; k < IN; k++)
            u[i * IN + k] =
                half[i][0] * filter_lines[k][0] + half[i][1] * filter_lines[k][1] + half[i][2] * filter_lines[k][2];
}

/* u: [36][pair of out blocks][c_in padded][2 * lanes], a block left over at the end alone */
static void weights_of(const cpu_wino *w, const float *weight, float *u) {
    const int64_t c_in = (int64_t)w->in_blocks * VF, c_out = (int64_t)w->out_blocks * VF,
                  paired = w->out_blocks / 2 * 2 * VF;
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

/* rows[y] points at the tile's leftmost place of each row, or is NULL outside the map; columns likewise by [x0, x1). */
static inline void input_tile(const float *const rows[IN], int32_t x0, int32_t x1, float *v, int64_t place_step) {
    vf half[IN][IN];
    for (int x = 0; x < IN; x++) {
        vf d[IN], t[IN];
        for (int y = 0; y < IN; y++)
            d[y] = rows[y] && x >= x0 && x < x1 ? vf_load(rows[y] + x * VF) : vf_all(0);
        input_line(d, t);
        for (int y = 0; y < IN; y++)
            half[y][x] = t[y];
    }
    for (int y = 0; y < IN; y++) {
        vf t[IN];
        input_line(half[y], t);
        for (int x = 0; x < IN; x++)
            vf_store(v + (y * IN + x) * place_step, t[x]);
    }
}

/* The same for a tile that lies inside the map: no tests. */
static inline void input_tile_inside(const float *at, int64_t row_step, float *v, int64_t place_step) {
    vf half[IN][IN];
    for (int x = 0; x < IN; x++) {
        vf d[IN], t[IN];
        for (int y = 0; y < IN; y++)
            d[y] = vf_load(at + y * row_step + x * VF);
        input_line(d, t);
        for (int y = 0; y < IN; y++)
            half[y][x] = t[y];
    }
    for (int y = 0; y < IN; y++) {
        vf t[IN];
        input_line(half[y], t);
        for (int x = 0; x < IN; x++)
            vf_store(v + (y * IN + x) * place_step, t[x]);
    }
}

typedef struct tile_place {
    int32_t image, y, x;
} tile_place; /* y, x: of its first output */

static inline tile_place place_of(const cpu_wino *w, int64_t tile) {
    int32_t across = (w->out_w + OUT - 1) / OUT, down = (w->out_h + OUT - 1) / OUT;
    int64_t line = tile / across;
    return (tile_place){(int32_t)(line / down), (int32_t)(line % down) * OUT, (int32_t)(tile % across) * OUT};
}

static void input_chunk(const cpu_wino *w, const float *src, int64_t first, int64_t last, int32_t rows, float *v) {
    const int64_t place_step = (int64_t)rows * w->in_blocks * TILES * VF, row_step = (int64_t)w->w * VF;
    for (int64_t tile = first; tile < last; tile++) {
        tile_place at = place_of(w, tile);
        int64_t row = (tile - first) / TILES, lane = (tile - first) % TILES;
        int32_t y = at.y - w->pad_top, x = at.x - w->pad_left;
        bool inside = y >= 0 && x >= 0 && y + IN <= w->h && x + IN <= w->w;
        for (int32_t b = 0; b < w->in_blocks; b++) {
            const float *map = src + ((int64_t)at.image * w->in_blocks + b) * w->h * row_step;
            float *to = v + ((row * w->in_blocks + b) * TILES + lane) * VF;
            if (inside) {
                input_tile_inside(map + y * row_step + (int64_t)x * VF, row_step, to, place_step);
                continue;
            }
            const float *lines[IN];
            for (int k = 0; k < IN; k++) /* x may be negative: only places in [x0, x1) are read */
                lines[k] = y + k >= 0 && y + k < w->h ? map + (y + k) * row_step + (int64_t)x * VF : NULL;
            input_tile(lines, x < 0 ? -x : 0, w->w - x < IN ? w->w - x : IN, to, place_step);
        }
    }
}

/* ---- products ---------------------------------------------------------------------------------------------------------- */

/* m [blocks][tile][lane] = sum over c_in of v [block][tile][lane of c_in] * u [c_in][blocks][lane], for the first `count`
 * tiles; inlined for each constant count, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void product(const float *v, const float *u, int32_t in_blocks, float *m,
                                                          const int blocks, const int count) {
    vf sums[2][TILES];
    for (int b = 0; b < blocks; b++)
        for (int t = 0; t < count; t++)
            sums[b][t] = vf_all(0);
    for (int32_t i = 0; i < in_blocks; i++, v += TILES * VF)
        for (int c = 0; c < VF; c++, u += blocks * VF) {
            vf u0 = vf_load(u), u1 = vf_load(u + (blocks - 1) * VF);
            CPU_UNROLL(14)
            for (int t = 0; t < count; t++) {
                vf s = vf_all(v[t * VF + c]);
                sums[0][t] = vf_fma(s, u0, sums[0][t]);
                if (blocks == 2)
                    sums[1][t] = vf_fma(s, u1, sums[1][t]);
            }
        }
    for (int b = 0; b < blocks; b++) {
        CPU_UNROLL(14)
        for (int t = 0; t < count; t++)
            vf_store(m + (b * TILES + t) * VF, sums[b][t]);
    }
}

/* A row of tiles; the last one may have few: it is rounded up to an even number. */
static inline __attribute__((always_inline)) void product_row(const float *v, const float *u, int32_t in_blocks,
                                                              float *m, const int blocks, int64_t tiles) {
    switch ((tiles + 1) / 2) {
    case 1: product(v, u, in_blocks, m, blocks, 2); break;
    case 2: product(v, u, in_blocks, m, blocks, 4); break;
#if defined(__AVX512F__)
    case 3: product(v, u, in_blocks, m, blocks, 6); break;
    case 4: product(v, u, in_blocks, m, blocks, 8); break;
    case 5: product(v, u, in_blocks, m, blocks, 10); break;
    case 6: product(v, u, in_blocks, m, blocks, 12); break;
#endif
    default: product(v, u, in_blocks, m, blocks, TILES); break;
    }
}

static __attribute__((noinline)) void product_of_two(const float *v, const float *u, int32_t in_blocks, float *m,
                                                     int64_t tiles) {
    product_row(v, u, in_blocks, m, 2, tiles);
}

static __attribute__((noinline)) void product_of_one(const float *v, const float *u, int32_t in_blocks, float *m,
                                                     int64_t tiles) {
    product_row(v, u, in_blocks, m, 1, tiles);
}

static void multiply_chunk(const cpu_wino *w, const float *v, const float *u, int32_t rows, int64_t tiles, float *m) {
    const int64_t c_in = (int64_t)w->in_blocks * VF, v_row = (int64_t)w->in_blocks * TILES * VF,
                  m_row = (int64_t)w->out_blocks * TILES * VF;
    for (int p = 0; p < PLACES; p++) {
        const float *up = u + p * c_in * w->out_blocks * VF, *vp = v + p * rows * v_row;
        float *mp = m + p * rows * m_row;
        for (int32_t o = 0; o < w->out_blocks; o += 2, up += c_in * 2 * VF)
            for (int64_t r = 0, left = tiles; left > 0; r++, left -= TILES) {
                float *to = mp + r * m_row + (int64_t)o * TILES * VF;
                if (o + 1 < w->out_blocks)
                    product_of_two(vp + r * v_row, up, w->in_blocks, to, left);
                else
                    product_of_one(vp + r * v_row, up, w->in_blocks, to, left);
            }
    }
}

/* ---- output: Y = A^T M A ------------------------------------------------------------------------------------------------- */

static inline void output_tile(const cpu_wino *w, const float *m, int64_t place_step, vf bias, const float *residual,
                               float *dst, int32_t tall, int32_t wide) {
    const int64_t row_step = (int64_t)w->out_w * VF;
    const vf a = vf_all(w->act_a), b = vf_all(w->act_b);
    vf half[OUT][IN];
    for (int x = 0; x < IN; x++) {
        vf d[IN], t[OUT];
        for (int y = 0; y < IN; y++)
            d[y] = vf_load(m + (y * IN + x) * place_step);
        output_line(d, t);
        for (int y = 0; y < OUT; y++)
            half[y][x] = t[y];
    }
    for (int y = 0; y < tall; y++) {
        vf t[OUT];
        output_line(half[y], t);
        for (int x = 0; x < wide; x++) {
            vf sum = vf_add(t[x], bias);
            if (residual)
                sum = vf_add(sum, vf_load(residual + y * row_step + x * VF));
            vf_store(dst + y * row_step + x * VF, vf_act(w->act, a, b, sum));
        }
    }
}

static void output_chunk(const cpu_wino *w, const float *m, int64_t first, int64_t last, int32_t rows,
                         const float *bias, const float *residual, float *dst) {
    const int64_t place_step = (int64_t)rows * w->out_blocks * TILES * VF, map = (int64_t)w->out_h * w->out_w * VF;
    for (int64_t tile = first; tile < last; tile++) {
        tile_place at = place_of(w, tile);
        int64_t row = (tile - first) / TILES, lane = (tile - first) % TILES;
        int32_t tall = w->out_h - at.y < OUT ? w->out_h - at.y : OUT,
                wide = w->out_w - at.x < OUT ? w->out_w - at.x : OUT;
        for (int32_t b = 0; b < w->out_blocks; b++) {
            int64_t to = ((int64_t)at.image * w->out_blocks + b) * map + ((int64_t)at.y * w->out_w + at.x) * VF;
            output_tile(w, m + ((row * w->out_blocks + b) * TILES + lane) * VF, place_step, vf_load(bias + b * VF),
                        residual ? residual + to : NULL, dst + to, tall, wide);
        }
    }
}

static void run_all(const cpu_wino *w, const float *src, const float *u, const float *bias, const float *residual,
                    float *dst, float *scratch) {
    const int32_t rows = cpu_wino_chunk_rows(w, &KERNELS);
    const int64_t tiles = cpu_wino_tile_count(w), chunk = (int64_t)rows * TILES;
    float *v = scratch, *m = scratch + (int64_t)PLACES * rows * w->in_blocks * TILES * VF;
    for (int64_t first = 0; first < tiles; first += chunk) {
        int64_t last = first + chunk < tiles ? first + chunk : tiles;
        input_chunk(w, src, first, last, rows, v);
        /* a tile that no image has holds what an earlier chunk left: its products go nowhere */
        multiply_chunk(w, v, u, rows, last - first, m);
        output_chunk(w, m, first, last, rows, bias, residual, dst);
    }
}

const cpu_wino_kernels KERNELS = {.lanes = VF, .tiles = TILES, .weights = weights_of, .run = run_all};
