/* Choice -> plan: tensors with their layouts, layout changes where neighbours disagree, segments, lifetimes. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/plan.h"

void fr_plan_free(fr_plan *plan) {
    if (!plan)
        return;
    fr_free(plan->ops);
    fr_free(plan->tensors);
    fr_free(plan->segments);
    memset(plan, 0, sizeof *plan);
}

static bool is_user(const fr_steps *steps, int32_t slot) {
    return steps->slots[slot].value < 0;
}

static int32_t add_tensor(fr_plan *plan, const fr_tensor *t, uint16_t layout, int32_t slot, int32_t op) {
    fr_plan_tensor *made = &plan->tensors[plan->n_tensors];
    made->t = *t;
    made->t.layout = layout;
    made->slot = slot;
    made->first_op = made->last_op = op;
    return plan->n_tensors++;
}

/* The tensor that holds a slot in this layout, or -1. */
static int32_t find_tensor(const fr_plan *plan, int32_t slot, uint16_t layout) {
    for (int32_t i = 0; i < plan->n_tensors; i++)
        if (plan->tensors[i].slot == slot && fr_layout_same(&plan->tensors[i].t, plan->tensors[i].t.layout, layout))
            return i;
    return -1;
}

static int32_t segment_for(fr_plan *plan, int32_t group) {
    if (plan->n_segments == 0 || plan->segments[plan->n_segments - 1].group != group)
        plan->segments[plan->n_segments++] = (fr_plan_segment){.first_op = plan->n_ops, .group = group};
    return plan->n_segments - 1;
}

static fr_plan_op *add_op(fr_plan *plan, int32_t group) {
    int32_t segment = segment_for(plan, group);
    fr_plan_op *op = &plan->ops[plan->n_ops++];
    plan->segments[segment].n_ops++;
    op->segment = segment;
    op->item = -1;
    op->dst = -1;
    for (int32_t s = 0; s < FR_MAX_SRC; s++)
        op->src[s] = -1;
    return op;
}

/* The slot in the layout that a reader wants: as it stands, or through a layout change just before the reader. */
static int32_t tensor_in(fr_plan *plan, int32_t slot, uint16_t layout, int32_t group) {
    int32_t have = find_tensor(plan, slot, layout);
    if (have >= 0)
        return have;
    have = -1;
    for (int32_t i = 0; i < plan->n_tensors && have < 0; i++)
        if (plan->tensors[i].slot == slot)
            have = i;
    if (have < 0)
        return -1;
    fr_plan_op *op = add_op(plan, group);
    int32_t index = (int32_t)(op - plan->ops);
    fr_step *s = &op->step;
    s->struct_bytes = sizeof *s;
    s->kind = FR_STEP_REORDER;
    s->compute = FR_PRECISION_F32;
    s->n = group;
    s->n_src = 1;
    s->groups = 1;
    s->src[0] = plan->tensors[have].t;
    s->dst = s->src[0];
    s->dst.layout = layout;
    op->src[0] = have;
    op->dst = add_tensor(plan, &s->dst, layout, slot, index);
    return op->dst;
}

static fr_status build_ops(const fr_steps *steps, const fr_plan_choice *choice, fr_plan *plan) {
    for (int32_t i = 0; i < steps->n_items; i++) {
        const fr_step_item *item = &steps->items[i];
        const fr_candidate *c = choice->candidates[i];
        int32_t src[FR_MAX_SRC], group = choice->groups[i];
        for (int32_t s = 0; s < item->step.n_src; s++) {
            src[s] = is_user(steps, item->src[s]) ? -1 : tensor_in(plan, item->src[s], c->src_layout[s], group);
            if (src[s] < 0 && !is_user(steps, item->src[s]))
                return fr_fail(FR_INTERNAL, "step '%s' reads what no step made", item->name);
        }
        fr_plan_op *op = add_op(plan, group);
        int32_t index = plan->n_ops - 1;
        op->item = i;
        op->step = item->step;
        fr_step_set_n(&op->step, group);
        op->candidate = *c;
        for (int32_t s = 0; s < item->step.n_src; s++) {
            op->src[s] = src[s];
            op->step.src[s].layout = c->src_layout[s];
        }
        op->step.dst.layout = c->dst_layout;
        if (!is_user(steps, item->dst)) {
            op->dst = add_tensor(plan, &op->step.dst, c->dst_layout, item->dst, index);
            plan->tensors[op->dst].pinned = item->step.kind == FR_STEP_INGEST;
        }
    }
    return FR_OK;
}

/* Lifetimes; a tensor that crosses a border lives through the whole loops of both segments. */
static fr_status size_tensors(fr_plan *plan, int32_t block) {
    for (int32_t o = 0; o < plan->n_ops; o++)
        for (int32_t s = 0; s < plan->ops[o].step.n_src; s++)
            if (plan->ops[o].src[s] >= 0)
                plan->tensors[plan->ops[o].src[s]].last_op = o;
    for (int32_t i = 0; i < plan->n_tensors; i++) {
        fr_plan_tensor *t = &plan->tensors[i];
        const fr_plan_segment *made = &plan->segments[plan->ops[t->first_op].segment],
                              *read = &plan->segments[plan->ops[t->last_op].segment];
        t->boundary = made != read;
        t->inputs = t->boundary ? block : made->group;
        if (made != read) {
            t->first_op = made->first_op;
            t->last_op = read->first_op + read->n_ops - 1;
        }
        size_t bytes;
        if (!fr_size_mul((size_t)fr_tensor_bytes(&t->t, 1), (size_t)t->inputs, &bytes) || bytes > SIZE_MAX / 4)
            return fr_fail(FR_UNSUPPORTED, "a tensor of %d inputs is too large", t->inputs);
        t->bytes = (bytes + 63) / 64 * 64;
    }
    return FR_OK;
}

fr_status fr_plan_build(const fr_steps *steps, const fr_plan_choice *choice, fr_plan *out_plan) {
    fr_status status = FR_OK;
    memset(out_plan, 0, sizeof *out_plan);
    size_t most = 0; /* an item adds itself and at most a layout change for each source */
    for (int32_t i = 0; i < steps->n_items; i++)
        most += (size_t)steps->items[i].step.n_src + 1;
    out_plan->ops = fr_alloc_array(most + 1, sizeof *out_plan->ops);
    out_plan->tensors = fr_alloc_array(most + 1, sizeof *out_plan->tensors);
    out_plan->segments = fr_alloc_array(most + 1, sizeof *out_plan->segments);
    out_plan->block = choice->block;
    if (!out_plan->ops || !out_plan->tensors || !out_plan->segments) {
        status = fr_no_memory(most * sizeof *out_plan->ops, "the plan");
        goto cleanup;
    }
    FR_GO(cleanup, build_ops(steps, choice, out_plan));
    FR_GO(cleanup, size_tensors(out_plan, choice->block));
    FR_GO(cleanup, fr_plan_place(out_plan, choice->no_reuse));
cleanup:
    if (status != FR_OK)
        fr_plan_free(out_plan);
    return status;
}

void fr_plan_describe(const fr_plan *plan, const fr_steps *steps, char *out, size_t bytes) {
    size_t used = 0;
    out[0] = 0;
    for (int32_t k = 0; k < plan->n_segments && used < bytes; k++) {
        const fr_plan_segment *seg = &plan->segments[k];
        const char *first = NULL, *last = NULL;
        for (int32_t o = seg->first_op; o < seg->first_op + seg->n_ops; o++)
            if (plan->ops[o].item >= 0) {
                last = steps->items[plan->ops[o].item].name;
                first = first ? first : last;
            }
        if (!first)
            continue;
        int wrote = snprintf(out + used, bytes - used, "%s%s%s%s by %d", used ? ", " : "", first,
                             first == last ? "" : "..", first == last ? "" : last, seg->group);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}
