/* Shapes of Gemm and MatMul. */
#include "graph/op_parts.h"

fr_status fr_infer_gemm(fr_graph *graph, fr_node *node) {
    const fr_attrs *at = &node->attrs;
    const fr_shape *a = fr_in_shape(graph, node, 0), *b = fr_in_shape(graph, node, 1);
    char ta[128], tb[128];
    fr_shape_text(a, ta, sizeof ta);
    fr_shape_text(b, tb, sizeof tb);
    if (a->rank != 2 || b->rank != 2)
        return fr_node_fail(FR_INVALID, node, "it multiplies matrices, not %s and %s; flatten before it", ta, tb);
    int64_t rows = a->dim[at->trans_a ? 1 : 0], inner = a->dim[at->trans_a ? 0 : 1];
    int64_t columns = b->dim[at->trans_b ? 0 : 1], wanted = b->dim[at->trans_b ? 1 : 0];
    if (inner != wanted)
        return fr_node_fail(FR_INVALID, node, "input has %lld features, weights want %lld (%s by %s)", (long long)inner,
                            (long long)wanted, ta, tb);
    fr_shape out = {.rank = 2, .dim = {rows, columns}};
    if (fr_node_has(node, 2)) {
        const fr_shape *c = fr_in_shape(graph, node, 2);
        fr_shape both;
        if (!fr_shape_broadcast(c, &out, &both) || !fr_shape_equal(&both, &out)) {
            fr_shape_text(c, ta, sizeof ta);
            fr_shape_text(&out, tb, sizeof tb);
            return fr_node_fail(FR_INVALID, node, "its bias of %s does not fit its result of %s", ta, tb);
        }
    }
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

/* Numpy's rule: a vector on the left is a row, on the right a column, and that dimension goes; leading ones broadcast. */
fr_status fr_infer_matmul(fr_graph *graph, fr_node *node) {
    const fr_shape *left = fr_in_shape(graph, node, 0), *right = fr_in_shape(graph, node, 1);
    char ta[128], tb[128];
    fr_shape_text(left, ta, sizeof ta);
    fr_shape_text(right, tb, sizeof tb);
    if (left->rank < 1 || right->rank < 1)
        return fr_node_fail(FR_INVALID, node, "it multiplies matrices, not %s and %s", ta, tb);
    fr_shape a = *left, b = *right;
    if (a.rank == 1)
        a = (fr_shape){.rank = 2, .dim = {1, left->dim[0]}};
    if (b.rank == 1)
        b = (fr_shape){.rank = 2, .dim = {right->dim[0], 1}};
    fr_shape head_a = {.rank = a.rank - 2}, head_b = {.rank = b.rank - 2}, out;
    for (int32_t i = 0; i < head_a.rank; i++)
        head_a.dim[i] = a.dim[i];
    for (int32_t i = 0; i < head_b.rank; i++)
        head_b.dim[i] = b.dim[i];
    if (a.dim[a.rank - 1] != b.dim[b.rank - 2] || !fr_shape_broadcast(&head_a, &head_b, &out))
        return fr_node_fail(FR_INVALID, node, "%s and %s can't be multiplied", ta, tb);
    if (left->rank > 1)
        out.dim[out.rank++] = a.dim[a.rank - 2];
    if (right->rank > 1)
        out.dim[out.rank++] = b.dim[b.rank - 1];
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}
