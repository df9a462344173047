/* What depends on constants alone, and integers that are the same for every batch, become constants. */
#include <string.h>

#include "base/alloc.h"
#include "graph/rewrite.h"

/* The node's only value becomes a constant with `data` (taken). */
static void make_const(fr_rewriter *r, fr_node *node, fr_dtype dtype, void *data) {
    int32_t id = node->outputs[0];
    fr_rewrite_kill(r, node);
    fr_value *value = &r->graph->values[id];
    fr_free(value->data);
    value->is_const = true;
    value->init = FR_INIT_NONE;
    value->dtype = dtype;
    value->data = data;
}

static bool all_const(const fr_rewriter *r, const fr_node *node) {
    if (node->n_outputs != 1 || node->n_inputs < 1)
        return false;
    for (int32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] >= 0 && !r->graph->values[node->inputs[i]].is_const)
            return false;
    return true;
}

/* Constants are weights in another arrangement, or a little arithmetic: what would grow, or take long, is left to be
 * refused later. */
static bool is_cheap(const fr_rewriter *r, const fr_node *node) {
    enum { SMALL = 1 << 22 };
    size_t result = fr_shape_elements(&r->graph->values[node->outputs[0]].shape), given = 0;
    double work;
    for (int32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] >= 0)
            given += fr_shape_elements(&r->graph->values[node->inputs[i]].shape);
    work = (double)result * (double)given;
    switch (node->op) {
    case FR_OP_CONV:
    case FR_OP_MAXPOOL:
    case FR_OP_AVGPOOL:
    case FR_OP_LRN: return false;
    case FR_OP_GEMM:
    case FR_OP_MATMUL: return result <= SMALL && work <= 0x1p36;
    default: return result <= SMALL || result <= given;
    }
}

static fr_status fold(fr_rewriter *r, fr_node *node) {
    fr_status status = FR_OK;
    fr_dense out = {0};
    void *data = NULL;
    int32_t n_inputs = node->n_inputs;
    fr_dtype dtype = r->graph->values[node->outputs[0]].dtype == FR_S64 ? FR_S64 : FR_F32;
    fr_dense *in = fr_alloc_array((size_t)node->n_inputs, sizeof *in);
    if (!in)
        return fr_no_memory((size_t)node->n_inputs * sizeof *in, node->name);
    for (int32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] >= 0)
            FR_GO(cleanup, fr_value_to_dense(r->graph, node->inputs[i], &in[i]));
    FR_GO(cleanup, fr_node_eval(r->graph, node, in, &out));
    size_t count = fr_shape_elements(&out.shape);
    data = fr_alloc_array(count, fr_dtype_bytes(dtype));
    if (!data) {
        status = fr_no_memory(count * fr_dtype_bytes(dtype), node->name);
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++) {
        if (dtype == FR_F32)
            ((float *)data)[i] = (float)out.data[i];
        else
            ((int64_t *)data)[i] = out.data[i] >= -9e15 && out.data[i] <= 9e15 ? (int64_t)out.data[i] : 0;
    }
    make_const(r, node, dtype, data);
cleanup:
    for (int32_t i = 0; i < n_inputs; i++) /* the node may be gone */
        fr_free(in[i].data);
    fr_free(in);
    fr_free(out.data);
    return status;
}

/* Known integers that another batch does not change. */
static bool is_fixed(const fr_rewriter *r, int32_t id) {
    const fr_value *value = &r->graph->values[id];
    if (!r->other || id >= r->n_known || value->is_const || !value->data || !r->other_ints[id] ||
        !fr_shape_equal(&value->shape, &r->other[id]))
        return false;
    return memcmp(value->data, r->other_ints[id], fr_shape_elements(&value->shape) * sizeof(int64_t)) == 0;
}

fr_status fr_pass_constants(fr_rewriter *r) {
    for (int32_t n = 0; n < r->graph->n_nodes; n++) {
        fr_node *node = &r->graph->nodes[n];
        if (node->op == FR_OP_NONE)
            continue;
        if (all_const(r, node) && is_cheap(r, node)) {
            FR_TRY(fold(r, node));
        } else if (node->n_outputs == 1 && is_fixed(r, node->outputs[0])) {
            void *data = r->graph->values[node->outputs[0]].data;
            r->graph->values[node->outputs[0]].data = NULL;
            make_const(r, node, FR_S64, data);
        }
    }
    return FR_OK;
}
