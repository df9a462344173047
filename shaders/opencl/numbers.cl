/*
 * Numbers of fr_dtype (1 f32, 2 f16, 3 bf16, 4 u8, 5 s8, 6 s32) as words of the kernels: SRC_LOAD and its like, of the dtypes that the
 * build defines. A prelude, OpenCL's or CUDA's, adds the types (TYPE_*), what is loaded and stored by functions of its own, and
 * vectors.
 */
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define CAT3(a, b, c) CAT(CAT(a, b), c)

#define DTYPE_1 f32
#define DTYPE_2 f16
#define DTYPE_3 bf16
#define DTYPE_4 u8
#define DTYPE_5 s8
#define DTYPE_6 s32
#define DTYPE(n) CAT(DTYPE_, n)
#define TYPE(n) CAT(TYPE_, DTYPE(n))

#ifdef SRC_DTYPE
#define SRC_T TYPE(SRC_DTYPE)
#define SRC_LOAD(p, i) CAT(load_, DTYPE(SRC_DTYPE))(p, i)
#define SRC_LOADV(p, i) CAT(loadv_, DTYPE(SRC_DTYPE))(p, i)
#endif
#ifdef DST_DTYPE
#define DST_T TYPE(DST_DTYPE)
#define DST_LOAD(p, i) CAT(load_, DTYPE(DST_DTYPE))(p, i)
#define DST_LOADV(p, i) CAT(loadv_, DTYPE(DST_DTYPE))(p, i)
#define DST_STORE(v, p, i) CAT(store_, DTYPE(DST_DTYPE))(v, p, i)
#define DST_STOREV(v, p, i) CAT(storev_, DTYPE(DST_DTYPE))(v, p, i)
#endif
#ifdef WGT_DTYPE
#define WGT_T TYPE(WGT_DTYPE)
#define WGT_LOAD(p, i) CAT(load_, DTYPE(WGT_DTYPE))(p, i)
#define WGT_LOADV(p, i) CAT(loadv_, DTYPE(WGT_DTYPE))(p, i)
#endif

/* Scalars: (pointer, element) -> float. Stored integers come without their scale. */
#define load_f32(p, i) ((p)[i])
#define load_u8(p, i) convert_float((p)[i])
#define load_s8(p, i) convert_float((p)[i])
#define load_s32(p, i) convert_float((p)[i])
#define store_f32(v, p, i) ((p)[i] = (v))

/* Numbers of stored integers, and back: number = scale * stored. Other dtypes are stored as they are. */
#define NUMBER_f32(v, scale) (v)
#define NUMBER_f16(v, scale) (v)
#define NUMBER_bf16(v, scale) (v)
#define NUMBER_u8(v, scale) ((v) * (scale))
#define NUMBER_s8(v, scale) ((v) * (scale))
#define STORED_f32(v, scale) (v)
#define STORED_f16(v, scale) (v)
#define STORED_bf16(v, scale) (v)
#define STORED_u8(v, scale) ((v) / (scale))
#define STORED_s8(v, scale) ((v) / (scale))
#define SRC_NUMBER(v, scale) CAT(NUMBER_, DTYPE(SRC_DTYPE))(v, scale)
#define DST_NUMBER(v, scale) CAT(NUMBER_, DTYPE(DST_DTYPE))(v, scale)
#define DST_STORED(v, scale) CAT(STORED_, DTYPE(DST_DTYPE))(v, scale)

/* The struct of a list in params.h: PARAM_STRUCT(conv_params, CONV_PARAMS) declares the type conv_params. */
#define PARAM_INT_(name) int name;
#define PARAM_FLOAT_(name) float name;
#define PARAM_STRUCT(type, list) typedef struct { list(PARAM_INT_, PARAM_FLOAT_) } type;
