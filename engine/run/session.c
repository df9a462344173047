#include "run/session.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "graph/passes.h"
#include "run/calibrate.h"
#include "run/context.h"
#include "run/device_profile.h"
#include "run/model.h"
#include "run/options.h"
#include "run/selfcheck.h"
#include "run/tuner.h"
#include "run/programs.h"

static fr_status check_options(const fr_session_options *o) {
    if (o->batch < 0 || o->threads < 0 || o->group < 0 || o->tune_ms < 0)
        return fr_fail(FR_INVALID, "batch, threads, group and tuning time can't be negative");
    if (o->batch > 1 << 24 || o->group > 1 << 16 || o->threads > 4096)
        return fr_fail(FR_INVALID,
                       "a batch of at most 16777216 images, a group of 65536 and 4096 threads can be planned");
    if (o->input_dtype != FR_DTYPE_NONE && o->input_dtype != FR_U8 && o->input_dtype != FR_F32)
        return fr_fail(FR_INVALID, "images come as u8 or f32");
    if ((unsigned)o->bundles > FR_BUNDLING_ON)
        return fr_fail(FR_INVALID, "bundles are chosen by the library, off or on");
    if ((unsigned)o->pin > FR_PINNING_ON)
        return fr_fail(FR_INVALID, "binding lanes is chosen by the library, off or on");
    if ((unsigned)o->schedule > FR_SCHEDULE_CHAIN)
        return fr_fail(FR_INVALID, "the schedule is chosen by the library, layers or chain");
    if (o->schedule == FR_SCHEDULE_LAYERS && o->group > 0)
        return fr_fail(FR_INVALID, "layer by layer there are no groups: leave out the group, or the schedule");
    if (o->calibration && (o->calibration->count < 1 || !o->calibration->data))
        return fr_fail(FR_INVALID, "calibration needs at least one image");
    return FR_OK;
}

static fr_status check_precision(const fr_target *target, fr_precision precision) {
    if ((unsigned)precision < 32 && (target->facts.precisions >> precision & 1u))
        return FR_OK;
    return fr_target_lacks(target->facts.name, precision, target->facts.precisions);
}

static fr_status choose_bundles(fr_target *target, fr_bundling asked) {
    bool has = target->backend->bundle_new != NULL;
    target->bundles =
        asked == FR_BUNDLING_ON || (asked == FR_BUNDLING_AUTO && target->facts.kind != FR_DEVICE_CPU && has);
    return asked != FR_BUNDLING_ON || has
               ? FR_OK
               : fr_fail(FR_UNSUPPORTED, "%s has no bundles: its launches go one by one", target->facts.name);
}

static fr_status make_graph(fr_session *s, const fr_model *model) {
    FR_TRY(fr_graph_clone(model->graph, &s->graph));
    FR_TRY(fr_graph_simplify(s->graph));
    FR_TRY(fr_graph_materialize(s->graph));
    return fr_graph_infer(s->graph, 1);
}

/* A kernel found bad on the way, or not for a step, is known from then on: the next plan does without it. */
static bool goes_on_without(const fr_session *s, fr_status status, int32_t dropped_before) {
    return status != FR_OK && status != FR_DEVICE_LOST && fr_selfcheck_dropped(s->target.check) > dropped_before;
}

static fr_status make_steps(fr_session *s, const fr_session_options *o) {
    fr_lowering how = {.precision = o->precision,
                       .input_dtype = s->input_dtype,
                       .input_chw = o->input_chw,
                       .softmax = o->softmax,
                       .exact = o->exact,
                       .fuse_pool = true,
                       .fuse_act = true,
                       .fuse_residual = true};
    float *ranges = NULL;
    fr_status status = FR_OK;
    if (o->precision == FR_PRECISION_INT8) {
        int32_t before;
        do {
            before = fr_selfcheck_dropped(s->target.check);
            status = fr_calibrate(&s->target, s->graph, &how, o->calibration, &ranges);
        } while (goes_on_without(s, status, before));
        FR_TRY(status);
        how.ranges = ranges;
    }
    status = fr_steps_lower(s->graph, &how, &s->steps);
    fr_free(ranges);
    return status;
}

/* The steps without their weights. */
static void hash_steps(const fr_session *s, char out_hex[33]) {
    fr_hash hash = {1, 2};
    for (int32_t i = 0; i < s->steps.n_items; i++) {
        fr_step step = s->steps.items[i].step;
        for (int32_t k = 0; k < step.n_src; k++)
            step.src[k].scale = 0; /* scales change with the calibration images, times do not */
        step.dst.scale = 0;
        hash = fr_hash_bytes(&step, sizeof step, hash);
        hash = fr_hash_bytes(s->steps.items[i].src, sizeof s->steps.items[i].src, hash);
    }
    fr_hash_hex(hash, out_hex);
}

/* All that a measured choice depends on but the steps and the device: the device's profile. */
static char *tuning_key(const fr_session *s, const char *cache_folder) {
    char profile[64];
    fr_device_profile_stamp(cache_folder, &s->target, profile, sizeof profile);
    return fr_format("%s%s%s", s->graph->name, profile[0] ? "|profile " : "", profile);
}

static void note_choice(fr_session *s, fr_tuned *tuned) {
    s->cuts = tuned->cuts;
    s->chosen = tuned->steps;
    fr_free(s->plan_text);
    s->plan_text = tuned->text;
    s->info.tuned = tuned->measured || tuned->from_cache || tuned->given;
    s->info.from_cache = tuned->from_cache;
    s->info.tune_ns = tuned->tune_ns;
    s->info.lanes = tuned->lanes;
    s->info.lane_threads = tuned->lane_threads;
    s->info.guessed_plain = tuned->guessed[FR_PROFILE_NONE];
    s->info.guessed_near = tuned->guessed[FR_PROFILE_NEAR];
    s->info.guessed_exact = tuned->guessed[FR_PROFILE_EXACT];
    s->info.plan_schedule = tuned->schedule;
    s->info.plan_refused |= tuned->refused;
    s->uses_given = tuned->given;
    fr_plan_describe(&tuned->plan, s->chosen, s->info.schedule, sizeof s->info.schedule);
}

static fr_status check_memory(const fr_session_options *o, uint64_t maps, uint64_t weights) {
    if (o->memory_limit == 0 || maps + weights <= o->memory_limit)
        return FR_OK;
    return fr_fail(FR_UNSUPPORTED,
                   "the plan needs %llu bytes: %llu for maps, scratch and images on their way, %llu for weights; the "
                   "limit is %llu; try a smaller batch or group",
                   (unsigned long long)(maps + weights), (unsigned long long)maps, (unsigned long long)weights,
                   (unsigned long long)o->memory_limit);
}

static uint64_t weight_bytes(const fr_session *s) {
    fr_memory_use use = {0};
    return s->target.backend->memory_use(s->target.device, &use) == FR_OK ? use.live[FR_BUFFER_WEIGHT] : 0;
}

static fr_status make_executor(fr_session *s, fr_context *context, const fr_session_options *o) {
    int64_t batch = o->batch > 0 ? o->batch : 256;
    char *key = tuning_key(s, fr_cache_folder(context->cache)), hash[33];
    fr_tuned tuned;
    hash_steps(s, hash);
    fr_tuning_request request = {.inputs = (batch + s->steps.fold - 1) / s->steps.fold,
                                 .threads = o->threads,
                                 .group = o->group,
                                 .schedule = o->schedule,
                                 .tuning = o->tuning,
                                 .budget_ns = (uint64_t)(o->tune_ms > 0 ? o->tune_ms : 3000) * 1000000u,
                                 .image_bytes = s->image_numbers * (int64_t)fr_dtype_bytes(s->input_dtype),
                                 .cache = context->cache,
                                 .plan = s->info.plan_refused ? NULL : o->plan,
                                 .steps_hash = hash,
                                 .key = key ? key : "",
                                 .progress = o->progress,
                                 .progress_user = o->progress_user};
    fr_status status = fr_tune(&s->target, &s->steps, &request, &tuned);
    fr_free(key);
    FR_TRY(status);
    s->info.batch = (int32_t)batch;
    note_choice(s, &tuned);
    fr_executor_options options = {.lanes = tuned.lanes,
                                   .lane_threads = tuned.lane_threads,
                                   .image_bytes = request.image_bytes,
                                   .progress = o->progress,
                                   .progress_user = o->progress_user};
    status = check_memory(o, tuned.plan.arena_bytes * (uint64_t)tuned.lanes, 0); /* the least of what it needs */
    if (status != FR_OK) {
        fr_plan_free(&tuned.plan);
        return status;
    }
    FR_TRY(fr_executor_new(&s->target, s->chosen, &tuned.plan, &options, &s->executor));
    status = check_memory(o, fr_executor_bytes(s->executor), weight_bytes(s));
    if (status != FR_OK) {
        fr_executor_free(s->executor);
        s->executor = NULL;
    }
    return status;
}

/* A text may say what only trying shows to be impossible: too much memory, a layout change that the device has not. */
static bool goes_on_without_text(fr_session *s, fr_status status) {
    if (status == FR_OK || status == FR_DEVICE_LOST || !s->uses_given)
        return false;
    fr_log(FR_LOG_WARNING, "the given plan is not used: %s", fr_error_sentence());
    s->info.plan_refused = true;
    return true;
}

static fr_status make_executor_of_good_kernels(fr_session *s, fr_context *context, const fr_session_options *o) {
    int32_t before;
    fr_status status;
    do {
        fr_tuned_free_cuts(s->cuts);
        s->cuts = NULL;
        s->uses_given = false;
        before = fr_selfcheck_dropped(s->target.check);
        status = make_executor(s, context, o);
    } while (goes_on_without(s, status, before) || goes_on_without_text(s, status));
    return status;
}

/* The reference itself needs no check. */
static fr_status begin_checks(fr_session *s, fr_context *context, bool checks) {
    fr_verdicts *verdicts;
    if (s->target.facts.flags & FR_DEVICE_ORACLE)
        return FR_OK;
    FR_TRY(fr_context_verdicts(context, s->target.backend, &s->target.facts, &verdicts));
    return fr_selfcheck_new(context->registry, verdicts, &s->target, checks, &s->target.check);
}

static void end_checks(fr_session *s) {
    fr_selfcheck_free(s->target.check);
    s->target.check = NULL;
}

fr_status fr_session_prepare(fr_session *s, fr_context *context, const fr_model *model, const fr_session_options *o) {
    FR_TRY(fr_registry_open(context->registry, o->device, &s->target.backend, &s->target.device, &s->target.facts));
    FR_TRY(check_precision(&s->target, o->precision));
    FR_TRY(choose_bundles(&s->target, o->bundles));
    s->target.kernels = o->kernels && o->kernels[0] ? o->kernels : NULL;
    s->target.pin = o->pin;
    FR_TRY(begin_checks(s, context, o->tuning != FR_TUNING_OFF));
    s->input_dtype = o->input_dtype ? o->input_dtype : FR_U8;
    s->input_chw = o->input_chw;
    FR_TRY(make_graph(s, model));
    FR_TRY(make_steps(s, o));
    const fr_tensor *in = &s->steps.items[0].step.src[0];
    s->image_numbers = (int64_t)in->c * in->h * in->w;
    return FR_OK;
}

static void fill_info(fr_session *s, const fr_session_options *o, uint64_t begin_ns) {
    fr_session_info *info = &s->info;
    info->struct_bytes = sizeof *info;
    fr_target_id(&s->target, o->device, info->device, sizeof info->device);
    snprintf(info->device_name, sizeof info->device_name, "%s", s->target.facts.name);
    snprintf(info->driver, sizeof info->driver, "%s", s->target.facts.driver);
    info->precision = o->precision;
    info->fold = s->steps.fold;
    info->planned_bytes = fr_executor_bytes(s->executor);
    info->pinned_lanes = fr_executor_pinned(s->executor);
    info->weight_bytes = weight_bytes(s);
    info->open_ns = fr_clock_ns() - begin_ns;
}

fr_status fr_session_open(fr_context *context, const fr_model *model, const fr_session_options *options,
                          fr_session **out_session) {
    *out_session = NULL;
    uint64_t begin = fr_clock_ns();
    fr_session_options o;
    FR_TRY(fr_options_take(options, &o, sizeof o, "fr_session_options"));
    FR_TRY(check_options(&o));
    fr_session *s = fr_alloc(sizeof *s);
    if (!s)
        return fr_no_memory(sizeof *s, "a session");
    fr_status status = fr_session_prepare(s, context, model, &o);
    if (status == FR_OK)
        status = make_executor_of_good_kernels(s, context, &o);
    end_checks(s);
    if (status != FR_OK) {
        fr_session_close(s);
        return status;
    }
    s->target.kernels = NULL; /* the caller's text */
    fill_info(s, &o, begin);
    *out_session = s;
    return FR_OK;
}

void fr_session_close(fr_session *s) {
    if (!s)
        return;
    fr_executor_free(s->executor);
    fr_tuned_free_cuts(s->cuts);
    fr_free(s->plan_text);
    fr_steps_free(&s->steps);
    fr_graph_free(s->graph);
    end_checks(s);
    if (s->target.device)
        s->target.backend->device_close(s->target.device);
    fr_free(s);
}

static fr_status check_images(const fr_session *s, const fr_images *images) {
    if (images->count < 0 || (images->count > 0 && !images->data))
        return fr_fail(FR_INVALID, "no images were given");
    if (images->dtype != s->input_dtype || images->chw != s->input_chw)
        return fr_fail(FR_INVALID, "the session was opened for %s %s images, these are %s %s",
                       fr_dtype_name(s->input_dtype), s->input_chw ? "CHW" : "HWC", fr_dtype_name(images->dtype),
                       images->chw ? "CHW" : "HWC");
    return FR_OK;
}

fr_status fr_session_run(fr_session *s, const fr_images *images, float *out) {
    FR_TRY(check_images(s, images));
    return fr_executor_run(s->executor, images->data, images->count, out);
}

fr_status fr_session_submit(fr_session *s, const fr_images *images, float *out, fr_done done, void *user) {
    FR_TRY(check_images(s, images));
    return fr_executor_submit(s->executor, images->data, images->count, out, done, user);
}

fr_status fr_session_wait(fr_session *s) {
    return fr_executor_wait(s->executor);
}

fr_status fr_session_run_resident(fr_session *s, int64_t images) {
    if (images < 1)
        return fr_fail(FR_INVALID, "a run needs at least one image");
    return fr_executor_run(s->executor, NULL, images, NULL);
}

fr_status fr_session_describe(const fr_session *s, fr_session_info *out_info) {
    fr_session_info info = s->info;
    fr_memory_use use = {0};
    if (s->target.backend->memory_use(s->target.device, &use) == FR_OK)
        for (int kind = 0; kind < 4; kind++)
            info.peak_bytes += use.peak[kind];
    return fr_info_give(out_info, &info, sizeof info, "fr_session_info");
}

fr_status fr_session_plan_text(const fr_session *s, char **out_text) {
    *out_text = fr_strdup(s->plan_text);
    return *out_text ? FR_OK : fr_no_memory(strlen(s->plan_text), "a plan's text");
}
