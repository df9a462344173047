/* ONNX files, both ways. Built only where protobuf-c is (FOLDRUN_WITH_ONNX); else both calls are FR_UNAVAILABLE. */
#ifndef FR_FORMATS_ONNX_H
#define FR_FORMATS_ONNX_H

#include "graph/graph.h"

/*
 * Opsets 7 to 21. The graph holds the file's nodes one for one (fr_graph_simplify is the caller's). FR_INVALID for a
 * damaged file; FR_UNSUPPORTED with ONE table of all nodes at fault (name, op, why, what to do) in *out_report
 * (fr_free), the sentence then says how many and where the table is. out_report may be NULL. Weights of f32, f16,
 * bf16, f64 and integers become f32 or s64; external data is read from beside the file and never from outside its folder.
 */
fr_status fr_onnx_load(const char *path, fr_graph **out_graph, char **out_report) FR_MUST_CHECK;
fr_status fr_onnx_parse(const void *data, size_t bytes, const char *folder, fr_graph **out_graph,
                        char **out_report) FR_MUST_CHECK;

/* Standard ONNX (opset 13, IR 8) with a symbolic batch and foldrun.* metadata; weights as raw f32. Materialises. */
fr_status fr_onnx_save(fr_graph *graph, const char *path) FR_MUST_CHECK;
fr_status fr_onnx_write(fr_graph *graph, void **out_data, size_t *out_bytes) FR_MUST_CHECK; /* fr_free */

#endif
