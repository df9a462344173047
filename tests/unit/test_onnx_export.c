/* What is written reads back as the same model, and writes the same bytes again. */
#include "onnx_builder.h"

#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "fold/fold.h"
#include "formats/fold_text.h"

/* ---- services ---------------------------------------------------------------------------------------------------- */

typedef struct bytes {
    void *data;
    size_t count;
} bytes;

static fr_status reload(const bytes *file, fr_graph **out_graph) {
    return fr_onnx_parse(file->data, file->count, NULL, out_graph, NULL);
}

static bool equal(const bytes *a, const bytes *b) {
    return a->count == b->count && memcmp(a->data, b->data, a->count) == 0;
}

/* Writes, reads, writes, reads, writes: the three files must be one. *out_copy is what was read last. */
static fr_status fixed_point(fr_graph *graph, fr_graph **out_copy, bool *out_same) {
    bytes file[3] = {{NULL, 0}};
    fr_graph *copy[2] = {NULL};
    fr_status status;
    *out_copy = NULL;
    FR_GO(done, fr_onnx_write(graph, &file[0].data, &file[0].count));
    FR_GO(done, reload(&file[0], &copy[0]));
    FR_GO(done, fr_onnx_write(copy[0], &file[1].data, &file[1].count));
    FR_GO(done, reload(&file[1], &copy[1]));
    FR_GO(done, fr_onnx_write(copy[1], &file[2].data, &file[2].count));
    *out_same = equal(&file[0], &file[1]) && equal(&file[1], &file[2]);
    *out_copy = copy[1];
    copy[1] = NULL;
done:
    for (int i = 0; i < 3; i++)
        fr_free(file[i].data);
    fr_graph_free(copy[0]);
    fr_graph_free(copy[1]);
    return status;
}

enum { MOST_OUTPUTS = 4 };

/* The largest difference between two graphs' outputs for a batch of random images. */
static fr_status compare(fr_graph *a, fr_graph *b, int64_t batch, double *out_worst) {
    fr_dense in = {.shape = a->values[a->inputs[0]].shape}, out[2][MOST_OUTPUTS] = {{{.data = NULL}}};
    fr_random random = {5};
    fr_status status;
    *out_worst = INFINITY;
    if (a->n_outputs != b->n_outputs || a->n_outputs > MOST_OUTPUTS)
        return FR_OK;
    in.shape.dim[0] = batch;
    size_t count = fr_shape_elements(&in.shape);
    in.data = fr_alloc_array(count, sizeof *in.data);
    for (size_t i = 0; i < count; i++)
        in.data[i] = fr_random_uniform(&random) * 2 - 1;
    FR_GO(done, fr_graph_eval(a, &in, out[0]));
    FR_GO(done, fr_graph_eval(b, &in, out[1]));
    double worst = 0;
    for (int32_t o = 0; o < a->n_outputs; o++) {
        if (!fr_shape_equal(&out[0][o].shape, &out[1][o].shape))
            goto done;
        for (size_t i = 0; i < fr_shape_elements(&out[0][o].shape); i++) {
            double difference = fabs(out[0][o].data[i] - out[1][o].data[i]);
            if (!(difference <= worst)) /* NaN too */
                worst = difference;
        }
    }
    *out_worst = worst;
done:
    fr_free(in.data);
    for (int32_t o = 0; o < 2 * MOST_OUTPUTS; o++)
        fr_free(out[o / MOST_OUTPUTS][o % MOST_OUTPUTS].data);
    return status;
}

/* A model built by hand in some opset: what it computes must survive the way out and back, for another batch than it was
 * written for too. Frees b. */
static void check_survives(build *b, const char *title) {
    fr_graph *graph, *copy = NULL;
    bool same = false;
    double worst = INFINITY;
    fr_status status = build_parse(b, NULL, &graph, NULL);
    build_free(b);
    if (status == FR_OK)
        status = fixed_point(graph, &copy, &same);
    if (status == FR_OK)
        status = compare(graph, copy, 3, &worst);
    if (status != FR_OK || !same || worst != 0)
        fprintf(stderr, "%s: %s\n", title, status == FR_OK ? "not the same" : fr_error_sentence());
    fr_graph_free(graph);
    fr_graph_free(copy);
    CHECK_INT(status, FR_OK);
    CHECK(same);
    CHECK(worst == 0);
}

/* ---- every op ----------------------------------------------------------------------------------------------------- */

/* x is N x 4 x 6 x 5; consts: w 6x2x3x3, c 4, m 30x3, row 3, i0 {0}, t {0,-1}; attributes by name=value text. */
static const struct {
    const char *op, *inputs, *attributes;
    int opset;
} ops[] = {
    {"Conv", "x,w,six", "kernel_shape=3,3 strides=2,1 pads=1,0,2,1 group=2", 13},
    {"Conv", "x,w", "dilations=2,2 group=2 auto_pad:SAME_UPPER", 7},
    {"Gemm", "flat,m,row", "alpha=2. beta=0.5", 11},
    {"Gemm", "flat,m", "transA=0 transB=0", 13},
    {"MatMul", "flat,m", "", 9},
    {"BatchNormalization", "x,c,c,c,pos", "epsilon=0.001 momentum=0.5", 9},
    {"Relu", "x", "", 7},
    {"Sigmoid", "x", "", 7},
    {"Tanh", "x", "", 7},
    {"Identity", "x", "", 7},
    {"HardSwish", "x", "", 14},
    {"Clip", "x", "min=-0.5 max=0.25", 7},
    {"Clip", "x", "max=0.25", 10},
    {"Clip", "x", "min=-0.5", 10},
    {"Clip", "x", "", 10},
    {"LeakyRelu", "x", "alpha=0.125", 7},
    {"HardSigmoid", "x", "alpha=0.3 beta=0.4", 7},
    {"MaxPool", "x", "kernel_shape=3,2 strides=2,2 pads=1,0,1,1 ceil_mode=1 dilations=1,2", 10},
    {"MaxPool", "x", "kernel_shape=2,2 auto_pad:SAME_LOWER", 7},
    {"AveragePool", "x", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1 count_include_pad=1 ceil_mode=1", 11},
    {"AveragePool", "x", "kernel_shape=2,2 dilations=2,2", 19},
    {"GlobalAveragePool", "x", "", 7},
    {"GlobalMaxPool", "x", "", 7},
    {"Add", "x,plane", "", 7},
    {"Sub", "plane,x", "", 7},
    {"Mul", "x,x", "", 7},
    {"Div", "x,plane", "", 7},
    {"Sum", "x,x,plane", "", 8},
    {"Concat", "x,h,x", "axis=-3", 7},
    {"Flatten", "x", "axis=2", 7},
    {"Flatten", "x", "axis=-1", 11},
    {"Reshape", "x,t", "", 7},
    {"Reshape", "x,one", "", 13},
    {"Reshape", "x,az", "allowzero=1", 14},
    {"Squeeze", "pooled", "axes=2,3", 7},
    {"Squeeze", "pooled,i2", "", 13},
    {"Squeeze", "pooled", "", 13},
    {"Unsqueeze", "x", "axes=1", 7},
    {"Unsqueeze", "x,i2", "", 21},
    {"Transpose", "x", "perm=0,3,1,2", 7},
    {"Pad", "x", "pads=0,0,1,2,0,0,3,0 value=0.5", 7},
    {"Pad", "x,p,,i2", "", 18},
    {"LRN", "x", "size=3 alpha=0.01 beta=0.7 bias=1.5", 7},
    {"Dropout", "x", "ratio=0.5", 7},
    {"Softmax", "x", "", 7},
    {"Softmax", "x", "axis=-1", 11},
    {"Softmax", "x", "axis=0", 13},
    {"Softmax", "flat", "axis=1", 7},
    {"ReduceMean", "x", "axes=2,3 keepdims=0", 7},
    {"ReduceMean", "x,i2", "keepdims=1", 18},
    {"ReduceMean", "x", "axes=1", 13},
    {"ArgMax", "x", "axis=1 keepdims=0 select_last_index=1", 12},
    {"ArgMax", "x", "axis=3", 7},
};

static void add_constants(build *b) {
    build_weights(b, "w", 6, 2, 3, 3);
    build_weights(b, "six", 6);
    build_weights(b, "c", 4);
    build_init(b, build_tensor(b, "pos", F32, DIMS(4), (const float[]){1, 2, 3, 4}, 16));
    build_weights(b, "m", 120, 3);
    build_weights(b, "row", 3);
    build_init(b, build_tensor(b, "plane", F32, DIMS(4, 1, 1), (const float[]){1, -2, 3, -4}, 16));
    build_list(b, "t", 0, -1);
    build_list(b, "one", 1, 30, 4);
    build_list(b, "az", -1, 10, 12);
    build_list(b, "i2", 2);
    build_list(b, "p", 1, 2);
}

/* "axis=1 alpha=0.5 pads=1,2 mode:constant": a '.' makes floats; these names are lists whatever their length. */
static void add_attributes(build *b, Onnx__NodeProto *node, const char *text) {
    static const char *const lists[] = {"kernel_shape", "strides", "pads", "dilations", "axes", "perm"};
    char name[64], value[64];
    for (int used; sscanf(text, " %63[a-zA-Z_]%n", name, &used) == 1; text += strcspn(text, " ")) {
        char kind = text[used];
        text += used + 1;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(text, " "), text);
        bool list = false;
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
            list |= strcmp(name, lists[i]) == 0;
        if (kind == ':') {
            build_string(b, node, name, value);
        } else if (list) {
            int64_t numbers[16];
            size_t count = 0;
            for (char *at = value; count < 16; at++) {
                numbers[count++] = strtol(at, &at, 10);
                if (*at != ',')
                    break;
            }
            build_int_list(b, node, name, count, numbers);
        } else if (strchr(value, '.')) {
            build_float(b, node, name, strtof(value, NULL));
        } else {
            build_int(b, node, name, strtol(value, NULL, 10));
        }
    }
}

TEST(every_op_in_its_old_and_new_form) {
    int before = check_failures;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        char title[128];
        build b = build_new(ops[i].opset);
        add_constants(&b);
        build_input(&b, "x", -1, 4, 6, 5);
        build_output(&b, "y");
        build_node(&b, "Relu", "x", "h");
        build_node(&b, "Flatten", "x", "flat");
        build_node(&b, "GlobalMaxPool", "x", "pooled");
        add_attributes(&b, build_node(&b, ops[i].op, ops[i].inputs, "y"), ops[i].attributes);
        snprintf(title, sizeof title, "%s %s (opset %d)", ops[i].op, ops[i].attributes, ops[i].opset);
        check_survives(&b, title);
    }
    CHECK_INT(check_failures, before);
}

TEST(shape_arithmetic) {
    build b = build_new(15);
    add_constants(&b);
    build_input(&b, "x", -1, 4, 6, 5);
    build_output(&b, "y");
    Onnx__NodeProto *node = build_node(&b, "Shape", "x", "s");
    build_int(&b, node, "start", 0);
    build_int(&b, node, "end", 2);
    build_node(&b, "Gather", "s,first", "n");
    build_list(&b, "first", 0);
    build_list(&b, "rest", -1);
    build_int(&b, build_node(&b, "Cast", "n", "n64"), "to", I64);
    build_int(&b, build_node(&b, "Concat", "n64,rest", "target"), "axis", 0);
    build_node(&b, "Reshape", "x,target", "y");
    check_survives(&b, "shape arithmetic");
}

/* ---- the zoo ------------------------------------------------------------------------------------------------------ */

static fr_status zoo_graph(const char *name, int32_t fold, fr_graph **out_graph) {
    size_t count;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    fr_graph *plain = NULL;
    *out_graph = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(zoo[i].name, name) == 0)
            FR_TRY(fr_fold_text_parse(zoo[i].text, zoo[i].bytes, zoo[i].name, &plain));
    if (!plain)
        return fr_fail(FR_INVALID, "no model '%s'", name);
    fr_fold_options options = {.struct_bytes = sizeof options, .fold = fold, .seed = 9};
    fr_status status = fr_fold_graph(plain, &options, out_graph);
    fr_graph_free(plain);
    return status;
}

TEST(models_plain_and_folded) {
    static const struct {
        const char *name;
        int32_t fold;
    } models[] = {{"v1", 1}, {"v1", 4}, {"v5", 3}, {"n1", 1}, {"g32", 1}, {"g32", 4}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        fr_graph *graph, *copy;
        bool same;
        double worst;
        CHECK_OK(zoo_graph(models[i].name, models[i].fold, &graph));
        CHECK_OK(fixed_point(graph, &copy, &same));
        CHECK(same);
        CHECK_OK(compare(graph, copy, 1, &worst));
        CHECK(worst == 0);
        const fr_meta *a = &graph->meta, *b = &copy->meta;
        CHECK_INT(b->fold, models[i].fold);
        CHECK_INT(b->classes, a->classes);
        CHECK_INT(b->image_channels, a->image_channels);
        CHECK(b->hidden_input == a->hidden_input && b->seeded == a->seeded && b->seed == a->seed);
        CHECK(memcmp(a->mean, b->mean, sizeof a->mean) == 0 && memcmp(a->scale, b->scale, sizeof a->scale) == 0);
        CHECK_TEXT(b->origin, a->origin);
        CHECK_TEXT(copy->name, graph->name);
        CHECK_TEXT(copy->title, graph->title);
        fr_graph_free(graph);
        fr_graph_free(copy);
    }
}

TEST(metadata_survives) {
    fr_graph *graph, *copy;
    bool same;
    CHECK_OK(zoo_graph("v1", 2, &graph));
    fr_meta *meta = &graph->meta;
    meta->seeded = false;
    meta->mean[0] = 123.675f;
    meta->scale[2] = 0.1f;
    meta->n_accuracy = 2;
    meta->accuracy[0].fold = 1;
    meta->accuracy[0].accuracy = 93.95;
    meta->accuracy[1].fold = 2;
    meta->accuracy[1].accuracy = 92.5;
    snprintf(meta->origin, sizeof meta->origin, "trained here: \xc3\xa9");
    CHECK_OK(fixed_point(graph, &copy, &same));
    CHECK(same && !copy->meta.seeded && copy->meta.mean[0] == 123.675f && copy->meta.scale[2] == 0.1f);
    CHECK_INT(copy->meta.n_accuracy, 2);
    CHECK(copy->meta.accuracy[0].accuracy == 93.95 && copy->meta.accuracy[1].fold == 2);
    CHECK_TEXT(copy->meta.origin, meta->origin);
    fr_graph_free(graph);
    fr_graph_free(copy);
}

/* ---- the file itself ---------------------------------------------------------------------------------------------- */

static Onnx__ModelProto *unpacked(fr_graph *graph) {
    bytes file;
    if (fr_onnx_write(graph, &file.data, &file.count) != FR_OK)
        return NULL;
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, file.count, file.data);
    fr_free(file.data);
    return model;
}

TEST(standard_onnx_with_an_open_batch) {
    fr_graph *graph;
    CHECK_OK(zoo_graph("v1", 4, &graph));
    Onnx__ModelProto *model = unpacked(graph);
    CHECK(model);
    CHECK_INT(model->ir_version, 8);
    CHECK_INT(model->opset_import[0]->version, 13);
    CHECK_TEXT(model->producer_name, "foldrun");
    const Onnx__TensorShapeProto *in = model->graph->input[0]->type->tensor_type->shape,
                                 *out = model->graph->output[0]->type->tensor_type->shape;
    CHECK_TEXT(in->dim[0]->dim_param, "N");
    CHECK_INT(in->dim[1]->dim_value, 12);
    CHECK_TEXT(out->dim[0]->dim_param, "N");
    CHECK_INT(out->dim[1]->dim_value, 44);
    CHECK_INT(model->graph->n_input, 1); /* weights are initializers alone */
    for (size_t i = 0; i < model->graph->n_initializer; i++)
        CHECK(model->graph->initializer[i]->has_raw_data && model->graph->initializer[i]->data_type == F32);
    onnx__model_proto__free_unpacked(model, NULL);
    fr_graph_free(graph);
}

TEST(an_op_raises_the_opset_it_needs) {
    static const struct {
        const char *op;
        int read, written;
    } cases[] = {{"Relu", 21, 13}, {"HardSwish", 14, 14}};
    for (size_t i = 0; i < 2; i++) {
        build b = build_new(cases[i].read);
        fr_graph *graph;
        build_one(&b, cases[i].op, "x");
        CHECK_OK(build_parse(&b, NULL, &graph, NULL));
        build_free(&b);
        Onnx__ModelProto *model = unpacked(graph);
        fr_graph_free(graph);
        CHECK(model);
        CHECK_INT(model->opset_import[0]->version, cases[i].written);
        onnx__model_proto__free_unpacked(model, NULL);
    }
}

TEST(made_up_names_avoid_the_models_own) {
    build b = build_new(10);
    build_input(&b, "x", -1, 4);
    build_output(&b, "y");
    build_output(&b, "y.max");
    build_float(&b, build_node(&b, "Clip", "x", "y"), "max", 0.5f);
    build_node(&b, "Relu", "x", "y.max");
    check_survives(&b, "a tensor named y.max");
}

TEST(a_batch_written_into_the_model_is_opened) {
    build b = build_new(13);
    fr_graph *graph;
    build_input(&b, "x", 8, 4, 6, 5);
    build_output(&b, "y");
    build_node(&b, "Reshape", "x,target", "y");
    build_list(&b, "target", 8, 120);
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    build_free(&b);
    Onnx__ModelProto *model = unpacked(graph);
    fr_graph_free(graph);
    CHECK(model);
    const int64_t *target = (const int64_t *)(const void *)model->graph->initializer[0]->raw_data.data;
    CHECK(target[0] == 0 && target[1] == 120);
    CHECK_TEXT(model->graph->output[0]->type->tensor_type->shape->dim[0]->dim_param, "N");
    onnx__model_proto__free_unpacked(model, NULL);
}

TEST(the_graph_keeps_its_batch) {
    fr_graph *graph;
    bytes file;
    CHECK_OK(zoo_graph("v1", 1, &graph));
    CHECK_OK(fr_graph_infer(graph, 7));
    CHECK_OK(fr_onnx_write(graph, &file.data, &file.count));
    CHECK_INT(graph->batch, 7);
    CHECK_INT(graph->values[graph->outputs[0]].shape.dim[0], 7);
    fr_free(file.data);
    fr_graph_free(graph);
}

/* ---- refusals ----------------------------------------------------------------------------------------------------- */

TEST(models_that_no_file_can_hold) {
    fr_graph *graph;
    bytes file;
    int32_t x, w, y;
    uint64_t before = fr_alloc_read().live_blocks;
    CHECK_OK(fr_graph_new("wide", "wide", &graph));
    CHECK_OK(fr_graph_add_input(graph, "x", FR_F32, &(fr_shape){2, {1, 30000}}, &x));
    CHECK_OK(fr_graph_add_const(graph, "w", FR_F32, &(fr_shape){2, {30000, 30000}}, NULL, FR_INIT_FC, &w));
    CHECK_OK(fr_graph_add_value(graph, "y", &y));
    CHECK_OK(fr_graph_add_node(graph, FR_OP_MATMUL, "fc", NULL, (int32_t[]){x, w}, 2, &y, 1, NULL));
    CHECK_INT(fr_onnx_write(graph, &file.data, &file.count), FR_INVALID); /* no output yet */
    CHECK_HAS(fr_error_sentence(), "without outputs");
    CHECK_OK(fr_graph_add_output(graph, y));
    CHECK_INT(fr_onnx_write(graph, &file.data, &file.count), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "3433 MB");
    CHECK(!file.data && !graph->values[w].data); /* refused before the weights were made */
    fr_graph_free(graph);
    CHECK_INT(fr_alloc_read().live_blocks, before);
}

TEST(disks_that_are_full) {
    fr_graph *graph;
    CHECK_OK(zoo_graph("v1", 1, &graph));
    fr_status full = fr_onnx_save(graph, "/dev/full"),
              nowhere = fr_onnx_save(graph, FOLDRUN_BUILD_DIR "/no/such/folder/m.onnx");
    fr_graph_free(graph);
    CHECK_INT(full, FR_IO);
    CHECK_INT(nowhere, FR_IO);
    CHECK_HAS(fr_error_sentence(), "no/such/folder");
}

TEST(a_file_on_disk) {
    fr_graph *graph, *copy;
    char path[512];
    snprintf(path, sizeof path, "%s/test-onnx-saved-%d.onnx", FOLDRUN_BUILD_DIR, (int)getpid());
    CHECK_OK(zoo_graph("v2", 1, &graph));
    fr_status saved = fr_onnx_save(graph, path), loaded = fr_onnx_load(path, &copy, NULL);
    unlink(path);
    CHECK_INT(saved, FR_OK);
    CHECK_INT(loaded, FR_OK);
    CHECK_TEXT(copy->name, "v2");
    fr_graph_free(graph);
    fr_graph_free(copy);
}

CHECK_MAIN
