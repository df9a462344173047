/*
 * F(5x5,3x3), on the points 0, 1, -1, 2, -2, 1/2: 49 multiplications for 25 sums of 9. No less exact than F(4x4,3x3), and
 * ahead of it on maps that 5 divides. Built for AVX2 and AVX-512.
 */
#include "kernels_isa.h"
#include "vec.h"

#if defined(__AVX2__) && defined(__FMA__)

enum { OUT = 5 };
#define KERNELS CPU_FN(wino5_kernels)

static const double filter_lines[7][3] = {{-1.0 / 2, 0, 0},
                                          {-1.0 / 3, -1.0 / 3, -1.0 / 3},
                                          {1.0 / 9, -1.0 / 9, 1.0 / 9},
                                          {1.0 / 36, 1.0 / 18, 1.0 / 9},
                                          {-1.0 / 60, 1.0 / 30, -1.0 / 15},
                                          {32.0 / 45, 16.0 / 45, 8.0 / 45},
                                          {0, 0, 1}};

/* All lines but that of the point 1/2 have its factor x - 1/2: e is d with this factor taken out, and has F(4x4)'s lines. */
static inline void input_line(const vf d[7], vf t[7]) {
    vf e[6];
    for (int i = 0; i < 6; i++)
        e[i] = vf_fma(vf_all(-0.5f), d[i], d[i + 1]);
    vf a = vf_fma(vf_all(-4.0f), e[2], e[4]), b = vf_fma(vf_all(-4.0f), e[1], e[3]);
    vf c = vf_sub(e[4], e[2]), f = vf_sub(e[3], e[1]);
    t[0] = vf_fma(vf_all(4.0f), e[0], vf_fma(vf_all(-5.0f), e[2], e[4]));
    t[1] = vf_add(a, b);
    t[2] = vf_sub(a, b);
    t[3] = vf_fma(vf_all(2.0f), f, c);
    t[4] = vf_fma(vf_all(-2.0f), f, c);
    t[5] = vf_fma(vf_all(4.0f), d[1], vf_fma(vf_all(-5.0f), d[3], d[5]));
    t[6] = vf_fma(vf_all(4.0f), e[1], vf_fma(vf_all(-5.0f), e[3], e[5]));
}

static inline void output_line(const vf m[7], vf y[5]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]), h = m[5];
    y[0] = vf_add(vf_add(m[0], a), vf_add(c, h));
    y[1] = vf_fma(vf_all(0.5f), h, vf_fma(vf_all(2.0f), d, b));
    y[2] = vf_fma(vf_all(0.25f), h, vf_fma(vf_all(4.0f), c, a));
    y[3] = vf_fma(vf_all(0.125f), h, vf_fma(vf_all(8.0f), d, b));
    y[4] = vf_add(vf_fma(vf_all(0.0625f), h, vf_fma(vf_all(16.0f), c, a)), m[6]);
}

#include "wino_body.h"

#endif
