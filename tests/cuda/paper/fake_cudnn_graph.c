/* Is a graph one that cuDNN would take, and which engines does it have for it? */
#include "fake_cudnn.h"

#include <string.h>

/* ---- attributes as values -------------------------------------------------------------------------------------------------- */

static bool get(const fake_descriptor *d, cudnnBackendAttributeName_t name, void *out, size_t bytes) {
    const fake_attribute *a = fake_find(d, name);
    if (a)
        memcpy(out, a->data, bytes);
    return a != NULL;
}

static const fake_descriptor *part(const fake_descriptor *d, cudnnBackendAttributeName_t name) {
    const fake_descriptor *found = NULL;
    (void)get(d, name, &found, sizeof found);
    return found;
}

int64_t fake_item_bytes(int32_t type) {
    switch (type) {
    case CUDNN_DATA_HALF:
    case CUDNN_DATA_BFLOAT16: return 2;
    case CUDNN_DATA_INT8: return 1;
    default: return 4;
    }
}

/* ---- tensors and convolutions ------------------------------------------------------------------------------------------------- */

static bool read_tensor(const fake_descriptor *d, fake_tensor *t) {
    memset(t, 0, sizeof *t);
    (void)get(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, &t->is_virtual, sizeof t->is_virtual);
    return get(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, &t->id, sizeof t->id) &&
           get(d, CUDNN_ATTR_TENSOR_DATA_TYPE, &t->type, sizeof t->type) &&
           get(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &t->alignment, sizeof t->alignment) &&
           get(d, CUDNN_ATTR_TENSOR_DIMENSIONS, t->dims, sizeof t->dims) &&
           get(d, CUDNN_ATTR_TENSOR_STRIDES, t->strides, sizeof t->strides);
}

cudnnStatus_t fake_tensor_finalize(const fake_descriptor *d) {
    fake_tensor t;
    if (!read_tensor(d, &t))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a tensor needs an id, a type, an alignment, dims and strides");
    for (int i = 0; i < 4; i++)
        if (t.dims[i] < 1 || t.strides[i] < 1)
            return fake_wrong(CUDNN_STATUS_BAD_PARAM, "tensor %lld has empty dims", (long long)t.id);
    if (t.alignment < 1 || (t.alignment & (t.alignment - 1)) || t.alignment % fake_item_bytes(t.type))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "tensor %lld: no alignment is %lld", (long long)t.id,
                          (long long)t.alignment);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_convolution_finalize(const fake_descriptor *d) {
    cudnnConvolutionMode_t mode;
    int64_t places;
    if (!get(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, &mode, sizeof mode) || mode != CUDNN_CROSS_CORRELATION)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "the convolution is no cross-correlation");
    if (!get(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &places, sizeof places) || places != 2 ||
        !fake_find(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE) || !fake_find(d, CUDNN_ATTR_CONVOLUTION_DILATIONS) ||
        !fake_find(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES) || !fake_find(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS) ||
        !fake_find(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a convolution of two dims needs all its attributes");
    return CUDNN_STATUS_SUCCESS;
}

static bool tensor_of(const fake_descriptor *d, cudnnBackendAttributeName_t name, fake_tensor *out) {
    const fake_descriptor *t = part(d, name);
    return t && t->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR && read_tensor(t, out);
}

static bool read_convolution(const fake_descriptor *op, fake_program *p, fake_tensor *y) {
    const fake_descriptor *conv = part(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
    float alpha = 0, beta = 1;
    return conv && tensor_of(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, &p->x) &&
           tensor_of(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, &p->w) &&
           tensor_of(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y) &&
           get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, &alpha, sizeof alpha) &&
           get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, &beta, sizeof beta) && alpha == 1 && beta == 0 &&
           get(conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, &p->compute, sizeof p->compute) &&
           get(conv, CUDNN_ATTR_CONVOLUTION_DILATIONS, p->dilation, sizeof p->dilation) &&
           get(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, p->stride, sizeof p->stride) &&
           get(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, p->before, sizeof p->before) &&
           get(conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, p->after, sizeof p->after);
}

static bool has_sizes(const fake_program *p, const fake_tensor *y) {
    bool good = p->x.dims[0] == y->dims[0] && p->w.dims[0] == y->dims[1] && p->x.dims[1] % p->w.dims[1] == 0;
    for (int i = 0; i < 2; i++) {
        int64_t reach = p->x.dims[2 + i] + p->before[i] + p->after[i] - p->dilation[i] * (p->w.dims[2 + i] - 1) - 1;
        good &= p->before[i] >= 0 && p->after[i] >= 0 && reach >= 0 && reach / p->stride[i] + 1 == y->dims[2 + i];
    }
    return good && y->dims[1] % (p->x.dims[1] / p->w.dims[1]) == 0;
}

/* ---- the graph ----------------------------------------------------------------------------------------------------------------- */

/* The operand is as large as y, or one number a channel. */
static bool has_operand_sizes(const fake_tensor *operand, const fake_tensor *y) {
    bool whole = memcmp(operand->dims, y->dims, sizeof y->dims) == 0;
    bool of_channels =
        operand->dims[0] == 1 && operand->dims[1] == y->dims[1] && operand->dims[2] == 1 && operand->dims[3] == 1;
    return whole || of_channels;
}

static bool read_stage(const fake_descriptor *op, const fake_tensor *x, fake_stage *stage, fake_tensor *y) {
    const fake_descriptor *how = part(op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    fake_tensor from;
    cudnnDataType_t precision = CUDNN_DATA_HALF;
    memset(stage, 0, sizeof *stage);
    stage->high = 3.4e38f;
    if (!how || !get(how, CUDNN_ATTR_POINTWISE_MODE, &stage->mode, sizeof stage->mode) ||
        !get(how, CUDNN_ATTR_POINTWISE_MATH_PREC, &precision, sizeof precision) || precision != CUDNN_DATA_FLOAT ||
        !tensor_of(op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &from) ||
        !tensor_of(op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y) || from.id != x->id)
        return false;
    (void)get(how, CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, &stage->low, sizeof stage->low);
    (void)get(how, CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, &stage->high, sizeof stage->high);
    (void)get(how, CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, &stage->slope, sizeof stage->slope);
    stage->has_operand = tensor_of(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, &stage->operand);
    bool wants = stage->mode == CUDNN_POINTWISE_ADD || stage->mode == CUDNN_POINTWISE_MUL;
    return wants == stage->has_operand && memcmp(from.dims, y->dims, sizeof y->dims) == 0 &&
           (!wants || (has_operand_sizes(&stage->operand, y) && !stage->operand.is_virtual));
}

static bool ids_differ(const fake_program *p) {
    const fake_tensor *all[FAKE_MOST_STAGES + 3] = {&p->x, &p->w, &p->y};
    int32_t count = 3;
    for (int32_t i = 0; i < p->n_stages; i++)
        if (p->stages[i].has_operand)
            all[count++] = &p->stages[i].operand;
    for (int32_t i = 0; i < count; i++)
        for (int32_t k = 0; k < i; k++)
            if (all[i]->id == all[k]->id)
                return false;
    return true;
}

cudnnStatus_t fake_graph_finalize(fake_descriptor *graph) {
    const fake_descriptor *ops[FAKE_MOST_STAGES + 1];
    const fake_attribute *list = fake_find(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    fake_program *p = &graph->program;
    fake_tensor at;
    if (!list || list->count > FAKE_MOST_STAGES + 1 || !fake_find(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a graph needs operations and a handle");
    memcpy(ops, list->data, (size_t)list->count * sizeof ops[0]);
    if (ops[0]->type != CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR || !read_convolution(ops[0], p, &at))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a graph begins with a whole convolution");
    if (!has_sizes(p, &at))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "the convolution's sizes do not fit");
    for (int64_t i = 1; i < list->count; i++) {
        fake_tensor y;
        if (!at.is_virtual || ops[i]->type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR ||
            !read_stage(ops[i], &at, &p->stages[p->n_stages++], &y))
            return fake_wrong(CUDNN_STATUS_BAD_PARAM, "operation %lld does not follow from the one before",
                              (long long)i);
        at = y;
    }
    p->y = at;
    if (p->x.is_virtual || p->w.is_virtual || p->y.is_virtual || !ids_differ(p))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "the graph's ends are virtual, or ids are the same");
    if (p->x.type != p->w.type)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "source and weights are of two types");
    return CUDNN_STATUS_SUCCESS;
}

/* ---- engines --------------------------------------------------------------------------------------------------------------------- */

static bool has_wide_operand(const fake_program *p) {
    for (int32_t i = 0; i < p->n_stages; i++)
        if (p->stages[i].has_operand && fake_item_bytes(p->stages[i].operand.type) > fake_item_bytes(p->x.type))
            return true;
    return false;
}

static bool fits_winograd(const fake_program *p) {
    return p->w.dims[2] == 3 && p->w.dims[3] == 3 && p->stride[0] == 1 && p->stride[1] == 1 && p->dilation[0] == 1 &&
           p->dilation[1] == 1 && p->x.dims[1] == p->w.dims[1];
}

int32_t fake_engines(const fake_program *p, cudnnBackendHeurMode_t mode, int32_t out[FAKE_MOST_ENGINES]) {
    int32_t count = 0;
    if (fake_setting("PAPER_DNN_NONE", 0))
        return 0;
    if (has_wide_operand(p)) {
        out[count++] = 8;
        return count;
    }
    if (mode == CUDNN_HEUR_MODE_FALLBACK) {
        out[count++] = 0;
        return count;
    }
    out[count++] = 7;
    out[count++] = 5;
    out[count++] = 6;
    out[count++] = 4;
    out[count++] = 1;
    if (fits_winograd(p))
        out[count++] = 3;
    if (mode == CUDNN_HEUR_MODE_B || p->w.dims[0] % 2 == 0) /* else the fallback is needed */
        out[count++] = 2;
    return count;
}

int32_t fake_numerical_notes(int32_t engine, cudnnBackendNumericalNote_t out[4]) {
    switch (engine) {
    case 0: out[0] = CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP; return 1;
    case 1: out[0] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE; return 1;
    case 3:
        out[0] = CUDNN_NUMERICAL_NOTE_WINOGRAD;
        out[1] = CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4;
        return 2;
    case 5:
        out[0] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        out[1] = CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        return 2;
    case 6: out[0] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC; return 1;
    case 8: out[0] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE; return 1;
    default: return 0;
    }
}

int32_t fake_behaviour_notes(int32_t engine, cudnnBackendBehaviorNote_t out[4]) {
    out[0] = CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return engine == 8 ? 1 : 0;
}

int64_t fake_workspace(int32_t engine) {
    return engine == 4 ? 100 << 20 : engine == 1 ? 131 : engine == 3 ? 4096 : 0;
}
