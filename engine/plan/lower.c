/* Graph -> steps: the walk, slots and items. Nodes themselves: lower_weighted.c and lower_plain.c. */
#include "plan/lower.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

fr_status fr_lower_slot(fr_lower *l, const fr_slot *slot, int32_t *out_slot) {
    fr_steps *steps = l->steps;
    *out_slot = -1;
    if (steps->n_slots == l->cap_slots) {
        int32_t cap = l->cap_slots * 2 + 16;
        fr_slot *grown = fr_grow_array(steps->slots, (size_t)l->cap_slots, (size_t)cap, sizeof *grown);
        if (!grown)
            return fr_no_memory((size_t)cap * sizeof *grown, "steps");
        steps->slots = grown;
        l->cap_slots = cap;
    }
    steps->slots[steps->n_slots] = *slot;
    *out_slot = steps->n_slots++;
    return FR_OK;
}

/* TF32 is a way of multiplying: what has no products is f32. Int8 comes later, where ranges allow it. */
static fr_precision compute_of(const fr_lower *l, fr_step_kind kind) {
    bool has_products = kind == FR_STEP_CONV || kind == FR_STEP_FC;
    if (l->how->precision == FR_PRECISION_INT8 || (l->how->precision == FR_PRECISION_TF32 && !has_products))
        return FR_PRECISION_F32;
    return l->how->precision;
}

fr_status fr_lower_item(fr_lower *l, fr_step_kind kind, const char *name, const int32_t *src, int32_t n_src,
                        int32_t dst, fr_step_item **out_item) {
    fr_steps *steps = l->steps;
    *out_item = NULL;
    if (steps->n_items == l->cap_items) {
        int32_t cap = l->cap_items * 2 + 16;
        fr_step_item *grown = fr_grow_array(steps->items, (size_t)l->cap_items, (size_t)cap, sizeof *grown);
        if (!grown)
            return fr_no_memory((size_t)cap * sizeof *grown, "steps");
        steps->items = grown;
        l->cap_items = cap;
    }
    fr_step_item *item = &steps->items[steps->n_items];
    memset(item, 0, sizeof *item);
    item->step.struct_bytes = sizeof item->step;
    item->weights.struct_bytes = sizeof item->weights;
    item->step.kind = (uint16_t)kind;
    item->step.compute = (uint16_t)compute_of(l, kind);
    item->step.inexact_ok = !l->how->exact;
    item->step.n_src = n_src;
    item->step.groups = 1;
    item->node = -1;
    item->dst = dst;
    snprintf(item->name, sizeof item->name, "%s", name);
    for (int32_t i = 0; i < n_src; i++)
        item->src[i] = src[i];
    if (dst >= 0)
        steps->slots[dst].producer = steps->n_items;
    steps->n_items++;
    *out_item = item;
    return FR_OK;
}

void fr_lower_fault(fr_lower *l, const fr_node *node, const char *fmt, ...) {
    char why[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    fr_text_add(&l->faults, "%s%s '%s': %s", l->n_faults ? "; " : "", fr_op_name(node->op), node->name, why);
    l->n_faults++;
}

bool fr_lower_dims(const fr_graph *graph, int32_t value, int32_t *c, int32_t *h, int32_t *w) {
    const fr_shape *shape = &graph->values[value].shape;
    *c = *h = *w = 1; /* rank 1: one number an input */
    if ((shape->rank != 1 && shape->rank != 2 && shape->rank != 4) || shape->dim[0] != graph->batch)
        return false;
    for (int32_t i = 1; i < shape->rank; i++)
        if (shape->dim[i] < 1 || shape->dim[i] > INT32_MAX)
            return false;
    if (shape->rank > 1)
        *c = (int32_t)shape->dim[1];
    if (shape->rank == 4) {
        *h = (int32_t)shape->dim[2];
        *w = (int32_t)shape->dim[3];
    }
    return true;
}

static fr_dtype float_dtype(const fr_lower *l) {
    switch (l->how->precision) {
    case FR_PRECISION_BF16: return FR_BF16;
    case FR_PRECISION_F16: return FR_F16;
    default: return FR_F32;
    }
}

fr_status fr_lower_result(fr_lower *l, int32_t value, int32_t *out_slot) {
    fr_slot slot = {.dtype = float_dtype(l), .value = value, .producer = -1};
    *out_slot = -1;
    if (!fr_lower_dims(l->graph, value, &slot.c, &slot.h, &slot.w))
        return fr_fail(FR_UNSUPPORTED, "value '%s' is neither maps (N,C,H,W) nor rows (N,C)",
                       l->graph->values[value].name);
    FR_TRY(fr_lower_slot(l, &slot, out_slot));
    l->slot_of[value] = *out_slot;
    return FR_OK;
}

fr_status fr_lower_flat(fr_lower *l, int32_t value, int32_t *out_slot) {
    int32_t c, h, w, at = l->slot_of[value];
    *out_slot = at;
    if (at < 0)
        return fr_fail(FR_INTERNAL, "value '%s' is read before it is made", l->graph->values[value].name);
    if (!fr_lower_dims(l->graph, value, &c, &h, &w))
        return fr_fail(FR_UNSUPPORTED, "value '%s' is neither maps (N,C,H,W) nor rows (N,C)",
                       l->graph->values[value].name);
    fr_slot *held = &l->steps->slots[at];
    if (held->c == c && held->h == h && held->w == w)
        return FR_OK;
    held->is_flattened = true;
    fr_slot flat = {.c = c, .h = h, .w = w, .dtype = held->dtype, .value = value, .producer = -1, .must_be_nchw = true};
    fr_step_item *item;
    FR_TRY(fr_lower_slot(l, &flat, out_slot));
    FR_TRY(fr_lower_item(l, FR_STEP_REORDER, "flatten", &at, 1, *out_slot, &item));
    l->slot_of[value] = *out_slot;
    return FR_OK;
}

bool fr_lower_act(const fr_node *node, fr_step *step) {
    step->act_a = step->act_b = 0;
    switch (node->op) {
    case FR_OP_RELU: step->act = FR_ACT_RELU; return true;
    case FR_OP_CLIP:
        step->act = FR_ACT_CLIP;
        step->act_a = node->attrs.lo;
        step->act_b = node->attrs.hi;
        return true;
    case FR_OP_LEAKYRELU:
        step->act = FR_ACT_LEAKY;
        step->act_a = node->attrs.alpha;
        return true;
    case FR_OP_SIGMOID: step->act = FR_ACT_SIGMOID; return true;
    case FR_OP_HARDSIGMOID:
        step->act = FR_ACT_HARDSIGMOID;
        step->act_a = node->attrs.alpha;
        step->act_b = node->attrs.beta;
        return true;
    case FR_OP_HARDSWISH: step->act = FR_ACT_HARDSWISH; return true;
    case FR_OP_TANH: step->act = FR_ACT_TANH; return true;
    default: return false;
    }
}

bool fr_lower_pool(const fr_graph *graph, const fr_node *node, fr_pool_kind *out_kind, fr_window *out_window) {
    const fr_attrs *a = &node->attrs;
    fr_window k = {.kh = a->kernel[0],
                   .kw = a->kernel[1],
                   .sh = a->stride[0],
                   .sw = a->stride[1],
                   .dh = a->dilation[0],
                   .dw = a->dilation[1],
                   .pad_top = a->pad[0],
                   .pad_left = a->pad[1],
                   .pad_bottom = a->pad[2],
                   .pad_right = a->pad[3]};
    switch (node->op) {
    case FR_OP_MAXPOOL: *out_kind = FR_POOL_MAX; break;
    case FR_OP_AVGPOOL: *out_kind = a->count_include_pad ? FR_POOL_AVG_INCLUDE_PAD : FR_POOL_AVG; break;
    case FR_OP_GLOBALAVGPOOL:
    case FR_OP_GLOBALMAXPOOL: {
        int32_t c, h, w;
        if (!fr_lower_dims(graph, node->inputs[0], &c, &h, &w))
            return false;
        *out_kind = node->op == FR_OP_GLOBALMAXPOOL ? FR_POOL_MAX : FR_POOL_AVG;
        k = (fr_window){.kh = h, .kw = w, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
        break;
    }
    default: return false;
    }
    *out_window = k;
    return true;
}

static void index_users(fr_lower *l) {
    const fr_graph *g = l->graph;
    for (int32_t v = 0; v < g->n_values; v++)
        l->slot_of[v] = l->sole_user[v] = -1;
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int32_t i = 0; i < g->nodes[n].n_inputs; i++) {
            int32_t v = g->nodes[n].inputs[i];
            if (v >= 0)
                l->sole_user[v] = l->sole_user[v] == -1 ? n : -2;
        }
    for (int32_t i = 0; i < g->n_outputs; i++)
        l->sole_user[g->outputs[i]] = -2;
    for (int32_t v = 0; v < g->n_values; v++)
        if (l->sole_user[v] < 0)
            l->sole_user[v] = -1;
}

static fr_status lower_input(fr_lower *l) {
    const fr_graph *g = l->graph;
    int32_t value = g->inputs[0], c, h, w, user, dst;
    int32_t fold = l->steps->fold;
    if (!fr_lower_dims(g, value, &c, &h, &w))
        return fr_fail(FR_UNSUPPORTED, "input '%s' is neither images (N,C,H,W) nor rows (N,C)", g->values[value].name);
    if (c % fold != 0)
        return fr_fail(FR_UNSUPPORTED, "input '%s' has %d channels, which %d images can't share", g->values[value].name,
                       c, fold);
    fr_slot image = {.c = c / fold, .h = h, .w = w, .dtype = l->how->input_dtype, .value = -1, .producer = -1};
    FR_TRY(fr_lower_slot(l, &image, &user));
    FR_TRY(fr_lower_result(l, value, &dst));
    fr_step_item *item;
    FR_TRY(fr_lower_item(l, FR_STEP_INGEST, "ingest", &user, 1, dst, &item));
    item->step.images = fold;
    item->step.image_c = c / fold;
    item->step.src[0].layout = l->how->input_chw ? FR_LAYOUT_USER_CHW : FR_LAYOUT_USER_HWC;
    if (l->how->input_dtype == FR_U8 && c / fold <= FR_MAX_IMAGE_CHANNELS) {
        item->weights.mean = g->meta.mean;
        item->weights.scale = g->meta.scale;
    }
    return FR_OK;
}

static fr_status lower_output(fr_lower *l) {
    const fr_graph *g = l->graph;
    int32_t value = g->outputs[0], at = l->slot_of[value], user;
    if (at < 0)
        return fr_fail(FR_UNSUPPORTED, "output '%s' is a constant", g->values[value].name);
    fr_slot held = l->steps->slots[at];
    int64_t numbers = (int64_t)held.c * held.h * held.w;
    if (numbers > INT32_MAX)
        return fr_fail(FR_UNSUPPORTED, "output '%s' is too large", g->values[value].name);
    fr_step_item *item;
    if (held.h * held.w > 1) {
        l->steps->slots[at].is_flattened = true;
        fr_slot flat = {.c = (int32_t)numbers,
                        .h = 1,
                        .w = 1,
                        .dtype = FR_F32,
                        .value = value,
                        .producer = -1,
                        .must_be_nchw = true};
        int32_t src = at;
        FR_TRY(fr_lower_slot(l, &flat, &at));
        FR_TRY(fr_lower_item(l, FR_STEP_REORDER, "flatten", &src, 1, at, &item));
    } else if (held.producer >= 0 && l->steps->items[held.producer].step.kind == FR_STEP_FC) {
        l->steps->slots[at].dtype = FR_F32; /* logits keep their digits in narrow precisions too */
    }
    int32_t fold = l->steps->fold;
    if (numbers % fold != 0)
        return fr_fail(FR_UNSUPPORTED, "output '%s' has %lld numbers, which %d images can't share",
                       g->values[value].name, (long long)numbers, fold);
    l->steps->classes = (int32_t)(numbers / fold);
    fr_slot rows = {.c = (int32_t)numbers, .h = 1, .w = 1, .dtype = FR_F32, .value = -1, .producer = -1};
    FR_TRY(fr_lower_slot(l, &rows, &user));
    FR_TRY(fr_lower_item(l, FR_STEP_EMIT, "emit", &at, 1, user, &item));
    item->step.images = fold;
    item->step.softmax = l->how->softmax;
    item->step.dst.layout = FR_LAYOUT_NCHW;
    return FR_OK;
}

/* Tensors of each step from its slots; layouts stay ANY but the user's. */
static void fill_tensors(fr_steps *steps) {
    for (int32_t i = 0; i < steps->n_items; i++) {
        fr_step_item *item = &steps->items[i];
        for (int32_t s = 0; s <= item->step.n_src; s++) {
            bool is_dst = s == item->step.n_src;
            fr_tensor *t = is_dst ? &item->step.dst : &item->step.src[s];
            const fr_slot *slot = &steps->slots[is_dst ? item->dst : item->src[s]];
            t->c = slot->c;
            t->h = slot->h;
            t->w = slot->w;
            t->dtype = (uint16_t)slot->dtype;
            t->scale = slot->scale;
            if (slot->must_be_nchw)
                t->layout = FR_LAYOUT_NCHW;
        }
    }
}

static fr_status lower_nodes(fr_lower *l) {
    const fr_graph *g = l->graph;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        if (l->done[n])
            continue;
        const fr_node *node = &g->nodes[n];
        bool reachable = true; /* a fault upstream: say it once, not again for everything behind it */
        for (int32_t i = 0; i < node->n_inputs; i++) {
            int32_t v = node->inputs[i];
            reachable &= v < 0 || g->values[v].is_const || l->slot_of[v] >= 0;
        }
        if (!reachable)
            continue;
        if (node->op == FR_OP_CONV || node->op == FR_OP_GEMM)
            FR_TRY(fr_lower_weighted(l, n));
        else
            FR_TRY(fr_lower_plain(l, n));
    }
    if (l->n_faults)
        return fr_fail(FR_UNSUPPORTED, "%d node%s can't run: %s", l->n_faults, l->n_faults > 1 ? "s" : "",
                       l->faults.data ? l->faults.data : "?");
    return FR_OK;
}

fr_status fr_steps_lower(const fr_graph *graph, const fr_lowering *lowering, fr_steps *out_steps) {
    fr_status status = FR_OK;
    fr_lower l = {.graph = graph, .how = lowering, .steps = out_steps};
    memset(out_steps, 0, sizeof *out_steps);
    if (graph->n_inputs != 1 || graph->n_outputs != 1)
        return fr_fail(FR_UNSUPPORTED,
                       "model '%s' has %d inputs and %d outputs; a session runs models with one of each", graph->name,
                       graph->n_inputs, graph->n_outputs);
    out_steps->fold = graph->meta.fold > 1 ? graph->meta.fold : 1;
    size_t values = (size_t)graph->n_values + 1;
    l.slot_of = fr_alloc_array(values, sizeof *l.slot_of);
    l.sole_user = fr_alloc_array(values, sizeof *l.sole_user);
    l.done = fr_alloc_array((size_t)graph->n_nodes + 1, sizeof *l.done);
    if (!l.slot_of || !l.sole_user || !l.done) {
        status = fr_no_memory(values * sizeof *l.slot_of, "steps");
        goto cleanup;
    }
    index_users(&l);
    FR_GO(cleanup, lower_input(&l));
    FR_GO(cleanup, lower_nodes(&l));
    FR_GO(cleanup, lower_output(&l));
    if (lowering->precision == FR_PRECISION_INT8)
        FR_GO(cleanup, fr_lower_quantize(&l));
    fill_tensors(out_steps);
cleanup:
    fr_free(l.slot_of);
    fr_free(l.sole_user);
    fr_free(l.done);
    fr_text_free(&l.faults);
    if (status != FR_OK)
        fr_steps_free(out_steps);
    return status;
}

fr_status fr_steps_lower_shapes(const fr_graph *graph, fr_steps *out_steps) {
    fr_lowering how = {.precision = FR_PRECISION_F32,
                       .input_dtype = FR_U8,
                       .fuse_pool = true,
                       .fuse_act = true,
                       .fuse_residual = true};
    return fr_steps_lower(graph, &how, out_steps);
}

void fr_steps_free(fr_steps *steps) {
    if (!steps)
        return;
    for (int32_t i = 0; i < steps->n_items; i++)
        for (size_t k = 0; k < sizeof steps->items[i].owned / sizeof steps->items[i].owned[0]; k++)
            fr_free(steps->items[i].owned[k]);
    fr_free(steps->items);
    fr_free(steps->slots);
    memset(steps, 0, sizeof *steps);
}
