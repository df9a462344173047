/* Plans that are measured, on the reference: what was measured counts, is kept, and is not measured twice. */
#include "folder_kit.h"
#include "made_device.h"
#include "run/planner.h"

static fr_context *context;
static fr_model *model;
static char folder[64], path[96];

static void clean_up(void) {
    fr_model_free(model);
    fr_context_free(context);
    folder_remove(folder);
}

/* The reference is slow: the network is tiny. */
static bool begin(void) {
    static const char text[] = "model tiny \"tiny\"\ninput 3x6x6\n\nconv 12 3x3 pad 1 relu\nmaxpool 2x2 stride 2\n"
                               "flatten\nfc 6 relu\nfc 2\n";
    fr_context_options options = FR_OPTIONS(fr_context_options);
    if (context)
        return true;
    strcpy(folder, "/tmp/foldrun-planner-XXXXXX");
    if (!mkdtemp(folder))
        return false;
    snprintf(path, sizeof path, "%s/tiny.fold", folder);
    options.cache_dir = folder;
    atexit(clean_up);
    return fr_file_write(path, text, strlen(text)) == FR_OK && fr_context_new(&options, &context) == FR_OK &&
           fr_model_load(context, path, &model) == FR_OK && made_store(context, "ref", &made_usual) == FR_OK;
}

static const fr_model *models[1];

static fr_plan_options options_for(void) {
    fr_plan_options o = FR_OPTIONS(fr_plan_options);
    models[0] = model;
    o.device = "ref";
    o.models = models;
    o.n_models = 1;
    o.n_folds = 2;
    o.folds[0] = 1;
    o.folds[1] = 2;
    o.n_rounds = 1;
    o.schedules = 1u << FR_SCHEDULE_LAYERS;
    o.precisions = 1u << FR_PRECISION_F32;
    o.n_batches = 2;
    o.batches[0] = 2;
    o.batches[1] = 16;
    o.measure = 3;
    o.tune_ms = 50;
    return o;
}

static size_t measured_rows(const fr_plan_result *plan) {
    size_t n = 0;
    for (size_t i = 0; i < plan->n_rows; i++)
        n += plan->rows[i].measured > 0;
    return n;
}

TEST(what_is_measured_decides_and_is_kept) {
    fr_plan_result first, again, fresh;
    CHECK(begin());
    fr_plan_options o = options_for();
    CHECK_OK(fr_plan_make(context, &o, &first));
    CHECK_TEXT(first.device, "ref:0");
    CHECK(!first.from_cache && first.measure_s > 0 && measured_rows(&first) >= 2);
    CHECK(first.choice >= 0 && first.rows[first.choice].measured > 0);
    const fr_plan_row *row = &first.rows[first.choice];
    CHECK(row->measured_low <= row->measured && row->measured <= row->measured_high);
    CHECK_NEAR(row->measured_ms, (double)row->batch * 1e3 / row->measured, 1e-6);
    CHECK(row->measured_bytes > 0 && !row->why[0]);
    for (size_t i = 0; i < first.n_rows; i++) /* never a fold that was slower than none */
        CHECK(row->fold == 1 || first.rows[i].fold > 1 || first.rows[i].measured <= row->measured);
    CHECK(first.kernels != NULL);
    CHECK_HAS(first.notes, "folding by 2 was measured");
    CHECK_OK(fr_plan_make(context, &o, &again));
    CHECK(again.from_cache && again.measure_s == 0 && again.choice == first.choice && again.n_rows == first.n_rows);
    for (size_t i = 0; i < first.n_rows; i++)
        CHECK(again.rows[i].measured == first.rows[i].measured && again.rows[i].fold == first.rows[i].fold &&
              again.rows[i].batch == first.rows[i].batch);
    CHECK_TEXT(again.kernels, first.kernels);
    CHECK_TEXT(again.notes, first.notes);
    o.fresh = true;
    CHECK_OK(fr_plan_make(context, &o, &fresh));
    CHECK(!fresh.from_cache && measured_rows(&fresh) >= 2);
    o.fresh = false;
    o.no_measure = true;
    fr_plan_result_free(&fresh);
    CHECK_OK(fr_plan_make(context, &o, &fresh));
    CHECK(!fresh.from_cache && measured_rows(&fresh) == 0 && !fresh.kernels);
    fr_plan_result_free(&first);
    fr_plan_result_free(&again);
    fr_plan_result_free(&fresh);
}

TEST(another_question_is_measured_anew) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for();
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(plan.from_cache);
    fr_plan_result_free(&plan);
    o.batches[1] = 8;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(!plan.from_cache);
    fr_plan_result_free(&plan);
    o = options_for();
    formula other = made_usual;
    other.peak *= 1.25; /* the device was profiled again */
    CHECK_OK(made_store(context, "ref", &other));
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(!plan.from_cache);
    fr_plan_result_free(&plan);
    CHECK_OK(made_store(context, "ref", &made_usual));
}

/* Predictions said that it would do. */
TEST(a_limit_that_measuring_refutes_is_kept) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for();
    o.n_batches = 3;
    o.batches[2] = 64;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    double limit = 0;
    for (size_t i = 0; i < plan.n_rows; i++) /* less than the largest batch takes, more than the others */
        if (plan.rows[i].measured > 0 && plan.rows[i].measured_ms > limit)
            limit = plan.rows[i].measured_ms;
    fr_plan_result_free(&plan);
    o.max_latency_ms = limit / 2;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    for (size_t i = 0; i < plan.n_rows; i++)
        CHECK(plan.rows[i].measured <= 0 || plan.rows[i].measured_ms <= o.max_latency_ms || plan.rows[i].broken);
    if (plan.choice >= 0 && plan.rows[plan.choice].measured > 0)
        CHECK(plan.rows[plan.choice].measured_ms <= o.max_latency_ms);
    fr_plan_result_free(&plan);
}

/* Nothing is said of it that was not measured. */
TEST(where_none_keeps_the_limit_the_nearest_is_measured) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for();
    o.max_latency_ms = 1e-6;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(plan.choice == -1 && measured_rows(&plan) >= 2 && measured_rows(&plan) <= 3);
    CHECK_HAS(plan.notes, "every option breaks a limit; the quickest batch takes");
    CHECK_HAS(plan.notes, "was measured at");
    CHECK_HAS(plan.notes, "times the limit on latency\n");
    fr_plan_result_free(&plan);
}

/* What failed for want of memory, or by a driver's whim, is tried again; what the device cannot do is not. */
TEST(a_failure_that_may_pass_is_not_kept) {
    CHECK(begin());
    fr_plan_options o = options_for();
    fr_planner p, again;
    o.tune_ms = 51; /* a question of its own */
    CHECK_OK(fr_planner_begin(&p, context, &o));
    CHECK_OK(fr_planner_predict(&p));
    CHECK(p.choice.n_options >= 3);
    for (int i = 0; i < 3; i++) {
        const fr_option *x = &p.choice.options[i];
        fr_planner_record r = {
            .variant = x->variant, .precision = x->precision, .schedule = x->schedule, .batch = x->batch, .bytes = 1};
        if (i == 0)
            r.images_per_s = r.low = r.high = r.ms = 1;
        r.failed = i > 0;
        r.status = i == 1 ? FR_UNSUPPORTED : i == 2 ? FR_NO_MEMORY : FR_OK;
        CHECK_OK(fr_planner_add_record(&p, &r));
    }
    fr_planner_store(&p);
    CHECK_OK(fr_planner_begin(&again, context, &o));
    CHECK_OK(fr_planner_predict(&again));
    CHECK(fr_planner_load(&again) && again.retries);
    CHECK_INT(again.n_records, 2);
    CHECK(!again.records[0].failed && again.records[1].failed);
    fr_planner_free(&again);
    p.n_records = 2; /* without the one that may pass */
    fr_planner_store(&p);
    CHECK_OK(fr_planner_begin(&again, context, &o));
    CHECK_OK(fr_planner_predict(&again));
    CHECK(fr_planner_load(&again) && !again.retries);
    fr_planner_free(&again);
    fr_planner_free(&p);
}

/* A duel says again how options compare, and leaves the rest: how fast they were in the mean, their kernels, their number. */
TEST(a_duel_only_compares) {
    CHECK(begin());
    fr_plan_options o = options_for();
    fr_planner p;
    CHECK_OK(fr_planner_begin(&p, context, &o));
    CHECK_OK(fr_planner_predict(&p));
    int32_t list[2] = {-1, -1};
    for (int32_t i = 0; i < (int32_t)p.choice.n_options; i++)
        if (p.choice.options[i].batch == 2)
            list[p.shapes[p.choice.options[i].variant].fold - 1] = i;
    CHECK(list[0] >= 0 && list[1] >= 0);
    CHECK_OK(fr_planner_measure(&p, list, 2, false));
    CHECK(p.n_records == 2 && p.records[0].race == 1 && p.records[1].race == 1);
    double before = p.records[0].images_per_s * p.records[1].images_per_s;
    CHECK_OK(fr_planner_measure(&p, list, 2, true));
    CHECK(p.n_records == 2 && p.records[0].race == 2 && p.records[1].race == 2);
    CHECK(p.records[0].kernels && p.records[1].kernels && p.records[0].low <= p.records[0].high);
    CHECK_NEAR(p.records[0].images_per_s * p.records[1].images_per_s / before, 1, 1e-9);
    CHECK_NEAR(p.records[1].ms * p.records[1].images_per_s / 2e3, 1, 1e-9);
    fr_planner_free(&p);
}

static bool stop_at_once(void *user, const char *what, double fraction) {
    (void)what;
    (void)fraction;
    return ++*(int *)user < 3;
}

TEST(it_can_be_interrupted) {
    fr_plan_result plan;
    int calls = 0;
    CHECK(begin());
    fr_plan_options o = options_for();
    o.fresh = true;
    o.progress = stop_at_once;
    o.progress_user = &calls;
    CHECK_INT(fr_plan_make(context, &o, &plan), FR_CANCELLED);
    CHECK(calls >= 3 && !plan.rows && plan.choice == -1);
}

TEST(a_damaged_cache_is_measured_over) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for();
    char **files;
    size_t count;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    fr_plan_result_free(&plan);
    CHECK_OK(fr_folder_list(folder, &files, &count));
    for (size_t i = 0; i < count; i++) {
        if (strstr(files[i], ".bin"))
            CHECK_OK(fr_file_write(files[i], "damaged", 7));
        fr_free(files[i]);
    }
    fr_free(files);
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(!plan.from_cache && plan.choice >= 0);
    fr_plan_result_free(&plan);
}

TEST(an_explanation_times_the_steps_and_names_the_kernels) {
    fr_plan_result plan;
    fr_explanation why;
    CHECK(begin());
    fr_plan_options o = options_for();
    CHECK_OK(fr_plan_make(context, &o, &plan));
    const fr_plan_row *row = NULL;
    for (size_t i = 0; i < plan.n_rows; i++)
        row = plan.rows[i].fold == 2 ? &plan.rows[i] : row;
    CHECK(row != NULL);
    CHECK_OK(fr_plan_explain(context, &o, row, &why));
    CHECK(why.schedule[0] && why.n_kernels >= why.n_chosen && why.n_plain > 0);
    for (size_t i = 0; i < (size_t)row->n_steps; i++) {
        CHECK(why.chosen[i].measured_ns > 0 && why.chosen[i].kernel[0] && why.plain[i].measured_ns > 0);
        size_t chosen = 0;
        for (size_t k = 0; k < why.n_kernels; k++)
            if (strcmp(why.kernels[k].step, why.chosen[i].name) == 0 && why.kernels[k].chosen) {
                CHECK_TEXT(why.kernels[k].kernel, why.chosen[i].kernel);
                CHECK(!why.kernels[k].why[0]);
                chosen++;
            }
        CHECK_INT(chosen, 1);
    }
    fr_explanation_free(&why);
    fr_plan_result_free(&plan);
}

CHECK_MAIN
