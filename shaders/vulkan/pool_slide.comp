#version 450
#extension GL_GOOGLE_include_directive : require
/*
 * MAX over SLIDE_K x SLIDE_K with stride SLIDE_S, from texels: an item is two by two vectors, whose windows share what
 * they read. Each window holds a place of the map: what lies outside is read as the nearest place inside.
 */
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(POOL_PARAMS)
TEXELS(0, src)

#include "pool.glsl"

const int SIDE = SLIDE_K + SLIDE_S;

void main() {
    pool_item item;
    if (!find_item((p.out_h + 1) >> 1, (p.out_w + 1) >> 1, item))
        return;
    const int y = item.y * 2, x = item.x * 2, top = y * SLIDE_S - p.win_pt, left = x * SLIDE_S - p.win_pl;
    const int map = src_first_place(item.n, item.c < p.channels ? item.c : 0); /* a wider block of dst may end later */
    int column[SIDE];
    [[unroll]] for (int k = 0; k < SIDE; k++)
        column[k] = map + clamp(left + k, 0, p.w - 1) * p.src_x;
    vec4 best[4];
    [[unroll]] for (int row = 0; row < SIDE; row++) {
        const int at = clamp(top + row, 0, p.h - 1) * p.src_y;
        vec4 number[SIDE];
        [[unroll]] for (int k = 0; k < SIDE; k++)
            number[k] = src_loadv(at + column[k]);
        [[unroll]] for (int side = 0; side < 2; side++) {
            vec4 highest = number[side * SLIDE_S];
            [[unroll]] for (int k = 1; k < SLIDE_K; k++)
                highest = max(highest, number[side * SLIDE_S + k]);
            if (row < SLIDE_K)
                best[side] = row == 0 ? highest : max(best[side], highest);
            if (row >= SLIDE_S)
                best[2 + side] = row == SLIDE_S ? highest : max(best[2 + side], highest);
        }
    }
    const int to = dst_first_place(item.n, item.c) + y * p.dst_y + x * p.dst_x;
    [[unroll]] for (int k = 0; k < 4; k++)
        if (y + k / 2 < p.out_h && x + k % 2 < p.out_w)
            dst_put(to + k / 2 * p.dst_y + k % 2 * p.dst_x,
                    STORED(DST_DTYPE, keep_lanes(best[k], p.channels - item.c), p.dst_scale));
}
