/* Models through the public API: names and files, what they say of themselves, folding, scaling and saving. */
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "formats/onnx.h"
#include "foldrun/foldrun.h"
#include "run/context.h"
#include "run/model.h"
#include "run/options.h"

static fr_context *context;

static bool begin(void) {
    fr_context_options options = FR_OPTIONS(fr_context_options);
    options.cache_dir = "";
    return context || fr_context_new(&options, &context) == FR_OK;
}

static fr_status load(const char *name, fr_model **out_model) {
    return begin() ? fr_model_load(context, name, out_model) : FR_INTERNAL;
}

static fr_model_info described(const fr_model *model) {
    fr_model_info info = FR_OPTIONS(fr_model_info);
    if (fr_model_describe(model, &info) != FR_OK)
        info.fold = -1;
    return info;
}

static size_t made_constants(const fr_graph *graph) {
    size_t made = 0;
    for (int32_t i = 0; i < graph->n_values; i++)
        made += graph->values[i].is_const && graph->values[i].init != FR_INIT_NONE && graph->values[i].data != NULL;
    return made;
}

/* ---- names ------------------------------------------------------------------------------------------------- */

TEST(words_of_the_api) {
    CHECK_HAS(fr_version(), ".");
    CHECK_TEXT(fr_status_name(FR_UNSUPPORTED), "unsupported");
    CHECK_TEXT(fr_dtype_name(FR_BF16), "bf16");
    CHECK_TEXT(fr_dtype_name((fr_dtype)99), "?");
    for (int p = FR_PRECISION_F32; p < FR_PRECISIONS; p++) {
        fr_precision back;
        CHECK(fr_precision_from_name(fr_precision_name((fr_precision)p), &back));
        CHECK_INT(back, p);
    }
    fr_precision none;
    CHECK(!fr_precision_from_name("fp32", &none));
    CHECK(!fr_precision_from_name(NULL, &none));
    CHECK_TEXT(fr_precision_name((fr_precision)-1), "?");
}

TEST(every_zoo_name_loads) {
    CHECK(fr_zoo_count() >= 12);
    for (size_t i = 0; i < fr_zoo_count(); i++) {
        fr_model *model;
        CHECK_OK(load(fr_zoo_name(i), &model));
        CHECK_TEXT(described(model).name, fr_zoo_name(i));
        CHECK_INT(made_constants(model->graph), 0); /* loading costs no weights */
        fr_model_free(model);
    }
    CHECK(fr_zoo_name(fr_zoo_count()) == NULL);
}

TEST(v1_is_as_the_paper_has_it) {
    fr_model *model;
    fr_cost cost;
    CHECK_OK(load("V1", &model));
    fr_model_info info = described(model);
    CHECK_TEXT(info.name, "v1");
    CHECK_TEXT(info.title, "lol-gold1");
    CHECK_INT(info.fold, 1);
    CHECK_INT(info.channels, 3);
    CHECK_INT(info.input_channels, 3);
    CHECK_INT(info.height, 22);
    CHECK_INT(info.width, 52);
    CHECK_INT(info.classes, 11);
    CHECK(!info.trained);
    CHECK_NEAR(info.scale[2], 1.0 / 255, 1e-9);
    CHECK_OK(fr_model_cost(model, 1024, 2, 0, &cost));
    CHECK_INT(cost.ops_per_input, 16778672);
    fr_cost_free(&cost);
    CHECK_INT(made_constants(model->graph), 0);
    fr_model_free(model);
}

/* ---- names that are none ----------------------------------------------------------------------------------- */

TEST(an_unknown_name_gets_a_suggestion) {
    fr_model *model = (fr_model *)&model;
    CHECK_INT(load("resnet81", &model), FR_INVALID);
    CHECK(model == NULL);
    CHECK_HAS(fr_error_sentence(), "did you mean 'resnet18'");
    CHECK_HAS(fr_error_sentence(), "foldrun models");
    CHECK_INT(load("something else entirely", &model), FR_INVALID);
    CHECK(strstr(fr_error_sentence(), "did you mean") == NULL);
    CHECK_INT(load("", &model), FR_INVALID);
    CHECK_INT(load(NULL, &model), FR_INVALID);
    CHECK_TEXT(fr_load_report(context), "");
}

TEST(files_that_are_no_models) {
    fr_model *model;
    CHECK_INT(load("/nowhere/model.fold", &model), FR_IO);
    CHECK_HAS(fr_error_sentence(), "/nowhere/model.fold");
    CHECK(load("/nowhere/model.onnx", &model) != FR_OK);
    CHECK(model == NULL);
    CHECK_INT(load("/tmp", &model), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "is a folder");
    CHECK_INT(load(FOLDRUN_SOURCE_DIR "/LICENSE", &model), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "must end in .onnx or .fold");
}

TEST(a_fold_file_loads_as_the_zoo_does) {
    fr_model *model;
    CHECK_OK(load(FOLDRUN_SOURCE_DIR "/models/v1.fold", &model));
    CHECK_INT(described(model).classes, 11);
    fr_model_free(model);
}

/* ---- folding and scaling ----------------------------------------------------------------------------------- */

TEST(folding_gives_a_new_untrained_model) {
    fr_model *plain, *folded, *copy;
    CHECK_OK(load("v1", &plain));
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    options.fold = 4;
    CHECK_OK(fr_model_fold(plain, &options, &folded));
    fr_model_info info = described(folded);
    CHECK_INT(info.fold, 4);
    CHECK_INT(info.channels, 3);
    CHECK_INT(info.input_channels, 12);
    CHECK_INT(info.classes, 11);
    CHECK(!info.trained);
    CHECK_INT(described(plain).fold, 1);
    fr_cost cost;
    CHECK_OK(fr_model_cost(folded, 1024, 2, 0, &cost));
    CHECK_INT(cost.ops_per_input, 74796928);
    fr_cost_free(&cost);
    fr_model_free(folded);

    options.fold = 1;
    CHECK_OK(fr_model_fold(plain, &options, &copy));
    CHECK_INT(described(copy).input_channels, 3);
    fr_model_free(plain); /* the copy owns its graph */
    CHECK_INT(described(copy).fold, 1);
    options.fold = 0;
    CHECK_INT(fr_model_fold(copy, &options, &folded), FR_INVALID);
    CHECK(folded == NULL);
    fr_model_free(copy);
}

TEST(scaling_is_checked_and_kept) {
    fr_model *model;
    const float mean[3] = {1, 2, 3}, scale[3] = {0.5f, 0.25f, 0.125f}, bad[3] = {0, NAN, 0};
    CHECK_OK(load("v1", &model));
    CHECK_OK(fr_model_set_scaling(model, mean, scale, 3));
    CHECK_INT(described(model).mean[1], 2);
    CHECK_NEAR(described(model).scale[2], 0.125, 0);
    CHECK_INT(fr_model_set_scaling(model, mean, scale, 1), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "have 3");
    CHECK_INT(fr_model_set_scaling(model, bad, scale, 3), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "channel 1");
    CHECK_INT(described(model).mean[1], 2);
    CHECK_OK(fr_model_set_scaling(model, NULL, NULL, 3));
    CHECK_INT(described(model).mean[1], 0);
    CHECK_INT(described(model).scale[1], 1);
    fr_model_free(model);
}

/* ---- saving ------------------------------------------------------------------------------------------------ */

static void temporary(char path[64]) {
    strcpy(path, "/tmp/foldrun-model-XXXXXX.onnx");
    int fd = mkstemps(path, 5);
    if (fd >= 0)
        close(fd);
}

TEST(a_saved_model_comes_back) {
    fr_model *model, *folded, *back;
    char path[64];
    temporary(path);
    CHECK_OK(load("v1", &model));
    CHECK_INT(fr_model_save(model, "/tmp/model.txt"), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "must end in .onnx");
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    options.fold = 3;
    CHECK_OK(fr_model_fold(model, &options, &folded));
    fr_status status = fr_model_save(folded, path);
    CHECK_INT(made_constants(folded->graph), 0); /* the model stays as it was: sessions may be using it */
    if (status != FR_UNAVAILABLE) {
        CHECK_OK(status);
        CHECK_OK(load(path, &back));
        fr_model_info was = described(folded), is = described(back);
        CHECK_INT(is.fold, 3);
        CHECK_INT(is.classes, was.classes);
        CHECK_INT(is.input_channels, was.input_channels);
        CHECK_INT(is.trained, was.trained);
        CHECK_TEXT(is.title, was.title);
        fr_model_free(back);
    }
    fr_model_free(folded);
    fr_model_free(model);
    unlink(path);
    if (status == FR_UNAVAILABLE)
        SKIP("built without ONNX");
}

/* A graph with n inputs of this shape, summed, as a file. */
static fr_status save_sum(const char *path, int32_t n_inputs, const fr_shape *shape) {
    fr_status status = FR_OK;
    fr_graph *graph;
    FR_TRY(fr_graph_new("sum", "sum", &graph));
    int32_t inputs[2] = {-1, -1}, sum, node;
    fr_attrs attrs = {0};
    for (int32_t i = 0; i < n_inputs; i++)
        FR_GO(done, fr_graph_add_input(graph, NULL, FR_F32, shape, &inputs[i]));
    FR_GO(done, fr_graph_add_value(graph, "y", &sum));
    FR_GO(done, fr_graph_add_node(graph, n_inputs == 2 ? FR_OP_ADD : FR_OP_RELU, "add", &attrs, inputs, n_inputs, &sum,
                                  1, &node));
    FR_GO(done, fr_graph_add_output(graph, sum));
    FR_GO(done, fr_graph_infer(graph, 1));
    status = fr_onnx_save(graph, path);
done:
    fr_graph_free(graph);
    return status;
}

TEST(only_one_image_like_input_will_do) {
    const fr_shape image = {4, {1, 3, 8, 8}}, cube = {3, {1, 3, 8}}, row = {2, {1, 5}};
    fr_model *model;
    char path[64];
    temporary(path);
    fr_status status = save_sum(path, 2, &image);
    if (status == FR_UNAVAILABLE) {
        unlink(path);
        SKIP("built without ONNX");
    }
    CHECK_OK(status);
    CHECK_INT(load(path, &model), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "2 inputs");
    CHECK_OK(save_sum(path, 1, &cube));
    CHECK_INT(load(path, &model), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "1x3x8");
    CHECK_OK(save_sum(path, 1, &row));
    CHECK_OK(load(path, &model));
    fr_model_info info = described(model);
    CHECK_INT(info.channels, 5);
    CHECK_INT(info.height, 1);
    CHECK_INT(info.classes, 5);
    fr_model_free(model);
    CHECK_OK(save_sum(path, 1, &image));
    CHECK_OK(load(path, &model));
    CHECK_INT(described(model).classes, 192); /* no classifier: all its numbers */
    fr_model_free(model);
    unlink(path);
}

/* A model of one node, y = Frobnicate(x), x of 1x1x1x1, as ONNX bytes. */
static const char odd_model[] = "\x08\x08"
                                "\x3a\x3c"
                                "\x0a\x15"
                                "\x0a\x01"
                                "x"
                                "\x12\x01"
                                "y"
                                "\x1a\x01"
                                "n"
                                "\x22\x0a"
                                "Frobnicate"
                                "\x12\x01"
                                "g"
                                "\x5a\x1b"
                                "\x0a\x01"
                                "x"
                                "\x12\x16\x0a\x14\x08\x01\x12\x10"
                                "\x0a\x02\x08\x01"
                                "\x0a\x02\x08\x01"
                                "\x0a\x02\x08\x01"
                                "\x0a\x02\x08\x01"
                                "\x62\x03"
                                "\x0a\x01"
                                "y"
                                "\x42\x02\x10\x0d";

TEST(a_refused_file_leaves_its_report) {
    fr_model *model;
    char path[64];
    temporary(path);
    CHECK_OK(fr_file_write(path, odd_model, sizeof odd_model - 1));
    fr_status status = load(path, &model);
    unlink(path);
    if (status == FR_UNAVAILABLE)
        SKIP("built without ONNX");
    CHECK_INT(status, FR_UNSUPPORTED);
    CHECK_HAS(fr_load_report(context), "Frobnicate");
    CHECK_OK(load("v1", &model));
    CHECK_TEXT(fr_load_report(context), "");
    fr_model_free(model);
}

/* ---- structs of other versions ----------------------------------------------------------------------------- */

typedef struct shape_v1 {
    uint32_t struct_bytes;
    int32_t a;
} shape_v1;
typedef struct shape_v2 {
    uint32_t struct_bytes;
    int32_t a, b;
} shape_v2;

TEST(structs_of_older_and_newer_callers) {
    shape_v1 older = {sizeof older, 5}, ours_v1;
    shape_v2 newer = {sizeof newer, 6, 7}, ours;
    CHECK_OK(fr_options_take(&older, &ours, sizeof ours, "shape"));
    CHECK_INT(ours.a, 5);
    CHECK_INT(ours.b, 0);
    CHECK_INT(ours.struct_bytes, sizeof ours);
    CHECK_OK(fr_options_take(NULL, &ours, sizeof ours, "shape"));
    CHECK_INT(ours.a, 0);
    CHECK_INT(fr_options_take(&newer, &ours_v1, sizeof ours_v1, "shape"), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "shape");
    newer.b = 0;
    CHECK_OK(fr_options_take(&newer, &ours_v1, sizeof ours_v1, "shape"));
    CHECK_INT(ours_v1.a, 6);

    shape_v1 guarded[2] = {{sizeof older, 0}, {77, 77}};
    const shape_v2 answer = {sizeof answer, 1, 2};
    CHECK_OK(fr_info_give(&guarded[0], &answer, sizeof answer, "shape"));
    CHECK_INT(guarded[0].a, 1);
    CHECK_INT(guarded[0].struct_bytes, sizeof older);
    CHECK_INT(guarded[1].struct_bytes, 77); /* nothing is written past an older caller's struct */
    CHECK_INT(fr_info_give(NULL, &answer, sizeof answer, "shape"), FR_INVALID);
}

/* ---- out of memory ----------------------------------------------------------------------------------------- */

TEST(every_allocation_may_fail) {
    uint64_t before = fr_alloc_read().live_blocks;
    bool loaded = false;
    for (uint64_t nth = 1; !loaded; nth++) {
        fr_context *own = NULL;
        fr_model *model = NULL, *folded = NULL;
        fr_fold_options fold = FR_OPTIONS(fr_fold_options);
        fr_context_options options = FR_OPTIONS(fr_context_options);
        fold.fold = 2;
        options.cache_dir = "";
        fr_alloc_fail_at(nth);
        fr_status status = fr_context_new(&options, &own);
        if (status == FR_OK)
            status = fr_model_load(own, "v1", &model);
        if (status == FR_OK)
            status = fr_model_fold(model, &fold, &folded);
        fr_alloc_fail_at(0);
        CHECK(status == FR_OK || status == FR_NO_MEMORY);
        CHECK((status == FR_OK) == (folded != NULL));
        fr_model_free(folded);
        fr_model_free(model);
        fr_context_free(own);
        CHECK_INT(fr_alloc_read().live_blocks, before);
        loaded = status == FR_OK;
    }
}

TEST(the_end) { /* leak checkers see what is left */
    fr_context_free(context);
    context = NULL;
    fr_context_free(NULL);
    fr_model_free(NULL);
}

CHECK_MAIN
