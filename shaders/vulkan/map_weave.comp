#version 450
#extension GL_GOOGLE_include_directive : require
/* From NCHW into groups of four channels that lie beside each other: an item is a vector. */
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(MAP_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(2, dst, DST_DTYPE)
FIRST_PLACE(dst)

void main() {
    int place = item_index(), c = split(place, p.out_h * p.out_w);
    const int n = split(c, p.groups);
    if (n * p.groups + c >= p.planes)
        return;
    c *= 4;
    const int from = n * p.src_n + c * p.src_b + place;
    vec4 value = vec4(0.0);
    [[unroll]] for (int k = 0; k < 4; k++)
        if (c + k < p.channels)
            value[k] = NUMBER(SRC_DTYPE, src_load(from + k * p.src_b), p.src_scale);
    dst_storev(dst_first_place(n, c) + place * p.dst_x, STORED(DST_DTYPE, value, p.dst_scale));
}
