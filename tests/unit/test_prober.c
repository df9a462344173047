/* The prober: points become steps, the best right kernel sets the time, drift is taken out, and what was measured is kept and found. */
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "folder_kit.h"
#include "foldrun/planner.h"
#include "run/device_profile.h"
#include "run/probe_store.h"
#include "run/prober.h"

static char folder[64];

static bool new_folder(void) {
    strcpy(folder, "/tmp/foldrun-prober-XXXXXX");
    return mkdtemp(folder) != NULL;
}

static void drop_folder(void) {
    folder_remove(folder);
}

/* ---- a device whose kernels take as long as they are told ----------------------------------------------------------- */

static uint64_t slow_ns, fast_ns, uneven_ns; /* of a launch; every second launch takes uneven_ns more */
static unsigned launches;

struct fr_program {
    uint64_t *ns;
};
static struct fr_program slow = {&slow_ns}, fast = {&fast_ns};

static fr_status any_queue(fr_device *device, uint32_t threads, fr_queue **out) {
    (void)device, (void)threads;
    *out = (fr_queue *)&launches;
    return FR_OK;
}

static void close_queue(fr_queue *queue) {
    (void)queue;
}

static fr_status at_once(fr_queue *queue) {
    (void)queue;
    return FR_OK;
}

static fr_status any_buffer(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out) {
    (void)device, (void)kind, (void)bytes;
    *out = (fr_buffer *)&launches;
    return FR_OK;
}

static void free_buffer(fr_buffer *buffer) {
    (void)buffer;
}

static fr_status take(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    (void)queue, (void)dst, (void)offset, (void)src, (void)bytes;
    return FR_OK;
}

/* Nothing for pools; three kernels for all else, the slow one first and the last one for nothing. */
static fr_status offer(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity, uint32_t *count) {
    static const char *const names[] = {"k.slow", "k.fast", "k.broken"};
    (void)device;
    *count = step->kind == FR_STEP_POOL ? 0 : 3;
    for (uint32_t i = 0; i < *count && i < capacity; i++) {
        out[i] = (fr_candidate){.struct_bytes = sizeof *out, .id = i};
        snprintf(out[i].name, sizeof out[i].name, "%s", names[i]);
        out[i].src_layout[0] = out[i].dst_layout = FR_LAYOUT_NCHW;
    }
    return FR_OK;
}

static fr_status build(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                       fr_program **out) {
    (void)device, (void)step, (void)weights;
    *out = candidate->id == 0 ? &slow : &fast;
    return candidate->id < 2 ? FR_OK : fr_fail(FR_UNSUPPORTED, "it is broken");
}

static void free_program(fr_program *program) {
    (void)program;
}

static fr_status wait_for_it(fr_queue *queue, const fr_launch *launch) {
    (void)queue;
    uint64_t until = fr_clock_ns() + *launch->program->ns + (launches++ % 2 ? uneven_ns : 0);
    while (fr_clock_ns() < until) {}
    return FR_OK;
}

static const fr_backend made = {.name = "made",
                                .version = "1",
                                .queue_open = any_queue,
                                .queue_close = close_queue,
                                .sync = at_once,
                                .buffer_new = any_buffer,
                                .buffer_free = free_buffer,
                                .write = take,
                                .candidates = offer,
                                .compile = build,
                                .program_free = free_program,
                                .launch = wait_for_it};

static fr_probe_point conv_point(int32_t c) {
    return (fr_probe_point){.line = FR_LINE_BOTH,
                            .kind = FR_STEP_CONV,
                            .n = 2,
                            .c_in = c,
                            .h = 10,
                            .w = 12,
                            .c_out = c,
                            .kernel = 3,
                            .groups = 1};
}

static fr_status open_made(fr_prober *p) {
    memset(p, 0, sizeof *p);
    slow_ns = 5000000;
    fast_ns = 100000;
    uneven_ns = 0;
    launches = 0;
    p->target = (fr_target){.backend = &made, .facts = {.kind = FR_DEVICE_CPU, .lanes = 1, .name = "a made device"}};
    p->options.budget_s = 1000;
    p->precisions = 1;
    p->begin_ns = fr_clock_ns();
    p->until_ns = p->begin_ns + (uint64_t)1000 * 1000000000;
    for (int32_t c = 16; c <= 64; c += 16) {
        fr_probe_point point = conv_point(c);
        FR_TRY(fr_probe_add_point(&p->probe, &point));
    }
    return fr_trial_open(&p->trial, &p->target, 1);
}

TEST(the_fastest_kernel_that_works_sets_the_time) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    CHECK_OK(fr_prober_point(&p, 0));
    CHECK_TEXT(p.probe.points[0].candidate, "k.fast");
    CHECK(p.probe.points[0].ns >= 100000 && p.probe.points[0].ns < 200000);
    CHECK_INT(p.n_new, 1);
    CHECK_INT(p.n_known, 2); /* the broken one is no hint */
    CHECK_TEXT(p.known[0].name, "k.fast");
    CHECK(!fr_prober_wants(&p, 0) && fr_prober_wants(&p, 1));
    fr_prober_close(&p);
}

TEST(a_point_that_no_kernel_runs_is_tried_once) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    fr_probe_point pool = {.line = FR_LINE_POOL,
                           .kind = FR_STEP_POOL,
                           .n = 1,
                           .c_in = 8,
                           .h = 9,
                           .w = 9,
                           .c_out = 8,
                           .pool_kernel = 3,
                           .pool_stride = 2};
    CHECK_OK(fr_probe_add_point(&p.probe, &pool));
    CHECK_OK(fr_prober_point(&p, 4));
    CHECK(p.probe.points[4].ns <= 0);
    CHECK_TEXT(p.probe.points[4].candidate, fr_probe_no_kernel);
    CHECK(!fr_prober_wants(&p, 4));
    fr_prober_close(&p);
}

TEST(a_point_is_asked_for_by_precision_and_level) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    p.probe.points[1].precision = FR_PRECISION_BF16;
    p.probe.points[2].level = 1;
    CHECK(fr_prober_wants(&p, 0) && !fr_prober_wants(&p, 1) && fr_prober_wants(&p, 2));
    p.options.quick = true;
    CHECK(fr_prober_wants(&p, 0) && !fr_prober_wants(&p, 2));
    fr_prober_close(&p);
}

TEST(a_point_that_takes_most_of_the_time_left_waits) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    p.probe.peak[0] = 1e3; /* operations a second: a launch would take minutes */
    p.until_ns = fr_clock_ns() + 1000000000;
    CHECK_OK(fr_prober_point(&p, 0));
    CHECK(p.probe.points[0].ns <= 0 && fr_prober_wants(&p, 0));
    fr_prober_close(&p);
}

TEST(times_that_lie_far_apart_are_called_noisy) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    uneven_ns = 100000;
    CHECK_OK(fr_prober_point(&p, 0));
    CHECK(p.probe.points[0].ns > 0);
    CHECK(p.probe.points[0].noisy == (p.probe.points[0].spread > 0.1));
    fr_prober_close(&p);
}

TEST(drift_is_taken_out_of_what_was_measured_meanwhile) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    CHECK_OK(fr_drift_begin(&p));
    CHECK(p.drift.set && p.drift.first_ns >= 100000);
    CHECK_TEXT(p.drift.candidate.name, "k.fast");
    CHECK(p.probe.points[1].ns > 0); /* of 32 channels: the reference is a point of the list */
    fast_ns = 200000;
    p.drift.last_ns = 200000; /* as if it had been so for a while */
    CHECK_OK(fr_prober_point(&p, 3));
    CHECK(p.probe.points[3].ns >= 200000);
    CHECK_INT(p.drift.n_pending, 1);
    double first = p.drift.first_ns, seen = p.probe.points[3].ns;
    CHECK_OK(fr_drift_check(&p, true));
    CHECK_INT(p.drift.n_pending, 0);
    CHECK(p.probe.points[3].ns < 0.8 * seen && p.probe.points[3].ns > 0.3 * seen);
    CHECK(p.probe.worst_drift > 0.3 && p.drift.first_ns == first);
    fr_prober_close(&p);
}

TEST(kernels_of_an_earlier_call_are_hints) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    p.probe.points[0].ns = 5000;
    strcpy(p.probe.points[0].candidate, "k.fast");
    CHECK_OK(fr_prober_recall(&p));
    CHECK_INT(p.n_known, 1);
    CHECK(p.known[0].point == 0 && p.known[0].src_layout == FR_LAYOUT_ANY && p.known[0].slower == 1);
    fr_prober_close(&p);
}

/* ---- steps -------------------------------------------------------------------------------------------------------- */

TEST(points_become_the_steps_of_the_models) {
    fr_step step;
    fr_probe_point p = conv_point(32);
    char name[160];
    p.pool_kernel = 3;
    p.pool_stride = 2;
    CHECK_OK(fr_probe_step(&p, &step));
    CHECK(step.kind == FR_STEP_CONV && step.has_bias && step.act == FR_ACT_RELU && step.win.pad_top == 1);
    CHECK(step.pool == FR_POOL_MAX && step.dst.h == 4 && step.dst.w == 5 && step.inexact_ok);
    fr_probe_point_name(&p, name, sizeof name);
    CHECK_TEXT(name, "f32: conv 3x3 and pool, 32 channels, 10x12, 2 inputs");
    p.precision = FR_PRECISION_INT8;
    CHECK_OK(fr_probe_step(&p, &step));
    CHECK(step.src[0].dtype == FR_U8 && step.src[0].scale > 0 && step.dst.scale > 0);
    p.groups = 5;
    CHECK_INT(fr_probe_step(&p, &step), FR_UNSUPPORTED);
    p = (fr_probe_point){.kind = FR_STEP_INGEST, .n = 2, .c_in = 3, .h = 6, .w = 7, .c_out = 12, .images = 4};
    CHECK_OK(fr_probe_step(&p, &step));
    CHECK(step.images == 4 && step.image_c == 3 && step.dst.c == 12 && step.src[0].c == 3);
    p = (fr_probe_point){.kind = FR_STEP_EMIT, .n = 2, .c_in = 40, .h = 1, .w = 1, .c_out = 20, .images = 2};
    CHECK_OK(fr_probe_step(&p, &step));
    CHECK(step.images == 2 && step.dst.c == 20 && step.dst.dtype == FR_F32);
    p = (fr_probe_point){.kind = FR_STEP_FC, .n = 2, .c_in = 40, .h = 3, .w = 1, .c_out = 20};
    CHECK_OK(fr_probe_step(&p, &step));
    CHECK(step.dst.c == 20 && step.has_bias && step.dst.h == 1);
}

/* ---- the file ----------------------------------------------------------------------------------------------------- */

static fr_target target_of(const char *driver) {
    fr_target target = {.backend = &made, .facts = {.name = "a made device"}};
    snprintf(target.facts.driver, sizeof target.facts.driver, "%s", driver);
    return target;
}

static fr_status save_for(const fr_target *target, const char *version) {
    char path[FR_PROBE_PATH];
    fr_probe probe = {.kind = FR_DEVICE_CPU, .lanes = 1, .precisions = 1, .worst_drift = 0.25};
    fr_probe_point point = conv_point(16);
    char *identity = fr_device_identity(target);
    snprintf(probe.identity, sizeof probe.identity, "%s", identity ? identity : "");
    fr_free(identity);
    strcpy(probe.backend, "made");
    strcpy(probe.device, "made:0");
    strcpy(probe.name, target->facts.name);
    strcpy(probe.driver, target->facts.driver);
    strcpy(probe.foldrun, version);
    point.ns = 1000;
    strcpy(point.candidate, "k.fast");
    fr_status status = fr_probe_add_point(&probe, &point);
    point = conv_point(32);
    strcpy(point.candidate, fr_probe_no_kernel);
    if (status == FR_OK)
        status = fr_probe_add_point(&probe, &point);
    if (status == FR_OK)
        status = fr_probe_path(folder, target, path, sizeof path);
    if (status == FR_OK)
        status = fr_probe_save(path, &probe);
    fr_probe_free(&probe);
    return status;
}

TEST(what_was_kept_is_found_and_an_older_one_is_stale) {
    fr_target one = target_of("driver 1"), two = target_of("driver 2");
    fr_probe probe;
    bool found, stale;
    CHECK(new_folder());
    CHECK_OK(fr_probe_load(folder, &one, &probe, &found, &stale));
    CHECK(!found && !stale && probe.n_points == 0);
    CHECK_OK(save_for(&one, fr_version()));
    CHECK_OK(fr_probe_load(folder, &one, &probe, &found, &stale));
    CHECK(found && !stale && probe.n_points == 2 && probe.points[0].ns == 1000 && probe.worst_drift == 0.25);
    CHECK_TEXT(probe.points[1].candidate, fr_probe_no_kernel);
    fr_probe_free(&probe);
    CHECK_OK(fr_probe_load(folder, &two, &probe, &found, &stale));
    CHECK(found && stale);
    CHECK_TEXT(probe.driver, "driver 1");
    fr_probe_free(&probe);
    CHECK_OK(save_for(&two, fr_version()));
    CHECK_OK(fr_probe_load(folder, &two, &probe, &found, &stale));
    CHECK(found && !stale);
    fr_probe_free(&probe);
    CHECK_OK(save_for(&two, "0.0.1")); /* another foldrun has other kernels */
    CHECK_OK(fr_probe_load(folder, &two, &probe, &found, &stale));
    CHECK(found && stale);
    fr_probe_free(&probe);
    strcpy(two.facts.name, "a made device of another kind"); /* the same beginning, another device */
    CHECK_OK(fr_probe_load(folder, &two, &probe, &found, &stale));
    CHECK(!found && !stale);
    drop_folder();
}

TEST(a_damaged_file_is_as_good_as_none) {
    fr_target target = target_of("driver 1");
    char path[FR_PROBE_PATH];
    fr_device_report report;
    fr_probe probe;
    bool found, stale;
    CHECK(new_folder());
    CHECK_OK(save_for(&target, fr_version()));
    CHECK_OK(fr_probe_path(folder, &target, path, sizeof path));
    CHECK_OK(fr_profile_load(NULL, NULL, path, &report)); /* without the device, or any */
    CHECK(report.found && report.n_points == 1);
    CHECK_TEXT(report.name, "a made device");
    fr_device_report_free(&report);
    CHECK_OK(fr_file_write(path, "{\"format\": 1,", 13));
    CHECK_OK(fr_probe_load(folder, &target, &probe, &found, &stale));
    CHECK(!found && !stale && probe.n_points == 0);
    CHECK_INT(fr_profile_load(NULL, NULL, path, &report), FR_INVALID);
    CHECK_HAS(fr_error_message(), path);
    CHECK_INT(fr_profile_load(NULL, NULL, "/nowhere/probe.json", &report), FR_INVALID);
    CHECK_HAS(fr_error_message(), "/nowhere/probe.json");
    fr_device_report_free(&report);
    drop_folder();
}

/* ---- the whole, on the reference and on a backend that lies --------------------------------------------------------- */

static fr_status new_context(const char *cache, fr_context **out) {
    fr_context_options options = FR_OPTIONS(fr_context_options);
    options.backend_dir = LIAR_MODULES; /* with the reference */
    options.cache_dir = cache;
    return fr_context_new(&options, out);
}

static int said, enough;

static bool hear(void *user, const char *what, double fraction) {
    (void)user;
    return ++said < enough && what[0] && fraction >= 0 && fraction <= 1;
}

static fr_profile_options small_profile(const char *device) {
    fr_profile_options o = FR_OPTIONS(fr_profile_options);
    o.device = device;
    o.quick = true;
    o.precisions = 1u << FR_PRECISION_F32;
    o.budget_s = 3;
    o.progress = hear;
    said = 0;
    enough = 1000000;
    return o;
}

TEST(a_profile_is_measured_interrupted_and_goes_on) {
    fr_context *context;
    fr_device_report report, again;
    fr_profile_options o = small_profile("ref");
    CHECK(new_folder());
    CHECK_OK(new_context(folder, &context));
    CHECK_OK(fr_profile_load(context, "ref", NULL, &report));
    CHECK(!report.found && !report.stale && report.path[0]);
    CHECK_TEXT(report.device, "ref:0");
    fr_device_report_free(&report);
    enough = 3;
    CHECK_INT(fr_profile_device(context, &o, &report), FR_CANCELLED);
    CHECK_HAS(fr_error_message(), "what was measured until then is in");
    CHECK(report.found && report.launch_ns > 0 && report.cache_bandwidth > 0 && !report.complete);
    CHECK(fr_path_exists(report.path));
    o = small_profile("ref");
    CHECK_OK(fr_profile_device(context, &o, &again));
    CHECK(again.launch_ns == report.launch_ns && again.cache_bandwidth == report.cache_bandwidth); /* not twice */
    CHECK(again.quick && again.n_points > report.n_points && again.n_new >= again.n_points - report.n_points);
    CHECK(again.seconds < 60 && again.run_ns > 0);
    fr_device_report_free(&report);
    CHECK_OK(fr_profile_load(context, "ref", NULL, &report));
    CHECK(report.found && report.n_points == again.n_points && report.n_stairs == again.n_stairs);
    fr_device_report_free(&report);
    fr_device_report_free(&again);
    fr_context_free(context);
    drop_folder();
}

TEST(what_cannot_be_asked_for_is_refused) {
    fr_context *context;
    fr_device_report report;
    fr_profile_options o = small_profile("ref");
    CHECK_OK(new_context("", &context));
    CHECK_INT(fr_profile_device(context, &o, &report), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_message(), "FOLDRUN_CACHE_DIR");
    o.budget_s = -1;
    CHECK_INT(fr_profile_device(context, &o, &report), FR_INVALID);
    o = small_profile("ref");
    o.precisions = 1u << 20;
    CHECK_INT(fr_profile_device(context, &o, &report), FR_INVALID);
    o.precisions = 1u << FR_PRECISION_F64; /* nobody's plan */
    CHECK_INT(fr_profile_device(context, &o, &report), FR_UNSUPPORTED);
    o.device = "reff";
    CHECK_INT(fr_profile_device(context, &o, &report), FR_INVALID);
    CHECK_INT(fr_profile_load(context, "ref", "a/file", &report), FR_INVALID);
    CHECK_OK(fr_profile_load(context, "ref", NULL, &report));
    CHECK(!report.found);
    fr_device_report_free(&report);
    fr_context_free(context);
}

TEST(kernels_that_are_wrong_set_no_times) {
    fr_context *context;
    fr_device_report report;
    fr_profile_options o = small_profile("liar");
    fr_probe probe;
    size_t timed = 0;
    CHECK(new_folder());
    CHECK_OK(new_context(folder, &context));
    CHECK_OK(fr_profile_device(context, &o, &report));
    CHECK_OK(fr_probe_load_file(report.path, &probe));
    for (size_t i = 0; i < probe.n_points; i++)
        if (probe.points[i].ns > 0) {
            CHECK_TEXT(probe.points[i].candidate, "liar.right");
            timed++;
        }
    CHECK(timed > 0 && timed == report.n_points);
    fr_probe_free(&probe);
    fr_device_report_free(&report);
    fr_context_free(context);
    drop_folder();
}

CHECK_MAIN
