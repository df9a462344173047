#version 450
#extension GL_GOOGLE_include_directive : require
/* sums[part][row][p.sum_row] -> dst; each item p.item_rows vec4 */
#include "fc.glsl"

READS(0, sums, F32)
FC_ENDS(1, 2, 3)

void main() {
    int each_row = (p.dst_row + 3) / 4, first = ITEM_X * p.item_rows;
    int end = min(first + p.item_rows, each_row * p.n);
    for (int i = first; i < end; i++) {
        int row = i / each_row, column = i % each_row * 4;
        vec4 sum = vec4(0.0);
        /* past the last real column nothing may be there to be read */
        if (column < p.sum_row)
            for (int part = 0; part < p.parts; part++)
                sum += sums_loadv(part * p.part_size + row * p.sum_row + column);
        fc_put(sum, row, column, 0);
    }
}
