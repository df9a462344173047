/* The prober: points become steps, the best right kernel sets the time, drift is taken out, and what was measured is kept and found. */
#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "folder_kit.h"
#include "foldrun/planner.h"
#include "run/device_profile.h"
#include "run/peak.h"
#include "run/probe_store.h"
#include "run/prober.h"
#include "run/programs.h"
#include "timed_device.h"

static char folder[64];

static bool new_folder(void) {
    strcpy(folder, "/tmp/foldrun-prober-XXXXXX");
    return mkdtemp(folder) != NULL;
}

static void drop_folder(void) {
    folder_remove(folder);
}

/* ---- points -------------------------------------------------------------------------------------------------------- */

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

/* As if the reference had taken so long for a while. */
static void seen_before(fr_probe_watch *watch, double ns) {
    watch->last_ns = ns;
    for (int i = 0; i < FR_WATCH_READINGS; i++)
        watch->ns[i] = ns;
}

/* A busy machine may disturb any of these: then it is tried once more. */
enum { TRIES = 10 };

TEST(drift_is_taken_out_of_what_was_measured_meanwhile) {
    bool corrected = false;
    for (int i = 0; i < TRIES && !corrected; i++) {
        fr_prober p;
        CHECK_OK(open_made(&p));
        CHECK_OK(fr_drift_begin(&p));
        CHECK(p.drift.set && p.drift.alone.first_ns >= 100000);
        CHECK(p.drift.alone.first_ns == p.drift.alone.last_ns); /* of one stopwatch */
        CHECK_TEXT(p.drift.candidate.name, "k.fast");
        CHECK(p.probe.points[1].ns > 0); /* of 32 channels: the reference is a point of the list */
        fast_ns = 200000;
        seen_before(&p.drift.alone, 200000);
        CHECK_OK(fr_prober_point(&p, 3));
        CHECK(p.probe.points[3].ns >= 200000);
        CHECK_INT(p.drift.n_pending, 1);
        double first = p.drift.alone.first_ns, seen = p.probe.points[3].ns;
        CHECK_OK(fr_drift_check(&p, true));
        CHECK(p.drift.n_pending == 0 && p.drift.alone.first_ns == first);
        corrected = p.probe.points[3].ns < 0.8 * seen && p.probe.points[3].ns > 0.3 * seen && p.probe.worst_drift > 0.3;
        fr_prober_close(&p);
    }
    CHECK(corrected);
}

TEST(a_reading_out_of_line_is_no_drift) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    CHECK_OK(fr_drift_begin(&p));
    for (odd_ns = 60000; odd_ns <= 180000; odd_ns += 120000) { /* faster or slower, for one reading */
        bool kept = false;
        for (int i = 0; i < TRIES && !kept; i++) {
            p.probe.points[3].ns = 0;
            CHECK_OK(fr_prober_point(&p, 3));
            double seen = p.probe.points[3].ns;
            odd_build = builds_done + 1;
            CHECK_OK(fr_drift_check(&p, true));
            CHECK_INT(p.drift.n_pending, 0);
            kept = fabs(p.probe.points[3].ns / seen - 1) < 0.15;
        }
        CHECK(kept);
    }
    fr_prober_close(&p);
}

TEST(a_reference_whose_repeats_lie_apart_corrects_nothing) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    CHECK_OK(fr_drift_begin(&p));
    fast_ns = 150000;
    uneven_ns = 60000;
    CHECK_OK(fr_prober_point(&p, 3));
    double seen = p.probe.points[3].ns, slower, apart, before = p.probe.worst_drift;
    CHECK_OK(fr_drift_check(&p, true));
    CHECK(p.probe.points[3].ns == seen && p.probe.worst_drift == before && p.drift.n_pending == 0);
    CHECK_OK(fr_drift_before_run(&p));
    CHECK_OK(fr_drift_after_run(&p, &slower, &apart));
    CHECK(slower == 1 && apart == 0);
    fr_prober_close(&p);
}

/* The points of an earlier call were measured while the machine was twice as fast: so is the reference's first time. */
TEST(drift_goes_on_from_an_earlier_call) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    p.probe.points[1].ns = 50000;
    strcpy(p.probe.points[1].candidate, "k.fast");
    CHECK_OK(fr_prober_recall(&p));
    CHECK_OK(fr_drift_begin(&p));
    CHECK(p.drift.alone.last_ns >= 100000);
    CHECK(p.drift.alone.first_ns > 40000 && p.drift.alone.first_ns < 65000);
    fr_prober_close(&p);
}

/* Company, which the first lane alone does not meet: it comes during the run, or leaves then. */
static void correct_a_run(fr_prober *p, uint64_t before_ns, uint64_t after_ns, bool *done) {
    double slower, apart;
    p->drift.together.lanes = 0;
    crowd_ns = before_ns;
    CHECK_OK(fr_drift_before_run(p));
    crowd_ns = after_ns;
    CHECK_OK(fr_drift_after_run(p, &slower, &apart));
    CHECK_INT(p->drift.together.lanes, 2);
    bool is_alone_calm = p->drift.alone.last_ns < 1.2 * p->drift.alone.first_ns;
    *done = *done || (is_alone_calm && slower > 1.15 && slower < 1.5 && apart > 0.2 && apart < 1);
}

TEST(a_run_is_watched_on_all_lanes) {
    fr_prober p;
    bool comes = false, leaves = false;
    CHECK_OK(open_made(&p));
    p.target.facts.lanes = 2;
    CHECK_OK(fr_drift_begin(&p));
    for (int i = 0; i < TRIES && !(comes && leaves); i++) {
        correct_a_run(&p, 0, 60000, &comes);
        correct_a_run(&p, 60000, 0, &leaves);
    }
    CHECK(comes && leaves);
    fr_prober_close(&p);
}

TEST(lanes_are_timed_from_the_same_moment) {
    fr_prober p;
    fr_step step;
    fr_weights weights;
    fr_candidate menu[FR_MAX_CANDIDATES];
    fr_trial_times times;
    int32_t count;
    CHECK_OK(open_made(&p));
    CHECK_OK(fr_probe_step(&p.probe.points[0], &step));
    CHECK_OK(fr_probe_kit_for(&p.kit, &step, &weights));
    CHECK_OK(fr_target_candidates(&p.target, &step, "a step", menu, &count));
    build_ns = 30000000;
    CHECK_OK(fr_lanes_time(&p.target, &step, &menu[1], &weights, 2, 5000000, &times));
    CHECK(times.least >= 100000 && early <= 1); /* one launch to warm up */
    CHECK_INT(fr_lanes_time(&p.target, &step, &menu[2], &weights, 2, 5000000, &times), FR_UNSUPPORTED); /* and ends */
    fr_prober_close(&p);
}

TEST(a_kernel_that_multiplies_less_shows_no_peak) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    fast_flags = FR_CANDIDATE_INEXACT;
    CHECK_OK(fr_prober_point(&p, 0));
    CHECK_TEXT(p.probe.points[0].candidate, "k.fast");
    fr_prober_peaks_of_points(&p);
    double ops = fr_probe_ops(&p.probe.points[0]);
    CHECK(p.probe.peak[0] > 0 && p.probe.peak[0] < 2 * ops * 1e9 / (double)slow_ns);
    fr_prober_close(&p);
    CHECK_OK(open_made(&p)); /* of what is recalled nobody knows: it counts where there is nothing else */
    p.probe.points[0].ns = 1000;
    CHECK_OK(fr_prober_recall(&p));
    p.probe.peak[0] = 1;
    fr_prober_peaks_of_points(&p);
    CHECK(p.probe.peak[0] == 1);
    p.probe.peak[0] = 0;
    fr_prober_peaks_of_points(&p);
    CHECK_NEAR(p.probe.peak[0], ops * 1e6, 1);
    fr_prober_close(&p);
}

TEST(unlike_kernels_are_tried_first) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    n_slow = 20; /* more than are tried */
    slow_ns = 500000;
    fast_flags = FR_CANDIDATE_INEXACT;
    CHECK_OK(fr_prober_point(&p, 0));
    CHECK_TEXT(p.probe.points[0].candidate, "k.fast");
    fr_prober_close(&p);
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

TEST(a_run_is_expected_to_open_as_most_do) {
    fr_prober p;
    CHECK_OK(open_made(&p));
    CHECK_NEAR(fr_prober_run_s(&p, 0, 1e9), 1, 1e-9); /* nothing is known */
    p.n_openings = 1;                                 /* a cold one, however long it took */
    CHECK_NEAR(fr_prober_run_s(&p, 0, 1e9), 1, 1e-9);
    p.n_openings = 4;
    p.opening_s[0] = 90;
    p.opening_s[1] = 3;
    p.opening_s[2] = 2;
    CHECK_NEAR(fr_prober_run_s(&p, 0, 1e9), 3, 1e-9);
    p.probe.peak[0] = 1e10; /* 0.1 s at the peak: its repeats take more, and it may not take all that is left */
    double needed = fr_prober_run_s(&p, 0, 1e9);
    CHECK(needed > 3.5 && needed < 6);
    CHECK_NEAR(fr_prober_run_s(&p, 0, 2e9) - 3, 2 * (needed - 3), 1e-9);
    fr_prober_close(&p);
}

TEST(a_profile_is_complete_when_its_list_is_measured) {
    fr_prober p;
    CHECK(new_folder());
    CHECK_OK(open_made(&p));
    snprintf(p.path, sizeof p.path, "%s/probe.json", folder);
    for (size_t i = 0; i < 3; i++)
        p.probe.points[i].ns = 1;
    CHECK_OK(fr_prober_save(&p, true));
    CHECK(!p.probe.complete);
    p.probe.points[3].level = 2; /* put in where a line jumps */
    CHECK_OK(fr_prober_save(&p, true));
    CHECK(p.probe.complete);
    fr_prober_close(&p);
    drop_folder();
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
