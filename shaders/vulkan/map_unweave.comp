#version 450
#extension GL_GOOGLE_include_directive : require
/* From groups of four channels that lie beside each other into NCHW: an item is a vector. */
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(MAP_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(2, dst, DST_DTYPE)
FIRST_PLACE(src)

void main() {
    int place = item_index(), c = split(place, p.out_h * p.out_w);
    const int n = split(c, p.groups);
    if (n * p.groups + c >= p.planes)
        return;
    c *= 4;
    const vec4 number = NUMBER(SRC_DTYPE, src_loadv(src_first_place(n, c) + place * p.src_x), p.src_scale);
    const vec4 value = STORED(DST_DTYPE, number, p.dst_scale);
    const int to = n * p.dst_n + c * p.dst_b + place;
    [[unroll]] for (int k = 0; k < 4; k++)
        if (c + k < p.channels)
            dst_store(to + k * p.dst_b, value[k]);
}
