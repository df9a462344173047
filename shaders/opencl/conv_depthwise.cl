/*
 * A convolution of every channel by itself: VW channels and TILE_PX pixels of a row at a time. A group has VW channels and some
 * rows of one input's map; its items take turns at the tiles.
 * Weights: `stored` biases, then [kh][kw][stored], where stored is a multiple of VW.
 */
// needs: conv_lanes.cl
PARAM_STRUCT(depthwise_params, CONV_DEPTHWISE_PARAMS)

static inline VEC source_lanes(const __global SRC_T *at, map_view from, int o, int o_at, int count) {
    if (from.side == 1 || count == VW)
        return SRC_LOADV(at, o_at);
    float lane[VW];
    for (int i = 0; i < VW; i++)
        lane[i] = i < count ? SRC_LOAD(at, channel_at(from, o + i)) : 0.0f;
    return VEC_OF_LANES(lane);
}

/* src: the input's first place; acc: the sums of pixels (y, x).. in the row */
static inline void row_sums(const __global SRC_T *src, map_view from, depthwise_params p, const __global float *wgt, int o,
                            int o_at, int count, int y, int x, VEC *acc) {
    int left = x * p.win_sw - p.win_pl, last = left + (TILE_PX - 1) * p.win_sw + (p.win_kw - 1) * p.win_dw;
    bool is_inside = left >= 0 && last < p.src_w && (from.side == 1 || count == VW);
    for (int ky = 0; ky < p.win_kh; ky++) {
        int row = y * p.win_sh - p.win_pt + ky * p.win_dh;
        if (row < 0 || row >= p.src_h)
            continue;
        const __global SRC_T *at = src + row * p.src_y;
        for (int kx = 0; kx < p.win_kw; kx++) {
            VEC w = LOADV_WHOLE(wgt, (ky * p.win_kw + kx) * p.stored);
            int column = left + kx * p.win_dw;
            if (is_inside) {
                #pragma unroll
                for (int k = 0; k < TILE_PX; k++)
                    acc[k] = fma(SRC_LOADV(at, (column + k * p.win_sw) * p.src_x + o_at), w, acc[k]);
            } else {
                #pragma unroll
                for (int k = 0; k < TILE_PX; k++) {
                    int place = column + k * p.win_sw;
                    if (place >= 0 && place < p.src_w)
                        acc[k] = fma(source_lanes(at + place * p.src_x, from, o, o_at, count), w, acc[k]);
                }
            }
        }
    }
}

KERNEL void conv_depthwise(const __global SRC_T *src, const __global RES_T *res, const __global float *wgt,
                           __global DST_T *dst, depthwise_params p, uint8 words) {
    map_view from = MAP_VIEW(p, src), to = MAP_VIEW(p, dst), residual = MAP_VIEW(p, res);
    int blocks = p.stored / VW, o = get_group_id(0) % blocks * VW, n = get_group_id(0) / blocks, count = min(p.co - o, VW);
    int first_row = get_group_id(1) * p.strip_rows, rows = min(p.strip_rows, p.map_h - first_row);
    int across = (p.map_w + TILE_PX - 1) / TILE_PX;
    int src_at = channel_at(from, o), dst_at = channel_at(to, o), res_at = channel_at(residual, o);
    const __global float *bias = wgt + words.s2 + o;
    src += words.s0 + n * p.src_n;
    res += words.s1 + n * p.res_n;
    dst += words.s3 + n * p.dst_n;
    for (int tile = get_local_id(0); tile < rows * across; tile += LX) {
        int y = first_row + tile / across, x = tile % across * TILE_PX;
        VEC acc[TILE_PX], sums[TILE_PX];
        #pragma unroll
        for (int k = 0; k < TILE_PX; k++)
            acc[k] = (VEC)0.0f;
        row_sums(src, from, p, bias + p.stored, o, src_at, count, y, x, acc);
        #pragma unroll
        for (int k = 0; k < TILE_PX; k++)
            sums[k] = acc[k];
        BUILD_LOOP
        for (int k = 0; k < TILE_PX; k++) {
            if (x + k >= p.map_w)
                continue;
            VEC v = SRC_NUMBER(sums[k], p.src_scale) + LOADV_WHOLE(bias, 0);
            if (p.has_res)
                v += residual_lanes(res + y * p.res_y + (x + k) * p.res_x, residual, o, res_at, count);
            __global DST_T *place = dst + y * p.dst_y + (x + k) * p.dst_x;
            store_lanes(ACTIVATE(v, p), place, to, o, dst_at, count);
            for (int c = p.zeros_from; o + VW >= p.co && c < p.padded; c++)
                DST_STORE(0.0f, place, channel_at(to, c));
        }
    }
}
