/* Reshapes of every spelling become Flatten(1), or Reshape to a target that holds for any batch; ReduceMean over the map
 * becomes GlobalAveragePool. */
#include "graph/rewrite.h"

static bool is_reshape(const fr_node *node) {
    return node && (node->op == FR_OP_FLATTEN || node->op == FR_OP_RESHAPE || node->op == FR_OP_SQUEEZE ||
                    node->op == FR_OP_UNSQUEEZE);
}

/* Is it a Reshape to [0, d1, d2, ...] already? */
static bool has_open_target(const fr_rewriter *r, const fr_node *node, const fr_shape *out) {
    size_t count;
    const fr_value *target = node->op == FR_OP_RESHAPE ? &r->graph->values[node->inputs[1]] : NULL;
    const int64_t *numbers = target && target->is_const ? fr_known_ints(r->graph, node->inputs[1], &count) : NULL;
    if (!numbers || count != (size_t)out->rank || numbers[0] != 0 || node->attrs.allow_zero)
        return false;
    for (int32_t i = 1; i < out->rank; i++)
        if (numbers[i] != out->dim[i])
            return false;
    return true;
}

static fr_status canonical(fr_rewriter *r, int32_t index) {
    fr_node *node = &r->graph->nodes[index];
    const fr_node *before = fr_rewrite_maker(r, node->inputs[0]);
    fr_shape out = r->graph->values[node->outputs[0]].shape;
    if (!fr_rewrite_is_batched(r, node->inputs[0]) || !fr_rewrite_is_batched(r, node->outputs[0]))
        return FR_OK;
    /* only the first of a row of reshapes matters, as far as it reads: the result's shape is fixed */
    if (is_reshape(before) && fr_rewrite_is_batched(r, before->inputs[0]))
        fr_rewrite_set_input(r, node, 0, before->inputs[0]);
    if (fr_shape_equal(&r->graph->values[node->inputs[0]].shape, &out) && fr_rewrite_bypass(r, node, node->inputs[0]))
        return FR_OK;
    if (out.rank == 2 && node->op == FR_OP_FLATTEN && node->attrs.axis == 1)
        return FR_OK;
    if (out.rank == 2) {
        fr_attrs attrs = fr_attrs_default(FR_OP_FLATTEN);
        int32_t input = node->inputs[0];
        return fr_rewrite_become(r, node, FR_OP_FLATTEN, &attrs, &input, 1);
    }
    return has_open_target(r, node, &out) ? FR_OK : fr_rewrite_to_reshape(r, index);
}

static bool over_map(const fr_rewriter *r, const fr_node *node) {
    const fr_attrs *a = &node->attrs;
    return node->op == FR_OP_REDUCEMEAN && fr_in_shape(r->graph, node, 0)->rank == 4 && a->n_axes == 2 &&
           ((a->axes[0] == 2 && a->axes[1] == 3) || (a->axes[0] == 3 && a->axes[1] == 2));
}

static fr_status average_map(fr_rewriter *r, int32_t index) {
    fr_node *node = &r->graph->nodes[index];
    int32_t input = node->inputs[0], pooled;
    if (node->attrs.keepdims)
        return fr_rewrite_become(r, node, FR_OP_GLOBALAVGPOOL, NULL, &input, 1);
    if (!fr_rewrite_is_batched(r, input))
        return FR_OK;
    const fr_shape *in = fr_in_shape(r->graph, node, 0);
    fr_shape shape = {.rank = 4, .dim = {in->dim[0], in->dim[1], 1, 1}};
    fr_attrs attrs = fr_attrs_default(FR_OP_GLOBALAVGPOOL);
    FR_TRY(fr_rewrite_insert(r, node, "pool", FR_OP_GLOBALAVGPOOL, &attrs, input, &shape, &pooled));
    return fr_rewrite_become(r, &r->graph->nodes[index], FR_OP_FLATTEN, NULL, &pooled, 1);
}

fr_status fr_pass_reshapes(fr_rewriter *r) {
    int32_t count = r->graph->n_nodes;
    for (int32_t n = 0; n < count; n++) {
        const fr_node *node = &r->graph->nodes[n];
        if (is_reshape(node))
            FR_TRY(canonical(r, n));
        else if (over_map(r, node))
            FR_TRY(average_map(r, n));
    }
    return FR_OK;
}
