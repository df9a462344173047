/* A graph as an ONNX file: tensors, the batch left open, metadata, and the bytes. */
#include <string.h>

#include "base/file.h"
#include "formats/onnx_parts.h"

/* ---- names and constants --------------------------------------------------------------------------------------- */

fr_status fr_onnx_write_name(fr_onnx_export *out, const char *base, const char *part, const char **out_name) {
    char *name = fr_onnx_arena_format(&out->arena, "%s.%s", base, part);
    for (int number = 2; name && fr_onnx_names_get(&out->names, name) >= 0; number++)
        name = fr_onnx_arena_format(&out->arena, "%s.%s%d", base, part, number);
    *out_name = name;
    return name ? fr_onnx_names_put(&out->names, name, 0) : fr_no_memory(64, "an ONNX name");
}

/* data is not copied. */
static fr_status add_initializer(fr_onnx_export *out, const char *name, fr_dtype dtype, const fr_shape *shape,
                                 const void *data) {
    Onnx__GraphProto *graph = out->proto;
    if (graph->n_initializer == out->cap_initializers) {
        size_t room = out->cap_initializers * 2 + 64;
        Onnx__TensorProto **grown = fr_onnx_arena_take(&out->arena, room * sizeof *grown);
        if (!grown)
            return fr_no_memory(room * sizeof *grown, "ONNX tensors");
        if (graph->n_initializer > 0)
            memcpy(grown, graph->initializer, graph->n_initializer * sizeof *grown);
        graph->initializer = grown;
        out->cap_initializers = room;
    }
    Onnx__TensorProto *tensor = fr_onnx_arena_take(&out->arena, sizeof *tensor);
    int64_t *dims = fr_onnx_arena_take(&out->arena, sizeof shape->dim);
    char *copy = fr_onnx_arena_format(&out->arena, "%s", name);
    if (!tensor || !dims || !copy)
        return fr_no_memory(sizeof *tensor, "an ONNX tensor");
    onnx__tensor_proto__init(tensor);
    memcpy(dims, shape->dim, sizeof shape->dim);
    tensor->name = copy;
    tensor->dims = dims;
    tensor->n_dims = (size_t)shape->rank;
    tensor->has_data_type = 1;
    tensor->data_type = dtype == FR_S64 ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64 : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){.len = fr_shape_elements(shape) * fr_dtype_bytes(dtype),
                                             .data = (uint8_t *)(uintptr_t)data};
    graph->initializer[graph->n_initializer++] = tensor;
    return FR_OK;
}

fr_status fr_onnx_write_const(fr_onnx_export *out, const char *base, const char *part, fr_dtype dtype,
                              const fr_shape *shape, const void *data, const char **out_name) {
    size_t bytes = fr_shape_elements(shape) * fr_dtype_bytes(dtype);
    void *copy = fr_onnx_arena_take(&out->arena, bytes);
    if (!copy)
        return fr_no_memory(bytes, "an ONNX tensor");
    if (bytes > 0)
        memcpy(copy, data, bytes);
    FR_TRY(fr_onnx_write_name(out, base, part, out_name));
    return add_initializer(out, *out_name, dtype, shape, copy);
}

fr_status fr_onnx_write_value(fr_onnx_export *out, int32_t value, const char **out_name) {
    const fr_value *held = &out->graph->values[value];
    *out_name = held->name;
    if (!held->is_const || out->written[value])
        return FR_OK;
    out->written[value] = true;
    return add_initializer(out, held->name, held->dtype, &held->shape, held->data);
}

/* ---- inputs and outputs ---------------------------------------------------------------------------------------- */

static fr_status value_info(fr_onnx_export *out, int32_t value, Onnx__ValueInfoProto **out_info) {
    struct parts {
        Onnx__ValueInfoProto info;
        Onnx__TypeProto type;
        Onnx__TypeProto__Tensor tensor;
        Onnx__TensorShapeProto shape;
        Onnx__TensorShapeProto__Dimension *dims[FR_MAX_RANK];
        Onnx__TensorShapeProto__Dimension dim[FR_MAX_RANK];
    } *p = fr_onnx_arena_take(&out->arena, sizeof *p);
    const fr_value *held = &out->graph->values[value];
    char *name = fr_onnx_arena_format(&out->arena, "%s", held->name), *batch = fr_onnx_arena_format(&out->arena, "N");
    if (!p || !name || !batch)
        return fr_no_memory(sizeof *p, "an ONNX input or output");
    onnx__value_info_proto__init(&p->info);
    onnx__type_proto__init(&p->type);
    onnx__type_proto__tensor__init(&p->tensor);
    onnx__tensor_shape_proto__init(&p->shape);
    p->info.name = name;
    p->info.type = &p->type;
    p->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->type.tensor_type = &p->tensor;
    p->tensor.has_elem_type = 1;
    p->tensor.elem_type =
        held->dtype == FR_S64 ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64 : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    p->tensor.shape = &p->shape;
    p->shape.n_dim = (size_t)held->shape.rank;
    p->shape.dim = p->dims;
    for (int32_t i = 0; i < held->shape.rank; i++) {
        onnx__tensor_shape_proto__dimension__init(&p->dim[i]);
        p->dims[i] = &p->dim[i];
        if (i == 0 && out->batched[value]) {
            p->dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            p->dim[i].dim_param = batch;
        } else {
            p->dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            p->dim[i].dim_value = held->shape.dim[i];
        }
    }
    *out_info = &p->info;
    return FR_OK;
}

static fr_status value_infos(fr_onnx_export *out, const int32_t *values, int32_t count,
                             Onnx__ValueInfoProto ***out_infos, size_t *out_count) {
    *out_count = 0;
    *out_infos = fr_onnx_arena_take(&out->arena, (size_t)count * sizeof **out_infos);
    if (!*out_infos)
        return fr_no_memory((size_t)count * sizeof **out_infos, "ONNX inputs and outputs");
    for (int32_t i = 0; i < count; i++) {
        FR_TRY(value_info(out, values[i], &(*out_infos)[i]));
        *out_count += 1;
    }
    return FR_OK;
}

static fr_status too_large(size_t bytes) {
    return fr_fail(FR_UNSUPPORTED,
                   "the model needs %zu MB; an ONNX file ends at 2048 MB: fold by less, or make the widths smaller",
                   bytes >> 20);
}

/* Which values grow with the batch. A graph that runs at one batch only (a file with its batch written into it) has none. */
static fr_status find_batched(fr_graph *graph, bool *batched) {
    if (fr_graph_infer(graph, FR_ONNX_PROBE_BATCH) == FR_OK)
        for (int32_t v = 0; v < graph->n_values; v++)
            batched[v] = !graph->values[v].is_const && graph->values[v].shape.rank > 0 &&
                         graph->values[v].shape.dim[0] == FR_ONNX_PROBE_BATCH;
    FR_TRY(fr_graph_infer(graph, 1));
    for (int32_t v = 0; v < graph->n_values; v++)
        batched[v] = batched[v] && graph->values[v].shape.dim[0] == 1;
    return FR_OK;
}

/* Seeded weights are counted before they are made: a model that no file can hold shall not take its memory first. */
static fr_status check_size(fr_onnx_export *out) {
    const fr_graph *graph = out->graph;
    size_t bytes = 0, more;
    for (int32_t n = 0; n < graph->n_nodes; n++)
        for (int32_t i = 0; i < graph->nodes[n].n_inputs; i++) {
            int32_t value = graph->nodes[n].inputs[i];
            if (value < 0 || !graph->values[value].is_const || out->written[value])
                continue;
            out->written[value] = true;
            if (!fr_size_mul(fr_shape_elements(&graph->values[value].shape), fr_dtype_bytes(graph->values[value].dtype),
                             &more) ||
                !fr_size_add(bytes, more, &bytes))
                bytes = SIZE_MAX;
        }
    memset(out->written, 0, (size_t)graph->n_values * sizeof *out->written);
    return bytes > INT32_MAX ? too_large(bytes) : FR_OK;
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

static fr_status fill_graph(fr_onnx_export *out) {
    const fr_graph *graph = out->graph;
    out->proto->name = fr_onnx_arena_format(&out->arena, "%s", graph->name[0] ? graph->name : "foldrun");
    if (!out->proto->name)
        return fr_no_memory(64, "an ONNX graph");
    for (int32_t v = 0; v < graph->n_values; v++)
        FR_TRY(fr_onnx_names_put(&out->names, graph->values[v].name, v));
    for (int32_t n = 0; n < graph->n_nodes; n++)
        FR_TRY(fr_onnx_write_node(out, &graph->nodes[n]));
    for (int32_t i = 0; i < graph->n_outputs; i++) {
        const char *name;
        FR_TRY(fr_onnx_write_value(out, graph->outputs[i], &name));
    }
    FR_TRY(value_infos(out, graph->inputs, graph->n_inputs, &out->proto->input, &out->proto->n_input));
    return value_infos(out, graph->outputs, graph->n_outputs, &out->proto->output, &out->proto->n_output);
}

static fr_status pack(fr_onnx_export *out, void **out_data, size_t *out_bytes) {
    static char producer[] = "foldrun", version[] = FOLDRUN_VERSION, no_domain[] = "";
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
    model.has_ir_version = 1;
    model.ir_version = FR_ONNX_IR_WRITTEN;
    model.producer_name = producer;
    model.producer_version = version;
    model.graph = out->proto;
    opset.domain = no_domain;
    opset.has_version = 1;
    opset.version = out->opset;
    model.opset_import = &opsets;
    model.n_opset_import = 1;
    FR_TRY(fr_onnx_meta_write(out->graph, &out->arena, &model));
    size_t bytes = onnx__model_proto__get_packed_size(&model);
    if (bytes > INT32_MAX)
        return too_large(bytes);
    *out_data = fr_alloc(bytes);
    if (!*out_data)
        return fr_no_memory(bytes, "an ONNX file");
    *out_bytes = onnx__model_proto__pack(&model, *out_data);
    return FR_OK;
}

fr_status fr_onnx_write(fr_graph *graph, void **out_data, size_t *out_bytes) {
    *out_data = NULL;
    *out_bytes = 0;
    int64_t batch = graph->batch;
    fr_onnx_export out = {.graph = graph};
    fr_status status;
    if (graph->n_inputs == 0 || graph->n_outputs == 0 || graph->n_nodes == 0)
        return fr_fail(FR_INVALID, "a model without %s can't be exported",
                       graph->n_inputs == 0    ? "inputs"
                       : graph->n_outputs == 0 ? "outputs"
                                               : "layers");
    bool *batched = fr_alloc_array((size_t)graph->n_values, sizeof *batched);
    out.written = fr_alloc_array((size_t)graph->n_values, sizeof *out.written);
    fr_onnx_arena_open(&out.arena, 0);
    out.proto = fr_onnx_arena_take(&out.arena, sizeof *out.proto);
    if (!batched || !out.written || !out.proto) {
        status = fr_no_memory((size_t)graph->n_values * 2, "an ONNX file");
        goto done;
    }
    onnx__graph_proto__init(out.proto);
    out.batched = batched;
    FR_GO(done, find_batched(graph, batched));
    FR_GO(done, check_size(&out));
    FR_GO(done, fr_graph_materialize(graph));
    out.opset = fr_onnx_opset_needed(graph);
    FR_GO(done, fill_graph(&out));
    FR_GO(done, pack(&out, out_data, out_bytes));
    if (batch > 1)
        status = fr_graph_infer(graph, batch);
done:
    fr_onnx_names_free(&out.names);
    fr_onnx_arena_close(&out.arena);
    fr_free(out.written);
    fr_free(batched);
    if (status != FR_OK) {
        fr_free(*out_data);
        *out_data = NULL;
        *out_bytes = 0;
    }
    return status;
}

fr_status fr_onnx_save(fr_graph *graph, const char *path) {
    void *data;
    size_t bytes;
    FR_TRY(fr_onnx_write(graph, &data, &bytes));
    fr_status status = fr_file_write(path, data, bytes);
    fr_free(data);
    return status;
}
