// needs: common.h
// needs: numbers.cl
/*
 * Comes before every kernel on CUDA, as prelude.cl does on OpenCL: it defines the same words, so that the texts of
 * shaders/opencl are CUDA C++ too. The build defines what it defines there; numbers of fr_dtype: 1 f32, 2 f16, 3 bf16,
 * 4 u8, 5 s8, 6 s32. VW is 1 or 4. Nothing is included: f16 and bf16 are converted here. FR_PAPER: a host's build.
 *
 * Kernels get their buffers with the offsets added, so all launch words but `valid` are constants.
 */

#define __kernel extern "C" __global__
#define KERNEL extern "C" __global__ __launch_bounds__(LX * LY * LZ)
#define __global
#define __local
#define __constant
#define restrict __restrict__
#define barrier(fence) __syncthreads()

#define DIMENSION_0 x
#define DIMENSION_1 y
#define DIMENSION_2 z
#define get_local_id(d) ((int)threadIdx.CAT(DIMENSION_, d))
#define get_group_id(d) ((int)blockIdx.CAT(DIMENSION_, d))
#define get_num_groups(d) ((int)gridDim.CAT(DIMENSION_, d))
#define get_local_size(d) CAT(LOCAL_SIZE_, d)
#define LOCAL_SIZE_0 (LX)
#define LOCAL_SIZE_1 (LY)
#define LOCAL_SIZE_2 (LZ)
#define get_global_id(d) (get_group_id(d) * get_local_size(d) + get_local_id(d))

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif

typedef unsigned int uint;
typedef unsigned char uchar;
typedef unsigned short ushort;

struct launch_words { /* as the runtime fills them: zeros, valid, zero */
    uint zeros[6], s6, s7;
    static constexpr int s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0;
};
#define uint8 launch_words

/* ---- stored numbers --------------------------------------------------------------------------------------------- */

struct f16_bits {
    ushort bits;
};
struct bf16_bits {
    ushort bits;
};

#ifdef FR_PAPER
static inline float number_of_f16(f16_bits h) { return fr_f16_to_f32(h.bits); }
static inline f16_bits f16_of_number(float v) { return f16_bits{fr_f32_to_f16(v)}; }
static inline float number_of_bf16(bf16_bits h) { return fr_bf16_to_f32(h.bits); }
static inline bf16_bits bf16_of_number(float v) { return bf16_bits{fr_f32_to_bf16(v)}; }
static inline int nearest_int(float v) { return (int)rintf(v); }
#else
static inline float number_of_f16(f16_bits h) {
    float v;
    asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(h.bits));
    return v;
}
static inline f16_bits f16_of_number(float v) {
    f16_bits h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(v));
    return h;
}
static inline float number_of_bf16(bf16_bits h) { return __uint_as_float((uint)h.bits << 16); }
static inline bf16_bits bf16_of_number(float v) {
    bf16_bits h;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.bits) : "f"(v));
#else
    uint bits = __float_as_uint(v);
    bits = v != v ? 0x7fffffff : bits + 0x7fff + (bits >> 16 & 1);
    h.bits = (ushort)(bits >> 16);
#endif
    return h;
}
static inline int nearest_int(float v) { return __float2int_rn(v); }
#endif

static inline uchar u8_of_number(float v) { return (uchar)nearest_int(fminf(fmaxf(v, 0.0f), 255.0f)); }
static inline signed char s8_of_number(float v) { return (signed char)nearest_int(fminf(fmaxf(v, -128.0f), 127.0f)); }

#define TYPE_f32 float
#define TYPE_f16 f16_bits
#define TYPE_bf16 bf16_bits
#define TYPE_u8 uchar
#define TYPE_s8 signed char
#define TYPE_s32 int

#define convert_float(v) ((float)(v))
#define load_f16(p, i) number_of_f16((p)[i])
#define load_bf16(p, i) number_of_bf16((p)[i])
#define store_f16(v, p, i) ((p)[i] = f16_of_number(v))
#define store_bf16(v, p, i) ((p)[i] = bf16_of_number(v))
#define store_u8(v, p, i) ((p)[i] = u8_of_number(v))
#define store_s8(v, p, i) ((p)[i] = s8_of_number(v))

/* ---- vectors ---------------------------------------------------------------------------------------------------- */

struct alignas(16) s32x4 {
    int x, y, z, w;
    s32x4() = default;
    s32x4(int all) : x(all), y(all), z(all), w(all) {}
    s32x4(int a, int b, int c, int d) : x(a), y(b), z(c), w(d) {}
};

struct alignas(16) f32x4 {
    float x, y, z, w;
    f32x4() = default;
    f32x4(float all) : x(all), y(all), z(all), w(all) {}
    f32x4(float a, float b, float c, float d) : x(a), y(b), z(c), w(d) {}
};

#define VECTOR_OPERATOR(type, op)                                                                                     \
    static inline type operator op(type a, type b) { return type(a.x op b.x, a.y op b.y, a.z op b.z, a.w op b.w); } \
    static inline type &operator op##=(type &a, type b) { return a = a op b; }
VECTOR_OPERATOR(f32x4, +)
VECTOR_OPERATOR(f32x4, -)
VECTOR_OPERATOR(f32x4, *)
VECTOR_OPERATOR(f32x4, /)
VECTOR_OPERATOR(s32x4, +)
VECTOR_OPERATOR(s32x4, -)
VECTOR_OPERATOR(s32x4, *)
VECTOR_OPERATOR(s32x4, /)
static inline f32x4 operator-(f32x4 a) { return f32x4(-a.x, -a.y, -a.z, -a.w); }

/* Lanes of true are -1, as in OpenCL C. */
#define VECTOR_COMPARISON(op)                                                            \
    static inline s32x4 operator op(s32x4 a, s32x4 b) {                                  \
        return s32x4(-(a.x op b.x), -(a.y op b.y), -(a.z op b.z), -(a.w op b.w));        \
    }
VECTOR_COMPARISON(<)
VECTOR_COMPARISON(<=)
VECTOR_COMPARISON(==)

static inline f32x4 convert_f32x4(s32x4 v) { return f32x4((float)v.x, (float)v.y, (float)v.z, (float)v.w); }
static inline f32x4 select(f32x4 no, f32x4 yes, s32x4 is) {
    return f32x4(is.x ? yes.x : no.x, is.y ? yes.y : no.y, is.z ? yes.z : no.z, is.w ? yes.w : no.w);
}

/* Functions of both dialects, on scalars and lane by lane; by macros, since the compiler has its own of these names. */
#define LANES_OF_1(name, f)                          \
    static inline float name(float a) { return f(a); } \
    static inline f32x4 name(f32x4 a) { return f32x4(f(a.x), f(a.y), f(a.z), f(a.w)); }
#define LANES_OF_2(name, f)                                      \
    static inline float name(float a, float b) { return f(a, b); } \
    static inline f32x4 name(f32x4 a, f32x4 b) { return f32x4(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w)); }
LANES_OF_1(exp_of, expf)
LANES_OF_1(tanh_of, tanhf)
LANES_OF_1(sqrt_of, sqrtf)
LANES_OF_2(pow_of, powf)
LANES_OF_2(max_of, fmaxf)
LANES_OF_2(min_of, fminf)
static inline int max_of(int a, int b) { return a > b ? a : b; }
static inline int min_of(int a, int b) { return a < b ? a : b; }
static inline uint max_of(uint a, uint b) { return a > b ? a : b; }
static inline uint min_of(uint a, uint b) { return a < b ? a : b; }
static inline int clamp(int v, int low, int high) { return min_of(max_of(v, low), high); }
static inline float fma_of(float a, float b, float c) { return fmaf(a, b, c); }
static inline f32x4 fma_of(f32x4 a, f32x4 b, f32x4 c) {
    return f32x4(fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z), fmaf(a.w, b.w, c.w));
}
#define exp exp_of
#define tanh tanh_of
#define sqrt sqrt_of
#define pow pow_of
#define fma fma_of
#define max max_of
#define min min_of
#define fmax max_of
#define fmin min_of
/* a where it is the larger one, else b; a b that is no number stays */
static inline float larger(float a, float b) { return a > b ? a : b; }
static inline f32x4 larger(f32x4 a, f32x4 b) {
    return f32x4(larger(a.x, b.x), larger(a.y, b.y), larger(a.z, b.z), larger(a.w, b.w));
}
#define LARGER(a, b) larger(a, b)

/* Four numbers side by side, in one access where their address allows it. Whole: it is known to. */
struct alignas(8) f16_four {
    f16_bits x, y, z, w;
};
struct alignas(8) bf16_four {
    bf16_bits x, y, z, w;
};
struct alignas(4) u8_four {
    uchar x, y, z, w;
};
struct alignas(4) s8_four {
    signed char x, y, z, w;
};

#define IS_WHOLE(p, type) (((unsigned long long)(p) & (sizeof(type) - 1)) == 0)
#define SAME(v) (v)
#define FOUR_NUMBERS(T, FOUR, number, stored)                                                               \
    static inline f32x4 load4_whole(const T *p) {                                                           \
        const FOUR v = *(const FOUR *)p;                                                                    \
        return f32x4(number(v.x), number(v.y), number(v.z), number(v.w));                                   \
    }                                                                                                       \
    static inline f32x4 load4(const T *p) {                                                                 \
        if (IS_WHOLE(p, FOUR))                                                                              \
            return load4_whole(p);                                                                          \
        return f32x4(number(p[0]), number(p[1]), number(p[2]), number(p[3]));                               \
    }                                                                                                       \
    static inline void store4_whole(f32x4 v, T *p) {                                                        \
        FOUR s;                                                                                             \
        s.x = stored(v.x), s.y = stored(v.y), s.z = stored(v.z), s.w = stored(v.w);                         \
        *(FOUR *)p = s;                                                                                     \
    }                                                                                                       \
    static inline void store4(f32x4 v, T *p) {                                                              \
        if (IS_WHOLE(p, FOUR)) {                                                                            \
            store4_whole(v, p);                                                                             \
            return;                                                                                         \
        }                                                                                                   \
        p[0] = stored(v.x), p[1] = stored(v.y), p[2] = stored(v.z), p[3] = stored(v.w);                     \
    }
FOUR_NUMBERS(float, f32x4, SAME, SAME)
FOUR_NUMBERS(f16_bits, f16_four, number_of_f16, f16_of_number)
FOUR_NUMBERS(bf16_bits, bf16_four, number_of_bf16, bf16_of_number)
FOUR_NUMBERS(uchar, u8_four, convert_float, u8_of_number)
FOUR_NUMBERS(signed char, s8_four, convert_float, s8_of_number)

/* What the texts call by OpenCL C's names. Vectors of words lie at multiples of their size in all of our weights. */
static inline f32x4 vload4(int i, const float *p) { return load4(p + 4 * i); }
static inline s32x4 vload4(int i, const int *p) { return *((const s32x4 *)p + i); }
static inline void vstore4(f32x4 v, int i, float *p) { store4(v, p + 4 * i); }
/* the i-th word of bytes that begin at a multiple of four */
#define LOAD_BYTES4(i, p) (((const uint *)(p))[i])

#ifdef VW
#if VW == 1
#define VEC float
#define IVEC int
#define loadv_f32 load_f32
#define loadv_f16 load_f16
#define loadv_bf16 load_bf16
#define loadv_u8 load_u8
#define loadv_s8 load_s8
#define storev_f32 store_f32
#define storev_f16 store_f16
#define storev_bf16 store_bf16
#define storev_u8 store_u8
#define storev_s8 store_s8
#define LOADV_WHOLE(p, i) load_f32(p, i)
#define STOREV_WHOLE(v, p, i) store_f32(v, p, i)
#define VEC_OF_LANES(lanes) ((lanes)[0])
#define LANES_OF_VEC(v, lanes) ((lanes)[0] = (v))
#define KEEP_LANES(v, count) ((count) > 0 ? (v) : 0.0f)
#else
#define VEC CAT(f32x, VW)
#define IVEC CAT(s32x, VW)
#define loadv_f32(p, i) load4((p) + (i))
#define loadv_f16(p, i) load4((p) + (i))
#define loadv_bf16(p, i) load4((p) + (i))
#define loadv_u8(p, i) load4((p) + (i))
#define loadv_s8(p, i) load4((p) + (i))
#define storev_f32(v, p, i) store4(v, (p) + (i))
#define storev_f16(v, p, i) store4(v, (p) + (i))
#define storev_bf16(v, p, i) store4(v, (p) + (i))
#define storev_u8(v, p, i) store4(v, (p) + (i))
#define storev_s8(v, p, i) store4(v, (p) + (i))
#define LOADV_WHOLE(p, i) load4_whole((p) + (i))
#define STOREV_WHOLE(v, p, i) store4_whole(v, (p) + (i))
#define VEC_OF_LANES(lanes) f32x4((lanes)[0], (lanes)[1], (lanes)[2], (lanes)[3])
#define LANES_OF_VEC(v, lanes) lanes_of(v, lanes)
static inline void lanes_of(f32x4 v, float *lanes) {
    lanes[0] = v.x;
    lanes[1] = v.y;
    lanes[2] = v.z;
    lanes[3] = v.w;
}
#define LANES s32x4(0, 1, 2, 3)
#define KEEP_LANES(v, count) select(f32x4(0.0f), (v), LANES < s32x4(count))
static inline void store_first(f32x4 v, float *to, int count) {
    if (count > 0)
        to[0] = v.x;
    if (count > 1)
        to[1] = v.y;
    if (count > 2)
        to[2] = v.z;
    if (count > 3)
        to[3] = v.w;
}

/* Sums of four products of bytes, each lane its own; of s8 weights and of bytes that all lanes share. */
#if HAS_DOT8 && defined(SRC_DTYPE)
#ifdef FR_PAPER
static inline int dot8(int sum, uint a, int w) {
    for (int i = 0; i < 32; i += 8)
        sum += (SRC_DTYPE == 4 ? (int)(a >> i & 255) : (int)(signed char)(a >> i)) * (int)(signed char)(w >> i);
    return sum;
}
#else
static inline int dot8(int sum, uint a, int w) {
    int all;
#if SRC_DTYPE == 4
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(all) : "r"(a), "r"(w), "r"(sum));
#else
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(all) : "r"(a), "r"(w), "r"(sum));
#endif
    return all;
}
#endif
#define DOT8_LANES(sum, a, w) \
    s32x4(dot8((sum).x, a, (w).x), dot8((sum).y, a, (w).y), dot8((sum).z, a, (w).z), dot8((sum).w, a, (w).w))
#endif
#endif
#endif

/* ---- what C and C++ say in different words ---------------------------------------------------------------------- */

#define LOCAL_ARRAY(type, name, count) __shared__ type name[count] __attribute__((aligned(16)))
#define MAKE(type, ...) (type{__VA_ARGS__})

/* fr_act, on a float or on a VEC: ACTIVATE(x, p) with the three words of ACT_PARAMS in p. */
#if defined(CURVED) && !CURVED
#undef ACT_CURVES
#define ACT_CURVES(ALL)
#endif
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
