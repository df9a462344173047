/*
 * What Winograd in one kernel (wino.c) and in three stages (wino3.c) have in common. A tile is OUT x OUT outputs,
 * made of IN x IN inputs, IN = OUT + 2:
 *   V = B^T d B   M = U V, a small product over the channels for each of the IN x IN places   Y = A^T M A
 * The transforms' constants grow errors to some 10 times those of direct sums, so candidates are marked inexact.
 */
#ifndef FR_BACKENDS_GPU_WINO_STEP_H
#define FR_BACKENDS_GPU_WINO_STEP_H

#include "gpu/wino_pack.h"

/* gpu_variant.tile: outputs a side of a tile; a register tile of the product, in tiles and in vectors of output
 * channels; items of a group, along output channels and otherwise */
enum { WINO_TILE_OUT, WINO_TILE_BLOCK, WINO_TILE_VECTORS, WINO_TILE_LX, WINO_TILE_LY };

typedef struct wino_shape { /* of a step, for one variant */
    const fr_step *step;
    int32_t out, block, vectors, lx, ly, vec;
    int32_t map_h, map_w, down, across; /* of the conv's own output: places, and tiles */
    int32_t c_blocks, panel, panels;
    wino_weights weights;
} wino_shape;

/* What a group works on, and where V and M lie; floats. See WINO_PARAMS of shaders/params.h. */
typedef struct wino_room {
    int32_t strip_h, strip_w, images, stage_blocks, tiles;
    int32_t v_at, m_at, map_at, v_step, m_step, m_tile, blocks, chunk;
    uint64_t floats; /* of local memory */
    double cycles;   /* of the whole step on one unit */
} wino_room;

/* Why a variant's kernel cannot run the step, whatever its memory; sets the candidate's layouts, granule and flags. */
fr_reason wino_refusal(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                       fr_candidate *candidate);
wino_shape wino_shape_of(const fr_step *step, const gpu_variant *variant);

/* How much slower a kernel is on a device that it was not made for. */
double wino_misfit(const gpu_traits *traits, const wino_shape *s);
uint64_t wino_local_floats(const gpu_traits *traits); /* that a group may use */
/* Places a power of two apart fight for the same lines of a cache. */
static inline int64_t wino_odd_vectors(int64_t floats, int32_t vec) {
    return (floats / vec | 1) * vec;
}

void wino_defines(gpu_dispatch *d, const gpu_traits *traits, const wino_shape *s, const wino_room *room, int32_t stages,
                  uint16_t dst_dtype);
/* pooled: the kernel does the step's pool too. */
void wino_params(gpu_dispatch *d, const wino_shape *s, const wino_room *room, bool pooled);

/* wino_lanes.c: a form of the one kernel for subgroups. */
void wino_lanes_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                    double *out_ns);
fr_status wino_lanes_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                          const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) FR_MUST_CHECK;

/* Name, lanes, outputs a side, tiles and vectors of a register tile, items along channels and along places or tiles. */
#define WINO_VARIANT(fit_fn, make_fn, text, lanes, ...)                                                        \
    {                                                                                                          \
        .name = text, .kinds = GPU_KIND(FR_STEP_CONV), .fit = fit_fn, .make = make_fn, .vec = lanes, .tile = { \
            __VA_ARGS__                                                                                        \
        }                                                                                                      \
    }

#endif
