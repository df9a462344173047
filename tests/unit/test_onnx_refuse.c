/* Files that are refused: each with its status and a sentence that names what is wrong. */
#include "onnx_builder.h"

typedef struct refusal {
    const char *title;
    void (*make)(build *b);
    fr_status status;
    const char *says[3];
} refusal;

static Onnx__NodeProto *conv(build *b) {
    Onnx__NodeProto *node = build_one(b, "Conv", "x,w");
    build_weights(b, "w", 2, 4, 3, 3);
    return node;
}
static Onnx__TensorProto *weights(build *b) {
    conv(b);
    return b->graph->initializer[0];
}

/* ---- the frame of the model -------------------------------------------------------------------------------------- */

static void no_graph(build *b) {
    b->model->graph = NULL;
}
static void no_version(build *b) {
    conv(b);
    b->model->has_ir_version = 0;
}
static void no_opset(build *b) {
    conv(b);
    b->model->n_opset_import = 0;
}
static void other_opset(build *b) {
    conv(b);
    b->model->opset_import[0]->domain = build_text(b, "com.example");
}
static void old_opset(build *b) {
    conv(b);
    b->model->opset_import[0]->version = 6;
}
static void new_opset(build *b) {
    conv(b);
    b->model->opset_import[0]->version = 22;
}
static void no_nodes(build *b) {
    build_input(b, "x", -1, 3);
    build_output(b, "x");
}
static void no_outputs(build *b) {
    conv(b);
    b->graph->n_output = 0;
}
static void no_inputs(build *b) {
    build_weights(b, "w", 2, 2);
    build_output(b, "y");
    build_node(b, "Relu", "w", "y");
}
static void nameless_input(build *b) {
    conv(b);
    b->graph->input[0]->name = NULL;
}
static void nameless_output(build *b) {
    conv(b);
    b->graph->output[0]->name = build_text(b, "");
}
static void untyped_input(build *b) {
    conv(b);
    b->graph->input[0]->type = NULL;
}
static void shapeless_input(build *b) {
    conv(b);
    b->graph->input[0]->type->tensor_type->shape = NULL;
}
static void zero_input(build *b) {
    conv(b);
    b->graph->input[0]->type->tensor_type->shape->dim[2]->dim_value = 0;
}
static void huge_input(build *b) {
    conv(b);
    b->graph->input[0]->type->tensor_type->shape->dim[2]->dim_value = INT64_MAX;
}
static void endless_input(build *b) {
    build_output(b, "y");
    build_input(b, "x", 1, INT32_MAX, INT32_MAX, INT32_MAX);
    build_node(b, "Relu", "x", "y");
}
static void nine_dims(build *b) {
    build_output(b, "y");
    build_input(b, "x", 1, 1, 1, 1, 1, 1, 1, 1, 1);
    build_node(b, "Relu", "x", "y");
}
static void output_from_nowhere(build *b) {
    conv(b);
    build_output(b, "z");
}
static void output_twice(build *b) {
    conv(b);
    build_output(b, "y");
}
static void control_name(build *b) {
    conv(b)->name = build_text(b, "a\nb");
}
static void latin_name(build *b) {
    conv(b);
    b->graph->input[0]->name = build_text(b, "caf\xe9");
}

static const refusal frames[] = {
    {"no graph", no_graph, FR_INVALID, {"no graph"}},
    {"no version", no_version, FR_INVALID, {"no IR version"}},
    {"no opset", no_opset, FR_INVALID, {"which opset"}},
    {"opset of another domain", other_opset, FR_INVALID, {"which opset"}},
    {"old opset", old_opset, FR_UNSUPPORTED, {"opset 6", "7 to 21"}},
    {"new opset", new_opset, FR_UNSUPPORTED, {"opset 22", "version_converter"}},
    {"no nodes", no_nodes, FR_INVALID, {"empty", "no nodes"}},
    {"no outputs", no_outputs, FR_INVALID, {"empty", "no outputs"}},
    {"no inputs", no_inputs, FR_INVALID, {"no input"}},
    {"nameless input", nameless_input, FR_INVALID, {"input 0 has no name"}},
    {"nameless output", nameless_output, FR_INVALID, {"output 0 has no name"}},
    {"untyped input", untyped_input, FR_INVALID, {"input 'x' has no type"}},
    {"shapeless input", shapeless_input, FR_INVALID, {"input 'x' has no shape"}},
    {"zero-sized input", zero_input, FR_INVALID, {"input 'x'", "dimension 2 is 0"}},
    {"huge dimension", huge_input, FR_INVALID, {"input 'x'", "9223372036854775807"}},
    {"product overflow", endless_input, FR_INVALID, {"input 'x'", "more elements than can be counted"}},
    {"nine dimensions", nine_dims, FR_INVALID, {"input 'x'", "9 dimensions"}},
    {"output from nowhere", output_from_nowhere, FR_INVALID, {"nothing makes the output 'z'"}},
    {"output twice", output_twice, FR_INVALID, {"output 'y' is there twice"}},
    {"newline in a name", control_name, FR_INVALID, {"byte 0x0a", "damaged"}},
    {"name that is no UTF-8", latin_name, FR_INVALID, {"byte 0xe9"}},
};

/* ---- tensors ---------------------------------------------------------------------------------------------------- */

static void short_raw(build *b) {
    weights(b)->raw_data.len -= 1;
}
static void long_raw(build *b) {
    weights(b)->dims[0] = 1;
}
static void few_typed(build *b) {
    Onnx__TensorProto *w = weights(b);
    w->has_raw_data = 0;
    w->n_float_data = 5;
    w->float_data = build_take(b, 20);
}
static void no_data(build *b) {
    weights(b)->has_raw_data = 0;
}
static void negative_dim(build *b) {
    weights(b)->dims[1] = -4;
}
static void claims_much(build *b) {
    weights(b)->dims[0] = 1 << 30;
}
static void claims_more(build *b) {
    Onnx__TensorProto *w = weights(b);
    for (int i = 0; i < 4; i++)
        w->dims[i] = INT32_MAX;
}
static void empty_weights(build *b) {
    Onnx__TensorProto *w = weights(b);
    w->dims[0] = 0;
    w->raw_data.len = 0;
}
static void untyped_tensor(build *b) {
    weights(b)->has_data_type = 0;
}
static void segmented(build *b) {
    Onnx__TensorProto *w = weights(b);
    w->segment = build_take(b, sizeof *w->segment);
    onnx__tensor_proto__segment__init(w->segment);
}
static void nameless_tensor(build *b) {
    weights(b)->name = NULL;
}
static void two_initializers(build *b) {
    conv(b);
    build_weights(b, "w", 1);
}
static void huge_unsigned(build *b) {
    build_one(b, "Reshape", "x,s");
    build_init(b, build_tensor(b, "s", U64, DIMS(1), "\377\377\377\377\377\377\377\377", 8));
}

static const refusal tensors[] = {
    {"short raw data", short_raw, FR_INVALID, {"tensor 'w'", "need 288 bytes", "has 287"}},
    {"long raw data", long_raw, FR_INVALID, {"tensor 'w'", "need 144 bytes", "has 288"}},
    {"few typed numbers", few_typed, FR_INVALID, {"tensor 'w'", "72 elements", "has 5"}},
    {"no data", no_data, FR_INVALID, {"tensor 'w'", "has 0"}},
    {"negative dimension", negative_dim, FR_INVALID, {"tensor 'w'", "dimension 1 is -4"}},
    {"claims 2^30 filters", claims_much, FR_INVALID, {"tensor 'w'", "has 288"}},
    {"claims more than memory", claims_more, FR_INVALID, {"tensor 'w'", "more elements"}},
    {"empty weights", empty_weights, FR_INVALID, {"tensor 'w' has no elements"}},
    {"no type", untyped_tensor, FR_UNSUPPORTED, {"'w'", "undefined"}},
    {"segments", segmented, FR_UNSUPPORTED, {"tensor 'w'", "segments"}},
    {"nameless", nameless_tensor, FR_INVALID, {"initializer 0 has no name"}},
    {"two of a name", two_initializers, FR_INVALID, {"two tensors are named 'w'"}},
    {"uint64 past int64", huge_unsigned, FR_INVALID, {"tensor 's'", "past the largest"}},
};

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

static void reads_nothing(build *b) {
    conv(b)->input[1] = build_text(b, "v");
}
static void made_twice(build *b) {
    conv(b);
    build_node(b, "Relu", "x", "y");
}
static void makes_an_input(build *b) {
    conv(b);
    build_node(b, "Relu", "y", "x");
}
static void makes_weights(build *b) {
    conv(b);
    build_node(b, "Relu", "y", "w");
}
static void makes_nothing(build *b) {
    conv(b)->n_output = 0;
}
static void nameless_first_output(build *b) {
    conv(b);
    build_node(b, "Relu", "x", ",z");
}
static void no_operator(build *b) {
    conv(b)->op_type = NULL;
}
static void cycle(build *b) {
    build_input(b, "x", -1, 4);
    build_output(b, "c");
    build_node(b, "Add", "x,b", "a");
    build_node(b, "Relu", "a", "b");
    build_node(b, "Relu", "b", "c");
}
static void own_tail(build *b) {
    build_one(b, "Add", "x,y");
}
static void wrong_channels(build *b) {
    build_one(b, "Conv", "x,w");
    build_weights(b, "w", 2, 5, 3, 3);
}
static void wrong_kernel(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_ints(b, node, "kernel_shape", 5, 5);
}
static void kernel_too_large(build *b) {
    build_one(b, "Conv", "x,w");
    build_weights(b, "w", 1, 4, 9, 9);
}
static void wrong_features(build *b) {
    build_input(b, "x", -1, 4);
    build_output(b, "y");
    build_node(b, "Gemm", "x,w", "y");
    build_weights(b, "w", 5, 2);
}
static void too_many_inputs(build *b) {
    build_one(b, "Relu", "x,x");
}
static void too_few_inputs(build *b) {
    build_one(b, "Conv", "x");
}
static void no_attribute(build *b) {
    build_one(b, "MaxPool", "x");
}
static void wrong_kind(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_float(b, node, "group", 1.0f);
}
static void kind_without_value(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_int(b, node, "group", 1)->has_i = 0;
}
static void attribute_twice(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_int(b, node, "group", 1);
    build_int(b, node, "group", 2);
}
static void nameless_attribute(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_int(b, node, "group", 1)->name = NULL;
}
static void reference(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_int(b, node, "group", 1)->ref_attr_name = build_text(b, "g");
}
static void zero_stride(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_ints(b, node, "strides", 0, 1);
}
static void huge_dilation(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_ints(b, node, "dilations", INT64_MAX, 1);
}
static void three_strides(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_ints(b, node, "pads", 1, 1, 1, 1, 1);
}
static void bad_auto_pad(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_string(b, node, "auto_pad", "SAME");
}
static void huge_group(build *b) {
    Onnx__NodeProto *node = conv(b);
    build_int(b, node, "group", INT64_MIN);
}
static void two_limits(build *b) {
    build_one(b, "Clip", "x,w");
    build_weights(b, "w", 2);
}
static void nan_limit(build *b) {
    build_one(b, "Clip", "x,w");
    build_scalar(b, "w", NAN);
}
static void float_axes(build *b) {
    build_one(b, "Unsqueeze", "x,w");
    build_weights(b, "w", 1);
}
static void bad_flag(build *b) {
    Onnx__NodeProto *node = build_one(b, "ArgMax", "x");
    build_int(b, node, "keepdims", 2);
}
static void bad_reshape(build *b) {
    build_one(b, "Reshape", "x,s");
    build_list(b, "s", 0, 7);
}
static void constant_of_two(build *b) {
    build_one(b, "Mul", "x,c");
    Onnx__NodeProto *node = build_node(b, "Constant", "", "c");
    build_float(b, node, "value_float", 1);
    build_float(b, node, "value_int", 1);
}
static void constant_of_the_wrong_kind(build *b) {
    build_one(b, "Mul", "x,c");
    Onnx__NodeProto *node = build_node(b, "Constant", "", "c");
    build_float(b, node, "value_int", 1);
}

static const refusal nodes[] = {
    {"reads nothing", reads_nothing, FR_INVALID, {"Conv_y", "reads 'v', which nothing makes"}},
    {"made twice", made_twice, FR_INVALID, {"two tensors are named 'y'"}},
    {"makes an input", makes_an_input, FR_INVALID, {"two tensors are named 'x'"}},
    {"makes weights", makes_weights, FR_INVALID, {"two tensors are named 'w'"}},
    {"makes nothing", makes_nothing, FR_INVALID, {"Conv_y", "makes nothing"}},
    {"first output without a name", nameless_first_output, FR_INVALID, {"first output has no name"}},
    {"no operator", no_operator, FR_INVALID, {"node 0 has no operator"}},
    {"cycle", cycle, FR_INVALID, {"cycle"}},
    {"its own input", own_tail, FR_INVALID, {"Add_y", "cycle"}},
    {"wrong channels", wrong_channels, FR_INVALID, {"Conv_y", "input has 4 channels, weights want 5"}},
    {"wrong kernel", wrong_kernel, FR_INVALID, {"Conv_y", "5x5"}},
    {"kernel past the map", kernel_too_large, FR_INVALID, {"Conv_y", "does not fit"}},
    {"wrong features", wrong_features, FR_INVALID, {"Gemm_y", "input has 4 features, weights want 5"}},
    {"too many inputs", too_many_inputs, FR_INVALID, {"Relu_y", "2 inputs"}},
    {"too few inputs", too_few_inputs, FR_INVALID, {"Conv_y", "1 inputs"}},
    {"attribute missing", no_attribute, FR_INVALID, {"MaxPool_y", "'kernel_shape' is missing"}},
    {"attribute of a wrong kind",
     wrong_kind,
     FR_INVALID,
     {"Conv_y", "'group' holds a float, where an integer belongs"}},
    {"attribute without its value", kind_without_value, FR_INVALID, {"'group' holds nothing"}},
    {"attribute twice", attribute_twice, FR_INVALID, {"'group' is there twice"}},
    {"attribute without a name", nameless_attribute, FR_INVALID, {"an attribute has no name"}},
    {"attribute of a function", reference, FR_INVALID, {"'group' refers"}},
    {"stride 0", zero_stride, FR_INVALID, {"Conv_y", "'strides' must have numbers from 1"}},
    {"huge dilation", huge_dilation, FR_INVALID, {"Conv_y", "'dilations' must have"}},
    {"five pads", three_strides, FR_INVALID, {"Conv_y", "'pads' must have 4 numbers"}},
    {"unknown auto_pad", bad_auto_pad, FR_INVALID, {"Conv_y", "SAME_UPPER"}},
    {"group out of range", huge_group, FR_INVALID, {"Conv_y", "'group' is out of range"}},
    {"limit of two numbers", two_limits, FR_INVALID, {"Clip_y", "lower limit must be one number"}},
    {"limit that is no number", nan_limit, FR_INVALID, {"Clip_y", "not NaN"}},
    {"axes that are no integers", float_axes, FR_INVALID, {"Unsqueeze_y", "axes must be a list of integers"}},
    {"flag of 2", bad_flag, FR_INVALID, {"ArgMax_y", "'keepdims' must be 0 or 1"}},
    {"reshape that does not fit", bad_reshape, FR_INVALID, {"Reshape_y", "can't be reshaped"}},
    {"constant of two values", constant_of_two, FR_INVALID, {"one attribute"}},
    {"constant of a wrong kind", constant_of_the_wrong_kind, FR_INVALID, {"Constant_c", "not a value of the kind"}},
};

static void check_all(const refusal *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        build b = build_new(13);
        fr_graph *graph;
        char *report = NULL;
        cases[i].make(&b);
        size_t bytes;
        const uint8_t *data = build_pack(&b, &bytes);
        uint64_t before = fr_alloc_read().live_blocks;
        fr_status status = fr_onnx_parse(data, bytes, NULL, &graph, &report);
        const char *sentence = fr_error_sentence();
        fr_free(report);
        uint64_t after = fr_alloc_read().live_blocks;
        build_free(&b);
        if (status != cases[i].status)
            fprintf(stderr, "case '%s': %s\n", cases[i].title, sentence);
        CHECK_INT(status, cases[i].status);
        CHECK(!graph);
        for (int j = 0; j < 3 && cases[i].says[j]; j++)
            CHECK_HAS(sentence, cases[i].says[j]);
        CHECK(!strchr(sentence, '\n'));
        CHECK_INT(after, before);
    }
}

TEST(frames_that_are_wrong) {
    check_all(frames, sizeof frames / sizeof *frames);
}
TEST(tensors_that_are_wrong) {
    check_all(tensors, sizeof tensors / sizeof *tensors);
}
TEST(nodes_that_are_wrong) {
    check_all(nodes, sizeof nodes / sizeof *nodes);
}

TEST(weights_that_are_not_numbers) {
    build b = build_new(13);
    fr_graph *graph;
    void *data;
    size_t bytes;
    build_one(&b, "Mul", "x,c");
    build_scalar(&b, "c", NAN);
    CHECK_OK(build_parse(&b, NULL, &graph, NULL));
    CHECK_INT(fr_graph_materialize(graph), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "'c'");
    CHECK_INT(fr_onnx_write(graph, &data, &bytes), FR_INVALID);
    CHECK(!data);
    fr_graph_free(graph);
    build_free(&b);
}

CHECK_MAIN
