/* One model with one data set: loaded, evaluated, compared, simplified, evaluated and compared again. */
#include <stdlib.h>
#include <string.h>

#include <onnx.pb-c.h>

#include "base/alloc.h"
#include "base/file.h"
#include "formats/onnx.h"
#include "graph/passes.h"
#include "suite.h"

enum { MAX_ENDS = 16 };

static Onnx__ModelProto *read_model(const char *path) {
    char *data;
    size_t bytes;
    if (fr_file_read(path, 0, &data, &bytes) != FR_OK)
        return NULL;
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, bytes, (const uint8_t *)data);
    fr_free(data);
    return model;
}

static bool is_initializer(const Onnx__GraphProto *graph, const char *name) {
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (strcmp(graph->initializer[i]->name, name) == 0)
            return true;
    return false;
}

bool model_is_claimed(const char *model_path, char *out_name, size_t bytes, int *out_inputs) {
    Onnx__ModelProto *model = read_model(model_path);
    bool claimed = model && model->graph && model->graph->n_node > 0;
    *out_inputs = 0;
    for (size_t i = 0; claimed && i < model->graph->n_node; i++) {
        const Onnx__NodeProto *node = model->graph->node[i];
        claimed = (!node->domain || !node->domain[0]) && fr_op_find_name(node->op_type);
    }
    if (claimed) {
        snprintf(out_name, bytes, "%s", model->graph->n_node == 1 ? model->graph->node[0]->op_type : "(graphs)");
        for (size_t i = 0; i < model->graph->n_input; i++)
            *out_inputs += !is_initializer(model->graph, model->graph->input[i]->name);
    }
    if (model)
        onnx__model_proto__free_unpacked(model, NULL);
    return claimed;
}

/* Appends the data of input `index` to the model's initializers. */
static bool bind_input(Onnx__GraphProto *graph, const char *name, const char *data_folder, int index) {
    char path[1024];
    char *data;
    size_t bytes;
    snprintf(path, sizeof path, "%s/input_%d.pb", data_folder, index);
    if (fr_file_read(path, 0, &data, &bytes) != FR_OK)
        return false;
    Onnx__TensorProto *tensor = onnx__tensor_proto__unpack(NULL, bytes, (const uint8_t *)data);
    fr_free(data);
    Onnx__TensorProto **grown = tensor ? realloc(graph->initializer, (graph->n_initializer + 1) * sizeof *grown) : NULL;
    char *copy = grown ? malloc(strlen(name) + 1) : NULL;
    if (grown)
        graph->initializer = grown;
    if (!copy) {
        if (tensor)
            onnx__tensor_proto__free_unpacked(tensor, NULL);
        return false;
    }
    strcpy(copy, name);
    if (tensor->name != (char *)protobuf_c_empty_string)
        free(tensor->name);
    tensor->name = copy;
    graph->initializer[graph->n_initializer++] = tensor;
    return true;
}

/* Opsets 1 to 6 as 7: what changed between them are attributes, which the importer refuses by name where they are gone. */
static void raise_opset(Onnx__ModelProto *model) {
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (model->opset_import[i]->version < 7)
            model->opset_import[i]->version = 7;
}

/* The model's bytes, with all inputs but the first bound when asked to. NULL when the data does not allow it. */
static uint8_t *model_bytes(const char *model_path, const char *data_folder, bool bound, size_t *out_bytes) {
    Onnx__ModelProto *model = read_model(model_path);
    uint8_t *packed = NULL;
    bool fine = model != NULL;
    int index = 0;
    size_t given = fine ? model->graph->n_input : 0;
    for (size_t i = 0; i < given && fine && bound; i++) {
        const char *name = model->graph->input[i]->name;
        if (is_initializer(model->graph, name))
            continue;
        if (index > 0)
            fine = bind_input(model->graph, name, data_folder, index);
        index++;
    }
    if (fine) {
        raise_opset(model);
        *out_bytes = onnx__model_proto__get_packed_size(model);
        packed = malloc(*out_bytes + 1);
        if (packed)
            onnx__model_proto__pack(model, packed);
    }
    if (model)
        onnx__model_proto__free_unpacked(model, NULL);
    return packed;
}

typedef struct data_set {
    fr_dense inputs[MAX_ENDS], outputs[MAX_ENDS];
    bool coarse[MAX_ENDS];
} data_set;

static void free_all(fr_dense *tensors, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        fr_free(tensors[i].data);
        tensors[i].data = NULL;
    }
}

static fr_status read_data(const fr_graph *graph, const char *folder, data_set *out) {
    char path[1024];
    bool unused;
    if (graph->n_inputs > MAX_ENDS || graph->n_outputs > MAX_ENDS)
        return fr_fail(FR_UNSUPPORTED, "more than %d inputs or outputs", MAX_ENDS);
    for (int32_t i = 0; i < graph->n_inputs; i++) {
        snprintf(path, sizeof path, "%s/input_%d.pb", folder, i);
        FR_TRY(tensor_from_file(path, &out->inputs[i], &unused));
    }
    for (int32_t i = 0; i < graph->n_outputs; i++) {
        snprintf(path, sizeof path, "%s/output_%d.pb", folder, i);
        FR_TRY(tensor_from_file(path, &out->outputs[i], &out->coarse[i]));
    }
    return FR_OK;
}

static outcome evaluate(fr_graph *graph, const data_set *data, char *why, size_t bytes) {
    fr_dense got[MAX_ENDS] = {{.data = NULL}};
    outcome result = OUTCOME_PASSED;
    if (fr_graph_eval(graph, data->inputs, got) != FR_OK) {
        snprintf(why, bytes, "%s", fr_error_sentence());
        return OUTCOME_REFUSED;
    }
    for (int32_t i = 0; i < graph->n_outputs && result == OUTCOME_PASSED; i++)
        if (!tensor_matches(&got[i], &data->outputs[i], data->coarse[i], why, bytes))
            result = OUTCOME_FAILED;
    free_all(got, graph->n_outputs);
    return result;
}

/* The first row of the importer's table (the line after its head), columns parted by a comma; else the sentence. */
static void explain_refusal(const char *report, char *why, size_t bytes) {
    const char *row = report ? strchr(report, '\n') : NULL;
    size_t used = 0;
    if (!row) {
        snprintf(why, bytes, "%s", fr_error_sentence());
        return;
    }
    for (row++; *row && *row != '\n' && used + 2 < bytes; row++) {
        if (row[0] != ' ' || row[1] != ' ')
            why[used++] = *row;
        else if (used == 0 || why[used - 1] != ',')
            why[used++] = ',';
    }
    why[used] = 0;
}

verdict variant_run(const char *model_path, const char *data_folder, bool bound) {
    verdict v = {OUTCOME_REFUSED, OUTCOME_NONE, "the data can't be bound"};
    fr_graph *graph = NULL;
    char *report = NULL;
    data_set data = {0};
    size_t bytes = 0;
    uint8_t *packed = model_bytes(model_path, data_folder, bound, &bytes);
    if (!packed)
        return v;
    if (fr_onnx_parse(packed, bytes, NULL, &graph, &report) != FR_OK) {
        explain_refusal(report, v.why, sizeof v.why);
    } else if (read_data(graph, data_folder, &data) != FR_OK) {
        snprintf(v.why, sizeof v.why, "%s", fr_error_sentence());
    } else {
        v.why[0] = 0;
        v.as_is = evaluate(graph, &data, v.why, sizeof v.why);
        if (v.as_is == OUTCOME_PASSED) {
            v.simplified = OUTCOME_REFUSED;
            if (fr_graph_simplify(graph) != FR_OK)
                snprintf(v.why, sizeof v.why, "simplify: %s", fr_error_sentence());
            else
                v.simplified = evaluate(graph, &data, v.why, sizeof v.why);
        }
    }
    free_all(data.inputs, MAX_ENDS);
    free_all(data.outputs, MAX_ENDS);
    fr_graph_free(graph);
    fr_free(report);
    free(packed);
    return v;
}
