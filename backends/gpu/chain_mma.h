/*
 * A CHAIN as one kernel of tensor-core products (chain_mma.cu): operations that read a map and write a map in shared memory, where
 * each map lies, which operations run band by band, and which weights stay in shared memory beside the maps. Pure.
 *
 * A block takes a group of inputs through all operations, then the next group. A map is [input][row][place][channel] of 16-bit
 * numbers, channels by eights, an odd number of eights a place so that neighbouring places lie in different banks; it has the
 * border of zeros that its reader wants. What fully connected layers write are f32 words.
 *
 * A segment is a run of operations. One that is banded takes one input at a time, some rows of its last map at a time: a
 * band's maps have the rows that this takes, those shared by two bands are computed twice, and rows past the map are zeros.
 */
#ifndef FR_BACKENDS_GPU_CHAIN_MMA_H
#define FR_BACKENDS_GPU_CHAIN_MMA_H

#include "gpu/chain_plan.h"
#include "gpu/gpu.h"

enum {
    CHAIN_MMA_OPS = 40,
    CHAIN_MMA_SEGMENTS = 8,
    CHAIN_MMA_INPUTS = 8 /* of a group, at most */
};

typedef struct chain_mma_shape { /* of a kernel and its device */
    int32_t inputs;              /* of a group */
    int32_t warps, blocks;       /* of a block; that share a multiprocessor */
    int32_t generation;          /* gpu_traits.mma */
    int64_t most_bytes;          /* shared memory of a block */
} chain_mma_shape;

typedef struct chain_mma_map {
    int32_t c, h, w;
    int32_t top, left, bottom, right;
    int32_t rows, y0, y1;            /* the buffer's; row y of the map in band b is row y - y0 - y1 * b of it */
    int32_t chunks;                  /* of eight channels, a place */
    int32_t place, row, image, copy; /* bytes; copy: to the second copy of a paired map */
    int32_t at;
    int64_t bytes;
    int32_t shares;     /* the map whose memory it takes over, or -1 */
    int32_t born, dies; /* operations */
    bool is_words;      /* f32, without channels by eights */
    bool is_paired;     /* at most four channels: places of 8 bytes, in two copies one place apart */
    bool is_banded;
} chain_mma_map;

typedef struct chain_mma_op {
    chain_kind kind;
    int32_t sub, src, dst; /* the step; maps, -1 = memory */
    int32_t inputs;        /* that one pass takes */
    int32_t rows, y0, y1;  /* of what it writes (STORE, EMIT: reads): rows from y0 + y1 * band on */
    bool fills;            /* rows past the map are zeros */
    int32_t act;
    float act_a, act_b;
    fr_window win; /* CONV, POOL */
    int32_t pool, limit_y, limit_x, softmax, image_c;
    int32_t runs, steps;      /* CONV: k is `runs` runs of `steps` steps of 16 */
    int32_t m_tiles, n_tiles; /* of a warp's job: 16 places, 8 outputs each */
    int32_t rounds, columns;  /* jobs of a warp one after the other; outputs as packed */
    bool is_resident;
    int32_t run_bytes;                   /* of weights, all outputs */
    int32_t resident_at;                 /* in shared memory */
    int64_t weight_at, bias_at, weights; /* bytes of the packed weights */
} chain_mma_op;

typedef struct chain_mma_segment {
    int32_t first, last; /* operations */
    int32_t passes;      /* inputs one by one (a banded segment), else 1 */
    int32_t bands;
} chain_mma_segment;

typedef struct chain_mma_plan {
    chain_mma_map maps[CHAIN_MMA_OPS];
    chain_mma_op ops[CHAIN_MMA_OPS];
    chain_mma_segment segments[CHAIN_MMA_SEGMENTS];
    int32_t n_maps, n_ops, n_segments;
    int32_t resident_bytes;      /* weights, at the beginning of shared memory and of the packed weights */
    int32_t slots, stream_bytes; /* buffers, and bytes of one, for runs of the other weights */
    chain_mma_map stream;        /* where those lie: memory that is free while no such weights are read */
    int64_t shared_bytes, packed_bytes;
    double flops;  /* of one input */
    double cycles; /* a guess, of one input on one multiprocessor */
} chain_mma_plan;

/* FR_WHY_NOT, or why this chain has no plan. */
fr_reason chain_mma_plan_make(const fr_step *chain, const chain_mma_shape *shape, chain_mma_plan *out_plan);

/* chain_mma_place.c: sizes, places and weights of a plan whose operations and segments are set. False: it does not fit. */
bool chain_mma_place(const chain_mma_shape *shape, chain_mma_plan *plan);

/* Bytes from the place of a job's pixel to chunk `chunk` of run `run` (CONV). Chunks past the window are its first one: their
 * weights are zero. Channel and tap of number `k` of a chunk: false where the weight is zero. chain_mma.cu counts alike. */
bool chain_mma_tap(const chain_mma_plan *plan, const chain_mma_op *op, int32_t run, int32_t chunk, int32_t k,
                   int32_t *out_c, int32_t *out_y, int32_t *out_x);

/* chain_mma_text.c: the constants of each operation, and the order in which they run: what comes before chain_mma.cu. */
fr_status chain_mma_text(const fr_host *host, const chain_mma_plan *plan, const fr_step *chain,
                         char **out_text) FR_MUST_CHECK;

#endif
