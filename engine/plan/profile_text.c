/* The device profile as JSON, and back. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/status.h"
#include "plan/profile.h"

enum { FORMAT = 1, MOST_TIMES = 4096 };

static void write_step(fr_json_writer *w, const fr_profile_step *s) {
    fr_json_begin_object(w);
    fr_json_string_member(w, "shape", s->shape);
    fr_json_string_member(w, "kind", s->kind);
    fr_json_int_member(w, "inputs", s->n);
    fr_json_int_member(w, "c_in", s->c_in);
    fr_json_int_member(w, "c_out", s->c_out);
    fr_json_int_member(w, "places", s->places);
    fr_json_number_member(w, "work", s->work);
    fr_json_string_member(w, "untuned", s->untuned);
    fr_json_number_member(w, "untuned_ns", s->untuned_ns);
    fr_json_key(w, "times");
    fr_json_begin_array(w);
    for (int32_t i = 0; i < s->n_times; i++) {
        fr_json_begin_object(w);
        fr_json_string_member(w, "kernel", s->times[i].name);
        fr_json_int_member(w, "src_layout", s->times[i].src_layout);
        fr_json_int_member(w, "dst_layout", s->times[i].dst_layout);
        fr_json_number_member(w, "ns", s->times[i].ns);
        fr_json_end_object(w);
    }
    fr_json_end_array(w);
    fr_json_end_object(w);
}

fr_status fr_profile_write(const fr_profile *profile, const char *device, char **out_text) {
    fr_json_writer w = {.indent = 1};
    *out_text = NULL;
    fr_json_begin_object(&w);
    fr_json_int_member(&w, "format", FORMAT);
    fr_json_string_member(&w, "device", device);
    fr_json_key(&w, "steps");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < profile->count; i++)
        write_step(&w, &profile->steps[i]);
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    fr_text_add(&w.text, "\n");
    if (w.text.failed) {
        fr_text_free(&w.text);
        return fr_no_memory(0, "the device profile's text");
    }
    *out_text = w.text.data;
    return FR_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* False for a number that is none, or out of the range. */
static bool take_int(const fr_json *from, const char *key, double highest, int32_t *out) {
    double value = fr_json_number(from, key, -1);
    if (!(value >= 0 && value <= highest) || value != (double)(int32_t)value)
        return false;
    *out = (int32_t)value;
    return true;
}

static bool take_text(const fr_json *from, const char *key, char *out, size_t bytes) {
    const char *text = fr_json_string(from, key, NULL);
    if (!text || strlen(text) >= bytes)
        return false;
    snprintf(out, bytes, "%s", text);
    return true;
}

static bool read_time(const fr_json *from, fr_profile_time *out) {
    int32_t src, dst;
    if (!take_text(from, "kernel", out->name, sizeof out->name) || !out->name[0] ||
        !take_int(from, "src_layout", FR_LAYOUT_USER_CHW, &src) ||
        !take_int(from, "dst_layout", FR_LAYOUT_USER_CHW, &dst))
        return false;
    out->src_layout = (uint16_t)src;
    out->dst_layout = (uint16_t)dst;
    out->ns = fr_json_number(from, "ns", 0);
    return out->ns > 0 && out->ns < 1e15;
}

static bool read_head(const fr_json *from, fr_profile_step *out) {
    out->work = fr_json_number(from, "work", -1);
    out->untuned_ns = fr_json_number(from, "untuned_ns", 0);
    return take_text(from, "shape", out->shape, sizeof out->shape) && out->shape[0] &&
           take_text(from, "kind", out->kind, sizeof out->kind) &&
           take_text(from, "untuned", out->untuned, sizeof out->untuned) && take_int(from, "inputs", 1e9, &out->n) &&
           take_int(from, "c_in", 1e9, &out->c_in) && take_int(from, "c_out", 1e9, &out->c_out) &&
           take_int(from, "places", 1e9, &out->places) && out->n > 0 && out->work >= 0 && out->work < 1e30 &&
           out->untuned_ns >= 0;
}

static fr_status read_step(const fr_json *from, fr_profile *profile) {
    fr_profile_step made = {.n = 0};
    fr_status status = FR_OK;
    const fr_json *list = fr_json_get(from, "times");
    if (!read_head(from, &made) || !list || list->kind != FR_JSON_ARRAY || list->count < 1 || list->count > MOST_TIMES)
        return fr_fail(FR_INVALID, "a step of the profile makes no sense");
    fr_profile_time *times = fr_alloc_array(list->count, sizeof *times);
    if (!times)
        return fr_no_memory(list->count * sizeof *times, "the device profile");
    int32_t count = 0;
    for (const fr_json *at = list->child; at && status == FR_OK; at = at->next)
        if (!read_time(at, &times[count++]))
            status = fr_fail(FR_INVALID, "a time of '%s' in the profile makes no sense", made.shape);
    if (status == FR_OK)
        status = fr_profile_insert(profile, &made, times, count);
    fr_free(times);
    return status;
}

static fr_status read_root(const fr_json *root, const char *device, fr_profile *out) {
    const fr_json *list = fr_json_get(root, "steps");
    if (fr_json_number(root, "format", 0) != FORMAT || !list || list->kind != FR_JSON_ARRAY)
        return fr_fail(FR_INVALID, "it is no device profile of this version");
    if (strcmp(fr_json_string(root, "device", ""), device) != 0)
        return fr_fail(FR_INVALID, "it is another device's profile, or another driver's");
    for (const fr_json *at = list->child; at; at = at->next)
        FR_TRY(read_step(at, out));
    return FR_OK;
}

fr_status fr_profile_read(const char *text, size_t bytes, const char *device, fr_profile *out_profile) {
    fr_json_doc *doc;
    memset(out_profile, 0, sizeof *out_profile);
    FR_TRY(fr_json_parse(text, bytes, &doc));
    fr_status status = read_root(fr_json_root(doc), device, out_profile);
    fr_json_free(doc);
    if (status != FR_OK)
        fr_profile_free(out_profile);
    return status;
}
