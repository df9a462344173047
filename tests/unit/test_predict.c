/* Predictions: a device that is a formula is recovered from its probe, and what a run is made of adds up. */
#include "base/clock.h"
#include "planner_kit.h"

static const char *const zoo[] = {"v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4", "g32", "g64"};
enum { ZOO = sizeof zoo / sizeof zoo[0] };

static formula plain(void) {
    return (formula){.peak = 60e9, .place_ns = 2, .bandwidth = 10e9, .launch_ns = 20, .pool_ns = 0.05};
}

typedef struct errors {
    double worst, sum;
    int32_t count, above; /* above 5 % */
    char what[128];
} errors;

/* Every step with products of the zoo at every fold, against the formula. */
static errors compare(const formula *f, const fr_predictor *predictor, fr_precision precision) {
    errors e = {0};
    for (int m = 0; m < ZOO; m++)
        for (int32_t fold = 1; fold <= 4; fold++) {
            lowered l;
            fr_prediction p;
            bool made = lowered_make(zoo[m], fold, FR_ROUND_FLOOR, 0, &l) == FR_OK;
            fr_predict_question q = {.steps = &l.steps,
                                     .precision = precision,
                                     .schedule = FR_SCHEDULE_CHAIN,
                                     .batch = 256,
                                     .lanes = 1,
                                     .wants_steps = true};
            if (!made || fr_predict(predictor, &q, &p) != FR_OK) {
                fprintf(stderr, "%s\n", fr_error_sentence());
                lowered_free(&l);
                return (errors){.worst = 99};
            }
            double all = 0;
            for (int32_t i = 0; i < l.steps.n_items; i++)
                all += p.steps[i].ns;
            for (int32_t i = 0; i < l.steps.n_items; i++) {
                bool known;
                double want = kit_step_ns(f, &l.steps.items[i].step, precision, &known);
                double got = p.steps[i].ns, far = fabs(got / want - 1);
                if (!known || want < 0.01 * all) /* the logits of two classes do not matter */
                    continue;
                e.sum += far;
                e.count++;
                e.above += far > 0.05;
                if (far > e.worst) {
                    e.worst = far;
                    snprintf(e.what, sizeof e.what, "%s f=%d %s: %.0f, not %.0f ns, %s", zoo[m], fold,
                             l.steps.items[i].name, got, want, fr_basis_name(p.steps[i].basis));
                }
                if (getenv("SHOW") && far > 0.05)
                    printf("  %s f=%d %s: %.0f, not %.0f ns, %s\n", zoo[m], fold, l.steps.items[i].name, got, want,
                           fr_basis_name(p.steps[i].basis));
            }
            fr_free(p.steps);
            lowered_free(&l);
        }
    return e;
}

static errors recovered(const formula *f, int32_t level, uint32_t precisions, fr_precision precision) {
    fr_probe probe = {0};
    fr_predictor *predictor = NULL;
    errors e = {.worst = 99};
    if (kit_probe(f, level, precisions, &probe) == FR_OK && fr_predictor_new(&probe, &predictor) == FR_OK)
        e = compare(f, predictor, precision);
    else
        fprintf(stderr, "%s\n", fr_error_sentence());
    fr_predictor_free(predictor);
    fr_probe_free(&probe);
    printf("  mean %.2f %%, worst %.1f %% (%s), %d of %d above 5 %%\n", 100 * e.sum / (e.count ? e.count : 1),
           100 * e.worst, e.what, e.above, e.count);
    return e;
}

static const uint32_t f32 = 1u << FR_PRECISION_F32;

TEST(a_smooth_device_is_recovered) {
    formula f = plain();
    CHECK(recovered(&f, 1, f32, FR_PRECISION_F32).worst < 0.02);
    CHECK(recovered(&f, 0, f32, FR_PRECISION_F32).worst < 0.05); /* of a quick profile too */
}

TEST(a_device_with_tiles_is_recovered) {
    for (int32_t tile = 4; tile <= 32; tile *= 2) {
        formula f = plain();
        f.out_tile = tile;
        f.waste = 1;
        CHECK(recovered(&f, 1, f32, FR_PRECISION_F32).worst < 0.05);
        errors quick = recovered(&f, 0, f32, FR_PRECISION_F32);
        CHECK(quick.sum / quick.count < 0.02 && quick.above < 12);
        f.waste = 0.5;
        CHECK(recovered(&f, 1, f32, FR_PRECISION_F32).worst < 0.05);
        f.waste = 1;
        f.in_tile = 8;
        CHECK(recovered(&f, 1, f32, FR_PRECISION_F32).worst < 0.08);
    }
}

TEST(noise_is_not_made_worse) {
    formula f = plain();
    f.out_tile = 16;
    f.waste = 1;
    f.noise = 0.03;
    for (f.seed = 0; f.seed < 3; f.seed++) {
        errors e = recovered(&f, 1, f32, FR_PRECISION_F32);
        CHECK(e.sum / e.count < 0.045 && e.worst < 0.25);
    }
}

TEST(narrow_precisions_have_lines_of_their_own) {
    formula f = plain();
    CHECK(recovered(&f, 1, f32 | 1u << FR_PRECISION_INT8, FR_PRECISION_INT8).worst < 0.04);
    CHECK(recovered(&f, 0, f32 | 1u << FR_PRECISION_BF16, FR_PRECISION_BF16).worst < 0.10);
}

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

typedef struct setting {
    fr_probe probe;
    fr_predictor *predictor;
    lowered model;
} setting;

static fr_status set_up(setting *s, const formula *f, const char *model, int32_t fold) {
    FR_TRY(kit_probe(f, 0, f32, &s->probe));
    FR_TRY(fr_predictor_new(&s->probe, &s->predictor));
    return lowered_make(model, fold, FR_ROUND_FLOOR, 0, &s->model);
}

static void clear(setting *s) {
    lowered_free(&s->model);
    fr_predictor_free(s->predictor);
    fr_probe_free(&s->probe);
    memset(s, 0, sizeof *s);
}

static fr_status predict(const setting *s, fr_schedule schedule, int64_t batch, int32_t lanes, fr_prediction *out) {
    fr_predict_question q = {.steps = &s->model.steps, .schedule = schedule, .batch = batch, .lanes = lanes};
    return fr_predict(s->predictor, &q, out);
}

TEST(a_run_is_its_steps_over_the_lanes) {
    setting s = {0};
    formula f = plain();
    fr_prediction one, two, four;
    s.probe.lanes = 2;
    CHECK_OK(set_up(&s, &f, "v1", 1));
    CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 64, 1, &one));
    CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 64, 2, &two));
    CHECK_NEAR(one.run_ns / two.run_ns, 2, 0.01);
    CHECK_NEAR(one.run_ns, one.steps_ns, 1e-6);
    CHECK_NEAR(one.images_per_s, 64e9 / one.run_ns, 1e-6);
    CHECK(one.lanes == 1 && two.lanes == 2 && one.correction == 1);
    s.probe.lane_scaling[FR_PRECISION_F32] = 1.5;
    s.probe.run_ns = 5000;
    CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 64, 2, &four));
    CHECK_NEAR((four.run_ns - 5000) / two.run_ns, 1.5, 0.01);
    CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 66, 2, &four)); /* 33 inputs a lane */
    CHECK(four.steps_ns > two.steps_ns * 1.5 * 32.9 / 32);
    clear(&s);
}

TEST(a_tail_counts) { /* 22 inputs of 3 images: 11 a lane; 23: 12 */
    setting s = {0};
    formula f = plain();
    fr_prediction even, odd;
    CHECK_OK(set_up(&s, &f, "v1", 3));
    CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 66, 0, &even));
    CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 64, 0, &odd));
    CHECK_NEAR(odd.run_ns / even.run_ns, 1, 1e-9);
    CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 67, 0, &odd));
    CHECK_NEAR(odd.run_ns / even.run_ns, 12.0 / 11, 0.01);
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 67, 0, &odd));
    CHECK_NEAR(odd.run_ns / even.run_ns, 12.0 / 11, 0.05);
    CHECK_INT(odd.group, 12);
    clear(&s);
}

TEST(transfers_hide_behind_another_lanes_work) {
    setting s = {0};
    formula f = plain();
    fr_prediction none, with;
    s.probe.kind = FR_DEVICE_GPU;
    s.probe.lanes = 2;
    CHECK_OK(set_up(&s, &f, "v1", 1));
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 1024, 0, &none));
    CHECK(none.transfer_ns == 0);
    s.probe.write_bandwidth = s.probe.read_bandwidth = 1024.0 * (3 * 22 * 52 + 4 * 11) / none.steps_ns * 1e9;
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 1024, 2, &with));
    CHECK_NEAR(with.transfer_ns / none.steps_ns, 1, 1e-6);
    CHECK(with.run_ns < 1.6 * none.run_ns && with.run_ns > 1.1 * none.run_ns);
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 1024, 1, &with));
    CHECK_NEAR(with.run_ns, with.steps_ns + with.transfer_ns, 1);
    clear(&s);
}

TEST(whole_runs_correct_the_sum) {
    setting s = {0};
    formula f = plain();
    fr_prediction raw, corrected;
    CHECK_OK(set_up(&s, &f, "v1", 1));
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 1024, 0, &raw));
    CHECK(s.probe.n_runs >= 2);
    for (size_t i = 0; i < s.probe.n_runs; i++) {
        s.probe.runs[i].refused = s.probe.runs[i].schedule == FR_SCHEDULE_CHAIN;
        s.probe.runs[i].images_per_s = s.probe.runs[i].refused ? 0 : 1000;
    }
    fr_predictor_free(s.predictor);
    CHECK_OK(fr_predictor_new(&s.probe, &s.predictor));
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 1024, 0, &corrected));
    CHECK_NEAR(corrected.images_per_s / raw.images_per_s, corrected.correction, 1e-9);
    CHECK(corrected.images_per_s > 300 && corrected.images_per_s < 4000); /* like the runs' net of that size */
    CHECK_INT(predict(&s, FR_SCHEDULE_CHAIN, 1024, 0, &corrected), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "chain");
    clear(&s);
}

TEST(more_inputs_need_more_memory) {
    setting s = {0};
    formula f = plain();
    fr_prediction small, large;
    CHECK_OK(set_up(&s, &f, "n4", 1));
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 2, 1, &small));
    CHECK_OK(predict(&s, FR_SCHEDULE_LAYERS, 4, 1, &large));
    double weights = 4.0 * (64 * 27 + 64 * 576 + 40000.0 * 32 + 64) + 4 * (64 + 64 + 32 + 2);
    double input = 4.0 * (3 * 2500 + 64 * 2500 + 64 * 625); /* of the second layer; what ingest made keeps its place */
    CHECK_NEAR((double)small.bytes, weights + 2 * input, 1024);
    CHECK_NEAR((double)large.bytes, weights + 4 * input, 1024);
    clear(&s);
}

TEST(what_a_device_has_not_is_refused) {
    setting s = {0};
    formula f = plain();
    fr_probe empty = {.device = "gpu:7"};
    fr_predictor *none;
    fr_prediction p;
    CHECK_INT(fr_predictor_new(&empty, &none), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "gpu:7");
    CHECK(none == NULL);
    CHECK_OK(set_up(&s, &f, "v1", 1));
    fr_predict_question q = {
        .steps = &s.model.steps, .precision = FR_PRECISION_F16, .schedule = FR_SCHEDULE_LAYERS, .batch = 64};
    CHECK_INT(fr_predict(s.predictor, &q, &p), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "f16");
    CHECK_INT(predict(&s, FR_SCHEDULE_LAYERS, 0, 0, &p), FR_INVALID);
    clear(&s);
}

TEST(a_basis_is_told) {
    setting s = {0};
    formula f = plain();
    fr_prediction p;
    CHECK_OK(set_up(&s, &f, "n4", 4));
    fr_predict_question q = {.steps = &s.model.steps, .schedule = FR_SCHEDULE_LAYERS, .batch = 64, .wants_steps = true};
    CHECK_OK(fr_predict(s.predictor, &q, &p));
    CHECK_INT(p.by_basis[0] + p.by_basis[1] + p.by_basis[2] + p.by_basis[3], s.model.steps.n_items);
    for (int32_t i = 0; i < s.model.steps.n_items; i++) {
        CHECK(p.steps[i].ns > 0 && p.steps[i].fill > 0 && p.steps[i].fill <= 1 && p.steps[i].bytes > 0);
        CHECK(p.steps[i].ops == 0 || (p.steps[i].limit_ns > 0 && p.steps[i].limit_ns <= p.steps[i].ns * 1.01));
    }
    CHECK_TEXT(fr_basis_name(p.steps[3].basis), "extrapolated"); /* 80000 inputs of a fully connected layer */
    fr_free(p.steps);
    clear(&s);
}

/* Whatever a file may say: times that make no sense, lines of one point, maps of one place. */
TEST(any_profile_gives_numbers) {
    fr_random random = {5};
    formula f = plain();
    for (int round = 0; round < 40; round++) {
        setting s = {0};
        CHECK_OK(set_up(&s, &f, zoo[round % ZOO], 1 + round % 4));
        fr_predictor_free(s.predictor);
        s.predictor = NULL;
        for (size_t i = 0; i < s.probe.n_points; i++) {
            fr_probe_point *p = &s.probe.points[i];
            double what = fr_random_uniform(&random);
            p->ns = what < 0.3 ? 0 : exp(20 * fr_random_uniform(&random));
            if (what > 0.8 && p->groups <= 1)
                p->c_in = p->c_out = 1 + (int32_t)(fr_random_next(&random) % 5000);
            if (what > 0.7 && p->pool_kernel == 0)
                p->h = p->w = 1 + (int32_t)(fr_random_next(&random) % 300);
            p->n = what > 0.9 ? 1 + (int32_t)(fr_random_next(&random) % 100000) : p->n;
        }
        for (size_t i = 0; i < s.probe.n_runs; i++) {
            s.probe.runs[i].images_per_s = exp(30 * fr_random_uniform(&random) - 5);
            s.probe.runs[i].w = 1 + (int32_t)(fr_random_next(&random) % 200);
        }
        s.probe.launch_ns = exp(20 * fr_random_uniform(&random));
        s.probe.bandwidth = exp(30 * fr_random_uniform(&random));
        if (fr_predictor_new(&s.probe, &s.predictor) == FR_OK) {
            fr_prediction p;
            CHECK_OK(predict(&s, round % 2 ? FR_SCHEDULE_CHAIN : FR_SCHEDULE_LAYERS, 1000, 0, &p));
            CHECK(isfinite(p.images_per_s) && p.images_per_s > 0 && isfinite(p.run_ns) && p.run_ns > 0);
        }
        clear(&s);
    }
}

TEST(out_of_memory_is_told_and_leaves_nothing) {
    setting s = {0};
    formula f = plain();
    fr_predictor *predictor = NULL;
    fr_prediction p;
    CHECK_OK(set_up(&s, &f, "v2", 2));
    for (size_t i = 0; i < s.probe.n_runs; i++)
        s.probe.runs[i].images_per_s = 1e5;
    uint64_t live = fr_alloc_read().live_blocks;
    fr_predict_question q = {.steps = &s.model.steps, .schedule = FR_SCHEDULE_CHAIN, .batch = 64, .wants_steps = true};
    for (uint64_t nth = 1; !predictor; nth += nth < 40 ? 1 : 17) {
        fr_alloc_fail_at(nth);
        fr_status status = fr_predictor_new(&s.probe, &predictor);
        fr_alloc_fail_at(0);
        CHECK(status == FR_OK ? predictor != NULL : status == FR_NO_MEMORY && !predictor);
        CHECK(predictor || fr_alloc_read().live_blocks == live);
    }
    live = fr_alloc_read().live_blocks;
    fr_status status = FR_NO_MEMORY;
    for (uint64_t nth = 1; status != FR_OK; nth++) {
        fr_alloc_fail_at(nth);
        status = fr_predict(predictor, &q, &p);
        fr_alloc_fail_at(0);
        CHECK(status == FR_OK || (status == FR_NO_MEMORY && fr_alloc_read().live_blocks == live));
    }
    fr_free(p.steps);
    fr_predictor_free(predictor);
    clear(&s);
}

TEST(predictions_take_no_time) {
    setting s = {0};
    formula f = plain();
    fr_prediction p;
    CHECK_OK(set_up(&s, &f, "v4", 2));
    fr_predictor_free(s.predictor);
    for (size_t i = 0; i < s.probe.n_runs; i++)
        s.probe.runs[i].images_per_s = 1e5;
    uint64_t begin = fr_clock_ns();
    CHECK_OK(fr_predictor_new(&s.probe, &s.predictor));
    double made = (double)(fr_clock_ns() - begin) / 1e6;
    begin = fr_clock_ns();
    for (int i = 0; i < 100; i++)
        CHECK_OK(predict(&s, FR_SCHEDULE_CHAIN, 1024, 0, &p));
    printf("made in %.2f ms, predicts in %.1f us\n", made, (double)(fr_clock_ns() - begin) / 1e5);
    CHECK(made < 1000); /* on any machine; idle it is a few milliseconds */
    clear(&s);
}

TEST(zz_nothing_is_left) {
    CHECK_INT(fr_alloc_read().live_blocks, 0);
}

CHECK_MAIN
