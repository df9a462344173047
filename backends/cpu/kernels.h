/*
 * Our own kernels, each built once for every level of isa.h.
 * They know no step, no queue and no thread.
 */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "foldrun/backend.h"
#include "isa.h"

/* One pooled map; a "place" is `channels` numbers that lie together (1 in NCHW, a block, or all of them in NHWC). */
typedef struct cpu_pool {
    fr_window win;
    int32_t h, w, out_h, out_w, channels;
    uint64_t maps;     /* of one image */
    uint16_t kind;     /* fr_pool_kind */
    uint16_t from, to; /* fr_dtype */
    float from_scale, to_scale;
} cpu_pool;

/* Pixels of one channel of one image on their way to a map: number = (pixel - mean) * scale. */
typedef struct cpu_plane {
    uint16_t from, to; /* U8 or F32; F32, BF16 or U8 or S8 */
    float mean, scale, to_scale;
    uint64_t src_step, dst_step; /* from pixel to pixel, in elements */
    uint64_t count;
} cpu_plane;

/* One end of a strided copy: number = scale * stored for the integers, as in fr_tensor. */
typedef struct cpu_end {
    uint16_t dtype;
    float scale;
    uint64_t step;
} cpu_end;

typedef struct cpu_kernels {
    /* Number to number between dtypes; rounds half to even, clamps to the integer's range. */
    void (*convert)(uint16_t from, float from_scale, const void *src, uint16_t to, float to_scale, void *dst,
                    uint64_t count);
    /* The same from every src_step-th to every dst_step-th element. */
    void (*move)(const cpu_end *src, const void *from, const cpu_end *dst, void *to, uint64_t count);
    void (*act)(uint16_t act, float a, float b, float *row, uint64_t count); /* in place */
    void (*binary)(uint16_t op, const float *a, const float *b, float *out, uint64_t count);
    void (*pool)(const cpu_pool *pool, const void *src, void *dst); /* one map */
    void (*plane)(const cpu_plane *plane, const void *src, void *dst);
    /* Bytes with up to 64 interleaved channels that stay so; mean and scale by channel; count: of numbers. */
    void (*interleaved)(const uint8_t *src, uint16_t to, float to_scale, void *dst, const float *mean,
                        const float *scale, uint64_t channels, uint64_t count);
    /* Three interleaved channels of bytes to three planes of `count`. */
    void (*rgb_planes)(const uint8_t *src, const cpu_end *to, void *const dst[3], const float mean[3],
                       const float scale[3], uint64_t count);
    /* rows[c * row_step + place] -> dst[place * block + c]; block is a multiple of 4 */
    void (*weave)(const float *rows, uint64_t row_step, uint64_t places, uint64_t block, float *dst);
    /* rows x columns floats: exp(x - highest of the column), divided by the column's sum; row_step in elements */
    void (*softmax)(const float *src, float *dst, uint64_t rows, uint64_t row_step, uint64_t columns);
    const struct cpu_wino_kernels *wino; /* NULL where there are none */
    const struct cpu_wino_rows_kernels *wino_rows;
    const struct cpu_direct_kernels *direct;
    const struct cpu_grouped_kernels *grouped, *grouped_wino;
    const struct cpu_depthwise_kernels *depthwise;
    const struct cpu_amx_kernels *amx;
    const struct cpu_fixed_kernels *fixed44, *fixed55;
} cpu_kernels;

/* The level itself, or what is below it where this build has no kernels for it (FOLDRUN_CPU_LEVELS). */
cpu_level cpu_level_built(cpu_level level);
const cpu_kernels *cpu_kernels_for(cpu_level level);

#endif
