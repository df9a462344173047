/*
 * CUDA's words for a kernel that is compiled as C++ for the host (FR_PAPER): comes before its text, where NVRTC has them built
 * in. Only what kernels of this project use. What stands for the hardware's instructions is paper_... and is used behind
 * #ifdef FR_PAPER alone:
 *
 *   paper_exchange(x)        32 lanes' values of x; a collective of the warp
 *   paper_dynamic<T>()       the launch's dynamic shared memory (extern __shared__ does not exist here)
 *   paper_barrier(id, n)     bar.sync id, n
 *   paper_copy(to, from, bytes, from_bytes), paper_copy_commit(), paper_copy_wait(n)   cp.async and its groups
 *   paper_from_f16(bits), paper_to_f16(x), paper_from_bf16(bits), paper_to_bf16(x), paper_to_tf32(x)   rounded to even
 *   paper_check(condition, "words")   reported with the kernel's name; the launch is then an error
 */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/convert.h"
#include "paper_abi.h"

#define __device__
#define __host__
#define __global__      __attribute__((visibility("default")))
#define __constant__    static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__    __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __grid_constant__
#define __shared__ static __attribute__((section("paper_shared")))

extern "C" {
extern char paper_shared_begin[] __asm__("__start_paper_shared") __attribute__((weak, visibility("hidden")));
extern char paper_shared_end[] __asm__("__stop_paper_shared") __attribute__((weak, visibility("hidden")));
extern paper_object paper_link;
}

typedef paper_index uint3;
typedef paper_index dim3;
#define threadIdx (paper_link.thread)
#define blockIdx  (paper_link.block)
#define blockDim  (paper_link.block_dim)
#define gridDim   (paper_link.grid_dim)
#define warpSize  32

/* ---- vectors -------------------------------------------------------------------------------------------------------- */

#define PAPER_VECTORS(T, name, align2, align4)                 \
    struct name##1 {                                           \
        T x;                                                   \
    };                                                         \
    struct alignas(align2) name##2 {                           \
        T x, y;                                                \
    };                                                         \
    struct name##3 {                                           \
        T x, y, z;                                             \
    };                                                         \
    struct alignas(align4) name##4 {                           \
        T x, y, z, w;                                          \
    };                                                         \
    static inline name##2 make_##name##2(T x, T y) {           \
        return {x, y};                                         \
    }                                                          \
    static inline name##3 make_##name##3(T x, T y, T z) {      \
        return {x, y, z};                                      \
    }                                                          \
    static inline name##4 make_##name##4(T x, T y, T z, T w) { \
        return {x, y, z, w};                                   \
    }
PAPER_VECTORS(signed char, char, 2, 4)
PAPER_VECTORS(unsigned char, uchar, 2, 4)
PAPER_VECTORS(short, short, 4, 8)
PAPER_VECTORS(unsigned short, ushort, 4, 8)
PAPER_VECTORS(int, int, 8, 16)
PAPER_VECTORS(long long, longlong, 16, 16)
PAPER_VECTORS(unsigned long long, ulonglong, 16, 16)
PAPER_VECTORS(float, float, 8, 16)
PAPER_VECTORS(double, double, 16, 16)
struct uint1 {
    unsigned x;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
static inline uint2 make_uint2(unsigned x, unsigned y) {
    return {x, y};
}
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) {
    return {x, y, z};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return {x, y, z, w};
}

/* ---- the block and the warp ------------------------------------------------------------------------------------------ */

static inline void __syncthreads() {
    paper_link.barrier(0, 0);
}
static inline void paper_barrier(unsigned id, unsigned threads) {
    paper_link.barrier(id, threads);
}
static inline void __threadfence() {
    __asm__ volatile("" ::: "memory");
}
static inline void __threadfence_block() {
    __asm__ volatile("" ::: "memory");
}
static inline void __syncwarp(unsigned mask = 0xffffffffu) {
    paper_link.exchange(mask, nullptr, 0);
}
static inline void __nanosleep(unsigned) {
}

template <class T> static inline T *paper_dynamic() {
    return (T *)paper_link.dynamic;
}

template <class T> static inline const T *paper_exchange_of(unsigned mask, const T &mine) {
    static_assert(sizeof(T) <= PAPER_MOST_VALUE, "a lane gives so many bytes at most");
    return (const T *)paper_link.exchange(mask, &mine, sizeof(T));
}
template <class T> static inline const T *paper_exchange(const T &mine) {
    return paper_exchange_of(0xffffffffu, mine);
}

static inline unsigned paper_lane() {
    const paper_object &o = paper_link;
    return (o.thread.x + o.block_dim.x * (o.thread.y + o.block_dim.y * o.thread.z)) % 32;
}

/* The value of lane `from` of this lane's part of `width` lanes, its own where there is none. */
template <class T> static inline T paper_shuffle(unsigned mask, T mine, int from, int width) {
    const int lane = (int)paper_lane(), base = lane / width * width;
    const T *all = paper_exchange_of(mask, mine);
    const bool is_there = from >= base && from < base + width && (mask >> from & 1);
    return all[is_there ? from : lane];
}
template <class T> static inline T __shfl_sync(unsigned mask, T x, int from, int width = 32) {
    const int base = (int)paper_lane() / width * width;
    return paper_shuffle(mask, x, base + (from & (width - 1)), width);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T x, int lanes, int width = 32) {
    return paper_shuffle(mask, x, (int)paper_lane() ^ lanes, width);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T x, unsigned by, int width = 32) {
    return paper_shuffle(mask, x, (int)(paper_lane() + by), width);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T x, unsigned by, int width = 32) {
    return paper_shuffle(mask, x, (int)paper_lane() - (int)by, width);
}
static inline unsigned __ballot_sync(unsigned mask, int vote) {
    unsigned bits = 0;
    const int *all = paper_exchange_of(mask, vote);
    for (int i = 0; i < 32; i++)
        bits |= (mask >> i & 1) && all[i] ? 1u << i : 0;
    return bits;
}
static inline int __any_sync(unsigned mask, int vote) {
    return __ballot_sync(mask, vote) != 0;
}
static inline int __all_sync(unsigned mask, int vote) {
    return __ballot_sync(mask, !vote) == 0;
}
static inline unsigned __activemask() {
    return 0xffffffffu;
}

static inline void paper_copy(void *to, const void *from, unsigned bytes, unsigned from_bytes) {
    paper_link.copy(to, from, bytes, from_bytes);
}
static inline void paper_copy_commit() {
    paper_link.copy_commit();
}
static inline void paper_copy_wait(unsigned groups_left) {
    paper_link.copy_wait(groups_left);
}
#define paper_check(condition, words) ((condition) ? (void)0 : paper_link.fail(words))

/* Threads run one at a time: what atomics do is done as it stands. */
template <class T, class V> static inline T atomicAdd(T *at, V by) {
    T old = *at;
    *at = (T)(old + by);
    return old;
}
template <class T, class V> static inline T atomicMax(T *at, V x) {
    T old = *at;
    *at = old < (T)x ? (T)x : old;
    return old;
}
template <class T, class V> static inline T atomicMin(T *at, V x) {
    T old = *at;
    *at = (T)x < old ? (T)x : old;
    return old;
}
template <class T, class V> static inline T atomicExch(T *at, V x) {
    T old = *at;
    *at = (T)x;
    return old;
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

static inline unsigned paper_bits(float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    return bits;
}
static inline float paper_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static inline int __float_as_int(float x) {
    return (int)paper_bits(x);
}
static inline unsigned __float_as_uint(float x) {
    return paper_bits(x);
}
static inline float __int_as_float(int bits) {
    return paper_float((unsigned)bits);
}
static inline float __uint_as_float(unsigned bits) {
    return paper_float(bits);
}

static inline float paper_from_f16(unsigned short bits) {
    return fr_f16_to_f32(bits);
}
static inline unsigned short paper_to_f16(float x) {
    return fr_f32_to_f16(x);
}
static inline float paper_from_bf16(unsigned short bits) {
    return fr_bf16_to_f32(bits);
}
static inline unsigned short paper_to_bf16(float x) {
    return fr_f32_to_bf16(x);
}
/* cvt.rna.tf32: ties away from zero */
static inline float paper_to_tf32(float x) {
    return x != x ? x : paper_float((paper_bits(x) + 0x1000) & ~0x1fffu);
}

static inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; i++)
        sum += (int)(signed char)(a >> 8 * i) * (int)(signed char)(b >> 8 * i);
    return sum;
}
static inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum) {
    for (int i = 0; i < 4; i++)
        sum += (a >> 8 * i & 255) * (b >> 8 * i & 255);
    return sum;
}
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    const unsigned long long both = (unsigned long long)b << 32 | a;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned pick = selector >> 4 * i & 15, byte = (unsigned)(both >> 8 * (pick & 7)) & 255;
        result |= (pick & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
    }
    return result;
}
static inline int __mulhi(int a, int b) {
    return (int)((long long)a * b >> 32);
}
static inline unsigned __umulhi(unsigned a, unsigned b) {
    return (unsigned)((unsigned long long)a * b >> 32);
}
static inline int __popc(unsigned x) {
    return __builtin_popcount(x);
}
static inline int __clz(int x) {
    return x ? __builtin_clz((unsigned)x) : 32;
}
static inline int __ffs(int x) {
    return __builtin_ffs(x);
}

static inline float __fmaf_rn(float a, float b, float c) {
    return __builtin_fmaf(a, b, c);
}
static inline float __fmul_rn(float a, float b) {
    volatile float x = a * b;
    return x;
}
static inline float __fadd_rn(float a, float b) {
    volatile float x = a + b;
    return x;
}
static inline float __fsub_rn(float a, float b) {
    volatile float x = a - b;
    return x;
}
static inline float __fdiv_rn(float a, float b) {
    return a / b;
}
static inline float __fdividef(float a, float b) {
    return a / b;
}
static inline float __frcp_rn(float a) {
    return 1.0f / a;
}
#define __expf expf
#define __logf logf
#define __powf powf
#define __sinf sinf
#define __cosf cosf
static inline float __saturatef(float x) {
    return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
}
static inline float rsqrtf(float x) {
    return 1.0f / sqrtf(x);
}
static inline int __float2int_rn(float x) {
    return (int)rintf(fminf(fmaxf(x, -0x1p31f), 2147483520.0f));
}
static inline int __float2int_rz(float x) {
    return (int)truncf(fminf(fmaxf(x, -0x1p31f), 2147483520.0f));
}
static inline int __float2int_rd(float x) {
    return (int)floorf(fminf(fmaxf(x, -0x1p31f), 2147483520.0f));
}
static inline float __int2float_rn(int x) {
    return (float)x;
}
static inline float __uint2float_rn(unsigned x) {
    return (float)x;
}
template <class T> static inline T __ldg(const T *at) {
    return *at;
}

#define PAPER_LEAST(T)              \
    static inline T min(T a, T b) { \
        return b < a ? b : a;       \
    }                               \
    static inline T max(T a, T b) { \
        return a < b ? b : a;       \
    }
PAPER_LEAST(int)
PAPER_LEAST(unsigned)
PAPER_LEAST(long)
PAPER_LEAST(unsigned long)
PAPER_LEAST(long long)
PAPER_LEAST(unsigned long long)
static inline unsigned min(int a, unsigned b) {
    return min((unsigned)a, b);
}
static inline unsigned min(unsigned a, int b) {
    return min(a, (unsigned)b);
}
static inline unsigned max(int a, unsigned b) {
    return max((unsigned)a, b);
}
static inline unsigned max(unsigned a, int b) {
    return max(a, (unsigned)b);
}
static inline float min(float a, float b) {
    return fminf(a, b);
}
static inline float max(float a, float b) {
    return fmaxf(a, b);
}

/* ---- the object's table of kernels: the fake compiler writes it behind the text ---------------------------------------- */

template <class... A> struct paper_call_of;
template <> struct paper_call_of<> {
    template <class F, class... Got> static inline void go(F f, void *const *, Got &...got) {
        f(got...);
    }
    static void note(uint32_t *) {
    }
};
template <class A, class... Rest> struct paper_call_of<A, Rest...> {
    template <class F, class... Got> static inline void go(F f, void *const *at, Got &...got) {
        paper_call_of<Rest...>::go(f, at + 1, got..., *(A *)*at);
    }
    static void note(uint32_t *bytes) {
        *bytes = sizeof(A);
        paper_call_of<Rest...>::note(bytes + 1);
    }
};

/* A name in the text may be one that the build leaves out: a function of another type is found behind it then. */
struct paper_absent {};
template <int slot, class... A> struct paper_slot {
    static void (*kernel)(A...);
    static void call(void *const *params) {
        paper_call_of<A...>::go(kernel, params);
    }
};
template <int slot, class... A> void (*paper_slot<slot, A...>::kernel)(A...);

template <int slot, class... A> static void paper_note(paper_kernel *&to, const char *name, void (*kernel)(A...), int) {
    static_assert(sizeof...(A) <= PAPER_MOST_PARAMS, "too many parameters");
    paper_slot<slot, A...>::kernel = kernel;
    to->name = name;
    to->call = paper_slot<slot, A...>::call;
    to->n_params = sizeof...(A);
    paper_call_of<A...>::note(to->bytes);
    to++;
}
template <int slot> static void paper_note(paper_kernel *&, const char *, int (*)(paper_absent), long) {
}
