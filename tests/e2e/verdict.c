/* The figures and the sentence of `bench`, from made-up times: the code is the command's own. */
#include "check.h"

#include "base/alloc.h"
#include "cli/bench.h"

static bench_row made(int32_t fold, double median, double p5, double p95) {
    bench_row row = {.model = "v1", .precision = FR_PRECISION_F32, .batch = 64};
    row.model_info.fold = fold;
    strcpy(row.session.device, "cpu:0");
    row.ops_per_image = fold == 1 ? 100 : 110;
    row.arithmetic_intensity = fold == 1 ? 30 : 60;
    row.with_copies = (bench_figures){.have = true, .images_per_s = {median, p5, p95}, .percent_of_peak = 40};
    return row;
}

static char *verdict(bench_row *rows, size_t count) {
    static char text[4096];
    bench_result result = {.rows = rows, .n_rows = count};
    fr_text out = {0};
    for (size_t i = 0; i < count; i++)
        bench_verdict(&result, i, &out);
    snprintf(text, sizeof text, "%s", out.data ? out.data : "");
    fr_text_free(&out);
    return text;
}

TEST(percentiles_and_rates) {
    bench_samples samples = {0};
    for (int i = 101; i >= 1; i--) /* 1 to 101 ms, backwards */
        CHECK(bench_add_sample(&samples, i * 1e6));
    bench_figures f = bench_figures_of(&samples, 64, 1000, 1e9);
    CHECK_INT(f.repeats, 101);
    CHECK_NEAR(f.latency_ms.p50, 51, 1e-9);
    CHECK_NEAR(f.latency_ms.p90, 91, 1e-9);
    CHECK_NEAR(f.latency_ms.p99, 100, 1e-9);
    CHECK_NEAR(f.images_per_s.median, 64 / 0.051, 1e-6);
    CHECK_NEAR(f.images_per_s.p5, 64 / 0.096, 1e-6);
    CHECK_NEAR(f.images_per_s.p95, 64 / 0.006, 1e-6);
    CHECK_NEAR(f.percent_of_peak, 100 * 1000 * 64 / 0.051 / 1e9, 1e-9);
    fr_free(samples.ns);
    samples = (bench_samples){0};
    CHECK(!bench_figures_of(&samples, 64, 1000, 0).have);
    CHECK(bench_add_sample(&samples, 2e6));
    f = bench_figures_of(&samples, 64, 1000, 0);
    CHECK_NEAR(f.images_per_s.p5, f.images_per_s.p95, 0);
    CHECK(f.percent_of_peak < 0);
    fr_free(samples.ns);
}

TEST(folding_that_pays) {
    bench_row rows[] = {made(1, 1000, 950, 1050), made(4, 2000, 1900, 2100), made(2, 1500, 1400, 1600)};
    const char *text = verdict(rows, 3);
    CHECK_HAS(text, "v1 on cpu:0: fold 4 in f32 at batch 64 wins, 2,000 images/s");
    CHECK_HAS(text, "fold 4: 2.00x fold 1");
    CHECK_HAS(text, "fold 2: 1.50x fold 1");
    CHECK_HAS(text, "from 30.0 to 60.0 FLOP a byte, at 1.10 times the operations");
    CHECK_HAS(text, "Here that pays");
    CHECK_HAS(text, "must be trained");
    CHECK(!strstr(text, "no difference"));
}

TEST(folding_that_does_not_pay) {
    bench_row rows[] = {made(1, 1000, 950, 1050), made(4, 800, 750, 850)};
    rows[0].with_copies.percent_of_peak = 80;
    const char *text = verdict(rows, 2);
    CHECK_HAS(text, "fold 1 in f32 at batch 64 wins");
    CHECK_HAS(text, "0.80x");
    CHECK_HAS(text, "Intensity went up, but time did not go down");
    CHECK_HAS(text, "bound by arithmetic");
}

TEST(spreads_that_overlap_are_no_difference) {
    bench_row rows[] = {made(1, 1000, 900, 1100), made(4, 1090, 1050, 1200)};
    const char *text = verdict(rows, 2);
    CHECK_HAS(text, "has the highest median");
    CHECK_HAS(text, "no difference to fold 1 (1,000 images/s)");
    CHECK_HAS(text, "the spreads overlap");
    CHECK(!strstr(text, "wins"));
    CHECK(!strstr(text, "pays"));
}

TEST(folds_are_compared_at_their_own_setting) {
    bench_row rows[] = {made(1, 1000, 990, 1010), made(4, 3000, 2990, 3010), made(1, 2000, 1990, 2010)};
    rows[1].batch = rows[2].batch = 1024;
    bench_result result = {.rows = rows, .n_rows = 3};
    bench_speedup s;
    CHECK(bench_speedup_of(&result, &rows[1], &s));
    CHECK_NEAR(s.factor, 1.5, 1e-12);
    CHECK(!bench_speedup_of(&result, &rows[0], &s));
}

TEST(each_model_has_its_verdict_once) {
    bench_row rows[] = {made(1, 1000, 990, 1010), made(1, 10, 9, 11), made(4, 3000, 2990, 3010)};
    strcpy(rows[1].model, "n1");
    const char *text = verdict(rows, 3), *first = strstr(text, "v1 on");
    CHECK(first && !strstr(first + 1, "v1 on"));
    CHECK_HAS(text, "n1 on cpu:0: fold 1 in f32 at batch 64 wins, 10.0 images/s");
}

CHECK_MAIN
