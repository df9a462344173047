/* Execution order: a depth-first walk that keeps the order nodes stand in where it may. */
#include <string.h>

#include "base/alloc.h"
#include "graph/op_parts.h"

enum { UNSEEN = 0, OPEN = 1, DONE = 2 };

typedef struct visit {
    int32_t node, next_input;
} visit;

static fr_status check_made(const fr_graph *graph) {
    fr_status status = FR_OK;
    bool *given = fr_alloc_array((size_t)graph->n_values, sizeof *given);
    if (!given)
        return fr_no_memory((size_t)graph->n_values, "sorting a graph");
    for (int32_t i = 0; i < graph->n_inputs; i++)
        given[graph->inputs[i]] = true;
    for (int32_t v = 0; v < graph->n_values; v++)
        given[v] |= graph->values[v].is_const || graph->values[v].producer >= 0;
    for (int32_t n = 0; n < graph->n_nodes && status == FR_OK; n++)
        for (int32_t i = 0; i < graph->nodes[n].n_inputs && status == FR_OK; i++) {
            int32_t value = graph->nodes[n].inputs[i];
            if (value >= 0 && !given[value])
                status = fr_node_fail(FR_INVALID, &graph->nodes[n], "its input '%s' is made by nothing",
                                      graph->values[value].name);
        }
    for (int32_t i = 0; i < graph->n_outputs && status == FR_OK; i++)
        if (!given[graph->outputs[i]])
            status = fr_fail(FR_INVALID, "the graph's output '%s' is made by nothing",
                             graph->values[graph->outputs[i]].name);
    fr_free(given);
    return status;
}

/* Appends what node `first` needs and then itself to order[]. The stack is at most n_nodes deep: an open node is never entered twice. */
static fr_status walk(const fr_graph *graph, int32_t first, unsigned char *state, visit *stack, int32_t *order,
                      int32_t *n_order) {
    int32_t depth = 0;
    stack[depth++] = (visit){first, 0};
    state[first] = OPEN;
    while (depth > 0) {
        visit *top = &stack[depth - 1];
        const fr_node *node = &graph->nodes[top->node];
        if (top->next_input == node->n_inputs) {
            state[top->node] = DONE;
            order[(*n_order)++] = top->node;
            depth--;
            continue;
        }
        int32_t value = node->inputs[top->next_input++];
        int32_t maker = value < 0 ? -1 : graph->values[value].producer;
        if (maker < 0 || state[maker] == DONE)
            continue;
        if (state[maker] == OPEN)
            return fr_node_fail(FR_INVALID, &graph->nodes[maker],
                                "it is on a cycle: it needs its own result through '%s'", graph->values[value].name);
        state[maker] = OPEN;
        stack[depth++] = (visit){maker, 0};
    }
    return FR_OK;
}

fr_status fr_graph_sort(fr_graph *graph) {
    fr_status status = FR_OK;
    size_t count = (size_t)graph->n_nodes;
    int32_t n_order = 0;
    bool sorted = true;
    FR_TRY(check_made(graph));
    unsigned char *state = fr_alloc(count);
    visit *stack = fr_alloc_array(count, sizeof *stack);
    int32_t *order = fr_alloc_array(count, sizeof *order);
    fr_node *nodes = fr_alloc_array(count, sizeof *nodes);
    if (!state || !stack || !order || !nodes) {
        status = fr_no_memory(count * sizeof *nodes, "sorting a graph");
        goto cleanup;
    }
    for (int32_t n = 0; n < graph->n_nodes; n++)
        if (state[n] == UNSEEN)
            FR_GO(cleanup, walk(graph, n, state, stack, order, &n_order));
    for (int32_t n = 0; n < n_order; n++)
        sorted &= order[n] == n;
    if (sorted)
        goto cleanup;
    for (int32_t n = 0; n < n_order; n++)
        nodes[n] = graph->nodes[order[n]];
    memcpy(graph->nodes, nodes, count * sizeof *nodes);
    for (int32_t n = 0; n < n_order; n++)
        for (int32_t i = 0; i < nodes[n].n_outputs; i++)
            if (nodes[n].outputs[i] >= 0)
                graph->values[nodes[n].outputs[i]].producer = n;
cleanup:
    fr_free(state);
    fr_free(stack);
    fr_free(order);
    fr_free(nodes);
    return status;
}
