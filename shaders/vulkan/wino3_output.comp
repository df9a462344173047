/* Winograd's outputs of M, for a rectangle of tiles: bias, residual, activation. An item takes a tile's vector at a time. */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "wino3.glsl"

WRITES(0, m, F32)
READS(1, w, F32)
READS(2, res, SRC_DTYPE)
WRITES(3, dst, DST_DTYPE)

vec4 m_at(int i) {
    return m_f32v[(i + AT(0)) >> 2];
}

/* One output: bias and residual come before the activation; the padding of the channels stays zero. */
void put(int to, vec4 sum, vec4 shift, int real) {
    sum += shift;
    if (p.has_residual != 0)
        sum += res_loadv(to);
    dst_storev(to, keep_lanes(ACTIVATE(sum, p), real));
}

/* The outputs wait where M was, so that what follows the transform is written once. */
#define WINO_FUNCTION(out)                                                                           \
    void output_tile##out(int from) {                                                                \
        vec4 half_done[WINO_OUT * WINO_IN];                                                          \
        [[unroll]] for (int x = 0; x < WINO_IN; x++) {                                               \
            vec4 d[WINO_IN], t[WINO_OUT];                                                            \
            [[unroll]] for (int y = 0; y < WINO_IN; y++)                                             \
                d[y] = m_at(from + (y * WINO_IN + x) * p.m_step);                                    \
            WINO_OUTPUT(d, t)                                                                        \
            [[unroll]] for (int y = 0; y < WINO_OUT; y++)                                            \
                half_done[y * WINO_IN + x] = t[y];                                                   \
        }                                                                                            \
        [[unroll]] for (int y = 0; y < WINO_OUT; y++) {                                              \
            vec4 d[WINO_IN], t[WINO_OUT];                                                            \
            [[unroll]] for (int x = 0; x < WINO_IN; x++)                                             \
                d[x] = half_done[y * WINO_IN + x];                                                   \
            WINO_OUTPUT(d, t)                                                                        \
            [[unroll]] for (int x = 0; x < WINO_OUT; x++)                                            \
                m_storev(from + (y * WINO_OUT + x) * p.m_step, t[x]);                                \
        }                                                                                            \
    }
#include "wino3_both.glsl"

void main() {
    part g = part_of();
    for (int block = LOCAL_X; block < p.out_blocks; block += LX) {
        vec4 shift = w_loadv(p.bias_at + block * 4);
        for (int i = LOCAL_Y; i < g.down * g.across; i += LY) {
            int tile_y = i / g.across, tile_x = i - tile_y * g.across, y0 = tile_y * OUTPUTS, x0 = tile_x * OUTPUTS;
            int from = tile_of(g, tile_y, tile_x) * p.m_tile + block * 4;
            int to = ((g.image * p.out_blocks + block) * p.map_h + g.y + y0) * p.map_w + g.x + x0;
            if (OUTPUTS == 4)
                output_tile4(from);
            else
                output_tile2(from);
            for (int y = 0; y < min(g.rows - y0, OUTPUTS); y++)
                for (int x = 0; x < min(g.cols - x0, OUTPUTS); x++)
                    put((to + y * p.map_w + x) * 4, m_at(from + (y * OUTPUTS + x) * p.m_step), shift,
                        p.out_c - block * 4);
        }
    }
}
