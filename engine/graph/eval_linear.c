/* Gemm and MatMul in plain loops. */
#include <string.h>

#include "graph/op_parts.h"

/* dst[m][n] = a(m, k) * b(k, n), each operand with its own strides. */
typedef struct operand {
    const double *data;
    int64_t row, column;
} operand;

static void multiply(operand a, operand b, int64_t rows, int64_t inner, int64_t columns, double *dst) {
    for (int64_t m = 0; m < rows; m++)
        for (int64_t n = 0; n < columns; n++) {
            double sum = 0;
            for (int64_t k = 0; k < inner; k++)
                sum += a.data[m * a.row + k * a.column] * b.data[k * b.row + n * b.column];
            dst[m * columns + n] = sum;
        }
}

/* alpha * A' * B' + beta * C, where C is broadcast */
fr_status fr_eval_gemm(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_attrs *at = &node->attrs;
    int64_t rows = out[0].shape.dim[0], columns = out[0].shape.dim[1], inner = in[0].shape.dim[at->trans_a ? 0 : 1];
    operand a = {in[0].data, at->trans_a ? 1 : inner, at->trans_a ? rows : 1};
    operand b = {in[1].data, at->trans_b ? 1 : columns, at->trans_b ? inner : 1};
    (void)graph;
    multiply(a, b, rows, inner, columns, out[0].data);
    for (int64_t i = 0; i < rows * columns; i++)
        out[0].data[i] *= (double)at->alpha;
    if (!fr_node_has(node, 2))
        return FR_OK;
    const fr_shape *c = &in[2].shape;
    int64_t wide = c->rank > 0 ? c->dim[c->rank - 1] : 1, tall = c->rank > 1 ? c->dim[0] : 1;
    for (int64_t m = 0; m < rows; m++)
        for (int64_t n = 0; n < columns; n++)
            out[0].data[m * columns + n] +=
                (double)at->beta * in[2].data[(tall == 1 ? 0 : m) * wide + (wide == 1 ? 0 : n)];
    return FR_OK;
}

/* Offset of the matrix that belongs to `index` of the broadcast head dims. */
static int64_t matrix_offset(const fr_shape *shape, const fr_shape *head, int64_t index) {
    int32_t own = shape->rank - 2;
    int64_t offset = 0, step = shape->rank >= 2 ? shape->dim[shape->rank - 1] * shape->dim[shape->rank - 2] : 0;
    for (int32_t i = head->rank - 1; i >= 0; i--) {
        int64_t at = index % head->dim[i];
        int32_t d = i - (head->rank - own);
        index /= head->dim[i];
        if (d < 0)
            continue;
        offset += shape->dim[d] == 1 ? 0 : at * step;
        step *= shape->dim[d];
    }
    return offset;
}

fr_status fr_eval_matmul(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_shape *a = &in[0].shape, *b = &in[1].shape;
    int64_t rows = a->rank > 1 ? a->dim[a->rank - 2] : 1, inner = a->dim[a->rank - 1],
            columns = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    fr_shape head = {.rank = out[0].shape.rank - (a->rank > 1) - (b->rank > 1)};
    (void)graph;
    (void)node;
    if (head.rank > 0)
        memcpy(head.dim, out[0].shape.dim, (size_t)head.rank * sizeof *head.dim);
    int64_t matrices = fr_shape_span(&head, 0, head.rank);
    for (int64_t i = 0; i < matrices; i++) {
        operand left = {in[0].data + matrix_offset(a, &head, i), inner, 1};
        operand right = {in[1].data + matrix_offset(b, &head, i), columns, 1};
        multiply(left, right, rows, inner, columns, out[0].data + i * rows * columns);
    }
    return FR_OK;
}
