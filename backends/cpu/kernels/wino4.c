/* F(4x4,3x3), on the points 0, 1, -1, 2, -2. Built for AVX2 and AVX-512; narrower vectors have no use for it. */
#include "kernels_isa.h"
#include "vec.h"

#if defined(__AVX2__) && defined(__FMA__)

enum { OUT = 4 };
#define KERNELS CPU_FN(wino4_kernels)

static const double filter_lines[6][3] = {{1.0 / 4, 0, 0},
                                          {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                          {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                          {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                          {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                          {0, 0, 1}};

static inline void input_line(const vf d[6], vf t[6]) {
    vf a = vf_fma(vf_all(-4.0f), d[2], d[4]), b = vf_fma(vf_all(-4.0f), d[1], d[3]);
    vf c = vf_sub(d[4], d[2]), e = vf_sub(d[3], d[1]);
    t[0] = vf_fma(vf_all(4.0f), d[0], vf_fma(vf_all(-5.0f), d[2], d[4]));
    t[1] = vf_add(a, b);
    t[2] = vf_sub(a, b);
    t[3] = vf_fma(vf_all(2.0f), e, c);
    t[4] = vf_fma(vf_all(-2.0f), e, c);
    t[5] = vf_fma(vf_all(4.0f), d[1], vf_fma(vf_all(-5.0f), d[3], d[5]));
}

static inline void output_line(const vf m[6], vf y[4]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]);
    y[0] = vf_add(vf_add(m[0], a), c);
    y[1] = vf_fma(vf_all(2.0f), d, b);
    y[2] = vf_fma(vf_all(4.0f), c, a);
    y[3] = vf_add(vf_fma(vf_all(8.0f), d, b), m[5]);
}

#include "wino_body.h"

#endif
