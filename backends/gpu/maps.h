/*
 * What the families without weights share (pools, maps, channels, the two ends): which layouts their vectors can walk,
 * how a step's layouts are settled, how maps are shared out over items, and how a dispatch begins.
 *
 * Their kernels see a map as groups of VW channels that lie beside each other: a block (or a part of one), or a
 * stretch of NHWC. VW = 1 walks any layout, so that each step has a candidate whatever its layouts are.
 */
#ifndef FR_BACKENDS_GPU_MAPS_H
#define FR_BACKENDS_GPU_MAPS_H

#include "gpu/gpu.h"

/* Tiles of these families' variants. */
enum { MAPS_STYLE = 0 };
enum {
    MAPS_WALK = 1,    /* an item walks whole maps: the style of a CPU */
    MAPS_ITEM = 2,    /* an item a vector, GPU_MAPS_ITEMS beside each other */
    MAPS_SLIDE = 3,   /* pools: as MAPS_WALK, window and stride fixed in the build */
    MAPS_GROUP = 4,   /* a group reduces a map, or a row, together */
    MAPS_PLACES = 5,  /* lanes are places of one channel, in NCHW */
    MAPS_WEAVE = 6,   /* REORDER: from NCHW into groups of channels */
    MAPS_UNWEAVE = 7, /* and back */
    MAPS_ROWS = 8,    /* SOFTMAX of one place */
    MAPS_ANY = 9      /* number by number */
};
enum { GPU_MAPS_ITEMS = 64 };

/* Where items go in lockstep, one that walks a map alone holds up the others: only styles of many small items are offered. */
bool gpu_maps_runs(const gpu_traits *traits, int32_t style);
/* Is a row of this length worth a group's barriers? In lockstep an item alone is as fast on short ones. */
bool gpu_maps_groups(const gpu_traits *traits, int64_t length);

bool gpu_maps_dtype(uint16_t dtype); /* F32, F16, BF16, U8, S8 */
/* Do groups of vec channels lie beside each other? */
bool gpu_maps_lanes(const fr_tensor *tensor, int32_t vec);
/* The step with the layouts it asks for, else the variant's own. Refuses dtypes, layouts that are the user's, and tensors
 * too large for 32 bit indices. */
fr_reason gpu_maps_layouts(const fr_step *step, const gpu_variant *variant, fr_step *out_settled);
/* Can the variant's vectors walk all tensors? A variant of a block leaves NHWC to that of NHWC: each is offered once. */
bool gpu_maps_walks(const fr_step *settled, const gpu_variant *variant);
/* The candidate's layouts, from a settled step. */
void gpu_maps_answer(const fr_step *settled, const gpu_variant *variant, fr_candidate *candidate);
/* A guess for a variant of this style and vector on this device; lower is better. */
double gpu_maps_guess(const gpu_traits *traits, const gpu_variant *variant, const fr_step *step);

/* Kernel `kernel` of file `file`, with DST_DTYPE and VW defined. FR_INTERNAL when the recipe is full. */
fr_status gpu_maps_begin(gpu_recipe *recipe, const char *file, const char *kernel, const fr_tensor *dst, int32_t vec,
                         gpu_dispatch **out_dispatch) FR_MUST_CHECK;
/* `groups` of them, of `items` each. In GLSL the grid has rows: its width is limited. */
void gpu_maps_grid(const gpu_traits *traits, gpu_dispatch *d, int64_t groups, int32_t items);
/* An item for each of `items`, GPU_MAPS_ITEMS a group. */
void gpu_maps_items(const gpu_traits *traits, gpu_dispatch *d, int64_t items);
void gpu_maps_source(gpu_dispatch *d, int32_t role, uint64_t at, const char *dtype_name, const fr_tensor *tensor);
float gpu_maps_scale(const fr_tensor *tensor); /* 1 where numbers are stored as they are */

/* `planes` maps of `rows` rows over items: (planes_each, rows_each) of them an item, so that an item moves some 128 KiB
 * and there are a few items for every unit. */
typedef struct gpu_share {
    int32_t planes_each, rows_each;
    uint32_t items, chunks; /* grid: items * chunks */
} gpu_share;
gpu_share gpu_maps_share(const gpu_traits *traits, int64_t planes, int32_t rows, int64_t row_bytes);

/* Rows of numbers beside each other, copied or through softmax (rows.cl): row i is part i % step->images of input
 * i / step->images, and is followed by dst_row - length zeros. Step's src[0] and dst give dtypes and scales. */
typedef struct gpu_rows {
    int32_t count, length, dst_row, vec;
    bool by_group, is_softmax, uses_valid;
} gpu_rows;
fr_status gpu_maps_rows(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step,
                        const gpu_rows *rows) FR_MUST_CHECK;

#endif
