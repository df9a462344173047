/*
 * Names that carry the instruction set they were built for: CPU_FN(pool) is cpu_pool_avx512 wherever there is AVX-512. What VNNI or BF16
 * make another kernel has names of its own (CPU_VNNI_FN, CPU_BF16_FN), and what is built at every level that level's.
 */
#ifndef CPU_KERNELS_ISA_H
#define CPU_KERNELS_ISA_H

#include "direct.h"
#include "grouped.h"
#include "amx.h"
#include "fixed.h"
#include "kernels.h"
#include "wino.h"
#include "wino_rows.h"

#define CPU_JOIN_OF(name, isa) cpu_##name##_##isa
#define CPU_JOIN(name, isa)    CPU_JOIN_OF(name, isa)
#if defined(__AVX512F__)
#define CPU_FN(name)      CPU_JOIN(name, avx512)
#define CPU_VNNI_FN(name) CPU_JOIN(name, avx512_vnni)
#elif defined(__AVX2__) && defined(__FMA__)
#define CPU_FN(name)      CPU_JOIN(name, avx2)
#define CPU_VNNI_FN(name) CPU_JOIN(name, avx2_vnni)
#else
#define CPU_FN(name)      CPU_JOIN(name, base)
#define CPU_VNNI_FN(name) CPU_JOIN(name, base)
#endif
#define CPU_BF16_FN(name)  CPU_JOIN(name, avx512_bf16)
#define CPU_LEVEL_FN(name) CPU_JOIN(name, CPU_KERNELS_ISA)
/* What is built at every level but AMX's, which has nothing to add to it. GCC and Clang 14 name AMX differently. */
#if defined(__AMX_TILE__) || defined(__AMXTILE__)
#define CPU_MOST_FN(name) CPU_BF16_FN(name)
#else
#define CPU_MOST_FN(name) CPU_LEVEL_FN(name)
#endif

void CPU_FN(convert)(uint16_t from, float from_scale, const void *src, uint16_t to, float to_scale, void *dst,
                     uint64_t count);
void CPU_FN(move)(const cpu_end *src, const void *from, const cpu_end *dst, void *to, uint64_t count);
void CPU_FN(act)(uint16_t act, float a, float b, float *row, uint64_t count);
void CPU_FN(binary)(uint16_t op, const float *a, const float *b, float *out, uint64_t count);
void CPU_FN(pool)(const cpu_pool *pool, const void *src, void *dst);
void CPU_FN(plane)(const cpu_plane *plane, const void *src, void *dst);
void CPU_FN(interleaved)(const uint8_t *src, uint16_t to, float to_scale, void *dst, const float *mean,
                         const float *scale, uint64_t channels, uint64_t count);
void CPU_FN(rgb_planes)(const uint8_t *src, const cpu_end *to, void *const dst[3], const float mean[3],
                        const float scale[3], uint64_t count);
void CPU_FN(weave)(const float *rows, uint64_t row_step, uint64_t places, uint64_t block, float *dst);
void CPU_FN(softmax)(const float *src, float *dst, uint64_t rows, uint64_t row_step, uint64_t columns);

#if defined(__AVX2__) && defined(__FMA__)
extern const cpu_wino_kernels CPU_FN(wino_kernels);
extern const cpu_wino_tile CPU_FN(wino_4x4), CPU_FN(wino_4x5), CPU_FN(wino_4x6);
extern const cpu_wino_tile CPU_FN(wino_5x4), CPU_FN(wino_5x5), CPU_FN(wino_5x6);
extern const cpu_wino_tile CPU_FN(wino_6x4), CPU_FN(wino_6x5), CPU_FN(wino_6x6);
extern const cpu_wino_rows_kernels CPU_FN(wino_rows_kernels);
extern const cpu_direct_kernels CPU_MOST_FN(direct_kernels);
extern const cpu_grouped_kernels CPU_MOST_FN(grouped_kernels), CPU_FN(grouped_wino_kernels);
void CPU_VNNI_FN(depthwise_bytes)(const cpu_depthwise *d, const void *src, const cpu_depthwise_bytes *weights,
                                  void *dst);
extern const cpu_depthwise_kernels CPU_MOST_FN(depthwise_kernels);
#endif
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
extern const cpu_fixed_kernels CPU_VNNI_FN(fixed44_kernels), CPU_VNNI_FN(fixed55_kernels);
#endif

/* GCC's name, Clang 14's, and a model of the tiles for tests: amx_tiles.h */
#if defined(__AMX_TILE__) || defined(__AMXTILE__) || defined(CPU_AMX_MODELLED)
#define CPU_HAS_AMX
extern const cpu_amx_kernels CPU_LEVEL_FN(amx_kernels);
#endif

extern const cpu_kernels CPU_LEVEL_FN(kernels);

#endif
