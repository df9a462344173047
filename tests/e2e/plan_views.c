/* What `plan` and `explain` say of rows, from made-up ones: the code is the command's own. */
#include "check.h"

#include "cli/explain.h"
#include "cli/plan_file.h"
#include "cli/plan_report.h"

enum { ROWS = 5 };
static fr_plan_row rows[ROWS];
static fr_model_info info = {.fold = 1};

static fr_plan_row made(int32_t fold, fr_schedule schedule, double predicted, double measured) {
    fr_plan_row row = {.fold = fold, .schedule = schedule, .batch = 64, .accuracy = -1, .trained = fold == 1};
    snprintf(row.label, sizeof row.label, "v1");
    row.predicted = predicted;
    row.predicted_ms = 64e3 / predicted;
    row.predicted_bytes = 1000000;
    row.measured = measured;
    row.measured_low = measured * 0.99;
    row.measured_high = measured * 1.01;
    row.measured_ms = measured > 0 ? 64e3 / measured : 0;
    row.measured_bytes = 2000000;
    row.n_steps = 9;
    return row;
}

static cli_planned plan_of(int32_t choice) {
    rows[0] = made(1, FR_SCHEDULE_CHAIN, 31900, 33500);
    rows[1] = made(2, FR_SCHEDULE_CHAIN, 34000, 30150);
    rows[2] = made(1, FR_SCHEDULE_LAYERS, 30000, 20000);
    rows[3] = made(3, FR_SCHEDULE_CHAIN, 28710, 0);
    rows[3].round = FR_ROUND_UP;
    rows[3].quantum = 16;
    rows[3].guessed_steps = 2;
    rows[4] = made(4, FR_SCHEDULE_CHAIN, 50000, 0);
    rows[4].broken = "latency";
    cli_planned plan = {.model = "v1",
                        .variants = {.infos = &info, .count = 1},
                        .result = {.rows = rows, .n_rows = ROWS, .choice = choice}};
    plan.options.max_latency_ms = 1;
    snprintf(plan.result.device, sizeof plan.result.device, "cpu:0");
    return plan;
}

static const char *shown(fr_text *text) {
    static char copy[16384];
    snprintf(copy, sizeof copy, "%s", text->data ? text->data : "");
    fr_text_free(text);
    return copy;
}

TEST(figures_are_compared_with_their_like) {
    cli_planned plan = plan_of(0);
    CHECK_NEAR(cli_plan_distance(&plan.result, &rows[1]), 0.1, 1e-9); /* measured both */
    CHECK_NEAR(cli_plan_distance(&plan.result, &rows[3]), 0.1, 1e-9); /* predicted both */
    CHECK(cli_plan_distance(&plan.result, &rows[4]) < 0);
    CHECK(cli_plan_best_plain(&plan.result) == &rows[0]);
    rows[0].broken = "memory";
    CHECK(cli_plan_best_plain(&plan.result) == &rows[2]);
    snprintf(rows[2].why, sizeof rows[2].why, "it was lost");
    CHECK(cli_plan_best_plain(&plan.result) == NULL);
}

TEST(a_choice_is_one_sentence) {
    cli_planned plan = plan_of(0);
    fr_text text = {0};
    cli_plan_sentence(&plan, &rows[0], &text);
    CHECK_TEXT(shown(&text), "fold 1, f32, chain, batch 64: 33,500 images/s measured (predicted 31,900)");
    cli_plan_sentence(&plan, &rows[3], &text);
    CHECK_TEXT(shown(&text), "fold 3, widths up:16, f32, chain, batch 64: 28,710 images/s predicted, not measured");
    plan.variants.folder = true;
    cli_plan_name(&plan, &rows[1], &text);
    CHECK_TEXT(shown(&text), "v1: fold 2, f32, chain, batch 64");
}

TEST(the_nearest_miss_is_named) {
    cli_planned plan = plan_of(-1);
    fr_text text = {0};
    for (int i = 0; i < ROWS; i++)
        rows[i].broken = "latency";
    cli_plan_miss(&plan, &text);
    CHECK_TEXT(shown(&text),
               "no option keeps the limits: the nearest, fold 4, f32, chain, batch 64, takes 1.28 ms a batch "
               "(--max-latency 1)");
    plan.options.max_memory = 1900000;
    rows[0].broken = "memory";
    cli_plan_miss(&plan, &text);
    CHECK_HAS(shown(&text), "fold 1, f32, chain, batch 64, needs 2.00 MB (--max-memory 1.90 MB)");
    plan.options.max_drop = 1;
    rows[0].broken = NULL;
    plan.result.plain_accuracy = 93.95;
    rows[1].broken = "accuracy";
    rows[1].accuracy = 92.5;
    cli_plan_miss(&plan, &text);
    CHECK_HAS(shown(&text), "loses 1.45 points of accuracy (--max-drop 1)");
    plan.result.n_rows = 0;
    cli_plan_miss(&plan, &text);
    CHECK_TEXT(shown(&text), "no option is left to choose from");
}

TEST(the_page_shows_what_there_is_to_say) {
    cli_planned plan = plan_of(0);
    fr_text text = {0};
    char notes[] = "first\n\nsecond";
    plan.result.notes = notes;
    cli_plan_report(&plan, &text);
    const char *page = shown(&text);
    for (const char *const *words = (const char *const[]){"v1 on cpu:0", "WIDTHS", "~28,710", "33,165-33,835", "10.0%",
                                                          "LIMIT", "note: first\nnote: second\n", NULL};
         *words; words++)
        CHECK_HAS(page, *words);
    CHECK(strstr(page, "ACCURACY") == NULL && strstr(page, "NETWORK") == NULL && strstr(page, "export") == NULL);
    plan.result.choice = 3;
    cli_plan_report(&plan, &text);
    CHECK_HAS(shown(&text), "'foldrun export v1 --fold 3 --round up:16 -o v1-by-3.onnx' writes the shape");
    plan.variants.folder = true;
    plan.model = "tasks//";
    snprintf(rows[3].label, sizeof rows[3].label, "v1.onnx");
    cli_plan_report(&plan, &text);
    CHECK_HAS(shown(&text), "'foldrun export tasks/v1.onnx --fold 3 --round up:16 -o v1-by-3.onnx' writes the shape");
}

TEST(why_and_what_would_change_it) {
    explain_page page = {.plan = plan_of(0)};
    fr_text text = {0};
    page.row = &rows[0];
    explain_why(&page, &text);
    const char *why = shown(&text);
    CHECK_HAS(why, "it is the best of fold 1");
    CHECK_HAS(why, "10.0% behind: fold 2, f32, chain, batch 64: 30,150 images/s measured (predicted 34,000)\n");
    explain_changes(&page, &text);
    const char *changes = shown(&text);
    CHECK_HAS(changes, "a wider --max-latency: 1.57 times as fast would be fold 4, ");
    CHECK_HAS(changes, "fold 2 would have to be 13% faster than its best (row 2)\n");
    CHECK(strstr(changes, "fold 4 would") == NULL); /* it is held back by the limit alone */
    rows[1].measured = 33900;
    explain_changes(&page, &text);
    CHECK_HAS(shown(&text), "fold 2 is 1.2% faster, which counts as equal");
    rows[1].measured = 34800;
    rows[1].measured_low = 33600;
    explain_changes(&page, &text);
    CHECK(strstr(shown(&text), "fold 2 is") == NULL); /* more than a tie, however the runs spread */
    page.plan.result.choice = 1;
    page.row = &rows[1];
    explain_why(&page, &text);
    CHECK_HAS(shown(&text), "1.04 times the best of fold 1: fold 1, f32, chain");
    explain_changes(&page, &text);
    CHECK_HAS(shown(&text), "should the folded network, once trained, be too inaccurate: fold 1, f32, chain");
}

TEST(kernels_are_grouped_by_step_and_reason) {
    explain_page page = {.plan = plan_of(0), .row = rows};
    fr_explained_kernel kernels[] = {
        {"conv1", "direct", true, ""},       {"conv1", "gemm", false, ""},        {"conv1", "wino", false, "shape"},
        {"conv1", "brgemm", false, "shape"}, {"conv2", "direct", true, ""},       {"conv2", "gemm", false, ""},
        {"conv2", "wino", false, "shape"},   {"conv2", "brgemm", false, "shape"}, {"fc", "gemm", false, "type"}};
    fr_explained_step step = {.name = "conv1",
                              .ops = 2e6,
                              .bytes = 1e5,
                              .intensity = 20,
                              .fill = 0.5,
                              .predicted_ns = 100,
                              .basis = "measured"};
    page.explanation = (fr_explanation){.plain = &step,
                                        .chosen = &step,
                                        .n_plain = 1,
                                        .n_chosen = 1,
                                        .kernels = kernels,
                                        .n_kernels = sizeof kernels / sizeof kernels[0]};
    fr_text text = {0};
    explain_text(&page, &text);
    const char *shows = shown(&text);
    CHECK_HAS(shows, "  conv1, conv2: direct\n    offered too: gemm\n    refused (shape): wino, brgemm\n");
    CHECK_HAS(shows, "  fc: runs within another program\n    refused (type): gemm\n");
    CHECK_HAS(shows, "in all   2,000,000  100,000    20.0   50%");
    fr_json_writer w = {0};
    explain_json(&page, &w);
    CHECK_HAS(shown(&w.text),
              "{\"step\":\"conv2\",\"chosen\":\"direct\",\"offered\":[\"gemm\"],\"refused\":[{\"why\":\"shape\","
              "\"kernels\":[\"wino\",\"brgemm\"]}]}");
}

CHECK_MAIN
