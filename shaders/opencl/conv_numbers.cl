/*
 * Numbers of the float convolutions' tensors. RES_DTYPE is the residual's. The others' are the
 * prelude's.
 */
#define RES_T TYPE(RES_DTYPE)
#define RES_LOAD(p, i) CAT(load_, DTYPE(RES_DTYPE))(p, i)
#define RES_LOADV(p, i) CAT(loadv_, DTYPE(RES_DTYPE))(p, i)
#define RES_NUMBER(v, scale) CAT(NUMBER_, DTYPE(RES_DTYPE))(v, scale)
