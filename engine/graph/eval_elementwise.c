/* Number by number: activations, arithmetic with broadcasting, copies. */
#include <math.h>
#include <string.h>

#include "graph/op_parts.h"

static double clamp(double value, double lo, double hi) {
    value = value < lo ? lo : value;
    return value > hi ? hi : value;
}

static double apply(const fr_node *node, double x) {
    double alpha = (double)node->attrs.alpha, beta = (double)node->attrs.beta;
    switch (node->op) {
    case FR_OP_RELU: return x < 0 ? 0 : x;
    case FR_OP_CLIP: return clamp(x, (double)node->attrs.lo, (double)node->attrs.hi);
    case FR_OP_LEAKYRELU: return x < 0 ? alpha * x : x;
    case FR_OP_SIGMOID: return 1 / (1 + exp(-x));
    case FR_OP_HARDSIGMOID: return clamp(alpha * x + beta, 0, 1);
    case FR_OP_HARDSWISH: return x * clamp(x / 6 + 0.5, 0, 1);
    case FR_OP_TANH: return tanh(x);
    default: return x;
    }
}

fr_status fr_eval_unary(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    size_t count = fr_shape_elements(&out[0].shape);
    (void)graph;
    for (size_t i = 0; i < count; i++)
        out[0].data[i] = apply(node, in[0].data[i]);
    return FR_OK;
}

fr_status fr_eval_copy(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    size_t count = fr_shape_elements(&out[0].shape);
    (void)graph;
    (void)node;
    if (count)
        memcpy(out[0].data, in[0].data, count * sizeof *out[0].data);
    return FR_OK;
}

fr_status fr_eval_dropout(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    size_t count = fr_shape_elements(&out[0].shape);
    for (size_t i = 0; i < count && node->n_outputs > 1 && node->outputs[1] >= 0; i++)
        out[1].data[i] = 1;
    return fr_eval_copy(graph, node, in, out);
}

/* Toward zero for integers; floats of any width stay as exact as they are. */
fr_status fr_eval_cast(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    size_t count = fr_shape_elements(&out[0].shape);
    fr_dtype to = node->attrs.to;
    (void)graph;
    for (size_t i = 0; i < count; i++) {
        double x = in[0].data[i];
        out[0].data[i] = to == FR_BOOL ? x != 0 : to == FR_S64 || to == FR_S32 ? trunc(x) : x;
    }
    return FR_OK;
}

/* Steps through `shape` seen as `full`: 0 along broadcast dims. */
static void broadcast_steps(const fr_shape *shape, const fr_shape *full, int64_t *steps) {
    int64_t step = 1;
    for (int32_t i = full->rank - 1; i >= 0; i--) {
        int32_t d = i - (full->rank - shape->rank);
        steps[i] = d < 0 || shape->dim[d] == 1 ? 0 : step;
        step *= d < 0 ? 1 : shape->dim[d];
    }
}

static double combine(fr_op op, bool integers, double a, double b) {
    switch (op) {
    case FR_OP_SUB: return a - b;
    case FR_OP_MUL: return a * b;
    case FR_OP_DIV: return !integers ? a / b : b == 0 ? 0 : trunc(a / b);
    default: return a + b;
    }
}

/* dst = a op b; `a` may be dst itself when it has its shape. */
static void combine_all(fr_op op, bool integers, const fr_dense *a, const fr_dense *b, const fr_dense *dst) {
    const fr_shape *full = &dst->shape;
    int64_t sa[FR_MAX_RANK] = {0}, sb[FR_MAX_RANK] = {0}, at[FR_MAX_RANK] = {0}, ia = 0, ib = 0;
    size_t count = fr_shape_elements(full);
    broadcast_steps(&a->shape, full, sa);
    broadcast_steps(&b->shape, full, sb);
    for (size_t i = 0; i < count; i++) {
        dst->data[i] = combine(op, integers, a->data[ia], b->data[ib]);
        for (int32_t d = full->rank - 1; d >= 0; d--) {
            ia += sa[d];
            ib += sb[d];
            if (++at[d] < full->dim[d])
                break;
            ia -= at[d] * sa[d];
            ib -= at[d] * sb[d];
            at[d] = 0;
        }
    }
}

fr_status fr_eval_binary(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    fr_dtype dtype = graph->values[node->outputs[0]].dtype;
    combine_all(node->op, dtype != FR_F32 && dtype != FR_F64 && dtype != FR_F16 && dtype != FR_BF16, &in[0], &in[1],
                &out[0]);
    return FR_OK;
}

fr_status fr_eval_sum(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    size_t count = fr_shape_elements(&out[0].shape);
    (void)graph;
    memset(out[0].data, 0, count * sizeof *out[0].data);
    for (int32_t i = 0; i < node->n_inputs; i++)
        combine_all(FR_OP_ADD, false, &out[0], &in[i], &out[0]);
    return FR_OK;
}
