/* Conv and Gemm, with what fuses into them: bias, residual, activation, pool. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "plan/lower.h"

static bool has_weights(const fr_graph *g, const fr_node *node, int32_t input, size_t want) {
    int32_t v = input < node->n_inputs ? node->inputs[input] : -1;
    return v >= 0 && g->values[v].is_const && g->values[v].dtype == FR_F32 &&
           fr_shape_elements(&g->values[v].shape) == want;
}

/* NULL too while they are not made. */
static const float *weights_of(const fr_graph *g, const fr_node *node, int32_t input, size_t want) {
    return has_weights(g, node, input, want) ? g->values[node->inputs[input]].data : NULL;
}

static void add_word(fr_step_item *item, const char *word) {
    size_t used = strlen(item->name);
    snprintf(item->name + used, sizeof item->name - used, "+%s", word);
}

/* The node that alone reads `value`, when it may be fused (it is not done, and reads it as its data). */
static const fr_node *next_node(const fr_lower *l, int32_t value, int32_t *out_index) {
    *out_index = l->sole_user[value];
    if (*out_index < 0 || l->done[*out_index])
        return NULL;
    return &l->graph->nodes[*out_index];
}

/* conv -> Add(conv, earlier): the earlier operand, when its slot stands already and has the conv's dims. */
static bool take_residual(fr_lower *l, fr_step_item *item, int32_t *value) {
    int32_t index, c, h, w;
    const fr_node *add = next_node(l, *value, &index);
    if (!add || !l->how->fuse_residual || add->op != FR_OP_ADD || add->inputs[0] == add->inputs[1])
        return false;
    int32_t other = add->inputs[0] == *value ? add->inputs[1] : add->inputs[0];
    int32_t slot = l->slot_of[other];
    if (slot < 0 || !fr_shape_equal(&l->graph->values[other].shape, &l->graph->values[*value].shape) ||
        !fr_lower_dims(l->graph, other, &c, &h, &w))
        return false;
    const fr_slot *held = &l->steps->slots[slot];
    if (held->c != c || held->h != h || held->w != w)
        return false;
    item->src[1] = slot;
    item->step.n_src = 2;
    item->step.residual = 1;
    l->done[index] = true;
    *value = add->outputs[0];
    add_word(item, "add");
    return true;
}

static void take_act(fr_lower *l, fr_step_item *item, int32_t *value) {
    int32_t index;
    const fr_node *act = next_node(l, *value, &index);
    if (!act || !l->how->fuse_act || !fr_lower_act(act, &item->step))
        return;
    l->done[index] = true;
    *value = act->outputs[0];
    char word[24];
    size_t i = 0;
    for (const char *p = fr_op_name(act->op); *p && i + 1 < sizeof word; p++, i++)
        word[i] = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    word[i] = 0;
    add_word(item, word);
}

static void take_pool(fr_lower *l, fr_step_item *item, int32_t *value) {
    int32_t index;
    fr_pool_kind kind;
    const fr_node *pool = next_node(l, *value, &index);
    if (!pool || !l->how->fuse_pool || !fr_lower_pool(l->graph, pool, &kind, &item->step.pool_win))
        return;
    if (pool->n_outputs > 1 && pool->outputs[1] >= 0 && fr_graph_is_used(l->graph, pool->outputs[1]))
        return;
    item->step.pool = (uint8_t)kind;
    l->done[index] = true;
    *value = pool->outputs[0];
    add_word(item, kind == FR_POOL_MAX ? "maxpool" : "avgpool");
}

static fr_status lower_conv(fr_lower *l, const fr_node *node, fr_step_item *item) {
    const fr_graph *g = l->graph;
    const fr_attrs *a = &node->attrs;
    const fr_shape *w = &g->values[node->inputs[1]].shape;
    const fr_slot *src = &l->steps->slots[item->src[0]];
    item->step.win = (fr_window){.kh = (int32_t)w->dim[2],
                                 .kw = (int32_t)w->dim[3],
                                 .sh = a->stride[0],
                                 .sw = a->stride[1],
                                 .dh = a->dilation[0],
                                 .dw = a->dilation[1],
                                 .pad_top = a->pad[0],
                                 .pad_left = a->pad[1],
                                 .pad_bottom = a->pad[2],
                                 .pad_right = a->pad[3]};
    item->step.groups = a->group;
    item->weights.weight = weights_of(g, node, 1, fr_shape_elements(w));
    item->weights.bias = weights_of(g, node, 2, (size_t)w->dim[0]);
    item->step.has_bias = has_weights(g, node, 2, (size_t)w->dim[0]);
    const fr_shape *out = &g->values[node->outputs[0]].shape;
    int64_t per_output = src->c / a->group * w->dim[2] * w->dim[3] + item->step.has_bias;
    item->ops_per_input = 2 * out->dim[1] * out->dim[2] * out->dim[3] * per_output;
    return FR_OK;
}

static fr_status lower_gemm(fr_lower *l, const fr_node *node, fr_step_item *item) {
    const fr_graph *g = l->graph;
    const fr_shape *w = &g->values[node->inputs[1]].shape;
    item->weights.weight = weights_of(g, node, 1, fr_shape_elements(w));
    item->weights.bias = weights_of(g, node, 2, (size_t)w->dim[0]);
    item->step.has_bias = has_weights(g, node, 2, (size_t)w->dim[0]);
    item->ops_per_input = 2 * w->dim[0] * w->dim[1];
    return FR_OK;
}

static bool sane(fr_lower *l, const fr_node *node) {
    const fr_graph *g = l->graph;
    int32_t w = node->n_inputs > 1 ? node->inputs[1] : -1, b = node->n_inputs > 2 ? node->inputs[2] : -1;
    int32_t rank = node->op == FR_OP_CONV ? 4 : 2;
    if (w < 0 || !g->values[w].is_const || g->values[w].dtype != FR_F32 || g->values[w].shape.rank != rank) {
        fr_lower_fault(l, node, "its weights are not a constant of rank %d", rank);
        return false;
    }
    if (b >= 0 &&
        (!g->values[b].is_const || fr_shape_elements(&g->values[b].shape) != (size_t)g->values[w].shape.dim[0])) {
        fr_lower_fault(l, node, "its bias is not a constant of one number an output");
        return false;
    }
    const fr_attrs *a = &node->attrs;
    if (node->op == FR_OP_GEMM && (a->trans_a || !a->trans_b || a->alpha != 1.0f || (b >= 0 && a->beta != 1.0f))) {
        fr_lower_fault(l, node, "only rows times constant weights can run");
        return false;
    }
    return true;
}

fr_status fr_lower_weighted(fr_lower *l, int32_t index) {
    const fr_node *node = &l->graph->nodes[index];
    bool conv = node->op == FR_OP_CONV;
    if (!sane(l, node))
        return FR_OK;
    int32_t src = l->slot_of[node->inputs[0]], dst;
    if (conv) /* an fc reads maps in CHW order as they are; a conv needs its own dims */
        FR_TRY(fr_lower_flat(l, node->inputs[0], &src));
    int32_t value = node->outputs[0];
    fr_step_item *item;
    FR_TRY(fr_lower_item(l, conv ? FR_STEP_CONV : FR_STEP_FC, node->name, &src, 1, -1, &item));
    item->node = index;
    FR_TRY(conv ? lower_conv(l, node, item) : lower_gemm(l, node, item));
    l->done[index] = true;
    take_residual(l, item, &value);
    take_act(l, item, &value);
    if (conv)
        take_pool(l, item, &value);
    int32_t at = (int32_t)(item - l->steps->items);
    FR_TRY(fr_lower_result(l, value, &dst));
    l->steps->items[at].dst = dst;
    l->steps->slots[dst].producer = at;
    return FR_OK;
}
