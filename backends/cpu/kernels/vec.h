/* A vector of floats as wide as the build's instruction set has them. */
#ifndef CPU_KERNELS_VEC_H
#define CPU_KERNELS_VEC_H

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Before a loop of so few turns that all of them are to be written out. */
#define CPU_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define CPU_UNROLL(turns) CPU_PRAGMA(clang loop unroll(full))
#else
#define CPU_UNROLL(turns) CPU_PRAGMA(GCC unroll turns)
#endif

#if defined(__AVX512F__)
enum { VF = 16 };
typedef __m512 vf;
static inline vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf a) {
    _mm512_storeu_ps(p, a);
}
static inline vf vf_all(float a) {
    return _mm512_set1_ps(a);
}
static inline vf vf_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
static inline vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
#elif defined(__AVX2__) && defined(__FMA__)
enum { VF = 8 };
typedef __m256 vf;
static inline vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf a) {
    _mm256_storeu_ps(p, a);
}
static inline vf vf_all(float a) {
    return _mm256_set1_ps(a);
}
static inline vf vf_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
static inline vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
#elif defined(__SSE2__)
enum { VF = 4 };
typedef __m128 vf;
static inline vf vf_load(const float *p) {
    return _mm_loadu_ps(p);
}
static inline void vf_store(float *p, vf a) {
    _mm_storeu_ps(p, a);
}
static inline vf vf_all(float a) {
    return _mm_set1_ps(a);
}
static inline vf vf_add(vf a, vf b) {
    return _mm_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b) {
    return _mm_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b) {
    return _mm_mul_ps(a, b);
}
static inline vf vf_max(vf a, vf b) {
    return _mm_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b) {
    return _mm_min_ps(a, b);
}
static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm_add_ps(_mm_mul_ps(a, b), c);
}
#else
enum { VF = 1 };
typedef float vf;
static inline vf vf_load(const float *p) {
    return *p;
}
static inline void vf_store(float *p, vf a) {
    *p = a;
}
static inline vf vf_all(float a) {
    return a;
}
static inline vf vf_add(vf a, vf b) {
    return a + b;
}
static inline vf vf_sub(vf a, vf b) {
    return a - b;
}
static inline vf vf_mul(vf a, vf b) {
    return a * b;
}
static inline vf vf_max(vf a, vf b) {
    return a > b ? a : b;
}
static inline vf vf_min(vf a, vf b) {
    return a < b ? a : b;
}
static inline vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
}
#endif

#endif
