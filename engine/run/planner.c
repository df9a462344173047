/* The planner: options, the device's profile, the choice by prediction, what measuring makes of it, and the answer. */
#include "run/planner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "run/context.h"
#include "run/device_profile.h"
#include "run/options.h"
#include "run/probe_store.h"
#include "run/programs.h"

enum { MOST_MEASURED = FR_PLANNER_MOST };

/* ---- options --------------------------------------------------------------------------------------------------- */

static fr_status check_lists(const fr_plan_options *o) {
    if (o->n_folds > FR_PLAN_LIST || o->n_rounds > FR_PLAN_LIST || o->n_batches > FR_PLAN_LIST)
        return fr_fail(FR_INVALID, "at most %d folds, roundings and batches can be compared", FR_PLAN_LIST);
    for (size_t i = 0; i < o->n_folds; i++)
        if (o->folds[i] < 1)
            return fr_fail(FR_INVALID, "fold %d: expected a number of images from 1", o->folds[i]);
    for (size_t i = 0; i < o->n_rounds; i++)
        if ((unsigned)o->rounds[i].round > FR_ROUND_NEAREST || o->rounds[i].quantum < 0)
            return fr_fail(FR_INVALID, "a rounding of the widths is floor, or up, down or nearest to some channels");
    for (size_t i = 0; i < o->n_batches; i++)
        if (o->batches[i] < 1 || o->batches[i] > 1 << 24)
            return fr_fail(FR_INVALID, "a batch of %lld images: expected 1 to 16777216", (long long)o->batches[i]);
    return FR_OK;
}

static fr_status check_options(const fr_plan_options *o) {
    if (o->n_models < 1 || o->n_models > 1 << 16 || !o->models)
        return fr_fail(FR_INVALID, "no model was given to plan for");
    for (size_t i = 0; i < o->n_models; i++)
        if (!o->models[i] || (o->labels && !o->labels[i]))
            return fr_fail(FR_INVALID, "model %zu of %zu is missing", i + 1, o->n_models);
    FR_TRY(check_lists(o));
    if (o->schedules & ~(1u << FR_SCHEDULE_LAYERS | 1u << FR_SCHEDULE_CHAIN))
        return fr_fail(FR_INVALID, "a plan's schedules are layers and chain");
    if (o->precisions >> FR_PRECISIONS)
        return fr_fail(FR_INVALID, "a precision was asked for that does not exist");
    if (!(o->max_latency_ms >= 0) || !isfinite(o->max_latency_ms) ||
        (o->has_max_drop && !(isfinite(o->max_drop) && o->max_drop >= 0)))
        return fr_fail(FR_INVALID, "limits on latency and on the loss of accuracy are numbers from 0");
    if ((unsigned)o->pin > FR_PINNING_ON)
        return fr_fail(FR_INVALID, "binding lanes is chosen by the library, off or on");
    if (o->threads < 0 || o->measure < 0 || o->measure > MOST_MEASURED || o->tune_ms < 0)
        return fr_fail(FR_INVALID, "threads and tuning time can't be negative, and at most %d options are measured",
                       MOST_MEASURED);
    return FR_OK;
}

/* Those of the device, but int8 and f64 unless they are asked for. */
static fr_status choose_precisions(fr_planner *p) {
    static const uint32_t seldom = 1u << FR_PRECISION_INT8 | 1u << FR_PRECISION_F64;
    uint32_t have = p->probe.precisions, want = p->options.precisions;
    for (int i = 0; i < FR_PRECISIONS; i++)
        if ((want & ~have) >> i & 1u)
            return fr_target_lacks(p->name, (fr_precision)i, have);
    if (want == 0)
        want = have & ~seldom ? have & ~seldom : have;
    p->options.precisions = want;
    return FR_OK;
}

bool fr_planner_measures(const fr_planner *p) {
    return !p->from_file && !p->options.no_measure;
}

fr_status fr_planner_tell(fr_planner *p, const char *what, double fraction) {
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    if (p->options.progress &&
        !p->options.progress(p->options.progress_user, what, p->done_before + p->done_span * fraction))
        return fr_fail(FR_CANCELLED, "interrupted: no plan was made");
    return FR_OK;
}

/* ---- the device's profile -------------------------------------------------------------------------------------- */

static fr_status load_file(fr_planner *p) {
    p->from_file = true;
    FR_TRY(fr_probe_load_file(p->options.profile, &p->probe));
    snprintf(p->device, sizeof p->device, "%s", p->probe.device);
    snprintf(p->name, sizeof p->name, "%s", p->probe.name);
    snprintf(p->driver, sizeof p->driver, "%s", p->probe.driver);
    snprintf(p->path, sizeof p->path, "%s", p->options.profile);
    p->stale = fr_probe_is_stale(&p->probe);
    fr_status status = fr_predictor_new(&p->probe, &p->predictor);
    return status == FR_OK ? FR_OK : fr_fail_within(status, "'%s'", p->options.profile);
}

static bool tell_profiling(void *user, const char *what, double fraction) {
    return fr_planner_tell(user, what, fraction) == FR_OK;
}

/* Half of the progress is the profile's. */
static fr_status measure_profile(fr_planner *p) {
    fr_profile_options o = FR_OPTIONS(fr_profile_options);
    fr_device_report report;
    o.device = p->options.device;
    o.quick = true;
    o.progress = tell_profiling;
    o.progress_user = p;
    p->done_span = 0.5;
    fr_status status = fr_profile_device(p->context, &o, &report);
    fr_device_report_free(&report);
    p->done_before = p->done_span;
    return status;
}

static fr_status load_stored(fr_planner *p, const fr_target *target, bool *out_good) {
    bool found;
    fr_predictor_free(p->predictor);
    p->predictor = NULL;
    fr_probe_free(&p->probe);
    memset(&p->probe, 0, sizeof p->probe);
    *out_good = false;
    FR_TRY(fr_probe_load(fr_cache_folder(p->context->cache), target, &p->probe, &found, &p->stale));
    fr_status status = found ? fr_predictor_new(&p->probe, &p->predictor) : FR_INVALID;
    *out_good = status == FR_OK;
    return status == FR_INVALID ? FR_OK : status; /* too little was measured before it was interrupted */
}

/* A quick one that was cut short long before its end: kernels that are built for the first time take much of its time. */
static bool is_thin(const fr_probe *probe) {
    size_t tried = 0;
    for (size_t i = 0; i < probe->n_points; i++)
        tried += probe->points[i].ns > 0 || probe->points[i].candidate[0];
    return probe->level == 0 && !probe->complete && 2 * tried < probe->n_points;
}

static fr_status describe_device(fr_planner *p, const fr_target *target) {
    fr_target_id(target, p->options.device, p->device, sizeof p->device);
    snprintf(p->name, sizeof p->name, "%s", target->facts.name);
    snprintf(p->driver, sizeof p->driver, "%s", target->facts.driver);
    char *identity = fr_device_identity(target);
    if (!identity)
        return fr_no_memory(0, "a plan");
    snprintf(p->identity, sizeof p->identity, "%s", identity);
    fr_free(identity);
    return FR_OK;
}

static fr_status find_own(fr_planner *p) {
    fr_target target = {0};
    fr_status status = FR_OK;
    bool good = false;
    FR_TRY(fr_registry_open(p->context->registry, p->options.device, &target.backend, &target.device, &target.facts));
    FR_GO(cleanup, describe_device(p, &target));
    FR_GO(cleanup, load_stored(p, &target, &good));
    if (!good || (is_thin(&p->probe) && !p->stale)) {
        FR_GO(cleanup, measure_profile(p));
        FR_GO(cleanup, load_stored(p, &target, &good));
    }
    if (!good)
        status = fr_fail(FR_UNAVAILABLE, "too little is known of %s to plan for it: run 'foldrun profile --device %s'",
                         p->name, p->device);
    else
        status = fr_probe_path(fr_cache_folder(p->context->cache), &target, p->path, sizeof p->path);
cleanup:
    target.backend->device_close(target.device);
    return status;
}

fr_status fr_planner_begin(fr_planner *p, fr_context *context, const fr_plan_options *options) {
    memset(p, 0, sizeof *p);
    p->context = context;
    p->done_span = 1;
    FR_TRY(fr_options_take(options, &p->options, sizeof p->options, "fr_plan_options"));
    FR_TRY(check_options(&p->options));
    FR_TRY(p->options.profile ? load_file(p) : find_own(p));
    p->done_span = 1 - p->done_before;
    return choose_precisions(p);
}

void fr_planner_free(fr_planner *p) {
    fr_choice_free(&p->choice);
    fr_planner_free_variants(p);
    fr_predictor_free(p->predictor);
    fr_probe_free(&p->probe);
    for (size_t i = 0; i < p->n_records; i++)
        fr_free(p->records[i].kernels);
    fr_free(p->records);
    fr_text_free(&p->refused);
    memset(p, 0, sizeof *p);
}

/* ---- choosing -------------------------------------------------------------------------------------------------- */

fr_status fr_planner_predict(fr_planner *p) {
    const fr_plan_options *o = &p->options;
    uint64_t begin = fr_clock_ns();
    FR_TRY(fr_planner_variants(p));
    FR_TRY(fr_planner_batches(p));
    p->question.variants = p->shapes;
    p->question.n_variants = p->n_variants;
    p->question.precisions = o->precisions;
    p->question.schedules = o->schedules ? o->schedules : 1u << FR_SCHEDULE_LAYERS | 1u << FR_SCHEDULE_CHAIN;
    p->question.limits = (fr_limits){.max_latency_ms = o->max_latency_ms,
                                     .max_bytes = o->max_memory,
                                     .max_drop = o->has_max_drop ? o->max_drop : -1};
    p->question.lanes = o->threads;
    FR_TRY(fr_choose(p->predictor, &p->question, &p->choice));
    p->choose_ms = (double)(fr_clock_ns() - begin) / 1e6;
    return FR_OK;
}

static fr_status choose(fr_planner *p) {
    FR_TRY(fr_planner_predict(p));
    if (!fr_planner_measures(p))
        return FR_OK;
    uint64_t begin = fr_clock_ns();
    bool known = !p->options.fresh && fr_planner_load(p);
    if (known)
        fr_planner_apply_records(p);
    p->from_cache = known && !p->retries;
    if (p->from_cache)
        return FR_OK;
    FR_TRY(fr_planner_decide(p, fr_planner_measure));
    p->measure_s = (double)(fr_clock_ns() - begin) / 1e9;
    fr_planner_store(p);
    return FR_OK;
}

/* ---- the answer ------------------------------------------------------------------------------------------------ */

static const char *broken_name(fr_limit limit) {
    static const char *const names[] = {NULL, "latency", "memory", "accuracy"};
    return (size_t)limit < sizeof names / sizeof names[0] ? names[limit] : NULL;
}

static void fill_row(const fr_planner *p, const fr_option *option, fr_plan_row *row) {
    const fr_planner_variant *v = &p->variants[option->variant];
    const fr_variant *shape = &p->shapes[option->variant];
    const fr_planner_record *record = fr_planner_find_record(p, option);
    const int32_t *basis = option->predicted.by_basis;
    *row = (fr_plan_row){.model = v->index,
                         .fold = shape->fold,
                         .quantum = shape->quantum,
                         .round = shape->round,
                         .precision = option->precision,
                         .schedule = option->schedule,
                         .batch = option->batch,
                         .trained = shape->trained,
                         .accuracy = shape->accuracy,
                         .predicted = option->predicted.images_per_s,
                         .predicted_ms = option->predicted.run_ns / 1e6,
                         .predicted_bytes = option->predicted.bytes,
                         .guessed_steps = basis[FR_BASIS_EXTRAPOLATED] + basis[FR_BASIS_LIMIT],
                         .n_steps = v->steps.n_items,
                         .measured = option->measured,
                         .measured_low = option->measured_low,
                         .measured_high = option->measured_high,
                         .measured_ms = option->measured_ms,
                         .measured_bytes = option->measured_bytes,
                         .broken = broken_name(option->broken)};
    snprintf(row->label, sizeof row->label, "%s", v->label);
    snprintf(row->why, sizeof row->why, "%s", record ? record->why : "");
}

static fr_status answer(const fr_planner *p, fr_plan_result *out) {
    out->from_cache = p->from_cache;
    out->quick_profile = p->probe.level == 0;
    out->stale_profile = p->stale;
    out->drop_unjudged = p->choice.drop_unjudged;
    out->choose_ms = p->choose_ms;
    out->measure_s = p->measure_s;
    snprintf(out->device, sizeof out->device, "%s", p->device);
    snprintf(out->name, sizeof out->name, "%s", p->name);
    snprintf(out->driver, sizeof out->driver, "%s", p->driver);
    snprintf(out->profile, sizeof out->profile, "%s", p->path);
    out->rows = fr_alloc_array(p->choice.n_options, sizeof *out->rows);
    if (!out->rows)
        return fr_no_memory(p->choice.n_options * sizeof *out->rows, "a plan");
    out->n_rows = p->choice.n_options;
    for (size_t i = 0; i < out->n_rows; i++)
        fill_row(p, &p->choice.options[i], &out->rows[i]);
    out->plain_accuracy = fr_choice_plain_accuracy(&p->question);
    out->choice = fr_choice_winner(&p->question, &p->choice);
    const fr_planner_record *best =
        out->choice >= 0 ? fr_planner_find_record(p, &p->choice.options[out->choice]) : NULL;
    out->kernels = best ? fr_strdup(best->kernels) : NULL;
    if (best && best->kernels && !out->kernels)
        return fr_no_memory(strlen(best->kernels), "a plan");
    return fr_planner_notes(p, out, &out->notes);
}

fr_status fr_plan_make(fr_context *context, const fr_plan_options *options, fr_plan_result *out_result) {
    fr_planner p;
    fr_status status;
    memset(out_result, 0, sizeof *out_result);
    out_result->choice = -1;
    FR_GO(cleanup, fr_planner_begin(&p, context, options));
    FR_GO(cleanup, choose(&p));
    status = answer(&p, out_result);
cleanup:
    fr_planner_free(&p);
    if (status != FR_OK)
        fr_plan_result_free(out_result);
    return status;
}

void fr_plan_result_free(fr_plan_result *result) {
    fr_free(result->rows);
    fr_free(result->kernels);
    fr_free(result->notes);
    memset(result, 0, sizeof *result);
    result->choice = -1;
}
