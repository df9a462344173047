/*
 * The pool of a convolution's epilogue, from a part of its map in local memory: [row][x][WIDE] from (row, col) of the map on,
 * `pitch` places a row.
 */
#define WIDE (TILE_CB * VW) /* outputs of a tile */

typedef struct pool_view {
    int kind, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, map_h, map_w, is_inside;
} pool_view;
#define POOL_VIEW(p)                                                                                                     \
    MAKE(pool_view, p.pool, p.pool_kh, p.pool_kw, p.pool_sh, p.pool_sw, p.pool_dh, p.pool_dw, p.pool_pt, p.pool_pl, \
         p.pool_pb, p.pool_pr, p.map_h, p.map_w, p.pool_is_inside)

typedef struct map_part {
    int row, col, pitch;
} map_part;

/* A window whose corner is (top, left) of the map: what of it is inside. */
static inline VEC pool_window(const __local float *map, pool_view p, map_part part, int top, int left) {
    int y_begin = top < 0 ? (-top + p.dh - 1) / p.dh : 0, y_end = min(p.kh, (p.map_h - top + p.dh - 1) / p.dh);
    int x_begin = left < 0 ? (-left + p.dw - 1) / p.dw : 0, x_end = min(p.kw, (p.map_w - left + p.dw - 1) / p.dw);
    VEC total = (VEC)(p.kind == 1 ? -INFINITY : 0.0f);
    for (int ky = y_begin; ky < y_end; ky++) {
        const __local float *row = map + ((top + ky * p.dh - part.row) * part.pitch + left - part.col) * WIDE;
        for (int kx = x_begin; kx < x_end; kx++) {
            VEC v = LOADV_WHOLE(row, kx * p.dw * WIDE);
            total = p.kind == 1 ? LARGER(v, total) : total + v;
        }
    }
    if (p.kind == 1)
        return total;
    int count = max(y_end - y_begin, 0) * max(x_end - x_begin, 0);
    if (p.kind == 3) /* the padding counts too */
        count = min(p.kh, (p.map_h + p.pb - top + p.dh - 1) / p.dh) * min(p.kw, (p.map_w + p.pr - left + p.dw - 1) / p.dw);
    return count > 0 ? total / (float)count : (VEC)0.0f;
}

/* The usual pool: max, all windows inside the map, not dilated. */
static inline VEC pool_inside(const __local float *corner, pool_view p, int pitch) {
    VEC best = LOADV_WHOLE(corner, 0);
    for (int ky = 0; ky < p.kh; ky++)
        for (int kx = 0; kx < p.kw; kx++) {
            VEC v = LOADV_WHOLE(corner, (ky * pitch + kx) * WIDE);
            best = LARGER(v, best);
        }
    return best;
}

/* Place (y, x) of the result; map: the vector's own first lane. */
static inline VEC pool_at(const __local float *map, pool_view p, map_part part, int y, int x) {
    int top = y * p.sh - p.pt, left = x * p.sw - p.pl;
    return p.is_inside ? pool_inside(map + ((top - part.row) * part.pitch + left - part.col) * WIDE, p, part.pitch)
                       : pool_window(map, p, part, top, left);
}
