/*
 * A convolution of every channel by itself. An item has four channels and TILE_PX rows of one column of the result; its
 * neighbours are the columns beside it, then rows, blocks of channels, inputs. All tensors have four channels of a place side
 * by side. WINDOW: 3 where the window is 3x3, its strides STEP and its dilation 1 (each number of the source is then read once
 * for all rows of a column); 0: any window. RESIDUAL: whether there is one.
 * Weights: `stored` biases, then [kh][kw][stored], where stored is a multiple of four.
 */
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(CONV_COLUMNS_PARAMS)
#if TEXEL_VIEWS
TEXELS(0, src)
TEXELS(2, wgt)
#else
READS(0, src, SRC_DTYPE)
READS(2, wgt, F32)
#endif
READS(1, res, RES_DTYPE)
WRITES(3, dst, DST_DTYPE)

vec4 sums[TILE_PX];

/* Zeros outside the map. from: the input's first place, of these channels. */
vec4 source(int from, int row, int column) {
    bool is_inside = row >= 0 && row < p.src_h && column >= 0 && column < p.src_w;
    vec4 v = src_loadv(from + clamp(row, 0, p.src_h - 1) * p.src_y + clamp(column, 0, p.src_w - 1) * p.src_x);
    return uintBitsToFloat(floatBitsToUint(v) & (is_inside ? 0xffffffffu : 0u));
}

vec4 weights(int tap, int o) { return wgt_loadv((tap + 1) * p.stored + o); }

const int WINDOW_ROWS = (TILE_PX - 1) * STEP + (WINDOW > 0 ? WINDOW : 1);

void sum_small_window(int from, int o, int top, int left) {
    [[unroll]] for (int kx = 0; kx < WINDOW; kx++) {
        vec4 rows[WINDOW_ROWS];
        [[unroll]] for (int r = 0; r < WINDOW_ROWS; r++)
            rows[r] = source(from, top + r, left + kx);
        [[unroll]] for (int ky = 0; ky < WINDOW; ky++) {
            vec4 w = weights(ky * WINDOW + kx, o);
            [[unroll]] for (int k = 0; k < TILE_PX; k++)
                sums[k] = fma(rows[k * STEP + ky], w, sums[k]);
        }
    }
}

void sum_window(int from, int o, int top, int left) {
    for (int ky = 0; ky < p.win_kh; ky++)
        for (int kx = 0; kx < p.win_kw; kx++) {
            vec4 w = weights(ky * p.win_kw + kx, o);
            [[unroll]] for (int k = 0; k < TILE_PX; k++)
                sums[k] = fma(source(from, top + ky * p.win_dh + k * p.win_sh, left + kx * p.win_dw), w, sums[k]);
        }
}

void main() {
    int id = ITEM_X;
    if (id >= p.total)
        return;
    int x = id, line = split(x, p.map_w), tile = line, plane = split(tile, (p.map_h + TILE_PX - 1) / TILE_PX);
    int block = plane, n = split(block, p.stored / 4), o = block * 4, first = tile * TILE_PX;
    vec4 bias = wgt_loadv(o);
    [[unroll]] for (int k = 0; k < TILE_PX; k++)
        sums[k] = vec4(0.0);
    int from = n * p.src_n + o * p.src_four;
    if (WINDOW > 0)
        sum_small_window(from, o, first * STEP - p.win_pt, x * STEP - p.win_pl);
    else
        sum_window(from, o, first * p.win_sh - p.win_pt, x * p.win_sw - p.win_pl);
    [[unroll]] for (int k = 0; k < TILE_PX; k++) {
        int y = first + k;
        if (y < p.map_h) {
            vec4 v = sums[k] + bias;
            if (RESIDUAL != 0)
                v += res_loadv(n * p.res_n + o * p.res_four + y * p.res_y + x * p.res_x);
            dst_storev(n * p.dst_n + o * p.dst_four + y * p.dst_y + x * p.dst_x, keep_lanes(ACTIVATE(v, p), p.co - o));
        }
    }
}
