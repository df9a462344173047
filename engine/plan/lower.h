/* What the parts of the lowering share. Private to engine/plan/lower*.c and quantize.c. */
#ifndef FR_PLAN_LOWER_H
#define FR_PLAN_LOWER_H

#include "base/text.h"
#include "graph/ops.h"
#include "plan/steps.h"

typedef struct fr_lower {
    const fr_graph *graph;
    const fr_lowering *how;
    fr_steps *steps;
    int32_t cap_slots, cap_items;
    int32_t *slot_of;   /* by value: the slot that holds its numbers in CHW order, or -1 */
    int32_t *sole_user; /* by value: the one node that reads it, -1 when there are none, several, or it is an output */
    bool *done;         /* by node: fused into a step */
    fr_text faults;     /* a line for each node that can't be lowered */
    int32_t n_faults;
} fr_lower;

fr_status fr_lower_slot(fr_lower *l, const fr_slot *slot, int32_t *out_slot) FR_MUST_CHECK;
/* A zeroed item with kind, name, compute precision, sources and destination filled in. */
fr_status fr_lower_item(fr_lower *l, fr_step_kind kind, const char *name, const int32_t *src, int32_t n_src,
                        int32_t dst, fr_step_item **out_item) FR_MUST_CHECK;
/* Notes a node that can't be lowered; the rest goes on, so that the user hears of all at once. */
void fr_lower_fault(fr_lower *l, const fr_node *node, const char *fmt, ...) FR_PRINTF(3, 4);

/* Dims of a value as one input's maps: rank 4 = C,H,W; rank 2 = C,1,1; rank 1 = 1,1,1; the first is the batch. false for other ranks. */
bool fr_lower_dims(const fr_graph *graph, int32_t value, int32_t *c, int32_t *h, int32_t *w);
/* A slot with the value's own dims: a flattened map is copied by a REORDER when something must see it flat. */
fr_status fr_lower_flat(fr_lower *l, int32_t value, int32_t *out_slot) FR_MUST_CHECK;
/* A new slot for what `value` holds, made by the next item. */
fr_status fr_lower_result(fr_lower *l, int32_t value, int32_t *out_slot) FR_MUST_CHECK;

bool fr_lower_act(const fr_node *node, fr_step *step); /* false: node is no activation */
bool fr_lower_pool(const fr_graph *graph, const fr_node *node, fr_pool_kind *out_kind,
                   fr_window *out_window); /* false: no pool */

fr_status fr_lower_weighted(fr_lower *l, int32_t node) FR_MUST_CHECK; /* Conv, Gemm and what fuses into them */
fr_status fr_lower_plain(fr_lower *l, int32_t node) FR_MUST_CHECK;    /* everything else */
fr_status fr_lower_quantize(fr_lower *l) FR_MUST_CHECK;               /* int8: dtypes, scales, weights */

#endif
