/*
 * CONV and FC over bytes, of any shape and in any layout: an item makes one output. Defines: RES_DTYPE (0 = no
 * residual), WIDE (1: the sum may pass 2^31). weights: as the step has them; constants: a factor for each output
 * channel, then a bias for each.
 */
PARAM_STRUCT(int8_plain_params, INT8_PLAIN_PARAMS)

#if WIDE
#define SUM_T long
#else
#define SUM_T int
#endif

KERNEL void int8_plain(__global const SRC_T *src, __global DST_T *dst, __global const TYPE_s8 *weights,
                       __global const float *constants
#if RES_DTYPE
                       , __global const TYPE(RES_DTYPE) *res
#endif
                       , int8_plain_params p, uint8 at) {
    const int place = get_global_id(0), c = get_global_id(1), n = get_global_id(2);
    if (place >= p.out_h * p.out_w)
        return;
    const int y = place / p.out_w, x = place % p.out_w;
    const int to = MAP_AT(p, dst, n, c, y, x);
    src += at.s0;
    dst += at.s1;
    constants += at.s3;
    if (c >= p.channels) { /* a block's padding */
        DST_STORE(0.0f, dst, to);
        return;
    }
    const int first_c = c / p.group_out * p.group_in;
    const int top = y * p.win_sh - p.win_pt, left = x * p.win_sw - p.win_pl;
    __global const TYPE_s8 *w = weights + at.s2 + c * p.weights_step;
    SUM_T sum = 0;
    for (int k = 0; k < p.group_in; k++) {
        __global const SRC_T *from = src + MAP_AT(p, src, n, first_c + k, 0, 0);
        for (int ky = 0; ky < p.win_kh; ky++) {
            const int row = top + ky * p.win_dh;
            for (int kx = 0; kx < p.win_kw; kx++, w++) {
                const int column = left + kx * p.win_dw;
                if (row >= 0 && row < p.h && column >= 0 && column < p.w)
                    sum += (int)*w * (int)from[row * p.src_y + column * p.src_x];
            }
        }
    }
    float value = convert_float(sum) * constants[c] + constants[p.channels + c];
#if RES_DTYPE
    value += CAT(load_, DTYPE(RES_DTYPE))(res + at.s4, MAP_AT(p, res, n, c, y, x)) * p.res_scale;
#endif
    DST_STORE(ACTIVATE1(value, p) * p.inverse_scale, dst, to);
}
