/* What a plan measures, and what it makes of it, on made-up devices whose predictions are wrong in a known way. */
#include "base/clock.h"
#include "made_plans.h"
#include "run/planner.h"

enum { FOLDS = 8 };

/* What a device truly does, over what is predicted. */
static struct truth {
    double fold[FOLDS + 1], precision[FR_PRECISIONS], schedule[4], bytes;
    double luck; /* of what is measured outside a duel: this much more or less, by turns */
    int32_t measured, races, duels;
} truth;

static void tell_truth(void) {
    truth = (struct truth){.bytes = 1};
    for (int i = 0; i <= FOLDS; i++)
        truth.fold[i] = 1;
    for (int i = 0; i < FR_PRECISIONS; i++)
        truth.precision[i] = 1;
    for (int i = 0; i < 4; i++)
        truth.schedule[i] = 1;
}

static double true_speed(const fr_planner *p, const fr_option *o) {
    return o->predicted.images_per_s * truth.fold[p->shapes[o->variant].fold] * truth.precision[o->precision] *
           truth.schedule[o->schedule];
}

/* In the place of sessions on a device. */
static fr_status measure_truth(fr_planner *p, const int32_t *options, int32_t count, bool is_duel) {
    p->n_races++;
    truth.races += !is_duel;
    truth.duels += is_duel;
    for (int32_t i = 0; i < count; i++) {
        const fr_option *o = &p->choice.options[options[i]];
        double speed = true_speed(p, o) * (is_duel ? 1 : 1 + truth.luck * (truth.races % 2 ? 1 : -1));
        fr_planner_record *known = fr_planner_find_record(p, o),
                          r = {.variant = o->variant,
                               .precision = o->precision,
                               .schedule = o->schedule,
                               .batch = o->batch,
                               .images_per_s = speed,
                               .low = speed,
                               .high = speed,
                               .ms = (double)o->batch * 1e3 / speed,
                               .bytes = (uint64_t)((double)o->predicted.bytes * truth.bytes),
                               .race = p->n_races};
        if (!is_duel && known)
            return fr_fail(FR_INVALID, "measured twice");
        if (is_duel)
            *known = r;
        else
            FR_TRY(fr_planner_add_record(p, &r));
        truth.measured += !is_duel;
    }
    return FR_OK;
}

static fr_status decide(const fr_plan_options *o, fr_planner *p) {
    FR_TRY(fr_planner_begin(p, context, o));
    FR_TRY(fr_planner_predict(p));
    return fr_planner_decide(p, measure_truth);
}

/* The winner's true speed over that of the best there is. */
static double quality(const fr_planner *p) {
    double best = 0;
    int32_t winner = fr_choice_winner(&p->question, &p->choice);
    for (size_t i = 0; i < p->choice.n_options; i++)
        if (p->choice.options[i].broken == FR_LIMIT_NONE)
            best = fmax(best, true_speed(p, &p->choice.options[i]));
    return winner >= 0 ? true_speed(p, &p->choice.options[winner]) / best : 0;
}

static fr_plan_options options_to_decide(void) {
    static const fr_model *models[1];
    fr_plan_options o = FR_OPTIONS(fr_plan_options);
    models[0] = model;
    o.profile = profile;
    o.models = models;
    o.n_models = 1;
    o.n_batches = 2;
    o.batches[0] = 64;
    o.batches[1] = 1024;
    return o;
}

/* Sixteen folds and schedules, all predicted to be as fast. */
TEST(wrong_predictions_do_not_hide_the_best) {
    fr_random random = {21};
    formula even = made_usual;
    int32_t most = 0, off = 0, all = 0;
    double worst = 1;
    even.in_tile = even.out_tile = 1;
    CHECK(begin());
    CHECK_OK(made_write(&even, 1, profile));
    fr_plan_options o = options_to_decide();
    o.n_folds = FOLDS;
    for (int i = 0; i < FOLDS; i++)
        o.folds[i] = i + 1;
    for (int round = 0; round < 60; round++) {
        fr_planner p;
        tell_truth();
        for (int i = 0; i <= FOLDS; i++)
            truth.fold[i] = 0.85 + 0.3 * fr_random_uniform(&random);
        for (int i = 0; i < 4 && round % 3 > 0; i++)
            truth.schedule[i] = 0.85 + 0.3 * fr_random_uniform(&random);
        for (int i = 0; i < FR_PRECISIONS && round % 3 > 1; i++)
            truth.precision[i] = 0.85 + 0.3 * fr_random_uniform(&random);
        CHECK_OK(decide(&o, &p));
        double is = quality(&p);
        worst = fmin(worst, is);
        off += is < 0.95;
        all += truth.measured;
        most = truth.measured > most ? truth.measured : most;
        fr_planner_free(&p);
    }
    printf("     at worst %.3f of the best, %d of 60 below 0.95; %.1f measured, at most %d\n", worst, off, all / 60.0,
           most);
    CHECK(worst > 0.9 && off <= 1 && most <= 16);
    CHECK_OK(made_write(&made_usual, 1, profile));
}

TEST(the_first_ones_are_of_every_schedule_and_fold) {
    fr_planner p;
    CHECK(begin());
    fr_plan_options o = options_to_decide();
    tell_truth();
    CHECK_OK(decide(&o, &p));
    double best = p.choice.options[fr_choice_winner(&p.question, &p.choice)].measured;
    for (int32_t fold = 1; fold <= 4; fold++)
        for (int s = FR_SCHEDULE_LAYERS; s <= FR_SCHEDULE_CHAIN; s++) {
            bool hopeful = false, of_fold = false, of_schedule = false;
            for (size_t i = 0; i < p.choice.n_options; i++) {
                const fr_option *x = &p.choice.options[i];
                bool is_fold = p.shapes[x->variant].fold == fold, is_schedule = (int)x->schedule == s;
                hopeful |= is_fold && is_schedule && x->predicted.images_per_s * 1.3 > best;
                of_fold |= is_fold && x->measured > 0;
                of_schedule |= is_schedule && x->measured > 0;
            }
            CHECK(!hopeful || (of_fold && of_schedule));
        }
    CHECK(truth.races == 1 && truth.measured <= 8 &&
          truth.duels == 0); /* predictions were right: no more is to be seen */
    fr_planner_free(&p);
}

/* What was measured of others says what is to be hoped of one, and what they have not in common with it leaves more. */
TEST(measuring_goes_on_while_there_is_hope) {
    fr_planner p;
    CHECK(begin());
    fr_plan_options o = options_to_decide();
    o.measure = 3;
    tell_truth();
    truth.schedule[FR_SCHEDULE_LAYERS] = 0.75;
    CHECK_OK(decide(&o, &p));
    printf("     %d measured in %d races, %.3f of the best\n", truth.measured, truth.races, quality(&p));
    CHECK(truth.races > 1 && truth.measured <= 6 && quality(&p) > 0.97);
    CHECK_INT(p.choice.options[fr_choice_winner(&p.question, &p.choice)].schedule, FR_SCHEDULE_CHAIN);
    fr_planner_free(&p);
}

/* The first race saw all of it 2.5 % faster than it is, the second as much slower. */
TEST(a_duel_corrects_what_luck_did) {
    fr_planner p;
    CHECK(begin());
    fr_plan_options o = options_to_decide();
    o.measure = 3;
    tell_truth();
    truth.luck = 0.025;
    truth.schedule[FR_SCHEDULE_LAYERS] = 0.75;
    truth.schedule[FR_SCHEDULE_CHAIN] = 0.77;
    CHECK_OK(decide(&o, &p));
    printf("     %d measured in %d races, %d duels, %.3f of the best\n", truth.measured, truth.races, truth.duels,
           quality(&p));
    CHECK(truth.races >= 2);
    CHECK_INT(truth.duels, 1);
    CHECK_INT(p.choice.options[fr_choice_winner(&p.question, &p.choice)].schedule, FR_SCHEDULE_CHAIN);
    fr_planner_free(&p);
}

/* Predictions say that none keeps it, and are too pessimistic. */
TEST(the_nearest_to_a_limit_are_measured) {
    fr_planner p;
    CHECK(begin());
    fr_plan_options o = options_to_decide();
    tell_truth();
    CHECK_OK(fr_planner_begin(&p, context, &o));
    CHECK_OK(fr_planner_predict(&p));
    double least_ms = 1e9, least_bytes = 1e18;
    for (size_t i = 0; i < p.choice.n_options; i++) {
        least_ms = fmin(least_ms, p.choice.options[i].predicted.run_ns / 1e6);
        least_bytes = fmin(least_bytes, (double)p.choice.options[i].predicted.bytes);
    }
    fr_planner_free(&p);
    for (int i = 0; i < FR_PRECISIONS; i++)
        truth.precision[i] = 1.25;
    o.max_latency_ms = 0.9 * least_ms;
    CHECK_OK(decide(&o, &p));
    int32_t winner = fr_choice_winner(&p.question, &p.choice);
    CHECK(winner >= 0 && p.choice.options[winner].measured_ms <= o.max_latency_ms);
    fr_planner_free(&p);
    tell_truth();
    truth.bytes = 0.8;
    o.max_latency_ms = 0;
    o.max_memory = (uint64_t)(0.9 * least_bytes);
    CHECK_OK(decide(&o, &p));
    winner = fr_choice_winner(&p.question, &p.choice);
    CHECK(winner >= 0 && p.choice.options[winner].measured_bytes <= o.max_memory);
    fr_planner_free(&p);
    tell_truth(); /* it is as predicted */
    CHECK_OK(decide(&o, &p));
    CHECK(truth.measured >= 2 && truth.measured <= 3);
    fr_planner_free(&p);
}

/* ---- profiles from elsewhere ----------------------------------------------------------------------------------- */

/* As many points as a profile may hold, each of a step of its own: memory, and with it time, grows with what is kept of them. */
TEST(a_hostile_profile_makes_a_small_predictor) {
    enum { POINTS = 16384, KINDS = 4 };
    static const uint16_t lines[KINDS] = {FR_LINE_MAP, FR_LINE_INPUTS, FR_LINE_POOL, FR_LINE_MAP};
    for (int kind = 0; kind < KINDS; kind++) {
        fr_probe probe = {.kind = FR_DEVICE_CPU, .lanes = 1, .precisions = 1u << FR_PRECISION_F32, .n_points = POINTS};
        fr_predictor *predictor;
        probe.points = fr_alloc_array(POINTS, sizeof *probe.points);
        CHECK(probe.points != NULL);
        for (int32_t i = 0; i < POINTS; i++) {
            fr_probe_point *p = &probe.points[i];
            *p = (fr_probe_point){.line = i < 8 ? FR_LINE_BOTH : lines[kind], .kind = FR_STEP_CONV, .n = 1};
            p->kernel = p->groups = 1;
            p->c_in = p->c_out = 1 + i / 4;
            p->h = p->w = 8 + i % 4;
            p->pool_kernel = p->pool_stride = i >= 8 && kind > 1 ? 2 : 0; /* the last ones on a line that has none */
            p->ns = 1000 + i;
        }
        uint64_t before = fr_alloc_read().live_bytes, begin = fr_clock_ns();
        CHECK_OK(fr_predictor_new(&probe, &predictor));
        uint64_t bytes = fr_alloc_read().live_bytes - before;
        printf("     %.0f KB in %.0f ms\n", (double)bytes / 1e3, (double)(fr_clock_ns() - begin) / 1e6);
        CHECK(bytes <= POINTS * (sizeof(fr_probe_point) + sizeof(void *)) + (512 << 10));
        fr_predictor_free(predictor);
        fr_probe_free(&probe);
    }
}

CHECK_MAIN
