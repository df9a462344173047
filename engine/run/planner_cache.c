/* What measuring a plan's options gave, in the disk cache: the same question on the same device is answered at once. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "run/context.h"
#include "run/planner.h"

enum { FORMAT = 2, MOST_RECORDS = 1024 };

/* ---- the question ---------------------------------------------------------------------------------------------- */

static fr_hash add_number(fr_hash hash, double value) {
    return fr_hash_bytes(&value, sizeof value, hash);
}

static fr_hash add_text(fr_hash hash, const char *text) {
    return fr_hash_bytes(text, strlen(text) + 1, hash);
}

/* A profile that was measured again asks again. */
static fr_hash add_probe(fr_hash hash, const fr_probe *probe) {
    hash = add_text(hash, probe->identity);
    for (size_t i = 0; i < probe->n_points; i++)
        hash = add_number(hash, probe->points[i].ns);
    for (size_t i = 0; i < probe->n_runs; i++)
        hash = add_number(hash, probe->runs[i].images_per_s);
    return hash;
}

static fr_hash add_variant(fr_hash hash, const fr_planner_variant *v, const fr_variant *shape) {
    hash = add_text(hash, v->label);
    hash = add_number(hash, shape->fold);
    hash = add_number(hash, shape->round);
    hash = add_number(hash, shape->quantum);
    hash = add_number(hash, shape->trained);
    hash = add_number(hash, shape->accuracy);
    for (int32_t i = 0; i < v->steps.n_items; i++) {
        hash = fr_hash_bytes(&v->steps.items[i].step, sizeof v->steps.items[i].step, hash);
        hash = fr_hash_bytes(v->steps.items[i].src, sizeof v->steps.items[i].src, hash);
    }
    return hash;
}

static char *make_key(const fr_planner *p) {
    const fr_plan_options *o = &p->options;
    const fr_choice_question *q = &p->question;
    char hex[33];
    fr_hash hash = add_probe((fr_hash){3, 4}, &p->probe);
    for (int32_t i = 0; i < p->n_variants; i++)
        hash = add_variant(hash, &p->variants[i], &p->shapes[i]);
    for (int32_t i = 0; i < q->n_batches; i++)
        hash = add_number(hash, (double)q->batches[i]);
    const double numbers[] = {q->precisions,
                              q->schedules,
                              q->limits.max_latency_ms,
                              (double)q->limits.max_bytes,
                              q->limits.max_drop,
                              q->plain_accuracy,
                              o->exact,
                              o->threads,
                              o->pin,
                              o->measure,
                              o->tune_ms};
    hash = fr_hash_bytes(numbers, sizeof numbers, hash);
    fr_hash_hex(hash, hex);
    return fr_format("choice %d|%s|%s|%s", FORMAT, fr_version(), p->identity, hex);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void write_record(fr_json_writer *w, const fr_planner_record *r) {
    fr_json_begin_object(w);
    fr_json_int_member(w, "variant", r->variant);
    fr_json_int_member(w, "precision", r->precision);
    fr_json_int_member(w, "schedule", r->schedule);
    fr_json_int_member(w, "batch", r->batch);
    fr_json_number_member(w, "images_per_s", r->images_per_s);
    fr_json_number_member(w, "low", r->low);
    fr_json_number_member(w, "high", r->high);
    fr_json_number_member(w, "ms", r->ms);
    fr_json_int_member(w, "bytes", (int64_t)r->bytes);
    fr_json_bool_member(w, "failed", r->failed);
    fr_json_string_member(w, "why", r->why);
    if (r->kernels)
        fr_json_string_member(w, "kernels", r->kernels);
    fr_json_end_object(w);
}

/* Memory that others held, a driver that stumbled: the reason may be gone the next time. */
static bool may_do_again(const fr_planner_record *r) {
    return r->failed && r->status != FR_UNSUPPORTED;
}

/* Nothing is kept where everything failed. */
void fr_planner_store(const fr_planner *p) {
    fr_json_writer w = {.indent = 1};
    bool any = false, retries = false;
    char *key = make_key(p);
    fr_json_begin_object(&w);
    fr_json_int_member(&w, "format", FORMAT);
    fr_json_key(&w, "measured");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < p->n_records; i++) {
        retries |= may_do_again(&p->records[i]);
        any |= !p->records[i].failed;
        if (!may_do_again(&p->records[i]))
            write_record(&w, &p->records[i]);
    }
    fr_json_end_array(&w);
    fr_json_bool_member(&w, "retries", retries);
    fr_json_end_object(&w);
    if (key && any && !w.text.failed)
        fr_cache_store_text(p->context->cache, key, w.text.data);
    fr_text_free(&w.text);
    fr_free(key);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static bool take_int(const fr_json *from, const char *key, double least, double most, int32_t *out) {
    double value = fr_json_number(from, key, least - 1);
    if (!(value >= least && value <= most) || value != (double)(int32_t)value)
        return false;
    *out = (int32_t)value;
    return true;
}

static bool read_record(const fr_planner *p, const fr_json *from, fr_planner_record *r) {
    int32_t precision, schedule, batch;
    memset(r, 0, sizeof *r);
    if (!take_int(from, "variant", 0, p->n_variants - 1, &r->variant) ||
        !take_int(from, "precision", 0, FR_PRECISIONS - 1, &precision) ||
        !take_int(from, "schedule", FR_SCHEDULE_LAYERS, FR_SCHEDULE_CHAIN, &schedule) ||
        !take_int(from, "batch", 1, 1 << 24, &batch))
        return false;
    r->precision = (fr_precision)precision;
    r->schedule = (fr_schedule)schedule;
    r->batch = batch;
    r->images_per_s = fr_json_number(from, "images_per_s", -1);
    r->low = fr_json_number(from, "low", -1);
    r->high = fr_json_number(from, "high", -1);
    r->ms = fr_json_number(from, "ms", -1);
    r->failed = fr_json_bool(from, "failed", false);
    r->status = r->failed ? FR_UNSUPPORTED : FR_OK;
    double bytes = fr_json_number(from, "bytes", -1);
    if (!(bytes >= 0 && bytes < 1e18) || !(r->low >= 0 && r->low <= r->images_per_s && r->images_per_s <= r->high) ||
        !(r->ms >= 0) || r->failed != (r->images_per_s <= 0))
        return false;
    r->bytes = (uint64_t)bytes;
    snprintf(r->why, sizeof r->why, "%s", fr_json_string(from, "why", ""));
    return true;
}

static bool is_an_option(const fr_planner *p, const fr_planner_record *r) {
    for (size_t i = 0; i < p->choice.n_options; i++) {
        const fr_option *o = &p->choice.options[i];
        if (o->variant == r->variant && o->precision == r->precision && o->schedule == r->schedule &&
            o->batch == r->batch)
            return true;
    }
    return false;
}

static bool read_all(fr_planner *p, const fr_json *root) {
    const fr_json *list = fr_json_get(root, "measured");
    if (fr_json_number(root, "format", 0) != FORMAT || !list || list->kind != FR_JSON_ARRAY ||
        list->count > MOST_RECORDS)
        return false;
    for (const fr_json *at = list->child; at; at = at->next) {
        fr_planner_record r;
        const char *kernels = fr_json_string(at, "kernels", NULL);
        if (!read_record(p, at, &r) || !is_an_option(p, &r))
            return false;
        r.kernels = fr_strdup(kernels);
        if ((kernels && !r.kernels) || fr_planner_add_record(p, &r) != FR_OK) {
            fr_free(r.kernels);
            return false;
        }
    }
    return p->n_records > 0;
}

static void forget(fr_planner *p) {
    for (; p->n_records > 0; p->n_records--)
        fr_free(p->records[p->n_records - 1].kernels);
}

bool fr_planner_load(fr_planner *p) {
    char *text = NULL, *key = make_key(p);
    fr_json_doc *doc;
    bool good = false;
    if (key && fr_cache_load_text(p->context->cache, key, &text) == FR_OK &&
        fr_json_parse(text, strlen(text), &doc) == FR_OK) {
        good = read_all(p, fr_json_root(doc));
        p->retries = good && fr_json_bool(fr_json_root(doc), "retries", false);
        fr_json_free(doc);
        if (!good)
            fr_log(FR_LOG_WARNING, "a plan in the cache makes no sense and is made again");
    }
    if (!good)
        forget(p);
    fr_free(text);
    fr_free(key);
    return good;
}
