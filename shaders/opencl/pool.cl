/*
 * Pools. A map is walked in groups of VW channels (see backends/gpu/maps.h); group g of input n is map n * groups + g.
 * Rows and columns of a window count as the map's, the padding's, or neither: past the padded edge a window is clipped.
 */
PARAM_STRUCT(pool_params, POOL_PARAMS)

enum { POOL_MAX = 1, POOL_AVG = 2, POOL_AVG_INCLUDE_PAD = 3 };

typedef struct { /* one map of each side: where its first number is */
    int c, src, dst;
    bool is_stored; /* src has it: a wider block of dst may end later */
} pool_map;

static inline pool_map map_of(const pool_params *p, int map)
{
    pool_map m;
    const int n = map / p->groups;
    m.c = map % p->groups * VW;
    m.src = MAP_AT((*p), src, n, m.c, 0, 0);
    m.dst = MAP_AT((*p), dst, n, m.c, 0, 0);
    m.is_stored = m.c < p->channels;
    return m;
}

/* sum / count, rounded to nearest: a division may be a few units off elsewhere. */
static inline VEC mean_of(VEC sum, int count)
{
    const VEC by = (VEC)(float)count, part = (VEC)(1.0f / (float)count), near = sum * part;
    return fma(fma(-near, by, sum), part, near);
}

static inline void put(__global DST_T *dst, int at, VEC value, int c, const pool_params *p)
{
    DST_STOREV(DST_STORED(KEEP_LANES(value, p->channels - c), p->dst_scale), dst, at);
}

/* Steps of `dilation` until `from` is at least 0, and how many of them are below `end`. */
static inline int first_inside(int from, int dilation) { return from < 0 ? (dilation - 1 - from) / dilation : 0; }
static inline int count_below(int from, int dilation, int end)
{
    return from < end ? (end - from + dilation - 1) / dilation : 0;
}

/* A window of any shape. */
static inline VEC window_at(__global const SRC_T *map, const pool_params *p, int oy, int ox)
{
    const int top = oy * p->win_sh - p->win_pt, left = ox * p->win_sw - p->win_pl;
    const int y0 = first_inside(top, p->win_dh), x0 = first_inside(left, p->win_dw);
    const int y1 = min(p->win_kh, count_below(top, p->win_dh, p->h));
    const int x1 = min(p->win_kw, count_below(left, p->win_dw, p->w));
    const bool is_max = p->kind == POOL_MAX;
    VEC best = (VEC)(-INFINITY), sum = (VEC)0.0f;
    for (int ky = y0; ky < y1; ky++) {
        __global const SRC_T *row = map + (top + ky * p->win_dh) * p->src_y + left * p->src_x;
        const int step = p->win_dw * p->src_x;
        if (is_max)
            for (int kx = x0; kx < x1; kx++)
                best = fmax(best, SRC_LOADV(row, kx * step));
        else
            for (int kx = x0; kx < x1; kx++)
                sum += SRC_LOADV(row, kx * step);
    }
    if (is_max)
        return SRC_NUMBER(best, p->src_scale);
    int count = max(y1 - y0, 0) * max(x1 - x0, 0);
    if (p->kind == POOL_AVG_INCLUDE_PAD)
        count = min(p->win_kh, count_below(top, p->win_dh, p->padded_h)) *
                min(p->win_kw, count_below(left, p->win_dw, p->padded_w));
    return count > 0 ? mean_of(SRC_NUMBER(sum, p->src_scale), count) : (VEC)0.0f;
}

/* An item: `planes_each` maps, `rows_each` rows of them. */
KERNEL void pool_walk(__global const SRC_T *restrict src, __global DST_T *restrict dst, pool_params p, uint8 at)
{
    const int first = get_global_id(0) * p.planes_each, end = min(first + p.planes_each, p.planes);
    const int y0 = get_global_id(1) * p.rows_each, y1 = min(y0 + p.rows_each, p.out_h);
    src += at.s0;
    dst += at.s1;
    for (int map = first; map < end; map++) {
        const pool_map m = map_of(&p, map);
        for (int y = y0; y < y1; y++)
            for (int x = 0; x < p.out_w; x++)
                put(dst, m.dst + y * p.dst_y + x * p.dst_x, m.is_stored ? window_at(src + m.src, &p, y, x) : (VEC)0.0f,
                    m.c, &p);
    }
}

/* An item: one vector. */
KERNEL void pool_item(__global const SRC_T *restrict src, __global DST_T *restrict dst, pool_params p, uint8 at)
{
    int i = get_global_id(0), g = 0;
    if (i >= p.planes * p.out_h * p.out_w)
        return;
    if (p.is_nhwc) { /* neighbours in memory are neighbours here */
        g = i % p.groups;
        i /= p.groups;
    }
    const int x = i % p.out_w, y = i / p.out_w % p.out_h, map = i / p.out_w / p.out_h;
    const pool_map m = map_of(&p, p.is_nhwc ? map * p.groups + g : map);
    put(dst + at.s1, m.dst + y * p.dst_y + x * p.dst_x,
        m.is_stored ? window_at(src + at.s0 + m.src, &p, y, x) : (VEC)0.0f, m.c, &p);
}

#ifdef SLIDE_K
/*
 * MAX over SLIDE_K x SLIDE_K with stride SLIDE_S, along a row of outputs: the maxima of the columns that the next window
 * shares stay in registers. Each window holds a place of the map: what lies outside is read as the nearest place inside.
 */
#define SHARED (SLIDE_K - SLIDE_S)

static inline VEC column_of(__global const SRC_T *const *rows, int at)
{
    VEC best = SRC_LOADV(rows[0], at);
#pragma unroll
    for (int k = 1; k < SLIDE_K; k++)
        best = fmax(best, SRC_LOADV(rows[k], at));
    return best;
}

KERNEL void pool_slide(__global const SRC_T *restrict src, __global DST_T *restrict dst, pool_params p, uint8 at)
{
    const int first = get_global_id(0) * p.planes_each, end = min(first + p.planes_each, p.planes);
    const int y0 = get_global_id(1) * p.rows_each, y1 = min(y0 + p.rows_each, p.out_h);
    src += at.s0;
    dst += at.s1;
    for (int map = first; map < end; map++) {
        const pool_map m = map_of(&p, map);
        for (int y = y0; y < y1; y++) {
            __global const SRC_T *rows[SLIDE_K];
            VEC column[SLIDE_K];
#pragma unroll
            for (int k = 0; k < SLIDE_K; k++)
                rows[k] = src + (m.is_stored ? m.src : 0) + clamp(y * SLIDE_S - p.win_pt + k, 0, p.h - 1) * p.src_y;
#pragma unroll
            for (int k = 0; k < SHARED; k++)
                column[k] = column_of(rows, clamp(k - p.win_pl, 0, p.w - 1) * p.src_x);
            for (int x = 0; x < p.out_w; x++) {
#pragma unroll
                for (int k = SHARED; k < SLIDE_K; k++)
                    column[k] = column_of(rows, clamp(x * SLIDE_S - p.win_pl + k, 0, p.w - 1) * p.src_x);
                VEC best = column[0];
#pragma unroll
                for (int k = 1; k < SLIDE_K; k++)
                    best = fmax(best, column[k]);
                put(dst, m.dst + y * p.dst_y + x * p.dst_x, SRC_NUMBER(best, p.src_scale), m.c, &p);
#pragma unroll
                for (int k = 0; k < SHARED; k++)
                    column[k] = column[k + SLIDE_S];
            }
        }
    }
}
#endif

#if LX > 1
/* A window as large as the map: a group reduces one map. */
KERNEL void pool_group(__global const SRC_T *restrict src, __global DST_T *restrict dst, pool_params p, uint8 at)
{
    LOCAL_ARRAY(VEC, part, LX);
    const pool_map m = map_of(&p, get_group_id(0));
    const int me = get_local_id(0);
    const bool is_max = p.kind == POOL_MAX;
    VEC mine = is_max ? (VEC)(-INFINITY) : (VEC)0.0f;
    if (m.is_stored)
        for (int i = me; i < p.h * p.w; i += LX) {
            const VEC value = SRC_LOADV(src + at.s0, m.src + i / p.w * p.src_y + i % p.w * p.src_x);
            mine = is_max ? fmax(mine, value) : mine + value;
        }
    part[me] = mine;
    for (int half_way = LX / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < half_way)
            part[me] = is_max ? fmax(part[me], part[me + half_way]) : part[me] + part[me + half_way];
    }
    if (me == 0) {
        const VEC all = SRC_NUMBER(part[0], p.src_scale);
        put(dst + at.s1, m.dst, is_max ? all : mean_of(all, p.h * p.w), m.c, &p);
    }
}
#endif
