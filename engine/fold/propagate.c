/* What folding does to each kind of node: new widths, new weights, and the reasons why not. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "fold/fold_parts.h"
#include "graph/ops.h"

static const fr_value *value_of(const fold_job *job, int32_t id) {
    return &job->graph->values[id];
}

/* ---- weights ---- */

/* Fresh numbers of a new shape. */
static fr_status renew(fold_job *job, const fr_node *node, int32_t id, const fr_shape *shape, fr_init init) {
    fr_value *value = &job->graph->values[id];
    if (!value->is_const || value->dtype != FR_F32)
        return fold_refuse(job, node, "its weights '%s' are not constants of the file", value->name);
    fr_free(value->data);
    value->data = NULL;
    value->shape = *shape;
    value->init = init;
    return FR_OK;
}

static fr_status renew_vector(fold_job *job, const fr_node *node, int32_t id, int64_t width, fr_init init) {
    fr_shape shape = value_of(job, id)->shape;
    if (fr_shape_elements(&shape) <= 1 && width != 1 && node->op == FR_OP_GEMM)
        return FR_OK; /* one number for all */
    shape.dim[shape.rank > 0 ? shape.rank - 1 : 0] = width;
    return renew(job, node, id, &shape, init);
}

/* The same numbers for each of f images: f copies along the axis. */
static fr_status tile(fold_job *job, const fr_node *node, int32_t id, int32_t axis) {
    fr_value *value = &job->graph->values[id];
    size_t fold = (size_t)job->options->fold, block = fr_dtype_bytes(value->dtype), outer = 1, bytes;
    if (!value->is_const)
        return fold_refuse(job, node, "its operand '%s' is not a constant of the file", value->name);
    for (int32_t i = 0; i < value->shape.rank; i++) {
        if (i < axis)
            outer *= (size_t)value->shape.dim[i];
        else
            block *= (size_t)value->shape.dim[i];
    }
    if (value->data) {
        if (!fr_size_mul(outer * block, fold, &bytes))
            return fr_no_memory(SIZE_MAX, "folding");
        char *data = fr_alloc(bytes);
        if (!data)
            return fr_no_memory(bytes, "folding");
        for (size_t o = 0; o < outer; o++)
            for (size_t i = 0; i < fold; i++)
                memcpy(data + (o * fold + i) * block, (char *)value->data + o * block, block);
        fr_free(value->data);
        value->data = data;
    }
    value->shape.dim[axis] *= (int64_t)fold;
    return FR_OK;
}

/* ---- layers with weights ---- */

static void set_output(fold_job *job, const fr_node *node, int64_t now, bool image) {
    for (int32_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] >= 0) {
            job->values[node->outputs[i]].now = now;
            job->values[node->outputs[i]].image = image;
        }
    }
}

/* Width of a layer with outputs of its own: f times the logits for the last one, the hidden width for all others. */
static int64_t layer_width(const fold_job *job, const fr_node *node, int64_t old) {
    if (job->owner >= 0 && node == &job->graph->nodes[job->owner])
        return old * job->options->fold;
    return fr_fold_width(old, job->options);
}

static fr_status fold_conv(fold_job *job, fr_node *node) {
    const fold_value *in = &job->values[node->inputs[0]];
    fr_shape shape = value_of(job, node->inputs[1])->shape;
    if (value_of(job, node->inputs[0])->shape.rank != 4 || shape.rank != 4)
        return fold_refuse(job, node, "only two-dimensional convolutions fold");
    int64_t group = node->attrs.group, out_now;
    if (fold_is_depthwise(job->graph, node)) { /* a filter a channel stays one: groups follow the channels */
        out_now = shape.dim[0] / group * in->now;
        group = in->now;
    } else {
        out_now = layer_width(job, node, shape.dim[0]);
    }
    if (in->now % group && in->image)
        return fold_refuse(job, node, "its %lld groups do not divide the %lld channels of %d images", (long long)group,
                           (long long)in->now, job->options->fold);
    if (in->now % group || out_now % group)
        return fold_refuse_width(job, node, group,
                                 "its %lld groups must divide both the %lld channels in and the %lld out",
                                 (long long)group, (long long)in->now, (long long)out_now);
    node->attrs.group = (int32_t)group;
    shape.dim[0] = out_now;
    shape.dim[1] = in->now / group;
    FR_TRY(renew(job, node, node->inputs[1], &shape, FR_INIT_CONV));
    if (node->n_inputs > 2 && node->inputs[2] >= 0)
        FR_TRY(renew_vector(job, node, node->inputs[2], out_now, FR_INIT_ZERO));
    set_output(job, node, out_now, false);
    return FR_OK;
}

/* Gemm, and MatMul with a constant matrix on the right: in x out, or out x in when transposed. */
static fr_status fold_fc(fold_job *job, fr_node *node) {
    const fold_value *in = &job->values[node->inputs[0]];
    fr_shape shape = value_of(job, node->inputs[1])->shape;
    bool gemm = node->op == FR_OP_GEMM, transposed = gemm && node->attrs.trans_b;
    if (value_of(job, node->inputs[0])->is_const || value_of(job, node->inputs[0])->shape.rank != 2 ||
        shape.rank != 2 || (gemm && node->attrs.trans_a))
        return fold_refuse(job, node, "only a product of flat inputs and a constant matrix folds");
    int64_t out_now = layer_width(job, node, shape.dim[transposed ? 0 : 1]);
    shape.dim[transposed ? 0 : 1] = out_now;
    shape.dim[transposed ? 1 : 0] = in->now;
    FR_TRY(renew(job, node, node->inputs[1], &shape, FR_INIT_FC));
    if (gemm && node->n_inputs > 2 && node->inputs[2] >= 0)
        FR_TRY(renew_vector(job, node, node->inputs[2], out_now, FR_INIT_ZERO));
    set_output(job, node, out_now, false);
    return FR_OK;
}

static fr_status fold_batchnorm(fold_job *job, fr_node *node) {
    static const fr_init inits[5] = {FR_INIT_NONE, FR_INIT_ONE, FR_INIT_ZERO, FR_INIT_ZERO,
                                     FR_INIT_ONE}; /* scale, shift, mean, variance */
    const fold_value *in = &job->values[node->inputs[0]];
    for (int32_t i = 1; i < node->n_inputs && i < 5; i++) {
        if (in->image)
            FR_TRY(tile(job, node, node->inputs[i], 0));
        else
            FR_TRY(renew_vector(job, node, node->inputs[i], in->now, inits[i]));
    }
    set_output(job, node, in->now, in->image);
    return FR_OK;
}

/* ---- layers without ---- */

/* A constant beside a value: where its shape has the value's channels, it gets the folded number of them. */
static fr_status fold_operand(fold_job *job, const fr_node *node, int32_t id, int32_t beside) {
    const fr_value *value = value_of(job, id);
    const fold_value *other = &job->values[beside];
    int32_t axis = value->shape.rank - (value_of(job, beside)->shape.rank - 1);
    if (axis < 0 || axis >= value->shape.rank || value->shape.dim[axis] == 1)
        return FR_OK; /* one number for all channels */
    if (value->shape.dim[axis] != other->old)
        return fold_refuse(job, node, "its operand '%s' has %lld channels, the value beside it %lld", value->name,
                           (long long)value->shape.dim[axis], (long long)other->old);
    if (other->image)
        return tile(job, node, id, axis);
    fr_shape shape = value->shape;
    shape.dim[axis] = other->now;
    return renew(job, node, id, &shape, node->op == FR_OP_MUL || node->op == FR_OP_DIV ? FR_INIT_ONE : FR_INIT_ZERO);
}

/* Add, Sub, Mul, Div, Sum: equal widths stay equal; one channel may be spread over all. */
static fr_status fold_elementwise(fold_job *job, fr_node *node) {
    int32_t widest = -1;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        int32_t id = node->inputs[i];
        if (!value_of(job, id)->is_const && (widest < 0 || job->values[id].old > job->values[widest].old))
            widest = id;
    }
    if (widest < 0)
        return fold_refuse(job, node, "it works on constants alone");
    const fold_value *to = &job->values[widest];
    bool image = to->image;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        const fold_value *in = &job->values[node->inputs[i]];
        if (value_of(job, node->inputs[i])->is_const) {
            FR_TRY(fold_operand(job, node, node->inputs[i], widest));
            continue;
        }
        image = image && in->image;
        if (value_of(job, node->inputs[i])->shape.rank != value_of(job, widest)->shape.rank)
            return fold_refuse(job, node, "it joins values of different ranks");
        if (in->now != to->now && in->now != 1)
            return fold_refuse(job, node, "it joins %lld channels with %lld, which were %lld and %lld before folding",
                               (long long)in->now, (long long)to->now, (long long)in->old, (long long)to->old);
    }
    set_output(job, node, to->now, image);
    return FR_OK;
}

static fr_status fold_concat(fold_job *job, fr_node *node) {
    int32_t rank = value_of(job, node->outputs[0])->shape.rank,
            axis = node->attrs.axis < 0 ? node->attrs.axis + rank : node->attrs.axis;
    const fold_value *first = &job->values[node->inputs[0]];
    int64_t sum = 0;
    bool image = true;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        const fold_value *in = &job->values[node->inputs[i]];
        if (value_of(job, node->inputs[i])->is_const)
            return fold_refuse(job, node, "it joins a constant: nobody knows what that would be for %d images",
                               job->options->fold);
        if (axis != 1 && in->now != first->now)
            return fold_refuse(job, node, "it joins maps of %lld and %lld channels", (long long)first->now,
                               (long long)in->now);
        sum += in->now;
        image = image && in->image;
    }
    if (axis == 0)
        return fold_refuse(job, node, "it joins inputs along the batch");
    set_output(job, node, axis == 1 ? sum : first->now, image && axis != 1);
    return FR_OK;
}

static fr_status fold_flatten(fold_job *job, fr_node *node) {
    const fr_shape *in = &value_of(job, node->inputs[0])->shape, *out = &value_of(job, node->outputs[0])->shape;
    int64_t now = job->values[node->inputs[0]].now;
    if (out->rank != 2 || out->dim[0] != in->dim[0] || in->rank < 2)
        return fold_refuse(job, node, "it flattens the batch too");
    for (int32_t i = 2; i < in->rank; i++)
        if (__builtin_mul_overflow(now, in->dim[i], &now))
            return fold_refuse(job, node, "too many features");
    set_output(job, node, now, false);
    return FR_OK;
}

/* Anything that leaves the channels where they are. */
static fr_status fold_same(fold_job *job, fr_node *node) {
    const fr_value *in = value_of(job, node->inputs[0]), *out = value_of(job, node->outputs[0]);
    const fold_value *fold = &job->values[node->inputs[0]];
    if (in->is_const || in->shape.rank < 2 || out->shape.rank < 2 || in->shape.dim[1] != out->shape.dim[1] ||
        in->shape.dim[0] != out->shape.dim[0])
        return fold_refuse(job, node, "it changes the channels in a way that folding cannot follow");
    bool mixes = node->op == FR_OP_LRN || node->op == FR_OP_SOFTMAX;
    set_output(job, node, fold->now, fold->image && !mixes);
    return FR_OK;
}

fr_status fold_node(fold_job *job, fr_node *node) {
    switch (node->op) {
    case FR_OP_CONV: return fold_conv(job, node);
    case FR_OP_GEMM:
    case FR_OP_MATMUL: return fold_fc(job, node);
    case FR_OP_BATCHNORM: return fold_batchnorm(job, node);
    case FR_OP_ADD:
    case FR_OP_SUB:
    case FR_OP_MUL:
    case FR_OP_DIV:
    case FR_OP_SUM: return fold_elementwise(job, node);
    case FR_OP_CONCAT: return fold_concat(job, node);
    case FR_OP_FLATTEN: return fold_flatten(job, node);
    case FR_OP_RELU:
    case FR_OP_CLIP:
    case FR_OP_LEAKYRELU:
    case FR_OP_SIGMOID:
    case FR_OP_HARDSIGMOID:
    case FR_OP_HARDSWISH:
    case FR_OP_TANH:
    case FR_OP_MAXPOOL:
    case FR_OP_AVGPOOL:
    case FR_OP_GLOBALAVGPOOL:
    case FR_OP_GLOBALMAXPOOL:
    case FR_OP_PAD:
    case FR_OP_LRN:
    case FR_OP_DROPOUT:
    case FR_OP_IDENTITY:
    case FR_OP_SOFTMAX:
    case FR_OP_SQUEEZE:
    case FR_OP_UNSQUEEZE:
    case FR_OP_REDUCEMEAN: return fold_same(job, node);
    case FR_OP_RESHAPE:
    case FR_OP_TRANSPOSE:
        return fold_refuse(job, node,
                           "it moves numbers between channels and maps, and with f images in the channels nobody knows "
                           "where they belong");
    default: return fold_refuse(job, node, "folding does not know this operation; use it on the plain model");
    }
}
