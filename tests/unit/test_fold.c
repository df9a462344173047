/* Folding: widths, what the transform makes of each kind of layer, and what it refuses. */
#include "base/alloc.h"
#include "graph/ops.h"
#include "zoo_models.h"

/* ---- widths ---- */

TEST(widths_are_exact) {
    for (int64_t width = 1; width <= 2100; width++) {
        for (int32_t fold = 1; fold <= 17; fold++) {
            fr_fold_options options = fold_by(fold);
            int64_t got = fr_fold_width(width, &options), square = width * width * fold;
            CHECK(got * got <= square && (got + 1) * (got + 1) > square);
        }
    }
    fr_fold_options options = fold_by(2);
    CHECK_INT(fr_fold_width(64, &options), 90);
    CHECK_INT(fr_fold_width(2147483647, &options), 3037000498); /* (2^31 - 1) * 1.41421356... = 3037000498.56 */
    options.fold = 16;
    CHECK_INT(fr_fold_width(1, &options), 4);
}

TEST(widths_are_rounded_to_the_quantum) {
    static const struct {
        int64_t width;
        fr_round round;
        int32_t quantum, want;
    } table[] = {{64, FR_ROUND_FLOOR, 16, 90},   {64, FR_ROUND_UP, 16, 96},      {64, FR_ROUND_DOWN, 16, 80},
                 {64, FR_ROUND_NEAREST, 16, 96}, {32, FR_ROUND_NEAREST, 16, 48}, {32, FR_ROUND_NEAREST, 32, 32},
                 {17, FR_ROUND_NEAREST, 16, 32}, /* 24 is half way: up */
                 {16, FR_ROUND_NEAREST, 16, 16}, {8, FR_ROUND_DOWN, 16, 16},     {1, FR_ROUND_NEAREST, 16, 16},
                 {64, FR_ROUND_UP, 1, 90},       {64, FR_ROUND_DOWN, 0, 90},     {64, FR_ROUND_UP, 90, 90},
                 {64, FR_ROUND_DOWN, 90, 90}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fr_fold_options options = fold_by(2);
        options.round = table[i].round;
        options.quantum = table[i].quantum;
        CHECK_INT(fr_fold_width(table[i].width, &options), table[i].want);
    }
}

/* ---- graphs ---- */

static const fr_value *input_of(const fr_graph *graph, const char *node, int32_t index) {
    return &graph->values[node_named(graph, node)->inputs[index]];
}

static int64_t width_of(const fr_graph *graph, const char *node) {
    return graph->values[node_named(graph, node)->outputs[0]].shape.dim[1];
}

static void check_weight(const fr_graph *graph, const char *node, int64_t out, int64_t in) {
    const fr_value *weight = input_of(graph, node, 1);
    CHECK_INT(weight->shape.dim[0], out);
    CHECK_INT(weight->shape.dim[1], in);
}

TEST(v1_by_two_and_by_four) {
    static const struct {
        int32_t fold;
        int64_t wide, narrow;
    } table[] = {{2, 45, 11}, {3, 55, 13}, {4, 64, 16}, {7, 84, 21}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int32_t f = table[i].fold;
        fr_graph *plain = zoo_graph("v1"), *graph = folded_graph(plain, f);
        CHECK(plain && graph);
        check_weight(graph, "conv1", table[i].wide, 3 * f);
        check_weight(graph, "conv2", table[i].wide, table[i].wide);
        check_weight(graph, "conv5", table[i].narrow, table[i].wide);
        check_weight(graph, "fc1", 11 * f, table[i].narrow * 3 * 11);
        CHECK_INT(input_of(graph, "conv1", 2)->shape.dim[0], table[i].wide);
        CHECK_INT(input_of(graph, "fc1", 2)->shape.dim[0], 11 * f);
        CHECK_INT(graph->values[graph->inputs[0]].shape.dim[1], 3 * f);
        CHECK_INT(graph->values[graph->outputs[0]].shape.dim[1], 11 * f);
        CHECK_INT(graph->meta.fold, f);
        CHECK_INT(graph->meta.classes, 11);
        CHECK_INT(graph->meta.image_channels, 3);
        CHECK_INT(plain->meta.fold, 1);
        check_weight(plain, "conv1", 32, 3);
        CHECK_TEXT(graph->name, "v1");
        CHECK_TEXT(graph->title, plain->title);
        fr_graph_free(plain);
        fr_graph_free(graph);
    }
}

TEST(fold_one_is_a_copy_with_its_weights) {
    fr_graph *plain = zoo_graph("v2");
    CHECK(plain);
    CHECK_OK(fr_graph_materialize(plain));
    fr_graph *copy = folded_graph(plain, 1);
    CHECK(copy);
    CHECK_INT(copy->meta.fold, 1);
    const fr_value *a = input_of(plain, "conv1", 1), *b = input_of(copy, "conv1", 1);
    CHECK(a->data && b->data && a->data != b->data);
    CHECK(memcmp(a->data, b->data, fr_shape_elements(&a->shape) * sizeof(float)) == 0);
    fr_graph_free(copy);
    fr_graph_free(plain);
}

TEST(fold_one_with_rounding_changes_widths) {
    fr_graph *plain = zoo_graph("v1"), *graph;
    fr_fold_options options = fold_by(1);
    options.round = FR_ROUND_UP;
    options.quantum = 16;
    CHECK(plain);
    CHECK_OK(fr_fold_graph(plain, &options, &graph));
    CHECK_INT(width_of(graph, "conv5"), 16);
    CHECK_INT(graph->values[graph->outputs[0]].shape.dim[1], 11);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

TEST(weights_are_fresh_and_follow_the_seed) {
    fr_graph *plain = zoo_graph("v2"), *folded[3];
    CHECK(plain);
    CHECK_OK(fr_graph_materialize(plain));
    for (uint64_t i = 0; i < 3; i++) {
        fr_fold_options options = fold_by(4);
        options.seed = i / 2;
        CHECK_OK(fr_fold_graph(plain, &options, &folded[i]));
        CHECK(folded[i]->meta.seeded);
        CHECK(input_of(folded[i], "conv2", 1)->data == NULL);
        CHECK_OK(fr_graph_materialize(folded[i]));
    }
    const fr_value *a = input_of(folded[0], "conv2", 1), *b = input_of(folded[1], "conv2", 1),
                   *c = input_of(folded[2], "conv2", 1);
    size_t bytes = fr_shape_elements(&a->shape) * sizeof(float);
    CHECK(memcmp(a->data, b->data, bytes) == 0);
    CHECK(memcmp(a->data, c->data, bytes) != 0);
    for (int32_t i = 0; i < 3; i++)
        fr_graph_free(folded[i]);
    fr_graph_free(plain);
}

TEST(group_convolutions_keep_their_groups) {
    fr_graph *g32 = zoo_graph("g32"), *g64 = zoo_graph("g64"), *by4 = folded_graph(g32, 4), *graph;
    CHECK(g32 && g64 && by4);
    check_weight(by4, "conv1", 64, 16);
    CHECK_INT(node_named(by4, "conv1")->attrs.group, 4);
    CHECK_INT(by4->meta.fold, 4);
    CHECK_INT(by4->meta.image_channels, 16); /* an image's share of a hidden input */
    fr_graph_free(by4);
    by4 = folded_graph(g64, 4);
    CHECK(by4);
    check_weight(by4, "conv1", 128, 32);
    fr_fold_options options = fold_by(3);
    CHECK_INT(fr_fold_graph(g32, &options, &graph), FR_UNSUPPORTED);
    CHECK(graph == NULL);
    CHECK_HAS(fr_error_sentence(), "'conv1'");
    CHECK_HAS(fr_error_sentence(), "--round down:12 or up:12");
    options.round = FR_ROUND_DOWN;
    options.quantum = 12;
    CHECK_OK(fr_fold_graph(g32, &options, &graph));
    check_weight(graph, "conv1", 48, 12);
    fr_graph_free(graph);
    fr_graph_free(by4);
    fr_graph_free(g32);
    fr_graph_free(g64);
}

TEST(depthwise_stays_depthwise) {
    fr_graph *plain = text_graph("model a\ninput 3x8x8\ndwconv 3x3 pad 1 bn\nconv 32 1x1 bn relu6\ndwconv 3x3 pad 1 bn "
                                 "relu6\nconv 16 1x1 bn\nglobalavgpool\nflatten\nfc 10\n");
    fr_graph *graph = folded_graph(plain, 2);
    CHECK(plain && graph);
    CHECK_INT(node_named(graph, "dwconv1")->attrs.group, 6);
    check_weight(graph, "dwconv1", 6, 1);
    check_weight(graph, "conv1", 45, 6);
    CHECK_INT(node_named(graph, "dwconv2")->attrs.group, 45);
    check_weight(graph, "dwconv2", 45, 1);
    CHECK_INT(input_of(graph, "bn1", 1)->shape.dim[0], 6);
    CHECK_INT(input_of(graph, "bn3", 4)->shape.dim[0], 45);
    CHECK_INT(input_of(graph, "bn3", 4)->init, FR_INIT_ONE);
    CHECK_INT(input_of(graph, "bn3", 3)->init, FR_INIT_ZERO);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

TEST(branches_meet_with_equal_widths) {
    fr_graph *plain = zoo_graph("resnet18"), *graph = folded_graph(plain, 2);
    CHECK(plain && graph);
    CHECK_INT(width_of(graph, "add8"), 724);
    check_weight(graph, "fc1", 2000, 724);
    fr_graph_free(plain);
    fr_graph_free(graph);
    plain = zoo_graph("googlenet");
    graph = folded_graph(plain, 2);
    CHECK(plain && graph);
    CHECK_INT(width_of(graph, "concat1"), 90 + 181 + 45 + 45); /* the sum of the folded parts, not the folded 256 */
    check_weight(graph, "conv11", 181, 361);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

TEST(the_map_that_makes_the_logits_may_be_pooled_after) {
    fr_graph *plain = zoo_graph("squeezenet"), *graph = folded_graph(plain, 3);
    CHECK(plain && graph);
    CHECK_INT(width_of(graph, "conv26"), 3000);
    CHECK_INT(graph->values[graph->outputs[0]].shape.dim[1], 3000);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

TEST(a_softmax_over_all_images_goes) {
    fr_graph *plain = text_graph("model a\ninput 1x4x4\nconv 4 3x3 relu\nflatten\nfc 3\nsoftmax\n"),
             *graph = folded_graph(plain, 2);
    CHECK(plain && graph);
    CHECK_INT(node_named(plain, "softmax1")->op, FR_OP_SOFTMAX);
    CHECK_INT(node_named(graph, "softmax1")->op, FR_OP_IDENTITY);
    check_weight(graph, "conv1", 5, 2);
    check_weight(graph, "fc1", 6, 5 * 4);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

/* ---- graphs that only a file can hold ---- */

static int32_t made(fr_graph *graph, fr_op op, const char *name, const int32_t *inputs, int32_t n_inputs,
                    const fr_attrs *attrs) {
    int32_t value = -1, node;
    fr_attrs plain = fr_attrs_default(op);
    if (fr_graph_add_value(graph, name, &value) != FR_OK ||
        fr_graph_add_node(graph, op, name, attrs ? attrs : &plain, inputs, n_inputs, &value, 1, &node) != FR_OK)
        exit(1);
    return value;
}

static int32_t constant(fr_graph *graph, const char *name, fr_dtype dtype, int32_t rank, const int64_t *dims,
                        const void *data) {
    fr_shape shape = {.rank = rank};
    int32_t value = -1;
    memcpy(shape.dim, dims, (size_t)rank * sizeof *dims);
    if (fr_graph_add_const(graph, name, dtype, &shape, data, data ? FR_INIT_NONE : FR_INIT_CONV, &value) != FR_OK)
        exit(1);
    return value;
}

static fr_graph *started(int32_t *out_input) {
    fr_shape shape = {.rank = 4, .dim = {1, 3, 6, 6}};
    fr_graph *graph;
    if (fr_graph_new("hand", "made by hand", &graph) != FR_OK ||
        fr_graph_add_input(graph, "x", FR_F32, &shape, out_input) != FR_OK)
        exit(1);
    graph->meta.fold = 1;
    graph->meta.image_channels = 3;
    return graph;
}

static int32_t conv_on(fr_graph *graph, const char *name, int32_t input, int64_t out, int64_t in, int32_t group) {
    char weight[64];
    fr_attrs attrs = fr_attrs_default(FR_OP_CONV);
    snprintf(weight, sizeof weight, "%s.weight", name);
    attrs.kernel[0] = attrs.kernel[1] = 1;
    attrs.group = group;
    int32_t inputs[2] = {input, constant(graph, weight, FR_F32, 4, (int64_t[]){out, in / group, 1, 1}, NULL)};
    return made(graph, FR_OP_CONV, name, inputs, 2, &attrs);
}

static fr_status fold_ended(fr_graph *graph, int32_t output, int32_t fold, fr_graph **out) {
    fr_fold_options options = fold_by(fold);
    *out = NULL;
    if (fr_graph_add_output(graph, output) != FR_OK || fr_graph_infer(graph, 1) != FR_OK) {
        fprintf(stderr, "%s\n", fr_error_sentence());
        exit(1);
    }
    return fr_fold_graph(graph, &options, out);
}

TEST(numbers_applied_to_the_images_are_kept_for_each) {
    int32_t x;
    fr_graph *plain = started(&x), *graph;
    const float mean[3] = {1, 2, 3}, half = 0.5f, bias[4] = {5, 6, 7, 8};
    int32_t sub = made(plain, FR_OP_SUB, "sub",
                       (int32_t[]){x, constant(plain, "mean", FR_F32, 3, (int64_t[]){3, 1, 1}, mean)}, 2, NULL);
    int32_t mul = made(plain, FR_OP_MUL, "mul",
                       (int32_t[]){sub, constant(plain, "half", FR_F32, 0, (int64_t[]){1}, &half)}, 2, NULL);
    int32_t conv = conv_on(plain, "conv", mul, 4, 3, 1);
    int32_t add = made(plain, FR_OP_ADD, "add",
                       (int32_t[]){conv, constant(plain, "bias", FR_F32, 4, (int64_t[]){1, 4, 1, 1}, bias)}, 2, NULL);
    int32_t last = conv_on(plain, "last", add, 2, 4, 1);
    CHECK_OK(fold_ended(plain, last, 2, &graph));
    const fr_value *tiled = input_of(graph, "sub", 1);
    CHECK_INT(tiled->shape.dim[0], 6);
    for (int32_t i = 0; i < 6; i++)
        CHECK_NEAR(((const float *)tiled->data)[i], mean[i % 3], 0);
    CHECK_NEAR(*(const float *)input_of(graph, "mul", 1)->data, 0.5, 0);
    CHECK_INT(input_of(graph, "add", 1)->shape.dim[1], 5); /* learned: fresh */
    CHECK(input_of(graph, "add", 1)->data == NULL);
    check_weight(graph, "last", 4, 5);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

TEST(a_reshape_to_fixed_features_becomes_a_flatten) {
    int32_t x;
    fr_graph *plain = started(&x), *graph;
    const int64_t target[2] = {-1, 4 * 36};
    int32_t conv = conv_on(plain, "conv", x, 4, 3, 1);
    int32_t flat = made(plain, FR_OP_RESHAPE, "view",
                        (int32_t[]){conv, constant(plain, "target", FR_S64, 1, (int64_t[]){2}, target)}, 2, NULL);
    int32_t fc = made(plain, FR_OP_MATMUL, "fc",
                      (int32_t[]){flat, constant(plain, "w", FR_F32, 2, (int64_t[]){4 * 36, 7}, NULL)}, 2, NULL);
    int32_t add =
        made(plain, FR_OP_ADD, "add", (int32_t[]){fc, constant(plain, "b", FR_F32, 1, (int64_t[]){7}, NULL)}, 2, NULL);
    CHECK_OK(fold_ended(plain, add, 2, &graph));
    CHECK_INT(node_named(graph, "view")->op, FR_OP_FLATTEN);
    check_weight(graph, "fc", 5 * 36, 14);
    CHECK_INT(input_of(graph, "add", 1)->shape.dim[0], 14);
    CHECK_INT(graph->values[graph->outputs[0]].shape.dim[1], 14);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

/* Exporters store equal weights once, behind Identity nodes. */
TEST(shared_weights_are_parted) {
    int32_t x;
    fr_graph *plain = started(&x), *graph;
    const float ones[4] = {1, 1, 1, 1};
    int32_t shared = constant(plain, "ones", FR_F32, 1, (int64_t[]){4}, ones),
            copy = made(plain, FR_OP_IDENTITY, "copy", &shared, 1, NULL);
    int32_t one = conv_on(plain, "one", x, 4, 3, 1);
    int32_t first = made(plain, FR_OP_BATCHNORM, "first", (int32_t[]){one, shared, shared, copy, shared}, 5, NULL);
    int32_t two = conv_on(plain, "two", first, 2, 4, 1), three = conv_on(plain, "three", first, 2, 4, 1);
    fr_attrs attrs = fr_attrs_default(FR_OP_CONCAT);
    attrs.axis = 1;
    int32_t join = made(plain, FR_OP_CONCAT, "join", (int32_t[]){two, three}, 2, &attrs);
    int32_t second = made(plain, FR_OP_BATCHNORM, "second", (int32_t[]){join, copy, copy, copy, copy}, 5, NULL);
    int32_t last = conv_on(plain, "last", second, 2, 4, 1);
    CHECK_OK(fold_ended(plain, last, 2, &graph));
    for (int32_t i = 1; i < 5; i++) {
        CHECK_INT(input_of(graph, "first", i)->shape.dim[0], 5);
        CHECK_INT(input_of(graph, "second", i)->shape.dim[0], 4); /* two halves of floor(2*sqrt 2) */
    }
    CHECK_INT(input_of(graph, "second", 2)->init, FR_INIT_ZERO);
    CHECK(fr_graph_find(graph, "copy") < 0);
    fr_graph_free(plain);
    fr_graph_free(graph);
}

static void check_refused(fr_graph *plain, int32_t output, int32_t fold, const char *node, const char *why) {
    fr_graph *graph = NULL;
    CHECK_INT(fold_ended(plain, output, fold, &graph), FR_UNSUPPORTED);
    CHECK(graph == NULL);
    CHECK_HAS(fr_error_sentence(), node);
    CHECK_HAS(fr_error_sentence(), why);
    fr_graph_free(plain);
}

TEST(what_cannot_be_folded_says_why) {
    int32_t x, a, b;
    fr_graph *g = started(&x);
    a = conv_on(g, "one", x, 4, 3, 1);
    b = conv_on(g, "two", x, 4, 3, 1);
    check_refused(g, made(g, FR_OP_ADD, "join", (int32_t[]){a, b}, 2, NULL), 2, "'join'", "no single conv or fc");

    g = started(&x);
    a = conv_on(g, "one", x, 4, 3, 1);
    check_refused(g, made(g, FR_OP_ARGMAX, "best", &a, 1, NULL), 2, "'best'", "before ArgMax");

    g = started(&x);
    a = conv_on(g, "one", x, 9, 3, 3); /* 3 groups divide 6 channels in and 12 out at f = 2 */
    b = conv_on(g, "two", a, 2, 9, 1);
    fr_graph *folded;
    CHECK_OK(fold_ended(g, b, 2, &folded));
    fr_graph_free(folded);
    fr_graph_free(g);

    g = started(&x);
    a = conv_on(g, "one", x, 8, 3, 1);
    b = conv_on(g, "two", a, 8, 8, 4);
    check_refused(g, conv_on(g, "three", b, 2, 8, 1), 2, "'two'", "--round down:4 or up:4"); /* floor(8*1.41) = 11 */

    g = started(&x);
    fr_attrs perm = fr_attrs_default(FR_OP_TRANSPOSE);
    perm.n_axes = 4;
    memcpy(perm.axes, (int64_t[]){0, 1, 3, 2}, 4 * sizeof(int64_t));
    a = made(g, FR_OP_TRANSPOSE, "turn", &x, 1, &perm);
    check_refused(g, conv_on(g, "one", a, 2, 3, 1), 2, "'turn'", "moves numbers");

    g = started(&x);
    a = conv_on(g, "one", x, 4, 3, 1);
    CHECK_OK(fr_graph_add_output(g, a));
    check_refused(g, conv_on(g, "two", a, 2, 4, 1), 2, "'hand'", "2 outputs");

    g = started(&x);
    check_refused(g, made(g, FR_OP_RELU, "only", &x, 1, NULL), 2, "'hand'", "no conv and no fc");

    g = started(&x);
    a = conv_on(g, "one", x, 3, 3, 1); /* a hidden width: 4 at f = 2, beside the 6 channels of two images */
    b = made(g, FR_OP_ADD, "mix", (int32_t[]){x, a}, 2, NULL);
    check_refused(g, conv_on(g, "two", b, 2, 3, 1), 2, "'mix'", "joins 4 channels with 6");
}

TEST(a_folded_model_is_not_folded_again) {
    fr_graph *plain = zoo_graph("n1"), *once = folded_graph(plain, 2), *twice;
    fr_fold_options options = fold_by(2);
    CHECK(plain && once);
    CHECK_INT(fr_fold_graph(once, &options, &twice), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "already folded by 2");
    fr_graph_free(plain);
    fr_graph_free(once);
}

TEST(impossible_options_are_refused) {
    static const struct {
        int32_t fold, round, quantum;
    } table[] = {{0, 0, 0}, {-4, 0, 0}, {1025, 0, 0}, {2, 1, -1}, {2, 9, 4}};
    fr_graph *plain = zoo_graph("n1"), *graph;
    CHECK(plain);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fr_fold_options options = fold_by(table[i].fold);
        options.round = (fr_round)table[i].round;
        options.quantum = table[i].quantum;
        CHECK_INT(fr_fold_graph(plain, &options, &graph), FR_INVALID);
        CHECK(graph == NULL);
    }
    fr_graph_free(plain);
}

TEST(tails_are_rounded_up_to_whole_inputs) {
    CHECK_INT(fr_fold_inputs(1024, 4), 256);
    CHECK_INT(fr_fold_inputs(1025, 4), 257);
    CHECK_INT(fr_fold_inputs(1, 16), 1);
    CHECK_INT(fr_fold_inputs(7, 1), 7);
}

/* A folded model runs: as many numbers as it says, none of them broken. */
TEST(folded_models_compute) {
    fr_graph *plain = text_graph("model a\ninput 3x7x9\nconv 8 3x3 pad 1 bn relu as x\ndwconv 3x3 pad 1 bn\nadd x "
                                 "relu\nmaxpool 3x3 stride 2\nflatten\nfc 5\n");
    for (int32_t fold = 1; fold <= 5; fold++) {
        fr_graph *graph = folded_graph(plain, fold);
        CHECK(graph);
        fr_dense in = {.shape = {.rank = 4, .dim = {2, 3 * fold, 7, 9}}}, out = {0};
        size_t count = fr_shape_elements(&in.shape);
        in.data = fr_alloc_array(count, sizeof(double));
        CHECK(in.data);
        for (size_t i = 0; i < count; i++)
            in.data[i] = (double)(i % 11) - 5;
        CHECK_OK(fr_graph_eval(graph, &in, &out));
        CHECK_INT(fr_shape_elements(&out.shape), 2 * 5 * fold);
        double sum = 0;
        for (size_t i = 0; i < 2u * 5u * (size_t)fold; i++)
            sum += fabs(out.data[i]);
        CHECK(sum > 0 && sum < 1e9);
        fr_free(in.data);
        fr_free(out.data);
        fr_graph_free(graph);
    }
    fr_graph_free(plain);
}

TEST(running_out_of_memory_leaves_nothing) {
    fr_graph *plain =
        text_graph("model a\ninput 3x4x4\nconv 8 1x1 bn relu as x\nconv 8 1x1\nadd x\nflatten\nfc 3\nsoftmax\n");
    CHECK(plain);
    uint64_t live = fr_alloc_read().live_blocks;
    for (uint64_t n = 1;; n++) {
        fr_fold_options options = fold_by(3);
        fr_graph *graph;
        fr_alloc_fail_at(n);
        fr_status status = fr_fold_graph(plain, &options, &graph);
        fr_alloc_fail_at(0);
        fr_graph_free(graph);
        CHECK_INT(fr_alloc_read().live_blocks, live);
        if (status == FR_OK) {
            CHECK(n > 10);
            break;
        }
        CHECK_INT(status, FR_NO_MEMORY);
    }
    fr_graph_free(plain);
}

CHECK_MAIN
