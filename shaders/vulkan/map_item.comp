#version 450
#extension GL_GOOGLE_include_directive : require
/*
 * Steps that look at one number of each source at a time, or only move numbers:
 * dst[first + c, y, x] = act(src[c, y - shift_y, x - shift_x] op src1[c, y, x]), pad_value outside src. An item is one
 * vector of VW channels; `groups` of them are written for each input, zeros from `channels` on.
 */
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(MAP_PARAMS)
READS(0, src, SRC_DTYPE)
READS(1, src1, SRC1_DTYPE)
WRITES(2, dst, DST_DTYPE)
VECTORS_IN(src)
VECTORS_IN(src1)
VECTORS_OUT(dst)
FIRST_PLACE(src)
FIRST_PLACE(src1)
FIRST_PLACE(dst)

const int OP_ADD = 1, OP_MUL = 2, OP_SUB = 3, OP_DIV = 4, OP_MAX = 5, OP_MIN = 6;

vec4 combine(vec4 a, vec4 b) {
    switch (p.op) {
    case OP_ADD: return a + b;
    case OP_MUL: return a * b;
    case OP_SUB: return a - b;
    case OP_DIV: return a / b;
    case OP_MAX: return max(a, b);
    case OP_MIN: return min(a, b);
    default: return a;
    }
}

void main() {
    int i = item_index(), n, c;
    if (i >= p.planes * p.out_h * p.out_w)
        return;
    if (p.is_nhwc != 0) { /* neighbours in memory are neighbours here */
        n = split(i, p.groups * p.out_h * p.out_w);
        const int place = split(i, p.groups);
        c = i;
        i = place;
    } else {
        c = split(i, p.out_h * p.out_w);
        n = split(c, p.groups);
    }
    c *= VW;
    int x = i;
    const int y = split(x, p.out_w), sy = y - p.shift_y, sx = x - p.shift_x;
    vec4 value = vec4(0.0);
    if (c < p.channels) { /* src has these channels */
        value = vec4(p.pad_value);
        if (sy >= 0 && sy < p.h && sx >= 0 && sx < p.w)
            value = NUMBER(SRC_DTYPE, src_vector(src_first_place(n, c) + sy * p.src_y + sx * p.src_x), p.src_scale);
        if (SRC1_DTYPE != 0) {
            const vec4 other = src1_vector(src1_first_place(n, c) + y * p.src1_y + x * p.src1_x);
            value = combine(value, NUMBER(SRC1_DTYPE, other, p.src1_scale));
        }
        value = ACTIVATE(value, p);
    }
    value = STORED(DST_DTYPE, keep_lanes(value, p.channels - c), p.dst_scale);
    dst_put(dst_first_place(n, p.first + c) + y * p.dst_y + x * p.dst_x, value);
}
