/* foldrun.* in a file's metadata: what folding and the user's side of a model need to know. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "formats/onnx_parts.h"

#define KEY "foldrun."
enum { MAX_FOLD = 1024 };

/* ---- reading --------------------------------------------------------------------------------------------------- */

static const char *lookup(const Onnx__ModelProto *model, const char *key) {
    for (size_t i = 0; i < model->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *entry = model->metadata_props[i];
        if (entry->key && strncmp(entry->key, KEY, strlen(KEY)) == 0 && strcmp(entry->key + strlen(KEY), key) == 0)
            return entry->value ? entry->value : "";
    }
    return NULL;
}

static fr_status bad(const char *key, const char *text, const char *want) {
    FR_TRY(fr_onnx_name_check(text, "a metadata value"));
    return fr_fail(FR_INVALID, "metadata '" KEY "%s' is '%s'; it must be %s", key, text, want);
}

static bool parse_unsigned(const char *text, size_t bytes, uint64_t limit, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || *out > (limit - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return bytes > 0 && *out <= limit;
}

static fr_status read_int(const Onnx__ModelProto *model, const char *key, int32_t least, int32_t most, int32_t *out,
                          bool *out_there) {
    const char *text = lookup(model, key);
    uint64_t value;
    *out_there = text != NULL;
    if (!text)
        return FR_OK;
    if (!parse_unsigned(text, strlen(text), (uint64_t)most, &value) || value < (uint64_t)least) {
        char want[64];
        snprintf(want, sizeof want, "a whole number from %d to %d", least, most);
        return bad(key, text, want);
    }
    *out = (int32_t)value;
    return FR_OK;
}

static fr_status read_flag(const Onnx__ModelProto *model, const char *key, bool *out) {
    const char *text = lookup(model, key);
    if (!text)
        return FR_OK;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return bad(key, text, "true or false");
    *out = text[0] == 't';
    return FR_OK;
}

/* One number for each channel, or one for all. */
static fr_status read_list(const Onnx__ModelProto *model, const char *key, int32_t channels, float *out) {
    const char *text = lookup(model, key), *at = text;
    int32_t count = 0;
    for (size_t bytes; at && count < FR_MAX_IMAGE_CHANNELS; at += bytes + 1) {
        double value;
        bytes = strcspn(at, ",");
        if (!fr_number_parse(at, bytes, &value) || !isfinite((float)value))
            break;
        out[count++] = (float)value;
        if (!at[bytes]) {
            at = NULL;
            break;
        }
    }
    if (at || (text && count != 1 && count != channels))
        return bad(key, text, "one number, or one for each channel of an image, with commas between");
    for (int32_t i = 1; text && count == 1 && i < channels; i++)
        out[i] = out[0];
    return FR_OK;
}

/* "1:93.95,4:87.51" */
static fr_status read_accuracy(const Onnx__ModelProto *model, fr_meta *meta) {
    const char *key = "accuracy", *text = lookup(model, key), *want = "like 1:93.95,4:87.51, at most 16 of them";
    for (const char *at = text; at;) {
        size_t bytes = strcspn(at, ","), head = strcspn(at, ":,");
        uint64_t fold;
        double accuracy;
        bool good = meta->n_accuracy < FR_MAX_MEASURED_FOLDS && head < bytes &&
                    parse_unsigned(at, head, MAX_FOLD, &fold) && fold > 0 &&
                    fr_number_parse(at + head + 1, bytes - head - 1, &accuracy) && accuracy >= 0 && accuracy <= 100;
        if (!good)
            return bad(key, text, want);
        meta->accuracy[meta->n_accuracy].fold = (int32_t)fold;
        meta->accuracy[meta->n_accuracy++].accuracy = accuracy;
        at = at[bytes] ? at + bytes + 1 : NULL;
    }
    return FR_OK;
}

static fr_status read_name(const Onnx__ModelProto *model, const char *key, char **name) {
    const char *text = lookup(model, key);
    if (!text || !text[0])
        return FR_OK;
    FR_TRY(fr_onnx_name_check(text, "the model"));
    char *copy = fr_strdup(text);
    if (!copy)
        return fr_no_memory(strlen(text) + 1, "a model's name");
    fr_free(*name);
    *name = copy;
    return FR_OK;
}

static fr_status read_origin(const Onnx__ModelProto *model, fr_meta *meta) {
    const char *text = lookup(model, "origin");
    if (!text)
        return FR_OK;
    FR_TRY(fr_onnx_name_check(text, "the model's origin"));
    size_t length = strlen(text);
    if (length >= sizeof meta->origin)
        for (length = sizeof meta->origin - 1; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
            length--;
    memcpy(meta->origin, text, length);
    meta->origin[length] = '\0';
    return FR_OK;
}

/* Features of one folded input: everything in a row of the last output. */
static int64_t features_of(const fr_graph *graph, int32_t *out_rank) {
    fr_shape shape = graph->values[graph->outputs[graph->n_outputs - 1]].shape;
    *out_rank = shape.rank;
    shape.dim[0] = 1;
    size_t count = fr_shape_elements(&shape);
    return count > INT32_MAX ? INT32_MAX : (int64_t)count;
}

static fr_status read_shape_facts(const Onnx__ModelProto *model, const fr_graph *graph, fr_meta *meta) {
    const fr_value *input = &graph->values[graph->inputs[0]];
    int64_t channels = input->shape.rank > 1 ? input->shape.dim[1] : 1;
    int32_t rank;
    int64_t features = features_of(graph, &rank);
    bool told;
    if (channels % meta->fold != 0)
        return fr_fail(FR_INVALID,
                       "metadata '" KEY "fold' is %d, which does not divide the %lld channels of the input '%s'",
                       meta->fold, (long long)channels, input->name);
    meta->image_channels = (int32_t)(channels / meta->fold);
    int32_t image_channels = meta->image_channels;
    FR_TRY(read_int(model, "image_channels", 1, INT32_MAX, &image_channels, &told));
    if (image_channels != meta->image_channels)
        return fr_fail(FR_INVALID, "metadata '" KEY "image_channels' is %d, but %lld channels hold %d images",
                       image_channels, (long long)channels, meta->fold);
    if (meta->image_channels > FR_MAX_IMAGE_CHANNELS)
        meta->hidden_input = true; /* no image has so many, and there is no room to scale each */

    FR_TRY(read_int(model, "classes", 0, INT32_MAX, &meta->classes, &told));
    if (!told && rank == 2 && features % meta->fold != 0)
        return fr_fail(FR_INVALID, "metadata '" KEY "fold' is %d, which does not divide the %lld numbers of the output",
                       meta->fold, (long long)features);
    if (!told)
        meta->classes = rank == 2 ? (int32_t)(features / meta->fold) : 0;
    if (meta->classes > 0 && (int64_t)meta->classes * meta->fold != features)
        return fr_fail(FR_INVALID, "metadata says %d classes for each of %d images, but the output has %lld numbers",
                       meta->classes, meta->fold, (long long)features);
    return FR_OK;
}

fr_status fr_onnx_meta_read(const Onnx__ModelProto *model, fr_graph *graph) {
    fr_meta *meta = &graph->meta;
    const char *seed = lookup(model, "seed");
    bool told;
    meta->fold = 1;
    FR_TRY(read_int(model, "fold", 1, MAX_FOLD, &meta->fold, &told));
    FR_TRY(read_flag(model, "hidden_input", &meta->hidden_input));
    FR_TRY(read_flag(model, "seeded", &meta->seeded));
    if (seed && !parse_unsigned(seed, strlen(seed), UINT64_MAX, &meta->seed))
        return bad("seed", seed, "a whole number");
    FR_TRY(read_accuracy(model, meta));
    FR_TRY(read_origin(model, meta));
    FR_TRY(read_name(model, "name", &graph->name));
    FR_TRY(read_name(model, "title", &graph->title));
    FR_TRY(read_shape_facts(model, graph, meta));
    for (int i = 0; i < FR_MAX_IMAGE_CHANNELS; i++) {
        meta->mean[i] = 0;
        meta->scale[i] = 1.0f / 255.0f;
    }
    if (meta->hidden_input)
        return FR_OK;
    FR_TRY(read_list(model, "mean", meta->image_channels, meta->mean));
    return read_list(model, "scale", meta->image_channels, meta->scale);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

enum { MAX_ENTRIES = 16 };
typedef struct entries {
    fr_onnx_arena *arena;
    Onnx__ModelProto *model;
    bool failed;
} entries;

static void put(entries *to, const char *key, const char *value) {
    Onnx__StringStringEntryProto *entry = fr_onnx_arena_take(to->arena, sizeof *entry);
    char *name = fr_onnx_arena_format(to->arena, KEY "%s", key), *copy = fr_onnx_arena_format(to->arena, "%s", value);
    if (!entry || !name || !copy || to->model->n_metadata_props == MAX_ENTRIES) {
        to->failed = true;
        return;
    }
    onnx__string_string_entry_proto__init(entry);
    entry->key = name;
    entry->value = copy;
    to->model->metadata_props[to->model->n_metadata_props++] = entry;
}

static void put_number(entries *to, const char *key, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put(to, key, text);
}

static void put_list(entries *to, const char *key, const float *values, int32_t count) {
    char text[FR_MAX_IMAGE_CHANNELS * (FR_NUMBER_TEXT + 1)] = "", number[FR_NUMBER_TEXT];
    for (int32_t i = 0; i < count; i++) {
        fr_number_text((double)values[i], number);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? "," : "", number);
    }
    put(to, key, text);
}

static void put_accuracy(entries *to, const fr_meta *meta) {
    char text[FR_MAX_MEASURED_FOLDS * (FR_NUMBER_TEXT + 16)] = "", number[FR_NUMBER_TEXT];
    for (int32_t i = 0; i < meta->n_accuracy; i++) {
        fr_number_text(meta->accuracy[i].accuracy, number);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d:%s", i ? "," : "", meta->accuracy[i].fold,
                 number);
    }
    if (meta->n_accuracy > 0)
        put(to, "accuracy", text);
}

fr_status fr_onnx_meta_write(const fr_graph *graph, fr_onnx_arena *arena, Onnx__ModelProto *model) {
    const fr_meta *meta = &graph->meta;
    entries to = {arena, model, false};
    model->metadata_props = fr_onnx_arena_take(arena, MAX_ENTRIES * sizeof *model->metadata_props);
    if (!model->metadata_props)
        return fr_no_memory(MAX_ENTRIES * sizeof *model->metadata_props, "metadata");
    put_number(&to, "fold", (uint64_t)meta->fold);
    put_number(&to, "classes", (uint64_t)meta->classes);
    if (meta->image_channels > 0)
        put_number(&to, "image_channels", (uint64_t)meta->image_channels);
    if (meta->hidden_input)
        put(&to, "hidden_input", "true");
    else if (meta->image_channels > 0 && meta->image_channels <= FR_MAX_IMAGE_CHANNELS) {
        put_list(&to, "mean", meta->mean, meta->image_channels);
        put_list(&to, "scale", meta->scale, meta->image_channels);
    }
    put_accuracy(&to, meta);
    put(&to, "seeded", meta->seeded ? "true" : "false");
    if (meta->seeded)
        put_number(&to, "seed", meta->seed);
    if (meta->origin[0])
        put(&to, "origin", meta->origin);
    put(&to, "title", graph->title);
    put(&to, "name", graph->name);
    return to.failed ? fr_no_memory(64, "metadata") : FR_OK;
}
