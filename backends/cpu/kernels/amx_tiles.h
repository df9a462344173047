/*
 * The tiles of AMX, twice: as the processor has them, and with CPU_AMX_MODELLED as a model that runs anywhere, for tests. The
 * model does what Intel's manual says of the instructions, and ends the program where the processor would fault, or where a
 * kernel here has no reason to go.
 */
#ifndef CPU_KERNELS_AMX_TILES_H
#define CPU_KERNELS_AMX_TILES_H

#include "amx.h"

#define TILE_INLINE static inline __attribute__((always_inline))

#if defined(CPU_AMX_MODELLED)

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/convert.h"

typedef struct model_tile {
    uint32_t rows, row_bytes;
    uint8_t at[CPU_AMX_SIDE][CPU_AMX_ROW_BYTES];
} model_tile;

static _Thread_local struct {
    bool configured;
    model_tile tile[CPU_AMX_TILES];
} model;

static inline void model_demand(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "AMX model: %s\n", what);
    abort();
}

static inline model_tile *model_at(int tile) {
    model_demand(model.configured, "no tile is configured");
    model_demand(tile >= 0 && tile < CPU_AMX_TILES && model.tile[tile].rows > 0, "this tile is not configured");
    return &model.tile[tile];
}

/* All tiles are zeros then. */
static inline void tiles_configure(const cpu_amx_config *config) {
    memset(&model, 0, sizeof model);
    model_demand(config->palette == 1 && config->start_row == 0, "palette 1 from row 0 was expected");
    for (size_t i = 0; i < sizeof config->reserved; i++)
        model_demand(config->reserved[i] == 0, "a reserved byte is not zero");
    for (int i = 0; i < 16; i++) {
        uint32_t rows = config->rows[i], row_bytes = config->row_bytes[i];
        model_demand(i < CPU_AMX_TILES || (rows == 0 && row_bytes == 0), "there are 8 tiles");
        model_demand(rows <= CPU_AMX_SIDE && row_bytes <= CPU_AMX_ROW_BYTES, "a tile is too large");
        model_demand((rows == 0) == (row_bytes == 0), "a tile has rows or columns alone");
        if (i < CPU_AMX_TILES)
            model.tile[i].rows = rows, model.tile[i].row_bytes = row_bytes;
    }
    model.configured = true;
}

static inline void tiles_release(void) {
    memset(&model, 0, sizeof model);
}

static inline void tile_zero(int tile) {
    model_tile *t = model_at(tile);
    memset(t->at, 0, sizeof t->at);
}

/* Rows may overlap in memory: those of neighbouring places do. */
static inline void tile_load(int tile, const void *from, uint64_t step) {
    model_tile *t = model_at(tile);
    memset(t->at, 0, sizeof t->at);
    for (uint32_t row = 0; row < t->rows; row++)
        memcpy(t->at[row], (const char *)from + row * step, t->row_bytes);
}

static inline void tile_store(int tile, void *to, uint64_t step) {
    const model_tile *t = model_at(tile);
    model_demand(step >= t->row_bytes, "rows are stored over each other");
    for (uint32_t row = 0; row < t->rows; row++)
        memcpy((char *)to + row * step, t->at[row], t->row_bytes);
}

static inline float model_flush(float value) {
    return fabsf(value) < FLT_MIN ? copysignf(0.0f, value) : value;
}

static inline float model_bf16(const uint8_t *at) {
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return model_flush(fr_bf16_to_f32(half));
}

/* Even and odd elements have sums of their own, from zero on; the two are added, and then to what was there. */
static inline void model_dot_bf16(const uint8_t *row, const uint8_t *column, uint32_t groups, uint8_t *sum_at) {
    float two[2] = {0.0f, 0.0f}, sum;
    for (uint32_t group = 0; group < groups; group++)
        for (int i = 0; i < 2; i++)
            two[i] = model_flush(fmaf(model_bf16(row + group * 4 + i * 2),
                                      model_bf16(column + group * CPU_AMX_ROW_BYTES + i * 2), two[i]));
    memcpy(&sum, sum_at, sizeof sum);
    sum = model_flush(model_flush(sum) + model_flush(two[0] + two[1]));
    memcpy(sum_at, &sum, sizeof sum);
}

/* Sums wrap. */
static inline void model_dot_bytes(const uint8_t *row, const uint8_t *column, uint32_t groups, bool is_signed,
                                   uint8_t *sum_at) {
    uint32_t sum;
    memcpy(&sum, sum_at, sizeof sum);
    for (uint32_t group = 0; group < groups; group++)
        for (int i = 0; i < 4; i++) {
            uint8_t a = row[group * 4 + (uint32_t)i];
            int8_t b = (int8_t)column[group * CPU_AMX_ROW_BYTES + (uint32_t)i];
            sum += (uint32_t)((is_signed ? (int32_t)(int8_t)a : (int32_t)a) * b);
        }
    memcpy(sum_at, &sum, sizeof sum);
}

static inline void model_dot(int sums, int places, int weights, uint16_t from) {
    model_tile *c = model_at(sums);
    const model_tile *a = model_at(places), *b = model_at(weights);
    model_demand(sums != places && sums != weights && places != weights, "one tile is used twice in a product");
    model_demand(c->row_bytes % 4 == 0 && a->row_bytes % 4 == 0 && b->row_bytes % 4 == 0,
                 "a row is not whole groups of 4 bytes");
    model_demand(c->rows == a->rows && c->row_bytes == b->row_bytes && a->row_bytes / 4 == b->rows,
                 "tiles that do not match");
    for (uint32_t y = 0; y < c->rows; y++)
        for (uint32_t x = 0; x < c->row_bytes; x += 4)
            if (from == FR_BF16)
                model_dot_bf16(a->at[y], b->at[0] + x, b->rows, c->at[y] + x);
            else
                model_dot_bytes(a->at[y], b->at[0] + x, b->rows, from == FR_S8, c->at[y] + x);
}

/* A product into tile `sums` of the places and weights that belong to it. from: U8, S8 or BF16 */
static inline void tile_dot(int sums, uint16_t from) {
    model_dot(CPU_AMX_SUMS + sums, CPU_AMX_PLACES + sums / 2, CPU_AMX_WEIGHTS + sums % 2, from);
}

#else

#include <immintrin.h>

/* GCC's intrinsics are assembly that does not say which memory it reads: what was written must be there before. */
TILE_INLINE void tile_memory(void) {
    __asm__ volatile("" ::: "memory");
}

TILE_INLINE void tiles_configure(const cpu_amx_config *config) {
    tile_memory();
    _tile_loadconfig(config);
}

TILE_INLINE void tiles_release(void) {
    _tile_release();
}

/* The numbers of tiles are parts of the instructions: callers' are constants, and one case is left of each switch. */
TILE_INLINE void tile_zero(int tile) {
    switch (tile) {
    case 0: _tile_zero(0); break;
    case 1: _tile_zero(1); break;
    case 2: _tile_zero(2); break;
    default: _tile_zero(3); break;
    }
}

TILE_INLINE void tile_load(int tile, const void *from, uint64_t step) {
    tile_memory();
    switch (tile) {
    case 4: _tile_loadd(4, from, step); break;
    case 5: _tile_loadd(5, from, step); break;
    case 6: _tile_loadd(6, from, step); break;
    default: _tile_loadd(7, from, step); break;
    }
}

TILE_INLINE void tile_store(int tile, void *to, uint64_t step) {
    switch (tile) {
    case 0: _tile_stored(0, to, step); break;
    case 1: _tile_stored(1, to, step); break;
    case 2: _tile_stored(2, to, step); break;
    default: _tile_stored(3, to, step); break;
    }
}

TILE_INLINE void tile_dot_u8(int sums) {
    switch (sums) {
    case 0: _tile_dpbusd(0, 4, 6); break;
    case 1: _tile_dpbusd(1, 4, 7); break;
    case 2: _tile_dpbusd(2, 5, 6); break;
    default: _tile_dpbusd(3, 5, 7); break;
    }
}

TILE_INLINE void tile_dot_s8(int sums) {
    switch (sums) {
    case 0: _tile_dpbssd(0, 4, 6); break;
    case 1: _tile_dpbssd(1, 4, 7); break;
    case 2: _tile_dpbssd(2, 5, 6); break;
    default: _tile_dpbssd(3, 5, 7); break;
    }
}

TILE_INLINE void tile_dot_bf16(int sums) {
    switch (sums) {
    case 0: _tile_dpbf16ps(0, 4, 6); break;
    case 1: _tile_dpbf16ps(1, 4, 7); break;
    case 2: _tile_dpbf16ps(2, 5, 6); break;
    default: _tile_dpbf16ps(3, 5, 7); break;
    }
}

TILE_INLINE void tile_dot(int sums, uint16_t from) {
    if (from == FR_U8)
        tile_dot_u8(sums);
    else if (from == FR_S8)
        tile_dot_s8(sums);
    else
        tile_dot_bf16(sums);
}

#endif

#endif
