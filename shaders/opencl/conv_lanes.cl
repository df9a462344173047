/*
 * VW channels of one place of a map at once, in any layout: rows of places staged as f32, results stored where they belong.
 * What of a place lies side by side is its tensor's `side`: 0 = one channel, 1 = whole vectors, a block's padding included,
 * 2 = all channels.
 */
// needs: conv_numbers.cl

typedef struct map_view {
    int block, b, c, y, x, side;
    float scale;
} map_view;
#define MAP_VIEW(p, t) MAKE(map_view, p.t##_block, p.t##_b, p.t##_c, p.t##_y, p.t##_x, p.t##_side, p.t##_scale)

/* Loops that a GPU's compiler unrolls (a tile's sums must have constant indices to stay in registers), where on a CPU that
 * would only make code and its build longer: an unrolled loop over sums holds every activation many times. */
#ifdef ROLLED
#if ROLLED
#define BUILD_LOOP _Pragma("unroll 1")
#else
#define BUILD_LOOP _Pragma("unroll")
#endif
#endif

static inline int channel_at(map_view m, int c) { return c / m.block * m.b + c % m.block * m.c; }

/* Channels o..o+count of the place that begins at `at`; the other lanes are anything. o_at = channel_at(m, o): divisions that
 * are done once for many places. */
static inline VEC residual_lanes(const __global RES_T *at, map_view m, int o, int o_at, int count) {
    if (m.side == 1 || (m.side == 2 && count == VW))
        return RES_NUMBER(RES_LOADV(at, o_at), m.scale);
    float lane[VW];
    for (int i = 0; i < VW; i++)
        lane[i] = i < count ? RES_LOAD(at, channel_at(m, o + i)) : 0.0f;
    return RES_NUMBER(VEC_OF_LANES(lane), m.scale);
}

static inline void store_lanes(VEC v, __global DST_T *at, map_view m, int o, int o_at, int count) {
    v = DST_STORED(v, m.scale);
    if (m.side == 1 || (m.side == 2 && count == VW)) {
        DST_STOREV(KEEP_LANES(v, count), at, o_at);
        return;
    }
    float lane[VW];
    LANES_OF_VEC(v, lane);
    for (int i = 0; i < count; i++)
        DST_STORE(lane[i], at, channel_at(m, o + i));
}

static inline void stage_zeros(__local float *to, int count) {
    int i = 0;
    for (; i + VW <= count; i += VW)
        storev_f32((VEC)0.0f, to, i);
    for (; i < count; i++)
        to[i] = 0.0f;
}

static inline void stage_run(const __global SRC_T *from, float scale, int count, __local float *to) {
    int i = 0;
    for (; i + VW <= count; i += VW)
        storev_f32(SRC_NUMBER(SRC_LOADV(from, i), scale), to, i);
    for (; i < count; i++)
        to[i] = SRC_NUMBER(SRC_LOAD(from, i), scale);
}

/* `count` places from `at` on, channels first..first+c, to [place][c]. */
static inline void stage_places(const __global SRC_T *at, map_view m, int first, int c, int count, __local float *to) {
    int i = 0;
    if (m.side == 2 && m.x == c) { /* no channel is left out */
        stage_run(at, m.scale, count * c, to);
        return;
    }
    for (; m.side && i + VW <= c; i += VW) {
        const __global SRC_T *from = at + channel_at(m, first + i);
        for (int x = 0; x < count; x++)
            storev_f32(SRC_NUMBER(SRC_LOADV(from, x * m.x), m.scale), to, x * c + i);
    }
    for (; i < c; i++) {
        const __global SRC_T *from = at + channel_at(m, first + i);
        for (int x = 0; x < count; x++)
            to[x * c + i] = SRC_NUMBER(SRC_LOAD(from, x * m.x), m.scale);
    }
}

/* Row y of a map h x w, places x0..x0+wide of it: zeros outside the map. src: the input's first place. */
static inline void stage_row(const __global SRC_T *src, map_view m, int h, int w, int first, int c, int y, int x0, int wide,
                             __local float *to) {
    int begin = clamp(-x0, 0, wide), end = clamp(w - x0, begin, wide);
    if (y < 0 || y >= h)
        begin = end = wide;
    stage_zeros(to, begin * c);
    stage_zeros(to + end * c, (wide - end) * c);
    if (begin < end)
        stage_places(src + y * m.y + (x0 + begin) * m.x, m, first, c, end - begin, to + begin * c);
}
