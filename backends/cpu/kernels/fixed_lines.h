/*
 * The lines of wino_lines.h's input transforms in integers, named by the tile's side n.
 *   whole_firstn         d[n + 2] -> B^T d in int16, exactly, in units of 2^-BITSn
 *   whole_secondn        the same of what the first one left in units of 2^-bits, in ones and rounded
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

enum { BITS4 = 0 };

ALWAYS_INLINE void whole_first4(const vh d[6], vh t[6]) {
    whole_in_4(d, t, 0);
}

ALWAYS_INLINE void whole_second4(const vh d[6], vh t[6], int bits) {
    whole_in_4(d, t, bits);
}

/* ---- F(5,3) ------------------------------------------------------------------------------------------------------------ */

/* As above, with the factor of 1/2 taken out in halves of d's unit. */
ALWAYS_INLINE void whole_lines_5(const vh d[7], vh t[7], int bits) {
    vh e[6];
    for (int i = 0; i < 6; i++)
        e[i] = vh_sub(vh_add(d[i + 1], d[i + 1]), d[i]);
    whole_in_4(e, t, bits);
    t[6] = t[5];
}

enum { BITS5 = 1 };

ALWAYS_INLINE void whole_first5(const vh d[7], vh t[7]) {
    whole_lines_5(d, t, 0);
    vh half = vh_add(vh_times4(vh_sub(d[1], d[3])), vh_sub(d[5], d[3]));
    t[5] = vh_add(half, half);
}

ALWAYS_INLINE void whole_second5(const vh d[7], vh t[7], int bits) {
    whole_lines_5(d, t, bits + 1);
    vh last = vh_add(vh_sub(d[5], d[3]), vh_all((int16_t)((1 << bits) >> 1)));
    t[5] = vh_add(grow(vh_sub(d[1], d[3]), bits), shrink(last, bits));
}

#endif
#endif
