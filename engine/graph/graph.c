/* The graph's life: new, free, clone, and building it. */
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/op_parts.h"

fr_status fr_graph_new(const char *name, const char *title, fr_graph **out_graph) {
    *out_graph = NULL;
    fr_graph *graph = fr_alloc(sizeof *graph);
    if (!graph)
        return fr_no_memory(sizeof *graph, "a graph");
    graph->name = fr_strdup(name ? name : "");
    graph->title = fr_strdup(title ? title : "");
    if (!graph->name || !graph->title) {
        fr_graph_free(graph);
        return fr_no_memory(strlen(name ? name : "") + 1, "a graph's name");
    }
    graph->meta.fold = 1;
    for (int i = 0; i < FR_MAX_IMAGE_CHANNELS; i++)
        graph->meta.scale[i] = 1.0f / 255.0f;
    *out_graph = graph;
    return FR_OK;
}

void fr_graph_free(fr_graph *graph) {
    if (!graph)
        return;
    for (int32_t v = 0; v < graph->n_values; v++) {
        fr_free(graph->values[v].name);
        fr_free(graph->values[v].data);
    }
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        fr_free(graph->nodes[n].name);
        fr_free(graph->nodes[n].inputs);
        fr_free(graph->nodes[n].outputs);
    }
    fr_free(graph->values);
    fr_free(graph->nodes);
    fr_free(graph->inputs);
    fr_free(graph->outputs);
    fr_free(graph->names);
    fr_free(graph->name);
    fr_free(graph->title);
    fr_free(graph);
}

/* Room for one more item in a list that grows by doubling. */
static fr_status grow(void **items, int32_t *cap, int32_t count, size_t item_bytes, const char *what) {
    if (count < *cap)
        return FR_OK;
    if (count >= INT32_MAX / 4)
        return fr_fail(FR_INVALID, "the graph has too many %s (%d)", what, count);
    int32_t wanted = count * 2 + 16;
    void *grown = fr_grow_array(*items, (size_t)*cap, (size_t)wanted, item_bytes);
    if (!grown)
        return fr_no_memory((size_t)wanted * item_bytes, what);
    *items = grown;
    *cap = wanted;
    return FR_OK;
}

static char *unused_name(const fr_graph *graph) {
    char text[32];
    int32_t number = graph->n_values;
    do
        snprintf(text, sizeof text, "v%d", number++);
    while (fr_names_find(graph, text) >= 0);
    return fr_strdup(text);
}

fr_status fr_graph_add_value(fr_graph *graph, const char *name, int32_t *out_value) {
    *out_value = -1;
    if (name && fr_names_find(graph, name) >= 0)
        return fr_fail(FR_INVALID, "two values are named '%s'", name);
    FR_TRY(grow((void **)&graph->values, &graph->cap_values, graph->n_values, sizeof *graph->values, "values"));
    char *copy = name ? fr_strdup(name) : unused_name(graph);
    if (!copy)
        return fr_no_memory(name ? strlen(name) + 1 : 32, "a value's name");
    fr_value *value = &graph->values[graph->n_values];
    memset(value, 0, sizeof *value);
    value->name = copy;
    value->producer = -1;
    graph->n_values++;
    fr_status status = fr_names_add(graph, graph->n_values - 1);
    if (status != FR_OK) {
        graph->n_values--;
        fr_free(copy);
        value->name = NULL;
        return status;
    }
    *out_value = graph->n_values - 1;
    return FR_OK;
}

fr_status fr_graph_rename(fr_graph *graph, int32_t value, const char *name) {
    int32_t taken = fr_names_find(graph, name);
    if (taken == value)
        return FR_OK;
    if (taken >= 0)
        return fr_fail(FR_INVALID, "two values are named '%s'", name);
    char *copy = fr_strdup(name);
    if (!copy)
        return fr_no_memory(strlen(name) + 1, "a value's name");
    char *before = graph->values[value].name;
    graph->values[value].name = copy;
    fr_status status = fr_names_rebuild(graph);
    if (status != FR_OK)
        graph->values[value].name = before;
    fr_free(status == FR_OK ? before : copy);
    return status;
}

static fr_status check_shape(const fr_shape *shape, const char *name) {
    if (shape->rank < 0 || shape->rank > FR_MAX_RANK)
        return fr_fail(FR_UNSUPPORTED, "value '%s' has %d dimensions; %d at most are supported", name ? name : "",
                       shape->rank, FR_MAX_RANK);
    for (int32_t i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 0)
            return fr_fail(FR_INVALID, "value '%s' has the dimension %lld", name ? name : "", (long long)shape->dim[i]);
    return FR_OK;
}

static fr_status add_id(int32_t **ids, int32_t *count, int32_t id) {
    int32_t *grown = fr_grow_array(*ids, (size_t)*count, (size_t)*count + 1, sizeof **ids);
    if (!grown)
        return fr_no_memory(((size_t)*count + 1) * sizeof **ids, "a list of values");
    *ids = grown;
    grown[(*count)++] = id;
    return FR_OK;
}

fr_status fr_graph_add_input(fr_graph *graph, const char *name, fr_dtype dtype, const fr_shape *shape,
                             int32_t *out_value) {
    *out_value = -1;
    int32_t value;
    FR_TRY(check_shape(shape, name));
    FR_TRY(fr_graph_add_value(graph, name, &value));
    graph->values[value].shape = *shape;
    graph->values[value].dtype = dtype;
    FR_TRY(add_id(&graph->inputs, &graph->n_inputs, value));
    if (graph->recorded_batch == 0 && shape->rank > 0)
        graph->recorded_batch = shape->dim[0];
    *out_value = value;
    return FR_OK;
}

fr_status fr_graph_add_const(fr_graph *graph, const char *name, fr_dtype dtype, const fr_shape *shape, const void *data,
                             fr_init init, int32_t *out_value) {
    *out_value = -1;
    int32_t value;
    size_t bytes;
    FR_TRY(check_shape(shape, name));
    if (dtype != FR_F32 && dtype != FR_S64)
        return fr_fail(FR_INTERNAL, "constant '%s' is neither f32 nor s64", name ? name : "");
    if (!data && init == FR_INIT_NONE)
        return fr_fail(FR_INTERNAL, "constant '%s' has neither data nor a way to make it", name ? name : "");
    size_t elements = fr_shape_elements(shape);
    if (elements == SIZE_MAX || !fr_size_mul(elements, fr_dtype_bytes(dtype), &bytes))
        return fr_fail(FR_INVALID, "constant '%s' is too large", name ? name : "");
    void *copy = NULL;
    if (data) {
        copy = fr_alloc(bytes);
        if (!copy)
            return fr_no_memory(bytes, name ? name : "a constant");
        if (bytes)
            memcpy(copy, data, bytes);
    }
    fr_status status = fr_graph_add_value(graph, name, &value);
    if (status != FR_OK) {
        fr_free(copy);
        return status;
    }
    fr_value *made = &graph->values[value];
    made->shape = *shape;
    made->dtype = dtype;
    made->is_const = true;
    made->init = data ? FR_INIT_NONE : init;
    made->data = copy;
    *out_value = value;
    return FR_OK;
}

static bool is_input(const fr_graph *graph, int32_t value) {
    for (int32_t i = 0; i < graph->n_inputs; i++)
        if (graph->inputs[i] == value)
            return true;
    return false;
}

static fr_status check_node(const fr_graph *graph, fr_op op, const char *name, const int32_t *inputs, int32_t n_inputs,
                            const int32_t *outputs, int32_t n_outputs) {
    const fr_op_info *info = fr_op_find(op);
    if (!info)
        return fr_fail(FR_INTERNAL, "node '%s': no operator has the number %d", name, (int)op);
    int32_t given = 0;
    for (int32_t i = 0; i < n_inputs; i++) {
        if (inputs[i] < -1 || inputs[i] >= graph->n_values)
            return fr_fail(FR_INTERNAL, "node '%s': input %d is no value", name, i);
        given = inputs[i] >= 0 ? i + 1 : given;
    }
    if (given < info->min_inputs || n_inputs > info->max_inputs)
        return fr_fail(FR_INVALID, "%s '%s' has %d inputs; it takes %d to %d", info->name, name, n_inputs,
                       info->min_inputs, info->max_inputs);
    for (int32_t i = 0; i < info->min_inputs; i++)
        if (inputs[i] < 0)
            return fr_fail(FR_INVALID, "%s '%s' lacks its input %d", info->name, name, i);
    if (n_outputs < 1 || outputs[0] < 0)
        return fr_fail(FR_INVALID, "%s '%s' makes nothing", info->name, name);
    for (int32_t i = 0; i < n_outputs; i++) {
        if (outputs[i] < -1 || outputs[i] >= graph->n_values)
            return fr_fail(FR_INTERNAL, "node '%s': output %d is no value", name, i);
        if (outputs[i] < 0)
            continue;
        const fr_value *value = &graph->values[outputs[i]];
        bool twice = value->producer >= 0;
        for (int32_t j = 0; j < i; j++)
            twice |= outputs[j] == outputs[i];
        if (twice || value->is_const || is_input(graph, outputs[i]))
            return fr_fail(FR_INVALID, "%s '%s' makes '%s', which exists already", info->name, name, value->name);
    }
    return FR_OK;
}

static fr_status copy_ids(const int32_t *ids, int32_t count, int32_t **out_ids) {
    *out_ids = fr_alloc_array((size_t)count, sizeof **out_ids);
    if (!*out_ids)
        return fr_no_memory((size_t)count * sizeof **out_ids, "a node");
    if (count > 0)
        memcpy(*out_ids, ids, (size_t)count * sizeof **out_ids);
    return FR_OK;
}

fr_status fr_graph_add_node(fr_graph *graph, fr_op op, const char *name, const fr_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs, const int32_t *outputs, int32_t n_outputs, int32_t *out_node) {
    fr_status status = FR_OK;
    if (out_node)
        *out_node = -1;
    fr_node node = {
        .op = op, .n_inputs = n_inputs, .n_outputs = n_outputs, .attrs = attrs ? *attrs : fr_attrs_default(op)};
    FR_TRY(check_node(graph, op, name ? name : "", inputs, n_inputs, outputs, n_outputs));
    FR_TRY(grow((void **)&graph->nodes, &graph->cap_nodes, graph->n_nodes, sizeof *graph->nodes, "nodes"));
    node.name = name ? fr_strdup(name) : fr_format("%s_%d", fr_op_name(op), graph->n_nodes);
    if (!node.name) {
        status = fr_no_memory(64, "a node's name");
        goto cleanup;
    }
    FR_GO(cleanup, copy_ids(inputs, n_inputs, &node.inputs));
    FR_GO(cleanup, copy_ids(outputs, n_outputs, &node.outputs));
    for (int32_t i = 0; i < n_outputs; i++)
        if (outputs[i] >= 0)
            graph->values[outputs[i]].producer = graph->n_nodes;
    graph->nodes[graph->n_nodes] = node;
    if (out_node)
        *out_node = graph->n_nodes;
    graph->n_nodes++;
    return FR_OK;
cleanup:
    fr_free(node.name);
    fr_free(node.inputs);
    fr_free(node.outputs);
    return status;
}

fr_status fr_graph_add_output(fr_graph *graph, int32_t value) {
    if (value < 0 || value >= graph->n_values)
        return fr_fail(FR_INTERNAL, "output %d is no value", value);
    return add_id(&graph->outputs, &graph->n_outputs, value);
}

int32_t fr_graph_find(const fr_graph *graph, const char *name) {
    return fr_names_find(graph, name);
}

bool fr_graph_is_used(const fr_graph *graph, int32_t value) {
    for (int32_t i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == value)
            return true;
    for (int32_t n = 0; n < graph->n_nodes; n++)
        for (int32_t i = 0; i < graph->nodes[n].n_inputs; i++)
            if (graph->nodes[n].inputs[i] == value)
                return true;
    return false;
}

static fr_status clone_value(const fr_value *from, fr_value *to) {
    *to = *from;
    to->data = NULL;
    to->name = fr_strdup(from->name);
    if (!to->name)
        return fr_no_memory(strlen(from->name) + 1, "a value's name");
    if (from->data) {
        size_t bytes = fr_shape_elements(&from->shape) * fr_dtype_bytes(from->dtype);
        to->data = fr_alloc(bytes);
        if (!to->data)
            return fr_no_memory(bytes, from->name);
        if (bytes)
            memcpy(to->data, from->data, bytes);
    }
    return FR_OK;
}

fr_status fr_graph_clone(const fr_graph *graph, fr_graph **out_graph) {
    fr_status status = FR_OK;
    fr_graph *copy = NULL;
    *out_graph = NULL;
    FR_TRY(fr_graph_new(graph->name, graph->title, &copy));
    copy->meta = graph->meta;
    copy->batch = graph->batch;
    copy->recorded_batch = graph->recorded_batch;
    copy->values = fr_alloc_array((size_t)graph->n_values, sizeof *copy->values);
    copy->nodes = fr_alloc_array((size_t)graph->n_nodes, sizeof *copy->nodes);
    if (!copy->values || !copy->nodes) {
        status = fr_no_memory((size_t)graph->n_values * sizeof *copy->values, "a graph's copy");
        goto cleanup;
    }
    copy->cap_values = graph->n_values;
    copy->cap_nodes = graph->n_nodes;
    for (int32_t v = 0; v < graph->n_values; v++) {
        copy->n_values = v + 1;
        FR_GO(cleanup, clone_value(&graph->values[v], &copy->values[v]));
    }
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        const fr_node *from = &graph->nodes[n];
        fr_node *to = &copy->nodes[n];
        copy->n_nodes = n + 1;
        *to = (fr_node){.op = from->op, .n_inputs = from->n_inputs, .n_outputs = from->n_outputs, .attrs = from->attrs};
        to->name = fr_strdup(from->name);
        if (!to->name) {
            status = fr_no_memory(strlen(from->name) + 1, "a node's name");
            goto cleanup;
        }
        FR_GO(cleanup, copy_ids(from->inputs, from->n_inputs, &to->inputs));
        FR_GO(cleanup, copy_ids(from->outputs, from->n_outputs, &to->outputs));
    }
    FR_GO(cleanup, copy_ids(graph->inputs, graph->n_inputs, &copy->inputs));
    copy->n_inputs = graph->n_inputs;
    FR_GO(cleanup, copy_ids(graph->outputs, graph->n_outputs, &copy->outputs));
    copy->n_outputs = graph->n_outputs;
    FR_GO(cleanup, fr_names_rebuild(copy));
    *out_graph = copy;
    return FR_OK;
cleanup:
    fr_graph_free(copy);
    return status;
}
