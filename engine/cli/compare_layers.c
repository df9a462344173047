/* The steps of a session, each with its time, its work and the bytes it moves: points of a roofline. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/compare_run.h"
#include "cli/models_common.h"

enum { LAYERS_MS = 400, CUT = 28 /* names inside a chain's are cut there */ };

/* "conv2+relu+maxpool" begins with the layer "conv2"; the longest that fits. */
static int64_t layer_named(const fr_cost *cost, const char *name, size_t length) {
    int64_t found = -1;
    size_t longest = 0;
    for (size_t i = 0; i < cost->n_layers; i++) {
        const char *layer = cost->layers[i].name;
        size_t own = strlen(layer);
        bool is_cut = length == CUT && own > length && strncmp(layer, name, length) == 0;
        bool fits = own <= length && strncmp(layer, name, own) == 0 && (own == length || name[own] == '+');
        if ((fits || is_cut) && own > longest) {
            longest = own;
            found = (int64_t)i;
        }
    }
    return found;
}

/* What was fused behind it, as far as that is a layer of its own: pools and sums. */
static int64_t last_fused(const fr_cost *cost, int64_t first, const char *words, size_t length) {
    int64_t last = first;
    for (size_t at = 0; at < length; at++) {
        if (words[at] != '+' || (size_t)last + 1 >= cost->n_layers)
            continue;
        const char *kind = cost->layers[last + 1].kind;
        size_t own = strlen(kind);
        last += at + 1 + own <= length && strncmp(words + at + 1, kind, own) == 0;
    }
    return last;
}

static double numbers(const int32_t dims[3]) {
    return (double)dims[0] * dims[1] * dims[2];
}

/* Of one image: the first layer's maps in, the last one's out, the weights of all between. */
static double bytes_between(const fr_cost *cost, int64_t first, int64_t last, bool from_images) {
    double weights = 0, inputs = cost->images_per_input, number = cost->bytes_per_element;
    for (int64_t i = first; i <= last; i++)
        weights += cost->layers[i].weight_bytes;
    double in = numbers(cost->layers[first].in) * (from_images ? 1 : number);
    return (in + numbers(cost->layers[last].out) * number) / inputs + weights / (double)cost->batch_images;
}

/* 0: no layer of the model (images on their way in, answers on their way out, a change of layout). */
static double bytes_of(const fr_cost *cost, const char *name) {
    size_t length = strlen(name);
    if (cost->n_layers == 0)
        return 0;
    if (name[0] != '[') {
        int64_t first = layer_named(cost, name, length);
        return first < 0 ? 0 : bytes_between(cost, first, last_fused(cost, first, name, length), false);
    }
    const char *to = strstr(name, " to ");
    if (!to || name[length - 1] != ']')
        return 0;
    const char *begin = name + 1, *end = to + 4;
    size_t n_begin = (size_t)(to - begin), n_end = length - 1 - (size_t)(end - name);
    bool from_images = n_begin == 6 && strncmp(begin, "ingest", 6) == 0;
    int64_t first = from_images ? 0 : layer_named(cost, begin, n_begin), last = layer_named(cost, end, n_end);
    if (n_end == 4 && strncmp(end, "emit", 4) == 0)
        last = (int64_t)cost->n_layers - 1;
    else if (last >= 0)
        last = last_fused(cost, last, end, n_end);
    return first < 0 || last < first ? 0 : bytes_between(cost, first, last, from_images);
}

/* A core's times are shared among the cores, as if none hindered another: a device's peak is of all of them too. */
fr_status cmp_time_layers(fr_session *session, const fr_model *model, const cmp_config *config, int32_t lanes,
                          cmp_layer **out_layers, size_t *out_count) {
    fr_layer_time *times = NULL;
    size_t count = 0;
    fr_cost cost;
    *out_layers = NULL;
    *out_count = 0;
    fr_status status = fr_model_cost(model, config->batch, cli_precision_bytes(config->precision), 0, &cost);
    if (status != FR_OK)
        return status;
    status = fr_session_time_layers(session, LAYERS_MS, &times, &count);
    cmp_layer *layers = status == FR_OK ? fr_alloc_array(count, sizeof *layers) : NULL;
    for (size_t i = 0; layers && i < count; i++) {
        cmp_copy_text(layers[i].name, sizeof layers[i].name, times[i].name);
        cmp_copy_text(layers[i].kernel, sizeof layers[i].kernel, times[i].candidate);
        layers[i].ns = times[i].ns_per_image / lanes;
        layers[i].ops = (double)times[i].ops_per_input / config->fold;
        layers[i].bytes = bytes_of(&cost, times[i].name);
    }
    *out_layers = layers;
    *out_count = layers ? count : 0;
    fr_layers_free(times);
    fr_cost_free(&cost);
    return status == FR_OK && !layers ? FR_NO_MEMORY : status;
}
