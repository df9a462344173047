/* MatMul by a constant becomes Gemm, and every Gemm by a constant holds its weights as [out][in] with alpha = beta = 1. */
#include <string.h>

#include "base/alloc.h"
#include "graph/rewrite.h"

/* weights * alpha, turned around unless they are [out][in] already. */
static fr_status turn_weights(fr_rewriter *r, int32_t index, int32_t *out_value) {
    const fr_node *node = &r->graph->nodes[index];
    bool turned = node->op == FR_OP_GEMM && node->attrs.trans_b;
    float alpha = node->op == FR_OP_GEMM ? node->attrs.alpha : 1.0f;
    fr_shape shape = *fr_in_shape(r->graph, node, 1);
    const float *src;
    *out_value = node->inputs[1];
    if (turned && alpha == 1.0f)
        return FR_OK;
    FR_TRY(fr_rewrite_floats(r, node->inputs[1], &src));
    size_t rows = (size_t)shape.dim[0], columns = (size_t)shape.dim[1];
    float *dst = fr_alloc_array(rows * columns, sizeof *dst);
    for (size_t i = 0; i < rows && dst; i++)
        for (size_t j = 0; j < columns; j++)
            dst[turned ? i * columns + j : j * rows + i] = alpha * src[i * columns + j];
    if (!turned)
        shape = (fr_shape){.rank = 2, .dim = {shape.dim[1], shape.dim[0]}};
    return fr_rewrite_const(r, node, "weight", FR_F32, &shape, dst, out_value);
}

/* One number a column, whatever shape it came in, times beta. */
static fr_status spread_bias(fr_rewriter *r, int32_t index, int32_t *out_value) {
    const fr_node *node = &r->graph->nodes[index];
    int64_t columns = r->graph->values[node->outputs[0]].shape.dim[1];
    const fr_shape *have = fr_in_shape(r->graph, node, 2);
    const float *src;
    *out_value = node->inputs[2];
    if (have->rank == 1 && have->dim[0] == columns && node->attrs.beta == 1.0f)
        return FR_OK;
    bool single = fr_shape_elements(have) == 1;
    FR_TRY(fr_rewrite_floats(r, node->inputs[2], &src));
    float *dst = fr_alloc_array((size_t)columns, sizeof *dst);
    for (int64_t i = 0; i < columns && dst; i++)
        dst[i] = node->attrs.beta * src[single ? 0 : i];
    return fr_rewrite_const(r, node, "bias", FR_F32, &(fr_shape){.rank = 1, .dim = {columns}}, dst, out_value);
}

static bool bias_is_row(const fr_rewriter *r, const fr_node *node) {
    const fr_shape *c = fr_in_shape(r->graph, node, 2);
    size_t count = fr_shape_elements(c);
    bool row = c->rank < 2 || c->dim[0] == 1;
    return fr_rewrite_is_weight(r, node, 2) &&
           (count == 1 || (row && count == (size_t)r->graph->values[node->outputs[0]].shape.dim[1]));
}

static bool can_become_rows(const fr_rewriter *r, const fr_node *node) {
    if (node->op != FR_OP_GEMM && node->op != FR_OP_MATMUL)
        return false;
    if (fr_in_shape(r->graph, node, 0)->rank != 2 || fr_in_shape(r->graph, node, 1)->rank != 2 ||
        !fr_rewrite_is_weight(r, node, 1))
        return false;
    if (node->op == FR_OP_MATMUL)
        return true;
    return !node->attrs.trans_a && (!fr_node_has(node, 2) || bias_is_row(r, node));
}

static bool is_canonical(const fr_rewriter *r, const fr_node *node) {
    const fr_attrs *a = &node->attrs;
    return node->op == FR_OP_GEMM && a->trans_b && a->alpha == 1.0f &&
           (!fr_node_has(node, 2) ||
            (a->beta == 1.0f && fr_in_shape(r->graph, node, 2)->rank == 1 &&
             fr_in_shape(r->graph, node, 2)->dim[0] == r->graph->values[node->outputs[0]].shape.dim[1]));
}

fr_status fr_pass_gemm(fr_rewriter *r) {
    int32_t count = r->graph->n_nodes;
    for (int32_t n = 0; n < count; n++) {
        const fr_node *node = &r->graph->nodes[n];
        if (node->op == FR_OP_NONE || !can_become_rows(r, node) || is_canonical(r, node))
            continue;
        fr_attrs attrs = fr_attrs_default(FR_OP_GEMM);
        int32_t inputs[3] = {node->inputs[0], -1, -1}, n_inputs = 2;
        attrs.trans_b = true;
        attrs.opset = node->attrs.opset;
        FR_TRY(turn_weights(r, n, &inputs[1]));
        if (fr_node_has(&r->graph->nodes[n], 2)) {
            FR_TRY(spread_bias(r, n, &inputs[2]));
            n_inputs = 3;
        }
        FR_TRY(fr_rewrite_become(r, &r->graph->nodes[n], FR_OP_GEMM, &attrs, inputs, n_inputs));
    }
    return FR_OK;
}
