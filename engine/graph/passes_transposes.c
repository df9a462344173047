/*
 * Transposes move toward the outputs, past what works number by number, until they meet one that undoes them, a mean over
 * axes, or a constant that can be permuted instead.
 */
#include <string.h>

#include "base/alloc.h"
#include "graph/rewrite.h"

static fr_node *transpose_of(const fr_rewriter *r, int32_t value) {
    fr_node *maker = fr_rewrite_maker(r, value);
    return maker && maker->op == FR_OP_TRANSPOSE ? maker : NULL;
}

static bool same_permutation(const fr_attrs *a, const fr_attrs *b) {
    return a->n_axes == b->n_axes && memcmp(a->axes, b->axes, (size_t)a->n_axes * sizeof *a->axes) == 0;
}

/* Transpose(Transpose(x)): result dimension i is dimension inner[outer[i]] of x. */
static void merge(fr_rewriter *r, fr_node *node, const fr_node *before) {
    int64_t axes[FR_MAX_RANK];
    for (int32_t i = 0; i < node->attrs.n_axes; i++)
        axes[i] = before->attrs.axes[node->attrs.axes[i]];
    memcpy(node->attrs.axes, axes, (size_t)node->attrs.n_axes * sizeof *axes);
    fr_rewrite_set_input(r, node, 0, before->inputs[0]);
}

/* Only dimensions of one move, and the batch stays first: then it is a reshape. */
static bool moves_ones_only(const fr_rewriter *r, const fr_node *node) {
    const fr_shape *in = fr_in_shape(r->graph, node, 0);
    int64_t last = 0;
    if (!fr_rewrite_is_batched(r, node->inputs[0]) || !fr_rewrite_is_batched(r, node->outputs[0]) ||
        node->attrs.axes[0] != 0)
        return false;
    for (int32_t i = 1; i < node->attrs.n_axes; i++) {
        if (in->dim[node->attrs.axes[i]] == 1)
            continue;
        if (node->attrs.axes[i] < last)
            return false;
        last = node->attrs.axes[i];
    }
    return true;
}

static bool is_pointwise(fr_op op) {
    switch (op) {
    case FR_OP_RELU:
    case FR_OP_CLIP:
    case FR_OP_LEAKYRELU:
    case FR_OP_SIGMOID:
    case FR_OP_HARDSIGMOID:
    case FR_OP_HARDSWISH:
    case FR_OP_TANH: return true;
    default: return false;
    }
}

/* The two nodes trade places: what was T then `node` is `node` then T. Both keep their values. */
static void trade(fr_rewriter *r, fr_node *transpose, fr_node *node) {
    fr_value *between = &r->graph->values[transpose->outputs[0]];
    fr_op op = node->op;
    fr_attrs attrs = node->attrs;
    char *name = node->name;
    node->op = transpose->op;
    node->attrs = transpose->attrs;
    node->name = transpose->name;
    transpose->op = op;
    transpose->attrs = attrs;
    transpose->name = name;
    between->shape = *fr_in_shape(r->graph, transpose, 0);
    r->changed = true;
}

/* The constant operand as it looks before the transpose; -1 when its shape gets in the way. */
static fr_status permute_const(fr_rewriter *r, const fr_node *node, int32_t input, const fr_attrs *perm,
                               int32_t *out_value) {
    const fr_shape *have = fr_in_shape(r->graph, node, input);
    fr_shape wide = {.rank = perm->n_axes}, back = {.rank = perm->n_axes};
    const float *src;
    *out_value = -1;
    if (have->rank > perm->n_axes)
        return FR_OK;
    if (fr_shape_elements(have) == 1) {
        *out_value = node->inputs[input];
        return FR_OK;
    }
    for (int32_t i = 0; i < wide.rank; i++) {
        int32_t d = i - (wide.rank - have->rank);
        wide.dim[i] = d < 0 ? 1 : have->dim[d];
        back.dim[perm->axes[i]] = wide.dim[i];
    }
    FR_TRY(fr_rewrite_floats(r, node->inputs[input], &src));
    size_t count = fr_shape_elements(have);
    float *dst = fr_alloc_array(count, sizeof *dst);
    int64_t index[FR_MAX_RANK] = {0};
    for (size_t i = 0; i < count && dst; i++) {
        int64_t to = 0;
        for (int32_t d = 0; d < back.rank; d++) {
            int32_t at = 0;
            while (perm->axes[at] != d)
                at++;
            to = to * back.dim[d] + index[at];
        }
        dst[to] = src[i];
        for (int32_t d = wide.rank - 1; d >= 0 && ++index[d] == wide.dim[d]; d--)
            index[d] = 0;
    }
    return fr_rewrite_const(r, node, "operand", FR_F32, &back, dst, out_value);
}

/* op(T(a), T(b)) or op(T(a), constant) -> T(op(a, b')): a fresh op before, the node itself becomes the transpose. */
static fr_status pull_binary(fr_rewriter *r, int32_t index) {
    const fr_node *node = &r->graph->nodes[index];
    int32_t inputs[2], moved = transpose_of(r, node->inputs[0]) ? 0 : 1;
    const fr_node *t = transpose_of(r, node->inputs[moved]), *other = transpose_of(r, node->inputs[1 - moved]);
    if (!t || !fr_shape_equal(&r->graph->values[node->outputs[0]].shape, fr_in_shape(r->graph, node, moved)) ||
        r->uses[node->inputs[moved]] != 1)
        return FR_OK;
    fr_attrs perm = t->attrs, attrs = node->attrs;
    fr_op op = node->op;
    fr_shape shape = *fr_in_shape(r->graph, t, 0);
    inputs[moved] = t->inputs[0];
    if (other && same_permutation(&t->attrs, &other->attrs) && fr_shape_equal(fr_in_shape(r->graph, other, 0), &shape))
        inputs[1 - moved] = other->inputs[0];
    else if (fr_rewrite_is_weight(r, node, 1 - moved))
        FR_TRY(permute_const(r, node, 1 - moved, &perm, &inputs[1 - moved]));
    else
        return FR_OK;
    if (inputs[1 - moved] < 0)
        return FR_OK;
    int32_t made, fresh;
    FR_TRY(fr_rewrite_insert(r, &r->graph->nodes[index], "nchw", FR_OP_IDENTITY, NULL, inputs[0], &shape, &made));
    fresh = r->graph->values[made].producer;
    FR_TRY(fr_rewrite_become(r, &r->graph->nodes[fresh], op, &attrs, inputs, 2));
    return fr_rewrite_become(r, &r->graph->nodes[index], FR_OP_TRANSPOSE, &perm, &made, 1);
}

/* A mean over transposed axes is one over the axes they came from, if what is left stands in order. */
static void mean_before(fr_rewriter *r, fr_node *node, const fr_node *t) {
    bool reduced[FR_MAX_RANK] = {false};
    int64_t last = -1;
    if (node->attrs.keepdims)
        return;
    for (int32_t i = 0; i < node->attrs.n_axes; i++)
        reduced[node->attrs.axes[i]] = true;
    for (int32_t i = 0; i < t->attrs.n_axes; i++) {
        if (reduced[i])
            continue;
        if (t->attrs.axes[i] < last)
            return;
        last = t->attrs.axes[i];
    }
    for (int32_t i = 0; i < node->attrs.n_axes; i++)
        node->attrs.axes[i] = t->attrs.axes[node->attrs.axes[i]];
    fr_rewrite_set_input(r, node, 0, t->inputs[0]);
}

/* Gemm(Flatten(T(x))): the weights' columns are put in x's order. */
static fr_status absorb_in_gemm(fr_rewriter *r, int32_t index) {
    const fr_node *node = &r->graph->nodes[index];
    fr_node *flatten = fr_rewrite_sole_maker(r, node->inputs[0], FR_OP_FLATTEN);
    const fr_node *t = flatten ? transpose_of(r, flatten->inputs[0]) : NULL;
    if (!t || flatten->attrs.axis != 1 || t->attrs.axes[0] != 0 || !node->attrs.trans_b || node->attrs.trans_a ||
        !fr_rewrite_is_weight(r, node, 1))
        return FR_OK;
    const fr_shape *x = fr_in_shape(r->graph, t, 0), *seen = &r->graph->values[t->outputs[0]].shape;
    const fr_shape shape = *fr_in_shape(r->graph, node, 1);
    const float *src;
    int32_t weight;
    FR_TRY(fr_rewrite_floats(r, node->inputs[1], &src));
    float *dst = fr_alloc_array(fr_shape_elements(&shape), sizeof *dst);
    int64_t at[FR_MAX_RANK] = {0};
    for (int64_t column = 0; column < shape.dim[1] && dst; column++) {
        int64_t to = 0;
        for (int32_t d = 1; d < x->rank; d++) {
            int32_t axis = 1;
            while (t->attrs.axes[axis] != d)
                axis++;
            to = to * x->dim[d] + at[axis];
        }
        for (int64_t row = 0; row < shape.dim[0]; row++)
            dst[row * shape.dim[1] + to] = src[row * shape.dim[1] + column];
        for (int32_t d = seen->rank - 1; d >= 1 && ++at[d] == seen->dim[d]; d--)
            at[d] = 0;
    }
    FR_TRY(fr_rewrite_const(r, node, "weight", FR_F32, &shape, dst, &weight));
    fr_rewrite_set_input(r, &r->graph->nodes[index], 1, weight);
    fr_rewrite_set_input(r, flatten, 0, t->inputs[0]);
    return FR_OK;
}

static fr_status visit(fr_rewriter *r, int32_t index) {
    fr_node *node = &r->graph->nodes[index];
    fr_node *t = node->n_inputs > 0 ? transpose_of(r, node->inputs[0]) : NULL;
    switch (node->op) {
    case FR_OP_TRANSPOSE:
        if (t)
            merge(r, node, t);
        return moves_ones_only(r, node) ? fr_rewrite_to_reshape(r, index) : FR_OK;
    case FR_OP_ADD:
    case FR_OP_SUB:
    case FR_OP_MUL:
    case FR_OP_DIV: return pull_binary(r, index);
    case FR_OP_GEMM: return absorb_in_gemm(r, index);
    case FR_OP_REDUCEMEAN:
        if (t)
            mean_before(r, node, t);
        return FR_OK;
    default:
        if (t && is_pointwise(node->op) && node->n_inputs == 1 && r->uses[node->inputs[0]] == 1)
            trade(r, t, node);
        return FR_OK;
    }
}

fr_status fr_pass_transposes(fr_rewriter *r) {
    int32_t count = r->graph->n_nodes;
    for (int32_t n = 0; n < count; n++)
        FR_TRY(visit(r, n));
    return FR_OK;
}
