#version 450
#extension GL_GOOGLE_include_directive : require
/* Any layout and dims to any other, number by number in CHW order. An item: `each` numbers of dst's stored channels. */
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(REORDER_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(1, dst, DST_DTYPE)
FIRST_PLACE(src)
FIRST_PLACE(dst)

void main() {
    const int map = p.h * p.w, out_map = p.out_h * p.out_w, size = p.stored * out_map;
    int part = item_index();
    const int n = split(part, quotient(size + p.each - 1, p.each)), end = min((part + 1) * p.each, size);
    if (n >= p.n)
        return;
    for (int i = part * p.each; i < end; i++) {
        int place = i, src_place = i;
        const int c = split(place, out_map), src_c = split(src_place, map);
        float value = 0.0;
        if (c < p.channels)
            value = NUMBER(SRC_DTYPE, src_load(src_first_place(n, src_c) + src_place * p.src_x), p.src_scale);
        dst_store(dst_first_place(n, c) + place * p.dst_x, STORED(DST_DTYPE, value, p.dst_scale));
    }
}
