/* A device's measurements: what is asked of a device, in which order, and where to look closer. */
#include "plan/probe.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "formats/fold_text.h"
#include "plan/stairs.h"

static fr_probe a_cpu(int32_t level) {
    return (fr_probe){.kind = FR_DEVICE_CPU,
                      .units = 2,
                      .lanes = 2,
                      .precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_BF16 | 1u << FR_PRECISION_INT8,
                      .memory_bytes = 24ull << 30,
                      .cache_bytes = {32 << 10, 1 << 20, 32 << 20},
                      .level = level};
}

static fr_probe a_gpu(int32_t level) {
    return (fr_probe){.kind = FR_DEVICE_GPU,
                      .units = 132,
                      .lanes = 2,
                      .precisions = (1u << FR_PRECISIONS) - 1,
                      .memory_bytes = 139ull << 30,
                      .cache_bytes = {256 << 10, 0, 50 << 20},
                      .level = level};
}

static fr_probe a_software_gpu(int32_t level) {
    fr_probe probe = a_cpu(level);
    probe.flags = FR_DEVICE_SOFTWARE | FR_DEVICE_UNIFIED;
    probe.lanes = 1;
    return probe;
}

static size_t points_of(const fr_probe *probe, fr_precision precision) {
    size_t count = 0;
    for (size_t i = 0; i < probe->n_points; i++)
        count += probe->points[i].precision == precision;
    return count;
}

static fr_probe_point conv(int32_t n, int32_t c_in, int32_t c_out, int32_t h, int32_t w, int32_t kernel) {
    return (fr_probe_point){.line = FR_LINE_BOTH,
                            .kind = FR_STEP_CONV,
                            .n = n,
                            .c_in = c_in,
                            .c_out = c_out,
                            .h = h,
                            .w = w,
                            .kernel = kernel,
                            .groups = 1};
}

TEST(equal_points_are_added_once) {
    fr_probe probe = {0};
    fr_probe_point p = conv(8, 32, 32, 24, 50, 3), measured = p, other = p;
    measured.ns = 5;
    measured.noisy = true;
    other.line = FR_LINE_IN;
    CHECK_OK(fr_probe_add_point(&probe, &measured));
    CHECK_OK(fr_probe_add_point(&probe, &p));
    CHECK_OK(fr_probe_add_point(&probe, &other));
    CHECK(probe.n_points == 2 && probe.points[0].ns == 5);
    fr_probe_run run = {.width = 32, .fold = 1, .h = 24, .w = 48, .schedule = FR_SCHEDULE_CHAIN, .batch = 64};
    CHECK_OK(fr_probe_add_run(&probe, &run));
    run.images_per_s = 7;
    CHECK_OK(fr_probe_add_run(&probe, &run));
    run.batch = 65;
    CHECK_OK(fr_probe_add_run(&probe, &run));
    CHECK(probe.n_runs == 2 && probe.runs[0].images_per_s == 0);
    fr_probe_free(&probe);
    CHECK(!probe.points && !probe.runs && probe.n_points == 0);
}

TEST(operations_and_bytes) {
    fr_probe_point p = conv(1, 32, 32, 11, 26, 3);
    CHECK_NEAR(fr_probe_ops(&p), 2.0 * 11 * 26 * 32 * (32 * 9 + 1), 0);
    CHECK_NEAR(fr_probe_bytes(&p), 4.0 * (2 * 11 * 26 * 32 + 32 * 32 * 9 + 32), 0);
    p.precision = FR_PRECISION_INT8;
    p.groups = 4;
    p.n = 3;
    CHECK_NEAR(fr_probe_ops(&p), 3 * 2.0 * 11 * 26 * 32 * (8 * 9 + 1), 0);
    CHECK_NEAR(fr_probe_bytes(&p), 3 * 2 * 11 * 26 * 32 + 32 * 8 * 9 + 4 * 32, 0);
    p.pool_kernel = 3;
    p.pool_stride = 2;
    CHECK_NEAR(fr_probe_bytes(&p), 3 * (11 * 26 + 5 * 12) * 32 + 32 * 8 * 9 + 4 * 32, 0);
    fr_probe_point fc = {.kind = FR_STEP_FC, .n = 64, .c_in = 1000, .c_out = 10, .h = 1, .w = 1};
    CHECK_NEAR(fr_probe_ops(&fc), 2.0 * 64 * 1000 * 10, 0);
    CHECK_NEAR(fr_probe_bytes(&fc), 4.0 * (64 * 1010 + 10000 + 10), 0);
    fr_probe_point add = {.kind = FR_STEP_BINARY, .n = 2, .c_in = 8, .c_out = 8, .h = 5, .w = 5};
    CHECK(fr_probe_ops(&add) == 0 && fr_probe_bytes(&add) == 3 * 4 * 2 * 8 * 25);
    fr_probe_point in = {.kind = FR_STEP_INGEST, .n = 2, .c_in = 3, .c_out = 12, .h = 5, .w = 5, .images = 4};
    CHECK(fr_probe_ops(&in) == 0 && fr_probe_bytes(&in) == 5 * 2 * 12 * 25);
}

static void check_list(fr_probe probe, size_t least, size_t most, size_t least_runs, size_t most_runs) {
    fr_probe again = probe, quick = probe;
    CHECK_OK(fr_probe_list(&probe, 0));
    CHECK_OK(fr_probe_list(&again, 0));
    printf("     level %d: %zu points, %zu runs\n", probe.level, probe.n_points, probe.n_runs);
    CHECK(probe.n_points >= least && probe.n_points <= most);
    CHECK(probe.n_runs >= least_runs && probe.n_runs <= most_runs);
    CHECK_INT(again.n_points, probe.n_points); /* the same each time */
    CHECK_INT(memcmp(again.points, probe.points, probe.n_points * sizeof *probe.points), 0);
    CHECK_INT(memcmp(again.runs, probe.runs, probe.n_runs * sizeof *probe.runs), 0);
    CHECK_OK(fr_probe_list(&again, 0)); /* and nothing to add */
    CHECK(again.n_points == probe.n_points && again.n_runs == probe.n_runs);
    for (size_t i = 0; i < probe.n_points; i++) {
        const fr_probe_point *p = &probe.points[i];
        CHECK(p->n > 0 && p->c_in > 0 && p->c_out > 0 && p->h > 0 && p->w > 0 && p->ns == 0 && p->level <= 1);
        CHECK(p->precision != FR_PRECISION_F64);
        CHECK(p->kind != FR_STEP_CONV || (p->c_in % p->groups == 0 && p->c_out % p->groups == 0));
        CHECK(fr_probe_bytes(p) <= (double)probe.memory_bytes / 8);
        for (size_t k = 0; k < i; k++)
            CHECK(!fr_probe_same_point(p, &probe.points[k]));
    }
    CHECK_INT(probe.points[0].precision, FR_PRECISION_F32);
    quick.level = 0; /* what a quick profile has measured, a full one goes on from */
    CHECK_OK(fr_probe_list(&quick, 0));
    CHECK_INT(memcmp(quick.points, probe.points, quick.n_points * sizeof *quick.points), 0);
    fr_probe_free(&probe);
    fr_probe_free(&again);
    fr_probe_free(&quick);
}

TEST(lists_are_stable_and_hold_nothing_twice) {
    check_list(a_cpu(0), 120, 165, 6, 12);
    check_list(a_cpu(1), 800, 1300, 30, 100);
    check_list(a_software_gpu(0), 120, 165, 4, 8);
    check_list(a_software_gpu(1), 240, 320, 12, 20);
    check_list(a_gpu(0), 200, 280, 10, 20);
    check_list(a_gpu(1), 1500, 2200, 100, 200);
}

/* A full list of a software device is finer in f32 alone. */
TEST(software_devices_are_measured_closely_in_f32) {
    fr_probe coarse = a_software_gpu(0), fine = a_software_gpu(1);
    CHECK_OK(fr_probe_list(&coarse, 0));
    CHECK_OK(fr_probe_list(&fine, 0));
    CHECK(points_of(&fine, FR_PRECISION_F32) > 2 * points_of(&coarse, FR_PRECISION_F32));
    CHECK_INT(points_of(&fine, FR_PRECISION_INT8), points_of(&coarse, FR_PRECISION_INT8));
    CHECK(points_of(&fine, FR_PRECISION_INT8) > 0);
    fr_probe_free(&coarse);
    fr_probe_free(&fine);
}

/* Cut after a quarter, a list still has the main line and others, in every precision. */
TEST(a_list_is_coarse_before_it_is_fine) {
    fr_probe probe = a_cpu(0);
    CHECK_OK(fr_probe_list(&probe, 0));
    size_t all = probe.n_points, f32 = points_of(&probe, FR_PRECISION_F32);
    probe.n_points = all * 6 / 10;
    CHECK(points_of(&probe, FR_PRECISION_F32) > f32 / 2);
    CHECK(points_of(&probe, FR_PRECISION_INT8) > 10 && points_of(&probe, FR_PRECISION_BF16) > 10);
    int32_t narrowest = 1000, widest = 0;
    for (size_t i = 0; i < probe.n_points; i++)
        if (probe.points[i].line == FR_LINE_BOTH && probe.points[i].precision == FR_PRECISION_INT8) {
            narrowest = probe.points[i].c_in < narrowest ? probe.points[i].c_in : narrowest;
            widest = probe.points[i].c_in > widest ? probe.points[i].c_in : widest;
        }
    CHECK(narrowest <= 16 && widest >= 128);
    fr_probe_free(&probe);
}

TEST(a_list_of_some_precisions) {
    fr_probe probe = a_gpu(0), none = a_cpu(0);
    CHECK_OK(fr_probe_list(&probe, 1u << FR_PRECISION_TF32 | 1u << FR_PRECISION_F64));
    CHECK_INT(points_of(&probe, FR_PRECISION_F32), 0);
    CHECK(points_of(&probe, FR_PRECISION_TF32) > 20 && points_of(&probe, FR_PRECISION_F64) > 20);
    for (size_t i = 0; i < probe.n_points; i++) /* what has no products is stored, and timed, as f32 */
        CHECK(probe.points[i].precision != FR_PRECISION_TF32 || fr_probe_ops(&probe.points[i]) > 0);
    fr_probe_free(&probe);
    CHECK_INT(fr_probe_list(&none, 1u << FR_PRECISION_TF32), FR_UNSUPPORTED);
    CHECK(none.n_points == 0);
}

TEST(launches_are_short_and_maps_fit) {
    fr_probe cpu = a_cpu(1), oracle = a_cpu(1), small = a_gpu(1);
    oracle.flags = FR_DEVICE_ORACLE;
    small.memory_bytes = 1ull << 30;
    small.units = 8;
    CHECK_OK(fr_probe_list(&cpu, 0));
    CHECK_OK(fr_probe_list(&oracle, 0));
    CHECK_OK(fr_probe_list(&small, 0));
    for (size_t i = 0; i < cpu.n_points; i++)
        CHECK(fr_probe_ops(&cpu.points[i]) <= 5e9);
    for (size_t i = 0; i < oracle.n_points; i++)
        CHECK(fr_probe_ops(&oracle.points[i]) <= 1e8 && fr_probe_bytes(&oracle.points[i]) <= 1 << 22);
    for (size_t i = 0; i < small.n_points; i++)
        CHECK(fr_probe_bytes(&small.points[i]) <= 1 << 27 && fr_probe_ops(&small.points[i]) <= 1e11);
    CHECK(oracle.n_points > 50 && small.n_points > 1000);
    fr_probe_free(&cpu);
    fr_probe_free(&oracle);
    fr_probe_free(&small);
}

/* A GPU's API on a CPU: what it can do in the time, and small batches before large ones. */
TEST(a_software_device_has_short_runs) {
    fr_probe probe = a_software_gpu(1), cpu = a_cpu(1);
    bool large = false, has_large = false;
    CHECK_OK(fr_probe_list(&probe, 0));
    CHECK_OK(fr_probe_list(&cpu, 0));
    CHECK(probe.n_runs < cpu.n_runs && probe.n_points < cpu.n_points && cpu.runs[0].batch == 1024);
    for (size_t i = 0; i < probe.n_runs; i++) {
        const fr_probe_run *r = &probe.runs[i];
        large = large || r->batch > 64;
        CHECK(!large || r->batch > 64);
        CHECK(r->batch * (int64_t)r->width <= 1024 * 16);
        has_large = has_large || (r->batch == 1024 && r->net == 1);
    }
    CHECK(has_large);
    for (size_t i = 0; i < probe.n_points; i++)
        CHECK(fr_probe_ops(&probe.points[i]) <= 2e9);
    fr_probe_free(&probe);
    fr_probe_free(&cpu);
}

TEST(the_nets_of_the_runs_are_networks) {
    fr_probe probe = a_gpu(1);
    CHECK_OK(fr_probe_list(&probe, 0));
    for (size_t i = 0; i < probe.n_runs; i++) {
        char text[1024];
        fr_graph *graph;
        const fr_probe_run *r = &probe.runs[i];
        CHECK(r->net >= 0 && r->net < FR_PROBE_NETS && r->batch % r->fold == 0);
        CHECK(r->schedule == FR_SCHEDULE_LAYERS || r->schedule == FR_SCHEDULE_CHAIN);
        fr_probe_net(r->net, r->width, r->h, r->w, text, sizeof text);
        CHECK_OK(fr_fold_text_parse(text, strlen(text), "probe", &graph));
        fr_graph_free(graph);
    }
    fr_probe_free(&probe);
}

/* ---- looking closer ---------------------------------------------------------------------------------------------- */

static double stairs_ns(const fr_probe_point *p, int32_t q) {
    double out = ceil((double)p->c_out / q) * q;
    return 2000 + 0.01 * p->c_in * p->h * p->w * out / (p->groups > 0 ? p->groups : 1);
}

static void measure(fr_probe *probe, int32_t q, double noise, fr_random *random) {
    for (size_t i = 0; i < probe->n_points; i++)
        if (probe->points[i].ns == 0)
            probe->points[i].ns = stairs_ns(&probe->points[i], q) * (1 + noise * fr_random_normal(random));
}

TEST(refining_ends_where_the_jumps_are) {
    fr_probe probe = a_cpu(1);
    fr_random random = {7};
    size_t added, rounds = 0, listed;
    CHECK_OK(fr_probe_list(&probe, 1u << FR_PRECISION_F32));
    listed = probe.n_points;
    CHECK_OK(fr_probe_refine(&probe, 8, &added)); /* nothing measured, nothing to look at */
    CHECK_INT(added, 0);
    do {
        measure(&probe, 32, 0, &random);
        CHECK_OK(fr_probe_refine(&probe, 8, &added));
        CHECK(added <= 8 && rounds++ < 100);
    } while (added > 0);
    CHECK(probe.n_points > listed && probe.n_points < 2 * listed);
    fr_stairs_list list;
    CHECK_OK(fr_stairs_read(&probe, &list));
    bool found = false; /* the jump behind 64 is held by neighbours */
    for (size_t i = 0; i + 1 < list.at[0].count; i++) {
        int32_t low = fr_stairs_channels(&list.at[0], i), high = fr_stairs_channels(&list.at[0], i + 1);
        found = found || (low <= 64 && high > 64 && high - low <= 2);
    }
    CHECK(found);
    for (size_t i = listed; i < probe.n_points; i++) {
        const fr_probe_point *p = &probe.points[i];
        CHECK(p->level == 2 && p->kind == FR_STEP_CONV && p->line != FR_LINE_IN);
        CHECK(p->c_out % p->groups == 0 && p->c_in % p->groups == 0);
    }
    fr_stairs_free(&list);
    fr_probe_free(&probe);
}

TEST(refining_ends_whatever_was_measured) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        fr_probe probe = a_software_gpu(0);
        fr_random random = {seed};
        size_t added = 1, rounds = 0;
        CHECK_OK(fr_probe_list(&probe, 0));
        for (; added > 0; rounds++) {
            for (size_t i = 0; i < probe.n_points; i++) /* some cannot be measured at all */
                if (probe.points[i].ns == 0 && fr_random_uniform(&random) < 0.9)
                    probe.points[i].ns = 1 + 1e6 * fr_random_uniform(&random);
            CHECK_OK(fr_probe_refine(&probe, 1000, &added));
            CHECK(rounds < 30);
        }
        fr_probe_free(&probe);
    }
}

/* All repeats of a point may meet the same noise: only its neighbours tell. */
TEST(what_sticks_out_of_its_line_is_seen) {
    fr_probe probe = a_cpu(1);
    fr_random random = {11};
    CHECK_OK(fr_probe_list(&probe, 1u << FR_PRECISION_F32));
    measure(&probe, 1, 0.01, &random);
    bool *bumps = calloc(probe.n_points, sizeof *bumps);
    size_t many = 0, at = probe.n_points;
    CHECK(bumps != NULL);
    CHECK_OK(fr_probe_bumps(&probe, bumps));
    for (size_t i = 0; i < probe.n_points; i++) {
        const fr_probe_point *p = &probe.points[i];
        many += bumps[i];
        if (at == probe.n_points && p->line == FR_LINE_BOTH && p->kind == FR_STEP_CONV && p->kernel == 3 &&
            p->c_in == 48)
            at = i;
    }
    CHECK(at < probe.n_points && !bumps[at]);
    CHECK(many < probe.n_points / 20);
    probe.points[at].ns *= 1.3;
    CHECK_OK(fr_probe_bumps(&probe, bumps));
    CHECK(bumps[at]);
    probe.points[at].ns /= 1.3 * 1.3; /* faster than its line: noise never does that */
    CHECK_OK(fr_probe_bumps(&probe, bumps));
    CHECK(!bumps[at]);
    free(bumps);
    fr_probe_free(&probe);
}

TEST(smooth_lines_and_noise_are_no_jumps) {
    fr_probe probe = a_cpu(1);
    fr_random random = {3};
    size_t added;
    CHECK_OK(fr_probe_list(&probe, 0));
    measure(&probe, 1, 0.01, &random);
    CHECK_OK(fr_probe_refine(&probe, 1000, &added));
    CHECK(added < 5);
    for (size_t i = 0; i < probe.n_points; i++) { /* repeats that differ by as much as neighbours do */
        probe.points[i].ns = stairs_ns(&probe.points[i], 1) * (1 + 0.2 * fr_random_uniform(&random));
        probe.points[i].spread = 0.1;
    }
    CHECK_OK(fr_probe_refine(&probe, 1000, &added));
    CHECK_INT(added, 0);
    fr_probe_free(&probe);
}

TEST(memory_that_runs_out_is_survived) {
    for (uint64_t nth = 1; nth < 40; nth++) {
        uint64_t live = fr_alloc_read().live_blocks;
        fr_probe probe = a_cpu(0);
        fr_random random = {1};
        size_t added;
        fr_alloc_fail_at(nth);
        fr_status status = fr_probe_list(&probe, 0);
        CHECK(status == FR_OK || status == FR_NO_MEMORY);
        measure(&probe, 16, 0, &random);
        status = fr_probe_refine(&probe, 100, &added);
        CHECK(status == FR_OK || status == FR_NO_MEMORY);
        fr_alloc_fail_at(0);
        fr_probe_free(&probe);
        CHECK_INT(fr_alloc_read().live_blocks, live);
    }
}

CHECK_MAIN
