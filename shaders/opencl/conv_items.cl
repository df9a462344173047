/*
 * A convolution by many work-items beside each other: an item has TILE_PX pixels, LX apart, so that neighbours read and write
 * neighbouring places, and TILE_CB vectors of outputs that all items of its group share. Nothing is staged: caches are.
 * POOLED: a group has a part of one input's map, keeps it in local memory and pools it there.
 */
// needs: conv_lanes.cl
// needs: conv_pool.cl
PARAM_STRUCT(items_params, CONV_ITEMS_PARAMS)

typedef struct pixel {
    int n, y, x; /* n < 0: there is none */
} pixel;

#if POOLED
static inline map_part part_of(items_params p, int id) {
    int across = id % p.parts_w, down = id / p.parts_w % p.parts_h;
    int top = down * p.part_h * p.pool_sh - p.pool_pt, left = across * p.part_w * p.pool_sw - p.pool_pl;
    map_part part = {max(top, 0), max(left, 0), p.pitch};
    return part;
}
static inline pixel pixel_at(items_params p, int id, int k) {
    int at = k * LX + get_local_id(0);
    map_part part = part_of(p, id);
    pixel to = {id / (p.parts_w * p.parts_h), part.row + at / p.pitch, part.col + at % p.pitch};
    if (to.y >= p.map_h || to.x >= p.map_w || at >= p.part_pixels)
        to.n = -1;
    return to;
}
#else
static inline pixel pixel_at(items_params p, int id, int k) {
    int at = (id * TILE_PX + k) * LX + get_local_id(0), map = p.map_h * p.map_w;
    pixel to = {at < p.part_pixels ? at / map : -1, at % map / p.map_w, at % p.map_w};
    return to;
}
#endif

/* One channel of all pixels times its weights; X(k): the channel of pixel k. */
#define ITEMS_CHANNEL(X, channel)                                                        \
    _Pragma("unroll") for (int j = 0; j < TILE_CB; j++) {                                \
        VEC w = LOADV_WHOLE(wgt, (channel) * WIDE + j * VW);                             \
        _Pragma("unroll") for (int k = 0; k < TILE_PX; k++)                              \
            acc[k * TILE_CB + j] = fma((VEC)(X(k)), w, acc[k * TILE_CB + j]);            \
    }
#define FIRST_LANE(k) x[k].x
#define SECOND_LANE(k) x[k].y
#define THIRD_LANE(k) x[k].z
#define FOURTH_LANE(k) x[k].w
#define ALONE(k) alone[k]

/* One place of the window: all channels of a group. at[k] < 0: outside of the map. VW is 4. */
static inline void items_tap(const __global SRC_T *src, map_view from, const int *at, int first, int c_all,
                             const __global float *wgt, VEC *acc) {
    int c = 0, step = from.side == 2 ? VW : from.block == VW ? from.b : 0, offset = channel_at(from, first);
    for (; from.side && c + VW <= c_all; c += VW) {
        VEC x[TILE_PX];
        #pragma unroll
        for (int k = 0; k < TILE_PX; k++)
            x[k] = at[k] < 0 ? (VEC)0.0f : SRC_LOADV(src, max(at[k], 0) + offset);
        ITEMS_CHANNEL(FIRST_LANE, c)
        ITEMS_CHANNEL(SECOND_LANE, c + 1)
        ITEMS_CHANNEL(THIRD_LANE, c + 2)
        ITEMS_CHANNEL(FOURTH_LANE, c + 3)
        offset = step ? offset + step : channel_at(from, first + c + VW);
    }
    for (; c < c_all; c++) {
        const __global SRC_T *channel = src + channel_at(from, first + c);
        float alone[TILE_PX];
        #pragma unroll
        for (int k = 0; k < TILE_PX; k++)
            alone[k] = at[k] < 0 ? 0.0f : SRC_LOAD(channel, max(at[k], 0));
        ITEMS_CHANNEL(ALONE, c)
    }
}

KERNEL void conv_items(const __global SRC_T *src, const __global RES_T *res, const __global float *wgt, __global DST_T *dst,
                       items_params p, uint8 words) {
    map_view from = MAP_VIEW(p, src), to = MAP_VIEW(p, dst), residual = MAP_VIEW(p, res);
    int id = get_group_id(0), tile = get_group_id(1), group = tile / p.tiles;
    int first = tile % p.tiles * WIDE, o = group * p.co + first, valid = min(WIDE, p.co - first);
    const __global float *bias = wgt + words.s2 + tile * WIDE;
    const __global float *weights = wgt + words.s2 + p.groups * p.tiles * WIDE + tile * p.win_kh * p.win_kw * p.c * WIDE;
    bool is_last = tile == p.groups * p.tiles - 1;
    src += words.s0;
    res += words.s1;
    dst += words.s3;
    VEC acc[TILE_PX * TILE_CB];
    int at[TILE_PX];
    pixel to_pixel[TILE_PX];
    #pragma unroll
    for (int k = 0; k < TILE_PX; k++) {
        to_pixel[k] = pixel_at(p, id, k);
        #pragma unroll
        for (int j = 0; j < TILE_CB; j++)
            acc[k * TILE_CB + j] = (VEC)0.0f;
    }
    for (int ky = 0; ky < p.win_kh; ky++)
        for (int kx = 0; kx < p.win_kw; kx++) {
            #pragma unroll
            for (int k = 0; k < TILE_PX; k++) {
                pixel to_this = to_pixel[k];
                int y = to_this.y * p.win_sh - p.win_pt + ky * p.win_dh, x = to_this.x * p.win_sw - p.win_pl + kx * p.win_dw;
                bool is_inside = to_this.n >= 0 && y >= 0 && y < p.src_h && x >= 0 && x < p.src_w;
                at[k] = is_inside ? to_this.n * p.src_n + y * p.src_y + x * p.src_x : -1;
            }
            items_tap(src, from, at, group * p.c, p.c, weights, acc);
            weights += p.c * WIDE;
        }
#if POOLED
    LOCAL_ARRAY(float, pooled, LX * TILE_PX * WIDE);
#endif
    VEC sums[TILE_PX * TILE_CB];
    #pragma unroll
    for (int k = 0; k < TILE_PX * TILE_CB; k++)
        sums[k] = acc[k];
    BUILD_LOOP
    for (int k = 0; k < TILE_PX; k++) {
        pixel here = pixel_at(p, id, k);
        BUILD_LOOP
        for (int j = 0; j < TILE_CB; j++) {
            int left = min(valid - j * VW, VW), channel = o + j * VW;
            VEC v = SRC_NUMBER(sums[k * TILE_CB + j], p.src_scale) + LOADV_WHOLE(bias, j * VW);
            if (here.n >= 0 && left > 0) {
                if (p.has_res)
                    v += residual_lanes(res + here.n * p.res_n + here.y * p.res_y + here.x * p.res_x, residual, channel,
                                        channel_at(residual, channel), left);
                v = ACTIVATE(v, p);
#if POOLED
                STOREV_WHOLE(v, pooled, (k * LX + get_local_id(0)) * WIDE + j * VW);
#else
                store_lanes(v, dst + here.n * p.dst_n + here.y * p.dst_y + here.x * p.dst_x, to, channel,
                            channel_at(to, channel), left);
#endif
            }
        }
#if !POOLED
        for (int c = p.zeros_from; is_last && here.n >= 0 && c < p.padded; c++)
            DST_STORE(0.0f, dst + here.n * p.dst_n + here.y * p.dst_y + here.x * p.dst_x, channel_at(to, c));
#endif
    }
#if POOLED
    barrier(CLK_LOCAL_MEM_FENCE);
    pool_view pool = POOL_VIEW(p);
    map_part part = part_of(p, id);
    int across = id % p.parts_w, down = id / p.parts_w % p.parts_h, n = id / (p.parts_w * p.parts_h);
    for (int i = get_local_id(0); i < p.part_h * p.part_w; i += LX) {
        int y = down * p.part_h + i / p.part_w, x = across * p.part_w + i % p.part_w;
        if (y >= p.dst_h || x >= p.dst_w)
            continue;
        __global DST_T *place = dst + n * p.dst_n + y * p.dst_y + x * p.dst_x;
        for (int j = 0; j < TILE_CB && j * VW < valid; j++)
            store_lanes(pool_at(pooled + j * VW, pool, part, y, x), place, to, o + j * VW, channel_at(to, o + j * VW),
                        min(valid - j * VW, VW));
        for (int c = p.zeros_from; is_last && c < p.padded; c++)
            DST_STORE(0.0f, place, channel_at(to, c));
    }
#endif
}
