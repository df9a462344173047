/* Nodes of the graph as nodes of an ONNX file, in the form their opset has. */
#include <math.h>
#include <string.h>

#include "formats/onnx_parts.h"

typedef struct writing {
    fr_onnx_export *out;
    const fr_node *node;
    Onnx__NodeProto *proto;
    size_t room_inputs, room_attributes;
    bool failed; /* out of memory; told once, at the end */
} writing;

enum { MAX_ATTRIBUTES = 8 };

int32_t fr_onnx_opset_needed(const fr_graph *graph) {
    int32_t needed = FR_ONNX_OPSET_WRITTEN;
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        const fr_node *node = &graph->nodes[n];
        bool dilated = node->attrs.dilation[0] > 1 || node->attrs.dilation[1] > 1;
        int32_t since = node->op == FR_OP_HARDSWISH                         ? 14
                        : node->op == FR_OP_SHAPE && node->attrs.n_axes > 0 ? 15
                        : node->op == FR_OP_AVGPOOL && dilated              ? 19
                                                                            : 0;
        needed = since > needed ? since : needed;
    }
    return needed;
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

static Onnx__AttributeProto *add_attr(writing *w, const char *name, int kind) {
    Onnx__AttributeProto *attr = fr_onnx_arena_take(&w->out->arena, sizeof *attr);
    char *copy = fr_onnx_arena_format(&w->out->arena, "%s", name);
    if (!attr || !copy || w->proto->n_attribute == MAX_ATTRIBUTES) {
        w->failed = true;
        return NULL;
    }
    onnx__attribute_proto__init(attr);
    attr->name = copy;
    attr->has_type = 1;
    attr->type = (Onnx__AttributeProto__AttributeType)kind;
    w->proto->attribute[w->proto->n_attribute++] = attr;
    return attr;
}

static void put_int(writing *w, const char *name, int64_t value) {
    Onnx__AttributeProto *attr = add_attr(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (attr) {
        attr->has_i = 1;
        attr->i = value;
    }
}

static void put_float(writing *w, const char *name, float value) {
    Onnx__AttributeProto *attr = add_attr(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (attr) {
        attr->has_f = 1;
        attr->f = value;
    }
}

static void put_ints(writing *w, const char *name, const int64_t *values, int32_t count) {
    Onnx__AttributeProto *attr = add_attr(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = fr_onnx_arena_take(&w->out->arena, (size_t)count * sizeof *copy);
    if (!attr || !copy) {
        w->failed = true;
        return;
    }
    if (count > 0)
        memcpy(copy, values, (size_t)count * sizeof *copy);
    attr->n_ints = (size_t)count;
    attr->ints = copy;
}

static void put_small(writing *w, const char *name, const int32_t *values, int32_t count) {
    int64_t wide[4];
    for (int32_t i = 0; i < count; i++)
        wide[i] = values[i];
    put_ints(w, name, wide, count);
}

static fr_status add_input(writing *w, const char *name) { /* NULL = left out */
    char *copy = fr_onnx_arena_format(&w->out->arena, "%s", name ? name : "");
    if (!copy || w->proto->n_input == w->room_inputs)
        return fr_no_memory(64, "an ONNX node");
    w->proto->input[w->proto->n_input++] = copy;
    return FR_OK;
}

static fr_status add_integers(writing *w, const char *part, const int64_t *values, int32_t count) {
    fr_shape shape = {.rank = 1, .dim = {count}};
    const char *name;
    FR_TRY(fr_onnx_write_const(w->out, w->proto->output[0], part, FR_S64, &shape, values, &name));
    return add_input(w, name);
}

static fr_status add_number(writing *w, const char *part, float value) {
    fr_shape scalar = {0};
    const char *name;
    FR_TRY(fr_onnx_write_const(w->out, w->proto->output[0], part, FR_F32, &scalar, &value, &name));
    return add_input(w, name);
}

static fr_status begin(fr_onnx_export *out, const fr_node *node, const char *op, const char *name, const char *output,
                       writing *w) {
    *w = (writing){.out = out,
                   .node = node,
                   .room_inputs = (size_t)node->n_inputs + FR_ONNX_MOVABLE,
                   .room_attributes = MAX_ATTRIBUTES};
    fr_onnx_arena *arena = &out->arena;
    w->proto = fr_onnx_arena_take(arena, sizeof *w->proto);
    if (!w->proto)
        return fr_no_memory(sizeof *w->proto, "an ONNX node");
    onnx__node_proto__init(w->proto);
    w->proto->input = fr_onnx_arena_take(arena, w->room_inputs * sizeof *w->proto->input);
    w->proto->output = fr_onnx_arena_take(arena, sizeof *w->proto->output);
    w->proto->attribute = fr_onnx_arena_take(arena, w->room_attributes * sizeof *w->proto->attribute);
    w->proto->op_type = fr_onnx_arena_format(arena, "%s", op);
    w->proto->name = fr_onnx_arena_format(arena, "%s", name);
    if (!w->proto->input || !w->proto->output || !w->proto->attribute || !w->proto->op_type || !w->proto->name)
        return fr_no_memory(sizeof *w->proto, "an ONNX node");
    w->proto->output[0] = fr_onnx_arena_format(arena, "%s", output);
    w->proto->n_output = 1;
    return w->proto->output[0] ? FR_OK : fr_no_memory(64, "an ONNX node");
}

static fr_status end(writing *w) {
    if (w->failed)
        return fr_no_memory(sizeof(Onnx__AttributeProto), "an ONNX node");
    Onnx__GraphProto *proto = w->out->proto;
    if (proto->n_node == w->out->cap_nodes) {
        size_t room = w->out->cap_nodes * 2 + 64;
        Onnx__NodeProto **nodes = fr_onnx_arena_take(&w->out->arena, room * sizeof *nodes);
        if (!nodes)
            return fr_no_memory(room * sizeof *nodes, "ONNX nodes");
        if (proto->n_node > 0)
            memcpy(nodes, proto->node, proto->n_node * sizeof *nodes);
        proto->node = nodes;
        w->out->cap_nodes = room;
    }
    proto->node[proto->n_node++] = w->proto;
    return FR_OK;
}

/* ---- attributes ------------------------------------------------------------------------------------------------ */

static void put_window(writing *w, bool dilations) {
    const fr_attrs *a = &w->node->attrs;
    put_small(w, "kernel_shape", a->kernel, 2);
    put_small(w, "strides", a->stride, 2);
    put_small(w, "pads", a->pad, 4);
    if (dilations)
        put_small(w, "dilations", a->dilation, 2);
}

static void put_attrs(writing *w) {
    const fr_attrs *a = &w->node->attrs;
    switch (w->node->op) {
    case FR_OP_CONV:
        put_window(w, true);
        put_int(w, "group", a->group);
        break;
    case FR_OP_MAXPOOL:
        put_window(w, true);
        put_int(w, "ceil_mode", a->ceil_mode);
        break;
    case FR_OP_AVGPOOL:
        put_window(w, w->out->opset >= 19);
        put_int(w, "ceil_mode", a->ceil_mode);
        put_int(w, "count_include_pad", a->count_include_pad);
        break;
    case FR_OP_GEMM:
        put_float(w, "alpha", a->alpha);
        put_float(w, "beta", a->beta);
        put_int(w, "transA", a->trans_a);
        put_int(w, "transB", a->trans_b);
        break;
    case FR_OP_BATCHNORM: put_float(w, "epsilon", a->epsilon); break;
    case FR_OP_LEAKYRELU: put_float(w, "alpha", a->alpha); break;
    case FR_OP_HARDSIGMOID:
        put_float(w, "alpha", a->alpha);
        put_float(w, "beta", a->beta);
        break;
    case FR_OP_CONCAT:
    case FR_OP_FLATTEN:
    case FR_OP_GATHER:
    case FR_OP_SOFTMAX: put_int(w, "axis", a->axis); break;
    case FR_OP_TRANSPOSE: put_ints(w, "perm", a->axes, a->n_axes); break;
    case FR_OP_LRN:
        put_float(w, "alpha", a->alpha);
        put_float(w, "beta", a->beta);
        put_float(w, "bias", a->bias);
        put_int(w, "size", a->size);
        break;
    case FR_OP_REDUCEMEAN:
        if (w->out->opset < 18)
            put_ints(w, "axes", a->axes, a->n_axes);
        put_int(w, "keepdims", a->keepdims);
        break;
    case FR_OP_ARGMAX:
        put_int(w, "axis", a->axis);
        put_int(w, "keepdims", a->keepdims);
        put_int(w, "select_last_index", a->select_last);
        break;
    case FR_OP_SHAPE:
        if (a->n_axes > 0)
            put_int(w, "start", a->axes[0]);
        if (a->n_axes > 1)
            put_int(w, "end", a->axes[1]);
        break;
    case FR_OP_CAST:
        put_int(w, "to",
                w->out->graph->values[w->node->outputs[0]].dtype == FR_S64 ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64
                                                                           : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        break;
    default: break;
    }
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

static const fr_shape *shape_in(const writing *w, int32_t input) {
    return &w->out->graph->values[w->node->inputs[input]].shape;
}
static const fr_shape *shape_out(const writing *w) {
    return &w->out->graph->values[w->node->outputs[0]].shape;
}

static fr_status add_values(writing *w, int32_t first, int32_t count) {
    for (int32_t i = first; i < count; i++) {
        const char *name = NULL;
        if (w->node->inputs[i] >= 0)
            FR_TRY(fr_onnx_write_value(w->out, w->node->inputs[i], &name));
        FR_TRY(add_input(w, name));
    }
    return FR_OK;
}

static fr_status add_limits(writing *w) {
    const fr_attrs *a = &w->node->attrs;
    bool low = a->lo > -INFINITY, high = a->hi < INFINITY;
    if (low)
        FR_TRY(add_number(w, "min", a->lo));
    else if (high)
        FR_TRY(add_input(w, NULL));
    return high ? add_number(w, "max", a->hi) : FR_OK;
}

/* Without axes every dimension of 1 goes but the batch: said in full, since other runtimes would drop a batch of 1 too. */
static fr_status add_squeeze_axes(writing *w) {
    const fr_attrs *a = &w->node->attrs;
    const fr_shape *in = shape_in(w, 0);
    int64_t axes[FR_MAX_RANK];
    int32_t count = 0;
    if (a->n_axes > 0)
        return add_integers(w, "axes", a->axes, a->n_axes);
    for (int32_t i = w->out->graph->values[w->node->inputs[0]].is_const ? 0 : 1; i < in->rank; i++)
        if (in->dim[i] == 1)
            axes[count++] = i;
    return add_integers(w, "axes", axes, count);
}

static fr_status add_pads(writing *w) {
    const fr_attrs *a = &w->node->attrs;
    FR_TRY(add_integers(w, "pads", a->pads, a->n_pads));
    return a->pad_value != 0 ? add_number(w, "value", a->pad_value) : FR_OK;
}

/* A constant target that speaks of the batch the file was made for is made to speak of any: 0 takes the input's. */
static fr_status add_target(writing *w) {
    const fr_value *target = &w->out->graph->values[w->node->inputs[1]];
    const bool *batched = w->out->batched;
    int64_t dims[FR_MAX_RANK];
    bool of_batch = target->is_const && target->data && target->shape.rank == 1 && target->shape.dim[0] > 0 &&
                    target->shape.dim[0] <= FR_MAX_RANK && *(const int64_t *)target->data > 0 &&
                    batched[w->node->inputs[0]] && batched[w->node->outputs[0]];
    if (!of_batch)
        return add_values(w, 1, 2);
    memcpy(dims, target->data, (size_t)target->shape.dim[0] * sizeof *dims);
    dims[0] = 0;
    return add_integers(w, "shape", dims, (int32_t)target->shape.dim[0]);
}

static fr_status add_inputs(writing *w) {
    FR_TRY(add_values(w, 0, 1));
    switch (w->node->op) {
    case FR_OP_CLIP: return add_limits(w);
    case FR_OP_SQUEEZE: return add_squeeze_axes(w);
    case FR_OP_UNSQUEEZE: return add_integers(w, "axes", w->node->attrs.axes, w->node->attrs.n_axes);
    case FR_OP_REDUCEMEAN:
        return w->out->opset >= 18 ? add_integers(w, "axes", w->node->attrs.axes, w->node->attrs.n_axes) : FR_OK;
    case FR_OP_PAD: return add_pads(w);
    case FR_OP_RESHAPE: return add_target(w);
    case FR_OP_DROPOUT: return FR_OK; /* ratio and mode say nothing to inference */
    default: return add_values(w, 1, w->node->n_inputs);
    }
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* Before opset 13 Softmax ran over everything from `axis` on; from 13 it runs along it alone. */
static bool flattening_softmax(const writing *w, int32_t *out_axis) {
    const fr_attrs *a = &w->node->attrs;
    const fr_shape *in = shape_in(w, 0);
    *out_axis = a->axis < 0 ? a->axis + in->rank : a->axis;
    if (w->node->op != FR_OP_SOFTMAX || a->opset >= 13)
        return false;
    for (int32_t i = *out_axis + 1; i < in->rank; i++)
        if (in->dim[i] != 1)
            return true;
    return false;
}

static fr_status write_flattening_softmax(fr_onnx_export *out, const fr_node *node, int32_t axis) {
    const fr_graph *graph = out->graph;
    const char *result = graph->values[node->outputs[0]].name, *flat, *soft;
    writing w;
    FR_TRY(fr_onnx_write_name(out, result, "flat", &flat));
    FR_TRY(fr_onnx_write_name(out, result, "soft", &soft));
    FR_TRY(begin(out, node, "Flatten", flat, flat, &w));
    FR_TRY(add_values(&w, 0, 1));
    put_int(&w, "axis", axis);
    FR_TRY(end(&w));
    FR_TRY(begin(out, node, "Softmax", soft, soft, &w));
    FR_TRY(add_input(&w, flat));
    put_int(&w, "axis", 1);
    FR_TRY(end(&w));
    FR_TRY(begin(out, node, "Reshape", node->name, result, &w));
    FR_TRY(add_input(&w, soft));
    int64_t dims[FR_MAX_RANK];
    const fr_shape *shape = shape_out(&w);
    for (int32_t i = 0; i < shape->rank; i++)
        dims[i] = i == 0 ? -1 : shape->dim[i];
    FR_TRY(add_integers(&w, "shape", dims, shape->rank));
    return end(&w);
}

fr_status fr_onnx_write_node(fr_onnx_export *out, const fr_node *node) {
    const char *op = node->op == FR_OP_CONSTANT ? "Identity" : fr_op_name(node->op);
    writing w;
    int32_t axis;
    for (int32_t i = 1; i < node->n_outputs; i++)
        if (node->outputs[i] >= 0 && fr_graph_is_used(out->graph, node->outputs[i]))
            return fr_fail(FR_UNSUPPORTED, "node '%s' (%s) has a second output, which can't be exported", node->name,
                           op);
    FR_TRY(begin(out, node, op, node->name, out->graph->values[node->outputs[0]].name, &w));
    if (flattening_softmax(&w, &axis))
        return write_flattening_softmax(out, node, axis);
    put_attrs(&w);
    FR_TRY(add_inputs(&w));
    return end(&w);
}
