/* What an ONNX file says arrives in the graph: weights of every type, both forms of every moved attribute, metadata. */
#include "onnx_builder.h"

/* One Mul by a constant of two elements: what the constant became. */
static fr_status import_constant(build *b, fr_graph **out_graph, fr_value **out_value) {
    FR_TRY(build_parse(b, NULL, out_graph, NULL));
    *out_value = &(*out_graph)->values[fr_graph_find(*out_graph, "c")];
    return FR_OK;
}

static void begin_constant(build *b, const char *op) {
    *b = build_new(13);
    build_input(b, "x", -1, 2);
    build_output(b, "y");
    build_node(b, op, "x,c", "y");
}

static void check_floats(int type, const void *raw, size_t bytes, void (*fill)(Onnx__TensorProto *), float first,
                         float second) {
    for (int typed = 0; typed < 2; typed++) {
        build b;
        fr_graph *graph = NULL;
        fr_value *value = NULL;
        begin_constant(&b, "Mul");
        Onnx__TensorProto *tensor = build_init(&b, build_tensor(&b, "c", type, DIMS(2), typed ? NULL : raw, bytes));
        if (typed)
            fill(tensor);
        fr_status status = import_constant(&b, &graph, &value);
        bool good = status == FR_OK && value->is_const && value->dtype == FR_F32 &&
                    ((float *)value->data)[0] == first && ((float *)value->data)[1] == second;
        fr_graph_free(graph);
        build_free(&b);
        CHECK_INT(status, FR_OK);
        CHECK(good);
    }
}

static float two_floats[2] = {1.5f, -0.25f};
static double two_doubles[2] = {1.5, -0.25};
static int32_t two_halves[2] = {0x3e00, 0xb400}, two_brains[2] = {0x3fc0, 0xbe80}, two_small[2] = {1, 0},
               two_signed[2] = {-7, 100};
static int64_t two_long[2] = {-5, 1LL << 40};
static uint64_t two_unsigned[2] = {4000000000u, 3};

static void fill_floats(Onnx__TensorProto *t) {
    t->n_float_data = 2, t->float_data = two_floats;
}
static void fill_doubles(Onnx__TensorProto *t) {
    t->n_double_data = 2, t->double_data = two_doubles;
}
static void fill_halves(Onnx__TensorProto *t) {
    t->n_int32_data = 2, t->int32_data = two_halves;
}
static void fill_brains(Onnx__TensorProto *t) {
    t->n_int32_data = 2, t->int32_data = two_brains;
}
static void fill_small(Onnx__TensorProto *t) {
    t->n_int32_data = 2, t->int32_data = two_small;
}
static void fill_signed(Onnx__TensorProto *t) {
    t->n_int32_data = 2, t->int32_data = two_signed;
}
static void fill_long(Onnx__TensorProto *t) {
    t->n_int64_data = 2, t->int64_data = two_long;
}
static void fill_unsigned(Onnx__TensorProto *t) {
    t->n_uint64_data = 2, t->uint64_data = two_unsigned;
}

TEST(float_weights_of_every_type) {
    check_floats(F32, two_floats, 8, fill_floats, 1.5f, -0.25f);
    check_floats(F64, two_doubles, 16, fill_doubles, 1.5f, -0.25f);
    check_floats(F16, (const uint16_t[]){0x3e00, 0xb400}, 4, fill_halves, 1.5f, -0.25f);
    check_floats(BF16, (const uint16_t[]){0x3fc0, 0xbe80}, 4, fill_brains, 1.5f, -0.25f);
}

static void check_integers(int type, const void *raw, size_t bytes, void (*fill)(Onnx__TensorProto *), int64_t first,
                           int64_t second) {
    for (int typed = 0; typed < 2; typed++) {
        build b = build_new(13);
        fr_onnx_tensor out;
        Onnx__TensorProto *tensor = build_tensor(&b, "c", type, DIMS(2), typed ? NULL : raw, bytes);
        if (typed)
            fill(tensor);
        fr_status status = fr_onnx_tensor_read(tensor, "c", NULL, &out);
        bool good = status == FR_OK && out.dtype == FR_S64 && ((int64_t *)out.data)[0] == first &&
                    ((int64_t *)out.data)[1] == second;
        fr_free(out.data);
        build_free(&b);
        CHECK_INT(status, FR_OK);
        CHECK(good);
    }
}

TEST(integer_constants_of_every_type) {
    check_integers(U8, (const uint8_t[]){1, 0}, 2, fill_small, 1, 0);
    check_integers(BOOLEAN, (const uint8_t[]){1, 0}, 2, fill_small, 1, 0);
    check_integers(U16, (const uint16_t[]){1, 0}, 4, fill_small, 1, 0);
    check_integers(I8, (const int8_t[]){-7, 100}, 2, fill_signed, -7, 100);
    check_integers(I16, (const int16_t[]){-7, 100}, 4, fill_signed, -7, 100);
    check_integers(I32, two_signed, 8, fill_signed, -7, 100);
    check_integers(I64, two_long, 16, fill_long, -5, 1LL << 40);
    check_integers(U32, (const uint32_t[]){4000000000u, 3}, 8, fill_unsigned, 4000000000LL, 3);
    check_integers(U64, two_unsigned, 16, fill_unsigned, 4000000000LL, 3);
}

TEST(constant_nodes_become_constants) {
    build b;
    fr_graph *graph;
    fr_value *value;
    begin_constant(&b, "Mul");
    Onnx__NodeProto *node = build_node(&b, "Constant", "", "c");
    Onnx__AttributeProto *attr = build_attr(&b, node, "value_floats", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
    attr->n_floats = 2;
    attr->floats = two_floats;
    CHECK_OK(import_constant(&b, &graph, &value));
    CHECK_INT(graph->n_nodes, 1);
    CHECK(value->is_const && value->shape.rank == 1 && ((float *)value->data)[1] == -0.25f);
    fr_graph_free(graph);
    attr->name = build_text(&b, "value");
    attr->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    attr->t = build_tensor(&b, "", F64, DIMS(2), two_doubles, 16);
    CHECK_OK(import_constant(&b, &graph, &value));
    CHECK(value->is_const && ((float *)value->data)[0] == 1.5f);
    fr_graph_free(graph);
    node->n_attribute = 0;
    build_float(&b, node, "value_float", 2.5f);
    CHECK_OK(import_constant(&b, &graph, &value));
    CHECK(value->is_const && value->shape.rank == 0 && ((float *)value->data)[0] == 2.5f);
    fr_graph_free(graph);
    build_free(&b);
}

/* ---- attributes that became inputs ------------------------------------------------------------------------------ */

static const fr_node *only_node(const fr_graph *graph) {
    return &graph->nodes[graph->n_nodes - 1];
}

TEST(clip_limits_as_attributes_and_as_inputs) {
    for (int opset = 7; opset <= 21; opset++) {
        build b = build_new(opset);
        fr_graph *graph;
        Onnx__NodeProto *node = build_one(&b, "Clip", opset < 11 ? "x" : "x,lo,hi");
        if (opset < 11) {
            build_float(&b, node, "min", -1.5f);
            build_float(&b, node, "max", 6.0f);
        } else {
            build_scalar(&b, "lo", -1.5f);
            build_scalar(&b, "hi", 6.0f);
        }
        CHECK_OK(build_parse(&b, NULL, &graph, NULL));
        CHECK_INT(only_node(graph)->n_inputs, 1);
        CHECK_INT(graph->n_values, 2); /* the limits are no values */
        CHECK(only_node(graph)->attrs.lo == -1.5f && only_node(graph)->attrs.hi == 6.0f);
        fr_graph_free(graph);
        build_free(&b);
    }
}

TEST(clip_with_one_limit) {
    build b = build_new(13);
    fr_graph *graph;
    build_one(&b, "Clip", "x,,hi");
    build_scalar(&b, "hi", 6.0f);
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK(only_node(graph)->attrs.hi == 6.0f && isinf(only_node(graph)->attrs.lo));
    fr_graph_free(graph);
    build_free(&b);
}

static fr_status import_axes(const char *op, int opset, bool as_input, const int64_t *dims, fr_graph **out_graph) {
    build b = build_new(opset);
    b.graph->input[b.graph->n_input++] = build_info(&b, "x", F32, 4, dims);
    build_output(&b, "y");
    Onnx__NodeProto *node = build_node(&b, op, as_input ? "x,axes" : "x", "y");
    if (as_input)
        build_list(&b, "axes", 2, -1);
    else
        build_ints(&b, node, "axes", 2, -1);
    fr_status status = build_parse(&b, NULL, out_graph, NULL);
    build_free(&b);
    return status;
}

TEST(axes_as_attributes_and_as_inputs) {
    static const struct {
        const char *op;
        int moved;
        int64_t dims[4];
        const char *want;
    } cases[] = {{"Squeeze", 13, {-1, 4, 1, 1}, "1x4"},
                 {"Unsqueeze", 13, {-1, 4, 6, 5}, "1x4x1x6x5x1"},
                 {"ReduceMean", 18, {-1, 4, 6, 5}, "1x4x1x1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int opset = 7; opset <= 21; opset++) {
            fr_graph *graph;
            char shape[64];
            CHECK_OK(import_axes(cases[i].op, opset, opset >= cases[i].moved, cases[i].dims, &graph));
            CHECK_INT(only_node(graph)->n_inputs, 1);
            CHECK_INT(only_node(graph)->attrs.n_axes, 2);
            fr_shape_text(&graph->values[graph->outputs[0]].shape, shape, sizeof shape);
            CHECK_TEXT(shape, cases[i].want);
            fr_graph_free(graph);
        }
}

TEST(pads_as_attributes_and_as_inputs) {
    for (int opset = 7; opset <= 21; opset++) {
        build b = build_new(opset);
        fr_graph *graph;
        Onnx__NodeProto *node = build_one(&b, "Pad", opset < 11 ? "x" : "x,pads,value");
        if (opset < 11) {
            build_ints(&b, node, "pads", 0, 0, 1, 2, 0, 0, 3, 4);
            build_float(&b, node, "value", 0.5f);
        } else {
            build_list(&b, "pads", 0, 0, 1, 2, 0, 0, 3, 4);
            build_scalar(&b, "value", 0.5f);
        }
        CHECK_OK(build_parse(&b, NULL, &graph, NULL));
        CHECK_INT(only_node(graph)->n_inputs, 1);
        CHECK_INT(only_node(graph)->attrs.pads[7], 4);
        CHECK(only_node(graph)->attrs.pad_value == 0.5f);
        CHECK_INT(graph->values[graph->outputs[0]].shape.dim[2], 10);
        fr_graph_free(graph);
        build_free(&b);
    }
}

TEST(pads_of_some_axes) {
    build b = build_new(18);
    fr_graph *graph;
    build_one(&b, "Pad", "x,pads,,axes");
    build_list(&b, "pads", 1, 2);
    build_list(&b, "axes", -1);
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_INT(graph->values[graph->outputs[0]].shape.dim[3], 8);
    CHECK_INT(graph->values[graph->outputs[0]].shape.dim[2], 6);
    fr_graph_free(graph);
    build_free(&b);
}

TEST(softmax_axis_by_opset) {
    for (int opset = 7; opset <= 21; opset++) {
        build b = build_new(opset);
        fr_graph *graph;
        build_one(&b, "Softmax", "x");
        CHECK_OK(build_parse(&b, NULL, &graph, NULL));
        CHECK_INT(only_node(graph)->attrs.axis, opset < 13 ? 1 : -1);
        CHECK_INT(only_node(graph)->attrs.opset, opset);
        fr_graph_free(graph);
        build_free(&b);
    }
}

TEST(dropout_loses_its_mode) {
    build b = build_new(13);
    fr_graph *graph;
    build_one(&b, "Dropout", "x,ratio,mode")->n_output = 1;
    build_scalar(&b, "ratio", 0.5f);
    build_init(&b, build_tensor(&b, "mode", BOOLEAN, 0, NULL, "\0", 1));
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_INT(only_node(graph)->n_inputs, 1);
    fr_graph_free(graph);
    build_free(&b);
}

/* ---- the graph -------------------------------------------------------------------------------------------------- */

TEST(old_files_list_weights_among_the_inputs) {
    build b = build_new(8);
    fr_graph *graph;
    Onnx__NodeProto *node = build_one(&b, "Conv", "x,w");
    build_input(&b, "w", 2, 4, 3, 3);
    build_weights(&b, "w", 2, 4, 3, 3);
    build_ints(&b, node, "kernel_shape", 3, 3);
    b.model->ir_version = 3;
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_INT(graph->n_inputs, 1);
    CHECK_INT(graph->batch, 1);
    CHECK_INT(graph->values[graph->outputs[0]].shape.dim[1], 2);
    CHECK_INT(graph->nodes[0].attrs.kernel[0], 3);
    fr_graph_free(graph);
    build_free(&b);
}

TEST(the_batch_is_free) {
    for (int64_t batch = -1; batch <= 8; batch += 3) {
        build b = build_new(13);
        fr_graph *graph;
        build_input(&b, "x", batch, 3, 4, 5);
        build_output(&b, "y");
        build_node(&b, "Relu", "x", "y");
        CHECK_OK(build_parse(&b, NULL, &graph, NULL));
        CHECK_OK(fr_graph_infer(graph, 6));
        CHECK_INT(graph->values[graph->outputs[0]].shape.dim[0], 6);
        fr_graph_free(graph);
        build_free(&b);
    }
}

TEST(nodes_out_of_order_and_without_names) {
    build b = build_new(13);
    fr_graph *graph;
    build_input(&b, "x", -1, 4);
    build_output(&b, "y");
    build_node(&b, "Relu", "h", "y")->name = NULL;
    build_node(&b, "Sigmoid", "x", "h")->name = NULL;
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_TEXT(graph->nodes[0].name, "h");
    CHECK_INT(graph->nodes[1].op, FR_OP_RELU);
    fr_graph_free(graph);
    build_free(&b);
}

TEST(weights_that_nothing_reads_stay_out) {
    build b = build_new(13);
    fr_graph *graph;
    build_one(&b, "Relu", "x");
    build_weights(&b, "idle", 100);
    build_init(&b, build_tensor(&b, "words", TEXT, DIMS(2), NULL, 0));
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_INT(graph->n_values, 2);
    CHECK_TEXT(graph->name, "made");
    fr_graph_free(graph);
    build_free(&b);
}

/* ---- metadata --------------------------------------------------------------------------------------------------- */

static void begin_folded(build *b) { /* 6 channels in, 8 numbers out */
    *b = build_new(13);
    build_input(b, "x", -1, 6);
    build_output(b, "y");
    build_node(b, "MatMul", "x,w", "y");
    build_weights(b, "w", 6, 8);
}

TEST(metadata_arrives) {
    build b;
    fr_graph *graph;
    begin_folded(&b);
    static const char *const pairs[][2] = {{"fold", "2"},           {"classes", "4"},
                                           {"image_channels", "3"}, {"mean", "1,2.5,-3e1"},
                                           {"scale", "0.5"},        {"accuracy", "1:93.95,4:87.51"},
                                           {"seeded", "true"},      {"seed", "18446744073709551615"},
                                           {"origin", "a test"},    {"title", "lol gold"},
                                           {"name", "v9"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char key[64];
        snprintf(key, sizeof key, "foldrun.%s", pairs[i][0]);
        build_meta(&b, key, pairs[i][1]);
    }
    build_meta(&b, "author", "nobody");
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    const fr_meta *meta = &graph->meta;
    CHECK_INT(meta->fold, 2);
    CHECK_INT(meta->classes, 4);
    CHECK_INT(meta->image_channels, 3);
    CHECK(meta->mean[0] == 1 && meta->mean[1] == 2.5f && meta->mean[2] == -30 && meta->scale[2] == 0.5f);
    CHECK_INT(meta->n_accuracy, 2);
    CHECK(meta->accuracy[1].fold == 4 && meta->accuracy[1].accuracy == 87.51);
    CHECK(meta->seeded && meta->seed == UINT64_MAX);
    CHECK_TEXT(meta->origin, "a test");
    CHECK_TEXT(graph->title, "lol gold");
    CHECK_TEXT(graph->name, "v9");
    fr_graph_free(graph);
    build_free(&b);
}

TEST(metadata_left_out) {
    build b;
    fr_graph *graph;
    begin_folded(&b);
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_INT(graph->meta.fold, 1);
    CHECK_INT(graph->meta.classes, 8);
    CHECK_INT(graph->meta.image_channels, 6);
    CHECK(graph->meta.mean[5] == 0 && graph->meta.scale[5] == 1.0f / 255.0f && !graph->meta.seeded);
    fr_graph_free(graph);
    build_meta(&b, "foldrun.fold", "2");
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_INT(graph->meta.classes, 4);
    CHECK_INT(graph->meta.image_channels, 3);
    fr_graph_free(graph);
    build_free(&b);
}

TEST(metadata_that_is_wrong) {
    static const struct {
        const char *key, *value, *says;
    } cases[] = {{"fold", "0", "whole number from 1"},
                 {"fold", "two", "'two'"},
                 {"fold", "99999999999999999999", "whole number"},
                 {"fold", "4", "does not divide the 6 channels"},
                 {"fold", "3", "does not divide the 8 numbers"},
                 {"classes", "3", "3 classes for each of 1 images"},
                 {"classes", "-1", "whole number"},
                 {"image_channels", "2", "6 channels hold 1 images"},
                 {"mean", "1,2", "one for each channel"},
                 {"mean", "1,,2", "one for each channel"},
                 {"scale", "", "one number"},
                 {"scale", "nan", "one number"},
                 {"mean", "1e99", "one number"},
                 {"accuracy", "93", "like 1:93.95"},
                 {"accuracy", "1:93,", "like"},
                 {"accuracy", "0:9", "like"},
                 {"accuracy", "1:101", "like"},
                 {"seeded", "yes", "true or false"},
                 {"seed", "18446744073709551616", "whole number"},
                 {"name", "a\nb", "printable"},
                 {"origin", "\xff", "printable"},
                 {"fold", "\x01", "printable"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build b;
        fr_graph *graph;
        char key[64];
        begin_folded(&b);
        snprintf(key, sizeof key, "foldrun.%s", cases[i].key);
        build_meta(&b, key, cases[i].value);
        CHECK_INT(build_parse(&b, NULL, &graph, NULL), FR_INVALID);
        CHECK_HAS(fr_error_sentence(), cases[i].says);
        CHECK(!graph);
        build_free(&b);
    }
}

CHECK_MAIN
