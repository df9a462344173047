/*
 * Cost figures, by the rules of the FoldedCNN paper.
 *
 * Operations: an output number of a conv costs Ci/G*Kh*Kw multiply-adds and one more for its bias, one of an fc its
 * inputs; times 2; all else 0. Traffic: weights (without biases) and what a layer takes in and gives out, once each.
 * BatchNormalization and activations are part of the layer before them, as every engine runs them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "fold/fold.h"
#include "graph/ops.h"

typedef struct cost_job {
    const fr_graph *graph;
    fr_cost *cost;
    int32_t *layer_of; /* by value: the layer that made it; -1 = none (the input) */
    bool *counted;     /* constants whose numbers are in `params` */
} cost_job;

static fr_status too_large(const fr_node *node) {
    return fr_fail(FR_INVALID, "%s '%s': too large to count", fr_op_name(node->op), node->name);
}

static int64_t dim_of(const fr_shape *shape, int32_t axis) {
    return axis < shape->rank ? shape->dim[axis] : 1;
}

static int32_t clamped(int64_t n) {
    return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

/* Numbers of one input's share of a value: the batch, its first dimension, left out. */
static double elements_of(const fr_shape *shape) {
    double n = 1;
    for (int32_t i = 1; i < shape->rank; i++)
        n *= (double)shape->dim[i];
    return n;
}

static const char *kind_of(fr_op op) {
    static const struct {
        fr_op op;
        const char *kind;
    } kinds[] = {{FR_OP_CONV, "conv"},
                 {FR_OP_GEMM, "fc"},
                 {FR_OP_MATMUL, "fc"},
                 {FR_OP_MAXPOOL, "maxpool"},
                 {FR_OP_AVGPOOL, "avgpool"},
                 {FR_OP_GLOBALAVGPOOL, "globalavgpool"},
                 {FR_OP_GLOBALMAXPOOL, "globalmaxpool"},
                 {FR_OP_ADD, "add"},
                 {FR_OP_SUB, "sub"},
                 {FR_OP_MUL, "mul"},
                 {FR_OP_DIV, "div"},
                 {FR_OP_SUM, "sum"},
                 {FR_OP_CONCAT, "concat"},
                 {FR_OP_LRN, "lrn"},
                 {FR_OP_SOFTMAX, "softmax"},
                 {FR_OP_PAD, "pad"},
                 {FR_OP_REDUCEMEAN, "mean"},
                 {FR_OP_ARGMAX, "argmax"},
                 {FR_OP_TRANSPOSE, "transpose"},
                 {FR_OP_BATCHNORM, "batchnorm"}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].op == op)
            return kinds[i].kind;
    return "activation";
}

static bool is_map(const fr_graph *graph, int32_t id) { /* a number of the batch's, not a weight */
    return id >= 0 && !graph->values[id].is_const;
}

/* What costs nothing by itself, and belongs to the layer that made its input. */
static bool is_absorbed(const cost_job *job, const fr_node *node) {
    switch (node->op) {
    case FR_OP_DROPOUT:
    case FR_OP_IDENTITY:
    case FR_OP_CONSTANT:
    case FR_OP_SHAPE:
    case FR_OP_GATHER:
    case FR_OP_CAST:
    case FR_OP_FLATTEN:
    case FR_OP_RESHAPE:
    case FR_OP_SQUEEZE:
    case FR_OP_UNSQUEEZE: return true;
    case FR_OP_BATCHNORM:
    case FR_OP_RELU:
    case FR_OP_CLIP:
    case FR_OP_LEAKYRELU:
    case FR_OP_SIGMOID:
    case FR_OP_HARDSIGMOID:
    case FR_OP_HARDSWISH:
    case FR_OP_TANH: return node->n_inputs > 0 && node->inputs[0] >= 0 && job->layer_of[node->inputs[0]] >= 0;
    case FR_OP_ADD:
    case FR_OP_SUB:
    case FR_OP_MUL:
    case FR_OP_DIV: /* with a constant: a bias or a scale */
        return !is_map(job->graph, node->inputs[0]) || !is_map(job->graph, node->inputs[1]);
    default:
        for (int32_t i = 0; i < node->n_inputs; i++)
            if (is_map(job->graph, node->inputs[i]))
                return false;
        return true; /* it works on constants */
    }
}

/* Trained numbers that the node brings: BatchNormalization 2 a channel (its mean and variance are measured). */
static int64_t params_of(cost_job *job, const fr_node *node) {
    int64_t params = 0;
    if (node->op == FR_OP_DROPOUT || node->op == FR_OP_CLIP || node->op == FR_OP_PAD)
        return 0; /* settings, not weights */
    for (int32_t i = 0; i < node->n_inputs; i++) {
        int32_t id = node->inputs[i];
        if (id < 0 || job->counted[id] || (node->op == FR_OP_BATCHNORM && i > 2))
            continue;
        const fr_value *value = &job->graph->values[id];
        if (!value->is_const || value->dtype != FR_F32)
            continue;
        job->counted[id] = true;
        params += (int64_t)fr_shape_elements(&value->shape);
    }
    return params;
}

static void set_dims(const fr_graph *graph, const fr_node *node, fr_layer_cost *layer) {
    const fr_shape *out = &graph->values[node->outputs[0]].shape;
    bool first = true;
    for (int32_t i = 0; i < 3; i++)
        layer->out[i] = clamped(dim_of(out, i + 1));
    for (int32_t i = 0; i < node->n_inputs; i++) {
        if (!is_map(graph, node->inputs[i]))
            continue;
        const fr_shape *in = &graph->values[node->inputs[i]].shape;
        for (int32_t k = 0; first && k < 3; k++)
            layer->in[k] = clamped(dim_of(in, k + 1));
        if (!first && node->op == FR_OP_CONCAT)
            layer->in[0] = clamped((int64_t)layer->in[0] + dim_of(in, 1));
        first = false;
    }
}

/* Multiply-adds of one input, and the weights behind them; 0 for a node without. */
static fr_status count_ops(const fr_graph *graph, const fr_node *node, fr_layer_cost *layer, int64_t *out_weights,
                           double *out_macs) {
    if (node->op != FR_OP_CONV && node->op != FR_OP_GEMM && node->op != FR_OP_MATMUL)
        return FR_OK;
    const fr_shape *weight = &graph->values[node->inputs[1]].shape, *out = &graph->values[node->outputs[0]].shape;
    int64_t outputs = 1, each = 1, ops;
    bool bad = false;
    for (int32_t i = 1; i < out->rank; i++)
        bad |= __builtin_mul_overflow(outputs, out->dim[i], &outputs);
    if (node->op == FR_OP_CONV) {
        for (int32_t i = 1; i < weight->rank; i++)
            bad |= __builtin_mul_overflow(each, weight->dim[i], &each);
        bad |= __builtin_mul_overflow(each, dim_of(weight, 0), out_weights);
    } else {
        bool transposed = node->op == FR_OP_GEMM && node->attrs.trans_b;
        each = weight->rank < 2 ? dim_of(weight, 0) : weight->dim[transposed ? 1 : weight->rank - 2];
        *out_weights = graph->values[node->inputs[1]].is_const ? (int64_t)fr_shape_elements(weight) : 0;
    }
    int64_t bias = node->op == FR_OP_CONV && node->n_inputs > 2 && node->inputs[2] >= 0;
    bad |= __builtin_mul_overflow(outputs, each + bias, &ops) || __builtin_mul_overflow(ops, 2, &ops);
    if (bad)
        return too_large(node);
    layer->ops_per_input = ops;
    *out_macs = (double)outputs * (double)each;
    return FR_OK;
}

/*
 * Folding lowers a layer's traffic iff  N*Ho*Wo > (weights gained) / ((1 - 1/sqrt f) * (Ci*Hi*Wi/(Ho*Wo) + Co)):
 * FACTS' rule, which has Hi*Wi = Ho*Wo. Weights gain (f - 1) times themselves; depthwise, whose groups grow with the
 * channels, sqrt(f) - 1 times.
 */
static void set_threshold(const fr_layer_cost *layer, double weights, double inputs, int32_t fold, double *out_nhw,
                          double *out_threshold) {
    double f = fold, map = (double)layer->out[1] * layer->out[2], in_map = (double)layer->in[1] * layer->in[2];
    *out_nhw = inputs * map;
    *out_threshold = -1;
    if (fold < 2 || weights <= 0 || map <= 0)
        return;
    bool depthwise = layer->groups > 1 && layer->groups == layer->in[0];
    double gained = (depthwise ? sqrt(f) - 1 : f - 1) * weights;
    *out_threshold = gained / ((1 - 1 / sqrt(f)) * (layer->in[0] * (in_map / map) + layer->out[0]));
}

static fr_status count_layer(cost_job *job, const fr_node *node, int32_t threshold_fold, fr_layer_cost *layer) {
    const fr_graph *graph = job->graph;
    double inputs = (double)job->cost->inputs, bytes = job->cost->bytes_per_element, numbers = 0, macs = 0;
    int64_t weights = 0;
    snprintf(layer->name, sizeof layer->name, "%s", node->name);
    snprintf(layer->kind, sizeof layer->kind, "%s", kind_of(node->op));
    set_dims(graph, node, layer);
    FR_TRY(count_ops(graph, node, layer, &weights, &macs));
    bool window = node->op == FR_OP_CONV || node->op == FR_OP_MAXPOOL || node->op == FR_OP_AVGPOOL;
    for (int32_t i = 0; i < 2; i++) {
        layer->kernel[i] = window ? node->attrs.kernel[i] : 1;
        layer->stride[i] = window ? node->attrs.stride[i] : 1;
    }
    layer->groups = node->op == FR_OP_CONV ? node->attrs.group : 1;
    for (int32_t i = 0; i < node->n_inputs; i++)
        if (is_map(graph, node->inputs[i]))
            numbers += elements_of(&graph->values[node->inputs[i]].shape);
    numbers += elements_of(&graph->values[node->outputs[0]].shape);
    layer->params = params_of(job, node);
    layer->weight_bytes = bytes * (double)weights;
    layer->activation_bytes = bytes * inputs * numbers;
    layer->flops = 2 * inputs * macs;
    layer->arithmetic_intensity = layer->flops > 0 ? layer->flops / (layer->weight_bytes + layer->activation_bytes) : 0;
    set_threshold(layer, (double)weights, inputs, threshold_fold, &layer->nhw, &layer->nhw_threshold);
    return FR_OK;
}

static fr_status count_nodes(cost_job *job, int32_t threshold_fold) {
    const fr_graph *graph = job->graph;
    fr_cost *cost = job->cost;
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        const fr_node *node = &graph->nodes[i];
        int32_t layer = -1;
        if (!is_absorbed(job, node)) {
            layer = (int32_t)cost->n_layers++;
            FR_TRY(count_layer(job, node, threshold_fold, &cost->layers[layer]));
        } else {
            for (int32_t k = 0; k < node->n_inputs && layer < 0; k++)
                layer = node->inputs[k] >= 0 ? job->layer_of[node->inputs[k]] : -1;
            int64_t params = params_of(job, node);
            cost->params += layer < 0 ? params : 0;
            if (layer >= 0)
                cost->layers[layer].params += params;
        }
        for (int32_t k = 0; k < node->n_outputs; k++)
            if (node->outputs[k] >= 0)
                job->layer_of[node->outputs[k]] = layer;
    }
    return FR_OK;
}

static fr_status add_up(fr_cost *cost) {
    for (size_t i = 0; i < cost->n_layers; i++) {
        const fr_layer_cost *layer = &cost->layers[i];
        if (__builtin_add_overflow(cost->ops_per_input, layer->ops_per_input, &cost->ops_per_input) ||
            __builtin_add_overflow(cost->params, layer->params, &cost->params))
            return fr_fail(FR_INVALID, "layer '%s': the model is too large to count", layer->name);
        cost->weight_bytes += layer->weight_bytes;
        cost->activation_bytes += layer->activation_bytes;
        cost->flops += layer->flops;
    }
    cost->ops_per_image = (double)cost->ops_per_input / cost->images_per_input;
    cost->arithmetic_intensity = cost->flops > 0 ? cost->flops / (cost->weight_bytes + cost->activation_bytes) : 0;
    return FR_OK;
}

fr_status fr_cost_of(const fr_graph *graph, int64_t batch_images, int32_t bytes_per_element, int32_t threshold_fold,
                     fr_cost *out_cost) {
    cost_job job = {.graph = graph, .cost = out_cost};
    fr_status status;
    memset(out_cost, 0, sizeof *out_cost);
    if (batch_images < 1 || batch_images > INT64_MAX / 2 || bytes_per_element < 1 || threshold_fold < 0)
        return fr_fail(FR_INVALID, "costs of %lld images, %d bytes a number, folding by %d: expected positive numbers",
                       (long long)batch_images, bytes_per_element, threshold_fold);
    if (graph->batch == 0)
        return fr_fail(FR_INVALID, "costs of '%s': its shapes are not known yet", graph->name);
    out_cost->fold = out_cost->images_per_input = graph->meta.fold < 1 ? 1 : graph->meta.fold;
    out_cost->batch_images = batch_images;
    out_cost->inputs = fr_fold_inputs(batch_images, out_cost->fold);
    out_cost->bytes_per_element = bytes_per_element;
    out_cost->layers = fr_alloc_array((size_t)graph->n_nodes, sizeof *out_cost->layers);
    job.layer_of = fr_alloc_array((size_t)graph->n_values, sizeof *job.layer_of);
    job.counted = fr_alloc_array((size_t)graph->n_values, sizeof *job.counted);
    if (!out_cost->layers || !job.layer_of || !job.counted) {
        status = fr_no_memory((size_t)graph->n_nodes * sizeof *out_cost->layers, "cost figures");
        goto done;
    }
    for (int32_t i = 0; i < graph->n_values; i++)
        job.layer_of[i] = -1;
    FR_GO(done, count_nodes(&job, threshold_fold ? threshold_fold : 4));
    status = add_up(out_cost);
done:
    fr_free(job.counted);
    fr_free(job.layer_of);
    if (status != FR_OK)
        fr_cost_free(out_cost);
    return status;
}

void fr_cost_free(fr_cost *cost) {
    if (!cost)
        return;
    fr_free(cost->layers);
    memset(cost, 0, sizeof *cost);
}
