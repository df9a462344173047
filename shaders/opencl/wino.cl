/*
 * Winograd, fused: see backends/gpu/wino.c for what a group takes. LY items lie along the places of a tile.
 * Local memory: staged inputs with their padding, V, M of one panel, and the panel's maps for the pool
 * [image][vector][y][x][VW].
 */
// needs: wino_parts
static inline void make_m(const __global float *w, const wino_params *p, const part *g, int pass,
                          __local float *room) {
    int column = ITEM_X * CB * VW, panel = p->depth * PANEL, place_step = p->panels * panel;
    for (int pos = ITEM_Y; pos < WINO_PLACES; pos += LY)
        for (int t = 0; t < g->blocks; t++) {
            SUMS_BEGIN
            product(acc, room + p->v_at + pos * p->v_step + t * p->c_blocks * TB * VW,
                    w + pos * place_step + pass * panel + column, p->depth);
            SUMS_END(room + p->m_at + pos * p->m_step + t * TB * PANEL + column, PANEL)
        }
}

/* ---- the pool ----------------------------------------------------------------------------------------------- */

/* Windows are clipped by the map; the part holds all that is left of those of its own outputs. */
static inline VEC pool_at(const __local float *map, const wino_params *p, const part *g, int y, int x) {
    int top = y * p->k_sh - p->k_pt, left = x * p->k_sw - p->k_pl;
    int y0 = max(top, 0), y1 = min(top + p->k_kh, p->map_h), x0 = max(left, 0), x1 = min(left + p->k_kw, p->map_w);
    VEC best = (VEC)(-INFINITY), sum = (VEC)(0.0f);
    for (int r = y0 - g->y; r < y1 - g->y; r++)
        for (int c = x0 - g->x; c < x1 - g->x; c++) {
            VEC value = LOADV_WHOLE(map, (r * g->cols + c) * VW);
            best = max(best, value);
            sum += value;
        }
    if (p->pool == 1)
        return best;
    if (p->pool == 3) { /* the padding counts too, what lies past it does not */
        y1 = min(top + p->k_kh, p->map_h + p->k_pb);
        x1 = min(left + p->k_kw, p->map_w + p->k_pr);
        y0 = top;
        x0 = left;
    }
    return sum / (float)((y1 - y0) * (x1 - x0));
}

static inline void make_pool(__global DST_T *dst, const wino_params *p, const part *g, int pass, __local float *room) {
    int y0 = (int)get_group_id(1) * p->strip_h, y1 = min(y0 + p->strip_h, p->dst_h);
    int x0 = (int)get_group_id(0) * p->strip_w, x1 = min(x0 + p->strip_w, p->dst_w);
    for (int image = 0; image < g->images; image++)
        for (int b = 0; b < COLUMNS && pass * COLUMNS + b < p->out_blocks; b++) {
            const __local float *map = room + p->map_at + (image * COLUMNS + b) * g->rows * g->cols * VW;
            int to = ((g->image + image) * p->out_blocks + pass * COLUMNS + b) * p->dst_h * p->dst_w * VW;
            for (int y = y0 + ITEM_Y; y < y1; y += LY)
                for (int x = x0 + ITEM_X; x < x1; x += LX)
                    DST_STOREV(pool_at(map, p, g, y, x), dst, to + (y * p->dst_w + x) * VW);
        }
}

KERNEL void wino(const __global SRC_T *src, const __global float *w, const __global SRC_T *residual,
                 __global DST_T *dst, const wino_params params, const uint8 at) {
    LOCAL_ARRAY(float, room, ROOM) __attribute__((aligned(64)));
    const wino_params *p = &params;
    const part g = part_of(p);
    w += at.s1;
    make_v(src + at.s0, p, &g, room, room + p->v_at);
    for (int pass = 0; pass < p->panels; pass++) {
        int first = pass * COLUMNS, last = min(first + COLUMNS, p->out_blocks);
        make_m(w, p, &g, pass, room);
        SYNC
        make_y(w + p->bias_at, residual + at.s2, dst + at.s3, p, &g, first, last, room + p->m_at, room + p->map_at);
        SYNC
        if (p->pool) {
            make_pool(dst + at.s3, p, &g, pass, room);
            SYNC
        }
    }
}
