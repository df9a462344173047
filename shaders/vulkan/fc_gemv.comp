#version 450
#extension GL_GOOGLE_include_directive : require
/* A group: COLUMNS outputs of ROWS rows. IX items take a vec4 of outputs each, SLICES of them share K. */
#include "fc.glsl"

READS(0, src, SRC_DTYPE)
READS(1, weight, WGT_DTYPE)
FC_ENDS(2, 3, 4)

const int ITEMS = int(gl_WorkGroupSize.x);
const int COLUMNS = 4 * IX;
const int SLICES = ITEMS / IX;

shared vec4 slices[SLICES * ROWS * IX];

void main() {
    int lane = int(gl_LocalInvocationID.x), ix = lane % IX, slice = lane / IX;
    int panel = GROUP_X, first_row = int(gl_WorkGroupID.y) * ROWS, part = int(gl_WorkGroupID.z);
    int first_k = part * p.k_part, end_k = min(first_k + p.k_part, p.k);
    int weights = panel * p.k * COLUMNS + ix * 4;
    vec4 sum[ROWS];
    int line[ROWS];
    [[unroll]] for (int r = 0; r < ROWS; r++) {
        sum[r] = vec4(0.0);
        line[r] = min(first_row + r, p.n - 1) * p.k;
    }
    for (int k = first_k + slice; k < end_k; k += SLICES) {
        vec4 w = weight_loadv(weights + k * COLUMNS);
        [[unroll]] for (int r = 0; r < ROWS; r++)
            sum[r] = fma(vec4(src_load(line[r] + k)), w, sum[r]);
    }
    [[unroll]] for (int r = 0; r < ROWS; r++)
        slices[(slice * ROWS + r) * IX + ix] = sum[r];
    barrier();
    for (int i = lane; i < ROWS * IX; i += ITEMS) {
        vec4 all = vec4(0.0);
        for (int s = 0; s < SLICES; s++)
            all += slices[s * ROWS * IX + i];
        if (first_row + i / IX < p.n)
            fc_put(all, first_row + i / IX, panel * COLUMNS + i % IX * 4, part);
    }
}
