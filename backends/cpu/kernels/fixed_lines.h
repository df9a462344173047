/*
 * The lines of one-dimensional Winograd transforms, F(n,3), named by n: on the points 0, 1, -1, 2, -2, and 1/2 for n = 5.
 *   filter_n[i]          G
 *   real_in_n            d[n + 2] -> B^T d, in f32
 *   whole_first_n        the same in int16, exactly, in units of 2^-BITS_n
 *   whole_second_n       the same of what the first one left in units of 2^-bits, in ones and rounded
 *   real_out_n           m[n + 2] -> A^T m
 */
#ifndef CPU_KERNELS_FIXED_LINES_H
#define CPU_KERNELS_FIXED_LINES_H

#include "vec16.h"

/* Before a loop over lines: written out, all of a tile's numbers would be at work at once, and most of them in memory. */
#if defined(__clang__)
#define ROLLED CPU_PRAGMA(clang loop unroll(disable))
#else
#define ROLLED CPU_PRAGMA(GCC unroll 1)
#endif
#define ALWAYS_INLINE static inline __attribute__((always_inline))

#if defined(__AVX2__) && defined(__FMA__)

/* ---- F(4,3) ------------------------------------------------------------------------------------------------------------ */

static const double filter_4[6][3] = {{1.0 / 4, 0, 0},
                                      {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                      {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                      {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                      {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                      {0, 0, 1}};

static inline void real_in_4(const vf d[6], vf t[6]) {
    vf a = vf_fma(vf_all(-4.0f), d[2], d[4]), b = vf_fma(vf_all(-4.0f), d[1], d[3]);
    vf c = vf_sub(d[4], d[2]), e = vf_sub(d[3], d[1]);
    t[0] = vf_fma(vf_all(4.0f), d[0], vf_fma(vf_all(-5.0f), d[2], d[4]));
    t[1] = vf_add(a, b);
    t[2] = vf_sub(a, b);
    t[3] = vf_fma(vf_all(2.0f), e, c);
    t[4] = vf_fma(vf_all(-2.0f), e, c);
    t[5] = vf_fma(vf_all(4.0f), d[1], vf_fma(vf_all(-5.0f), d[3], d[5]));
}

/*
 * In integers: d is counted in units of 2^-bits, and t in ones. No sum that is shifted to the right can overflow (of the
 * others only the last one must not), and each number of t is rounded once or twice.
 */
ALWAYS_INLINE vh grow(vh a, int bits) { /* 4 a */
    return bits == 0 ? vh_times4(a) : bits == 1 ? vh_add(a, a) : a;
}
ALWAYS_INLINE vh shrink(vh a, int bits) {
    return bits == 0 ? a : bits == 1 ? vh_half(a) : vh_quarter(a);
}

ALWAYS_INLINE void whole_in_4(const vh d[6], vh t[6], int bits) {
    const vh up = vh_all((int16_t)((1 << bits) >> 1)); /* the shift then rounds to the nearest */
    vh d4 = bits == 0 ? d[4] : vh_add(d[4], up), d5 = bits == 0 ? d[5] : vh_add(d[5], up);
    vh e = vh_sub(d[3], d[1]), difference = vh_sub(d4, d[2]), c = shrink(difference, bits);
    t[0] = vh_add(grow(vh_sub(d[0], d[2]), bits), c);
    t[1] = vh_sub(shrink(vh_add(d4, d[3]), bits), grow(vh_add(d[1], d[2]), bits));
    t[2] = vh_add(shrink(vh_sub(d4, d[3]), bits), grow(vh_sub(d[1], d[2]), bits));
    if (bits == 2) { /* twice e has no room beside the difference, but half of that has it beside e */
        vh half = vh_half(difference);
        t[3] = vh_half(vh_add(half, e));
        t[4] = vh_half(vh_sub(half, e));
    } else {
        vh twice = bits == 0 ? vh_add(e, e) : e;
        t[3] = vh_add(c, twice);
        t[4] = vh_sub(c, twice);
    }
    t[5] = vh_sub(shrink(vh_sub(d5, d[3]), bits), grow(e, bits));
}

enum { BITS_4 = 0 };

ALWAYS_INLINE void whole_first_4(const vh d[6], vh t[6]) {
    whole_in_4(d, t, 0);
}

ALWAYS_INLINE void whole_second_4(const vh d[6], vh t[6], int bits) {
    whole_in_4(d, t, bits);
}

static inline void real_out_4(const vf m[6], vf y[4]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]);
    y[0] = vf_add(vf_add(m[0], a), c);
    y[1] = vf_fma(vf_all(2.0f), d, b);
    y[2] = vf_fma(vf_all(4.0f), c, a);
    y[3] = vf_add(vf_fma(vf_all(8.0f), d, b), m[5]);
}

/* ---- F(5,3) ------------------------------------------------------------------------------------------------------------ */

static const double filter_5[7][3] = {{-1.0 / 2, 0, 0},
                                      {-1.0 / 3, -1.0 / 3, -1.0 / 3},
                                      {1.0 / 9, -1.0 / 9, 1.0 / 9},
                                      {1.0 / 36, 1.0 / 18, 1.0 / 9},
                                      {-1.0 / 60, 1.0 / 30, -1.0 / 15},
                                      {32.0 / 45, 16.0 / 45, 8.0 / 45},
                                      {0, 0, 1}};

/* All lines but that of the point 1/2 have its factor x - 1/2: e is d with this factor taken out, and has F(4,3)'s lines. */
static inline void real_in_5(const vf d[7], vf t[7]) {
    vf e[6], s[6];
    for (int i = 0; i < 6; i++)
        e[i] = vf_fma(vf_all(-0.5f), d[i], d[i + 1]);
    real_in_4(e, s);
    for (int i = 0; i < 5; i++)
        t[i] = s[i];
    t[5] = vf_fma(vf_all(4.0f), d[1], vf_fma(vf_all(-5.0f), d[3], d[5]));
    t[6] = s[5];
}

/* As above, with the factor of 1/2 taken out in halves of d's unit. */
ALWAYS_INLINE void whole_lines_5(const vh d[7], vh t[7], int bits) {
    vh e[6];
    for (int i = 0; i < 6; i++)
        e[i] = vh_sub(vh_add(d[i + 1], d[i + 1]), d[i]);
    whole_in_4(e, t, bits);
    t[6] = t[5];
}

enum { BITS_5 = 1 };

ALWAYS_INLINE void whole_first_5(const vh d[7], vh t[7]) {
    whole_lines_5(d, t, 0);
    vh half = vh_add(vh_times4(vh_sub(d[1], d[3])), vh_sub(d[5], d[3]));
    t[5] = vh_add(half, half);
}

ALWAYS_INLINE void whole_second_5(const vh d[7], vh t[7], int bits) {
    whole_lines_5(d, t, bits + 1);
    vh last = vh_add(vh_sub(d[5], d[3]), vh_all((int16_t)((1 << bits) >> 1)));
    t[5] = vh_add(grow(vh_sub(d[1], d[3]), bits), shrink(last, bits));
}

static inline void real_out_5(const vf m[7], vf y[5]) {
    vf a = vf_add(m[1], m[2]), b = vf_sub(m[1], m[2]), c = vf_add(m[3], m[4]), d = vf_sub(m[3], m[4]), h = m[5];
    y[0] = vf_add(vf_add(m[0], a), vf_add(c, h));
    y[1] = vf_fma(vf_all(0.5f), h, vf_fma(vf_all(2.0f), d, b));
    y[2] = vf_fma(vf_all(0.25f), h, vf_fma(vf_all(4.0f), c, a));
    y[3] = vf_fma(vf_all(0.125f), h, vf_fma(vf_all(8.0f), d, b));
    y[4] = vf_add(vf_fma(vf_all(0.0625f), h, vf_fma(vf_all(16.0f), c, a)), m[6]);
}

#endif
#endif
