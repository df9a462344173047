/*
 * Rows of numbers that lie beside each other: logits into the user's rows (EMIT), and softmax where a map is one place.
 * Row i is part i % images of input i / images; dst_row - length zeros follow it.
 */
PARAM_STRUCT(rows_params, ROWS_PARAMS)

static inline int rows_of(const rows_params *p, uint8 at)
{
    return p->uses_valid ? min(p->rows, (int)at.s6) : p->rows;
}

static inline int row_at(const rows_params *p, int row)
{
    return row / p->images * p->src_n + row % p->images * p->length;
}

/* VW numbers of the row from i on; past its end, `rest`. */
static inline VEC piece_of(__global const SRC_T *row, int i, float rest, const rows_params *p)
{
    if (i + VW <= p->length)
        return SRC_NUMBER(SRC_LOADV(row, i), p->src_scale);
#if VW > 1
    float lanes[VW];
    for (int k = 0; k < VW; k++)
        lanes[k] = i + k < p->length ? SRC_NUMBER(SRC_LOAD(row, i + k), p->src_scale) : rest;
    return VEC_OF_LANES(lanes);
#else
    return rest;
#endif
}

static inline void put_piece(VEC value, __global DST_T *row, int i, const rows_params *p)
{
    value = DST_STORED(value, p->dst_scale);
    if (i + VW <= p->length) {
        DST_STOREV(value, row, i);
        return;
    }
#if VW > 1
    float lanes[VW];
    LANES_OF_VEC(value, lanes);
    for (int k = 0; i + k < p->length; k++)
        DST_STORE(lanes[k], row, i + k);
#endif
}

#if VW == 1
#define HIGHEST(v) (v)
#define SUM(v) (v)
#else
static inline float highest_lane(VEC v)
{
    float lanes[VW], best;
    LANES_OF_VEC(v, lanes);
    best = lanes[0];
    for (int k = 1; k < VW; k++)
        best = fmax(best, lanes[k]);
    return best;
}
static inline float sum_of_lanes(VEC v)
{
    float lanes[VW], sum = 0.0f;
    LANES_OF_VEC(v, lanes);
    for (int k = 0; k < VW; k++)
        sum += lanes[k];
    return sum;
}
#define HIGHEST highest_lane
#define SUM sum_of_lanes
#endif

/* An item: some rows. */
KERNEL void rows_walk(__global const SRC_T *restrict src, __global DST_T *restrict dst, rows_params p, uint8 at)
{
    const int first = get_global_id(0) * p.rows_each, end = min(first + p.rows_each, rows_of(&p, at));
    for (int r = first; r < end; r++) {
        __global const SRC_T *from = src + at.s0 + row_at(&p, r);
        __global DST_T *to = dst + at.s1 + r * p.dst_row;
        if (p.is_softmax) {
            VEC best = (VEC)(-INFINITY), sum = (VEC)0.0f;
            for (int i = 0; i < p.length; i += VW)
                best = fmax(best, piece_of(from, i, -INFINITY, &p));
            const VEC highest = (VEC)HIGHEST(best);
            for (int i = 0; i < p.length; i += VW)
                sum += exp(piece_of(from, i, -INFINITY, &p) - highest);
            const VEC all = (VEC)SUM(sum);
            for (int i = 0; i < p.length; i += VW)
                put_piece(exp(piece_of(from, i, -INFINITY, &p) - highest) / all, to, i, &p);
        } else {
            for (int i = 0; i < p.length; i += VW)
                put_piece(piece_of(from, i, 0.0f, &p), to, i, &p);
        }
        for (int i = p.length; i < p.dst_row; i++)
            DST_STORE(0.0f, to, i);
    }
}

#if LX > 1
/* A group: one row. */
KERNEL void rows_group(__global const SRC_T *restrict src, __global DST_T *restrict dst, rows_params p, uint8 at)
{
    LOCAL_ARRAY(float, part, LX);
    const int r = get_group_id(0), me = get_local_id(0);
    if (r >= rows_of(&p, at)) /* the whole group */
        return;
    __global const SRC_T *from = src + at.s0 + row_at(&p, r);
    __global DST_T *to = dst + at.s1 + r * p.dst_row;
    float highest = 0.0f, all = 1.0f;
    if (p.is_softmax) {
        float mine = -INFINITY;
        for (int i = me; i < p.length; i += LX)
            mine = fmax(mine, SRC_NUMBER(SRC_LOAD(from, i), p.src_scale));
        part[me] = mine;
        for (int half_way = LX / 2; half_way > 0; half_way /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (me < half_way)
                part[me] = fmax(part[me], part[me + half_way]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        highest = part[0];
        barrier(CLK_LOCAL_MEM_FENCE);
        mine = 0.0f;
        for (int i = me; i < p.length; i += LX)
            mine += exp(SRC_NUMBER(SRC_LOAD(from, i), p.src_scale) - highest);
        part[me] = mine;
        for (int half_way = LX / 2; half_way > 0; half_way /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if (me < half_way)
                part[me] += part[me + half_way];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        all = part[0];
    }
    for (int i = me; i < p.dst_row; i += LX) {
        float value = i < p.length ? SRC_NUMBER(SRC_LOAD(from, i), p.src_scale) : 0.0f;
        if (p.is_softmax && i < p.length)
            value = exp(value - highest) / all;
        DST_STORE(DST_STORED(value, p.dst_scale), to, i);
    }
}
#endif
