/*
 * A convolution a strip of rows of one input at a time, by one work-item: the strip's source rows are staged in local memory
 * as f32 [row][x][channel], zeros around them, so that the inner loop knows neither padding nor layouts nor types; then
 * register tiles of TILE_PX pixels x TILE_CB vectors run over it. With a pool, the tiles' results stay in local memory as
 * [row][x][TILE_CB * VW] and are pooled from there.
 */
// needs: conv_tile.cl
// needs: conv_lanes.cl
// needs: conv_pool.cl
PARAM_STRUCT(direct_params, CONV_DIRECT_PARAMS)

DEFINE_TILE_MAC(tile_mac, __local, TILE_PX, TILE_CB)

typedef struct strip { /* of one input */
    int n, out_y, out_rows;     /* of dst */
    int row, rows;              /* of the map before the pool */
    int source_row, source_rows;
    int source_pitch;           /* numbers in a staged row */
} strip;

static inline strip strip_of(direct_params p, int id) {
    strip s;
    s.n = id / p.strips;
    s.out_y = id % p.strips * p.strip_rows;
    s.out_rows = min(p.strip_rows, p.dst_h - s.out_y);
    s.row = s.out_y;
    s.rows = s.out_rows;
    if (p.pool) {
        int first = s.out_y * p.pool_sh - p.pool_pt;
        int last = first + (s.out_rows - 1) * p.pool_sh + (p.pool_kh - 1) * p.pool_dh;
        s.row = clamp(first, 0, p.map_h - 1);
        s.rows = clamp(last, 0, p.map_h - 1) - s.row + 1;
    }
    s.source_row = s.row * p.win_sh - p.win_pt;
    s.source_rows = (s.rows - 1) * p.win_sh + (p.win_kh - 1) * p.win_dh + 1;
    s.source_pitch = ((p.map_w - 1) * p.win_sw + (p.win_kw - 1) * p.win_dw + 1) * p.c;
    return s;
}

/* The sums of pixels (y, x).. of the strip, rows one after the other; what lies past the last pixel repeats it. */
static inline void tile_sums(const __local float *staged, direct_params p, const strip *s, const __global float *bias,
                             const __global float *wgt, int y, int x, int count, VEC *acc) {
    int off[TILE_PX], row_step = p.win_sh * s->source_pitch, step = p.win_sw * p.c;
    if (count == TILE_PX && x + TILE_PX <= p.map_w) {
        #pragma unroll
        for (int k = 0; k < TILE_PX; k++)
            off[k] = y * row_step + (x + k) * step;
    } else {
        #pragma unroll
        for (int k = 0; k < TILE_PX; k++) {
            off[k] = y * row_step + x * step;
            x += k + 1 < count;
            y += x == p.map_w;
            x = x == p.map_w ? 0 : x;
        }
    }
    #pragma unroll
    for (int k = 0; k < TILE_PX * TILE_CB; k++)
        acc[k] = loadv_f32(bias, k % TILE_CB * VW);
    for (int ky = 0; ky < p.win_kh; ky++)
        for (int run = 0; run < p.runs; run++) {
            tile_mac(acc, staged + ky * p.win_dh * s->source_pitch + run * p.run_step, off, wgt, p.run_count);
            wgt += p.run_count * WIDE;
        }
}

/* Places follow each other in every layout, rows too: the map's place i begins at i * dst_x. */
typedef struct tile_to {
    __global DST_T *dst; /* the tile's first place */
    const __global RES_T *res;
    __local float *pooled;
    int o, valid; /* outputs o.., valid of them exist */
    int dst_at[TILE_CB], res_at[TILE_CB];
} tile_to;

/* No more than Relu behind a whole tile, whole vectors stored. */
static inline void tile_out_short(const VEC *acc, direct_params p, const tile_to *to) {
    float low = p.act == 1 ? 0.0f : -INFINITY;
    #pragma unroll
    for (int k = 0; k < TILE_PX; k++)
        #pragma unroll
        for (int j = 0; j < TILE_CB; j++) {
            VEC v = acc[k * TILE_CB + j];
            v = LARGER((VEC)low, v);
            if (p.pool)
                storev_f32(v, to->pooled, k * WIDE + j * VW);
            else
                DST_STOREV(DST_STORED(v, p.dst_scale), to->dst, k * p.dst_x + to->dst_at[j]);
        }
}

static inline void tile_out(const VEC *sums, direct_params p, const tile_to *to, int count) {
    map_view dst = MAP_VIEW(p, dst), residual = MAP_VIEW(p, res);
    int vectors = p.pool ? TILE_CB : (to->valid + VW - 1) / VW;
    for (int k = 0; k < count; k++)
        #pragma unroll 1
        for (int j = 0; j < min(vectors, TILE_CB); j++) {
            VEC v = sums[k * TILE_CB + j];
            int o = to->o + j * VW, left = min(to->valid - j * VW, VW);
            if (p.has_res && left > 0)
                v += residual_lanes(to->res + k * p.res_x, residual, o, to->res_at[j], left);
            v = ACTIVATE(v, p);
            if (p.pool)
                storev_f32(v, to->pooled, k * WIDE + j * VW);
            else
                store_lanes(v, to->dst + k * p.dst_x, dst, o, to->dst_at[j], left);
        }
}

/* The tiles of outputs o..o+WIDE of a strip: to dst, or with a pool to `pooled`. */
static inline void strip_tiles(const __local float *staged, direct_params p, const strip *s, const __global float *bias,
                               const __global float *wgt, tile_to to) {
    int pixels = s->rows * p.map_w, y = 0, x = 0;
    bool is_short = !p.has_res && p.act <= 1 && to.valid == WIDE && (p.pool || p.dst_side);
    for (int j = 0; j < TILE_CB; j++) {
        map_view dst = MAP_VIEW(p, dst), residual = MAP_VIEW(p, res);
        to.dst_at[j] = channel_at(dst, to.o + j * VW);
        to.res_at[j] = channel_at(residual, to.o + j * VW);
    }
    to.dst += s->row * p.map_w * p.dst_x;
    to.res += s->row * p.map_w * p.res_x;
    for (int first = 0; first < pixels; first += TILE_PX) {
        VEC acc[TILE_PX * TILE_CB];
        int count = min(TILE_PX, pixels - first);
        tile_sums(staged, p, s, bias, wgt, y, x, count, acc);
        if (is_short && count == TILE_PX) {
            tile_out_short(acc, p, &to);
        } else {
            VEC sums[TILE_PX * TILE_CB];
            #pragma unroll
            for (int k = 0; k < TILE_PX * TILE_CB; k++)
                sums[k] = acc[k];
            tile_out(sums, p, &to, count);
        }
        to.dst += TILE_PX * p.dst_x;
        to.res += TILE_PX * p.res_x;
        to.pooled += TILE_PX * WIDE;
        for (x += TILE_PX; x >= p.map_w; x -= p.map_w)
            y++;
    }
}

static inline void strip_pool(const __local float *pooled, direct_params p, const strip *s, __global DST_T *dst, int o,
                              int valid) {
    map_view to = MAP_VIEW(p, dst);
    pool_view pool = POOL_VIEW(p);
    map_part part = {s->row, 0, p.map_w};
    for (int j = 0; j * VW < valid && j < TILE_CB; j++) {
        int at = channel_at(to, o + j * VW), left = min(valid - j * VW, VW);
        for (int y = s->out_y; y < s->out_y + s->out_rows; y++)
            for (int x = 0; x < p.dst_w; x++)
                store_lanes(pool_at(pooled + j * VW, pool, part, y, x), dst + y * p.dst_y + x * p.dst_x, to, o + j * VW, at,
                            left);
    }
}

KERNEL void conv_direct(const __global SRC_T *src, const __global RES_T *res, const __global float *wgt,
                        __global DST_T *dst, direct_params p, uint8 at) {
    LOCAL_ARRAY(float, room, LOCAL_FLOATS);
    strip s = strip_of(p, get_group_id(0));
    map_view from = MAP_VIEW(p, src);
    src += at.s0 + s.n * p.src_n;
    res += at.s1 + s.n * p.res_n;
    dst += at.s3 + s.n * p.dst_n;
    const __global float *bias = wgt + at.s2, *weights = bias + p.groups * p.tiles * WIDE;
    __local float *pooled = room + p.staged;
    int weights_each = p.win_kh * p.win_kw * p.c * WIDE, staged_group = -1;
    int begin = get_group_id(1) * p.tiles_each, end = min(begin + p.tiles_each, p.groups * p.tiles);
    for (int tile = begin; tile < end; tile++) {
        int group = tile / p.tiles, first = tile % p.tiles * WIDE, valid = min(WIDE, p.co - first);
        if (group != staged_group) {
            staged_group = group;
            for (int row = 0; row < s.source_rows; row++)
                stage_row(src, from, p.src_h, p.src_w, group * p.c, p.c, s.source_row + row, -p.win_pl,
                          s.source_pitch / p.c, room + row * s.source_pitch);
        }
        tile_to to = {dst, res, pooled, group * p.co + first, valid};
        strip_tiles(room, p, &s, bias + tile * WIDE, weights + tile * weights_each, to);
        if (p.pool)
            strip_pool(pooled, p, &s, dst, group * p.co + first, valid);
    }
    if (end == p.groups * p.tiles) { /* what is left of the last block's padding */
        map_view to = MAP_VIEW(p, dst);
        for (int o = p.zeros_from; o < p.padded; o++)
            for (int y = s.out_y; y < s.out_y + s.out_rows; y++)
                for (int x = 0; x < p.dst_w; x++)
                    DST_STORE(0.0f, dst + y * p.dst_y + x * p.dst_x, channel_at(to, o));
    }
}
