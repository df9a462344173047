/* The table of nodes that foldrun does not run: all of them at once, with why and what to do. */
#include "onnx_builder.h"

static int lines_in(const char *text) {
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* Column of `word` in the line that holds it; -1 when there is none. */
static int column_of(const char *text, const char *word) {
    const char *at = strstr(text, word), *line = at;
    while (line && line > text && line[-1] != '\n')
        line--;
    return at ? (int)(at - line) : -1;
}

TEST(one_table_of_all_nodes_at_fault) {
    build b = build_new(13);
    fr_graph *graph;
    char *report;
    build_input(&b, "x", -1, 4, 6, 5);
    build_output(&b, "y");
    build_node(&b, "Relu", "x", "a");
    build_node(&b, "Mish", "a", "b");
    build_node(&b, "FusedConv", "b", "c")->domain = build_text(&b, "com.microsoft");
    Onnx__NodeProto *branch = build_node(&b, "If", "c", "d");
    Onnx__AttributeProto *body = build_attr(&b, branch, "then_branch", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH);
    body->g = build_take(&b, sizeof *body->g);
    onnx__graph_proto__init(body->g);
    Onnx__NodeProto *pool = build_node(&b, "MaxPool", "d", "e,places");
    build_ints(&b, pool, "kernel_shape", 2, 2);
    build_node(&b, "Add", "e,places", "y");
    CHECK_INT(build_parse(&b, NULL, &graph, &report), FR_UNSUPPORTED);
    CHECK(!graph && report);
    CHECK_HAS(fr_error_sentence(), "4 nodes");
    CHECK_HAS(fr_error_sentence(), "Mish_b");
    CHECK_INT(lines_in(report), 5);
    CHECK_HAS(report, "Mish_b       Mish");
    CHECK_HAS(report, "the domain 'com.microsoft'");
    CHECK_HAS(report, "a graph of its own");
    CHECK_HAS(report, "output 'places'");
    CHECK(!strstr(report, "Relu") && !strstr(report, "Add_y"));
    CHECK_INT(column_of(report, "why"), column_of(report, "foldrun has no such operator"));
    CHECK_INT(column_of(report, "what to do"), column_of(report, "export the model without branches"));
    fr_free(report);
    CHECK_INT(build_parse(&b, NULL, &graph, NULL), FR_UNSUPPORTED); /* the table is optional */
    build_free(&b);
}

static void check_single(build *b, const char *why) {
    fr_graph *graph;
    char *report = NULL;
    fr_status status = build_parse(b, NULL, &graph, &report);
    if (status == FR_UNSUPPORTED && (!report || !strstr(report, why) || lines_in(report) != 2))
        fprintf(stderr, "%s\n", report ? report : "no report");
    bool good = status == FR_UNSUPPORTED && !graph && report && strstr(report, why) && lines_in(report) == 2 &&
                strstr(fr_error_sentence(), why);
    if (!good)
        fprintf(stderr, "%s\n", fr_error_sentence());
    fr_free(report);
    build_free(b);
    CHECK(good);
}

TEST(each_reason) {
    build b = build_new(13);
    build_one(&b, "Conv", "x,w");
    build_input(&b, "w", 2, 4, 3, 3);
    check_single(&b, "the model's input 'w' gives its weights");

    b = build_new(13);
    build_one(&b, "Clip", "x,lo");
    build_input(&b, "lo", 1);
    check_single(&b, "the model's input 'lo' gives its lower limit");

    b = build_new(13);
    Onnx__NodeProto *node = build_one(&b, "MaxPool", "x");
    build_ints(&b, node, "kernel_shape", 2);
    check_single(&b, "'kernel_shape' is not of a 2-D window");

    b = build_new(13);
    node = build_one(&b, "AveragePool", "x");
    build_ints(&b, node, "kernel_shape", 2, 2);
    build_ints(&b, node, "dilations", 2, 2);
    check_single(&b, "'dilations' is not known in the file's opset");

    b = build_new(14);
    node = build_one(&b, "BatchNormalization", "x,s,s,s,s");
    build_weights(&b, "s", 4);
    build_int(&b, node, "training_mode", 1);
    check_single(&b, "'training_mode' is set");

    b = build_new(12);
    build_one(&b, "Dropout", "x,,mode");
    build_init(&b, build_tensor(&b, "mode", BOOLEAN, 0, NULL, "\1", 1));
    check_single(&b, "training mode");

    b = build_new(13);
    node = build_one(&b, "Pad", "x,p");
    build_list(&b, "p", 0, 0, 1, 1, 0, 0, 1, 1);
    build_string(&b, node, "mode", "reflect");
    check_single(&b, "'constant'");

    b = build_new(13);
    build_one(&b, "HardSwish", "x");
    check_single(&b, "opset 13 has no such operator");

    b = build_new(13);
    build_one(&b, "Mul", "x,w");
    build_init(&b, build_tensor(&b, "w", TEXT, DIMS(1), NULL, 0));
    check_single(&b, "it holds string");
}

TEST(inputs_that_are_no_images) {
    build b = build_new(13);
    build_one(&b, "Relu", "x");
    b.graph->input[0]->type->tensor_type->elem_type = U8;
    check_single(&b, "it holds uint8");

    b = build_new(13);
    build_output(&b, "y");
    build_node(&b, "Relu", "x", "y");
    build_input(&b, "x", -1, 3, -1, 5);
    check_single(&b, "dimension 2 is open");
}

TEST(functions_and_sparse_weights) {
    build b = build_new(13);
    build_one(&b, "Relu", "x");
    Onnx__FunctionProto *function = build_take(&b, sizeof *function), **functions = build_take(&b, sizeof *functions);
    onnx__function_proto__init(function);
    function->name = build_text(&b, "helper");
    functions[0] = function;
    b.model->functions = functions;
    b.model->n_functions = 1;
    check_single(&b, "functions of the file");

    b = build_new(13);
    build_one(&b, "Relu", "x");
    Onnx__SparseTensorProto *sparse = build_take(&b, sizeof *sparse), **all = build_take(&b, sizeof *all);
    onnx__sparse_tensor_proto__init(sparse);
    sparse->values = build_tensor(&b, "thin", F32, DIMS(1), "\0\0\0\0", 4);
    all[0] = sparse;
    b.graph->sparse_initializer = all;
    b.graph->n_sparse_initializer = 1;
    check_single(&b, "sparse initializers are not read");
}

TEST(long_names_are_cut_between_characters) {
    build b = build_new(13);
    fr_graph *graph;
    char *report;
    char name[1024] = "";
    for (int i = 0; i < 300; i++)
        strcat(name, "\xc3\xa9"); /* two bytes each */
    build_one(&b, "Mish", "x")->name = build_text(&b, name);
    CHECK_INT(build_parse(&b, NULL, &graph, &report), FR_UNSUPPORTED);
    for (size_t left = strlen(report), at = 0, bytes; left > 0; left -= bytes, at += bytes) {
        bytes = fr_utf8_length(report + at, left);
        CHECK(bytes > 0);
    }
    CHECK_HAS(report, "\xc3\xa9...");
    fr_free(report);
    build_free(&b);
}

CHECK_MAIN
