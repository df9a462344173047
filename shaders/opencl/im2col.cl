/*
 * Around a library's matrix product: the windows of a map as rows or columns of a matrix, and what a CONV does after its sums.
 * Groups of one item (LX 1) walk p.each lines with vectors; wider groups take one number (one vector in gemm_end) an item, so
 * that neighbours write neighbours.
 */
PARAM_STRUCT(im2col_params, IM2COL_PARAMS)
PARAM_STRUCT(gemm_end_params, GEMM_END_PARAMS)

/* src NHWC -> columns[n][y][x][group][ky][kx][channel of the group] */
#if LX == 1
KERNEL void im2col_rows(__global const float *src, __global float *columns, const im2col_params p, const uint8 at) {
    const int first = (int)get_group_id(0) * p.each, end = min(first + p.each, p.n * p.oh * p.ow);
    const int few = p.c / p.groups, taps = p.win_kh * p.win_kw;
    src += at.s0;
    columns += at.s1;
    for (int row = first; row < end; row++) {
        const int x = row % p.ow, y = row / p.ow % p.oh, n = row / (p.ow * p.oh);
        for (int tap = 0; tap < taps; tap++) {
            const int iy = y * p.win_sh - p.win_pt + tap / p.win_kw * p.win_dh;
            const int ix = x * p.win_sw - p.win_pl + tap % p.win_kw * p.win_dw;
            const bool is_inside = iy >= 0 && iy < p.h && ix >= 0 && ix < p.w;
            for (int g = 0; g < p.groups; g++) {
                __global float *to = columns + ((row * p.groups + g) * taps + tap) * few;
                __global const float *from = src + (is_inside ? ((n * p.h + iy) * p.w + ix) * p.c + g * few : 0);
                int i = 0;
                for (; i + VW <= few; i += VW)
                    CAT(vstore, VW)(is_inside ? CAT(vload, VW)(0, from + i) : (VEC)0.0f, 0, to + i);
                for (; i < few; i++)
                    to[i] = is_inside ? from[i] : 0.0f;
            }
        }
    }
}
#else
KERNEL void im2col_rows(__global const float *src, __global float *columns, const im2col_params p, const uint8 at) {
    const int i = get_global_id(0), few = p.c / p.groups, taps = p.win_kh * p.win_kw;
    const int row = i / (p.c * taps), g = i / (few * taps) % p.groups, tap = i / few % taps;
    if (row >= p.n * p.oh * p.ow)
        return;
    const int iy = row / p.ow % p.oh * p.win_sh - p.win_pt + tap / p.win_kw * p.win_dh;
    const int ix = row % p.ow * p.win_sw - p.win_pl + tap % p.win_kw * p.win_dw;
    float number = 0.0f;
    if (iy >= 0 && iy < p.h && ix >= 0 && ix < p.w)
        number = src[at.s0 + ((row / (p.ow * p.oh) * p.h + iy) * p.w + ix) * p.c + g * few + i % few];
    columns[at.s1 + i] = number;
}
#endif

/* src NCHW -> columns[n][channel][ky][kx][y][x] */
#if LX == 1
KERNEL void im2col_maps(__global const float *src, __global float *columns, const im2col_params p, const uint8 at) {
    const int taps = p.win_kh * p.win_kw;
    const int first = (int)get_group_id(0) * p.each, end = min(first + p.each, p.n * p.c * taps * p.oh);
    for (int line = first; line < end; line++) {
        const int tap = line / p.oh % taps, map = line / (p.oh * taps);
        const int iy = line % p.oh * p.win_sh - p.win_pt + tap / p.win_kw * p.win_dh;
        const int shift = tap % p.win_kw * p.win_dw - p.win_pl; /* column x comes from x * stride + shift */
        __global float *to = columns + at.s1 + line * p.ow;
        const bool is_inside = iy >= 0 && iy < p.h;
        __global const float *from = src + at.s0 + (is_inside ? (map * p.h + iy) * p.w : 0);
        int x = 0;
        if (p.win_sw == 1) {
            const int begin = is_inside ? clamp(-shift, 0, p.ow) : p.ow;
            const int stop = is_inside ? clamp(p.w - shift, begin, p.ow) : p.ow;
            for (; x < begin; x++)
                to[x] = 0.0f;
            for (; x + VW <= stop; x += VW)
                CAT(vstore, VW)(CAT(vload, VW)(0, from + x + shift), 0, to + x);
        }
        for (; x < p.ow; x++) {
            const int ix = x * p.win_sw + shift;
            to[x] = is_inside && ix >= 0 && ix < p.w ? from[ix] : 0.0f;
        }
    }
}
#else
KERNEL void im2col_maps(__global const float *src, __global float *columns, const im2col_params p, const uint8 at) {
    const int i = get_global_id(0), taps = p.win_kh * p.win_kw;
    const int tap = i / (p.ow * p.oh) % taps, map = i / (p.ow * p.oh * taps);
    if (map >= p.n * p.c)
        return;
    const int iy = i / p.ow % p.oh * p.win_sh - p.win_pt + tap / p.win_kw * p.win_dh;
    const int ix = i % p.ow * p.win_sw - p.win_pl + tap % p.win_kw * p.win_dw;
    float number = 0.0f;
    if (iy >= 0 && iy < p.h && ix >= 0 && ix < p.w)
        number = src[at.s0 + (map * p.h + iy) * p.w + ix];
    columns[at.s1 + i] = number;
}
#endif

/* Bias, residual and activation on p.lines lines of sums, in place. A line is the channels of one place (p.bias_lines 0), or
 * a map that belongs to channel line % p.bias_lines. */
KERNEL void gemm_end(__global float *sums, __global const float *bias, __global const float *residual,
                     const gemm_end_params p, const uint8 at) {
    const int each_line = (p.line + VW - 1) / VW, first = (int)get_global_id(0) * p.each;
    const int end = min(first + p.each, p.lines * each_line);
    sums += at.s0;
    bias += at.s1;
    residual += at.s2;
    for (int i = first; i < end; i++) {
        const int line = i / each_line, column = i % each_line * VW, place = line * p.line + column;
        const float all = p.has_bias && p.bias_lines ? bias[line % p.bias_lines] : 0.0f;
        if (column + VW <= p.line) {
            VEC x = CAT(vload, VW)(0, sums + place) + all;
            if (p.has_bias && !p.bias_lines)
                x += CAT(vload, VW)(0, bias + column);
            if (p.has_residual)
                x += CAT(vload, VW)(0, residual + place);
            CAT(vstore, VW)(ACTIVATE(x, p), 0, sums + place);
        } else {
            for (int k = 0; column + k < p.line; k++) {
                float x = sums[place + k] + all;
                if (p.has_bias && !p.bias_lines)
                    x += bias[column + k];
                if (p.has_residual)
                    x += residual[place + k];
                sums[place + k] = ACTIVATE1(x, p);
            }
        }
    }
}
