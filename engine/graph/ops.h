/* One table of ops feeds names, shapes, the double-precision reference and the tests. */
#ifndef FR_GRAPH_OPS_H
#define FR_GRAPH_OPS_H

#include "graph/graph.h"

/* A tensor of doubles: what the reference computes in. */
typedef struct fr_dense {
    fr_shape shape;
    double *data;
} fr_dense;

typedef struct fr_op_info {
    fr_op op;
    const char *name; /* ONNX's */
    int32_t min_inputs, max_inputs;
    /* Output shapes and dtypes from input values' shapes (and constants' data); may resolve attrs (auto_pad). */
    fr_status (*infer)(fr_graph *graph, fr_node *node);
    /* Plain loops, double precision, any rank the op allows. in[i].data is NULL for inputs left out. out's shapes are
     * set and its data allocated by the caller. */
    fr_status (*eval)(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out);
} fr_op_info;

const fr_op_info *fr_op_find(fr_op op);                   /* never NULL for a valid op */
const fr_op_info *fr_op_find_name(const char *onnx_name); /* NULL when foldrun has no such op */
const char *fr_op_name(fr_op op);
fr_attrs fr_attrs_default(fr_op op);

/* The whole graph in double precision, for the batch of the inputs given: the oracle of oracles. Infers shapes for that
 * batch first. `inputs` and `outputs` are in the graph's order; outputs' data is allocated (fr_free). */
fr_status fr_graph_eval(fr_graph *graph, const fr_dense *inputs, fr_dense *outputs) FR_MUST_CHECK;
/* The same, and every value (by id; data of constants too): for per-layer comparison. values[graph->n_values], freed by the caller. */
fr_status fr_graph_eval_all(fr_graph *graph, const fr_dense *inputs, fr_dense *values) FR_MUST_CHECK;

#endif
