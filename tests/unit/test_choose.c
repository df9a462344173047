/* The choice: what must hold whatever the device, on many devices that are formulas. */
#include "base/clock.h"
#include "planner_kit.h"

enum { FOLDS = 4, MANY = 24, MOST = 4096 };

static const char *const models[] = {"v1", "v4", "n1", "n3", "n4", "g64"};

/* ---- a task: a model's variants and all there is to choose ----------------------------------------------------------- */

typedef struct task {
    lowered made[16];
    fr_variant variants[16];
    int64_t batches[12];
    fr_choice_question q;
} task;

static void free_task(task *t) {
    for (int32_t i = 0; i < t->q.n_variants; i++)
        lowered_free(&t->made[i]);
}

static fr_status add_variant(task *t, const char *model, int32_t fold, fr_round round, int32_t quantum) {
    int32_t i = t->q.n_variants++;
    FR_TRY(lowered_make(model, fold, round, quantum, &t->made[i]));
    t->variants[i] = (fr_variant){.steps = &t->made[i].steps,
                                  .fold = fold,
                                  .round = round,
                                  .quantum = quantum,
                                  .width = t->made[i].width,
                                  .accuracy = -1};
    return FR_OK;
}

/* roundings: FLOOR alone, or with quanta of 16 too. */
static fr_status make_task(const char *model, bool roundings, int32_t n_batches, task *t) {
    memset(t, 0, sizeof *t);
    for (int32_t fold = 1; fold <= FOLDS; fold++) {
        FR_TRY(add_variant(t, model, fold, FR_ROUND_FLOOR, 0));
        for (int r = FR_ROUND_UP; roundings && fold > 1 && r <= FR_ROUND_NEAREST; r++)
            FR_TRY(add_variant(t, model, fold, (fr_round)r, 16));
    }
    for (int32_t b = 0; b < n_batches; b++)
        t->batches[b] = n_batches == 1 ? 1024 : (int64_t)1 << (b + 1);
    t->q.variants = t->variants;
    t->q.precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_BF16 | 1u << FR_PRECISION_INT8;
    t->q.schedules = 1u << FR_SCHEDULE_LAYERS | 1u << FR_SCHEDULE_CHAIN;
    t->q.batches = t->batches;
    t->q.n_batches = n_batches;
    t->q.limits.max_drop = -1;
    return FR_OK;
}

static double pick(fr_random *random, double low, double high) { /* even in the logarithm */
    return low * pow(high / low, fr_random_uniform(random));
}

static formula any_formula(fr_random *random) {
    static const int32_t tiles[] = {1, 4, 8, 16, 32};
    return (formula){.peak = pick(random, 5e9, 500e9),
                     .out_tile = tiles[fr_random_next(random) % 5],
                     .waste = fr_random_uniform(random),
                     .place_ns = pick(random, 0.01, 10),
                     .bandwidth = pick(random, 1e9, 50e9),
                     .launch_ns = pick(random, 100, 1e5),
                     .pool_ns = pick(random, 0.005, 0.2),
                     .noise = 0.02,
                     .seed = fr_random_next(random)};
}

static const uint32_t all_precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_BF16 | 1u << FR_PRECISION_INT8;

static fr_status any_device(fr_random *random, fr_probe *probe, fr_predictor **predictor) {
    formula f = any_formula(random);
    memset(probe, 0, sizeof *probe);
    probe->kind = fr_random_next(random) % 2 ? FR_DEVICE_CPU : FR_DEVICE_GPU;
    probe->lanes = 1 + (uint32_t)(fr_random_next(random) % 4);
    probe->flags = fr_random_next(random) % 2 && probe->kind == FR_DEVICE_CPU ? FR_DEVICE_SOFTWARE : 0;
    FR_TRY(kit_probe(&f, 0, all_precisions, probe));
    probe->run_ns = pick(random, 1e3, 1e6);
    probe->cache_bytes[2] = (uint64_t)pick(random, 1e6, 1e8);
    if (fr_random_next(random) % 2)
        probe->write_bandwidth = probe->read_bandwidth = pick(random, 1e9, 3e10);
    return fr_predictor_new(probe, predictor);
}

/* ---- properties ---------------------------------------------------------------------------------------------------------- */

TEST(options_are_ranked_and_limits_hold) {
    fr_random random = {11};
    for (int round = 0; round < MANY; round++) {
        fr_probe probe;
        fr_predictor *predictor;
        task t;
        fr_choice choice;
        CHECK_OK(any_device(&random, &probe, &predictor));
        CHECK_OK(make_task(models[round % 6], false, 11, &t));
        t.q.limits.max_latency_ms = pick(&random, 0.05, 1000);
        t.q.limits.max_bytes = (uint64_t)pick(&random, 1e6, 1e9);
        t.q.limits.max_drop = 2 * fr_random_uniform(&random);
        for (int32_t i = 0; i < t.q.n_variants; i++)
            t.variants[i].accuracy = 95 - (t.variants[i].fold - 1) * fr_random_uniform(&random);
        CHECK_OK(fr_choose(predictor, &t.q, &choice));
        size_t wanted = 0;
        for (int32_t v = 0; v < t.q.n_variants; v++)
            for (int32_t b = 0; b < t.q.n_batches; b++) /* a batch that is no whole input is no option */
                wanted += t.q.batches[b] >= t.variants[v].fold ? 3 * 2 : 0;
        CHECK_INT(choice.n_options, wanted);
        CHECK(!choice.drop_unjudged);
        int32_t winner = fr_choice_winner(&t.q, &choice);
        for (size_t i = 0; i < choice.n_options; i++) {
            const fr_option *o = &choice.options[i];
            bool late = o->predicted.run_ns / 1e6 > t.q.limits.max_latency_ms,
                 large = o->predicted.bytes > t.q.limits.max_bytes,
                 worse = t.variants[0].accuracy - t.variants[o->variant].accuracy > t.q.limits.max_drop + 1e-9;
            CHECK_INT(o->broken, late ? FR_LIMIT_LATENCY : large ? FR_LIMIT_MEMORY : worse ? FR_LIMIT_DROP : 0);
            CHECK(isfinite(o->predicted.images_per_s) && o->predicted.images_per_s > 0);
            CHECK_NEAR(o->predicted.run_ns * o->predicted.images_per_s / 1e9 / (double)o->batch, 1, 1e-9);
            if (i % 16 == 0) { /* what options share is as if each were asked for alone */
                fr_predict_question alone = {.steps = t.variants[o->variant].steps,
                                             .precision = o->precision,
                                             .schedule = o->schedule,
                                             .batch = o->batch};
                fr_prediction p;
                CHECK_OK(fr_predict(predictor, &alone, &p));
                CHECK(p.bytes == o->predicted.bytes && p.images_per_s == o->predicted.images_per_s);
            }
            if (i > 0 && !o->broken) {
                CHECK(!o[-1].broken && o[-1].predicted.images_per_s >= o->predicted.images_per_s);
            }
            if (!o->broken) {
                CHECK(winner >= 0);
                CHECK(choice.options[winner].predicted.images_per_s >= o->predicted.images_per_s * (1 - fr_choice_tie));
            }
        }
        CHECK(winner < 0 || !choice.options[winner].broken);
        fr_choice_free(&choice);
        free_task(&t);
        fr_predictor_free(predictor);
        fr_probe_free(&probe);
    }
}

static bool same_option(const task *a, const fr_option *x, const task *b, const fr_option *y) {
    const fr_variant *v = &a->variants[x->variant], *w = &b->variants[y->variant];
    return v->fold == w->fold && v->round == w->round && v->quantum == w->quantum && x->precision == y->precision &&
           x->schedule == y->schedule && x->batch == y->batch;
}

TEST(the_order_of_variants_does_not_matter) {
    fr_random random = {12};
    for (int round = 0; round < MANY / 2; round++) {
        fr_probe probe;
        fr_predictor *predictor;
        task t, turned;
        fr_choice a, b;
        int32_t first[8], second[8];
        CHECK_OK(any_device(&random, &probe, &predictor));
        CHECK_OK(make_task(models[round % 5], true, 4, &t));
        turned = t;
        for (int32_t i = t.q.n_variants - 1; i > 0; i--) {
            int32_t k = (int32_t)(fr_random_next(&random) % (uint64_t)(i + 1));
            fr_variant held = turned.variants[i];
            turned.variants[i] = turned.variants[k];
            turned.variants[k] = held;
        }
        turned.q.variants = turned.variants;
        CHECK_OK(fr_choose(predictor, &t.q, &a));
        CHECK_OK(fr_choose(predictor, &turned.q, &b));
        for (size_t i = 0; i < a.n_options; i++)
            CHECK(same_option(&t, &a.options[i], &turned, &b.options[i]));
        CHECK_INT(fr_choice_winner(&t.q, &a), fr_choice_winner(&turned.q, &b));
        CHECK_INT(fr_choice_finalists(&t.q, &a, 8, first), fr_choice_finalists(&turned.q, &b, 8, second));
        CHECK(first[0] == second[0] && first[1] == second[1]);
        fr_choice_free(&a);
        fr_choice_free(&b);
        free_task(&t);
        fr_predictor_free(predictor);
        fr_probe_free(&probe);
    }
}

TEST(what_was_measured_counts) {
    fr_random random = {13};
    for (int round = 0; round < MANY; round++) {
        fr_probe probe;
        fr_predictor *predictor;
        task t;
        fr_choice choice;
        int32_t at[8];
        CHECK_OK(any_device(&random, &probe, &predictor));
        CHECK_OK(make_task(models[round % 6], false, 1 + 4 * (round % 2), &t));
        CHECK_OK(fr_choose(predictor, &t.q, &choice));
        int32_t n = fr_choice_finalists(&t.q, &choice, 8, at);
        CHECK(n >= 2 && n <= 8);
        bool plain = false;
        for (int32_t i = 0; i < n; i++) {
            fr_option *o = &choice.options[at[i]];
            CHECK(i == 0 || at[i - 1] < at[i]);
            plain |= t.variants[o->variant].fold == 1;
            for (int32_t k = 0; k < i; k++) {
                const fr_option *e = &choice.options[at[k]];
                CHECK(e->variant != o->variant || e->precision != o->precision || e->schedule != o->schedule ||
                      e->batch >= 2 * o->batch || o->batch >= 2 * e->batch);
            }
            o->measured = o->predicted.images_per_s * pick(&random, 0.5, 2);
            o->failed = fr_random_uniform(&random) < 0.1;
        }
        CHECK(plain && at[0] == 0);
        fr_choice_rank(&t.q, &choice);
        int32_t winner = fr_choice_winner(&t.q, &choice);
        bool any = false;
        double of_plain = 0;
        for (size_t i = 0; i < choice.n_options; i++) {
            const fr_option *o = &choice.options[i];
            if (o->measured > 0 && !o->failed) {
                any = true;
                CHECK_INT(o - choice.options < 8, 1); /* before all that was not measured */
                if (t.variants[o->variant].fold == 1)
                    of_plain = fmax(of_plain, o->measured);
            }
        }
        CHECK(winner >= 0 && !choice.options[winner].failed);
        CHECK(!any || choice.options[winner].measured > 0);
        if (any && t.variants[choice.options[winner].variant].fold > 1)
            CHECK(choice.options[winner].measured > of_plain);
        fr_choice_free(&choice);
        free_task(&t);
        fr_predictor_free(predictor);
        fr_probe_free(&probe);
    }
}

/* Folding spares traffic between layers, and where there is more bandwidth, that is worth no more than before. Of devices on which a
 * wider layer is no faster for each operation: where it is, bandwidth may stand in its way. */
TEST(more_bandwidth_never_makes_folding_more_attractive) {
    fr_random random = {14};
    int spared = 0;
    for (int round = 0; round < MANY; round++) {
        fr_probe probe = {.lanes = 1 + (uint32_t)(round % 2)};
        fr_predictor *predictor;
        task t;
        double before[FOLDS] = {0};
        formula f = any_formula(&random);
        f.noise = f.place_ns = 0;
        f.launch_ns = 1;
        CHECK_OK(make_task(models[round % 6], false, 1, &t));
        CHECK_OK(kit_probe(&f, 0, 1u << FR_PRECISION_F32, &probe));
        probe.cache_bytes[2] = (uint64_t)pick(&random, 1e6, 1e8);
        for (double bandwidth = 1e8; bandwidth < 1e12; bandwidth *= 1.7) {
            probe.bandwidth = bandwidth;
            CHECK_OK(fr_predictor_new(&probe, &predictor));
            double speed[FOLDS];
            for (int k = 0; k < FOLDS; k++) {
                fr_predict_question q = {.steps = t.variants[k].steps, .schedule = FR_SCHEDULE_LAYERS, .batch = 1200};
                fr_prediction p;
                CHECK_OK(fr_predict(predictor, &q, &p));
                speed[k] = p.images_per_s;
                double gain = speed[k] / speed[0];
                CHECK(before[k] == 0 || gain <= before[k] * (1 + 1e-9));
                spared += before[k] > 0 && gain < before[k] * 0.99;
                before[k] = gain;
            }
            fr_predictor_free(predictor);
        }
        free_task(&t);
        fr_probe_free(&probe);
    }
    CHECK(spared > 100);
}

/* ---- small things ---------------------------------------------------------------------------------------------------------- */

TEST(ties_go_to_what_asks_least) {
    fr_variant v[] = {{.fold = 2, .width = 100, .accuracy = -1},
                      {.fold = 2, .width = 120, .accuracy = -1},
                      {.fold = 1, .width = 70, .accuracy = -1}};
    fr_choice_question q = {.variants = v, .n_variants = 3, .limits = {.max_drop = -1}};
    fr_option o[] = {{.variant = 0, .batch = 64, .predicted = {.images_per_s = 1000}},
                     {.variant = 1, .batch = 64, .predicted = {.images_per_s = 990}},
                     {.variant = 1, .batch = 32, .predicted = {.images_per_s = 985}},
                     {.variant = 1, .batch = 32, .precision = FR_PRECISION_INT8, .predicted = {.images_per_s = 999}},
                     {.variant = 2, .batch = 64, .predicted = {.images_per_s = 970}}};
    fr_choice c = {.options = o, .n_options = 5};
    CHECK_INT(fr_choice_winner(&q, &c), 2);
    o[4].predicted.images_per_s = 981;
    CHECK_INT(fr_choice_winner(&q, &c), 4);
    o[4].broken = FR_LIMIT_MEMORY;
    CHECK_INT(fr_choice_winner(&q, &c), 2);
    for (int i = 0; i < 4; i++)
        o[i].failed = true;
    CHECK_INT(fr_choice_winner(&q, &c), -1);
}

/* Predictions are often wrong about a whole schedule or precision: each has its turn before a second of the same. */
TEST(finalists_are_of_every_schedule_and_precision) {
    fr_variant v[] = {{.fold = 1, .accuracy = -1}, {.fold = 2, .accuracy = -1}};
    fr_choice_question q = {.variants = v, .n_variants = 2, .limits = {.max_drop = -1}};
    fr_option o[] = {
        {.variant = 0, .schedule = FR_SCHEDULE_LAYERS, .batch = 64, .predicted = {.images_per_s = 1000}},
        {.variant = 1, .schedule = FR_SCHEDULE_LAYERS, .batch = 64, .predicted = {.images_per_s = 990}},
        {.variant = 0, .schedule = FR_SCHEDULE_LAYERS, .batch = 8, .predicted = {.images_per_s = 980}},
        {.variant = 1, .schedule = FR_SCHEDULE_LAYERS, .precision = 2, .batch = 64, .predicted = {.images_per_s = 970}},
        {.variant = 0, .schedule = FR_SCHEDULE_LAYERS, .precision = 2, .batch = 64, .predicted = {.images_per_s = 960}},
        {.variant = 0, .schedule = FR_SCHEDULE_CHAIN, .batch = 64, .predicted = {.images_per_s = 800}},
        {.variant = 1, .schedule = FR_SCHEDULE_CHAIN, .precision = 3, .batch = 64, .predicted = {.images_per_s = 700}}};
    fr_choice c = {.options = o, .n_options = 7};
    int32_t at[8];
    CHECK_INT(fr_choice_finalists(&q, &c, 3, at), 3);
    CHECK(at[0] == 0 && at[1] == 1 && at[2] == 5);
    CHECK_INT(fr_choice_finalists(&q, &c, 4, at), 4);
    CHECK(at[2] == 3 && at[3] == 5);
    CHECK_INT(fr_choice_finalists(&q, &c, 8, at), 6); /* the last one is too far behind */
}

TEST(an_unknown_accuracy_breaks_nothing) {
    fr_random random = {15};
    fr_probe probe;
    fr_predictor *predictor;
    task t;
    fr_choice choice;
    CHECK_OK(any_device(&random, &probe, &predictor));
    CHECK_OK(make_task("v1", false, 1, &t));
    t.q.limits.max_drop = 0.5;
    t.variants[0].accuracy = 95;
    t.variants[3].accuracy = 80;
    CHECK_OK(fr_choose(predictor, &t.q, &choice));
    CHECK(choice.drop_unjudged);
    for (size_t i = 0; i < choice.n_options; i++)
        CHECK_INT(choice.options[i].broken, choice.options[i].variant == 3 ? FR_LIMIT_DROP : FR_LIMIT_NONE);
    fr_choice_free(&choice);
    t.q.precisions = 1u << FR_PRECISION_F64;
    CHECK_INT(fr_choose(predictor, &t.q, &choice), FR_UNSUPPORTED);
    CHECK(choice.options == NULL);
    free_task(&t);
    fr_predictor_free(predictor);
    fr_probe_free(&probe);
}

TEST(roundings_begin_with_the_papers) {
    int32_t quanta[] = {1, 8, 16};
    fr_rounding r[8];
    CHECK_INT(fr_choice_roundings(quanta, 3, r, 8), 7);
    CHECK(r[0].round == FR_ROUND_FLOOR && r[0].quantum == 0);
    CHECK(r[1].round == FR_ROUND_UP && r[1].quantum == 8 && r[2].round == FR_ROUND_NEAREST);
    CHECK(r[3].round == FR_ROUND_DOWN && r[4].quantum == 16);
    CHECK_INT(fr_choice_roundings(quanta, 3, r, 2), 2);
}

TEST(a_choice_is_made_at_once) {
    fr_random random = {16};
    double worst = 0, most = 0;
    for (int round = 0; round < 6; round++) {
        fr_probe probe;
        fr_predictor *predictor;
        task t;
        fr_choice choice;
        CHECK_OK(any_device(&random, &probe, &predictor));
        CHECK_OK(make_task("v4", true, 11, &t));
        uint64_t begin = fr_clock_ns(), calls = fr_alloc_read().calls;
        CHECK_OK(fr_choose(predictor, &t.q, &choice));
        double of_option = (double)(fr_alloc_read().calls - calls) / (double)choice.n_options;
        double ms = (double)(fr_clock_ns() - begin) / 1e6;
        worst = fmax(worst, ms);
        most = fmax(most, of_option);
        printf("%zu options in %.2f ms, %.1f allocations each\n", choice.n_options, ms, of_option);
        fr_choice_free(&choice);
        free_task(&t);
        fr_predictor_free(predictor);
        fr_probe_free(&probe);
    }
    CHECK(most < 5);     /* memory is placed once for all batches that are run alike */
    CHECK(worst < 2000); /* on any machine, however busy and checked; on an idle one it is under 50 */
}

TEST(zz_nothing_is_left) {
    CHECK_INT(fr_alloc_read().live_blocks, 0);
}

CHECK_MAIN
