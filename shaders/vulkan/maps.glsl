/*
 * What the shaders of pools, maps, channels and the two ends share: an item is one vector of VW channels, one place,
 * or a few; items are counted through the rows of a grid, whose width is limited.
 */
#ifndef MAPS_GLSL
#define MAPS_GLSL

int item_index() {
    const uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    return int(group * gl_WorkGroupSize.x + gl_LocalInvocationID.x);
}

/* i / d for i >= 0, d > 0. In floats, made exact: few devices divide vectors of integers, lane by lane is slow. */
int quotient(int i, int d) {
    const float part = 1.0 / float(d);
    int q = int(float(i) * part);
    q += int(floor(float(i - q * d) * part));
    const int rest = i - q * d;
    return q + int(rest >= d) - int(rest < 0);
}
/* i becomes the rest. */
int split(inout int i, int d) {
    const int q = quotient(i, d);
    i -= q * d;
    return q;
}

/* Element of channel c at the first place of input n: MAP_AT without its divisions. */
#define FIRST_PLACE_(t, n, c, q) ((n) * p.t##_n + (q) * p.t##_b + ((c) - (q) * p.t##_block) * p.t##_c)
#define FIRST_PLACE(t) \
    int t##_first_place(int n, int c) { return FIRST_PLACE_(t, n, c, quotient(c, p.t##_block)); }

/* VW numbers, in the first lanes of four. */
#define VECTORS_IN(name) \
    vec4 name##_vector(int i) { return VW == 4 ? name##_loadv(i) : vec4(name##_load(i)); }
#define VECTORS_OUT(name)                    \
    void name##_put(int i, vec4 value) {     \
        if (VW == 4)                         \
            name##_storev(i, value);         \
        else                                 \
            name##_store(i, value.x);        \
    }

#define LOWEST uintBitsToFloat(0xff800000u) /* below every number */

#endif
