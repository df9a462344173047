/* A convolution with its epilogue as one operation graph of cuDNN. */
#include "dnn.h"

#ifdef CUDA_WITH_CUDNN

#include <stdio.h>
#include <string.h>

fr_status dnn_check(const dnn_lib *lib, cudnnStatus_t code, const char *call, const char *what) {
    char words[256] = "";
    if (code == CUDNN_STATUS_SUCCESS)
        return FR_OK;
    lib->api->cudnnGetLastErrorString(words, sizeof words);
    HOST_TRY(cud_check_there(lib->device, call, what));
    size_t length = strcspn(words, "\n");
    words[length] = '\0';
    fr_status status = FR_UNSUPPORTED;
    if (code == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
        code == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
        status = FR_NO_MEMORY;
    else if (CUDNN_STATUS_CATEGORY((int)code) == CUDNN_STATUS_EXECUTION_FAILED)
        status = FR_INTERNAL;
    return host_fail(lib->host, status, "cuda: %s for %s failed: %s (%d)%s%s", call, what,
                     lib->api->cudnnGetErrorString(code), (int)code, words[0] ? ": " : "", words);
}

/* ---- descriptors: the first failure is kept, and what follows does nothing ----------------------------------------------- */

typedef struct builder {
    const dnn_lib *lib;
    dnn_graph *graph;
    cudnnStatus_t code;
    const char *call, *what;
    int64_t next_id; /* of a virtual tensor */
} builder;

static void note(builder *b, cudnnStatus_t code, const char *call, const char *what) {
    if (b->code == CUDNN_STATUS_SUCCESS && code != CUDNN_STATUS_SUCCESS) {
        b->code = code;
        b->call = call;
        b->what = what;
    }
}

static cudnnBackendDescriptor_t make(builder *b, cudnnBackendDescriptorType_t type, const char *what) {
    cudnnBackendDescriptor_t made = NULL;
    if (b->graph->count >= DNN_MAX_DESCRIPTORS)
        note(b, CUDNN_STATUS_INTERNAL_ERROR, "a graph of too many parts", what);
    if (b->code == CUDNN_STATUS_SUCCESS)
        note(b, b->lib->api->cudnnBackendCreateDescriptor(type, &made), "cudnnBackendCreateDescriptor", what);
    if (made)
        b->graph->all[b->graph->count++] = made;
    return made;
}

static void set(builder *b, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *value, const char *what) {
    if (b->code == CUDNN_STATUS_SUCCESS)
        note(b, b->lib->api->cudnnBackendSetAttribute(to, name, type, count, value), "cudnnBackendSetAttribute", what);
}

static void set_part(builder *b, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                     cudnnBackendDescriptor_t part, const char *what) {
    set(b, to, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part, what);
}

static void set_type(builder *b, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name, cudnnDataType_t type,
                     const char *what) {
    set(b, to, name, CUDNN_TYPE_DATA_TYPE, 1, &type, what);
}

static void finish(builder *b, cudnnBackendDescriptor_t made, const char *what) {
    if (b->code == CUDNN_STATUS_SUCCESS)
        note(b, b->lib->api->cudnnBackendFinalize(made), "cudnnBackendFinalize", what);
}

/* ---- tensors ------------------------------------------------------------------------------------------------------------ */

static cudnnDataType_t type_of(uint16_t dtype) {
    switch (dtype) {
    case FR_F16: return CUDNN_DATA_HALF;
    case FR_BF16: return CUDNN_DATA_BFLOAT16;
    default: return CUDNN_DATA_FLOAT;
    }
}

/* Dims are always n, c, h, w (of a filter: out, in, height, width); strides say how they lie. */
typedef struct tensor {
    int64_t id, dims[4], alignment;
    cudnnDataType_t type;
    bool is_virtual;
} tensor;

static void strides_of(const int64_t dims[4], bool is_dense, int64_t out[4]) {
    out[0] = dims[1] * dims[2] * dims[3];
    out[1] = is_dense ? 1 : dims[2] * dims[3];
    out[2] = is_dense ? dims[1] * dims[3] : dims[3];
    out[3] = is_dense ? dims[1] : 1;
}

static cudnnBackendDescriptor_t add_tensor(builder *b, const dnn_shape *shape, const tensor *t, const char *what) {
    int64_t strides[4];
    strides_of(t->dims, shape->map.layout == FR_LAYOUT_NHWC, strides);
    cudnnBackendDescriptor_t made = make(b, CUDNN_BACKEND_TENSOR_DESCRIPTOR, what);
    set(b, made, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &t->id, what);
    set_type(b, made, CUDNN_ATTR_TENSOR_DATA_TYPE, t->type, what);
    set(b, made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &t->alignment, what);
    set(b, made, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, t->dims, what);
    set(b, made, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides, what);
    if (t->is_virtual)
        set(b, made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &t->is_virtual, what);
    else
        b->graph->ids[b->graph->n_ids++] = t->id;
    finish(b, made, what);
    return made;
}

static cudnnBackendDescriptor_t add_map(builder *b, const dnn_shape *shape, const fr_tensor *from, int64_t id,
                                        const char *what) {
    const tensor t = {.id = id,
                      .dims = {shape->step->n, from->c, from->h, from->w},
                      .alignment = cud_alignment_of(fr_tensor_bytes(from, 1)),
                      .type = type_of(from->dtype)};
    return add_tensor(b, shape, &t, what);
}

static cudnnBackendDescriptor_t add_filter(builder *b, const dnn_shape *shape) {
    const fr_step *step = shape->step;
    const tensor t = {.id = DNN_W,
                      .dims = {shape->map.c, step->src[0].c / step->groups, step->win.kh, step->win.kw},
                      .alignment = 16,
                      .type = type_of(step->src[0].dtype)};
    return add_tensor(b, shape, &t, "the weights");
}

static cudnnBackendDescriptor_t add_channels(builder *b, const dnn_shape *shape, int64_t id, uint16_t dtype,
                                             const char *what) {
    const tensor t = {.id = id, .dims = {1, shape->map.c, 1, 1}, .alignment = 16, .type = type_of(dtype)};
    return add_tensor(b, shape, &t, what);
}

/* What lies between two operations: f32, never in memory. */
static cudnnBackendDescriptor_t add_between(builder *b, const dnn_shape *shape) {
    const fr_tensor *map = &shape->map;
    const tensor t = {.id = b->next_id++,
                      .dims = {shape->step->n, map->c, map->h, map->w},
                      .alignment = 16,
                      .type = CUDNN_DATA_FLOAT,
                      .is_virtual = true};
    return add_tensor(b, shape, &t, "what lies between two operations");
}

/* ---- operations ----------------------------------------------------------------------------------------------------------- */

static cudnnBackendDescriptor_t add_conv(builder *b, const dnn_shape *shape, cudnnBackendDescriptor_t y) {
    const char *what = "the convolution";
    const fr_step *step = shape->step;
    const fr_window *win = &step->win;
    const int64_t places = 2, strides[] = {win->sh, win->sw}, dilations[] = {win->dh, win->dw},
                  before[] = {win->pad_top, win->pad_left}, after[] = {win->pad_bottom, win->pad_right};
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const float alpha = 1, beta = 0;
    cudnnBackendDescriptor_t x = add_map(b, shape, &step->src[0], DNN_X, "the source"), w = add_filter(b, shape);
    cudnnBackendDescriptor_t conv = make(b, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, what);
    set_type(b, conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT, what);
    set(b, conv, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode, what);
    set(b, conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &places, what);
    set(b, conv, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations, what);
    set(b, conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides, what);
    set(b, conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, before, what);
    set(b, conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, after, what);
    finish(b, conv, what);
    cudnnBackendDescriptor_t op = make(b, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, what);
    set_part(b, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, conv, what);
    set_part(b, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x, what);
    set_part(b, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w, what);
    set_part(b, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y, what);
    set(b, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &alpha, what);
    set(b, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &beta, what);
    finish(b, op, what);
    return op;
}

static cudnnPointwiseMode_t mode_of(uint8_t act) {
    switch (act) {
    case FR_ACT_SIGMOID: return CUDNN_POINTWISE_SIGMOID_FWD;
    case FR_ACT_TANH: return CUDNN_POINTWISE_TANH_FWD;
    default: return CUDNN_POINTWISE_RELU_FWD; /* with bounds and a slope */
    }
}

/* y = x op operand; without operand y = mode(x), with the activation's numbers. */
static cudnnBackendDescriptor_t add_pointwise(builder *b, const fr_step *step, cudnnPointwiseMode_t mode,
                                              cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t operand,
                                              cudnnBackendDescriptor_t y, const char *what) {
    const float low = step->act_a, high = step->act_b, slope = step->act_a;
    cudnnBackendDescriptor_t how = make(b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what);
    set(b, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode, what);
    set_type(b, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT, what);
    if (!operand && step->act == FR_ACT_CLIP) {
        set(b, how, CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, CUDNN_TYPE_FLOAT, 1, &low, what);
        set(b, how, CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, CUDNN_TYPE_FLOAT, 1, &high, what);
    }
    if (!operand && step->act == FR_ACT_LEAKY)
        set(b, how, CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, CUDNN_TYPE_FLOAT, 1, &slope, what);
    finish(b, how, what);
    cudnnBackendDescriptor_t op = make(b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what);
    set_part(b, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how, what);
    set_part(b, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x, what);
    if (operand)
        set_part(b, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, operand, what);
    set_part(b, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y, what);
    finish(b, op, what);
    return op;
}

/* ---- the graph -------------------------------------------------------------------------------------------------------------- */

enum { RESIDUAL, BIAS, ACT, MOST_STAGES };

/* The order that cuDNN's own patterns have. */
static int32_t stages_of(const dnn_shape *shape, int32_t out[MOST_STAGES]) {
    const fr_step *step = shape->step;
    int32_t count = 0;
    if (step->residual)
        out[count++] = RESIDUAL;
    if (shape->has_bias)
        out[count++] = BIAS;
    if (step->act)
        out[count++] = ACT;
    return count;
}

static cudnnBackendDescriptor_t add_stage(builder *b, const dnn_shape *shape, int32_t stage, cudnnBackendDescriptor_t x,
                                          cudnnBackendDescriptor_t y) {
    const fr_step *step = shape->step;
    switch (stage) {
    case RESIDUAL:
        return add_pointwise(b, step, CUDNN_POINTWISE_ADD, x,
                             add_map(b, shape, &step->src[1], DNN_RESIDUAL, "the residual"), y, "the residual");
    case BIAS:
        return add_pointwise(b, step, CUDNN_POINTWISE_ADD, x,
                             add_channels(b, shape, DNN_BIAS, shape->bias_dtype, "the bias"), y, "the bias");
    default: return add_pointwise(b, step, mode_of(step->act), x, NULL, y, "the activation");
    }
}

static void build(builder *b, const dnn_shape *shape) {
    int32_t stages[MOST_STAGES], count = stages_of(shape, stages);
    cudnnBackendDescriptor_t ops[MOST_STAGES + 1] = {0}, y = add_map(b, shape, &shape->map, DNN_Y, "the destination");
    cudnnBackendDescriptor_t at = count == 0 ? y : add_between(b, shape);
    ops[0] = add_conv(b, shape, at);
    for (int32_t i = 0; i < count; i++) {
        cudnnBackendDescriptor_t to = i + 1 == count ? y : add_between(b, shape);
        ops[i + 1] = add_stage(b, shape, stages[i], at, to);
        at = to;
    }
    const char *what = "the graph";
    b->graph->graph = make(b, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, what);
    if (b->lib->handle)
        set(b, b->graph->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &b->lib->handle, what);
    set(b, b->graph->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count + 1, ops, what);
    finish(b, b->graph->graph, what);
}

fr_status dnn_graph_new(const dnn_lib *lib, const dnn_shape *shape, dnn_graph *out_graph) {
    memset(out_graph, 0, sizeof *out_graph);
    builder b = {.lib = lib, .graph = out_graph, .next_id = DNN_REAL_IDS};
    build(&b, shape);
    fr_status status = dnn_check(lib, b.code, b.call ? b.call : "", b.what ? b.what : "");
    if (status != FR_OK)
        dnn_graph_free(lib, out_graph);
    return status;
}

void dnn_graph_free(const dnn_lib *lib, dnn_graph *graph) {
    while (graph->count > 0) /* what is made of others goes first */
        (void)lib->api->cudnnBackendDestroyDescriptor(graph->all[--graph->count]);
    memset(graph, 0, sizeof *graph);
}

#endif
