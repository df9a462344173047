#version 450
#extension GL_GOOGLE_include_directive : require
/*
 * Rows of numbers that lie beside each other, a group each: logits into the user's rows (EMIT), and softmax where a
 * map is one place. Row i is part i % images of input i / images; dst_row - length zeros follow it.
 */
#include "prelude.glsl"
#include "maps.glsl"

#define length row_length /* a method's name in GLSL */
PARAMS(ROWS_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(1, dst, DST_DTYPE)

shared float parts[gl_WorkGroupSize.x];
int from; /* the row's first element */

float number_at(int i) { return NUMBER(SRC_DTYPE, src_load(from + i), p.src_scale); }

/* The highest or the sum of all items' numbers; nobody writes parts before all have read it. */
float of_all(float mine, bool is_sum) {
    const int me = int(gl_LocalInvocationID.x);
    parts[me] = mine;
    for (int half_way = LX / 2; half_way > 0; half_way /= 2) {
        barrier();
        if (me < half_way)
            parts[me] = is_sum ? parts[me] + parts[me + half_way] : max(parts[me], parts[me + half_way]);
    }
    barrier();
    const float all = parts[0];
    barrier();
    return all;
}

void main() {
    const int r = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x), me = int(gl_LocalInvocationID.x);
    if (r >= (p.uses_valid != 0 ? min(p.rows, VALID) : p.rows)) /* the whole group */
        return;
    int part = r;
    from = split(part, p.images) * p.src_n;
    from += part * p.length;
    float highest = 0.0, all = 1.0;
    if (p.is_softmax != 0) {
        float mine = LOWEST;
        for (int i = me; i < p.length; i += LX)
            mine = max(mine, number_at(i));
        highest = of_all(mine, false);
        mine = 0.0;
        for (int i = me; i < p.length; i += LX)
            mine += exp(number_at(i) - highest);
        all = of_all(mine, true);
    }
    for (int i = me; i < p.dst_row; i += LX) {
        float value = i < p.length ? number_at(i) : 0.0;
        if (p.is_softmax != 0 && i < p.length)
            value = exp(value - highest) / all;
        dst_store(r * p.dst_row + i, STORED(DST_DTYPE, value, p.dst_scale));
    }
}
