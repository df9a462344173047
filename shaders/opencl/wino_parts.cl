/*
 * What Winograd in one kernel (wino.cl) and in three (wino3.cl) have in common. WINO_OUT outputs a side of a tile; a
 * product's register tile is TB tiles x CB vectors of output channels; LX items lie along the LX * CB vectors of a
 * panel of the weights.
 *
 * V is [place][tile / TB][block of channels][tile % TB][VW], M is [place][tile][channel]: of a group's tiles, in
 * local memory, or (STAGES == 3) of all tiles, in global memory.
 */
// needs: wino_transforms
#define WINO_VEC VEC
#define WINO_FMA(a, b, c) fma(a, b, c)
#define WINO_ALL(x) ((VEC)(x))

#define ITEMS (LX * LY)
#define COLUMNS (LX * CB)
#define PANEL (COLUMNS * VW)

/* One item sees its own writes in order, and needs no barrier. */
#if ITEMS == 1
#define ITEM_X 0
#define ITEM_Y 0
#define SYNC
#else
#define ITEM_X ((int)get_local_id(0))
#define ITEM_Y ((int)get_local_id(1))
#define SYNC barrier(CLK_LOCAL_MEM_FENCE);
#endif

#if STAGES == 3
#define PLACE_SPACE __global
#else
#define PLACE_SPACE __local
#endif

PARAM_STRUCT(wino_params, WINO_PARAMS)

typedef struct {
    int image, images;        /* of the group */
    int y, x, rows, cols;     /* its part of the conv's map */
    int down, across, blocks; /* tiles of an image, and TB-blocks of all tiles */
} part;

static inline part part_of(const wino_params *p) {
    part g;
    int y0 = (int)get_group_id(1) * p->strip_h, y1 = min(y0 + p->strip_h, p->dst_h);
    int x0 = (int)get_group_id(0) * p->strip_w, x1 = min(x0 + p->strip_w, p->dst_w);
    g.image = (int)get_group_id(2) * p->images;
    g.images = min(p->images, p->n - g.image);
    if (p->pool) { /* every window has a place on the map, so the part has one too: see fit() */
        y1 = min((y1 - 1) * p->k_sh - p->k_pt + p->k_kh, p->map_h);
        x1 = min((x1 - 1) * p->k_sw - p->k_pl + p->k_kw, p->map_w);
        y0 = max(y0 * p->k_sh - p->k_pt, 0);
        x0 = max(x0 * p->k_sw - p->k_pl, 0);
    }
    g.y = y0;
    g.x = x0;
    g.rows = y1 - y0;
    g.cols = x1 - x0;
    g.down = (g.rows + WINO_OUT - 1) / WINO_OUT;
    g.across = (g.cols + WINO_OUT - 1) / WINO_OUT;
    g.blocks = (g.images * g.down * g.across + TB - 1) / TB;
    return g;
}

/* The tile `step` on: no divisions. */
typedef struct {
    int x, y, z;
} place;

static inline void advance(place *at, int step, const part *g) {
    at->x += step;
    while (at->x >= g->across) {
        at->x -= g->across;
        if (++at->y == g->down) {
            at->y = 0;
            at->z++;
        }
    }
}

/* Its place in V and M. */
static inline int tile_of(const wino_params *p, const part *g, int image, int y, int x) {
#if STAGES == 3
    return ((g->image + image) * p->down + g->y / WINO_OUT + y) * p->across + g->x / WINO_OUT + x;
#else
    return (image * g->down + y) * g->across + x;
#endif
}

/* ---- V --------------------------------------------------------------------------------------------------- */

static inline void stage(const __global SRC_T *src, const wino_params *p, const part *g, int image, int block,
                         __local float *to) {
    int tall = g->down * WINO_OUT + 2, wide = g->across * WINO_OUT + 2;
    int top = g->y - p->pad_top, left = g->x - p->pad_left;
    int begin = max(-left, 0), end = min(p->w - left, wide);
    src += ((g->image + image) * p->c_blocks + block) * p->h * p->w * VW;
    for (int y = ITEM_Y; y < tall; y += LY) {
        bool inside = top + y >= 0 && top + y < p->h;
        int x = ITEM_X, first = inside ? begin : wide, last = inside ? end : wide;
        int from = ((top + y) * p->w + left) * VW;
        __local float *row = to + y * wide * VW;
        for (; x < first; x += LX)
            STOREV_WHOLE((VEC)(0.0f), row, x * VW);
        for (; x < last; x += LX)
            STOREV_WHOLE(SRC_LOADV(src, from + x * VW), row, x * VW);
        for (; x < wide; x += LX)
            STOREV_WHOLE((VEC)(0.0f), row, x * VW);
    }
}

static inline void input_tile(const __local float *from, int row_step, PLACE_SPACE float *v, int v_step) {
    VEC half_done[WINO_IN][WINO_IN];
#pragma unroll
    for (int x = 0; x < WINO_IN; x++) {
        VEC d[WINO_IN], t[WINO_IN];
#pragma unroll
        for (int y = 0; y < WINO_IN; y++)
            d[y] = LOADV_WHOLE(from, y * row_step + x * VW);
        WINO_INPUT(d, t)
#pragma unroll
        for (int y = 0; y < WINO_IN; y++)
            half_done[y][x] = t[y];
    }
#pragma unroll
    for (int y = 0; y < WINO_IN; y++) {
        VEC t[WINO_IN];
        WINO_INPUT(half_done[y], t)
#pragma unroll
        for (int x = 0; x < WINO_IN; x++)
            STOREV_WHOLE(t[x], v, (y * WINO_IN + x) * v_step);
    }
}

static inline void make_v(const __global SRC_T *src, const wino_params *p, const part *g, __local float *room,
                          PLACE_SPACE float *v) {
    int wide = (g->across * WINO_OUT + 2) * VW, staged = (g->down * WINO_OUT + 2) * wide;
    for (int image = 0; image < g->images; image++)
        for (int block = 0; block < p->c_blocks; block += p->stage_blocks) {
            int blocks = min(p->stage_blocks, p->c_blocks - block);
            for (int b = 0; b < blocks; b++)
                stage(src, p, g, image, block + b, room + b * staged);
            SYNC
            place at = {0, 0, 0}; /* z is the block */
            for (advance(&at, ITEM_Y * LX + ITEM_X, g); at.z < blocks; advance(&at, ITEMS, g)) {
                int tile = tile_of(p, g, image, at.y, at.x);
                input_tile(room + at.z * staged + (at.y * wide + at.x * VW) * WINO_OUT, wide,
                           v + ((tile / TB * p->c_blocks + block + at.z) * TB + tile % TB) * VW, p->v_step);
            }
            SYNC
        }
}

/* ---- M ---------------------------------------------------------------------------------------------------- */

#if STAGES == 3 && ITEMS > 1 /* through local memory, a piece of the channels at a time */
#define FACTOR_SPACE __local
#define WEIGHT_SPACE __local
#else
#define FACTOR_SPACE PLACE_SPACE
#define WEIGHT_SPACE __global
#endif

/* Adds the products of `depth` channels: v [depth / VW][TB][VW], w [depth][PANEL]. */
static inline void product(VEC acc[CB][TB], const FACTOR_SPACE float *v, const WEIGHT_SPACE float *w, int depth) {
    for (int left = depth; left > 0; left -= VW, v += TB * VW)
        for (int c = 0; c < min(left, VW); c += 4, w += 4 * PANEL) {
#pragma unroll
            for (int j = 0; j < 4; j++) {
                VEC u[CB];
#pragma unroll
                for (int b = 0; b < CB; b++)
                    u[b] = LOADV_WHOLE(w, j * PANEL + b * VW);
#pragma unroll
                for (int k = 0; k < TB; k++) {
                    VEC x = (VEC)(v[k * VW + c + j]);
#pragma unroll
                    for (int b = 0; b < CB; b++)
                        acc[b][k] = fma(x, u[b], acc[b][k]);
                }
            }
        }
}

#define SUMS_BEGIN                      \
    VEC acc[CB][TB];                    \
    _Pragma("unroll")                   \
    for (int b = 0; b < CB; b++)        \
        _Pragma("unroll")               \
        for (int k = 0; k < TB; k++)    \
            acc[b][k] = (VEC)(0.0f);

#define SUMS_END(m, step)               \
    _Pragma("unroll")                   \
    for (int k = 0; k < TB; k++)        \
        _Pragma("unroll")               \
        for (int b = 0; b < CB; b++)    \
            STOREV_WHOLE(acc[b][k], m, k * (step) + b * VW);

/* ---- Y ---------------------------------------------------------------------------------------------------- */

/* Activations that are no clamps are long: written once, in a loop over the tile's sums, which wait where M was. */
#if CLAMPS
#define FINISH(x) min(max(x, low), high)
#else
#define FINISH(x) act_vector(x, p->act, p->act_a, p->act_b)
#endif

/* One output of the tile: bias, residual, activation; the padding of the channels stays zero. */
#define PUT(y, x, value)                                                 \
    {                                                                    \
        VEC sum = (value) + shift;                                       \
        if (p->has_residual)                                             \
            sum += SRC_LOADV(residual, to + ((y) * p->map_w + (x)) * VW); \
        sum = select((VEC)(0.0f), FINISH(sum), real);                    \
        if (p->pool)                                                     \
            STOREV_WHOLE(sum, map, ((y) * g->cols + (x)) * VW);          \
        else                                                             \
            DST_STOREV(sum, dst, to + ((y) * p->map_w + (x)) * VW);      \
    }

/* Of the vectors first..last of the output channels; M and the maps for the pool begin with the first of them. */
static inline void make_y(const __global float *bias, const __global SRC_T *residual, __global DST_T *dst,
                          const wino_params *p, const part *g, int first, int last, PLACE_SPACE float *all_m,
                          __local float *maps) {
#if CLAMPS
    const VEC low = (VEC)(p->act == 1 ? 0.0f : p->act == 2 ? p->act_a : -INFINITY);
    const VEC high = (VEC)(p->act == 2 ? p->act_b : INFINITY);
#endif
    for (int b = ITEM_X; b < last - first; b += LX) {
        int block = first + b;
        VEC shift = LOADV_WHOLE(bias, block * VW);
        const IVEC real = LANES < (IVEC)(p->out_c - block * VW); /* the others are padding */
        place at = {0, 0, 0}; /* z is the image */
        for (advance(&at, ITEM_Y, g); at.z < g->images; advance(&at, LY, g)) {
            int tile = tile_of(p, g, at.z, at.y, at.x), y0 = at.y * WINO_OUT, x0 = at.x * WINO_OUT;
            int tall = min(g->rows - y0, WINO_OUT), wide = min(g->cols - x0, WINO_OUT);
            int to = ((((g->image + at.z) * p->out_blocks + block) * p->map_h + g->y + y0) * p->map_w + g->x + x0) * VW;
            __local float *map = maps + (((at.z * COLUMNS + b) * g->rows + y0) * g->cols + x0) * VW;
            PLACE_SPACE float *m = all_m + tile * p->m_tile + b * VW;
            VEC half_done[WINO_OUT][WINO_IN];
#pragma unroll
            for (int x = 0; x < WINO_IN; x++) {
                VEC d[WINO_IN], t[WINO_OUT];
#pragma unroll
                for (int y = 0; y < WINO_IN; y++)
                    d[y] = LOADV_WHOLE(m, (y * WINO_IN + x) * p->m_step);
                WINO_OUTPUT(d, t)
#pragma unroll
                for (int y = 0; y < WINO_OUT; y++)
                    half_done[y][x] = t[y];
            }
#pragma unroll
            for (int y = 0; y < WINO_OUT; y++) {
                VEC t[WINO_OUT];
                WINO_OUTPUT(half_done[y], t)
#pragma unroll
                for (int x = 0; x < WINO_OUT; x++)
                    if (CLAMPS && y < tall && x < wide)
                        PUT(y, x, t[x])
                    else if (!CLAMPS)
                        STOREV_WHOLE(t[x], m, (y * WINO_OUT + x) * p->m_step);
            }
#if !CLAMPS
            for (int y = 0; y < tall; y++)
                for (int x = 0; x < wide; x++)
                    PUT(y, x, LOADV_WHOLE(m, (y * WINO_OUT + x) * p->m_step))
#endif
        }
    }
}
