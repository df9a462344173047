/* Index arithmetic and activations, for OpenCL C and for GLSL. The includer has fmax and fmin of its vectors. */
#ifndef FR_SHADERS_COMMON_H
#define FR_SHADERS_COMMON_H

/* Element of (n, c, y, x) in a tensor whose strides are STRIDE_PARAMS(I, t) of p. */
#define MAP_AT(p, t, n, c, y, x) \
    ((n) * p.t##_n + (c) / p.t##_block * p.t##_b + (c) % p.t##_block * p.t##_c + (y) * p.t##_y + (x) * p.t##_x)

/* fr_act: the body of a function of (x, act, a, b); ALL(number) is a value of x's type. The curves cost much more than the
 * lines, and are apart for those who know that there are none. Where tanh is made of exponentials it has no answer far out. */
#define ACT_LINES(ALL)                                                    \
    case 1: return fmax(x, ALL(0.0f));                                    \
    case 2: return fmin(fmax(x, ALL(a)), ALL(b));                         \
    case 3: return fmax(x, ALL(0.0f)) + a * fmin(x, ALL(0.0f));           \
    case 5: return fmax(ALL(0.0f), fmin(ALL(1.0f), a * x + b));           \
    case 6: return x * fmax(ALL(0.0f), fmin(ALL(1.0f), x / 6.0f + 0.5f));
#define ACT_CURVES(ALL)                       \
    case 4: return 1.0f / (1.0f + exp(-x));   \
    case 7: return tanh(fmin(fmax(x, ALL(-15.0f)), ALL(15.0f)));
#define ACT_BODY(ALL)          \
    {                          \
        switch (act) {         \
            ACT_LINES(ALL)     \
            ACT_CURVES(ALL)    \
        default: return x;     \
        }                      \
    }

#endif
