/*
 * A stand-in for libcudnn.so.9: the part of its graph API that one convolution with its epilogue needs. Attributes are checked
 * for type and count, graphs for form; engines are loops over host memory. What is wrong in a call is said on stderr, as the
 * real library would refuse it. The environment may say:
 *
 *   PAPER_DNN_CREATE=CODE    cudnnCreate answers so
 *   PAPER_DNN_NONE=1         there is no engine for anything
 *   PAPER_DNN_EXECUTE=CODE   every execution answers so
 *   PAPER_DNN_STALE=1        plans kept as text are refused
 *   PAPER_DNN_VERSION=91900
 *
 * The engines, as the heuristics list them: one that fails when it is run (7), one that down-converts (5) and one that is not
 * deterministic (6), whose results are garbage, one that wants 100 MB (4), tensor cores (1), Winograd (3), plain (2), and as a
 * fallback a plain one (0). Maps of 16 bits with a bias of 32 have one engine (8).
 */
#ifndef FAKE_CUDNN_H
#define FAKE_CUDNN_H

#include <cudnn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKE_MOST_ATTRIBUTES = 16, FAKE_MOST_STAGES = 6, FAKE_MOST_IDS = 12, FAKE_MOST_ENGINES = 9 };

typedef struct fake_tensor {
    int64_t id, dims[4], strides[4], alignment;
    int32_t type; /* cudnnDataType_t */
    bool is_virtual;
} fake_tensor;

typedef struct fake_stage { /* y = x op operand, or y = mode(x) */
    int32_t mode;           /* cudnnPointwiseMode_t */
    bool has_operand;
    fake_tensor operand;
    float low, high, slope;
} fake_stage;

typedef struct fake_program { /* a graph; kept as text as it is */
    fake_tensor x, w, y;
    int64_t dilation[2], stride[2], before[2], after[2];
    int32_t compute; /* cudnnDataType_t of the sums */
    int32_t n_stages, engine;
    fake_stage stages[FAKE_MOST_STAGES];
} fake_program;

typedef struct fake_attribute {
    cudnnBackendAttributeName_t name;
    int64_t count;
    void *data;
} fake_attribute;

typedef struct fake_descriptor {
    uint32_t magic;
    cudnnBackendDescriptorType_t type;
    bool is_final;
    fake_attribute attributes[FAKE_MOST_ATTRIBUTES];
    int32_t n_attributes;
    fake_program program; /* graphs, and what is made of them */
} fake_descriptor;

struct cudnnContext {
    uint32_t magic;
    cudaStream_t stream;
    int busy; /* two threads at once in one handle are a mistake */
};

/* ---- fake_cudnn.c ----------------------------------------------------------------------------------------------------- */

/* Misuse: said, counted, and remembered for cudnnGetLastErrorString. */
cudnnStatus_t fake_wrong(cudnnStatus_t code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A refusal that the real library might give too: only remembered. */
cudnnStatus_t fake_refuse(cudnnStatus_t code, const char *words);
long fake_setting(const char *name, long otherwise);
size_t fake_type_bytes(cudnnBackendAttributeType_t type);
int64_t fake_item_bytes(int32_t type);                                                       /* of cudnnDataType_t */
const fake_attribute *fake_find(const fake_descriptor *d, cudnnBackendAttributeName_t name); /* NULL: not set */

/* ---- fake_cudnn_graph.c ------------------------------------------------------------------------------------------------ */

cudnnStatus_t fake_graph_finalize(fake_descriptor *graph);
cudnnStatus_t fake_tensor_finalize(const fake_descriptor *tensor);
cudnnStatus_t fake_convolution_finalize(const fake_descriptor *convolution);
/* Engines of a mode, in order; the count. */
int32_t fake_engines(const fake_program *program, cudnnBackendHeurMode_t mode, int32_t out[FAKE_MOST_ENGINES]);
int32_t fake_numerical_notes(int32_t engine, cudnnBackendNumericalNote_t out[4]);
int32_t fake_behaviour_notes(int32_t engine, cudnnBackendBehaviorNote_t out[4]);
int64_t fake_workspace(int32_t engine);

/* ---- fake_cudnn_run.c --------------------------------------------------------------------------------------------------- */

/* Puts the program into the stream. ids and pointers as in the variant pack. */
cudnnStatus_t fake_run(cudaStream_t stream, const fake_program *program, const int64_t *ids, void *const *pointers,
                       int64_t count, void *workspace);

#endif
