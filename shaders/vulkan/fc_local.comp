#version 450
#extension GL_GOOGLE_include_directive : require
/* A group: COLUMNS outputs of GROUP_ROWS rows; an item: ROWS rows of two vec4, IX items beside each other. Tiles of both
 * matrices go through shared memory. */
#include "fc.glsl"

READS(0, src, SRC_DTYPE)
READS(1, weight, WGT_DTYPE)
FC_ENDS(2, 3, 4)

const int VECTORS = 2 * IX, COLUMNS = VECTORS * 4;
const int ITEMS = int(gl_WorkGroupSize.x);
const int GROUP_ROWS = ROWS * (ITEMS / IX);
const int K_STEP = 16;
const int LINE = GROUP_ROWS + 1; /* writes of consecutive k fall into different banks */

shared float rows[K_STEP * LINE];
shared vec4 columns[K_STEP * VECTORS];

void main() {
    int lane = int(gl_LocalInvocationID.x), ix = lane % IX, iy = lane / IX;
    int panel = GROUP_X, first_row = int(gl_WorkGroupID.y) * GROUP_ROWS, part = int(gl_WorkGroupID.z);
    int first_k = part * p.k_part, end_k = min(first_k + p.k_part, p.k), weights = panel * p.k * COLUMNS;
    vec4 sum[2 * ROWS];
    [[unroll]] for (int i = 0; i < 2 * ROWS; i++)
        sum[i] = vec4(0.0);
    for (int k0 = first_k; k0 < end_k; k0 += K_STEP) {
        for (int i = lane; i < GROUP_ROWS * K_STEP; i += ITEMS) {
            int k = i % K_STEP, r = i / K_STEP;
            float x = 0.0;
            if (first_row + r < p.n && k0 + k < end_k)
                x = src_load((first_row + r) * p.k + k0 + k);
            rows[k * LINE + r] = x;
        }
        for (int i = lane; i < VECTORS * K_STEP; i += ITEMS) {
            vec4 x = vec4(0.0);
            if (k0 + i / VECTORS < end_k)
                x = weight_loadv(weights + k0 * COLUMNS + i * 4);
            columns[i] = x;
        }
        barrier();
        for (int k = 0; k < K_STEP; k++) {
            vec4 left = columns[k * VECTORS + ix], right = columns[k * VECTORS + IX + ix];
            [[unroll]] for (int r = 0; r < ROWS; r++) {
                vec4 x = vec4(rows[k * LINE + iy * ROWS + r]);
                sum[2 * r] = fma(x, left, sum[2 * r]);
                sum[2 * r + 1] = fma(x, right, sum[2 * r + 1]);
            }
        }
        barrier();
    }
    int column = panel * COLUMNS + ix * 4;
    [[unroll]] for (int r = 0; r < ROWS; r++) {
        int row = first_row + iy * ROWS + r;
        if (row < p.n) {
            fc_put(sum[2 * r], row, column, part);
            fc_put(sum[2 * r + 1], row, column + COLUMNS / 2, part);
        }
    }
}
