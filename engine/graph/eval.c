/* The whole graph in double precision, node by node. */
#include <string.h>

#include "base/alloc.h"
#include "graph/op_parts.h"

static fr_status dense_new(const fr_shape *shape, const char *name, fr_dense *out) {
    size_t elements = fr_shape_elements(shape);
    *out = (fr_dense){.shape = *shape};
    out->data = elements == SIZE_MAX ? NULL : fr_alloc_array(elements, sizeof *out->data);
    return out->data ? FR_OK : fr_no_memory(elements > SIZE_MAX / 8 ? SIZE_MAX : elements * 8, name);
}

fr_status fr_value_to_dense(fr_graph *graph, int32_t value, fr_dense *out) {
    *out = (fr_dense){0};
    if (graph->values[value].is_const)
        FR_TRY(fr_value_materialize(graph, value));
    const fr_value *from = &graph->values[value];
    FR_TRY(dense_new(&from->shape, from->name, out));
    size_t elements = fr_shape_elements(&from->shape);
    for (size_t i = 0; i < elements; i++)
        out->data[i] =
            from->dtype == FR_S64 ? (double)((const int64_t *)from->data)[i] : (double)((const float *)from->data)[i];
    return FR_OK;
}

fr_status fr_node_eval(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    fr_status status = FR_OK;
    for (int32_t i = 0; i < node->n_outputs; i++)
        out[i] = (fr_dense){0};
    for (int32_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] >= 0) {
            const fr_value *value = &graph->values[node->outputs[i]];
            FR_GO(cleanup, dense_new(&value->shape, value->name, &out[i]));
        }
    FR_GO(cleanup, fr_op_find(node->op)->eval(graph, node, in, out));
cleanup:
    for (int32_t i = 0; i < node->n_outputs && status != FR_OK; i++) {
        fr_free(out[i].data);
        out[i].data = NULL;
    }
    return status;
}

/* A run in progress: what each value holds, and how many nodes still want it. */
typedef struct run {
    fr_graph *graph;
    fr_dense *values;
    int32_t *wanted;
    bool keep_all;
} run;

static void count_uses(run *r) {
    const fr_graph *g = r->graph;
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int32_t i = 0; i < g->nodes[n].n_inputs; i++)
            if (g->nodes[n].inputs[i] >= 0)
                r->wanted[g->nodes[n].inputs[i]]++;
    for (int32_t i = 0; i < g->n_outputs; i++)
        r->wanted[g->outputs[i]]++;
}

static void release(run *r, int32_t value) {
    if (r->keep_all || value < 0 || --r->wanted[value] > 0)
        return;
    fr_free(r->values[value].data);
    r->values[value].data = NULL;
}

static fr_status run_node(run *r, const fr_node *node) {
    fr_status status = FR_OK;
    fr_dense *in = fr_alloc_array((size_t)node->n_inputs, sizeof *in);
    fr_dense *out = fr_alloc_array((size_t)node->n_outputs, sizeof *out);
    if (!in || !out) {
        status = fr_no_memory((size_t)(node->n_inputs + node->n_outputs) * sizeof *in, node->name);
        goto cleanup;
    }
    for (int32_t i = 0; i < node->n_inputs; i++) {
        int32_t value = node->inputs[i];
        if (value < 0)
            continue;
        if (!r->values[value].data)
            FR_GO(cleanup, fr_value_to_dense(r->graph, value, &r->values[value]));
        in[i] = r->values[value];
    }
    FR_GO(cleanup, fr_node_eval(r->graph, node, in, out));
    for (int32_t i = 0; i < node->n_outputs; i++) {
        int32_t value = node->outputs[i];
        if (value < 0)
            continue;
        r->values[value] = out[i];
        if (r->wanted[value] == 0 && !r->keep_all) {
            fr_free(out[i].data);
            r->values[value].data = NULL;
        }
    }
    for (int32_t i = 0; i < node->n_inputs; i++)
        release(r, node->inputs[i]);
cleanup:
    fr_free(in);
    fr_free(out);
    return status;
}

static fr_status run_graph(run *r, const fr_dense *inputs) {
    fr_graph *g = r->graph;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        fr_dense *to = &r->values[g->inputs[i]];
        FR_TRY(dense_new(&inputs[i].shape, g->values[g->inputs[i]].name, to));
        memcpy(to->data, inputs[i].data, fr_shape_elements(&inputs[i].shape) * sizeof *to->data);
    }
    for (int32_t n = 0; n < g->n_nodes; n++)
        FR_TRY(run_node(r, &g->nodes[n]));
    /* constants that are outputs, or that the caller wants to see */
    for (int32_t v = 0; v < g->n_values; v++)
        if (g->values[v].is_const && !r->values[v].data && (r->keep_all || r->wanted[v] > 0))
            FR_TRY(fr_value_to_dense(g, v, &r->values[v]));
    return FR_OK;
}

static fr_status infer_for(fr_graph *graph, const fr_dense *inputs) {
    fr_shape *shapes = fr_alloc_array((size_t)graph->n_inputs, sizeof *shapes);
    if (!shapes)
        return fr_no_memory((size_t)graph->n_inputs * sizeof *shapes, "input shapes");
    for (int32_t i = 0; i < graph->n_inputs; i++)
        shapes[i] = inputs[i].shape;
    fr_status status = fr_graph_infer_inputs(graph, shapes);
    fr_free(shapes);
    return status;
}

fr_status fr_graph_eval_all(fr_graph *graph, const fr_dense *inputs, fr_dense *values) {
    fr_status status = FR_OK;
    run r = {.graph = graph, .values = values, .keep_all = true};
    memset(values, 0, (size_t)graph->n_values * sizeof *values);
    FR_TRY(infer_for(graph, inputs));
    r.wanted = fr_alloc_array((size_t)graph->n_values, sizeof *r.wanted);
    if (!r.wanted)
        return fr_no_memory((size_t)graph->n_values * sizeof *r.wanted, "an evaluation");
    status = run_graph(&r, inputs);
    fr_free(r.wanted);
    for (int32_t v = 0; v < graph->n_values && status != FR_OK; v++) {
        fr_free(values[v].data);
        values[v].data = NULL;
    }
    return status;
}

fr_status fr_graph_eval(fr_graph *graph, const fr_dense *inputs, fr_dense *outputs) {
    fr_status status = FR_OK;
    run r = {.graph = graph};
    memset(outputs, 0, (size_t)graph->n_outputs * sizeof *outputs);
    FR_TRY(infer_for(graph, inputs));
    r.values = fr_alloc_array((size_t)graph->n_values, sizeof *r.values);
    r.wanted = fr_alloc_array((size_t)graph->n_values, sizeof *r.wanted);
    if (!r.values || !r.wanted) {
        status = fr_no_memory((size_t)graph->n_values * sizeof *r.values, "an evaluation");
        goto cleanup;
    }
    count_uses(&r);
    FR_GO(cleanup, run_graph(&r, inputs));
    for (int32_t i = 0; i < graph->n_outputs; i++) {
        const fr_dense *from = &r.values[graph->outputs[i]];
        FR_GO(cleanup, dense_new(&from->shape, graph->values[graph->outputs[i]].name, &outputs[i]));
        memcpy(outputs[i].data, from->data, fr_shape_elements(&from->shape) * sizeof *from->data);
    }
cleanup:
    for (int32_t v = 0; v < graph->n_values && r.values; v++)
        fr_free(r.values[v].data);
    for (int32_t i = 0; i < graph->n_outputs && status != FR_OK; i++) {
        fr_free(outputs[i].data);
        outputs[i].data = NULL;
    }
    fr_free(r.values);
    fr_free(r.wanted);
    return status;
}
