/*
 * A CHAIN as the records that chain.cl runs: one a layer, with places in the local array for the maps between them. A sub-step
 * becomes one record or more: a conv with an activation that is no clamp and a pool is three, a conv by Winograd three for
 * each block of its tiles.
 */
#ifndef FR_BACKENDS_GPU_CHAIN_PLAN_H
#define FR_BACKENDS_GPU_CHAIN_PLAN_H

#include "../../shaders/params.h"
#include "gpu/gpu.h"

enum { CHAIN_MOST_LAYERS = 96 };

typedef enum chain_kind { /* chain.cl knows them by number */
                          CHAIN_LOAD = 0,
                          CHAIN_INGEST = 1,
                          CHAIN_CONV = 2,
                          CHAIN_POOL = 3,
                          CHAIN_FC = 4,
                          CHAIN_WINO_OUT = 5, /* the kinds up to here write a map whose border they clear */
                          CHAIN_WINO_IN = 6,
                          CHAIN_WINO_MUL = 7,
                          CHAIN_ACT = 8, /* in place */
                          CHAIN_STORE = 9,
                          CHAIN_EMIT = 10
} chain_kind;

#define CHAIN_INT_(name)   int32_t name;
#define CHAIN_FLOAT_(name) float name;
typedef struct chain_layer {
    CHAIN_LAYER(CHAIN_INT_, CHAIN_FLOAT_)
} chain_layer;
enum { CHAIN_LAYER_WORDS = sizeof(chain_layer) / 4, CHAIN_LAYER_FOURS = (CHAIN_LAYER_WORDS + 3) / 4 };

typedef struct chain_plan {
    chain_layer layers[CHAIN_MOST_LAYERS];
    int32_t sub[CHAIN_MOST_LAYERS]; /* the sub-step that a layer belongs to */
    int32_t n_layers;
    int64_t map_floats; /* of the local array */
    int64_t packed_floats;
    double flops; /* of one input, as direct sums */
    bool has_wino;
} chain_plan;

typedef struct chain_tiles { /* of a kernel */
    int32_t vec, pair_pixels, single_pixels;
    int32_t wino_floats; /* what V and M may take; 0: no Winograd */
    int64_t most_floats; /* of the local array */
    bool is_spread;      /* an odd number of floats between places: several items read neighbouring ones at once */
} chain_tiles;

/* FR_WHY_NOT, or why this chain has no plan. */
fr_reason chain_plan_make(const fr_step *chain, const chain_tiles *tiles, chain_plan *out_plan);

#endif
