/* An unpacked ONNX model -> a graph: inputs, constants, nodes, outputs, and shapes that fit. */
#include <string.h>

#include "formats/onnx_parts.h"

const char *fr_onnx_node_name(const Onnx__NodeProto *node) {
    if (node->name && node->name[0])
        return node->name;
    return node->n_output > 0 && node->output[0] ? node->output[0] : "";
}

static bool given(const char *name) {
    return name && name[0];
}

/* ---- sources --------------------------------------------------------------------------------------------------- */

fr_onnx_source *fr_onnx_source_find(fr_onnx_import *in, const char *name) {
    int32_t at = fr_onnx_names_get(&in->names, name);
    return at < 0 ? NULL : &in->sources[at];
}

static fr_status add_source(fr_onnx_import *in, fr_onnx_source source, const char *what) {
    FR_TRY(fr_onnx_name_check(source.name, what));
    if (fr_onnx_source_find(in, source.name))
        return fr_fail(FR_INVALID, "two tensors are named '%s'", source.name);
    if (in->n_sources == in->cap_sources) {
        int32_t room = in->cap_sources ? in->cap_sources * 2 : 256;
        fr_onnx_source *grown = fr_grow_array(in->sources, (size_t)in->cap_sources, (size_t)room, sizeof *grown);
        if (!grown)
            return fr_no_memory((size_t)room * sizeof *grown, "the tensors of an ONNX file");
        in->sources = grown;
        in->cap_sources = room;
    }
    FR_TRY(fr_onnx_names_put(&in->names, source.name, in->n_sources));
    in->sources[in->n_sources++] = source;
    return FR_OK;
}

/* Constant: a tensor, or numbers in the attribute itself. */
static fr_status add_constant(fr_onnx_import *in, const Onnx__NodeProto *node) {
    const char *name = fr_onnx_node_name(node);
    if (node->n_output != 1 || node->n_attribute != 1 || !node->attribute[0]->name)
        return fr_fail(FR_INVALID, "node '%s' (Constant) must have one output and one attribute", name);
    const Onnx__AttributeProto *attr = node->attribute[0];
    fr_onnx_source source = {.name = node->output[0], .value = -1};
    int kind = (int)attr->type;
    if (strcmp(attr->name, "value") == 0 && kind == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR && attr->t)
        source.tensor = attr->t;
    else if ((strcmp(attr->name, "value_float") == 0 && kind == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT &&
              attr->has_f) ||
             (strcmp(attr->name, "value_floats") == 0 && kind == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS) ||
             (strcmp(attr->name, "value_int") == 0 && kind == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT &&
              attr->has_i) ||
             (strcmp(attr->name, "value_ints") == 0 && kind == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS))
        source.numbers = attr;
    else if (strncmp(attr->name, "value_string", 12) == 0 || strcmp(attr->name, "sparse_value") == 0)
        FR_TRY(fr_onnx_fault_add(in, name, "Constant", "store it as a dense tensor of numbers",
                                 "it holds text or a sparse tensor"));
    else
        return fr_fail(FR_INVALID, "node '%s' (Constant): its attribute is not a value of the kind its name says",
                       name);
    return add_source(in, source, "a constant");
}

static fr_status read_numbers(const Onnx__AttributeProto *attr, fr_onnx_tensor *out) {
    const void *from = NULL;
    size_t count = 1;
    *out = (fr_onnx_tensor){.dtype = FR_F32};
    switch ((int)attr->type) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: from = &attr->f; break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        from = attr->floats;
        count = attr->n_floats;
        out->shape.rank = 1;
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        from = &attr->i;
        out->dtype = FR_S64;
        break;
    default:
        from = attr->ints;
        count = attr->n_ints;
        out->shape.rank = 1;
        out->dtype = FR_S64;
        break;
    }
    if (out->shape.rank == 1)
        out->shape.dim[0] = (int64_t)count;
    out->data = fr_alloc_array(count, fr_dtype_bytes(out->dtype));
    if (!out->data)
        return fr_no_memory(count, "a constant of an ONNX file");
    if (count > 0)
        memcpy(out->data, from, count * fr_dtype_bytes(out->dtype));
    return FR_OK;
}

fr_status fr_onnx_source_read(fr_onnx_import *in, const fr_onnx_source *source, fr_onnx_tensor *out) {
    return source->tensor ? fr_onnx_tensor_read(source->tensor, source->name, in->folder, out)
                          : read_numbers(source->numbers, out);
}

/* The graph's value of a tensor, made on the first call; *out_value stays -1 for one that can't be read (it has its row). */
static fr_status source_value(fr_onnx_import *in, fr_onnx_source *source, int32_t *out_value) {
    *out_value = source->value;
    if (source->value >= 0 || source->refused)
        return FR_OK;
    if (!fr_onnx_source_is_const(source)) {
        FR_TRY(fr_graph_add_value(in->graph, source->name, &source->value));
    } else if (source->tensor && fr_onnx_dtype(source->tensor->data_type) == FR_DTYPE_NONE) {
        source->refused = true;
        FR_TRY(fr_onnx_fault_add(in, source->name, "(tensor)", "store it as float, float16 or int64", "it holds %s",
                                 fr_onnx_dtype_name(source->tensor->data_type)));
    } else {
        fr_onnx_tensor tensor;
        FR_TRY(fr_onnx_source_read(in, source, &tensor));
        fr_status status = FR_OK;
        if (tensor.dtype == FR_F32 && fr_shape_elements(&tensor.shape) == 0)
            status = fr_fail(FR_INVALID, "tensor '%s' has no elements", source->name);
        else
            status = fr_graph_add_const(in->graph, source->name, tensor.dtype, &tensor.shape, tensor.data, FR_INIT_NONE,
                                        &source->value);
        fr_free(tensor.data);
        FR_TRY(status);
    }
    *out_value = source->value;
    return FR_OK;
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

/* A dimension's length; -1 when it is symbolic or left open. */
static int64_t dimension(const Onnx__TensorShapeProto__Dimension *dim) {
    return dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ? dim->dim_value : -1;
}

static fr_status add_input(fr_onnx_import *in, const Onnx__ValueInfoProto *info) {
    if (info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return fr_onnx_fault_add(in, info->name, "(input)", "give the model plain tensors", "it is no dense tensor");
    const Onnx__TypeProto__Tensor *type = info->type->tensor_type;
    if (!type->has_elem_type || fr_onnx_dtype(type->elem_type) != FR_F32)
        FR_TRY(fr_onnx_fault_add(in, info->name, "(input)",
                                 "export the model with a float input: foldrun scales bytes itself", "it holds %s",
                                 fr_onnx_dtype_name(type->has_elem_type ? type->elem_type : 0)));
    if (!type->shape)
        return fr_fail(FR_INVALID, "input '%s' has no shape", info->name);
    if (type->shape->n_dim > FR_MAX_RANK)
        return fr_fail(FR_INVALID, "input '%s' has %zu dimensions; foldrun takes up to %d", info->name,
                       type->shape->n_dim, FR_MAX_RANK);
    fr_shape shape = {.rank = (int32_t)type->shape->n_dim};
    for (int32_t i = 0; i < shape.rank; i++) {
        const Onnx__TensorShapeProto__Dimension *dim = type->shape->dim[i];
        shape.dim[i] = dimension(dim);
        if (i == 0 && shape.dim[i] < 1)
            shape.dim[i] = 1; /* open: any batch */
        if (shape.dim[i] > INT32_MAX || shape.dim[i] == 0)
            return fr_fail(FR_INVALID, "input '%s': dimension %d is %lld", info->name, i, (long long)shape.dim[i]);
        if (shape.dim[i] < 0) {
            FR_TRY(fr_onnx_fault_add(in, info->name, "(input)", "export it with fixed sizes, all but the batch",
                                     "its dimension %d is open", i));
            shape.dim[i] = 1;
        }
    }
    if (fr_shape_elements(&shape) > INT64_MAX / 64)
        return fr_fail(FR_INVALID, "input '%s' has more elements than can be counted", info->name);
    fr_onnx_source *source = fr_onnx_source_find(in, info->name);
    return fr_graph_add_input(in->graph, info->name, FR_F32, &shape, &source->value);
}

/* Before IR 4 every initializer is listed among the inputs as well. */
static fr_status declare_tensors(fr_onnx_import *in, const Onnx__GraphProto *graph) {
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const Onnx__TensorProto *tensor = graph->initializer[i];
        if (!given(tensor->name))
            return fr_fail(FR_INVALID, "initializer %zu has no name", i);
        FR_TRY(add_source(in, (fr_onnx_source){.name = tensor->name, .tensor = tensor, .value = -1}, "an initializer"));
    }
    for (size_t i = 0; i < graph->n_sparse_initializer; i++) {
        const Onnx__TensorProto *values = graph->sparse_initializer[i]->values;
        const char *name = values && given(values->name) ? values->name : "?";
        FR_TRY(fr_onnx_name_check(name, "a sparse initializer"));
        FR_TRY(
            fr_onnx_fault_add(in, name, "(sparse)", "store it as a dense tensor", "sparse initializers are not read"));
        if (!fr_onnx_source_find(in, name))
            FR_TRY(
                add_source(in, (fr_onnx_source){.name = name, .value = -1, .refused = true}, "a sparse initializer"));
    }
    for (size_t i = 0; i < graph->n_input; i++) {
        const Onnx__ValueInfoProto *info = graph->input[i];
        if (!given(info->name))
            return fr_fail(FR_INVALID, "input %zu has no name", i);
        fr_onnx_source *source = fr_onnx_source_find(in, info->name);
        if (source && source->tensor)
            continue;
        if (!info->type)
            return fr_fail(FR_INVALID, "input '%s' has no type", info->name);
        FR_TRY(add_source(in, (fr_onnx_source){.name = info->name, .value = -1, .from_input = true}, "an input"));
        FR_TRY(add_input(in, info));
        if (in->graph->n_inputs > FR_ONNX_MAX_ENDS)
            return fr_fail(FR_UNSUPPORTED, "the graph has more than %d inputs", FR_ONNX_MAX_ENDS);
    }
    return FR_OK;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static bool standard_domain(const char *domain) {
    return !given(domain) || strcmp(domain, "ai.onnx") == 0;
}

static fr_status declare_outputs(fr_onnx_import *in, const Onnx__NodeProto *node, size_t index) {
    if (!given(node->op_type))
        return fr_fail(FR_INVALID, "node %zu has no operator", index);
    FR_TRY(fr_onnx_name_check(node->op_type, "an operator"));
    FR_TRY(fr_onnx_name_check(fr_onnx_node_name(node), "a node"));
    if (node->n_output == 0)
        return fr_fail(FR_INVALID, "node '%s' (%s) makes nothing", fr_onnx_node_name(node), node->op_type);
    if (strcmp(node->op_type, "Constant") == 0 && standard_domain(node->domain))
        return given(node->output[0]) ? add_constant(in, node)
                                      : fr_fail(FR_INVALID, "node %zu (Constant) makes nothing", index);
    for (size_t i = 0; i < node->n_output; i++)
        if (given(node->output[i]))
            FR_TRY(add_source(in, (fr_onnx_source){.name = node->output[i], .value = -1}, "a node's output"));
    return FR_OK;
}

static fr_status mark_read(fr_onnx_import *in, const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_input; i++) {
        fr_onnx_source *source = given(node->input[i]) ? fr_onnx_source_find(in, node->input[i]) : NULL;
        if (source)
            source->read = true;
        else if (given(node->input[i]))
            return fr_fail(FR_INVALID, "node '%s' (%s) reads '%s', which nothing makes", fr_onnx_node_name(node),
                           node->op_type, node->input[i]);
    }
    return FR_OK;
}

static fr_status check_operator(fr_onnx_import *in, const Onnx__NodeProto *node, const fr_op_info *op,
                                bool *out_refused) {
    const char *name = fr_onnx_node_name(node),
               *advice = "run that part of the model outside, or rebuild it from operators foldrun has";
    *out_refused = true;
    if (!standard_domain(node->domain)) {
        FR_TRY(fr_onnx_name_check(node->domain, "a domain"));
        return fr_onnx_fault_add(in, name, node->op_type, "export it with standard ONNX operators",
                                 "it belongs to the domain '%s'", node->domain);
    }
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->g || node->attribute[i]->n_graphs > 0)
            return fr_onnx_fault_add(in, name, node->op_type, "export the model without branches and loops",
                                     "it holds a graph of its own");
    if (!op)
        return fr_onnx_fault_add(in, name, node->op_type, advice, "foldrun has no such operator");
    if (op->op == FR_OP_HARDSWISH && in->opset < 14)
        return fr_onnx_fault_add(in, name, node->op_type, "export it with opset 14 or later",
                                 "opset %d has no such operator", in->opset);
    for (size_t i = 1; i < node->n_output; i++) {
        const fr_onnx_source *extra = given(node->output[i]) ? fr_onnx_source_find(in, node->output[i]) : NULL;
        if (extra && (extra->read || op->op == FR_OP_BATCHNORM))
            return fr_onnx_fault_add(in, name, node->op_type, "export the model for inference (model.eval())",
                                     "its output '%s' is one foldrun does not make", extra->name);
    }
    *out_refused = false;
    return FR_OK;
}

static fr_status add_node(fr_onnx_import *in, const Onnx__NodeProto *node) {
    const fr_op_info *op = fr_op_find_name(node->op_type);
    bool refused, moved[FR_ONNX_MOVABLE];
    fr_attrs attrs;
    FR_TRY(check_operator(in, node, op, &refused));
    if (refused)
        return FR_OK;
    if (op->op == FR_OP_CONSTANT) /* became a source */
        return FR_OK;
    FR_TRY(fr_onnx_node_attrs(in, node, op, &attrs, &refused));
    if (!refused)
        FR_TRY(fr_onnx_node_inputs(in, node, op, &attrs, moved, &refused));
    if (refused)
        return FR_OK;

    fr_status status = FR_OK;
    int32_t *inputs = fr_alloc_array(node->n_input, sizeof *inputs), output = -1, count = 0;
    if (!inputs)
        return fr_no_memory(node->n_input * sizeof *inputs, "a node of an ONNX file");
    for (size_t i = 0; i < node->n_input; i++) {
        inputs[i] = -1;
        if (!given(node->input[i]) || (i < FR_ONNX_MOVABLE && moved[i]))
            continue;
        fr_onnx_source *source = fr_onnx_source_find(in, node->input[i]);
        FR_GO(done, source_value(in, source, &inputs[i]));
        if (inputs[i] < 0) /* refused, with a row of its own */
            goto done;
        count = (int32_t)i + 1;
    }
    if (!given(node->output[0])) {
        status =
            fr_fail(FR_INVALID, "node '%s' (%s): its first output has no name", fr_onnx_node_name(node), node->op_type);
        goto done;
    }
    FR_GO(done, source_value(in, fr_onnx_source_find(in, node->output[0]), &output));
    FR_GO(done, fr_graph_add_node(in->graph, op->op, fr_onnx_node_name(node), &attrs, inputs, count, &output, 1, NULL));
done:
    fr_free(inputs);
    return status;
}

static fr_status add_nodes(fr_onnx_import *in, const Onnx__GraphProto *graph) {
    for (size_t i = 0; i < graph->n_node; i++)
        FR_TRY(declare_outputs(in, graph->node[i], i));
    for (size_t i = 0; i < graph->n_node; i++)
        FR_TRY(mark_read(in, graph->node[i]));
    for (size_t i = 0; i < graph->n_output; i++) {
        if (!given(graph->output[i]->name))
            return fr_fail(FR_INVALID, "output %zu has no name", i);
        FR_TRY(fr_onnx_name_check(graph->output[i]->name, "an output"));
        fr_onnx_source *source = fr_onnx_source_find(in, graph->output[i]->name);
        if (!source)
            return fr_fail(FR_INVALID, "nothing makes the output '%s'", graph->output[i]->name);
        source->read = true;
    }
    for (size_t i = 0; i < graph->n_node; i++)
        FR_TRY(add_node(in, graph->node[i]));
    for (size_t i = 0; i < in->model->n_functions; i++) {
        const Onnx__FunctionProto *function = in->model->functions[i];
        const char *name = given(function->name) ? function->name : "?";
        FR_TRY(fr_onnx_name_check(name, "a function"));
        FR_TRY(fr_onnx_fault_add(in, name, "(function)", "inline it: onnx.inliner.inline_local_functions",
                                 "functions of the file itself are not read"));
    }
    return FR_OK;
}

static fr_status add_outputs(fr_onnx_import *in, const Onnx__GraphProto *graph) {
    for (size_t i = 0; i < graph->n_output; i++) {
        int32_t value;
        FR_TRY(source_value(in, fr_onnx_source_find(in, graph->output[i]->name), &value));
        if (value < 0)
            continue;
        for (int32_t before = 0; before < in->graph->n_outputs; before++)
            if (in->graph->outputs[before] == value)
                return fr_fail(FR_INVALID, "the output '%s' is there twice", graph->output[i]->name);
        FR_TRY(fr_graph_add_output(in->graph, value));
    }
    return FR_OK;
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

static fr_status check_model(const Onnx__ModelProto *model, int32_t *out_opset) {
    int64_t opset = -1;
    if (!model->graph || !model->has_ir_version)
        return fr_fail(FR_INVALID, "not an ONNX model: it has no %s", model->graph ? "IR version" : "graph");
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (standard_domain(model->opset_import[i]->domain) && model->opset_import[i]->version > opset)
            opset = model->opset_import[i]->version;
    if (opset < 0)
        return fr_fail(FR_INVALID, "the model does not say which opset it uses");
    if (opset < FR_ONNX_OPSET_MIN || opset > FR_ONNX_OPSET_MAX)
        return fr_fail(
            FR_UNSUPPORTED,
            "the model uses opset %lld; foldrun reads %d to %d: export it again, or use onnx.version_converter",
            (long long)opset, FR_ONNX_OPSET_MIN, FR_ONNX_OPSET_MAX);
    const Onnx__GraphProto *graph = model->graph;
    if (graph->n_node == 0 || graph->n_output == 0)
        return fr_fail(FR_INVALID, "the graph is empty: it has no %s", graph->n_node == 0 ? "nodes" : "outputs");
    if (graph->n_node > FR_ONNX_MAX_NODES)
        return fr_fail(FR_UNSUPPORTED, "the graph has %zu nodes; foldrun takes up to %d", graph->n_node,
                       FR_ONNX_MAX_NODES);
    if (graph->n_output > FR_ONNX_MAX_ENDS)
        return fr_fail(FR_UNSUPPORTED, "the graph has %zu outputs; foldrun takes up to %d", graph->n_output,
                       FR_ONNX_MAX_ENDS);
    *out_opset = (int32_t)opset;
    return FR_OK;
}

fr_status fr_onnx_build(const Onnx__ModelProto *model, const char *folder, const char *name, fr_graph **out_graph,
                        char **out_report) {
    *out_graph = NULL;
    fr_onnx_import in = {.model = model, .folder = folder};
    fr_status status;
    FR_TRY(check_model(model, &in.opset));
    const Onnx__GraphProto *graph = model->graph;
    if (!given(name))
        name = given(graph->name) ? graph->name : "onnx";
    FR_TRY(fr_onnx_name_check(name, "the model"));
    FR_GO(done, fr_graph_new(name, name, &in.graph));
    FR_GO(done, declare_tensors(&in, graph));
    FR_GO(done, add_nodes(&in, graph));
    FR_GO(done, add_outputs(&in, graph));
    FR_GO(done, fr_onnx_faults_report(&in, out_report));
    if (in.graph->n_inputs == 0) {
        status = fr_fail(FR_INVALID, "the graph has no input");
        goto done;
    }
    FR_GO(done, fr_graph_sort(in.graph));
    FR_GO(done, fr_graph_infer(in.graph, 1));
    FR_GO(done, fr_onnx_meta_read(model, in.graph));
    *out_graph = in.graph;
    in.graph = NULL;
done:
    fr_graph_free(in.graph);
    fr_onnx_faults_free(&in);
    fr_onnx_names_free(&in.names);
    fr_free(in.sources);
    return status;
}
