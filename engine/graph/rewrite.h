/* What the passes rewrite with. One rewriter a pass: it counts uses, and knows the shapes for two batches. Internal. */
#ifndef FR_GRAPH_REWRITE_H
#define FR_GRAPH_REWRITE_H

#include "graph/op_parts.h"

/* Pointers to nodes and values hold until something is added. */
typedef struct fr_rewriter {
    fr_graph *graph;
    int32_t *uses; /* of each value: by nodes and as graph output; values[cap_values] */
    int32_t cap_uses;
    int32_t n_known;      /* values that stood when the pass began */
    fr_shape *other;      /* their shapes for another batch; NULL when the graph has no meaning for it */
    int64_t **other_ints; /* integers known for that other batch, with `other` */
    int64_t other_batch;
    bool changed;
} fr_rewriter;

/* Shapes again for the inputs as they are, or with another batch (> 0). */
fr_status fr_rewrite_infer(fr_graph *graph, int64_t batch) FR_MUST_CHECK;
fr_status fr_rewrite_begin(fr_rewriter *r, fr_graph *graph) FR_MUST_CHECK;
/* Removes killed nodes, sorts and infers again when something changed. */
fr_status fr_rewrite_end(fr_rewriter *r) FR_MUST_CHECK;
void fr_rewrite_free(fr_rewriter *r);

/* The live node that makes `value`, or NULL. */
fr_node *fr_rewrite_maker(const fr_rewriter *r, int32_t value);
/* The maker when it is an `op` and nothing else reads the value. */
fr_node *fr_rewrite_sole_maker(const fr_rewriter *r, int32_t value, fr_op op);
/* A constant of floats, perhaps still to be seeded. */
bool fr_rewrite_is_weight(const fr_rewriter *r, const fr_node *node, int32_t input);
/* dim 0 is the batch and no other dimension depends on it. */
bool fr_rewrite_is_batched(const fr_rewriter *r, int32_t value);
/* One float constant: its number. */
bool fr_rewrite_scalar(const fr_rewriter *r, const fr_node *node, int32_t input, double *out_number);
/* A weight's numbers, made now if they are seeded. */
fr_status fr_rewrite_floats(fr_rewriter *r, int32_t value, const float **out_data) FR_MUST_CHECK;

void fr_rewrite_set_input(fr_rewriter *r, fr_node *node, int32_t input, int32_t value);
void fr_rewrite_drop_inputs(fr_rewriter *r, fr_node *node, int32_t keep);
/* The node becomes another op on other inputs; name and first output stay. */
fr_status fr_rewrite_become(fr_rewriter *r, fr_node *node, fr_op op, const fr_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs) FR_MUST_CHECK;
void fr_rewrite_kill(fr_rewriter *r, fr_node *node);
/* Readers of the node's first output read `value` instead and the node goes. False where a graph output must keep its
 * name and `value` can't take it: then nothing is changed. */
bool fr_rewrite_bypass(fr_rewriter *r, fr_node *node, int32_t value);

/* A constant "NODE_WORD"; takes `data` (fr_alloc), also when it fails. */
fr_status fr_rewrite_const(fr_rewriter *r, const fr_node *node, const char *word, fr_dtype dtype, const fr_shape *shape,
                           void *data, int32_t *out_value) FR_MUST_CHECK;
/* A new node of one input before `node` (named "NODE_word") and its fresh value. */
fr_status fr_rewrite_insert(fr_rewriter *r, const fr_node *node, const char *word, fr_op op, const fr_attrs *attrs,
                            int32_t input, const fr_shape *shape, int32_t *out_value) FR_MUST_CHECK;

/* The node becomes Reshape of its first input to [0, d1, d2, ...]: 0 copies the batch, the rest is its result's shape. */
fr_status fr_rewrite_to_reshape(fr_rewriter *r, int32_t index) FR_MUST_CHECK;

typedef fr_status fr_pass(fr_rewriter *r);
fr_pass fr_pass_tidy, fr_pass_constants, fr_pass_patterns, fr_pass_reshapes, fr_pass_transposes, fr_pass_pads,
    fr_pass_gemm, fr_pass_affine;

#endif
