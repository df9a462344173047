/* Nodes without weights: a step each, or none. */
#include "base/status.h"
#include "plan/lower.h"

static fr_status lower_sum(fr_lower *l, const fr_node *node, fr_binary op) {
    int32_t have;
    FR_TRY(fr_lower_flat(l, node->inputs[0], &have));
    if (node->n_inputs == 1) {
        l->slot_of[node->outputs[0]] = have;
        return FR_OK;
    }
    for (int32_t i = 1; i < node->n_inputs; i++) {
        int32_t other, dst;
        FR_TRY(fr_lower_flat(l, node->inputs[i], &other));
        const fr_slot *a = &l->steps->slots[have], *b = &l->steps->slots[other];
        bool swap = a->h * a->w < b->h * b->w && (op == FR_BINARY_ADD || op == FR_BINARY_MUL);
        const fr_slot *big = swap ? b : a, *small = swap ? a : b;
        if (big->c != small->c || !((big->h == small->h && big->w == small->w) || (small->h == 1 && small->w == 1))) {
            fr_lower_fault(l, node, "its operands' shapes can't be broadcast here");
            return FR_OK;
        }
        int32_t src[2] = {swap ? other : have, swap ? have : other};
        fr_step_item *item;
        FR_TRY(fr_lower_result(l, node->outputs[0], &dst));
        FR_TRY(fr_lower_item(l, FR_STEP_BINARY, node->name, src, 2, dst, &item));
        item->step.binary = (uint8_t)op;
        have = dst;
    }
    return FR_OK;
}

static fr_status lower_concat(fr_lower *l, const fr_node *node) {
    int32_t src[FR_MAX_SRC], dst;
    if (node->attrs.axis != 1 && node->attrs.axis != 1 - l->graph->values[node->outputs[0]].shape.rank) {
        fr_lower_fault(l, node, "only channels can be joined (axis 1)");
        return FR_OK;
    }
    if (node->n_inputs > FR_MAX_SRC) {
        fr_lower_fault(l, node, "it joins %d values, %d at most can run", node->n_inputs, FR_MAX_SRC);
        return FR_OK;
    }
    for (int32_t i = 0; i < node->n_inputs; i++)
        FR_TRY(fr_lower_flat(l, node->inputs[i], &src[i]));
    fr_step_item *item;
    FR_TRY(fr_lower_result(l, node->outputs[0], &dst));
    return fr_lower_item(l, FR_STEP_CONCAT, node->name, src, node->n_inputs, dst, &item);
}

/* The same numbers in the same order: copied only if something must see the new shape. */
static fr_status lower_alias(fr_lower *l, const fr_node *node) {
    int32_t c, h, w;
    if (!fr_lower_dims(l->graph, node->outputs[0], &c, &h, &w))
        fr_lower_fault(l, node, "its result is neither maps (N,C,H,W) nor rows (N,C)");
    else
        l->slot_of[node->outputs[0]] = l->slot_of[node->inputs[0]];
    return FR_OK;
}

static bool along_channels(const fr_lower *l, const fr_node *node) {
    int32_t rank = l->graph->values[node->inputs[0]].shape.rank, axis = node->attrs.axis;
    if (axis < 0)
        axis += rank;
    /* before opset 13 Softmax flattens at its axis: the same thing where nothing follows the channels */
    if (node->op == FR_OP_SOFTMAX && node->attrs.opset < 13 && rank == 4) {
        const fr_shape *s = &l->graph->values[node->inputs[0]].shape;
        return axis == 1 && s->dim[2] == 1 && s->dim[3] == 1;
    }
    return axis == 1;
}

static bool only_maps_padded(const fr_node *node, fr_window *out) {
    const fr_attrs *a = &node->attrs;
    if (a->n_pads != 8)
        return false;
    for (int i = 0; i < 8; i++)
        if (a->pads[i] < 0 || a->pads[i] > INT32_MAX || ((i % 4) < 2 && a->pads[i] != 0))
            return false;
    *out = (fr_window){.kh = 1,
                       .kw = 1,
                       .sh = 1,
                       .sw = 1,
                       .dh = 1,
                       .dw = 1,
                       .pad_top = (int32_t)a->pads[2],
                       .pad_left = (int32_t)a->pads[3],
                       .pad_bottom = (int32_t)a->pads[6],
                       .pad_right = (int32_t)a->pads[7]};
    return true;
}

/* One source, one destination. */
static fr_status lower_single(fr_lower *l, const fr_node *node, fr_step_kind kind, const fr_step *made) {
    int32_t src, dst;
    fr_step_item *item;
    FR_TRY(fr_lower_flat(l, node->inputs[0], &src));
    FR_TRY(fr_lower_result(l, node->outputs[0], &dst));
    FR_TRY(fr_lower_item(l, kind, node->name, &src, 1, dst, &item));
    fr_step *s = &item->step;
    s->act = made->act;
    s->act_a = made->act_a;
    s->act_b = made->act_b;
    s->pool = made->pool;
    s->pool_win = made->pool_win;
    s->win = made->win;
    s->pad_value = made->pad_value;
    s->lrn_size = made->lrn_size;
    s->lrn_alpha = made->lrn_alpha;
    s->lrn_beta = made->lrn_beta;
    s->lrn_k = made->lrn_k;
    s->pick_last = made->pick_last;
    return FR_OK;
}

fr_status fr_lower_plain(fr_lower *l, int32_t index) {
    const fr_node *node = &l->graph->nodes[index];
    const fr_attrs *a = &node->attrs;
    fr_step made = {0};
    fr_pool_kind pool;
    l->done[index] = true;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        int32_t v = node->inputs[i];
        if (v >= 0 && l->graph->values[v].is_const && node->op != FR_OP_RESHAPE) {
            fr_lower_fault(l, node, "its constant operand '%s' is not one number a channel", l->graph->values[v].name);
            return FR_OK;
        }
    }
    if (fr_lower_act(node, &made))
        return lower_single(l, node, FR_STEP_UNARY, &made);
    if (fr_lower_pool(l->graph, node, &pool, &made.pool_win)) {
        if (node->n_outputs > 1 && node->outputs[1] >= 0 && fr_graph_is_used(l->graph, node->outputs[1])) {
            fr_lower_fault(l, node, "its second output (indices) is used");
            return FR_OK;
        }
        made.pool = (uint8_t)pool;
        return lower_single(l, node, FR_STEP_POOL, &made);
    }
    switch (node->op) {
    case FR_OP_ADD:
    case FR_OP_SUM: return lower_sum(l, node, FR_BINARY_ADD);
    case FR_OP_MUL: return lower_sum(l, node, FR_BINARY_MUL);
    case FR_OP_SUB: return lower_sum(l, node, FR_BINARY_SUB);
    case FR_OP_DIV: return lower_sum(l, node, FR_BINARY_DIV);
    case FR_OP_CONCAT: return lower_concat(l, node);
    case FR_OP_FLATTEN:
        if (a->axis != 1)
            break;
        return lower_alias(l, node);
    case FR_OP_RESHAPE:
    case FR_OP_IDENTITY: return lower_alias(l, node);
    case FR_OP_LRN:
        made.lrn_size = a->size;
        made.lrn_alpha = a->alpha;
        made.lrn_beta = a->beta;
        made.lrn_k = a->bias;
        return lower_single(l, node, FR_STEP_LRN, &made);
    case FR_OP_SOFTMAX:
        if (!along_channels(l, node))
            break;
        return lower_single(l, node, FR_STEP_SOFTMAX, &made);
    case FR_OP_ARGMAX:
        if (!along_channels(l, node) || (!a->keepdims && l->graph->values[node->inputs[0]].shape.rank != 2))
            break;
        made.pick_last = a->select_last;
        return lower_single(l, node, FR_STEP_ARGMAX, &made);
    case FR_OP_PAD:
        if (!only_maps_padded(node, &made.win))
            break;
        made.pad_value = a->pad_value;
        return lower_single(l, node, FR_STEP_PAD, &made);
    default: break;
    }
    fr_lower_fault(l, node, "this form of it can't run on a device");
    return FR_OK;
}
