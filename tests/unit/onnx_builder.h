/* Builds small ONNX files by hand, right ones and wrong ones: what a test needs and no more. */
#ifndef FR_TESTS_ONNX_BUILDER_H
#define FR_TESTS_ONNX_BUILDER_H

#include "check.h"

#include "formats/onnx_parts.h"

#include <onnx.pb-c.h>

enum {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I16 = 5,
    I32 = 6,
    I64 = 7,
    TEXT = 8,
    BOOLEAN = 9,
    F16 = 10,
    F64 = 11,
    U32 = 12,
    U64 = 13,
    BF16 = 16
};
enum { BUILD_ROOM = 128 }; /* of any list */

typedef struct build {
    fr_onnx_arena arena;
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph;
} build;

static inline void *build_take(build *b, size_t bytes) {
    void *block = fr_onnx_arena_take(&b->arena, bytes);
    if (!block)
        abort();
    return block;
}

static inline char *build_text(build *b, const char *text) {
    return strcpy(build_take(b, strlen(text) + 1), text);
}

static inline build build_new(int opset) {
    build b = {0};
    fr_onnx_arena_open(&b.arena, 0);
    b.model = build_take(&b, sizeof *b.model);
    b.graph = build_take(&b, sizeof *b.graph);
    onnx__model_proto__init(b.model);
    onnx__graph_proto__init(b.graph);
    b.model->graph = b.graph;
    b.model->has_ir_version = 1;
    b.model->ir_version = 8;
    b.model->opset_import = build_take(&b, BUILD_ROOM * sizeof(void *));
    b.model->metadata_props = build_take(&b, BUILD_ROOM * sizeof(void *));
    b.model->opset_import[0] = build_take(&b, sizeof(Onnx__OperatorSetIdProto));
    onnx__operator_set_id_proto__init(b.model->opset_import[0]);
    b.model->opset_import[0]->has_version = 1;
    b.model->opset_import[0]->version = opset;
    b.model->n_opset_import = 1;
    b.graph->name = build_text(&b, "made");
    b.graph->node = build_take(&b, BUILD_ROOM * sizeof(void *));
    b.graph->initializer = build_take(&b, BUILD_ROOM * sizeof(void *));
    b.graph->input = build_take(&b, BUILD_ROOM * sizeof(void *));
    b.graph->output = build_take(&b, BUILD_ROOM * sizeof(void *));
    return b;
}

static inline void build_free(build *b) {
    fr_onnx_arena_close(&b->arena);
}

static inline char **build_names(build *b, const char *list, size_t *out_count) { /* "x,,w": the second is left out */
    char **names = build_take(b, BUILD_ROOM * sizeof *names);
    *out_count = 0;
    for (const char *at = list; *list; at += strcspn(at, ",") + 1) {
        size_t length = strcspn(at, ",");
        char *name = build_take(b, length + 1);
        memcpy(name, at, length);
        names[(*out_count)++] = name;
        if (!at[length])
            break;
    }
    return names;
}

/* A dimension of -1 is symbolic. */
static inline Onnx__ValueInfoProto *build_info(build *b, const char *name, int type, size_t rank, const int64_t *dims) {
    Onnx__ValueInfoProto *info = build_take(b, sizeof *info);
    onnx__value_info_proto__init(info);
    info->name = build_text(b, name);
    info->type = build_take(b, sizeof *info->type);
    onnx__type_proto__init(info->type);
    info->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    info->type->tensor_type = build_take(b, sizeof *info->type->tensor_type);
    onnx__type_proto__tensor__init(info->type->tensor_type);
    info->type->tensor_type->has_elem_type = 1;
    info->type->tensor_type->elem_type = type;
    Onnx__TensorShapeProto *shape = info->type->tensor_type->shape = build_take(b, sizeof *shape);
    onnx__tensor_shape_proto__init(shape);
    shape->dim = build_take(b, BUILD_ROOM * sizeof(void *));
    for (size_t i = 0; i < rank; i++) {
        Onnx__TensorShapeProto__Dimension *dim = shape->dim[i] = build_take(b, sizeof *dim);
        onnx__tensor_shape_proto__dimension__init(dim);
        dim->value_case = dims[i] < 0 ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                                      : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (dims[i] < 0)
            dim->dim_param = build_text(b, "batch");
        else
            dim->dim_value = dims[i];
    }
    shape->n_dim = rank;
    return info;
}

#define DIMS(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), ((const int64_t[]){__VA_ARGS__})
#define build_input(b, name, ...) \
    ((b)->graph->input[(b)->graph->n_input++] = build_info((b), (name), F32, DIMS(__VA_ARGS__)))

static inline void build_output(build *b, const char *name) {
    Onnx__ValueInfoProto *info = build_take(b, sizeof *info);
    onnx__value_info_proto__init(info);
    info->name = build_text(b, name);
    b->graph->output[b->graph->n_output++] = info;
}

static inline Onnx__NodeProto *build_node(build *b, const char *op, const char *inputs, const char *outputs) {
    Onnx__NodeProto *node = build_take(b, sizeof *node);
    onnx__node_proto__init(node);
    node->op_type = build_text(b, op);
    node->input = build_names(b, inputs, &node->n_input);
    node->output = build_names(b, outputs, &node->n_output);
    char *name = build_take(b, strlen(op) + strlen(outputs) + 2);
    sprintf(name, "%s_%.*s", op, (int)strcspn(outputs, ","), outputs);
    node->name = name;
    node->attribute = build_take(b, BUILD_ROOM * sizeof(void *));
    b->graph->node[b->graph->n_node++] = node;
    return node;
}

static inline Onnx__AttributeProto *build_attr(build *b, Onnx__NodeProto *node, const char *name, int kind) {
    Onnx__AttributeProto *attr = build_take(b, sizeof *attr);
    onnx__attribute_proto__init(attr);
    attr->name = build_text(b, name);
    attr->has_type = 1;
    attr->type = (Onnx__AttributeProto__AttributeType)kind;
    node->attribute[node->n_attribute++] = attr;
    return attr;
}

static inline Onnx__AttributeProto *build_int(build *b, Onnx__NodeProto *node, const char *name, int64_t value) {
    Onnx__AttributeProto *attr = build_attr(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    attr->has_i = 1;
    attr->i = value;
    return attr;
}

static inline Onnx__AttributeProto *build_float(build *b, Onnx__NodeProto *node, const char *name, float value) {
    Onnx__AttributeProto *attr = build_attr(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    attr->has_f = 1;
    attr->f = value;
    return attr;
}

static inline Onnx__AttributeProto *build_string(build *b, Onnx__NodeProto *node, const char *name, const char *value) {
    Onnx__AttributeProto *attr = build_attr(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    attr->has_s = 1;
    attr->s = (ProtobufCBinaryData){.len = strlen(value), .data = (uint8_t *)build_text(b, value)};
    return attr;
}

static inline Onnx__AttributeProto *build_int_list(build *b, Onnx__NodeProto *node, const char *name, size_t count,
                                                   const int64_t *values) {
    Onnx__AttributeProto *attr = build_attr(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    attr->n_ints = count;
    attr->ints = memcpy(build_take(b, count * sizeof *values), values, count * sizeof *values);
    return attr;
}
#define build_ints(b, node, name, ...) build_int_list((b), (node), (name), DIMS(__VA_ARGS__))

/* raw_data of `bytes`; data NULL leaves it without any. */
static inline Onnx__TensorProto *build_tensor(build *b, const char *name, int type, size_t rank, const int64_t *dims,
                                              const void *data, size_t bytes) {
    Onnx__TensorProto *tensor = build_take(b, sizeof *tensor);
    onnx__tensor_proto__init(tensor);
    tensor->name = build_text(b, name);
    tensor->n_dims = rank;
    tensor->dims = build_take(b, rank * sizeof *dims + 1);
    if (rank > 0)
        memcpy(tensor->dims, dims, rank * sizeof *dims);
    tensor->has_data_type = 1;
    tensor->data_type = type;
    if (data) {
        tensor->has_raw_data = 1;
        tensor->raw_data = (ProtobufCBinaryData){.len = bytes, .data = memcpy(build_take(b, bytes + 1), data, bytes)};
    }
    return tensor;
}

static inline Onnx__TensorProto *build_init(build *b, Onnx__TensorProto *tensor) {
    return b->graph->initializer[b->graph->n_initializer++] = tensor;
}

/* Weights that no two places share: 0.5, -0.25, ... */
#define build_weights(b, name, ...) build_weights_of((b), (name), DIMS(__VA_ARGS__))
static inline Onnx__TensorProto *build_weights_of(build *b, const char *name, size_t rank, const int64_t *dims) {
    size_t count = 1;
    for (size_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    float *values = build_take(b, count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i * 7 % 11) / 8.0f - 0.5f;
    return build_init(b, build_tensor(b, name, F32, rank, dims, values, count * sizeof *values));
}
#define build_list(b, name, ...)                                                                                     \
    build_init((b),                                                                                                  \
               build_tensor((b), (name), I64, 1, (const int64_t[]){(int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8)}, \
                            (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__})))
static inline Onnx__TensorProto *build_scalar(build *b, const char *name, float value) {
    return build_init(b, build_tensor(b, name, F32, 0, NULL, &value, sizeof value));
}

static inline Onnx__StringStringEntryProto *build_pair(build *b, const char *key, const char *value) {
    Onnx__StringStringEntryProto *pair = build_take(b, sizeof *pair);
    onnx__string_string_entry_proto__init(pair);
    pair->key = build_text(b, key);
    pair->value = build_text(b, value);
    return pair;
}
static inline void build_meta(build *b, const char *key, const char *value) {
    b->model->metadata_props[b->model->n_metadata_props++] = build_pair(b, key, value);
}

static inline void build_external(build *b, Onnx__TensorProto *tensor, const char *location, const char *offset,
                                  const char *length) {
    tensor->has_data_location = 1;
    tensor->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    tensor->external_data = build_take(b, 3 * sizeof(void *));
    const char *const pairs[3][2] = {{"location", location}, {"offset", offset}, {"length", length}};
    for (int i = 0; i < 3; i++)
        if (pairs[i][1])
            tensor->external_data[tensor->n_external_data++] = build_pair(b, pairs[i][0], pairs[i][1]);
}

/* The file's bytes, in the arena. */
static inline uint8_t *build_pack(build *b, size_t *out_bytes) {
    uint8_t *data = build_take(b, onnx__model_proto__get_packed_size(b->model) + 1);
    *out_bytes = onnx__model_proto__pack(b->model, data);
    return data;
}

static inline fr_status build_parse(build *b, const char *folder, fr_graph **out_graph, char **out_report) {
    size_t bytes;
    const uint8_t *data = build_pack(b, &bytes);
    return fr_onnx_parse(data, bytes, folder, out_graph, out_report);
}

/* x (N x 4 x 6 x 5) -> what `op` makes of it -> y; the node for its attributes. */
static inline Onnx__NodeProto *build_one(build *b, const char *op, const char *inputs) {
    build_input(b, "x", -1, 4, 6, 5);
    build_output(b, "y");
    return build_node(b, op, inputs, "y");
}

#endif
