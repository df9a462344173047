/* The built-in models against public figures. */
#include "zoo_models.h"

typedef struct expected {
    const char *name;
    int32_t input[3], output[3]; /* one image; a flat output is {features, 0, 0} */
    int64_t params;              /* public counts; BatchNormalization 2 a channel */
    double gmacs;                /* public counts of multiply-adds, to two decimals; 0 = none */
} expected;

static const expected models[] = {
    {"v1", {3, 22, 52}, {11, 0, 0}, 33867, 0},
    {"v2", {3, 19, 25}, {22, 0, 0}, 33086, 0},
    {"v3", {3, 17, 40}, {15, 0, 0}, 0, 0},
    {"v4", {3, 22, 30}, {27, 0, 0}, 0, 0},
    {"v5", {3, 22, 52}, {111, 0, 0}, 0, 0},
    {"v6", {3, 15, 35}, {62, 0, 0}, 0, 0},
    {"n1", {3, 50, 50}, {2, 0, 0}, 1283154, 0},
    {"n2", {3, 50, 50}, {2, 0, 0}, 1283154, 0},
    {"n3", {3, 50, 50}, {2, 0, 0}, 0, 0},
    {"n4", {3, 50, 50}, {2, 0, 0}, 0, 0},
    {"g32", {32, 50, 50}, {32, 50, 50}, 2336, 0},
    {"g64", {64, 50, 50}, {64, 50, 50}, 25664, 0},
    {"alexnet", {3, 224, 224}, {1000, 0, 0}, 61100840, 0.71},
    {"vgg16", {3, 224, 224}, {1000, 0, 0}, 138357544, 15.47},
    {"resnet18", {3, 224, 224}, {1000, 0, 0}, 11689512, 1.81},
    {"resnet50", {3, 224, 224}, {1000, 0, 0}, 25557032, 4.09},
    {"cifar_resnet18", {3, 32, 32}, {10, 0, 0}, 11173962, 0.56},
    {"mobilenet_v1", {3, 224, 224}, {1000, 0, 0}, 4231976, 0.57},
    {"mobilenet_v2", {3, 224, 224}, {1000, 0, 0}, 3504872, 0.30},
    {"mnasnet", {3, 224, 224}, {1000, 0, 0}, 4383312, 0.31},
    {"squeezenet", {3, 224, 224}, {1000, 0, 0}, 1235496, 0.35},
    {"googlenet", {3, 224, 224}, {1000, 0, 0}, 6624904, 1.50},
};
enum { N_MODELS = sizeof models / sizeof models[0] };

TEST(names_are_unique_and_expected) {
    size_t count;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    CHECK_INT(count, N_MODELS);
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < N_MODELS; k++)
            known = known || strcmp(models[k].name, zoo[i].name) == 0;
        CHECK(known);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(zoo[k].name, zoo[i].name) != 0);
    }
}

static void check_shape(const fr_shape *shape, int64_t batch, const int32_t *dims) {
    CHECK_INT(shape->rank, dims[1] ? 4 : 2);
    CHECK_INT(shape->dim[0], batch);
    for (int32_t i = 1; i < shape->rank; i++)
        CHECK_INT(shape->dim[i], dims[i - 1]);
}

TEST(shapes_for_any_batch) {
    for (size_t i = 0; i < N_MODELS; i++) {
        fr_graph *graph = zoo_graph(models[i].name);
        CHECK(graph);
        CHECK_TEXT(graph->name, models[i].name);
        CHECK(graph->title[0] != 0);
        CHECK_INT(graph->n_inputs, 1);
        CHECK_INT(graph->n_outputs, 1);
        CHECK_INT(graph->meta.fold, 1);
        CHECK_INT(graph->meta.image_channels, models[i].input[0]);
        CHECK_INT(graph->meta.classes, models[i].output[1] ? 0 : models[i].output[0]);
        CHECK(graph->meta.seeded);
        for (int64_t batch = 1; batch <= 7; batch += 6) {
            CHECK_OK(fr_graph_infer(graph, batch));
            check_shape(&graph->values[graph->inputs[0]].shape, batch, models[i].input);
            check_shape(&graph->values[graph->outputs[0]].shape, batch, models[i].output);
        }
        fr_graph_free(graph);
    }
}

TEST(weights_wait_until_they_are_needed) {
    fr_graph *graph = zoo_graph("vgg16");
    CHECK(graph);
    for (int32_t i = 0; i < graph->n_values; i++)
        CHECK(graph->values[i].data == NULL);
    fr_graph_free(graph);
}

TEST(parameters_and_multiply_adds_are_the_public_ones) {
    for (size_t i = 0; i < N_MODELS; i++) {
        fr_graph *graph = zoo_graph(models[i].name);
        fr_cost cost;
        char text[32], want[32];
        CHECK(graph);
        CHECK_OK(fr_cost_of(graph, 1, 4, 0, &cost));
        if (models[i].params)
            CHECK_INT(cost.params, models[i].params);
        snprintf(text, sizeof text, "%.2f", cost.flops / 2e9);
        snprintf(want, sizeof want, "%.2f", models[i].gmacs);
        if (models[i].gmacs > 0)
            CHECK_TEXT(text, want);
        fr_cost_free(&cost);
        fr_graph_free(graph);
    }
}

TEST(game_maps_are_as_the_paper_has_them) {
    fr_graph *graph = zoo_graph("v1");
    CHECK(graph);
    static const struct {
        const char *name;
        int32_t height, width;
    } maps[] = {{"conv1", 22, 52}, {"pool1", 10, 25}, {"conv4", 10, 25},
                {"pool2", 8, 23},  {"conv5", 8, 23},  {"pool3", 3, 11}};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        int32_t value = fr_graph_find(graph, maps[i].name);
        CHECK(value >= 0);
        CHECK_INT(graph->values[value].shape.dim[2], maps[i].height);
        CHECK_INT(graph->values[value].shape.dim[3], maps[i].width);
    }
    fr_graph_free(graph);
}

TEST(every_model_folds) {
    for (size_t i = 0; i < N_MODELS; i++) {
        for (int32_t fold = 2; fold <= 16; fold++) {
            fr_graph *graph = zoo_graph(models[i].name), *folded = NULL;
            fr_fold_options options = fold_by(fold);
            CHECK(graph);
            if (models[i].name[0] == 'g' && models[i].output[1]) { /* 4 groups, and shared evenly by the images */
                options.round = FR_ROUND_DOWN;
                options.quantum = 4 * fold;
            }
            CHECK_OK(fr_fold_graph(graph, &options, &folded));
            const fr_shape *out = &folded->values[folded->outputs[0]].shape,
                           *in = &folded->values[folded->inputs[0]].shape;
            CHECK_INT(folded->meta.fold, fold);
            CHECK_INT(in->dim[1], folded->meta.image_channels * fold);
            if (folded->meta.classes) {
                CHECK_INT(in->dim[1], models[i].input[0] * fold);
                CHECK_INT(out->dim[1], models[i].output[0] * fold);
            }
            fr_graph_free(graph);
            fr_graph_free(folded);
        }
    }
}

CHECK_MAIN
