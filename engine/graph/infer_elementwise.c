/* Shapes of ops that work number by number. */
#include <math.h>

#include "graph/op_parts.h"

fr_status fr_infer_unary(fr_graph *graph, fr_node *node) {
    *fr_out_shape(graph, node) = *fr_in_shape(graph, node, 0);
    return FR_OK;
}

/* A bound that comes as an input (opset 11 and later) is moved to the attributes. */
static fr_status resolve_bound(const fr_graph *graph, const fr_node *node, int32_t input, float *bound) {
    if (!fr_node_has(node, input))
        return FR_OK;
    const fr_value *value = &graph->values[node->inputs[input]];
    if (!value->is_const || !value->data || fr_shape_elements(&value->shape) != 1)
        return fr_node_fail(FR_UNSUPPORTED, node, "its bound '%s' is not one constant number", value->name);
    *bound = value->dtype == FR_S64 ? (float)*(const int64_t *)value->data : *(const float *)value->data;
    return FR_OK;
}

fr_status fr_infer_clip(fr_graph *graph, fr_node *node) {
    FR_TRY(resolve_bound(graph, node, 1, &node->attrs.lo));
    FR_TRY(resolve_bound(graph, node, 2, &node->attrs.hi));
    if (isnan(node->attrs.lo) || isnan(node->attrs.hi))
        return fr_node_fail(FR_INVALID, node, "a bound is not a number");
    return fr_infer_unary(graph, node);
}

static fr_status broadcast_onto(const fr_graph *graph, const fr_node *node, int32_t input, fr_shape *shape) {
    const fr_shape *other = fr_in_shape(graph, node, input);
    fr_shape both;
    if (!fr_shape_broadcast(shape, other, &both)) {
        char ta[128], tb[128];
        fr_shape_text(shape, ta, sizeof ta);
        fr_shape_text(other, tb, sizeof tb);
        return fr_node_fail(FR_INVALID, node, "shapes %s and %s do not fit together", ta, tb);
    }
    *shape = both;
    return FR_OK;
}

fr_status fr_infer_binary(fr_graph *graph, fr_node *node) {
    fr_shape shape = *fr_in_shape(graph, node, 0);
    FR_TRY(broadcast_onto(graph, node, 1, &shape));
    *fr_out_shape(graph, node) = shape;
    return FR_OK;
}

fr_status fr_infer_sum(fr_graph *graph, fr_node *node) {
    fr_shape shape = *fr_in_shape(graph, node, 0);
    for (int32_t i = 1; i < node->n_inputs; i++) {
        if (node->inputs[i] < 0)
            return fr_node_fail(FR_INVALID, node, "its input %d is left out", i);
        FR_TRY(broadcast_onto(graph, node, i, &shape));
    }
    *fr_out_shape(graph, node) = shape;
    return FR_OK;
}

/* Inference only: the numbers pass, and the mask (if asked for) is all ones. */
fr_status fr_infer_dropout(fr_graph *graph, fr_node *node) {
    if (fr_node_has(node, 2)) {
        size_t count;
        const int64_t *training = fr_known_ints(graph, node->inputs[2], &count);
        if (!training || count != 1 || training[0] != 0)
            return fr_node_fail(FR_UNSUPPORTED, node, "it is in training mode; export the model for inference");
    }
    if (node->n_outputs > 1 && node->outputs[1] >= 0) {
        graph->values[node->outputs[1]].shape = *fr_in_shape(graph, node, 0);
        graph->values[node->outputs[1]].dtype = FR_BOOL;
    }
    return fr_infer_unary(graph, node);
}

fr_status fr_infer_cast(fr_graph *graph, fr_node *node) {
    fr_dtype *dtype = &graph->values[node->outputs[0]].dtype;
    switch (node->attrs.to) {
    case FR_F32:
    case FR_F16:
    case FR_BF16:
    case FR_F64: *dtype = FR_F32; break;
    case FR_S64:
    case FR_S32:
    case FR_BOOL: *dtype = FR_S64; break;
    default: return fr_node_fail(FR_UNSUPPORTED, node, "its target type can't run; cast to float or int64");
    }
    return fr_infer_unary(graph, node);
}
