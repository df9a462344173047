/*
 * Any float convolution, one number of the result an item: any window, padding, groups and layouts. Slow, and always there.
 * Weights: [co] biases, then [co][c][kh][kw].
 */
// needs: conv_numbers.cl
PARAM_STRUCT(plain_params, CONV_PLAIN_PARAMS)

static inline float plain_sum(const __global SRC_T *src, const __global float *wgt, plain_params p, int n, int group, int y,
                              int x) {
    float sum = 0.0f;
    int top = y * p.win_sh - p.win_pt, left = x * p.win_sw - p.win_pl;
    for (int c = 0; c < p.c; c++) {
        const __global SRC_T *map = src + MAP_AT(p, src, n, group * p.c + c, 0, 0);
        for (int ky = 0; ky < p.win_kh; ky++) {
            int iy = top + ky * p.win_dh;
            if (iy < 0 || iy >= p.src_h)
                continue;
            for (int kx = 0; kx < p.win_kw; kx++) {
                int ix = left + kx * p.win_dw;
                if (ix >= 0 && ix < p.src_w)
                    sum = fma(SRC_LOAD(map, iy * p.src_y + ix * p.src_x), wgt[(c * p.win_kh + ky) * p.win_kw + kx], sum);
            }
        }
    }
    return SRC_NUMBER(sum, p.src_scale);
}

KERNEL void conv_plain(const __global SRC_T *src, const __global RES_T *res, const __global float *wgt,
                       __global DST_T *dst, plain_params p, uint8 at) {
    int id = get_global_id(0), c_all = p.co * p.groups;
    if (id >= p.total)
        return;
    int x = id % p.map_w, y = id / p.map_w % p.map_h, o = id / (p.map_w * p.map_h) % p.padded;
    int n = id / (p.map_w * p.map_h) / p.padded;
    float v = 0.0f;
    if (o < c_all) {
        const __global float *bias = wgt + at.s2;
        int taps = p.c * p.win_kh * p.win_kw;
        v = bias[o] + plain_sum(src + at.s0, bias + c_all + o * taps, p, n, o / p.co, y, x);
        if (p.has_res)
            v += RES_NUMBER(RES_LOAD(res + at.s1, MAP_AT(p, res, n, o, y, x)), p.res_scale);
        v = ACTIVATE1(v, p);
    }
    DST_STORE(DST_STORED(v, p.dst_scale), dst + at.s3, MAP_AT(p, dst, n, o, y, x));
}
