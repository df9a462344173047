/*
 * The products and the sums of wino_rows.c, for vectors of one length. The including file gives
 *   NAME(part)                        names of these functions
 *   VEC, LANES                        a vector of so many floats; LOAD, STORE, ALL, ADD, SUB, FMA, MAX of it
 *   WIDE(x)                           a vector of the build, with zeros in what x has not
 */

/* A^T of F(4,3). */
static inline __attribute__((always_inline)) void NAME(output_line)(const VEC m[6], VEC y[4]) {
    VEC a = ADD(m[1], m[2]), b = SUB(m[1], m[2]), c = ADD(m[3], m[4]), d = SUB(m[3], m[4]);
    y[0] = ADD(ADD(m[0], a), c);
    y[1] = FMA(ALL(2.0f), d, b);
    y[2] = FMA(ALL(4.0f), c, a);
    y[3] = ADD(FMA(ALL(8.0f), d, b), m[5]);
}

/* ---- products: `count` tiles from `tile` on, inlined for each constant count, so that sums stay in registers ---------------- */

/* The bias rides on the place that is in each of the 16 sums once. */
static inline __attribute__((always_inline)) void NAME(tile_products)(const out_row *o, int32_t tile, const int count,
                                                                      float *half) {
    const float *u = o->u_tiles;
    const int32_t c_in = o->w->c_in;
    for (int k = 0; k < 6; k++) {
        VEC m[GROUP][6], y[4];
        const VEC first = k == 1 ? LOAD(o->bias) : ALL(0);
        const float *v = o->v + k * 6 * STRIP + tile;
        CPU_UNROLL(5)
        for (int t = 0; t < count; t++)
            CPU_UNROLL(6)
        for (int i = 0; i < 6; i++)
            m[t][i] = i == 1 ? first : ALL(0);
        for (int32_t c = 0; c < c_in; c++, v += V_CHANNEL, u += 6 * VF)
            CPU_UNROLL(6)
        for (int i = 0; i < 6; i++) {
            VEC weights = HELD(LOAD(u + i * VF));
            CPU_UNROLL(5)
            for (int t = 0; t < count; t++)
                m[t][i] = FMA(ALL(v[i * STRIP + t]), weights, m[t][i]);
        }
        CPU_UNROLL(5)
        for (int t = 0; t < count; t++) {
            TOGETHER(m[t]);
            NAME(output_line)(m[t], y);
            CPU_UNROLL(4)
            for (int i = 0; i < 4; i++)
                STORE(half + ((t * 4 + i) * 6 + k) * LANES, y[i]);
        }
    }
}

/* The same for one row alone: nothing is done down the columns. */
static inline __attribute__((always_inline)) void NAME(row_products)(const out_row *o, int32_t tile, int32_t down,
                                                                     const int count, float *half) {
    VEC m[GROUP][6];
    const float *u = o->u_rows;
    const int32_t c_in = o->w->c_in;
    const VEC bias = LOAD(o->bias);
    CPU_UNROLL(5)
    for (int t = 0; t < count; t++)
        CPU_UNROLL(6)
    for (int k = 0; k < 6; k++)
        m[t][k] = k == 1 ? bias : ALL(0);
    for (int ky = 0; ky < 3; ky++) {
        const float *v = o->h[down + ky] + tile;
        for (int32_t c = 0; c < c_in; c++, v += H_CHANNEL, u += 6 * VF)
            CPU_UNROLL(6)
        for (int k = 0; k < 6; k++) {
            VEC weights = HELD(LOAD(u + k * VF));
            CPU_UNROLL(5)
            for (int t = 0; t < count; t++)
                m[t][k] = FMA(ALL(v[k * STRIP + t]), weights, m[t][k]);
        }
    }
    half += down * 6 * LANES;
    CPU_UNROLL(5)
    for (int t = 0; t < count; t++)
        CPU_UNROLL(6)
    for (int k = 0; k < 6; k++)
        STORE(half + (t * 24 + k) * LANES, m[t][k]);
}

static __attribute__((noinline)) void NAME(products)(const out_row *o, int32_t tile, int32_t count, float *half) {
    switch (count) {
    case 1: NAME(tile_products)(o, tile, 1, half); break;
#if GROUP_IS_5
    case 3: NAME(tile_products)(o, tile, 3, half); break;
    case 4: NAME(tile_products)(o, tile, 4, half); break;
    case 5: NAME(tile_products)(o, tile, 5, half); break;
#endif
    default: NAME(tile_products)(o, tile, 2, half); break;
    }
}

static __attribute__((noinline)) void NAME(products_of_rows)(const out_row *o, int32_t tile, int32_t count,
                                                             float *half) {
    for (int32_t down = 0; down < o->tall; down++)
        switch (count) {
        case 1: NAME(row_products)(o, tile, down, 1, half); break;
#if GROUP_IS_5
        case 3: NAME(row_products)(o, tile, down, 3, half); break;
        case 4: NAME(row_products)(o, tile, down, 4, half); break;
        case 5: NAME(row_products)(o, tile, down, 5, half); break;
#endif
        default: NAME(row_products)(o, tile, down, 2, half); break;
        }
}

/* Four sums of a row of a tile. */
static inline __attribute__((always_inline)) void NAME(sums)(const float *half, VEC y[4]) {
    VEC m[6];
    CPU_UNROLL(6)
    for (int k = 0; k < 6; k++)
        m[k] = LOAD(half + k * LANES);
    NAME(output_line)(m, y);
}

/* ---- without a pool ------------------------------------------------------------------------------------------------------------ */

static inline __attribute__((always_inline)) void NAME(put_tile)(const out_row *o, int32_t tile, const float *half,
                                                                 bool floats) {
    const uint64_t step = o->w->place_step, row = (uint64_t)o->w->dst_w * step;
    const int32_t tall = o->tall, wide = o->wide - tile * 4;
    const vf lowest = o->lowest;
    uint64_t at = o->at + (uint64_t)tile * 4 * step;
    for (int32_t i = 0; i < tall; i++, at += row, half += 6 * LANES) {
        VEC y[4];
        NAME(sums)(half, y);
        float *to = (float *)o->dst + at;
        if (floats && wide >= 4) {
            put_floats(o, to, vf_max(lowest, WIDE(y[0])));
            put_floats(o, to + step, vf_max(lowest, WIDE(y[1])));
            put_floats(o, to + 2 * step, vf_max(lowest, WIDE(y[2])));
            put_floats(o, to + 3 * step, vf_max(lowest, WIDE(y[3])));
            continue;
        }
        CPU_UNROLL(4)
        for (int x = 0; x < 4; x++)
            if (x < wide)
                put(o, at + (uint64_t)x * step, WIDE(y[x]));
    }
}

/* ---- with a pool: lines of it, first down the columns, then along the rows ------------------------------------------------------- */

/* Four more numbers of a line give 4/stride more maxima, the first (side - stride) of which began before them. */
static inline __attribute__((always_inline)) void NAME(pool_line)(const VEC in[4], VEC kept[2], VEC out[4],
                                                                  const int side, const int stride) {
    VEC a = MAX(in[0], in[1]), c = MAX(in[2], in[3]);
    if (side == 2 && stride == 2) {
        out[0] = a, out[1] = c;
    } else if (side == 2) {
        out[0] = MAX(kept[0], in[0]), out[1] = a, out[2] = MAX(in[1], in[2]), out[3] = c;
        kept[0] = in[3];
    } else if (stride == 2) {
        out[0] = MAX(kept[0], in[0]), out[1] = MAX(a, in[2]);
        kept[0] = c;
    } else {
        out[0] = MAX(kept[0], in[0]), out[1] = MAX(kept[1], a), out[2] = MAX(a, in[2]), out[3] = MAX(in[1], c);
        kept[0] = c, kept[1] = in[3];
    }
}

static inline __attribute__((always_inline)) void NAME(pool_tile)(const out_row *o, int32_t tile, const float *half,
                                                                  const int side, const int stride) {
    const int per = 4 / stride, keep = side - stride;
    const uint64_t step = o->w->place_step, row = (uint64_t)o->w->dst_w * step;
    const int32_t first = per * (o->first_tile + tile) - keep, top = per * o->tile_row - keep;
    float *above = o->above + tile * 4 * keep * LANES, *left = o->left;
    VEC y[4][4], line[4][4], out[4], kept[2];
    NAME(sums)(half, y[0]);
    CPU_UNROLL(3)
    for (int i = 1; i < 4; i++) /* past the map there is nothing new */
        if (i < o->tall)
            NAME(sums)(half + i * 6 * LANES, y[i]);
        else
            memcpy(y[i], y[0], sizeof y[i]);
    CPU_UNROLL(4)
    for (int x = 0; x < 4; x++, above += keep * LANES) {
        VEC in[4] = {y[0][x], y[1][x], y[2][x], y[3][x]};
        CPU_UNROLL(4)
        for (int i = 0; i < keep; i++)
            kept[i] = LOAD(above + i * LANES);
        NAME(pool_line)(in, kept, out, side, stride);
        CPU_UNROLL(4)
        for (int i = 0; i < keep; i++)
            STORE(above + i * LANES, kept[i]);
        CPU_UNROLL(4)
        for (int r = 0; r < per; r++)
            line[r][x] = out[r];
    }
    CPU_UNROLL(4)
    for (int r = 0; r < per; r++, left += keep * LANES) {
        CPU_UNROLL(4)
        for (int i = 0; i < keep; i++)
            kept[i] = LOAD(left + i * LANES);
        NAME(pool_line)(line[r], kept, out, side, stride);
        CPU_UNROLL(4)
        for (int i = 0; i < keep; i++)
            STORE(left + i * LANES, kept[i]);
        if (top + r < 0 || top + r >= o->w->dst_h)
            continue;
        CPU_UNROLL(4)
        for (int x = 0; x < per; x++)
            if (first + x >= 0 && first + x < o->w->dst_w)
                put(o, o->at + (uint64_t)(top + r) * row + (uint64_t)(first + x) * step, WIDE(out[x]));
    }
}

/* ---- a block of a tile row, in groups of nearly equal size ----------------------------------------------------------------------- */

static __attribute__((noinline)) void NAME(put_floats)(const out_row *o, int32_t tile, int32_t end) {
    const float *half = o->half;
    for (; tile < end; tile++, half += 24 * LANES)
        NAME(put_tile)(o, tile, half, true);
}
static __attribute__((noinline)) void NAME(put_others)(const out_row *o, int32_t tile, int32_t end) {
    const float *half = o->half;
    for (; tile < end; tile++, half += 24 * LANES)
        NAME(put_tile)(o, tile, half, false);
}
static __attribute__((noinline)) void NAME(pool_2_by_1)(const out_row *o, int32_t tile, int32_t end) {
    const float *half = o->half;
    for (; tile < end; tile++, half += 24 * LANES)
        NAME(pool_tile)(o, tile, half, 2, 1);
}
static __attribute__((noinline)) void NAME(pool_2_by_2)(const out_row *o, int32_t tile, int32_t end) {
    const float *half = o->half;
    for (; tile < end; tile++, half += 24 * LANES)
        NAME(pool_tile)(o, tile, half, 2, 2);
}
static __attribute__((noinline)) void NAME(pool_3_by_1)(const out_row *o, int32_t tile, int32_t end) {
    const float *half = o->half;
    for (; tile < end; tile++, half += 24 * LANES)
        NAME(pool_tile)(o, tile, half, 3, 1);
}
static __attribute__((noinline)) void NAME(pool_3_by_2)(const out_row *o, int32_t tile, int32_t end) {
    const float *half = o->half;
    for (; tile < end; tile++, half += 24 * LANES)
        NAME(pool_tile)(o, tile, half, 3, 2);
}

static finish_tiles *NAME(finish_of)(const out_row *o) {
    const cpu_wino_rows *w = o->w;
    if (w->side == 0)
        return w->dtype == FR_F32 && o->is_plain ? NAME(put_floats) : NAME(put_others);
    if (w->side == 2)
        return w->stride == 1 ? NAME(pool_2_by_1) : NAME(pool_2_by_2);
    return w->stride == 1 ? NAME(pool_3_by_1) : NAME(pool_3_by_2);
}

static void NAME(block_row)(const out_row *o) {
    float *half = o->half;
    finish_tiles *finish = NAME(finish_of)(o);
    int32_t across = (o->wide + 3) / 4, groups = (across + GROUP - 1) / GROUP;
    for (int32_t g = 0; g < groups; g++) {
        int32_t tile = across * g / groups, end = across * (g + 1) / groups;
        if (o->tall > MOST_ROWS)
            NAME(products)(o, tile, end - tile, half);
        else
            NAME(products_of_rows)(o, tile, end - tile, half);
        finish(o, tile, end);
    }
}
