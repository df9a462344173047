/* A convolution by cuDNN, compiled: the plan, its weights, and the pool behind it. */
#ifndef CUDA_DNN_OP_H
#define CUDA_DNN_OP_H

#include "dnn.h"
#include "program.h"

enum { /* cud_way.option */
       DNN_LAYOUT,
       DNN_FLAGS /* of: */
};
enum {
    DNN_BEST = 1,     /* all configurations are timed, else the first that runs is taken */
    DNN_WINOGRAD = 2, /* Winograd's algorithms alone */
    DNN_F32_BIAS = 4  /* maps of 16 bits: the bias in f32, which the engines compiled at run time alone take */
};

#ifdef CUDA_WITH_CUDNN

enum { DNN_PACKS = 4 };

typedef struct dnn_pack { /* cuDNN's list of a launch's pointers */
    cudnnBackendDescriptor_t pack;
    void *pointers[DNN_REAL_IDS], *workspace;
} dnn_pack;

typedef struct dnn_op {
    cud_op base;
    fr_device *device;
    dnn_shape shape;
    fr_step step; /* the shape's */
    dnn_graph graph;
    dnn_plan plan;
    CUdeviceptr weights; /* then the bias */
    uint64_t bias_at;
    uint64_t map_bytes; /* of the unpooled map, at the beginning of the scratch; the workspace follows */
    bool has_pool;
    cud_dispatch pool;
    pthread_mutex_t lock; /* of the packs, and of launches: plans are entered by one thread at a time */
    dnn_pack packs[DNN_PACKS];
    int32_t next_pack;
} dnn_op;

/* ---- dnn.c ------------------------------------------------------------------------------------------------------------ */

/* The device's handle, of its own stream, until it is given back. FR_UNSUPPORTED when cuDNN does not start here. */
fr_status dnn_take(fr_device *device, dnn_lib *out_lib) FR_MUST_CHECK;
void dnn_give_back(fr_device *device);

/* ---- dnn_op.c --------------------------------------------------------------------------------------------------------- */

/* The graph alone, with a handle's stream. A pack of these pointers is kept for the next launch. */
fr_status dnn_op_run(dnn_op *op, const dnn_lib *lib, const cud_place *place) FR_MUST_CHECK;
fr_status dnn_op_enqueue(cud_op *op, fr_queue *queue, const cud_place *place) FR_MUST_CHECK;
void dnn_op_forget_packs(dnn_op *op); /* they are of another plan */
void dnn_op_free(fr_device *device, cud_op *op);

/* ---- dnn_search.c ------------------------------------------------------------------------------------------------------ */

/* Gives the op a plan: the one that is remembered for such a step, else one found by trying them on the device. */
fr_status dnn_search(dnn_op *op, const dnn_lib *lib, const cud_way *way) FR_MUST_CHECK;

/* ---- dnn_ways.c -------------------------------------------------------------------------------------------------------- */

/* What a plan may use of a launch's scratch, besides the unpooled map. Known before any plan is. */
uint64_t dnn_workspace_limit(const fr_step *step, const fr_tensor *map);
fr_tensor dnn_map_of(const fr_step *step); /* the conv's own output */

/* ---- dnn_make.c -------------------------------------------------------------------------------------------------------- */

fr_status dnn_make(fr_device *device, const fr_step *step, const cud_way *way, const fr_weights *weights,
                   cud_op **out_op) FR_MUST_CHECK;

#endif
#endif
