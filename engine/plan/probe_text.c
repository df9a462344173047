/* A device's measurements as JSON, and back. A field that is 0 is left out; one that is unknown is passed over. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/status.h"
#include "plan/probe.h"

enum { MOST_POINTS = 16384, MOST_RUNS = 4096 };

static const char what_it_is[] = "foldrun device profile";

static const char *const line_names[] = {NULL,     "both", "in",   "out",   "map",
                                         "inputs", "pool", "ends", "memory"}; /* by fr_probe_line */
enum { N_LINES = sizeof line_names / sizeof line_names[0] };

static const char *const kind_names[] = {
    [FR_STEP_INGEST] = "ingest", [FR_STEP_EMIT] = "emit",     [FR_STEP_CONV] = "conv",  [FR_STEP_FC] = "fc",
    [FR_STEP_POOL] = "pool",     [FR_STEP_BINARY] = "binary", [FR_STEP_UNARY] = "unary"};
enum { N_KINDS = sizeof kind_names / sizeof kind_names[0] };

static const char *const device_kinds[] = {NULL, "cpu", "gpu", "integrated", "other"}; /* by fr_device_kind */
enum { N_DEVICE_KINDS = sizeof device_kinds / sizeof device_kinds[0] };

/* ---- the fields: written and read by the same tables ------------------------------------------------------------- */

typedef struct field {
    const char *key;
    size_t offset, bytes; /* bytes: of a text */
    double low, high;
} field;

#define FIELD(type, name, key, low, high) \
    { key, offsetof(type, name), sizeof(((type *)0)->name), low, high }
#define COUNT(fields) (sizeof(fields) / sizeof(fields)[0])

static const field head_texts[] = {
    FIELD(fr_probe, identity, "identity", 0, 0), FIELD(fr_probe, device, "device", 0, 0),
    FIELD(fr_probe, name, "name", 0, 0),         FIELD(fr_probe, backend, "backend", 0, 0),
    FIELD(fr_probe, driver, "driver", 0, 0),     FIELD(fr_probe, foldrun, "foldrun", 0, 0),
};
static const field head_counts[] = {
    /* uint32_t */
    FIELD(fr_probe, flags, "flags", 0, 65535),
    FIELD(fr_probe, units, "units", 0, 1e6),
    FIELD(fr_probe, lanes, "lanes", 0, 1e5),
};
static const field head_figures[] = {
    /* double */
    FIELD(fr_probe, bandwidth, "bandwidth", 0, 1e18),
    FIELD(fr_probe, cache_bandwidth, "cache_bandwidth", 0, 1e18),
    FIELD(fr_probe, write_bandwidth, "write_bandwidth", 0, 1e18),
    FIELD(fr_probe, read_bandwidth, "read_bandwidth", 0, 1e18),
    FIELD(fr_probe, launch_ns, "launch_ns", 0, 1e12),
    FIELD(fr_probe, run_ns, "run_ns", 0, 1e12),
    FIELD(fr_probe, worst_drift, "worst_drift", -1e3, 1e3),
};
static const field by_precision[] = {
    /* double[FR_PRECISIONS] */
    FIELD(fr_probe, peak, "peak", 0, 1e20),
    FIELD(fr_probe, lane_scaling, "lane_scaling", 0, 1e5),
};
static const field point_counts[] = {
    /* int32_t */
    FIELD(fr_probe_point, n, "n", 1, 1 << 24),
    FIELD(fr_probe_point, c_in, "c_in", 1, 1 << 24),
    FIELD(fr_probe_point, h, "h", 1, 1 << 16),
    FIELD(fr_probe_point, w, "w", 1, 1 << 16),
    FIELD(fr_probe_point, c_out, "c_out", 1, 1 << 24),
    FIELD(fr_probe_point, kernel, "kernel", 0, 255),
    FIELD(fr_probe_point, groups, "groups", 0, 1 << 24),
    FIELD(fr_probe_point, pool_kernel, "pool_kernel", 0, 255),
    FIELD(fr_probe_point, pool_stride, "pool_stride", 0, 255),
    FIELD(fr_probe_point, images, "images", 0, 1 << 16),
};
static const field point_figures[] = {
    FIELD(fr_probe_point, ns, "ns", 0, 1e13),
    FIELD(fr_probe_point, spread, "spread", 0, 1e6),
};
static const field run_counts[] = {
    FIELD(fr_probe_run, net, "net", 0, 255),    FIELD(fr_probe_run, width, "width", 1, 1 << 16),
    FIELD(fr_probe_run, fold, "fold", 1, 1024), FIELD(fr_probe_run, h, "h", 1, 1 << 16),
    FIELD(fr_probe_run, w, "w", 1, 1 << 16),
};
static const field run_figures[] = {
    FIELD(fr_probe_run, images_per_s, "images_per_s", 0, 1e13),
    FIELD(fr_probe_run, spread, "spread", 0, 1e6),
};

static const double *double_at(const void *from, const field *f) {
    return (const double *)(const void *)((const char *)from + f->offset);
}

static const int32_t *count_at(const void *from, const field *f) {
    return (const int32_t *)(const void *)((const char *)from + f->offset);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* A number that is none was not measured. */
static void write_figures(fr_json_writer *w, const void *from, const field *fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double value = *double_at(from, &fields[i]);
        if (isfinite(value) && value != 0)
            fr_json_number_member(w, fields[i].key, value);
    }
}

static void write_counts(fr_json_writer *w, const void *from, const field *fields, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (*count_at(from, &fields[i]) != 0)
            fr_json_int_member(w, fields[i].key, *count_at(from, &fields[i]));
}

enum { INDENT = 1 };

/* Short lists stay on their line. */
static void begin_list(fr_json_writer *w, const char *key) {
    fr_json_key(w, key);
    fr_json_begin_array(w);
    w->indent = 0;
}

static void end_list(fr_json_writer *w) {
    fr_json_end_array(w);
    w->indent = INDENT;
}

static void write_by_precision(fr_json_writer *w, const fr_probe *p, const field *f) {
    fr_json_key(w, f->key);
    fr_json_begin_object(w);
    w->indent = 0;
    for (unsigned i = 0; i < FR_PRECISIONS; i++)
        if (isfinite(double_at(p, f)[i]) && double_at(p, f)[i] != 0)
            fr_json_number_member(w, fr_precision_name((fr_precision)i), double_at(p, f)[i]);
    fr_json_end_object(w);
    w->indent = INDENT;
}

static void write_head(fr_json_writer *w, const fr_probe *p) {
    fr_json_int_member(w, "format", FR_PROBE_FORMAT);
    fr_json_string_member(w, "what", what_it_is);
    for (size_t i = 0; i < COUNT(head_texts); i++)
        fr_json_string_member(w, head_texts[i].key, (const char *)p + head_texts[i].offset);
    fr_json_string_member(w, "kind", p->kind < N_DEVICE_KINDS ? device_kinds[p->kind] : NULL);
    write_counts(w, p, head_counts, COUNT(head_counts));
    fr_json_number_member(w, "memory_bytes", (double)p->memory_bytes);
    begin_list(w, "cache_bytes");
    for (int i = 0; i < 3; i++)
        fr_json_put_number(w, (double)p->cache_bytes[i]);
    end_list(w);
    begin_list(w, "precisions");
    for (unsigned i = 0; i < FR_PRECISIONS; i++)
        if (p->precisions >> i & 1)
            fr_json_put_string(w, fr_precision_name((fr_precision)i));
    end_list(w);
    for (size_t k = 0; k < COUNT(by_precision); k++)
        write_by_precision(w, p, &by_precision[k]);
    write_figures(w, p, head_figures, COUNT(head_figures));
    fr_json_string_member(w, "level", p->level > 0 ? "full" : "quick");
    fr_json_bool_member(w, "complete", p->complete);
}

static void write_point(fr_json_writer *w, const fr_probe_point *p) {
    fr_json_string_member(w, "line", p->line < N_LINES ? line_names[p->line] : NULL);
    fr_json_string_member(w, "kind", p->kind < N_KINDS ? kind_names[p->kind] : NULL);
    fr_json_string_member(w, "precision", fr_precision_name((fr_precision)p->precision));
    write_counts(w, p, point_counts, COUNT(point_counts));
    if (p->level)
        fr_json_int_member(w, "level", p->level);
    write_figures(w, p, point_figures, COUNT(point_figures));
    if (p->noisy)
        fr_json_bool_member(w, "noisy", true);
    if (p->candidate[0])
        fr_json_string_member(w, "candidate", p->candidate);
}

static void write_run(fr_json_writer *w, const fr_probe_run *r) {
    write_counts(w, r, run_counts, COUNT(run_counts));
    fr_json_string_member(w, "precision", fr_precision_name((fr_precision)r->precision));
    fr_json_string_member(w, "schedule", fr_schedule_name((fr_schedule)r->schedule));
    fr_json_int_member(w, "batch", r->batch);
    write_figures(w, r, run_figures, COUNT(run_figures));
    if (r->refused)
        fr_json_bool_member(w, "refused", true);
}

fr_status fr_probe_write(const fr_probe *probe, char **out_text) {
    fr_json_writer w = {.indent = INDENT};
    *out_text = NULL;
    fr_json_begin_object(&w);
    write_head(&w, probe);
    fr_json_key(&w, "points");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < probe->n_points; i++, w.indent = INDENT) {
        fr_json_begin_object(&w);
        w.indent = 0; /* one a line */
        write_point(&w, &probe->points[i]);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_key(&w, "runs");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < probe->n_runs; i++, w.indent = INDENT) {
        fr_json_begin_object(&w);
        w.indent = 0;
        write_run(&w, &probe->runs[i]);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    fr_text_add(&w.text, "\n");
    if (w.text.failed) {
        fr_text_free(&w.text);
        return fr_no_memory(0, "the text of a device's profile");
    }
    *out_text = w.text.data;
    return FR_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* 0 where there is none, if 0 is allowed. */
static fr_status take_number(const fr_json *from, const char *key, double low, double high, bool whole, double *out) {
    const fr_json *at = fr_json_get(from, key);
    *out = 0;
    if (at && at->kind != FR_JSON_NUMBER)
        return fr_fail(FR_INVALID, "'%s' is not a number", key);
    if (at)
        *out = at->number;
    if (!at && low > 0)
        return fr_fail(FR_INVALID, "'%s' is missing", key);
    if (!(*out >= low && *out <= high) || (whole && *out != floor(*out)))
        return fr_fail(FR_INVALID, "'%s' is %g, which makes no sense", key, *out);
    return FR_OK;
}

static fr_status take_figures(const fr_json *from, const field *fields, size_t count, void *out) {
    for (size_t i = 0; i < count; i++) {
        const field *f = &fields[i];
        FR_TRY(take_number(from, f->key, f->low, f->high, false, (double *)(void *)((char *)out + f->offset)));
    }
    return FR_OK;
}

static fr_status take_counts(const fr_json *from, const field *fields, size_t count, void *out) {
    for (size_t i = 0; i < count; i++) {
        double value;
        FR_TRY(take_number(from, fields[i].key, fields[i].low, fields[i].high, true, &value));
        *(int32_t *)(void *)((char *)out + fields[i].offset) = (int32_t)value;
    }
    return FR_OK;
}

static fr_status take_text(const fr_json *from, const char *key, bool needed, char *out, size_t bytes) {
    const fr_json *at = fr_json_get(from, key);
    if ((!at && needed) || (at && (at->kind != FR_JSON_STRING || strlen(at->string) >= bytes)))
        return fr_fail(FR_INVALID, "'%s' is no text of fewer than %zu bytes", key, bytes);
    snprintf(out, bytes, "%s", at ? at->string : "");
    return FR_OK;
}

static fr_status take_flag(const fr_json *from, const char *key, bool *out) {
    const fr_json *at = fr_json_get(from, key);
    if (at && at->kind != FR_JSON_BOOL)
        return fr_fail(FR_INVALID, "'%s' is neither true nor false", key);
    *out = at && at->boolean;
    return FR_OK;
}

/* A word of a list; 0 is none of them where the list begins with NULL. */
static fr_status take_word(const fr_json *from, const char *key, const char *const *words, size_t count,
                           uint16_t *out) {
    const char *word = fr_json_string(from, key, NULL);
    for (size_t i = 0; word && i < count; i++)
        if (words[i] && strcmp(words[i], word) == 0) {
            *out = (uint16_t)i;
            return FR_OK;
        }
    return fr_fail(FR_INVALID, "'%s' is none that is known", key);
}

static fr_status take_precision(const char *word, uint16_t *out) {
    fr_precision precision;
    if (!word || !fr_precision_from_name(word, &precision))
        return fr_fail(FR_INVALID, "'precision' is none that is known");
    *out = (uint16_t)precision;
    return FR_OK;
}

static fr_status take_list(const fr_json *from, const char *key, size_t most, const fr_json **out) {
    *out = fr_json_get(from, key);
    if (!*out || (*out)->kind != FR_JSON_ARRAY || (*out)->count > most)
        return fr_fail(FR_INVALID, "'%s' is no list of at most %zu items", key, most);
    return FR_OK;
}

static fr_status read_facts(const fr_json *from, fr_probe *out) {
    uint16_t kind = 0, level = 0, precision = 0;
    double bytes;
    const fr_json *list;
    static const char *const levels[] = {"quick", "full"};
    for (size_t i = 0; i < COUNT(head_texts); i++)
        FR_TRY(take_text(from, head_texts[i].key, true, (char *)out + head_texts[i].offset, head_texts[i].bytes));
    FR_TRY(take_word(from, "kind", device_kinds, N_DEVICE_KINDS, &kind));
    FR_TRY(take_word(from, "level", levels, COUNT(levels), &level));
    FR_TRY(take_counts(from, head_counts, COUNT(head_counts), out));
    FR_TRY(take_number(from, "memory_bytes", 0, 1e18, true, &bytes));
    out->kind = kind;
    out->level = level;
    out->memory_bytes = (uint64_t)bytes;
    FR_TRY(take_flag(from, "complete", &out->complete));
    FR_TRY(take_list(from, "cache_bytes", COUNT(out->cache_bytes), &list));
    int n = 0;
    for (const fr_json *at = list->child; at; at = at->next) {
        if (at->kind != FR_JSON_NUMBER || !(at->number >= 0 && at->number <= 1e15))
            return fr_fail(FR_INVALID, "'cache_bytes' make no sense");
        out->cache_bytes[n++] = (uint64_t)at->number;
    }
    FR_TRY(take_list(from, "precisions", FR_PRECISIONS, &list));
    for (const fr_json *at = list->child; at; at = at->next) {
        FR_TRY(take_precision(at->string, &precision));
        out->precisions |= 1u << precision;
    }
    return FR_OK;
}

static fr_status read_head(const fr_json *from, fr_probe *out) {
    FR_TRY(read_facts(from, out));
    for (size_t k = 0; k < COUNT(by_precision); k++) {
        const field *f = &by_precision[k];
        const fr_json *of = fr_json_get(from, f->key);
        double *values = (double *)(void *)((char *)out + f->offset);
        for (unsigned i = 0; i < FR_PRECISIONS; i++) {
            const char *name = fr_precision_name((fr_precision)i);
            if (take_number(of, name, f->low, f->high, false, &values[i]) != FR_OK)
                return fr_fail_within(FR_INVALID, "'%s'", f->key);
        }
    }
    return take_figures(from, head_figures, COUNT(head_figures), out);
}

/* What a step of these numbers would need in order to be one. */
static bool makes_a_step(const fr_probe_point *p) {
    bool pooled = p->pool_kernel > 0;
    if (pooled != (p->pool_stride > 0) || (pooled && (p->pool_kernel > p->h || p->pool_kernel > p->w)))
        return false;
    switch (p->kind) {
    case FR_STEP_CONV:
        return p->kernel > 0 && p->groups > 0 && p->c_in % p->groups == 0 && p->c_out % p->groups == 0 &&
               p->kernel <= p->h + 2 * (p->kernel / 2) && p->kernel <= p->w + 2 * (p->kernel / 2);
    case FR_STEP_FC: return (double)p->c_in * p->h * p->w <= 1 << 30;
    case FR_STEP_POOL: return pooled;
    case FR_STEP_INGEST: return p->images > 0 && p->c_out % p->images == 0;
    case FR_STEP_EMIT: return p->images > 0 && p->c_in % p->images == 0;
    default: return true;
    }
}

static fr_status read_point(const fr_json *from, fr_probe *out) {
    fr_probe_point p = {.line = 0};
    double level;
    FR_TRY(take_word(from, "line", line_names, N_LINES, &p.line));
    FR_TRY(take_word(from, "kind", kind_names, N_KINDS, &p.kind));
    FR_TRY(take_precision(fr_json_string(from, "precision", NULL), &p.precision));
    FR_TRY(take_counts(from, point_counts, COUNT(point_counts), &p));
    FR_TRY(take_number(from, "level", 0, 2, true, &level));
    FR_TRY(take_figures(from, point_figures, COUNT(point_figures), &p));
    FR_TRY(take_flag(from, "noisy", &p.noisy));
    FR_TRY(take_text(from, "candidate", false, p.candidate, sizeof p.candidate));
    p.level = (uint16_t)level;
    if (!makes_a_step(&p))
        return fr_fail(FR_INVALID, "no step has such channels, groups and windows");
    return fr_probe_add_point(out, &p);
}

static fr_status read_run(const fr_json *from, fr_probe *out) {
    fr_probe_run r = {.net = 0};
    fr_schedule schedule;
    double batch;
    FR_TRY(take_counts(from, run_counts, COUNT(run_counts), &r));
    FR_TRY(take_precision(fr_json_string(from, "precision", NULL), &r.precision));
    if (!fr_schedule_from_name(fr_json_string(from, "schedule", ""), &schedule) || schedule == FR_SCHEDULE_AUTO)
        return fr_fail(FR_INVALID, "'schedule' is neither layers nor chain");
    FR_TRY(take_number(from, "batch", 1, 1 << 24, true, &batch)); /* as many as a session takes */
    FR_TRY(take_figures(from, run_figures, COUNT(run_figures), &r));
    FR_TRY(take_flag(from, "refused", &r.refused));
    r.schedule = (uint16_t)schedule;
    r.batch = (int64_t)batch;
    return fr_probe_add_run(out, &r);
}

static fr_status read_root(const fr_json *root, fr_probe *out) {
    const fr_json *points, *runs;
    size_t number = 1;
    if (strcmp(fr_json_string(root, "what", ""), what_it_is) != 0)
        return fr_fail(FR_INVALID, "it is no device profile of foldrun's");
    if (fr_json_number(root, "format", 0) != FR_PROBE_FORMAT)
        return fr_fail(FR_INVALID, "it is a device profile of another version (%g, not %d); measure the device again",
                       fr_json_number(root, "format", 0), FR_PROBE_FORMAT);
    FR_TRY(read_head(root, out));
    FR_TRY(take_list(root, "points", MOST_POINTS, &points));
    FR_TRY(take_list(root, "runs", MOST_RUNS, &runs));
    for (const fr_json *at = points->child; at; at = at->next, number++) {
        fr_status status = read_point(at, out);
        if (status != FR_OK)
            return fr_fail_within(status, "point %zu", number);
    }
    number = 1;
    for (const fr_json *at = runs->child; at; at = at->next, number++) {
        fr_status status = read_run(at, out);
        if (status != FR_OK)
            return fr_fail_within(status, "run %zu", number);
    }
    return FR_OK;
}

fr_status fr_probe_read(const char *text, size_t bytes, fr_probe *out_probe) {
    fr_json_doc *doc;
    memset(out_probe, 0, sizeof *out_probe);
    FR_TRY(fr_json_parse(text, bytes, &doc));
    fr_status status = read_root(fr_json_root(doc), out_probe);
    fr_json_free(doc);
    if (status != FR_OK)
        fr_probe_free(out_probe);
    return status;
}
