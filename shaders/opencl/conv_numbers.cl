/*
 * Numbers of the float convolutions' tensors. RES_DTYPE is the residual's. Stored integers have a scale, which is a
 * parameter: X_NUMBER(stored, scale) is the number, DST_STORED(number, scale) what is to be stored.
 */
#define RES_T TYPE(RES_DTYPE)
#define RES_LOAD(p, i) CAT(load_, DTYPE(RES_DTYPE))(p, i)
#define RES_LOADV(p, i) CAT(loadv_, DTYPE(RES_DTYPE))(p, i)
#if SRC_DTYPE >= 4
#define SRC_NUMBER(v, scale) ((v) * (scale))
#else
#define SRC_NUMBER(v, scale) (v)
#endif
#if RES_DTYPE >= 4
#define RES_NUMBER(v, scale) ((v) * (scale))
#else
#define RES_NUMBER(v, scale) (v)
#endif
#if DST_DTYPE >= 4
#define DST_STORED(v, scale) ((v) / (scale))
#else
#define DST_STORED(v, scale) (v)
#endif
