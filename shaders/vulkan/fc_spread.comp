#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
/* A group is a subgroup: TILE_CB vec4 of outputs of TILE_PX * SUBGROUP rows, TILE_PX of them an item's. Of four numbers of K
 * each item fetches its share of the weights, and they are handed round by shuffles from constant lanes. p.k is a multiple of
 * four. */
#include "fc.glsl"

TEXELS(0, src)
TEXELS(1, weight)
FC_ENDS(2, 3, 4)

const int SUMS = TILE_PX * TILE_CB;
const int BLOCK = TILE_CB * 4; /* vec4 of weights for four numbers of K; outputs of a panel */
const int SHARES = (BLOCK + SUBGROUP - 1) / SUBGROUP;
#define WEIGHT(c, j) subgroupShuffle(share[((c) * TILE_CB + (j)) / SUBGROUP], uint((c) * TILE_CB + (j)) % SUBGROUP)

void main() {
    int lane = int(gl_SubgroupInvocationID), panel = GROUP_X, part = int(gl_WorkGroupID.z);
    int first_row = int(gl_WorkGroupID.y) * TILE_PX * SUBGROUP + lane;
    int first_k = part * p.k_part, end_k = min(first_k + p.k_part, p.k);
    int at = (AT(1) + (panel * p.k + first_k) * BLOCK) / 4 + lane % BLOCK;
    int line[TILE_PX];
    vec4 sums[SUMS];
    [[unroll]] for (int r = 0; r < TILE_PX; r++) /* rows past the end repeat the last one and are not stored */
        line[r] = (AT(0) + min(first_row + r * SUBGROUP, p.n - 1) * p.k) / 4;
    [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = vec4(0.0);
    for (int k = first_k / 4; k < end_k / 4; k++) {
        vec4 share[SHARES], x[TILE_PX];
        [[unroll]] for (int q = 0; q < SHARES; q++)
            share[q] = texelFetch(weight_texels, at + q * SUBGROUP);
        [[unroll]] for (int r = 0; r < TILE_PX; r++)
            x[r] = texelFetch(src_texels, line[r] + k);
        [[unroll]] for (int j = 0; j < TILE_CB; j++) {
            vec4 w0 = WEIGHT(0, j), w1 = WEIGHT(1, j), w2 = WEIGHT(2, j), w3 = WEIGHT(3, j);
            [[unroll]] for (int r = 0; r < TILE_PX; r++) {
                vec4 sum = sums[r * TILE_CB + j];
                sum = fma(vec4(x[r].x), w0, sum);
                sum = fma(vec4(x[r].y), w1, sum);
                sum = fma(vec4(x[r].z), w2, sum);
                sums[r * TILE_CB + j] = fma(vec4(x[r].w), w3, sum);
            }
        }
        at += BLOCK;
    }
    [[unroll]] for (int r = 0; r < TILE_PX; r++)
        if (first_row + r * SUBGROUP < p.n)
            [[unroll]] for (int j = 0; j < TILE_CB; j++)
                fc_put(sums[r * TILE_CB + j], first_row + r * SUBGROUP, panel * BLOCK + j * 4, part);
}
