/* From a graph to steps: fusion, and what each step needs. Pure: no device is asked. */
#ifndef FR_PLAN_STEPS_H
#define FR_PLAN_STEPS_H

#include "foldrun/backend.h"
#include "graph/graph.h"

/* A tensor between steps. */
typedef struct fr_slot {
    int32_t c, h, w;
    fr_dtype dtype;
    float scale;       /* U8, S8 */
    int32_t value;     /* graph value it holds (after fusion: the last of the fused nodes'); -1 = user memory */
    int32_t producer;  /* step, -1 = the user */
    bool must_be_nchw; /* maps read as one row: CHW order */
    bool is_flattened; /* something reads it in another shape: in any layout, but never in eight bits */
} fr_slot;

typedef struct fr_step_item {
    fr_step step;            /* layouts ANY, n = 0: set by the plan */
    char name[64];           /* "conv2+relu+maxpool" */
    int32_t src[FR_MAX_SRC]; /* slots */
    int32_t dst;
    int32_t node;       /* the graph node it began with, -1 for INGEST and EMIT */
    fr_weights weights; /* pointers into the graph's constants, or into `owned` */
    void *owned[4];     /* fr_free */
    int64_t ops_per_input;
} fr_step_item;

typedef struct fr_steps {
    fr_slot *slots;
    int32_t n_slots;
    fr_step_item *items; /* in execution order; the first is INGEST, the last EMIT */
    int32_t n_items;
    int32_t fold, classes; /* images an input; numbers an image's answer */
} fr_steps;

typedef struct fr_lowering {
    fr_precision precision;
    fr_dtype input_dtype; /* FR_U8 or FR_F32 */
    bool input_chw, softmax, exact;
    bool fuse_pool, fuse_act, fuse_residual; /* false: a step for each node (tests: fused equals unfused) */
    const float *ranges;                     /* int8: largest magnitude of each graph value, by id; 0 = keep it float */
} fr_lowering;

/* Inputs of one launch; a chain's steps have the same. What `sub` points to is the steps' own, and not const there. */
static inline void fr_step_set_n(fr_step *step, int32_t n) {
    step->n = n;
    for (int32_t i = 0; i < step->n_sub; i++)
        ((fr_step *)(uintptr_t)step->sub)[i].n = n;
}

/* The graph must be simplified, inferred and materialised, and outlive the steps; where shapes are all that is asked for, it need not be
 * materialised. FR_UNSUPPORTED lists every node that cannot be lowered. */
fr_status fr_steps_lower(const fr_graph *graph, const fr_lowering *lowering, fr_steps *out_steps) FR_MUST_CHECK;
/* In f32, all fused, on u8 images: where shapes are all that is asked for. */
fr_status fr_steps_lower_shapes(const fr_graph *graph, fr_steps *out_steps) FR_MUST_CHECK;
void fr_steps_free(fr_steps *steps);

#endif
