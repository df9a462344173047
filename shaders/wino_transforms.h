/*
 * Winograd's one-dimensional transforms for a filter of 3, for 2 outputs (WINO_OUT = 2; points 0, 1, -1) and for 4
 * (WINO_OUT = 4; points 0, 1, -1, 2, -2), on vectors of any type. Read by OpenCL C, by GLSL and by the C of the tests.
 * The includer defines WINO_OUT, WINO_VEC (the type), WINO_FMA(a, b, c) = a * b + c and WINO_ALL(x), a vector of one
 * constant. Both statements take arrays: WINO_INPUT(d, t) makes t[WINO_IN] of d[WINO_IN], WINO_OUTPUT(m, y) makes
 * y[WINO_OUT] of m[WINO_IN]. The filter's own transform is done on the host: backends/gpu/wino_pack.c.
 */
#define WINO_IN     (WINO_OUT + 2)
#define WINO_PLACES (WINO_IN * WINO_IN)

#if WINO_OUT == 2

#define WINO_INPUT(d, t)          \
    {                             \
        (t)[0] = (d)[0] - (d)[2]; \
        (t)[1] = (d)[1] + (d)[2]; \
        (t)[2] = (d)[2] - (d)[1]; \
        (t)[3] = (d)[1] - (d)[3]; \
    }
#define WINO_OUTPUT(m, y)                    \
    {                                        \
        (y)[0] = (m)[0] + ((m)[1] + (m)[2]); \
        (y)[1] = ((m)[1] - (m)[2]) - (m)[3]; \
    }

#else

#define WINO_INPUT(d, t)                                                                      \
    {                                                                                         \
        WINO_VEC a_ = WINO_FMA(WINO_ALL(-4.0f), (d)[2], (d)[4]);                              \
        WINO_VEC b_ = WINO_FMA(WINO_ALL(-4.0f), (d)[1], (d)[3]);                              \
        WINO_VEC c_ = (d)[4] - (d)[2], e_ = (d)[3] - (d)[1];                                  \
        (t)[0] = WINO_FMA(WINO_ALL(4.0f), (d)[0], WINO_FMA(WINO_ALL(-5.0f), (d)[2], (d)[4])); \
        (t)[1] = a_ + b_;                                                                     \
        (t)[2] = a_ - b_;                                                                     \
        (t)[3] = WINO_FMA(WINO_ALL(2.0f), e_, c_);                                            \
        (t)[4] = WINO_FMA(WINO_ALL(-2.0f), e_, c_);                                           \
        (t)[5] = WINO_FMA(WINO_ALL(4.0f), (d)[1], WINO_FMA(WINO_ALL(-5.0f), (d)[3], (d)[5])); \
    }
#define WINO_OUTPUT(m, y)                                    \
    {                                                        \
        WINO_VEC a_ = (m)[1] + (m)[2], b_ = (m)[1] - (m)[2]; \
        WINO_VEC c_ = (m)[3] + (m)[4], e_ = (m)[3] - (m)[4]; \
        (y)[0] = ((m)[0] + a_) + c_;                         \
        (y)[1] = WINO_FMA(WINO_ALL(2.0f), e_, b_);           \
        (y)[2] = WINO_FMA(WINO_ALL(4.0f), c_, a_);           \
        (y)[3] = WINO_FMA(WINO_ALL(8.0f), e_, b_) + (m)[5];  \
    }

#endif
