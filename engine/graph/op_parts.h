/* What the files of this folder share: node faults, axes, known integers, and each op's two functions. Internal. */
#ifndef FR_GRAPH_OP_PARTS_H
#define FR_GRAPH_OP_PARTS_H

#include "base/status.h"
#include "graph/graph.h"
#include "graph/ops.h"

/* Fails with "conv 'c3': <sentence>". */
#define fr_node_fail(code, node, ...) ((void)fr_fail((code), __VA_ARGS__), fr_node_within((code), (node)))
fr_status fr_node_within(fr_status code, const fr_node *node);

/* An input is given: the node has it and it is not left out. */
static inline bool fr_node_has(const fr_node *node, int32_t input) {
    return input < node->n_inputs && node->inputs[input] >= 0;
}
static inline const fr_shape *fr_in_shape(const fr_graph *graph, const fr_node *node, int32_t input) {
    return &graph->values[node->inputs[input]].shape;
}
static inline fr_shape *fr_out_shape(fr_graph *graph, const fr_node *node) {
    return &graph->values[node->outputs[0]].shape;
}

/* 0 <= *out_axis < rank from ONNX's -rank <= axis < rank. */
fr_status fr_node_axis(const fr_node *node, int64_t axis, int32_t rank, int32_t *out_axis) FR_MUST_CHECK;
/* Integers known now: of a constant, or computed from shapes for this batch. NULL when they are not. */
const int64_t *fr_known_ints(const fr_graph *graph, int32_t value, size_t *out_count);
/* Axes that come as an input (newer opsets) are moved to the attributes. */
fr_status fr_resolve_axes(const fr_graph *graph, fr_node *node, int32_t input) FR_MUST_CHECK;
/* Numpy's rule. False when they do not fit. */
bool fr_shape_broadcast(const fr_shape *a, const fr_shape *b, fr_shape *out);
/* Product of dim[first..last). The shape was checked before. */
int64_t fr_shape_span(const fr_shape *shape, int32_t first, int32_t last);
/* Windows along one side, and whether the kernel fits at all. */
bool fr_window_count(int64_t in, int64_t pads, int64_t pad_before, int64_t kernel, int64_t stride, bool ceil_mode,
                     int64_t *out_count);

/* Shapes for inputs of these shapes, in the graph's order; only dim 0 may differ from what the graph holds. */
fr_status fr_graph_infer_inputs(fr_graph *graph, const fr_shape *shapes) FR_MUST_CHECK;
/* Numbers of a constant as doubles (fr_free). */
fr_status fr_value_to_dense(fr_graph *graph, int32_t value, fr_dense *out) FR_MUST_CHECK;
/* One node on tensors that stand ready; out's data is allocated here for every output that is not left out. */
fr_status fr_node_eval(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) FR_MUST_CHECK;
/* A seeded constant gets its numbers. */
fr_status fr_value_materialize(fr_graph *graph, int32_t value) FR_MUST_CHECK;

/* names.c: the index behind fr_graph_find. */
int32_t fr_names_find(const fr_graph *graph, const char *name);
fr_status fr_names_add(fr_graph *graph, int32_t value) FR_MUST_CHECK;
fr_status fr_names_rebuild(fr_graph *graph) FR_MUST_CHECK;

typedef fr_status fr_infer_fn(fr_graph *graph, fr_node *node);
typedef fr_status fr_eval_fn(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out);

fr_infer_fn fr_infer_conv, fr_infer_pool, fr_infer_global_pool, fr_infer_lrn, fr_infer_batchnorm;
fr_infer_fn fr_infer_gemm, fr_infer_matmul;
fr_infer_fn fr_infer_unary, fr_infer_clip, fr_infer_binary, fr_infer_sum, fr_infer_dropout, fr_infer_cast;
fr_infer_fn fr_infer_concat, fr_infer_flatten, fr_infer_reshape, fr_infer_squeeze, fr_infer_unsqueeze,
    fr_infer_transpose;
fr_infer_fn fr_infer_pad, fr_infer_softmax, fr_infer_reduce_mean, fr_infer_argmax, fr_infer_shape, fr_infer_gather;

fr_eval_fn fr_eval_conv, fr_eval_pool, fr_eval_global_pool, fr_eval_lrn, fr_eval_batchnorm;
fr_eval_fn fr_eval_gemm, fr_eval_matmul;
fr_eval_fn fr_eval_unary, fr_eval_binary, fr_eval_sum, fr_eval_dropout, fr_eval_cast, fr_eval_copy;
fr_eval_fn fr_eval_concat, fr_eval_transpose, fr_eval_pad, fr_eval_softmax, fr_eval_reduce_mean, fr_eval_argmax;
fr_eval_fn fr_eval_shape, fr_eval_gather;

#endif
