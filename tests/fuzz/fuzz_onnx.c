/* What the ONNX reader accepts can be simplified, written and read again; anything else is refused. */
#include "formats/onnx.h"
#include "fuzz.h"
#include "graph/passes.h"

/* Shapes that a few bytes can ask for must not make the test compute for minutes. */
enum { ELEMENTS_MAX = 1 << 20 };

static bool is_small(const fr_graph *graph) {
    for (int32_t i = 0; i < graph->n_values; i++)
        if (fr_shape_elements(&graph->values[i].shape) > ELEMENTS_MAX)
            return false;
    return true;
}

static void write_and_read(fr_graph *graph) {
    void *text;
    size_t bytes;
    fr_graph *again;
    fr_status status = fr_onnx_write(graph, &text, &bytes);
    if (status == FR_OK) {
        FUZZ_REQUIRE(fr_onnx_parse(text, bytes, NULL, &again, NULL) == FR_OK);
        FUZZ_REQUIRE(again->n_inputs == graph->n_inputs && again->n_outputs == graph->n_outputs);
        fr_graph_free(again);
    } else {
        fuzz_check_refusal(status, text);
    }
    fr_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint64_t live = fr_alloc_read().live_blocks;
    fr_graph *graph;
    char *report;
    fr_status status = fr_onnx_parse(data, bytes, NULL, &graph, &report);
    if (status != FR_OK) {
        fuzz_check_refusal(status, graph);
        FUZZ_REQUIRE(status == FR_UNSUPPORTED || !report);
    } else if (fr_graph_infer(graph, 1) == FR_OK && is_small(graph)) {
        if (fr_graph_simplify(graph) == FR_OK)
            write_and_read(graph);
    }
    fr_free(report);
    fr_graph_free(graph);
    FUZZ_REQUIRE(fr_alloc_read().live_blocks == live);
    return 0;
}
