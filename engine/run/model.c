#include "run/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "fold/fold.h"
#include "formats/fold_text.h"
#include "formats/onnx.h"
#include "run/context.h"
#include "run/options.h"

enum { FOLD_TEXT_LIMIT = 16 << 20 }; /* a model is a few lines */

/* ---- the zoo ----------------------------------------------------------------------------------------------- */

size_t fr_zoo_count(void) {
    size_t count;
    (void)fr_zoo(&count);
    return count;
}

const char *fr_zoo_name(size_t index) {
    size_t count;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    return index < count ? zoo[index].name : NULL;
}

static const fr_zoo_entry *find_zoo(const char *name) {
    size_t count;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(zoo[i].name, name) == 0) /* the papers write V1 */
            return &zoo[i];
    }
    return NULL;
}

static fr_status unknown_model(const char *name) {
    size_t count;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    const char **names = fr_alloc_array(count, sizeof *names);
    if (!names)
        return fr_no_memory(count * sizeof *names, "the zoo's names");
    for (size_t i = 0; i < count; i++)
        names[i] = zoo[i].name;
    const char *nearest = fr_nearest_name(name, names, count);
    fr_status status = fr_fail(
        FR_INVALID,
        "there is no model '%s'%s%s%s; 'foldrun models' lists the built-in ones, a file's name ends in .onnx or .fold",
        name, nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
    fr_free(names);
    return status;
}

/* ---- loading ----------------------------------------------------------------------------------------------- */

static fr_status load_fold_text(const char *path, fr_graph **out_graph) {
    char *text;
    size_t bytes;
    FR_TRY(fr_file_read(path, FOLD_TEXT_LIMIT, &text, &bytes));
    fr_status status = fr_fold_text_parse(text, bytes, path, out_graph);
    fr_free(text);
    return status;
}

static fr_status load_graph(const char *name, fr_graph **out_graph, char **out_report) {
    const fr_zoo_entry *built_in = find_zoo(name);
    if (built_in)
        return fr_fold_text_parse(built_in->text, built_in->bytes, built_in->name, out_graph);
    if (fr_ends_in(name, ".onnx"))
        return fr_onnx_load(name, out_graph, out_report);
    if (fr_ends_in(name, ".fold"))
        return load_fold_text(name, out_graph);
    if (fr_path_is_folder(name))
        return fr_fail(FR_INVALID,
                       "'%s' is a folder; a model is one .onnx or .fold file, or a name that 'foldrun models' lists",
                       name);
    if (fr_path_exists(name))
        return fr_fail(FR_INVALID, "'%s' is no model file by its name: it must end in .onnx or .fold", name);
    return unknown_model(name);
}

static int64_t elements_of(const fr_graph *graph, int32_t value) {
    size_t elements = fr_shape_elements(&graph->values[value].shape);
    return elements > INT32_MAX ? INT32_MAX : (int64_t)elements;
}

/* What sessions can feed: one input, of folded images or of feature rows. Fills in what the file leaves open. */
static fr_status check_input(fr_graph *graph) {
    if (graph->n_inputs != 1)
        return fr_fail(FR_UNSUPPORTED, "model '%s' has %d inputs; foldrun runs models with one, the images",
                       graph->name, graph->n_inputs);
    if (graph->n_outputs < 1)
        return fr_fail(FR_INVALID, "model '%s' has no output", graph->name);
    const fr_value *input = &graph->values[graph->inputs[0]];
    const fr_shape *shape = &input->shape;
    char text[96];
    fr_shape_text(shape, text, sizeof text);
    if (shape->rank != 4 && shape->rank != 2)
        return fr_fail(FR_UNSUPPORTED, "model '%s': its input '%s' is %s; foldrun feeds images (N,C,H,W) or rows (N,F)",
                       graph->name, input->name, text);
    for (int32_t i = 1; i < shape->rank; i++) {
        if (shape->dim[i] < 1 || shape->dim[i] > INT32_MAX)
            return fr_fail(FR_INVALID, "model '%s': its input '%s' is %s; every dimension must be known and at least 1",
                           graph->name, input->name, text);
    }
    fr_meta *meta = &graph->meta;
    if (meta->fold < 1)
        meta->fold = 1;
    if (shape->dim[1] % meta->fold != 0)
        return fr_fail(FR_INVALID,
                       "model '%s' says it is folded by %d, but its input's %lld channels are no multiple of that",
                       graph->name, meta->fold, (long long)shape->dim[1]);
    meta->image_channels = (int32_t)(shape->dim[1] / meta->fold);
    return FR_OK;
}

/* Owns the graph from here on, whatever it answers. */
static fr_status model_of(fr_graph *graph, fr_model **out_model) {
    fr_status status = FR_OK;
    fr_model *model = fr_alloc(sizeof *model);
    if (!model) {
        status = fr_no_memory(sizeof *model, "a model");
        goto fail;
    }
    FR_GO(fail, fr_graph_sort(graph));
    FR_GO(fail, fr_graph_infer(graph, 1));
    FR_GO(fail, check_input(graph));
    model->graph = graph;
    *out_model = model;
    return FR_OK;
fail:
    fr_graph_free(graph);
    fr_free(model);
    return status;
}

fr_status fr_model_of_text(const char *text, const char *where, fr_model **out_model) {
    fr_graph *graph;
    *out_model = NULL;
    FR_TRY(fr_fold_text_parse(text, strlen(text), where, &graph));
    return model_of(graph, out_model);
}

fr_status fr_model_load(fr_context *context, const char *name_or_path, fr_model **out_model) {
    *out_model = NULL;
    if (!name_or_path || !*name_or_path)
        return fr_fail(FR_INVALID, "no model was named; 'foldrun models' lists the built-in ones");
    fr_graph *graph = NULL;
    char *report = NULL;
    fr_status status = load_graph(name_or_path, &graph, &report);
    if (context) {
        fr_context_keep_report(context, report);
    } else {
        fr_free(report);
    }
    FR_TRY(status);
    return model_of(graph, out_model);
}

void fr_model_free(fr_model *model) {
    if (!model)
        return;
    fr_graph_free(model->graph);
    fr_free(model);
}

/* ---- folding, scaling, saving ------------------------------------------------------------------------------ */

fr_status fr_model_fold(const fr_model *model, const fr_fold_options *options, fr_model **out_model) {
    *out_model = NULL;
    fr_fold_options chosen;
    fr_graph *graph = NULL;
    FR_TRY(fr_options_take(options, &chosen, sizeof chosen, "fr_fold_options"));
    if (!options)
        chosen.fold = 1;
    bool rounds = chosen.round != FR_ROUND_FLOOR && chosen.quantum > 1;
    if (chosen.fold == 1 && !rounds) {
        FR_TRY(fr_graph_clone(model->graph, &graph));
    } else {
        FR_TRY(fr_fold_graph(model->graph, &chosen, &graph));
    }
    return model_of(graph, out_model);
}

fr_status fr_model_set_scaling(fr_model *model, const float *mean, const float *scale, int32_t channels) {
    fr_meta *meta = &model->graph->meta;
    if (channels != meta->image_channels)
        return fr_fail(FR_INVALID, "the scaling has %d channels, the images of model '%s' have %d", channels,
                       model->graph->name, meta->image_channels);
    if (channels > FR_MAX_IMAGE_CHANNELS)
        return fr_fail(FR_UNSUPPORTED, "the images of model '%s' have %d channels; scaling is for at most %d",
                       model->graph->name, channels, FR_MAX_IMAGE_CHANNELS);
    for (int32_t i = 0; i < channels; i++) {
        if ((mean && !isfinite(mean[i])) || (scale && !isfinite(scale[i])))
            return fr_fail(FR_INVALID, "the scaling of channel %d is no finite number", i);
    }
    for (int32_t i = 0; i < channels; i++) {
        meta->mean[i] = mean ? mean[i] : 0;
        meta->scale[i] = scale ? scale[i] : 1;
    }
    return FR_OK;
}

fr_status fr_model_save(const fr_model *model, const char *path) {
    if (!path || !fr_ends_in(path, ".onnx"))
        return fr_fail(FR_INVALID, "'%s': models are saved as ONNX, so the file's name must end in .onnx",
                       path ? path : "");
    fr_graph *copy; /* saving makes the seeded weights, and the model may serve sessions meanwhile */
    FR_TRY(fr_graph_clone(model->graph, &copy));
    fr_status status = fr_onnx_save(copy, path);
    fr_graph_free(copy);
    return status;
}

/* ---- facts ------------------------------------------------------------------------------------------------- */

fr_status fr_model_describe(const fr_model *model, fr_model_info *out_info) {
    const fr_graph *graph = model->graph;
    const fr_meta *meta = &graph->meta;
    const fr_shape *input = &graph->values[graph->inputs[0]].shape;
    fr_model_info info = {
        .struct_bytes = sizeof info, .fold = meta->fold, .trained = !meta->seeded, .n_accuracy = meta->n_accuracy};
    (void)snprintf(info.name, sizeof info.name, "%s", graph->name);
    (void)snprintf(info.title, sizeof info.title, "%s", graph->title);
    (void)snprintf(info.origin, sizeof info.origin, "%s", meta->origin);
    info.input_channels = (int32_t)input->dim[1];
    info.channels = meta->image_channels;
    info.height = input->rank == 4 ? (int32_t)input->dim[2] : 1;
    info.width = input->rank == 4 ? (int32_t)input->dim[3] : 1;
    int64_t answers = 0;
    for (int32_t i = 0; i < graph->n_outputs; i++)
        answers += elements_of(graph, graph->outputs[i]) / graph->batch;
    info.classes = meta->classes > 0                  ? meta->classes
                   : answers / meta->fold > INT32_MAX ? INT32_MAX
                                                      : (int32_t)(answers / meta->fold);
    _Static_assert(sizeof info.mean == sizeof meta->mean && sizeof info.accuracy == sizeof meta->accuracy,
                   "the API's arrays are the graph's");
    memcpy(info.mean, meta->mean, sizeof info.mean);
    memcpy(info.scale, meta->scale, sizeof info.scale);
    memcpy(info.accuracy, meta->accuracy, sizeof info.accuracy);
    return fr_info_give(out_info, &info, sizeof info, "fr_model_info");
}

fr_status fr_model_cost(const fr_model *model, int64_t batch_images, int32_t bytes_per_element, int32_t threshold_fold,
                        fr_cost *out_cost) {
    return fr_cost_of(model->graph, batch_images, bytes_per_element, threshold_fold, out_cost);
}
