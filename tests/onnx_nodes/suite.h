/* ONNX backend tests: a folder a test, with model.onnx and test_data_set_N/{input,output}_M.pb. */
#ifndef ONNX_NODES_SUITE_H
#define ONNX_NODES_SUITE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/status.h"
#include "graph/ops.h"

/* What came of one way of running a test. */
typedef enum outcome { OUTCOME_NONE = 0, OUTCOME_PASSED, OUTCOME_REFUSED, OUTCOME_FAILED } outcome;
typedef struct verdict {
    outcome as_is, simplified; /* evaluated as loaded, and after fr_graph_simplify */
    char why[512];             /* of the refusal or failure; the worst of them */
} verdict;

/* ---- tensor.c */
fr_status tensor_from_file(const char *path, fr_dense *out, bool *out_coarse) FR_MUST_CHECK; /* coarse: 16-bit floats */
bool tensor_matches(const fr_dense *got, const fr_dense *want, bool coarse, char *why, size_t bytes);

/* ---- variant.c: one model with one data set. Bound: every input but the first becomes an initializer. */
verdict variant_run(const char *model_path, const char *data_folder, bool bound);
/* Operators of a model; false when it has one that foldrun does not claim. The name is the operator's, or "(graphs)". */
bool model_is_claimed(const char *model_path, char *out_name, size_t bytes, int *out_inputs);

/* ---- tally.c: counts by operator, and floors they must not fall below */
typedef struct tally tally;
tally *tally_new(void);
void tally_free(tally *t);
void tally_test_seen(tally *t);
void tally_add(tally *t, const char *op, const char *test, const verdict *v);
void tally_print(const tally *t);
/* Failures, and counts below their floor, with what is wrong printed; 0 = all is well. */
int tally_check(const tally *t, const char *floors_path);

/* ---- suite.c */
int suite_run(const char *data_folder, const char *floors_path);

#endif
