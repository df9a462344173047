/* What the .fold reader accepts has shapes and costs, and folds or says why not. */
#include "fold/fold.h"
#include "formats/fold_text.h"
#include "fuzz.h"

static void fold_and_cost(const fr_graph *graph, int32_t fold) {
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    fr_graph *folded;
    fr_cost cost;
    options.fold = fold;
    fr_status status = fr_fold_graph(graph, &options, &folded);
    if (status != FR_OK) {
        fuzz_check_refusal(status, folded);
        return;
    }
    FUZZ_REQUIRE(folded->meta.fold == fold);
    if (fr_cost_of(folded, 16, 4, 0, &cost) == FR_OK)
        FUZZ_REQUIRE(cost.ops_per_input >= 0 && cost.params >= 0);
    fr_cost_free(&cost);
    fr_graph_free(folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint64_t live = fr_alloc_read().live_blocks;
    fr_graph *graph;
    fr_status status = fr_fold_text_parse((const char *)data, bytes, "fuzz.fold", &graph);
    if (status != FR_OK) {
        fuzz_check_refusal(status, graph);
    } else {
        FUZZ_REQUIRE(graph->n_inputs == 1 && graph->n_outputs >= 1);
        if (fr_graph_infer(graph, 2) == FR_OK)
            fold_and_cost(graph, 4);
    }
    fr_graph_free(graph);
    FUZZ_REQUIRE(fr_alloc_read().live_blocks == live);
    return 0;
}
