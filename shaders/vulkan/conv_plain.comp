/*
 * Any float convolution, one number of the result an item: any window, padding, groups and layouts. Slow, and always there.
 * Weights: [co] biases, then [co][c][kh][kw].
 */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

PARAMS(CONV_PLAIN_PARAMS)
READS(0, src, SRC_DTYPE)
READS(1, res, RES_DTYPE)
READS(2, wgt, F32)
WRITES(3, dst, DST_DTYPE)

float plain_sum(int n, int group, int weight, int y, int x) {
    float sum = 0.0;
    int top = y * p.win_sh - p.win_pt, left = x * p.win_sw - p.win_pl;
    for (int c = 0; c < p.c; c++) {
        int map = MAP_AT(p, src, n, group * p.c + c, 0, 0);
        for (int ky = 0; ky < p.win_kh; ky++) {
            int iy = top + ky * p.win_dh;
            if (iy < 0 || iy >= p.src_h)
                continue;
            for (int kx = 0; kx < p.win_kw; kx++) {
                int ix = left + kx * p.win_dw;
                if (ix >= 0 && ix < p.src_w)
                    sum = fma(src_load(map + iy * p.src_y + ix * p.src_x),
                              wgt_load(weight + (c * p.win_kh + ky) * p.win_kw + kx), sum);
            }
        }
    }
    return NUMBER(SRC_DTYPE, sum, p.src_scale);
}

float output_number(int n, int o, int y, int x) {
    int taps = p.c * p.win_kh * p.win_kw;
    float v = wgt_load(o) + plain_sum(n, o / p.co, p.co * p.groups + o * taps, y, x);
    if (p.has_res != 0)
        v += NUMBER(RES_DTYPE, res_load(MAP_AT(p, res, n, o, y, x)), p.res_scale);
    return ACTIVATE(v, p);
}

void main() {
    int id = ITEM_X;
    if (id >= p.total)
        return;
    int x = id % p.map_w, y = id / p.map_w % p.map_h, plane = id / (p.map_w * p.map_h);
    int o = plane % p.padded, n = plane / p.padded;
    float v = o < p.co * p.groups ? output_number(n, o, y, x) : 0.0;
    dst_store(MAP_AT(p, dst, n, o, y, x), STORED(DST_DTYPE, v, p.dst_scale));
}
