/* Device profiles: what the reader accepts is written and read back as the same, staircases can be read off it, and what it predicts for a
 * small network is a number. */
#include <math.h>
#include <string.h>

#include "formats/fold_text.h"
#include "fuzz.h"
#include "graph/passes.h"
#include "plan/predict.h"

static void check_stairs(fr_probe *probe) {
    fr_stairs_list list;
    size_t added, before = probe->n_points;
    FUZZ_REQUIRE(fr_stairs_read(probe, &list) == FR_OK);
    for (size_t i = 0; i < list.count; i++) {
        const fr_stair_fit *fit = &list.at[i].fit;
        FUZZ_REQUIRE(list.at[i].count >= 2 && fit->quantum >= 1);
        FUZZ_REQUIRE(fit->confidence >= 0 && fit->confidence <= 1 && fit->waste >= 0 && fit->waste <= 1);
        FUZZ_REQUIRE(isfinite(fit->base_ns) && isfinite(fit->ns_per_channel));
    }
    fr_stairs_free(&list);
    FUZZ_REQUIRE(fr_probe_refine(probe, 16, &added) == FR_OK);
    FUZZ_REQUIRE(added <= 16 && probe->n_points == before + added);
}

static fr_status lower(fr_graph **out_graph, fr_steps *out_steps) {
    static const char text[] = "model tiny \"tiny\"\ninput 3x12x13\n\nconv 12 3x3 pad 1 relu\nmaxpool 2x2 stride 2\n"
                               "conv 20 3x3 pad 1 relu\nflatten\nfc 6 relu\nfc 2\n";
    FR_TRY(fr_fold_text_parse(text, sizeof text - 1, "a small network", out_graph));
    FR_TRY(fr_graph_sort(*out_graph));
    FR_TRY(fr_graph_infer(*out_graph, 1));
    FR_TRY(fr_graph_simplify(*out_graph));
    FR_TRY(fr_graph_infer(*out_graph, 1));
    return fr_steps_lower_shapes(*out_graph, out_steps);
}

static void check_prediction(const fr_predictor *predictor, const fr_steps *steps, fr_precision precision,
                             fr_schedule schedule) {
    fr_predict_question question = {
        .steps = steps, .precision = precision, .schedule = schedule, .batch = 64, .wants_steps = true};
    fr_prediction is;
    fr_status status = fr_predict(predictor, &question, &is);
    FUZZ_REQUIRE(status == FR_OK || status == FR_UNSUPPORTED);
    if (status != FR_OK)
        return;
    FUZZ_REQUIRE(isfinite(is.images_per_s) && is.images_per_s > 0 && isfinite(is.run_ns) && is.run_ns > 0);
    for (int32_t i = 0; i < steps->n_items; i++)
        FUZZ_REQUIRE(isfinite(is.steps[i].ns) && is.steps[i].ns >= 0);
    fr_free(is.steps);
}

static void check_predictions(const fr_probe *probe) {
    fr_predictor *predictor;
    fr_graph *graph = NULL;
    fr_steps steps;
    memset(&steps, 0, sizeof steps);
    fr_status status = fr_predictor_new(probe, &predictor);
    FUZZ_REQUIRE(status == FR_OK || (status == FR_INVALID && !predictor));
    if (status != FR_OK)
        return;
    FUZZ_REQUIRE(lower(&graph, &steps) == FR_OK);
    for (int precision = 0; precision < FR_PRECISIONS; precision++)
        for (int schedule = FR_SCHEDULE_LAYERS; schedule <= FR_SCHEDULE_CHAIN; schedule++)
            check_prediction(predictor, &steps, (fr_precision)precision, (fr_schedule)schedule);
    fr_steps_free(&steps);
    fr_graph_free(graph);
    fr_predictor_free(predictor);
}

static char *rewrite(const char *text, size_t bytes, bool must_read) {
    fr_probe probe;
    char *out = NULL;
    fr_status status = fr_probe_read(text, bytes, &probe);
    FUZZ_REQUIRE(status == FR_OK || !must_read);
    if (status != FR_OK) {
        fuzz_check_refusal(status, probe.points);
        FUZZ_REQUIRE(!probe.runs);
        return NULL;
    }
    for (size_t i = 0; i < probe.n_points; i++)
        FUZZ_REQUIRE(fr_probe_ops(&probe.points[i]) >= 0 && fr_probe_bytes(&probe.points[i]) > 0);
    FUZZ_REQUIRE(fr_probe_write(&probe, &out) == FR_OK);
    check_predictions(&probe);
    check_stairs(&probe);
    fr_probe_free(&probe);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint64_t live = fr_alloc_read().live_blocks;
    char *first = rewrite((const char *)data, bytes, false);
    if (first) {
        char *second = rewrite(first, strlen(first), true);
        FUZZ_REQUIRE(strcmp(first, second) == 0);
        fr_free(second);
    }
    fr_free(first);
    FUZZ_REQUIRE(fr_alloc_read().live_blocks == live);
    return 0;
}
