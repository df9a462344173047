/*
 * cuDNN's graph API, as far as convolutions need it: a step becomes one operation graph (dnn_graph.c), its engines are listed
 * and filtered by what their sums are made of, and one becomes a plan (dnn_plan.c). Nothing here launches: whom to ask is a
 * dnn_lib, which in tests is the real library and a device that is not there.
 */
#ifndef CUDA_DNN_H
#define CUDA_DNN_H

#include "ways.h"

#ifdef CUDA_WITH_CUDNN

typedef struct dnn_lib { /* whom to ask */
    const fr_host *host;
    fr_device *device; /* NULL: it is not here */
    const cud_dnn_api *api;
    cudnnHandle_t handle;                /* of the device, or NULL and: */
    cudnnBackendDescriptor_t properties; /* of a device that is not here */
} dnn_lib;

/* FR_OK for SUCCESS. What cuDNN has no engine for, and what it finds wrong with a description, is FR_UNSUPPORTED with its own
 * words; then FR_NO_MEMORY, and FR_INTERNAL for what failed while it ran; FR_DEVICE_LOST where the driver says that it is. */
fr_status dnn_check(const dnn_lib *lib, cudnnStatus_t code, const char *call, const char *what) FR_MUST_CHECK;

/* ---- dnn_graph.c ---------------------------------------------------------------------------------------------------- */

enum { /* unique ids of tensors: where a launch finds their memory */
       DNN_X = 1,
       DNN_W,
       DNN_BIAS,
       DNN_RESIDUAL,
       DNN_Y,
       DNN_REAL_IDS, /* virtual ones follow */
};

enum { DNN_MAX_DESCRIPTORS = 32 };

typedef struct dnn_shape { /* what a graph is made of, besides the step */
    const fr_step *step;   /* CONV with layouts fixed: src[0], residual and dst alike, NHWC or NCHW */
    fr_tensor map;         /* the conv's own output: dst, but for a pool behind it */
    uint16_t bias_dtype;   /* F32, or as the maps */
    bool has_bias;         /* an operand of the graph; zeros for a step that has none */
} dnn_shape;

typedef struct dnn_graph {
    cudnnBackendDescriptor_t all[DNN_MAX_DESCRIPTORS]; /* in the order they were made */
    int32_t count;
    cudnnBackendDescriptor_t graph; /* one of them */
    int64_t ids[DNN_REAL_IDS];      /* of operands in memory */
    int32_t n_ids;
} dnn_graph;

/* Of a step with its layouts fixed; `flags` are a way's (dnn_op.h). The shape points to the step. */
dnn_shape dnn_shape_of(const fr_step *step, int32_t flags);
fr_status dnn_graph_new(const dnn_lib *lib, const dnn_shape *shape, dnn_graph *out_graph) FR_MUST_CHECK;
void dnn_graph_free(const dnn_lib *lib, dnn_graph *graph); /* takes one half made */

/* ---- dnn_plan.c ------------------------------------------------------------------------------------------------------ */

/* Engines that may be used. Never: down-converted inputs, sums in less than f32, FFT, what is not deterministic. */
typedef struct dnn_rules {
    bool tensor_cores;     /* of f32 maps that is TF32 */
    bool winograd_only;    /* else none of them */
    int64_t scratch_bytes; /* the most workspace that a plan may have */
} dnn_rules;

dnn_rules dnn_rules_of(const dnn_shape *shape, int32_t flags);

enum { DNN_MAX_CONFIGS = 24 };

typedef struct dnn_configs { /* engine configurations, the likeliest first */
    cudnnBackendDescriptor_t list[DNN_MAX_CONFIGS];
    int32_t count;
} dnn_configs;

typedef struct dnn_plan {
    cudnnBackendDescriptor_t config, plan; /* config NULL: from a text */
    int64_t workspace;
    char name[48]; /* "engine 41", for logs */
} dnn_plan;

/* Adds what a heuristics mode offers and the rules let through. A mode that has nothing adds nothing. */
fr_status dnn_configs_add(const dnn_lib *lib, const dnn_graph *graph, cudnnBackendHeurMode_t mode,
                          const dnn_rules *rules, dnn_configs *configs) FR_MUST_CHECK;
void dnn_configs_free(const dnn_lib *lib, dnn_configs *configs);
/* Takes the config out of the list, whatever comes of it. FR_UNSUPPORTED when it does not finalise or wants too much. */
fr_status dnn_plan_new(const dnn_lib *lib, dnn_configs *configs, int32_t index, const dnn_rules *rules,
                       dnn_plan *out_plan) FR_MUST_CHECK;
/* A plan as text (host->alloc), and one from it. A text of another version of cuDNN is FR_UNSUPPORTED. */
fr_status dnn_plan_save(const dnn_lib *lib, const dnn_plan *plan, char **out_text, int64_t *out_bytes) FR_MUST_CHECK;
fr_status dnn_plan_load(const dnn_lib *lib, const char *text, int64_t bytes, const dnn_rules *rules,
                        dnn_plan *out_plan) FR_MUST_CHECK;
void dnn_plan_free(const dnn_lib *lib, dnn_plan *plan); /* takes one half made */

#endif
#endif
