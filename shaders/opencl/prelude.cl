// needs: common.h
// needs: numbers.cl
/*
 * Comes before every kernel file. The build defines SRC_DTYPE, DST_DTYPE, WGT_DTYPE (numbers of fr_dtype: 1 f32, 2 f16, 4 u8,
 * 5 s8, 6 s32) where a kernel has such buffers, VW (lanes of a vector: 1, 2, 4, 8, 16), LX LY LZ (items in a group), and
 * HAS_HALF_MATH, HAS_DOT8 (0 or 1). Halves are stored and loaded with vload_half and vstore_half, which every OpenCL 1.2
 * device has; sums are always f32 (s32 for integers).
 *
 * CUDA builds the kernels' texts too, as C++ and behind a prelude of its own (backends/cuda/kernels/prelude.cuh), which
 * has VW 1 and 4 alone. What the two languages say differently is a macro here and there: LOCAL_ARRAY, MAKE, LARGER,
 * VEC_OF_LANES, LANES_OF_VEC, DOT8_LANES. Lanes are .x .y .z .w; no vector is a condition of ?: in texts that CUDA builds.
 */

#define TYPE_f32 float
#define TYPE_f16 half
#define TYPE_u8 uchar
#define TYPE_s8 char
#define TYPE_s32 int

#define load_f16(p, i) vload_half(i, p)
#define store_f16(v, p, i) vstore_half_rte(v, i, p)
#define store_u8(v, p, i) ((p)[i] = convert_uchar_sat_rte(v))
#define store_s8(v, p, i) ((p)[i] = convert_char_sat_rte(v))

/* Vectors of VW floats; i counts elements, any alignment of an element is good enough. */
#ifdef VW
#if VW == 1
#define VEC float
#define IVEC int
#define loadv_f32 load_f32
#define loadv_f16 load_f16
#define loadv_u8 load_u8
#define loadv_s8 load_s8
#define storev_f32 store_f32
#define storev_f16 store_f16
#define storev_u8 store_u8
#define storev_s8 store_s8
#else
#define VEC CAT(float, VW)
#define IVEC CAT(int, VW)
#define loadv_f32(p, i) CAT(vload, VW)(0, (p) + (i))
#define loadv_f16(p, i) CAT(vload_half, VW)(0, (p) + (i))
#define loadv_u8(p, i) CAT(convert_, VEC)(CAT(vload, VW)(0, (p) + (i)))
#define loadv_s8(p, i) CAT(convert_, VEC)(CAT(vload, VW)(0, (p) + (i)))
#define storev_f32(v, p, i) CAT(vstore, VW)(v, 0, (p) + (i))
#define storev_f16(v, p, i) CAT3(vstore_half, VW, _rte)(v, 0, (p) + (i))
#define storev_u8(v, p, i) CAT(vstore, VW)(CAT3(convert_uchar, VW, _sat_rte)(v), 0, (p) + (i))
#define storev_s8(v, p, i) CAT(vstore, VW)(CAT3(convert_char, VW, _sat_rte)(v), 0, (p) + (i))
#endif
#endif

/* Vectors at multiples of VW floats (weights and arrays of our own), where a device may care; and the VW numbers of a
 * private array, which must not have an address. */
#ifdef VW
#define LOADV_WHOLE(p, i) loadv_f32(p, i)
#define STOREV_WHOLE(v, p, i) storev_f32(v, p, i)
#define VEC_OF_LANES(lanes) loadv_f32(lanes, 0)
#define LANES_OF_VEC(v, lanes) storev_f32(v, lanes, 0)
#endif
/* the i-th word of bytes that begin at a multiple of four */
#define LOAD_BYTES4(i, p) as_uint(vload4(i, p))

/* The first `count` lanes, zeros after them: the padding of a block is zero. */
#ifdef VW
#if VW == 1
#define KEEP_LANES(v, count) ((count) > 0 ? (v) : 0.0f)
#else
#define LANES_2 (int2)(0, 1)
#define LANES_4 (int4)(0, 1, 2, 3)
#define LANES_8 (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#define LANES_16 (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define LANES CAT(LANES_, VW)
#define KEEP_LANES(v, count) select((VEC)0.0f, (v), LANES < (IVEC)(count))

/* Stores the first `count` lanes, of less than VW. */
static inline void store_first(VEC v, __local float *to, int count) {
#if VW == 16
    float8 eight = v.lo;
    if (count & 8) {
        vstore8(eight, 0, to);
        to += 8;
        eight = v.hi;
    }
#elif VW == 8
    float8 eight = v;
#endif
#if VW >= 8
    float4 four = eight.lo;
    if (count & 4) {
        vstore4(four, 0, to);
        to += 4;
        four = eight.hi;
    }
#elif VW == 4
    float4 four = v;
#endif
#if VW >= 4
    float2 two = four.lo;
    if (count & 2) {
        vstore2(two, 0, to);
        to += 2;
        two = four.hi;
    }
#else
    float2 two = v;
#endif
    if (count & 1)
        *to = two.x;
}
#endif
#endif

/* a where it is the larger one, else b; a b that is no number stays */
#define LARGER(a, b) ((a) > (b) ? (a) : (b))

/* Sums of four products of bytes, each lane its own; of s8 weights and of bytes that all lanes share. */
#if defined(VW) && defined(SRC_DTYPE) && HAS_DOT8
#pragma OPENCL EXTENSION cl_khr_integer_dot_product : enable
#if SRC_DTYPE == 4
#define DOT8_(a, w) dot_4x8packed_us_int(a, as_uint(w))
#else
#define DOT8_(a, w) dot_4x8packed_ss_int(a, as_uint(w))
#endif
#define EACH_1(a, w) DOT8_(a, w)
#define EACH_2(a, w) ((int2)(DOT8_(a, w.s0), DOT8_(a, w.s1)))
#define EACH_4(a, w) ((int4)(EACH_2(a, w.lo), EACH_2(a, w.hi)))
#define EACH_8(a, w) ((int8)(EACH_4(a, w.lo), EACH_4(a, w.hi)))
#define EACH_16(a, w) ((int16)(EACH_8(a, w.lo), EACH_8(a, w.hi)))
#define DOT8_LANES(sum, a, w) ((sum) + CAT(EACH_, VW)(a, w))
#endif

/* What C and C++ say in different words: an array in local memory, a struct of its members. */
#define LOCAL_ARRAY(type, name, count) __local type name[count]
#define MAKE(type, ...) ((type){__VA_ARGS__})

#define KERNEL __kernel __attribute__((reqd_work_group_size(LX, LY, LZ)))

/* fr_act, on a float or on a VEC: ACTIVATE(x, p) with the three words of ACT_PARAMS in p. */
#define AS_FLOAT_(number) (float)number
#define AS_VEC_(number) (VEC)number
static inline float act_scalar(float x, int act, float a, float b) ACT_BODY(AS_FLOAT_)
#define ACTIVATE1(x, p) act_scalar(x, p.act, p.act_a, p.act_b)
#ifdef VW
#if VW == 1
#define ACTIVATE ACTIVATE1
#else
static inline VEC act_vector(VEC x, int act, float a, float b) ACT_BODY(AS_VEC_)
#define ACTIVATE(x, p) act_vector(x, p.act, p.act_a, p.act_b)
#endif
#endif
