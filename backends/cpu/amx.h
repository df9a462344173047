/*
 * Direct convs on AMX tiles: 16 places x 16 outs a tile of sums, int8 or bf16, groups and dilations of 1.
 *
 * The padded rows of the map that a window needs are kept in scratch, places side by side with channels rounded up a little.
 * There the kw places of a window's row lie together, so that they are cut into `chunks` of chunk_bytes without a gap, each one
 * product of tiles: few channels fill a tile as well as many, and nothing beyond the window is ever read.
 *
 * No processor with AMX was at hand when this was written: the kernels have run on a model of the tiles alone
 * (kernels/amx_tiles.h, tests/unit/test_cpu_amx.c), and how fast they are on a real one is not known.
 */
#ifndef CPU_AMX_H
#define CPU_AMX_H

#include <stdbool.h>
#include <stdint.h>

#include "foldrun/backend.h"

enum {
    CPU_AMX_SIDE = 16,      /* rows of a tile, and 4-byte columns */
    CPU_AMX_ROW_BYTES = 64, /* of a tile, at most */
    CPU_AMX_BLOCK = 16,     /* channels of a block in NCHW16C */
    CPU_AMX_MOST_HIGH = 16  /* rows of a window */
};

/* Tiles by number: 4 of sums, 2 of places, 2 of weights. Sums i are of places i / 2 and weights i % 2. */
enum { CPU_AMX_SUMS = 0, CPU_AMX_PLACES = 4, CPU_AMX_WEIGHTS = 6, CPU_AMX_TILES = 8 };

/* As the processor reads it: palette 1 has 8 tiles of up to 16 rows of 64 bytes. */
typedef struct cpu_amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} cpu_amx_config;
_Static_assert(sizeof(cpu_amx_config) == 64, "what LDTILECFG reads");

typedef struct cpu_amx {
    int32_t h, w, out_h, out_w, c_in, c_out;
    int32_t kh, kw, sh, sw, pad_top, pad_left;
    uint16_t from;               /* U8 or S8: int8; BF16; F32 is rounded to BF16 first */
    uint16_t dtype;              /* of dst */
    bool from_blocks, to_blocks; /* NCHW16C; else NHWC */
    float per_unit;              /* U8, S8: stored = number * per_unit; else 1 */
    uint16_t act;                /* NONE, RELU, CLIP or LEAKY */
    float act_a, act_b;
    /* cpu_amx_shape's */
    int32_t place_bytes; /* of a place in scratch */
    int32_t chunks, chunk_bytes;
    int32_t groups;    /* of 16 places, in a row of the output */
    int32_t out_tiles; /* of 16 outs */
    int32_t kept;      /* rows in scratch */
    int32_t places;    /* of one of them */
    uint64_t row_bytes;
    uint64_t tile_bytes; /* weights of 16 outs */
    uint64_t weight_bytes, scratch_bytes;
    cpu_amx_config config;
} cpu_amx;

/* Sums of 2 x 2 tiles on their way out come behind the rows. */
enum { CPU_AMX_SUM_BYTES = 4 * CPU_AMX_SIDE * CPU_AMX_ROW_BYTES };

static inline bool cpu_amx_is_int8(const cpu_amx *a) {
    return a->from == FR_U8 || a->from == FR_S8;
}

static inline uint64_t cpu_amx_up(uint64_t bytes, uint64_t to) {
    return (bytes + to - 1) / to * to;
}

/* The smallest places whose window rows fall into chunks of one size, no more of them than it takes; 64 bytes always do. */
static inline void cpu_amx_cut(cpu_amx *a) {
    int32_t needed =
        (a->c_in * (cpu_amx_is_int8(a) ? 1 : 2) + 3) / 4; /* groups of 4 bytes, which are multiplied at once */
    int32_t most = CPU_AMX_ROW_BYTES / 4;
    while (a->kw * needed % ((a->kw * needed + most - 1) / most) != 0)
        needed++;
    a->place_bytes = needed * 4;
    a->chunks = (a->kw * needed + most - 1) / most;
    a->chunk_bytes = a->kw * a->place_bytes / a->chunks;
}

static inline void cpu_amx_shape(cpu_amx *a) {
    cpu_amx_cut(a);
    a->groups = (a->out_w + CPU_AMX_SIDE - 1) / CPU_AMX_SIDE;
    a->out_tiles = (a->c_out + CPU_AMX_SIDE - 1) / CPU_AMX_SIDE;
    a->kept = a->kh + a->sh; /* for groups of two output rows */
    a->places = (a->groups * CPU_AMX_SIDE - 1) * a->sw + a->kw;
    a->row_bytes = cpu_amx_up((uint64_t)a->places * (uint64_t)a->place_bytes, 64);
    a->tile_bytes = (uint64_t)a->kh * (uint64_t)a->chunks * (uint64_t)a->chunk_bytes * CPU_AMX_SIDE;
    a->weight_bytes = (uint64_t)a->out_tiles * (a->tile_bytes + 2 * CPU_AMX_SIDE * sizeof(float));
    a->scratch_bytes = (uint64_t)a->kept * a->row_bytes + CPU_AMX_SUM_BYTES;
    a->config = (cpu_amx_config){.palette = 1};
    for (int tile = 0; tile < CPU_AMX_TILES; tile++) {
        bool places_tile = tile >= CPU_AMX_PLACES && tile < CPU_AMX_WEIGHTS, weights_tile = tile >= CPU_AMX_WEIGHTS;
        a->config.row_bytes[tile] = (uint16_t)(places_tile ? a->chunk_bytes : CPU_AMX_ROW_BYTES);
        a->config.rows[tile] = (uint8_t)(weights_tile ? a->chunk_bytes / 4 : CPU_AMX_SIDE);
    }
}

typedef struct cpu_amx_kernels {
    /* weight: int8_t or float, as fr_weights has them; a sum counts scale[out] (NULL: 1) times src_scale; bias: [c_out] or NULL.
     * To weight_bytes of zeros: tiles in the order they are loaded, scales and biases in units of dst. */
    void (*pack)(const cpu_amx *a, const void *weight, const float *scale, float src_scale, const float *bias,
                 void *to);
    /* Images one after the other, on this thread's tiles. scratch: scratch_bytes; it and the weights are 64-byte aligned. */
    void (*run)(const cpu_amx *a, int32_t images, const void *src, const void *weights, void *dst, void *scratch);
} cpu_amx_kernels;

#endif
