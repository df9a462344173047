/* Rewriting: use counts, replacing, killing and adding, with the names of the graph's outputs kept. */
#include "graph/rewrite.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

fr_status fr_rewrite_infer(fr_graph *graph, int64_t batch) {
    fr_shape *shapes = fr_alloc_array((size_t)graph->n_inputs, sizeof *shapes);
    if (!shapes)
        return fr_no_memory((size_t)graph->n_inputs * sizeof *shapes, "input shapes");
    for (int32_t i = 0; i < graph->n_inputs; i++) {
        shapes[i] = graph->values[graph->inputs[i]].shape;
        if (batch > 0 && shapes[i].rank > 0)
            shapes[i].dim[0] = batch;
    }
    fr_status status = fr_graph_infer_inputs(graph, shapes);
    fr_free(shapes);
    return status;
}

/* Shapes and integers for one more image than now; the graph is as it was afterwards. */
static fr_status look_at_other_batch(fr_rewriter *r) {
    fr_status status = FR_OK, answer;
    fr_graph *g = r->graph;
    int64_t before = g->batch;
    for (int32_t i = 0; i < g->n_inputs; i++) /* inputs of different first dimensions: there is no batch to speak of */
        if (g->values[g->inputs[i]].shape.rank > 0 && g->values[g->inputs[i]].shape.dim[0] != before)
            return FR_OK;
    r->other = fr_alloc_array((size_t)g->n_values, sizeof *r->other);
    r->other_ints = fr_alloc_array((size_t)g->n_values, sizeof *r->other_ints);
    if (!r->other || !r->other_ints)
        return fr_no_memory((size_t)g->n_values * sizeof *r->other, "a pass");
    answer = before < INT32_MAX ? fr_rewrite_infer(g, before + 1) : FR_INVALID;
    for (int32_t v = 0; v < g->n_values && answer == FR_OK; v++) {
        r->other[v] = g->values[v].shape;
        if (!g->values[v].is_const) {
            r->other_ints[v] = g->values[v].data;
            g->values[v].data = NULL;
        }
    }
    r->other_batch = before + 1;
    if (answer != FR_OK) {
        fr_free(r->other);
        r->other = NULL;
    }
    status = fr_rewrite_infer(g, before);
    return answer == FR_NO_MEMORY ? answer : status;
}

fr_status fr_rewrite_begin(fr_rewriter *r, fr_graph *graph) {
    *r = (fr_rewriter){.graph = graph, .cap_uses = graph->n_values, .n_known = graph->n_values};
    r->uses = fr_alloc_array((size_t)graph->n_values, sizeof *r->uses);
    if (!r->uses)
        return fr_no_memory((size_t)graph->n_values * sizeof *r->uses, "a pass");
    for (int32_t n = 0; n < graph->n_nodes; n++)
        for (int32_t i = 0; i < graph->nodes[n].n_inputs; i++)
            if (graph->nodes[n].inputs[i] >= 0)
                r->uses[graph->nodes[n].inputs[i]]++;
    for (int32_t i = 0; i < graph->n_outputs; i++)
        r->uses[graph->outputs[i]]++;
    return look_at_other_batch(r);
}

static void sweep(fr_graph *graph) {
    int32_t kept = 0;
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        fr_node *node = &graph->nodes[n];
        if (node->op == FR_OP_NONE) {
            fr_free(node->name);
            fr_free(node->inputs);
            fr_free(node->outputs);
            continue;
        }
        for (int32_t i = 0; i < node->n_outputs; i++)
            if (node->outputs[i] >= 0)
                graph->values[node->outputs[i]].producer = kept;
        graph->nodes[kept++] = *node;
    }
    graph->n_nodes = kept;
}

void fr_rewrite_free(fr_rewriter *r) {
    if (r->changed) /* a pass that failed halfway leaves no dead nodes either */
        sweep(r->graph);
    for (int32_t v = 0; v < r->n_known && r->other_ints; v++)
        fr_free(r->other_ints[v]);
    fr_free(r->other_ints);
    fr_free(r->other);
    fr_free(r->uses);
    *r = (fr_rewriter){0};
}

/* What nothing reads must not count as a reader. */
static void kill_unread(fr_rewriter *r) {
    for (int32_t n = r->graph->n_nodes - 1; n >= 0; n--) {
        fr_node *node = &r->graph->nodes[n];
        bool read = node->op == FR_OP_NONE;
        for (int32_t i = 0; i < node->n_outputs; i++)
            read |= node->outputs[i] >= 0 && r->uses[node->outputs[i]] > 0;
        if (!read)
            fr_rewrite_kill(r, node);
    }
}

fr_status fr_rewrite_end(fr_rewriter *r) {
    kill_unread(r);
    if (!r->changed)
        return FR_OK;
    sweep(r->graph);
    return fr_rewrite_infer(r->graph, 0);
}

fr_node *fr_rewrite_maker(const fr_rewriter *r, int32_t value) {
    int32_t producer = value < 0 ? -1 : r->graph->values[value].producer;
    return producer < 0 ? NULL : &r->graph->nodes[producer];
}

fr_node *fr_rewrite_sole_maker(const fr_rewriter *r, int32_t value, fr_op op) {
    fr_node *maker = fr_rewrite_maker(r, value);
    return maker && maker->op == op && maker->outputs[0] == value && r->uses[value] == 1 ? maker : NULL;
}

bool fr_rewrite_is_weight(const fr_rewriter *r, const fr_node *node, int32_t input) {
    const fr_value *value = fr_node_has(node, input) ? &r->graph->values[node->inputs[input]] : NULL;
    return value && value->is_const && value->dtype == FR_F32;
}

bool fr_rewrite_is_batched(const fr_rewriter *r, int32_t value) {
    if (!r->other || value >= r->n_known || r->graph->values[value].is_const)
        return false;
    const fr_shape *now = &r->graph->values[value].shape, *then = &r->other[value];
    if (now->rank < 1 || now->rank != then->rank || now->dim[0] != r->graph->batch || then->dim[0] != r->other_batch)
        return false;
    for (int32_t i = 1; i < now->rank; i++)
        if (now->dim[i] != then->dim[i])
            return false;
    return true;
}

bool fr_rewrite_scalar(const fr_rewriter *r, const fr_node *node, int32_t input, double *out_number) {
    *out_number = 0;
    if (!fr_rewrite_is_weight(r, node, input))
        return false;
    const fr_value *value = &r->graph->values[node->inputs[input]];
    if (!value->data || fr_shape_elements(&value->shape) != 1)
        return false;
    *out_number = (double)*(const float *)value->data;
    return true;
}

fr_status fr_rewrite_floats(fr_rewriter *r, int32_t value, const float **out_data) {
    *out_data = NULL;
    FR_TRY(fr_value_materialize(r->graph, value));
    *out_data = r->graph->values[value].data;
    return FR_OK;
}

void fr_rewrite_set_input(fr_rewriter *r, fr_node *node, int32_t input, int32_t value) {
    if (node->inputs[input] >= 0)
        r->uses[node->inputs[input]]--;
    node->inputs[input] = value;
    if (value >= 0)
        r->uses[value]++;
    r->changed = true;
}

void fr_rewrite_drop_inputs(fr_rewriter *r, fr_node *node, int32_t keep) {
    for (int32_t i = keep; i < node->n_inputs; i++)
        fr_rewrite_set_input(r, node, i, -1);
    node->n_inputs = keep;
}

fr_status fr_rewrite_become(fr_rewriter *r, fr_node *node, fr_op op, const fr_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs) {
    int32_t *ids = fr_alloc_array((size_t)n_inputs, sizeof *ids);
    if (!ids)
        return fr_no_memory((size_t)n_inputs * sizeof *ids, node->name);
    memcpy(ids, inputs, (size_t)n_inputs * sizeof *ids);
    for (int32_t i = 0; i < n_inputs; i++)
        if (ids[i] >= 0)
            r->uses[ids[i]]++;
    fr_rewrite_drop_inputs(r, node, 0);
    fr_free(node->inputs);
    node->inputs = ids;
    node->n_inputs = n_inputs;
    node->op = op;
    node->attrs = attrs ? *attrs : fr_attrs_default(op);
    r->changed = true;
    return FR_OK;
}

void fr_rewrite_kill(fr_rewriter *r, fr_node *node) {
    fr_rewrite_drop_inputs(r, node, 0);
    int32_t index = (int32_t)(node - r->graph->nodes);
    for (int32_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] >= 0 && r->graph->values[node->outputs[i]].producer == index)
            r->graph->values[node->outputs[i]].producer = -1;
    node->n_outputs = 0;
    node->op = FR_OP_NONE;
    r->changed = true;
}

static bool is_graph_output(const fr_graph *graph, int32_t value) {
    for (int32_t i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == value)
            return true;
    return false;
}

/* Readers mostly stand right after `maker`: the search begins there and goes around once. */
static void redirect(fr_rewriter *r, int32_t maker, int32_t from, int32_t to) {
    fr_graph *g = r->graph;
    for (int32_t step = 1; step <= g->n_nodes && r->uses[from] > 0; step++) {
        fr_node *node = &g->nodes[(maker + step) % g->n_nodes];
        for (int32_t i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] == from)
                fr_rewrite_set_input(r, node, i, to);
    }
}

bool fr_rewrite_bypass(fr_rewriter *r, fr_node *node, int32_t value) {
    fr_graph *g = r->graph;
    int32_t gone = node->outputs[0], index = (int32_t)(node - g->nodes);
    if (!is_graph_output(g, gone)) {
        redirect(r, index, gone, value);
        fr_rewrite_kill(r, node);
        return true;
    }
    fr_node *maker = fr_rewrite_maker(r, value);
    if (!maker || is_graph_output(g, value))
        return false;
    fr_rewrite_kill(r, node);
    for (int32_t i = 0; i < maker->n_outputs; i++)
        if (maker->outputs[i] == value)
            maker->outputs[i] = gone;
    g->values[gone].producer = (int32_t)(maker - g->nodes);
    g->values[gone].shape = g->values[value].shape;
    g->values[gone].dtype = g->values[value].dtype;
    g->values[value].producer = -1;
    redirect(r, (int32_t)(maker - g->nodes), value, gone);
    return true;
}

/* A free name "BASE_WORD", numbered when it is taken. */
static char *free_name(const fr_graph *graph, const char *base, const char *word) {
    char *name = fr_format("%s_%s", base, word);
    for (int32_t number = graph->n_values; name && fr_graph_find(graph, name) >= 0; number++) {
        fr_free(name);
        name = fr_format("%s_%s%d", base, word, number);
    }
    return name;
}

static fr_status count_new_value(fr_rewriter *r) {
    int32_t need = r->graph->n_values;
    if (need <= r->cap_uses)
        return FR_OK;
    int32_t *grown = fr_grow_array(r->uses, (size_t)r->cap_uses, (size_t)need + 64, sizeof *grown);
    if (!grown)
        return fr_no_memory(((size_t)need + 64) * sizeof *grown, "a pass");
    r->uses = grown;
    r->cap_uses = need + 64;
    return FR_OK;
}

fr_status fr_rewrite_const(fr_rewriter *r, const fr_node *node, const char *word, fr_dtype dtype, const fr_shape *shape,
                           void *data, int32_t *out_value) {
    fr_status status = FR_OK;
    *out_value = -1;
    char *name = free_name(r->graph, node->name, word);
    if (!name || !data) {
        status = fr_no_memory(fr_shape_elements(shape) * fr_dtype_bytes(dtype), node->name);
        goto cleanup;
    }
    /* seeded at first, so that the data is taken and not copied */
    FR_GO(cleanup, fr_graph_add_const(r->graph, name, dtype, shape, NULL, FR_INIT_ZERO, out_value));
    r->graph->values[*out_value].init = FR_INIT_NONE;
    r->graph->values[*out_value].data = data;
    data = NULL;
    FR_GO(cleanup, count_new_value(r));
cleanup:
    fr_free(name);
    fr_free(data);
    return status;
}

fr_status fr_rewrite_insert(fr_rewriter *r, const fr_node *node, const char *word, fr_op op, const fr_attrs *attrs,
                            int32_t input, const fr_shape *shape, int32_t *out_value) {
    fr_status status = FR_OK;
    *out_value = -1;
    char *name = free_name(r->graph, node->name, word);
    if (!name)
        return fr_no_memory(64, "a node's name");
    FR_GO(cleanup, fr_graph_add_value(r->graph, name, out_value));
    FR_GO(cleanup, count_new_value(r));
    r->graph->values[*out_value].shape = *shape;
    r->graph->values[*out_value].dtype = FR_F32;
    FR_GO(cleanup, fr_graph_add_node(r->graph, op, name, attrs, &input, 1, out_value, 1, NULL));
    r->uses[input]++;
    r->changed = true;
cleanup:
    fr_free(name);
    return status;
}

fr_status fr_rewrite_to_reshape(fr_rewriter *r, int32_t index) {
    fr_node *node = &r->graph->nodes[index];
    const fr_shape out = r->graph->values[node->outputs[0]].shape;
    fr_shape shape = {.rank = 1, .dim = {out.rank}};
    int64_t *numbers = fr_alloc_array((size_t)out.rank, sizeof *numbers);
    int32_t inputs[2] = {node->inputs[0], -1};
    for (int32_t i = 1; i < out.rank && numbers; i++)
        numbers[i] = out.dim[i];
    FR_TRY(fr_rewrite_const(r, node, "shape", FR_S64, &shape, numbers, &inputs[1]));
    return fr_rewrite_become(r, node, FR_OP_RESHAPE, NULL, inputs, 2);
}
