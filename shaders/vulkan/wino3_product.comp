/*
 * Winograd's M = U V at one place: a group takes LY blocks of TB tiles and one panel of the weights, PIECE vectors of input
 * channels at a time through shared memory; an item has TB tiles by CB vectors of outputs.
 */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "wino3.glsl"

READS(0, v, F32)
READS(1, w, F32)
WRITES(2, m, F32)

const int PIECE = 4;
#define COLUMNS (LX * CB)
shared vec4 some_v[int(gl_WorkGroupSize.y) * PIECE * TB], some_w[int(gl_WorkGroupSize.x) * PIECE * 4 * CB];

void main() {
    int place = int(gl_WorkGroupID.z), panel = int(gl_WorkGroupID.y), first = GROUP_X * LY;
    int blocks = min(p.blocks - first, LY), item = LOCAL_Y * LX + LOCAL_X;
    int v_at = place * p.v_step + first * p.c_blocks * TB * 4;
    int w_at = (place * p.panels + panel) * p.depth * COLUMNS * 4;
    vec4 sums[CB * TB];
    [[unroll]] for (int i = 0; i < CB * TB; i++)
        sums[i] = vec4(0.0);
    for (int c = 0; c < p.c_blocks; c += PIECE) {
        int count = min(p.c_blocks - c, PIECE);
        for (int t = LOCAL_Y; t < blocks; t += LY)
            for (int i = LOCAL_X; i < count * TB; i += LX)
                some_v[t * PIECE * TB + i] = v_loadv(v_at + ((t * p.c_blocks + c) * TB + i) * 4);
        for (int i = item; i < count * 4 * COLUMNS; i += LX * LY)
            some_w[i] = w_loadv(w_at + (c * 4 * COLUMNS + i) * 4);
        barrier();
        for (int k = 0; k < count; k++) {
            vec4 x[TB];
            [[unroll]] for (int t = 0; t < TB; t++)
                x[t] = some_v[(LOCAL_Y * PIECE + k) * TB + t];
            [[unroll]] for (int j = 0; j < 4; j++)
                [[unroll]] for (int b = 0; b < CB; b++) {
                    vec4 u = some_w[(k * 4 + j) * COLUMNS + LOCAL_X * CB + b];
                    [[unroll]] for (int t = 0; t < TB; t++)
                        sums[b * TB + t] = fma(vec4(x[t][j]), u, sums[b * TB + t]);
                }
        }
        barrier();
    }
    if (LOCAL_Y < blocks) {
        int to = place * p.m_step + (first + LOCAL_Y) * TB * p.m_tile + (panel * COLUMNS + LOCAL_X * CB) * 4;
        [[unroll]] for (int t = 0; t < TB; t++)
            [[unroll]] for (int b = 0; b < CB; b++)
                m_storev(to + t * p.m_tile + b * 4, sums[b * TB + t]);
    }
}
