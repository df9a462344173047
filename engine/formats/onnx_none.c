/* Stands in for the other onnx*.c where protobuf-c is not: both directions say what to install. */
#include "base/status.h"
#include "formats/onnx.h"

static fr_status without_onnx(void) {
    return fr_fail(FR_UNAVAILABLE,
                   "this foldrun was built without ONNX: apt-get install libprotobuf-c-dev protobuf-c-compiler "
                   "libonnx-dev and build again (.fold models work without)");
}

fr_status fr_onnx_load(const char *path, fr_graph **out_graph, char **out_report) {
    return fr_onnx_parse(path, 0, NULL, out_graph, out_report);
}

fr_status fr_onnx_parse(const void *data, size_t bytes, const char *folder, fr_graph **out_graph, char **out_report) {
    (void)data;
    (void)bytes;
    (void)folder;
    *out_graph = NULL;
    if (out_report)
        *out_report = NULL;
    return without_onnx();
}

fr_status fr_onnx_save(fr_graph *graph, const char *path) {
    (void)graph;
    (void)path;
    return without_onnx();
}

fr_status fr_onnx_write(fr_graph *graph, void **out_data, size_t *out_bytes) {
    (void)graph;
    *out_data = NULL;
    *out_bytes = 0;
    return without_onnx();
}
