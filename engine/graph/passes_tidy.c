/* One spelling for each meaning (axes from 0, what came as inputs is in attributes), and nodes that do nothing go. */
#include <math.h>

#include "graph/rewrite.h"

static void count_from_zero(int32_t *axis, int32_t rank) {
    if (*axis < 0)
        *axis += rank;
}

static void tidy_attrs(fr_rewriter *r, fr_node *node) {
    fr_attrs *a = &node->attrs;
    const fr_shape *in = fr_in_shape(r->graph, node, 0);
    switch (node->op) {
    case FR_OP_CLIP:
    case FR_OP_PAD:
    case FR_OP_SQUEEZE:
    case FR_OP_UNSQUEEZE:
    case FR_OP_REDUCEMEAN:
    case FR_OP_DROPOUT:
        if (node->n_inputs > 1) /* fr_graph_infer moved them to the attributes */
            fr_rewrite_drop_inputs(r, node, 1);
        break;
    case FR_OP_CONCAT:
    case FR_OP_FLATTEN:
    case FR_OP_ARGMAX:
    case FR_OP_GATHER: count_from_zero(&a->axis, in->rank); break;
    case FR_OP_SOFTMAX:
        count_from_zero(&a->axis, in->rank);
        /* the old flattening form is the new one where nothing but ones follow its axis */
        if (a->opset < 13 && fr_shape_span(in, a->axis + 1, in->rank) == 1)
            a->opset = 13;
        break;
    default: break;
    }
    for (int32_t i = 0; i < a->n_axes && node->op == FR_OP_REDUCEMEAN; i++)
        if (a->axes[i] < 0)
            a->axes[i] += in->rank;
}

static bool same_order(const fr_attrs *a) {
    for (int32_t i = 0; i < a->n_axes; i++)
        if (a->axes[i] != i)
            return false;
    return true;
}

static bool no_pads(const fr_attrs *a) {
    for (int32_t i = 0; i < a->n_pads; i++)
        if (a->pads[i] != 0)
            return false;
    return true;
}

static bool is_float(fr_dtype dtype) {
    return dtype == FR_F32 || dtype == FR_F16 || dtype == FR_BF16 || dtype == FR_F64;
}

static bool does_nothing(const fr_rewriter *r, const fr_node *node) {
    const fr_attrs *a = &node->attrs;
    const fr_value *in = &r->graph->values[node->inputs[0]];
    switch (node->op) {
    case FR_OP_IDENTITY: return true;
    case FR_OP_DROPOUT: return node->n_outputs < 2 || node->outputs[1] < 0 || r->uses[node->outputs[1]] == 0;
    case FR_OP_CAST: return is_float(in->dtype) && is_float(a->to);
    case FR_OP_SUM:
    case FR_OP_CONCAT: return node->n_inputs == 1;
    case FR_OP_TRANSPOSE: return same_order(a);
    case FR_OP_CLIP: return isinf(a->lo) && a->lo < 0 && isinf(a->hi) && a->hi > 0;
    case FR_OP_PAD: return no_pads(a);
    case FR_OP_FLATTEN: return in->shape.rank == 2 && a->axis == 1;
    case FR_OP_MAXPOOL:
    case FR_OP_AVGPOOL:
        return a->kernel[0] == 1 && a->kernel[1] == 1 && a->stride[0] == 1 && a->stride[1] == 1 &&
               !(a->pad[0] | a->pad[1] | a->pad[2] | a->pad[3]);
    default: return false;
    }
}

fr_status fr_pass_tidy(fr_rewriter *r) {
    for (int32_t n = 0; n < r->graph->n_nodes; n++) {
        fr_node *node = &r->graph->nodes[n];
        if (node->op == FR_OP_NONE || node->n_inputs < 1)
            continue;
        tidy_attrs(r, node);
        if (does_nothing(r, node)) {
            fr_rewrite_bypass(r, node, node->inputs[0]);
        } else if (node->op == FR_OP_SUM && node->n_inputs == 2) {
            node->op = FR_OP_ADD;
            r->changed = true;
        }
    }
    return FR_OK;
}
