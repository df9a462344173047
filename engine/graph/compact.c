/* Only what the outputs need is kept; ids are renumbered. */
#include <string.h>

#include "base/alloc.h"
#include "graph/op_parts.h"
#include "graph/passes.h"

/* Marks nodes and values that the outputs need. `stack` holds each value at most once. */
static void mark(const fr_graph *graph, bool *node_needed, bool *value_needed, int32_t *stack) {
    int32_t depth = 0;
    for (int32_t i = 0; i < graph->n_outputs; i++)
        if (!value_needed[graph->outputs[i]]) {
            value_needed[graph->outputs[i]] = true;
            stack[depth++] = graph->outputs[i];
        }
    while (depth > 0) {
        int32_t maker = graph->values[stack[--depth]].producer;
        if (maker < 0 || node_needed[maker])
            continue;
        node_needed[maker] = true;
        const fr_node *node = &graph->nodes[maker];
        for (int32_t i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] >= 0 && !value_needed[node->inputs[i]]) {
                value_needed[node->inputs[i]] = true;
                stack[depth++] = node->inputs[i];
            }
    }
    for (int32_t i = 0; i < graph->n_inputs; i++)
        value_needed[graph->inputs[i]] = true;
}

static void drop_nodes(fr_graph *graph, const bool *needed) {
    int32_t kept = 0;
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        fr_node *node = &graph->nodes[n];
        if (needed[n]) {
            graph->nodes[kept++] = *node;
            continue;
        }
        fr_free(node->name);
        fr_free(node->inputs);
        fr_free(node->outputs);
    }
    graph->n_nodes = kept;
}

/* An output of a needed node that nobody needs is left out, unless it is the first. */
static void drop_values(fr_graph *graph, const bool *needed, int32_t *new_id) {
    int32_t kept = 0;
    for (int32_t v = 0; v < graph->n_values; v++) {
        new_id[v] = -1;
        graph->values[v].producer = -1;
        if (needed[v]) {
            new_id[v] = kept;
            graph->values[kept++] = graph->values[v];
            continue;
        }
        fr_free(graph->values[v].name);
        fr_free(graph->values[v].data);
    }
    memset(&graph->values[kept], 0, (size_t)(graph->n_values - kept) * sizeof *graph->values);
    graph->n_values = kept;
}

fr_status fr_graph_compact(fr_graph *graph) {
    fr_status status = FR_OK;
    bool *nodes = fr_alloc_array((size_t)graph->n_nodes, sizeof *nodes);
    bool *values = fr_alloc_array((size_t)graph->n_values, sizeof *values);
    int32_t *ids = fr_alloc_array((size_t)graph->n_values, sizeof *ids);
    if (!nodes || !values || !ids) {
        status = fr_no_memory((size_t)graph->n_values * sizeof *ids, "compacting a graph");
        goto cleanup;
    }
    mark(graph, nodes, values, ids);
    for (int32_t n = 0; n < graph->n_nodes; n++)
        if (nodes[n] && graph->nodes[n].outputs[0] >= 0)
            values[graph->nodes[n].outputs[0]] = true;
    drop_nodes(graph, nodes);
    drop_values(graph, values, ids);
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        fr_node *node = &graph->nodes[n];
        for (int32_t i = 0; i < node->n_inputs; i++)
            node->inputs[i] = node->inputs[i] < 0 ? -1 : ids[node->inputs[i]];
        for (int32_t i = 0; i < node->n_outputs; i++) {
            node->outputs[i] = node->outputs[i] < 0 ? -1 : ids[node->outputs[i]];
            if (node->outputs[i] >= 0)
                graph->values[node->outputs[i]].producer = n;
        }
    }
    for (int32_t i = 0; i < graph->n_inputs; i++)
        graph->inputs[i] = ids[graph->inputs[i]];
    for (int32_t i = 0; i < graph->n_outputs; i++)
        graph->outputs[i] = ids[graph->outputs[i]];
    FR_GO(cleanup, fr_names_rebuild(graph));
cleanup:
    fr_free(nodes);
    fr_free(values);
    fr_free(ids);
    return status;
}
