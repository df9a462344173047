/* Shapes of the whole graph, one node after another, with the integers that exporters' shape arithmetic makes. */
#include <string.h>

#include "base/alloc.h"
#include "graph/op_parts.h"

enum { MAX_KNOWN = 1024 }; /* shape arithmetic is about a handful of integers */

/* dtype of outputs, unless the op's own function says otherwise. */
static fr_dtype default_dtype(const fr_graph *graph, const fr_node *node) {
    return node->n_inputs > 0 && node->inputs[0] >= 0 ? graph->values[node->inputs[0]].dtype : FR_F32;
}

static fr_status check_output(const fr_graph *graph, const fr_node *node, const fr_value *value) {
    size_t elements = fr_shape_elements(&value->shape), bytes;
    char text[128];
    (void)graph;
    fr_shape_text(&value->shape, text, sizeof text);
    /* sizeof(double) twice over: the reference and every offset in it must be able to count it */
    if (elements == SIZE_MAX || !fr_size_mul(elements, 16, &bytes) || bytes > (SIZE_MAX >> 1))
        return fr_node_fail(FR_INVALID, node, "its result of %s is too large", text);
    if (elements == 0 && value->dtype != FR_S64)
        return fr_node_fail(FR_INVALID, node, "its result of %s is empty", text);
    return FR_OK;
}

/* Small integer results whose inputs are known are computed at once. */
static fr_status learn_ints(fr_graph *graph, const fr_node *node) {
    fr_status status = FR_OK;
    fr_dense *in = NULL, out = {0};
    size_t elements = node->n_outputs == 1 ? fr_shape_elements(&graph->values[node->outputs[0]].shape) : SIZE_MAX;
    if (graph->values[node->outputs[0]].dtype != FR_S64 || elements > MAX_KNOWN || node->n_inputs > MAX_KNOWN)
        return FR_OK;
    for (int32_t i = 0; i < node->n_inputs && node->op != FR_OP_SHAPE; i++) {
        const fr_value *from = node->inputs[i] < 0 ? NULL : &graph->values[node->inputs[i]];
        if (from && (!from->data || fr_shape_elements(&from->shape) > MAX_KNOWN))
            return FR_OK;
    }
    in = fr_alloc_array((size_t)node->n_inputs, sizeof *in);
    if (!in)
        return fr_no_memory((size_t)node->n_inputs * sizeof *in, node->name);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        if (node->op == FR_OP_SHAPE)
            in[i].shape = graph->values[node->inputs[i]].shape;
        else if (node->inputs[i] >= 0)
            FR_GO(cleanup, fr_value_to_dense(graph, node->inputs[i], &in[i]));
    }
    FR_GO(cleanup, fr_node_eval(graph, node, in, &out));
    int64_t *known = fr_alloc_array(elements, sizeof *known);
    if (!known) {
        status = fr_no_memory(elements * sizeof *known, node->name);
        goto cleanup;
    }
    for (size_t i = 0; i < elements; i++)
        known[i] = out.data[i] >= -9e15 && out.data[i] <= 9e15 ? (int64_t)out.data[i] : 0;
    graph->values[node->outputs[0]].data = known;
cleanup:
    for (int32_t i = 0; i < node->n_inputs; i++)
        fr_free(in[i].data);
    fr_free(in);
    fr_free(out.data);
    return status;
}

static fr_status infer_node(fr_graph *graph, fr_node *node) {
    for (int32_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] >= 0) {
            graph->values[node->outputs[i]].dtype = default_dtype(graph, node);
            graph->values[node->outputs[i]].shape = (fr_shape){0};
        }
    FR_TRY(fr_op_find(node->op)->infer(graph, node));
    for (int32_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] >= 0)
            FR_TRY(check_output(graph, node, &graph->values[node->outputs[i]]));
    return learn_ints(graph, node);
}

/* Input shapes stand. */
static fr_status infer_all(fr_graph *graph) {
    for (int32_t i = 0; i < graph->n_inputs; i++) {
        const fr_value *input = &graph->values[graph->inputs[i]];
        char text[128];
        size_t elements = fr_shape_elements(&input->shape);
        fr_shape_text(&input->shape, text, sizeof text);
        if (elements == 0)
            return fr_fail(FR_INVALID, "input '%s' of %s is empty", input->name, text);
        if (elements > SIZE_MAX / 32)
            return fr_fail(FR_INVALID, "input '%s' of %s is too large", input->name, text);
    }
    FR_TRY(fr_graph_sort(graph));
    for (int32_t v = 0; v < graph->n_values; v++)
        if (!graph->values[v].is_const) {
            fr_free(graph->values[v].data);
            graph->values[v].data = NULL;
        }
    for (int32_t n = 0; n < graph->n_nodes; n++)
        FR_TRY(infer_node(graph, &graph->nodes[n]));
    return FR_OK;
}

fr_status fr_graph_infer(fr_graph *graph, int64_t batch) {
    if (batch < 1 || batch > INT32_MAX)
        return fr_fail(FR_INVALID, "a batch of %lld: it must be 1 to %d", (long long)batch, INT32_MAX);
    for (int32_t i = 0; i < graph->n_inputs; i++) {
        fr_value *input = &graph->values[graph->inputs[i]];
        if (input->shape.rank > 0)
            input->shape.dim[0] = batch;
    }
    graph->batch = batch;
    fr_status status = infer_all(graph);
    if (status != FR_OK)
        graph->batch = 0;
    return status;
}

fr_status fr_graph_infer_inputs(fr_graph *graph, const fr_shape *shapes) {
    graph->batch = 0;
    for (int32_t i = 0; i < graph->n_inputs; i++) {
        fr_value *input = &graph->values[graph->inputs[i]];
        bool fits = input->shape.rank == shapes[i].rank;
        for (int32_t d = 1; d < input->shape.rank && fits; d++)
            fits = input->shape.dim[d] == shapes[i].dim[d];
        if (!fits) {
            char want[128], got[128];
            fr_shape_text(&input->shape, want, sizeof want);
            fr_shape_text(&shapes[i], got, sizeof got);
            return fr_fail(FR_INVALID, "input '%s' is given %s, it wants %s (the first dimension is free)", input->name,
                           got, want);
        }
        input->shape = shapes[i];
        if (graph->batch == 0 && shapes[i].rank > 0)
            graph->batch = shapes[i].dim[0];
    }
    if (graph->batch == 0)
        graph->batch = 1;
    fr_status status = infer_all(graph);
    if (status != FR_OK)
        graph->batch = 0;
    return status;
}
