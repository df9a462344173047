/* Plans from a profile of a device that is not there: which networks are compared, within which limits, and what is said about it. */
#include "made_plans.h"

static fr_plan_options options_for(const fr_model *const *models) {
    fr_plan_options o = FR_OPTIONS(fr_plan_options);
    o.profile = profile;
    o.models = models;
    o.n_models = 1;
    return o;
}

static const fr_model *const *plain(void) {
    static const fr_model *models[1];
    models[0] = model;
    return models;
}

static const fr_plan_row *find(const fr_plan_result *plan, int32_t fold, fr_round round, int32_t quantum) {
    for (size_t i = 0; i < plan->n_rows; i++)
        if (plan->rows[i].fold == fold && plan->rows[i].round == round && plan->rows[i].quantum == quantum)
            return &plan->rows[i];
    return NULL;
}

static bool has_fold(const fr_plan_result *plan, int32_t fold) {
    for (size_t i = 0; i < plan->n_rows; i++)
        if (plan->rows[i].fold == fold)
            return true;
    return false;
}

/* ---- what is compared ------------------------------------------------------------------------------------------ */

TEST(a_plain_model_is_compared_with_its_folded_shapes) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(plan.choice >= 0 && (size_t)plan.choice < plan.n_rows);
    CHECK_TEXT(plan.device, "made:0");
    CHECK_TEXT(plan.name, "Made-up device");
    CHECK_TEXT(plan.profile, profile);
    CHECK(!plan.quick_profile && !plan.stale_profile && !plan.from_cache && !plan.drop_unjudged && !plan.kernels);
    for (int32_t fold = 1; fold <= 4; fold++)
        CHECK(has_fold(&plan, fold));
    CHECK(!has_fold(&plan, 5));
    CHECK(find(&plan, 2, FR_ROUND_FLOOR, 0) && find(&plan, 2, FR_ROUND_UP, 32)); /* 90 and 96 channels */
    const fr_plan_row *row = &plan.rows[plan.choice];
    CHECK_TEXT(row->label, "n4");
    CHECK(row->predicted > 0 && row->predicted_ms > 0 && row->predicted_bytes > 0 && row->measured == 0);
    CHECK(row->accuracy < 0 && !row->trained && !row->broken && row->n_steps > 0);
    printf("     %zu rows, chosen in %.1f ms\n%s", plan.n_rows, plan.choose_ms, plan.notes);
    CHECK_HAS(plan.notes, "the shapes of fold 2..4 are not trained: accuracy is unknown\n");
    fr_plan_result_free(&plan);
    CHECK(!plan.rows && !plan.notes && plan.choice == -1);
}

TEST(shapes_that_come_out_alike_are_one) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    o.n_folds = 2;
    o.folds[0] = 1;
    o.folds[1] = 4; /* 64 * 2 and 32 * 2 channels: whole tiles */
    o.n_rounds = 3;
    o.rounds[1].round = FR_ROUND_UP;
    o.rounds[1].quantum = 32;
    o.rounds[2].round = FR_ROUND_DOWN;
    o.rounds[2].quantum = 48;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(find(&plan, 4, FR_ROUND_FLOOR, 0) && !find(&plan, 4, FR_ROUND_UP, 32) && find(&plan, 4, FR_ROUND_DOWN, 48));
    CHECK(!find(&plan, 1, FR_ROUND_DOWN, 48)); /* fold 1 is the network itself */
    fr_plan_result_free(&plan);
}

TEST(what_costs_nothing_is_rounded_up) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    o.n_folds = 1;
    o.folds[0] = 2;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    const fr_plan_row *row = &plan.rows[plan.choice];
    CHECK(row->fold == 2 && row->round == FR_ROUND_UP && row->quantum == 32);
    CHECK_HAS(plan.notes, "96 channels cost what 90 cost: rounding up:32 proposed\n");
    CHECK_HAS(plan.notes, "to be trained: n4 at f=2, widths rounded up:32\n");
    fr_plan_result_free(&plan);
}

/* Nobody asked for them: they are faster for learning less. */
TEST(much_narrower_shapes_are_not_proposed) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(!find(&plan, 2, FR_ROUND_DOWN, 32)); /* 90 to 64 */
    fr_plan_result_free(&plan);
    o.n_rounds = 1;
    o.rounds[0].round = FR_ROUND_DOWN;
    o.rounds[0].quantum = 32;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(find(&plan, 2, FR_ROUND_DOWN, 32));
    fr_plan_result_free(&plan);
}

/* ---- models that are given ------------------------------------------------------------------------------------- */

static fr_model *folded(int32_t fold, double accuracy) {
    fr_fold_options how = FR_OPTIONS(fr_fold_options);
    fr_model *made = NULL;
    how.fold = fold;
    if (fr_model_fold(model, &how, &made) != FR_OK)
        return NULL;
    made->graph->meta.seeded = false; /* as if it had been trained */
    made->graph->meta.n_accuracy = accuracy > 0;
    made->graph->meta.accuracy[0].fold = fold;
    made->graph->meta.accuracy[0].accuracy = accuracy;
    return made;
}

TEST(trained_variants_are_taken_as_they_are) {
    fr_plan_result plan;
    static const char *const labels[] = {"one.onnx", "two.onnx", "four.onnx"};
    CHECK(begin());
    fr_model *given[] = {folded(1, 98), folded(2, 97.5), folded(4, 90)};
    const fr_model *models[] = {given[0], given[1], given[2]};
    CHECK(given[0] && given[1] && given[2]);
    fr_plan_options o = options_for(models);
    o.n_models = 3;
    o.labels = labels;
    o.has_max_drop = true;
    o.max_drop = 1;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(has_fold(&plan, 1) && has_fold(&plan, 2) && has_fold(&plan, 4) && !has_fold(&plan, 3));
    CHECK(!find(&plan, 2, FR_ROUND_UP, 32) && !plan.drop_unjudged);
    for (size_t i = 0; i < plan.n_rows; i++) {
        const fr_plan_row *row = &plan.rows[i];
        CHECK_TEXT(row->label, labels[row->model]);
        CHECK(row->trained && row->accuracy > 89);
        if (row->fold == 4)
            CHECK_TEXT(row->broken, "accuracy");
    }
    CHECK(plan.choice >= 0 && plan.rows[plan.choice].fold < 4);
    CHECK(!strstr(plan.notes, "trained"));
    fr_plan_result_free(&plan);
    o.n_folds = 1; /* of them, those that are asked for */
    o.folds[0] = 2;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(!has_fold(&plan, 1) && has_fold(&plan, 2));
    fr_plan_result_free(&plan);
    o.folds[0] = 7;
    CHECK_INT(fr_plan_make(context, &o, &plan), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "none of the 3 models has one of the folds");
    for (int i = 0; i < 3; i++)
        fr_model_free(given[i]);
}

TEST(accuracies_that_the_plain_file_tells_go_with_the_papers_widths) {
    fr_plan_result plan;
    CHECK(begin());
    fr_model *given = folded(1, 98);
    const fr_model *models[] = {given};
    CHECK(given != NULL);
    given->graph->meta.n_accuracy = 2;
    given->graph->meta.accuracy[1].fold = 2;
    given->graph->meta.accuracy[1].accuracy = 97.25;
    fr_plan_options o = options_for(models);
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(find(&plan, 1, FR_ROUND_FLOOR, 0)->accuracy == 98 && find(&plan, 1, FR_ROUND_FLOOR, 0)->trained);
    CHECK(find(&plan, 2, FR_ROUND_FLOOR, 0)->accuracy == 97.25 && !find(&plan, 2, FR_ROUND_FLOOR, 0)->trained);
    CHECK(find(&plan, 2, FR_ROUND_UP, 32)->accuracy < 0 && find(&plan, 3, FR_ROUND_FLOOR, 0)->accuracy < 0);
    fr_plan_result_free(&plan);
    fr_model_free(given);
}

TEST(a_folded_model_alone_is_taken_as_it_is) {
    fr_plan_result plan;
    CHECK(begin());
    fr_model *four = folded(4, 0);
    const fr_model *models[] = {four};
    fr_plan_options o = options_for(models);
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(has_fold(&plan, 4) && !has_fold(&plan, 1) && plan.choice >= 0);
    fr_plan_result_free(&plan);
    fr_model_free(four);
}

TEST(models_of_two_tasks_are_refused) {
    fr_plan_result plan;
    fr_model *other;
    CHECK(begin());
    CHECK_OK(fr_model_load(context, "v1", &other));
    const fr_model *models[] = {model, other};
    fr_plan_options o = options_for(models);
    o.n_models = 2;
    CHECK_INT(fr_plan_make(context, &o, &plan), FR_INVALID);
    CHECK_HAS(fr_error_sentence(),
              "'n4' (images of 3x50x50, 2 classes) and 'v1' (3x22x52, 11) do not do the same task");
    fr_model_free(other);
}

/* ---- limits ---------------------------------------------------------------------------------------------------- */

TEST(limits_are_kept) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    o.max_latency_ms = 20;
    o.max_memory = 20 << 20;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(plan.choice >= 0);
    const fr_plan_row *row = &plan.rows[plan.choice];
    CHECK(row->predicted_ms <= 20 && row->predicted_bytes <= 20 << 20 && !row->broken);
    for (size_t i = 0; i < plan.n_rows; i++)
        CHECK(plan.rows[i].broken || (plan.rows[i].predicted_ms <= 20 && plan.rows[i].predicted_bytes <= 20 << 20));
    fr_plan_result_free(&plan);
    o.max_latency_ms = 1e-6;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK_INT(plan.choice, -1);
    CHECK_HAS(plan.notes, "every option breaks a limit; the quickest batch takes");
    CHECK_HAS(plan.notes, "the limit is 1e-06 ms");
    CHECK_HAS(plan.notes, "times the limit on latency\n");
    fr_plan_result_free(&plan);
}

TEST(without_accuracies_a_drop_cannot_be_judged) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    o.has_max_drop = true;
    o.max_drop = 0.5;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(plan.drop_unjudged);
    CHECK_HAS(plan.notes, "could not be judged");
    CHECK_HAS(plan.notes, "until these shapes are trained");
    fr_plan_result_free(&plan);
}

TEST(batches_precisions_and_schedules_as_asked_for) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    o.n_batches = 2;
    o.batches[0] = 64;
    o.batches[1] = 1000;
    o.precisions = 1u << FR_PRECISION_BF16;
    o.schedules = 1u << FR_SCHEDULE_LAYERS;
    CHECK_OK(fr_plan_make(context, &o, &plan));
    for (size_t i = 0; i < plan.n_rows; i++) {
        const fr_plan_row *row = &plan.rows[i];
        CHECK(row->batch == 64 || row->batch == 1000);
        CHECK(row->precision == FR_PRECISION_BF16 && row->schedule == FR_SCHEDULE_LAYERS);
    }
    fr_plan_result_free(&plan);
    o.precisions = 1u << FR_PRECISION_INT8;
    CHECK_INT(fr_plan_make(context, &o, &plan), FR_UNSUPPORTED);
    CHECK_TEXT(fr_error_sentence(), "Made-up device does not compute in int8; it has f32, bf16");
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

TEST(the_same_question_has_the_same_answer) {
    fr_plan_result a, b;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    CHECK_OK(fr_plan_make(context, &o, &a));
    CHECK_OK(fr_plan_make(context, &o, &b));
    CHECK(a.choice == b.choice && a.n_rows == b.n_rows);
    for (size_t i = 0; i < a.n_rows; i++)
        CHECK(memcmp(&a.rows[i], &b.rows[i], sizeof a.rows[i]) == 0);
    CHECK_TEXT(a.notes, b.notes);
    fr_plan_result_free(&a);
    fr_plan_result_free(&b);
}

TEST(a_quick_profile_is_said_to_be_one) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    CHECK_OK(made_write(&made_usual, 0, profile));
    CHECK_OK(fr_plan_make(context, &o, &plan));
    CHECK(plan.quick_profile);
    CHECK_HAS(plan.notes, "the profile is a quick one: 'foldrun profile --device made:0' takes minutes");
    fr_plan_result_free(&plan);
    CHECK_OK(made_write(&made_usual, 1, profile));
}

TEST(an_explanation_without_the_device) {
    fr_plan_result plan;
    fr_explanation why;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    CHECK_OK(fr_plan_make(context, &o, &plan));
    const fr_plan_row *row = find(&plan, 2, FR_ROUND_FLOOR, 0);
    CHECK(row != NULL);
    CHECK_OK(fr_plan_explain(context, &o, row, &why));
    CHECK(why.n_plain == why.n_chosen && why.n_chosen == (size_t)row->n_steps && why.n_kernels == 0);
    double plain_ops = 0, ops = 0;
    for (size_t i = 0; i < why.n_chosen; i++) {
        const fr_explained_step *s = &why.chosen[i];
        CHECK(s->name[0] && s->basis[0] && !s->kernel[0] && s->measured_ns == 0 && s->predicted_ns > 0);
        CHECK(s->fill > 0 && s->fill <= 1);
        plain_ops += why.plain[i].ops;
        ops += s->ops;
    }
    CHECK_NEAR(plain_ops, 196160128, 196160128 * 0.001);
    CHECK_NEAR(ops / plain_ops, 1, 0.1); /* folding leaves the operations for an image about as they are */
    fr_explanation_free(&why);
    row = find(&plan, 1, FR_ROUND_FLOOR, 0);
    CHECK_OK(fr_plan_explain(context, &o, row, &why));
    CHECK(why.n_plain == why.n_chosen);
    CHECK(memcmp(why.plain, why.chosen, why.n_plain * sizeof *why.plain) == 0);
    fr_explanation_free(&why);
    fr_plan_row wrong = *row;
    wrong.model = 3;
    CHECK_INT(fr_plan_explain(context, &o, &wrong, &why), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "not of a plan");
    fr_plan_result_free(&plan);
}

TEST(options_that_make_no_sense_are_refused) {
    fr_plan_result plan;
    CHECK(begin());
    const fr_model *nothing[] = {NULL};
    fr_plan_options usual = options_for(plain()), o = usual;
    struct {
        fr_plan_options o;
        const char *says;
    } wrong[12];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        wrong[i].o = usual;
    wrong[0].o.n_models = 0, wrong[0].says = "no model was given";
    wrong[1].o.models = nothing, wrong[1].says = "model 1 of 1 is missing";
    wrong[2].o.n_folds = 99, wrong[2].says = "at most 16 folds";
    wrong[3].o.n_folds = 1, wrong[3].says = "fold 0";
    wrong[4].o.n_batches = 1, wrong[4].says = "a batch of 0 images";
    wrong[5].o.n_rounds = 1, wrong[5].o.rounds[0].round = (fr_round)9, wrong[5].says = "a rounding of the widths";
    wrong[6].o.schedules = 1, wrong[6].says = "schedules are layers and chain";
    wrong[7].o.precisions = 1u << 20, wrong[7].says = "does not exist";
    wrong[8].o.max_latency_ms = -1, wrong[8].says = "numbers from 0";
    wrong[9].o.has_max_drop = true, wrong[9].o.max_drop = (double)NAN, wrong[9].says = "numbers from 0";
    wrong[10].o.measure = 1000, wrong[10].says = "at most 64 options";
    wrong[11].o.profile = "/nowhere/profile.json", wrong[11].says = "/nowhere/profile.json";
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fr_status status = fr_plan_make(context, &wrong[i].o, &plan);
        CHECK(status == FR_INVALID || (i == 11 && status == FR_IO));
        CHECK_HAS(fr_error_sentence(), wrong[i].says);
        CHECK(!plan.rows && plan.choice == -1);
    }
    o.n_folds = 1;
    o.folds[0] = 2000; /* legal, and no network can be folded so */
    CHECK(fr_plan_make(context, &o, &plan) != FR_OK);
    CHECK_HAS(fr_error_sentence(), "fold 2000");
}

TEST(every_failed_allocation_is_survived) {
    fr_plan_result plan;
    CHECK(begin());
    fr_plan_options o = options_for(plain());
    o.n_folds = 1;
    o.folds[0] = 2;
    o.n_batches = 1;
    o.batches[0] = 64;
    for (uint64_t nth = 1;; nth += nth < 400 ? 1 : 37) {
        uint64_t before = fr_alloc_read().live_blocks;
        fr_alloc_fail_at(nth);
        fr_status status = fr_plan_make(context, &o, &plan);
        fr_alloc_fail_at(0);
        bool done = status == FR_OK;
        CHECK(done || status == FR_NO_MEMORY);
        fr_plan_result_free(&plan);
        CHECK_INT(fr_alloc_read().live_blocks, before);
        if (done)
            break;
    }
}

CHECK_MAIN
