/* Winograd's V of a rectangle of tiles, to scratch. An item takes a tile's block of channels at a time. */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "wino3.glsl"

READS(0, src, SRC_DTYPE)
WRITES(1, v, F32)

#define WINO_FUNCTION(out)                                                                           \
    void input_tile##out(int plane, int top, int left, int to) {                                     \
        vec4 half_done[WINO_PLACES];                                                                 \
        [[unroll]] for (int x = 0; x < WINO_IN; x++) {                                               \
            vec4 d[WINO_IN], t[WINO_IN];                                                             \
            [[unroll]] for (int y = 0; y < WINO_IN; y++) {                                           \
                bool inside = top + y >= 0 && top + y < p.h && left + x >= 0 && left + x < p.w;      \
                d[y] = inside ? src_loadv((plane + (top + y) * p.w + left + x) * 4) : vec4(0.0);     \
            }                                                                                        \
            WINO_INPUT(d, t)                                                                         \
            [[unroll]] for (int y = 0; y < WINO_IN; y++)                                             \
                half_done[y * WINO_IN + x] = t[y];                                                   \
        }                                                                                            \
        [[unroll]] for (int y = 0; y < WINO_IN; y++) {                                               \
            vec4 d[WINO_IN], t[WINO_IN];                                                             \
            [[unroll]] for (int x = 0; x < WINO_IN; x++)                                             \
                d[x] = half_done[y * WINO_IN + x];                                                   \
            WINO_INPUT(d, t)                                                                         \
            [[unroll]] for (int x = 0; x < WINO_IN; x++)                                             \
                v_storev(to + (y * WINO_IN + x) * p.v_step, t[x]);                                   \
        }                                                                                            \
    }
#include "wino3_both.glsl"

void main() {
    part g = part_of();
    int tiles = g.down * g.across;
    for (int i = LOCAL_Y * LX + LOCAL_X; i < tiles * p.c_blocks; i += LX * LY) {
        int block = i / tiles, y = (i - block * tiles) / g.across, x = i - block * tiles - y * g.across;
        int tile = tile_of(g, y, x), plane = (g.image * p.c_blocks + block) * p.h * p.w;
        int top = g.y + y * OUTPUTS - p.pad_top, left = g.x + x * OUTPUTS - p.pad_left;
        int to = ((tile / TB * p.c_blocks + block) * TB + tile % TB) * 4;
        if (OUTPUTS == 4)
            input_tile4(plane, top, left, to);
        else
            input_tile2(plane, top, left, to);
    }
}
