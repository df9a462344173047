/* Cost figures against the published ones. */
#include "base/alloc.h"
#include "graph/passes.h"
#include "zoo_models.h"

typedef struct published {
    const char *name;
    int64_t ops, ops_by_4;
} published;

/* FACTS section 2: MACs*2 of one input, plain and folded by 4. */
static const published table[] = {{"v1", 16778672, 74796928},  {"v2", 7171808, 31882816},  {"v3", 10128224, 45079744},
                                  {"v4", 14558784, 62633856},  {"v5", 16831472, 75219328}, {"v6", 7904560, 35187296},
                                  {"n1", 16400512, 73924096},  {"n2", 16400512, 73924096}, {"n3", 120589952, 498680320},
                                  {"n4", 196160128, 817921024}};

TEST(operations_agree_to_the_last_digit) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fr_graph *plain = zoo_graph(table[i].name), *folded = folded_graph(plain, 4);
        fr_cost cost;
        CHECK(plain && folded);
        CHECK_OK(fr_cost_of(plain, 1024, 4, 0, &cost));
        CHECK_INT(cost.ops_per_input, table[i].ops);
        CHECK_NEAR(cost.ops_per_image, (double)table[i].ops, 0);
        CHECK_INT(cost.inputs, 1024);
        fr_cost_free(&cost);
        CHECK_OK(fr_cost_of(folded, 1023, 4, 0, &cost));
        CHECK_INT(cost.ops_per_input, table[i].ops_by_4);
        CHECK_NEAR(cost.ops_per_image, (double)table[i].ops_by_4 / 4, 0);
        CHECK_INT(cost.fold, 4);
        CHECK_INT(cost.images_per_input, 4);
        CHECK_INT(cost.inputs, 256);
        fr_cost_free(&cost);
        fr_graph_free(plain);
        fr_graph_free(folded);
    }
}

/* Counts again, from the simplified graph and by another way: every conv and Gemm's output elements times its row of
 * weights. Biases are left out, for there each conv has one. */
static double products_of(const fr_graph *graph) {
    double products = 0;
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        const fr_node *node = &graph->nodes[i];
        if (node->op != FR_OP_CONV && node->op != FR_OP_GEMM)
            continue;
        const fr_shape *weight = &graph->values[node->inputs[1]].shape, *out = &graph->values[node->outputs[0]].shape;
        double rows = (double)weight->dim[0];
        products += (double)fr_shape_elements(out) / (double)out->dim[0] * ((double)fr_shape_elements(weight) / rows);
    }
    return 2 * products;
}

TEST(simplified_graphs_count_the_same) {
    static const char *const names[] = {"v1", "n3", "g32", "cifar_resnet18", "mobilenet_v2", "squeezenet", "googlenet"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fr_graph *raw = zoo_graph(names[i]), *simple = zoo_graph(names[i]);
        fr_cost cost;
        CHECK(raw && simple);
        CHECK_OK(fr_graph_simplify(simple));
        CHECK_OK(fr_cost_of(raw, 1, 4, 0, &cost));
        CHECK_NEAR(cost.flops, products_of(simple), 0);
        fr_cost_free(&cost);
        CHECK_OK(fr_cost_of(simple, 1, 4, 0, &cost));
        CHECK_NEAR(cost.flops, products_of(simple), 0);
        fr_cost_free(&cost);
        fr_graph_free(raw);
        fr_graph_free(simple);
    }
}

static void rounded(double number, double unit, char out[32]) {
    snprintf(out, 32, "%.2f", number / unit);
}

static void check_example(const fr_graph *graph, const char *activations, const char *weights, const char *megabytes,
                          const char *intensity) {
    fr_cost cost;
    char text[32];
    CHECK_OK(fr_cost_of(graph, 1024, 2, 4, &cost));
    CHECK_INT(cost.n_layers, 1);
    const fr_layer_cost *layer = &cost.layers[0];
    rounded(layer->activation_bytes / 2, 1e6, text);
    CHECK_TEXT(text, activations);
    rounded(layer->weight_bytes / 2, 1e6, text);
    CHECK_TEXT(text, weights);
    rounded(layer->weight_bytes + layer->activation_bytes, 1e6, text);
    CHECK_TEXT(text, megabytes);
    rounded(layer->flops, 1e6, text);
    CHECK_TEXT(text, "5398.07");
    rounded(layer->arithmetic_intensity, 1, text);
    CHECK_TEXT(text, intensity);
    CHECK_NEAR(cost.arithmetic_intensity, layer->arithmetic_intensity, 0);
    fr_cost_free(&cost);
}

TEST(the_papers_worked_example) {
    fr_graph *plain = text_graph("model example\ninput hidden 32x11x26\nconv 32 3x3 pad 1\n"),
             *folded = folded_graph(plain, 4);
    fr_cost cost;
    CHECK(plain && folded);
    check_example(plain, "18.74", "0.01", "37.51", "143.93");
    check_example(folded, "9.37", "0.04", "18.82", "286.87");
    CHECK_OK(fr_cost_of(plain, 1024, 2, 0, &cost));
    CHECK_NEAR(cost.layers[0].nhw, 1024 * 11 * 26, 0);
    CHECK_NEAR(cost.layers[0].nhw_threshold, 3.0 * 32 * 3 * 3 * 32 / (0.5 * 64),
               1e-9); /* (f-1)*Ci*Kh*Kw*Co / ((1-1/sqrt f)(Ci+Co)) */
    fr_cost_free(&cost);
    fr_graph_free(plain);
    fr_graph_free(folded);
}

/* The rule says what the traffic does, on both sides of the threshold. */
static void check_rule(const char *text, int32_t fold, bool has_images_on_both_sides) {
    fr_graph *plain = text_graph(text), *folded = folded_graph(plain, fold);
    bool seen[2] = {false, false};
    CHECK(plain && folded);
    for (int64_t images = fold; images <= 4096 * fold; images += images < 64 * fold ? fold : 64 * fold) {
        fr_cost before, after;
        CHECK_OK(fr_cost_of(plain, images, 4, fold, &before));
        CHECK_OK(fr_cost_of(folded, images, 4, fold, &after));
        const fr_layer_cost *b = &before.layers[0], *a = &after.layers[0];
        bool lower = a->weight_bytes + a->activation_bytes < b->weight_bytes + b->activation_bytes;
        if (fabs(b->nhw - b->nhw_threshold) > 1e-6 * b->nhw)
            CHECK_INT(lower, b->nhw > b->nhw_threshold);
        seen[lower] = true;
        fr_cost_free(&before);
        fr_cost_free(&after);
    }
    CHECK_INT(seen[0] && seen[1], has_images_on_both_sides);
    fr_graph_free(plain);
    fr_graph_free(folded);
}

TEST(the_threshold_is_where_traffic_falls) {
    check_rule("model a\ninput hidden 32x4x4\nconv 32 3x3 pad 1\n", 4, true);
    check_rule("model a\ninput hidden 48x8x8\nconv 16 3x3 stride 2 pad 1\n", 4, true);
    check_rule("model a\ninput hidden 32x2x2\nconv 32 3x3 pad 1 group 4\n", 4, true);
    check_rule("model a\ninput hidden 18x1x1\nconv 36 5x5 pad 2\n", 9, true);
    check_rule("model a\ninput hidden 64x1x1\ndwconv 3x3 pad 1\n", 4, true);
    check_rule("model a\ninput hidden 64x1x1\nflatten\nfc 128\n", 4, true);
    check_rule("model a\ninput hidden 16x40x40\nconv 16 1x1\n", 4, false);
}

TEST(layers_and_their_dims) {
    fr_graph *graph = zoo_graph("v1");
    fr_cost cost;
    CHECK(graph);
    CHECK_OK(fr_cost_of(graph, 256, 4, 0, &cost));
    static const char *const names[] = {"conv1", "pool1", "conv2", "conv3", "conv4", "pool2", "conv5", "pool3", "fc1"};
    CHECK_INT(cost.n_layers, 9);
    int64_t params = 0, ops = 0;
    for (size_t i = 0; i < 9; i++) {
        CHECK_TEXT(cost.layers[i].name, names[i]);
        params += cost.layers[i].params;
        ops += cost.layers[i].ops_per_input;
    }
    CHECK_INT(params, cost.params);
    CHECK_INT(ops, cost.ops_per_input);
    CHECK_INT(cost.params, 3 * 32 * 9 + 32 + 3 * (32 * 32 * 9 + 32) + 32 * 8 * 9 + 8 + 8 * 3 * 11 * 11 + 11);
    const fr_layer_cost *conv = &cost.layers[0], *pool = &cost.layers[1], *fc = &cost.layers[8];
    CHECK_TEXT(conv->kind, "conv");
    CHECK_INT(conv->in[0], 3);
    CHECK_INT(conv->out[0], 32);
    CHECK_INT(conv->out[1], 22);
    CHECK_INT(conv->out[2], 52);
    CHECK_INT(conv->kernel[0], 3);
    CHECK_INT(conv->ops_per_input, 2 * 22 * 52 * 32 * (27 + 1));
    CHECK_NEAR(conv->activation_bytes, 256.0 * 22 * 52 * 35 * 4, 0);
    CHECK_TEXT(pool->kind, "maxpool");
    CHECK_INT(pool->stride[0], 2);
    CHECK_INT(pool->out[1], 10);
    CHECK_INT(pool->out[2], 25);
    CHECK_NEAR(pool->nhw_threshold, -1, 0);
    CHECK_NEAR(pool->arithmetic_intensity, 0, 0);
    CHECK_TEXT(fc->kind, "fc");
    CHECK_INT(fc->in[0], 8 * 3 * 11);
    CHECK_INT(fc->ops_per_input, 2 * 8 * 3 * 11 * 11);
    CHECK_NEAR(fc->nhw, 256, 0);
    fr_cost_free(&cost);
    CHECK(cost.layers == NULL && cost.n_layers == 0);
    fr_cost_free(&cost);
    fr_cost_free(NULL);
    fr_graph_free(graph);
}

TEST(groups_and_batchnorm_are_counted) {
    fr_graph *graph = text_graph("model a\ninput 4x6x6\nconv 8 3x3 pad 1 group 2 bn relu as x\ndwconv 3x3 pad 1\nadd "
                                 "x\nglobalavgpool\nflatten\nfc 3\n");
    fr_cost cost;
    CHECK(graph);
    CHECK_OK(fr_cost_of(graph, 5, 2, 0, &cost));
    CHECK_INT(cost.n_layers, 5);
    CHECK_INT(cost.layers[0].params, 8 * 2 * 9 + 2 * 8);
    CHECK_INT(cost.layers[0].groups, 2);
    CHECK_INT(cost.layers[0].ops_per_input, 2 * 8 * 36 * 2 * 9); /* BatchNormalization adds none */
    CHECK_INT(cost.layers[1].params, 8 * 9 + 8);
    CHECK_INT(cost.layers[1].groups, 8);
    CHECK_INT(cost.layers[1].ops_per_input, 2 * 8 * 36 * (9 + 1));
    CHECK_TEXT(cost.layers[2].kind, "add");
    CHECK_NEAR(cost.layers[2].activation_bytes, 5.0 * 2 * 3 * 8 * 36, 0);
    CHECK_NEAR(cost.layers[0].flops, 5.0 * 2 * 8 * 36 * 2 * 9, 0);
    fr_cost_free(&cost);
    fr_graph_free(graph);
}

TEST(impossible_requests_are_refused) {
    fr_graph *graph = zoo_graph("n1");
    fr_cost cost;
    CHECK(graph);
    CHECK_INT(fr_cost_of(graph, 0, 4, 0, &cost), FR_INVALID);
    CHECK_INT(fr_cost_of(graph, 1, 0, 0, &cost), FR_INVALID);
    CHECK_INT(fr_cost_of(graph, 1, 4, -1, &cost), FR_INVALID);
    CHECK(cost.layers == NULL);
    fr_graph_free(graph);
}

TEST(running_out_of_memory_leaves_nothing) {
    fr_graph *graph = zoo_graph("v1");
    CHECK(graph);
    uint64_t live = fr_alloc_read().live_blocks;
    for (uint64_t n = 1;; n++) {
        fr_cost cost;
        fr_alloc_fail_at(n);
        fr_status status = fr_cost_of(graph, 8, 4, 0, &cost);
        fr_alloc_fail_at(0);
        if (status == FR_OK) {
            CHECK(n > 2);
            fr_cost_free(&cost);
            break;
        }
        CHECK_INT(status, FR_NO_MEMORY);
        CHECK_INT(fr_alloc_read().live_blocks, live);
    }
    CHECK_INT(fr_alloc_read().live_blocks, live);
    fr_graph_free(graph);
}

CHECK_MAIN
