/*
 * The graph: values and nodes, and nothing of any device. Tensors are in ONNX's order (N, C, H, W).
 *
 * A value is an input, a constant, or what one node makes. Nodes are kept in execution order (fr_graph_sort).
 * The first dimension of every graph input is the batch: shapes hold for the batch last given to fr_graph_infer,
 * and for any other after another call. One owner: fr_graph_free frees all.
 */
#ifndef FR_GRAPH_GRAPH_H
#define FR_GRAPH_GRAPH_H

#include <stdbool.h>

#include "foldrun/types.h"

enum { FR_MAX_RANK = 8, FR_MAX_IMAGE_CHANNELS = 16, FR_MAX_MEASURED_FOLDS = 16 };

typedef struct fr_shape {
    int32_t rank;
    int64_t dim[FR_MAX_RANK];
} fr_shape;

typedef enum fr_op {
    FR_OP_NONE = 0,
    FR_OP_CONV,
    FR_OP_GEMM,
    FR_OP_MATMUL,
    FR_OP_BATCHNORM,
    FR_OP_RELU,
    FR_OP_CLIP,
    FR_OP_LEAKYRELU,
    FR_OP_SIGMOID,
    FR_OP_HARDSIGMOID,
    FR_OP_HARDSWISH,
    FR_OP_TANH,
    FR_OP_MAXPOOL,
    FR_OP_AVGPOOL,
    FR_OP_GLOBALAVGPOOL,
    FR_OP_GLOBALMAXPOOL,
    FR_OP_ADD,
    FR_OP_SUB,
    FR_OP_MUL,
    FR_OP_DIV,
    FR_OP_SUM,
    FR_OP_CONCAT,
    FR_OP_FLATTEN,
    FR_OP_RESHAPE,
    FR_OP_SQUEEZE,
    FR_OP_UNSQUEEZE,
    FR_OP_TRANSPOSE,
    FR_OP_PAD,
    FR_OP_LRN,
    FR_OP_DROPOUT,
    FR_OP_IDENTITY,
    FR_OP_CONSTANT,
    FR_OP_SOFTMAX,
    FR_OP_REDUCEMEAN,
    FR_OP_ARGMAX,
    FR_OP_SHAPE,
    FR_OP_GATHER,
    FR_OP_CAST, /* only where they fold to constants: exporters' shape arithmetic */
    FR_OP_COUNT
} fr_op;

typedef enum fr_auto_pad { FR_PAD_EXPLICIT = 0, FR_PAD_SAME_UPPER, FR_PAD_SAME_LOWER, FR_PAD_VALID } fr_auto_pad;

/* Attributes of any op, defaults set by fr_attrs_default(op). Which op uses which: ops.c's table. */
typedef struct fr_attrs {
    int32_t kernel[2], stride[2], dilation[2];
    int32_t pad[4]; /* top, left, bottom, right; after fr_graph_infer auto_pad is resolved into it */
    fr_auto_pad auto_pad;
    int32_t group;
    bool ceil_mode, count_include_pad;
    float alpha, beta; /* Gemm, LeakyRelu, HardSigmoid, LRN */
    float epsilon;     /* BatchNormalization */
    float bias;        /* LRN's k */
    float lo, hi;      /* Clip: constants among the inputs are moved here on import */
    int32_t size;      /* LRN */
    bool trans_a, trans_b;
    int32_t axis;
    bool keepdims, select_last;
    bool allow_zero; /* Reshape */
    int32_t n_axes;  /* Squeeze, Unsqueeze, ReduceMean, Transpose's perm; Shape: start, or start and end */
    int64_t axes[FR_MAX_RANK];
    int32_t n_pads; /* Pad: ONNX order, begins then ends; constants among the inputs are moved here */
    int64_t pads[2 * FR_MAX_RANK];
    float pad_value;
    fr_dtype to;   /* Cast */
    int32_t opset; /* where an op's meaning changed (Softmax before 13 flattens at axis) */
} fr_attrs;

/* How a constant without data gets its numbers when they are first needed. */
typedef enum fr_init { FR_INIT_NONE = 0, FR_INIT_CONV, FR_INIT_FC, FR_INIT_ZERO, FR_INIT_ONE } fr_init;

typedef struct fr_value {
    char *name; /* unique in the graph; changed by fr_graph_rename only */
    fr_shape shape;
    fr_dtype dtype; /* constants: FR_F32 (weights, whatever the file held) or FR_S64 */
    bool is_const;
    fr_init init;     /* constants: seeded numbers not yet made; data is NULL until fr_graph_materialize */
    void *data;       /* constants; owned. Others: integers known for this batch (shape arithmetic), else NULL */
    int32_t producer; /* node, or -1 */
} fr_value;

typedef struct fr_node {
    char *name;
    fr_op op;
    int32_t n_inputs, n_outputs;
    int32_t *inputs; /* value ids; -1 = an optional input left out */
    int32_t *outputs;
    fr_attrs attrs;
} fr_node;

/* What folding and the user's side need to know; travels in ONNX metadata as foldrun.*. */
typedef struct fr_meta {
    int32_t fold;           /* images in one input; 1 = a plain CNN */
    int32_t classes;        /* of one image; 0 = not a classifier */
    int32_t image_channels; /* of one image; input channels / fold */
    bool
        hidden_input; /* a layer from the middle of a network: input channels are a hidden width, fold like one, and each
                                  image is 1/fold of them; there may be more than FR_MAX_IMAGE_CHANNELS: no mean, no scale */
    float mean[FR_MAX_IMAGE_CHANNELS],
        scale[FR_MAX_IMAGE_CHANNELS]; /* (pixel - mean) * scale; 0 and 1/255 unless told */
    int32_t n_accuracy;               /* measured accuracies, by fold */
    struct {
        int32_t fold;
        double accuracy;
    } accuracy[FR_MAX_MEASURED_FOLDS];
    bool seeded; /* weights are seeded, not trained */
    uint64_t seed;
    char origin[128]; /* where it came from */
} fr_meta;

typedef struct fr_graph {
    char *name;  /* short: "v1" */
    char *title; /* "lol-gold1"; never NULL */
    fr_value *values;
    int32_t n_values, cap_values;
    fr_node *nodes;
    int32_t n_nodes, cap_nodes;
    int32_t *inputs, *outputs; /* value ids */
    int32_t n_inputs, n_outputs;
    int64_t batch; /* of the last fr_graph_infer; 0 = shapes not known */
    int64_t
        recorded_batch; /* first dimension of the first input when it was added: constant Reshape targets speak of it */
    fr_meta meta;
    int32_t *names; /* index of value names, fr_graph_find's own */
    int32_t cap_names;
} fr_graph;

fr_status fr_graph_new(const char *name, const char *title, fr_graph **out_graph) FR_MUST_CHECK;
void fr_graph_free(fr_graph *graph);
fr_status fr_graph_clone(const fr_graph *graph, fr_graph **out_graph) FR_MUST_CHECK;

/* Building. Names are copied; a NULL name is made up, unique. Ids stay valid while the graph lives. */
fr_status fr_graph_add_value(fr_graph *graph, const char *name, int32_t *out_value) FR_MUST_CHECK;
fr_status fr_graph_add_input(fr_graph *graph, const char *name, fr_dtype dtype, const fr_shape *shape,
                             int32_t *out_value) FR_MUST_CHECK;
/* data NULL and init set = seeded later; else the data is copied. */
fr_status fr_graph_add_const(fr_graph *graph, const char *name, fr_dtype dtype, const fr_shape *shape, const void *data,
                             fr_init init, int32_t *out_value) FR_MUST_CHECK;
fr_status fr_graph_add_node(fr_graph *graph, fr_op op, const char *name, const fr_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs, const int32_t *outputs, int32_t n_outputs,
                            int32_t *out_node) FR_MUST_CHECK;
fr_status fr_graph_add_output(fr_graph *graph, int32_t value) FR_MUST_CHECK;
int32_t fr_graph_find(const fr_graph *graph, const char *name); /* value id, or -1 */
fr_status fr_graph_rename(fr_graph *graph, int32_t value,
                          const char *name) FR_MUST_CHECK; /* FR_INVALID when it is taken */

/* Execution order; FR_INVALID names a node on a cycle, or an input that nothing makes. */
fr_status fr_graph_sort(fr_graph *graph) FR_MUST_CHECK;
/* Shapes of all values for this batch. FR_INVALID names the node and the shapes that do not fit. */
fr_status fr_graph_infer(fr_graph *graph, int64_t batch) FR_MUST_CHECK;
/* Seeded constants get their numbers (the same for the same seed, name and shape); weights that are NaN or infinite
 * are FR_INVALID, named. Idempotent. */
fr_status fr_graph_materialize(fr_graph *graph) FR_MUST_CHECK;

size_t fr_shape_elements(const fr_shape *shape); /* SIZE_MAX on overflow or a negative dimension */
bool fr_shape_equal(const fr_shape *a, const fr_shape *b);
void fr_shape_text(const fr_shape *shape, char *out, size_t bytes); /* "1x3x22x52" */
bool fr_graph_is_used(const fr_graph *graph, int32_t value);        /* by a node, or an output */

#endif
