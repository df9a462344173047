/* The .fold text: what it means, and what it says to those who write it wrong. */
#include "base/alloc.h"
#include "base/hash.h"
#include "zoo_models.h"

TEST(a_small_model) {
    fr_graph *graph = text_graph("# a comment\r\n\nmodel tiny-1 \"A tiny one\" # here too\n"
                                 "input 3x8x10\nclasses 5\nmean 1 2.5 3\nscale 0.5\n"
                                 "conv 4 3x5 stride 2x1 pad 1x2 dilation 1 relu\n"
                                 "maxpool 2x2 stride 2 ceil\nflatten\nfc 5\n");
    CHECK(graph);
    CHECK_TEXT(graph->name, "tiny-1");
    CHECK_TEXT(graph->title, "A tiny one");
    CHECK_INT(graph->meta.classes, 5);
    CHECK_NEAR(graph->meta.mean[1], 2.5, 0);
    CHECK_NEAR(graph->meta.scale[2], 0.5, 0);
    CHECK(!graph->meta.hidden_input);
    const fr_node *conv = node_named(graph, "conv1"), *pool = node_named(graph, "pool1"),
                  *fc = node_named(graph, "fc1");
    CHECK_INT(node_named(graph, "relu1")->op, FR_OP_RELU);
    CHECK_INT(conv->attrs.kernel[1], 5);
    CHECK_INT(conv->attrs.stride[0], 2);
    CHECK_INT(conv->attrs.stride[1], 1);
    CHECK_INT(conv->attrs.pad[0], 1);
    CHECK_INT(conv->attrs.pad[3], 2);
    CHECK_INT(conv->n_inputs, 3);
    CHECK(pool->attrs.ceil_mode);
    CHECK(fc->attrs.trans_b);
    CHECK_INT(graph->values[fc->inputs[1]].shape.dim[0], 5);
    CHECK_INT(graph->values[fc->inputs[1]].shape.dim[1], 4 * 2 * 5);
    CHECK_TEXT(graph->values[graph->inputs[0]].name, "input");
    CHECK_TEXT(graph->values[graph->outputs[0]].name, "output");
    fr_graph_free(graph);
}

TEST(scaling_is_1_over_255_unless_told) {
    fr_graph *graph = text_graph("model a\ninput 2x4x4\nconv 1 1x1\n");
    CHECK(graph);
    CHECK_NEAR(graph->meta.mean[1], 0, 0);
    CHECK_NEAR(graph->meta.scale[1], 1.0 / 255, 1e-9);
    CHECK_INT(graph->meta.classes, 0);
    fr_graph_free(graph);
}

TEST(repeats_units_and_names) {
    fr_graph *graph = text_graph(
        "model a\nunit twice width k\n  repeat 2\n    conv $width $k pad same bn relu6\n  end\nend\ninput 3x9x9\n"
        "twice 8 5x5 \nas x\nconv 8 1x1 nobias as y\nfrom x\navgpool 3x3 stride 1 pad 1 includepad as z\n"
        "add y relu as w\nconcat x w z\ndwconv 3x3 pad 0x1x0x1 hardswish\nlrn 5 alpha 0.1 beta 0.5 bias "
        "2\nglobalavgpool\nflatten\nsoftmax\n");
    CHECK(graph);
    CHECK(fr_graph_find(graph, "conv3") >= 0 && fr_graph_find(graph, "conv4") < 0);
    CHECK(fr_graph_find(graph, "bn2") >= 0 && fr_graph_find(graph, "clip2") >= 0 &&
          fr_graph_find(graph, "hardswish1") >= 0);
    CHECK_INT(node_named(graph, "conv1")->n_inputs, 2);
    CHECK_NEAR(node_named(graph, "clip1")->attrs.hi, 6, 0);
    CHECK(node_named(graph, "pool1")->attrs.count_include_pad);
    const fr_node *concat = node_named(graph, "concat1"), *dw = node_named(graph, "dwconv1"),
                  *lrn = node_named(graph, "lrn1");
    CHECK_INT(concat->n_inputs, 3);
    CHECK_INT(dw->attrs.group, 24);
    CHECK_INT(dw->attrs.pad[1], 1);
    CHECK_INT(dw->attrs.pad[2], 0);
    CHECK_NEAR(lrn->attrs.bias, 2, 0);
    CHECK_INT(lrn->attrs.size, 5);
    CHECK_INT(graph->meta.classes, 24);
    fr_graph_free(graph);
}

/* Each text is wrong on purpose; the sentence must hold both parts. */
static const struct {
    const char *text, *place, *says;
} wrong[] = {
    {"", "t.fold:1: ", "expected the first line to be 'model NAME"},
    {"\n# nothing\n", "t.fold:1: ", "expected the first line"},
    {"input 3x4x4\n", "t.fold:1: ", "found 'input'"},
    {"model\n", "t.fold:1: ", "found the end of the line"},
    {"model 3x\n", "t.fold:1: ", "expected the model's name"},
    {"model a \"t\n", "t.fold:1: ", "expected a closing quote"},
    {"model a\nmodel b\n", "t.fold:2: ", "a second 'model' line"},
    {"model a\n", "t.fold:1: ", "expected an input and a layer"},
    {"model a\nconv 3 3x3\n", "t.fold:2: ", "expected 'input CHANNELSxHEIGHTxWIDTH'"},
    {"model a\ninput 3x4\n", "t.fold:2: ", "expected CHANNELSxHEIGHTxWIDTH"},
    {"model a\ninput 3x4x4x4\n", "t.fold:2: ", "expected CHANNELSxHEIGHTxWIDTH"},
    {"model a\ninput 3x0x4\n", "t.fold:2: ", "found '3x0x4'"},
    {"model a\ninput 3x4x99999\n", "t.fold:2: ", "found '3x4x99999'"},
    {"model a\ninput 3x4x4x\n", "t.fold:2: ", "found '3x4x4x'"},
    {"model a\ninput 17x4x4\n", "t.fold:2: ", "at most 16 channels"},
    {"model a\ninput hidden 16384x16384x16384\n", "t.fold:2: ", "more than 2^31 numbers"},
    {"model a\ninput 3x4x4\ninput 3x4x4\n", "t.fold:3: ", "a second 'input' line"},
    {"model a\ninput 3x4x4\n\n# gap\nconv 8\n", "t.fold:5: ", "expected the window of conv"},
    {"model a\ninput 3x4x4\nconv 0 3x3\n", "t.fold:3: ", "expected conv's channels"},
    {"model a\ninput 3x4x4\nconv 65537 3x3\n", "t.fold:3: ", "found '65537'"},
    {"model a\ninput 3x4x4\nconv 8 3\n", "t.fold:3: ", "expected the window of conv"},
    {"model a\ninput 3x4x4\nconv 8 3x3 strid 2\n", "t.fold:3: ", "found 'strid'"},
    {"model a\ninput 3x4x4\nconv 8 3x3 stride 0\n", "t.fold:3: ", "expected a stride"},
    {"model a\ninput 3x4x4\nconv 8 3x3 pad 1x1x1\n", "t.fold:3: ", "found three"},
    {"model a\ninput 3x4x4\nconv 8 3x3 relu relu\n", "t.fold:3: ", "found 'relu'"},
    {"model a\ninput 3x4x4\nconv 8 3x3 leakyrelu\n", "t.fold:3: ", "expected leakyrelu's slope"},
    {"model a\ninput 3x4x4\nconv 8 3x3 group 2\n", "t.fold:3: ", "group 2 must divide both"},
    {"model a\ninput 3x4x4\nconv 8 5x5\n", "t.fold:3: ", "conv1"},
    {"model a\ninput 3x4x4\ndwconv 8 3x3\n", "t.fold:3: ", "expected the window of dwconv"},
    {"model a\ninput 3x4x4\ndwconv 3x3 group 3\n", "t.fold:3: ", "found 'group'"},
    {"model a\ninput 3x4x4\nfc 8\n", "t.fold:3: ", "put 'flatten'"},
    {"model a\ninput 3x4x4\nflatten\nfc\n", "t.fold:4: ", "expected fc's outputs"},
    {"model a\ninput 3x4x4\nflatten\nconv 8 1x1\n", "t.fold:4: ", "what comes in is flat"},
    {"model a\ninput 3x4x4\nflatten\nfc 8 bn\n", "t.fold:4: ", "expected the end of the line, found 'bn'"},
    {"model a\ninput 3x4x4\nmaxpool 2x2 includepad\n", "t.fold:3: ", "found 'includepad'"},
    {"model a\ninput 3x4x4\nadd x\n", "t.fold:3: ", "no 'as x' comes before"},
    {"model a\ninput 3x4x4\nfrom x\nconv 8 3x3\n", "t.fold:3: ", "expected the name of an earlier result, found 'x'"},
    {"model a\ninput 3x4x4\nconcat\n", "t.fold:3: ", "expected the name of an earlier result"},
    {"model a\ninput 3x4x4\nconv 8 1x1 as\n", "t.fold:3: ", "expected a name for the result"},
    {"model a\ninput 3x4x4\nconv 8 1x1 as x y\n", "t.fold:3: ", "expected the end of the line, found 'y'"},
    {"model a\ninput 3x4x4\nas x\nconv 8 3x3\nadd x\n", "t.fold:5: ", "add1"},
    {"model a\ninput 3x4x4\nconv 8 1x1\nfrom input\nconv 2 1x1\n", "t.fold:3: ", "nothing uses what conv1 makes"},
    {"model a\ninput 3x4x4\nconvolution 8 1x1\n", "t.fold:3: ", "found 'convolution'"},
    {"model a\ninput 3x4x4\nrepeat 2\nconv 8 1x1\n", "t.fold:3: ", "expected an 'end'"},
    {"model a\ninput 3x4x4\nrepeat 0\nconv 8 1x1\nend\n", "t.fold:3: ", "expected a number of times"},
    {"model a\ninput 3x4x4\nend\n", "t.fold:3: ", "found 'end'"},
    {"model a\nunit conv\nend\n", "t.fold:2: ", "the name 'conv' is taken"},
    {"model a\nunit u w\nconv $w 1x1\nend\ninput 3x4x4\nu\n",
     "t.fold:6: ", "expected the unit's 'w', found the end of the line"},
    {"model a\nunit u w\nconv $v 1x1\nend\ninput 3x4x4\n\nu 8\n",
     "t.fold:3: ", "found '$v' (in unit 'u', used on line 7)"},
    {"model a\nunit u\nu\nend\ninput 3x4x4\nu\n", "t.fold:3: ", "more than 8 deep"},
    {"model a\ninput 3x4x4\nrepeat 2\nunit u\nend\nend\n", "t.fold:4: ", "a unit inside a repeat"},
    {"model a\ninput 3x4x4\nrepeat 4096\nrepeat 4096\nas x\nend\nend\n", "t.fold:5: ", "more than 65536 lines"},
    {"model a\ninput 3x4x4\nrepeat 4096\nrelu\nend\nrelu\n", "t.fold:6: ", "more than 4096 layers"},
    {"model a\ninput 3x4x4\nmean 1 2\nconv 8 1x1\n", "t.fold:3: ", "one for each of 3 channels"},
    {"model a\ninput 3x4x4\nscale x\nconv 8 1x1\n", "t.fold:3: ", "expected scale (a decimal number)"},
    {"model a\ninput hidden 3x4x4\nmean 1\n", "t.fold:3: ", "hidden layer's"},
    {"model a\nclasses 7\ninput 3x4x4\nflatten\nfc 8\n",
     "t.fold:2: ", "expected 7 classes, found a last layer that makes 8"},
    {"model a\ninput 3x4x4\nconv 8 3x3 pad \x01\n", "t.fold:3: ", "found byte 0x01"},
    {"model a\ninput hidden 16384x1x1\nconv 65536 16384x1 pad 16384\n", "t.fold:3: ", "more than 2^31 numbers"},
    {"model a\ninput hidden 60000x1x1\n", "t.fold:2: ", "each from 1 to"},
    {"model a\ninput hidden 16384x4x4\nas x\nconcat x x x x x\n", "t.fold:4: ", "more than 65536 channels"},
    {"model abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmn\n", "t.fold:1: ", "at most 63"},
};

TEST(mistakes_are_named_with_their_line) {
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fr_graph *graph = (fr_graph *)(void *)&i;
        fr_status status = fr_fold_text_parse(wrong[i].text, strlen(wrong[i].text), "t.fold", &graph);
        if (status != FR_INVALID || graph)
            fprintf(stderr, "%s\n", wrong[i].text);
        CHECK_INT(status, FR_INVALID);
        CHECK(graph == NULL);
        CHECK_HAS(fr_error_sentence(), wrong[i].place);
        CHECK_HAS(fr_error_sentence(), wrong[i].says);
    }
}

TEST(a_huge_text_is_refused) {
    size_t bytes = (1 << 20) + 1;
    char *text = fr_alloc(bytes);
    fr_graph *graph;
    CHECK(text);
    memset(text, '\n', bytes);
    CHECK_INT(fr_fold_text_parse(text, bytes, "t.fold", &graph), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "at most 1048576");
    fr_free(text);
}

/* A copy of exactly the bytes, so that a sanitizer sees one step past their end. */
static fr_status parse_copy(const char *text, size_t bytes) {
    fr_graph *graph = NULL;
    char *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return FR_NO_MEMORY;
    memcpy(copy, text, bytes);
    fr_status status = fr_fold_text_parse(copy, bytes, "cut.fold", &graph);
    if ((status == FR_OK) != (graph != NULL))
        status = FR_INTERNAL;
    fr_graph_free(graph);
    free(copy);
    return status;
}

TEST(cut_and_damaged_texts_never_crash) {
    size_t count, refused = 0;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    uint64_t live = fr_alloc_read().live_blocks;
    fr_random random = {7};
    for (size_t i = 0; i < count; i++) {
        for (size_t bytes = 0; bytes < zoo[i].bytes; bytes++) {
            fr_status status = parse_copy(zoo[i].text, bytes);
            CHECK(status == FR_OK || status == FR_INVALID);
            refused += status != FR_OK;
        }
        char *text = malloc(zoo[i].bytes);
        CHECK(text);
        for (int32_t round = 0; round < 200; round++) {
            memcpy(text, zoo[i].text, zoo[i].bytes);
            for (int32_t k = 0; k < 3; k++)
                text[fr_random_next(&random) % zoo[i].bytes] = (char)(fr_random_next(&random) % 256);
            fr_status status = parse_copy(text, zoo[i].bytes);
            CHECK(status == FR_OK || status == FR_INVALID);
        }
        free(text);
    }
    CHECK(refused > 100);
    CHECK_INT(fr_alloc_read().live_blocks, live);
}

TEST(running_out_of_memory_leaves_nothing) {
    static const char text[] =
        "model a \"b\"\ninput 3x4x4\nconv 8 1x1 bn relu as x\nconv 8 1x1\nadd x\nflatten\nfc 3\n";
    uint64_t live = fr_alloc_read().live_blocks;
    for (uint64_t n = 1;; n++) {
        fr_alloc_fail_at(n);
        fr_status status = parse_copy(text, sizeof text - 1);
        fr_alloc_fail_at(0);
        CHECK_INT(fr_alloc_read().live_blocks, live);
        if (status == FR_OK) {
            CHECK(n > 10);
            return;
        }
        CHECK_INT(status, FR_NO_MEMORY);
    }
}

CHECK_MAIN
