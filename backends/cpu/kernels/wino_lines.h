/*
 * One line of a tile through Winograd's transforms, for sides 4, 5 and 6: see wino.h for the points.
 * Adds and multiplications run on different units: where either would do, they are kept in balance.
 */
#ifndef CPU_KERNELS_WINO_LINES_H
#define CPU_KERNELS_WINO_LINES_H

#include "vec.h"

/* ---- d[side + 2] -> (B^T d)[side + 2]: for each point, the product of x - p over the other points p ------------------- */

/* The lines of 0, 1, -1, 2, -2. */
static inline void wino_five_points(const vf d[5], vf t[5]) {
    vf a = vf_fma(vf_all(-4.0f), d[2], d[4]), b = vf_fma(vf_all(-4.0f), d[1], d[3]);
    vf c = vf_sub(d[4], d[2]), e = vf_sub(d[3], d[1]);
    t[0] = vf_fma(vf_all(4.0f), vf_sub(d[0], d[2]), c);
    t[1] = vf_add(a, b);
    t[2] = vf_sub(a, b);
    t[3] = vf_fma(vf_all(2.0f), e, c);
    t[4] = vf_fma(vf_all(-2.0f), e, c);
}

/* x (x^2 - 1) (x^2 - 4), from d[0] on */
static inline vf wino_all_five(const vf d[6]) {
    return vf_fma(vf_all(4.0f), vf_sub(d[1], d[3]), vf_sub(d[5], d[3]));
}

static inline void wino_input4(const vf d[6], vf t[6]) {
    wino_five_points(d, t);
    t[5] = wino_all_five(d);
}

/* All lines but that of the point 1/2 have its factor x - 1/2: e is d with this factor taken out. */
static inline void wino_input5(const vf d[7], vf t[7]) {
    vf e[6];
    for (int i = 0; i < 6; i++)
        e[i] = vf_fma(vf_all(-0.5f), d[i], d[i + 1]);
    wino_five_points(e, t);
    t[5] = wino_all_five(d);
    t[6] = wino_all_five(e);
}

static inline void wino_input6(const vf d[8], vf t[8]) {
    vf a = vf_fma(vf_all(-4.25f), d[4], vf_add(d[6], d[2])), b = vf_fma(vf_all(-4.25f), d[3], vf_add(d[5], d[1]));
    vf c = vf_fma(vf_all(-1.25f), d[4], vf_fma(vf_all(0.25f), d[2], d[6])),
       e = vf_fma(vf_all(-1.25f), d[3], vf_fma(vf_all(0.25f), d[1], d[5]));
    vf f = vf_fma(vf_all(4.0f), d[2], vf_fma(vf_all(-5.0f), d[4], d[6])),
       g = vf_fma(vf_all(4.0f), d[1], vf_fma(vf_all(-5.0f), d[3], d[5]));
    t[0] = vf_fma(vf_all(5.25f), vf_sub(d[2], d[4]), vf_sub(d[6], d[0]));
    t[1] = vf_add(a, b);
    t[2] = vf_sub(a, b);
    t[3] = vf_fma(vf_all(2.0f), e, c);
    t[4] = vf_fma(vf_all(-2.0f), e, c);
    t[5] = vf_fma(vf_all(0.5f), g, f);
    t[6] = vf_fma(vf_all(-0.5f), g, f);
    t[7] = vf_fma(vf_all(5.25f), vf_sub(d[3], d[5]), vf_sub(d[7], d[1]));
}

/* ---- m[side + 2] -> (A^T m)[side]: powers of the points -------------------------------------------------------------------- */

static inline void wino_output4(const vf m[6], vf y[4]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]);
    y[0] = vf_add(vf_add(m[0], a), c);
    y[1] = vf_fma(vf_all(2.0f), d, b);
    y[2] = vf_fma(vf_all(4.0f), c, a);
    y[3] = vf_add(vf_fma(vf_all(8.0f), d, b), m[5]);
}

static inline void wino_output5(const vf m[7], vf y[5]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]), h = m[5];
    y[0] = vf_add(vf_add(m[0], a), vf_add(c, h));
    y[1] = vf_fma(vf_all(0.5f), h, vf_fma(vf_all(2.0f), d, b));
    y[2] = vf_fma(vf_all(0.25f), h, vf_fma(vf_all(4.0f), c, a));
    y[3] = vf_fma(vf_all(0.125f), h, vf_fma(vf_all(8.0f), d, b));
    y[4] = vf_add(vf_fma(vf_all(0.0625f), h, vf_fma(vf_all(16.0f), c, a)), m[6]);
}

static inline void wino_output6(const vf m[8], vf y[6]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]);
    vf e = vf_add(m[5], m[6]), f = vf_sub(m[5], m[6]);
    y[0] = vf_add(vf_add(m[0], a), vf_add(c, e));
    y[1] = vf_fma(vf_all(0.5f), f, vf_fma(vf_all(2.0f), d, b));
    y[2] = vf_fma(vf_all(0.25f), e, vf_fma(vf_all(4.0f), c, a));
    y[3] = vf_fma(vf_all(0.125f), f, vf_fma(vf_all(8.0f), d, b));
    y[4] = vf_fma(vf_all(0.0625f), e, vf_fma(vf_all(16.0f), c, a));
    y[5] = vf_add(vf_fma(vf_all(0.03125f), f, vf_fma(vf_all(32.0f), d, b)), m[7]);
}

#endif
