/* Places for tensors: two may share bytes when they are never alive together. Largest first, lowest place that fits. */
#include <stdlib.h>

#include "base/alloc.h"
#include "plan/plan.h"

static const uint64_t alignment = 64;

static bool alive_together(const fr_plan_tensor *a, const fr_plan_tensor *b) {
    return a->pinned || b->pinned || (a->first_op <= b->last_op && b->first_op <= a->last_op);
}

typedef struct placed {
    const fr_plan_tensor *tensor;
    int32_t index;
} placed;

static int by_bytes(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->tensor->bytes != y->tensor->bytes)
        return x->tensor->bytes < y->tensor->bytes ? 1 : -1;
    return x->index - y->index;
}

fr_status fr_plan_place(fr_plan *plan, bool no_reuse) {
    plan->arena_bytes = 0;
    placed *order = fr_alloc_array((size_t)plan->n_tensors + 1, sizeof *order);
    if (!order)
        return fr_no_memory((size_t)plan->n_tensors * sizeof *order, "the memory plan");
    for (int32_t i = 0; i < plan->n_tensors; i++)
        order[i] = (placed){&plan->tensors[i], i};
    qsort(order, (size_t)plan->n_tensors, sizeof *order, by_bytes);
    for (int32_t i = 0; i < plan->n_tensors; i++) {
        fr_plan_tensor *t = &plan->tensors[order[i].index];
        uint64_t at = no_reuse ? plan->arena_bytes : 0;
        for (bool moved = !no_reuse; moved;) { /* past every earlier one that stands in the way, until none does */
            moved = false;
            for (int32_t k = 0; k < i; k++) {
                const fr_plan_tensor *other = order[k].tensor;
                if (alive_together(t, other) && at < other->offset + other->bytes && other->offset < at + t->bytes) {
                    at = other->offset + other->bytes;
                    moved = true;
                }
            }
        }
        t->offset = at;
        if (at + t->bytes > plan->arena_bytes)
            plan->arena_bytes = at + t->bytes;
    }
    plan->arena_bytes = (plan->arena_bytes + alignment - 1) / alignment * alignment;
    fr_free(order);
    return FR_OK;
}
