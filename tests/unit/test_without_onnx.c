/* Built without protobuf-c: both directions say what to install. */
#include "check.h"

#include "base/status.h"
#include "formats/onnx.h"

TEST(reading_says_what_to_install) {
    fr_graph *graph;
    char *report;
    CHECK_INT(fr_onnx_load("model.onnx", &graph, &report), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_sentence(), "apt-get install libprotobuf-c-dev");
    CHECK(!graph && !report);
    CHECK_INT(fr_onnx_parse("", 0, NULL, &graph, NULL), FR_UNAVAILABLE);
}

TEST(writing_says_what_to_install) {
    fr_graph *graph;
    void *data;
    size_t bytes;
    CHECK_OK(fr_graph_new("m", "m", &graph));
    CHECK_INT(fr_onnx_save(graph, "/nowhere/model.onnx"), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_sentence(), "apt-get install");
    CHECK_INT(fr_onnx_write(graph, &data, &bytes), FR_UNAVAILABLE);
    fr_graph_free(graph);
}

CHECK_MAIN
