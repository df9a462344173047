/* The one table of ops, and attributes' defaults (ONNX's). */
#include "graph/ops.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/op_parts.h"

static const fr_op_info table[FR_OP_COUNT] = {
    [FR_OP_CONV] = {FR_OP_CONV, "Conv", 2, 3, fr_infer_conv, fr_eval_conv},
    [FR_OP_GEMM] = {FR_OP_GEMM, "Gemm", 2, 3, fr_infer_gemm, fr_eval_gemm},
    [FR_OP_MATMUL] = {FR_OP_MATMUL, "MatMul", 2, 2, fr_infer_matmul, fr_eval_matmul},
    [FR_OP_BATCHNORM] = {FR_OP_BATCHNORM, "BatchNormalization", 5, 5, fr_infer_batchnorm, fr_eval_batchnorm},
    [FR_OP_RELU] = {FR_OP_RELU, "Relu", 1, 1, fr_infer_unary, fr_eval_unary},
    [FR_OP_CLIP] = {FR_OP_CLIP, "Clip", 1, 3, fr_infer_clip, fr_eval_unary},
    [FR_OP_LEAKYRELU] = {FR_OP_LEAKYRELU, "LeakyRelu", 1, 1, fr_infer_unary, fr_eval_unary},
    [FR_OP_SIGMOID] = {FR_OP_SIGMOID, "Sigmoid", 1, 1, fr_infer_unary, fr_eval_unary},
    [FR_OP_HARDSIGMOID] = {FR_OP_HARDSIGMOID, "HardSigmoid", 1, 1, fr_infer_unary, fr_eval_unary},
    [FR_OP_HARDSWISH] = {FR_OP_HARDSWISH, "HardSwish", 1, 1, fr_infer_unary, fr_eval_unary},
    [FR_OP_TANH] = {FR_OP_TANH, "Tanh", 1, 1, fr_infer_unary, fr_eval_unary},
    [FR_OP_MAXPOOL] = {FR_OP_MAXPOOL, "MaxPool", 1, 1, fr_infer_pool, fr_eval_pool},
    [FR_OP_AVGPOOL] = {FR_OP_AVGPOOL, "AveragePool", 1, 1, fr_infer_pool, fr_eval_pool},
    [FR_OP_GLOBALAVGPOOL] = {FR_OP_GLOBALAVGPOOL, "GlobalAveragePool", 1, 1, fr_infer_global_pool, fr_eval_global_pool},
    [FR_OP_GLOBALMAXPOOL] = {FR_OP_GLOBALMAXPOOL, "GlobalMaxPool", 1, 1, fr_infer_global_pool, fr_eval_global_pool},
    [FR_OP_ADD] = {FR_OP_ADD, "Add", 2, 2, fr_infer_binary, fr_eval_binary},
    [FR_OP_SUB] = {FR_OP_SUB, "Sub", 2, 2, fr_infer_binary, fr_eval_binary},
    [FR_OP_MUL] = {FR_OP_MUL, "Mul", 2, 2, fr_infer_binary, fr_eval_binary},
    [FR_OP_DIV] = {FR_OP_DIV, "Div", 2, 2, fr_infer_binary, fr_eval_binary},
    [FR_OP_SUM] = {FR_OP_SUM, "Sum", 1, INT32_MAX, fr_infer_sum, fr_eval_sum},
    [FR_OP_CONCAT] = {FR_OP_CONCAT, "Concat", 1, INT32_MAX, fr_infer_concat, fr_eval_concat},
    [FR_OP_FLATTEN] = {FR_OP_FLATTEN, "Flatten", 1, 1, fr_infer_flatten, fr_eval_copy},
    [FR_OP_RESHAPE] = {FR_OP_RESHAPE, "Reshape", 2, 2, fr_infer_reshape, fr_eval_copy},
    [FR_OP_SQUEEZE] = {FR_OP_SQUEEZE, "Squeeze", 1, 2, fr_infer_squeeze, fr_eval_copy},
    [FR_OP_UNSQUEEZE] = {FR_OP_UNSQUEEZE, "Unsqueeze", 1, 2, fr_infer_unsqueeze, fr_eval_copy},
    [FR_OP_TRANSPOSE] = {FR_OP_TRANSPOSE, "Transpose", 1, 1, fr_infer_transpose, fr_eval_transpose},
    [FR_OP_PAD] = {FR_OP_PAD, "Pad", 1, 4, fr_infer_pad, fr_eval_pad},
    [FR_OP_LRN] = {FR_OP_LRN, "LRN", 1, 1, fr_infer_lrn, fr_eval_lrn},
    [FR_OP_DROPOUT] = {FR_OP_DROPOUT, "Dropout", 1, 3, fr_infer_dropout, fr_eval_dropout},
    [FR_OP_IDENTITY] = {FR_OP_IDENTITY, "Identity", 1, 1, fr_infer_unary, fr_eval_copy},
    [FR_OP_CONSTANT] = {FR_OP_CONSTANT, "Constant", 1, 1, fr_infer_unary, fr_eval_copy},
    [FR_OP_SOFTMAX] = {FR_OP_SOFTMAX, "Softmax", 1, 1, fr_infer_softmax, fr_eval_softmax},
    [FR_OP_REDUCEMEAN] = {FR_OP_REDUCEMEAN, "ReduceMean", 1, 2, fr_infer_reduce_mean, fr_eval_reduce_mean},
    [FR_OP_ARGMAX] = {FR_OP_ARGMAX, "ArgMax", 1, 1, fr_infer_argmax, fr_eval_argmax},
    [FR_OP_SHAPE] = {FR_OP_SHAPE, "Shape", 1, 1, fr_infer_shape, fr_eval_shape},
    [FR_OP_GATHER] = {FR_OP_GATHER, "Gather", 2, 2, fr_infer_gather, fr_eval_gather},
    [FR_OP_CAST] = {FR_OP_CAST, "Cast", 1, 1, fr_infer_cast, fr_eval_cast},
};

const fr_op_info *fr_op_find(fr_op op) {
    return (int)op > FR_OP_NONE && (int)op < FR_OP_COUNT ? &table[op] : NULL;
}

const fr_op_info *fr_op_find_name(const char *onnx_name) {
    for (int op = FR_OP_NONE + 1; onnx_name && op < FR_OP_COUNT; op++)
        if (strcmp(table[op].name, onnx_name) == 0)
            return &table[op];
    return NULL;
}

const char *fr_op_name(fr_op op) {
    const fr_op_info *info = fr_op_find(op);
    return info ? info->name : "?";
}

fr_attrs fr_attrs_default(fr_op op) {
    fr_attrs attrs = {
        .stride = {1, 1},
        .dilation = {1, 1},
        .group = 1,
        .alpha = 1.0f,
        .beta = 1.0f,
        .epsilon = 1e-5f,
        .bias = 1.0f,
        .lo = -INFINITY,
        .hi = INFINITY,
        .keepdims = true,
        .to = FR_F32,
        .opset = 13,
    };
    switch (op) {
    case FR_OP_LEAKYRELU: attrs.alpha = 0.01f; break;
    case FR_OP_HARDSIGMOID:
        attrs.alpha = 0.2f;
        attrs.beta = 0.5f;
        break;
    case FR_OP_LRN:
        attrs.alpha = 0.0001f;
        attrs.beta = 0.75f;
        break;
    case FR_OP_FLATTEN: attrs.axis = 1; break;
    case FR_OP_SOFTMAX: attrs.axis = -1; break;
    default: break;
    }
    return attrs;
}

fr_status fr_node_within(fr_status code, const fr_node *node) {
    char word[32];
    snprintf(word, sizeof word, "%s", fr_op_name(node->op));
    for (char *c = word; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return fr_fail_within(code, "%s '%s'", word, node->name);
}

fr_status fr_node_axis(const fr_node *node, int64_t axis, int32_t rank, int32_t *out_axis) {
    *out_axis = 0;
    if (axis < -rank || axis >= rank)
        return fr_node_fail(FR_INVALID, node, "axis %lld is outside its %d dimensions", (long long)axis, rank);
    *out_axis = (int32_t)(axis < 0 ? axis + rank : axis);
    return FR_OK;
}

const int64_t *fr_known_ints(const fr_graph *graph, int32_t value, size_t *out_count) {
    const fr_value *held = &graph->values[value];
    *out_count = 0;
    if (held->dtype != FR_S64 || !held->data)
        return NULL;
    *out_count = fr_shape_elements(&held->shape);
    return held->data;
}

fr_status fr_resolve_axes(const fr_graph *graph, fr_node *node, int32_t input) {
    size_t count;
    if (!fr_node_has(node, input))
        return FR_OK;
    const int64_t *axes = fr_known_ints(graph, node->inputs[input], &count);
    if (!axes)
        return fr_node_fail(FR_UNSUPPORTED, node, "its axes come from '%s' and are not constant",
                            graph->values[node->inputs[input]].name);
    if (count > FR_MAX_RANK)
        return fr_node_fail(FR_INVALID, node, "it has %zu axes; %d at most are supported", count, FR_MAX_RANK);
    node->attrs.n_axes = (int32_t)count;
    if (count)
        memcpy(node->attrs.axes, axes, count * sizeof *axes);
    return FR_OK;
}
