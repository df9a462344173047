/* Folding a graph: f images in the channels of one input, hidden widths times sqrt(f), f times the logits. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "fold/fold_parts.h"
#include "graph/ops.h"
#include "graph/passes.h"

enum { LARGEST_FOLD = 1024 };

/* ---- refusals ---- */

fr_status fold_refuse(const fold_job *job, const fr_node *node, const char *fmt, ...) {
    char why[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return fr_fail(FR_UNSUPPORTED, "cannot fold by %d: %s '%s': %s", job->options->fold, fr_op_name(node->op),
                   node->name, why);
}

static int64_t common_multiple(int64_t a, int64_t b) {
    int64_t x = a, y = b;
    while (y) {
        int64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

fr_status fold_refuse_width(const fold_job *job, const fr_node *node, int64_t divisor, const char *fmt, ...) {
    char why[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    int64_t quantum = common_multiple(divisor, job->options->quantum > 1 ? job->options->quantum : 1);
    if (job->graph->meta.hidden_input)
        quantum = common_multiple(quantum, job->options->fold);
    return fold_refuse(job, node, "%s; round the widths: --round down:%lld or up:%lld", why, (long long)quantum,
                       (long long)quantum);
}

/* ---- before ---- */

static fr_status check_options(const fr_fold_options *options) {
    if (options->fold < 1 || options->fold > LARGEST_FOLD)
        return fr_fail(FR_INVALID, "fold %d: expected a number of images from 1 to %d", options->fold, LARGEST_FOLD);
    if (options->quantum < 0 || options->quantum > 65536)
        return fr_fail(FR_INVALID, "rounding to %d channels: expected 1 to 65536", options->quantum);
    if ((uint32_t)options->round > FR_ROUND_NEAREST)
        return fr_fail(FR_INVALID, "rounding %d: expected floor, up, down or nearest", (int)options->round);
    return FR_OK;
}

static fr_status check_graph(const fr_graph *graph) {
    if (graph->meta.fold > 1)
        return fr_fail(FR_UNSUPPORTED, "'%s' is already folded by %d: fold the plain model instead", graph->name,
                       graph->meta.fold);
    if (graph->n_inputs != 1 || graph->n_outputs != 1)
        return fr_fail(FR_UNSUPPORTED, "'%s' has %d inputs and %d outputs: only a model with one of each can be folded",
                       graph->name, graph->n_inputs, graph->n_outputs);
    const fr_shape *shape = &graph->values[graph->inputs[0]].shape;
    char text[96];
    fr_shape_text(shape, text, sizeof text);
    if (shape->rank != 4)
        return fr_fail(FR_UNSUPPORTED,
                       "'%s' takes an input of %s: only images (batch x channels x height x width) can be folded",
                       graph->name, text);
    return FR_OK;
}

/* Does this node only flatten? [N, C, ...] -> [N, C*...], however it is written. */
static bool only_flattens(const fr_graph *graph, const fr_node *node) {
    const fr_value *in = &graph->values[node->inputs[0]], *out = &graph->values[node->outputs[0]];
    if (node->op == FR_OP_SQUEEZE && in->shape.rank > 2 && out->shape.rank == 2)
        return out->shape.dim[1] == in->shape.dim[1];
    return node->op == FR_OP_RESHAPE && in->shape.rank >= 2 && out->shape.rank == 2 && !in->is_const &&
           out->shape.dim[0] == in->shape.dim[0];
}

/* Behind Identity nodes: the constant that the value is a copy of, else the value itself. */
static int32_t source_of(const fr_graph *graph, int32_t value) {
    int32_t source = value;
    while (source >= 0 && graph->values[source].producer >= 0) {
        const fr_node *node = &graph->nodes[graph->values[source].producer];
        if (node->op != FR_OP_IDENTITY && node->op != FR_OP_CONSTANT)
            return value;
        source = node->inputs[0];
    }
    return source >= 0 && graph->values[source].is_const ? source : value;
}

/* Exporters store equal weights once, though the layers that use them fold to different widths: each gets its own. */
static fr_status own_constants(fr_graph *graph) {
    fr_status status = FR_OK;
    int32_t n_values = graph->n_values;
    bool *taken = fr_alloc_array((size_t)n_values, sizeof *taken);
    if (!taken)
        return fr_no_memory((size_t)n_values, "folding");
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        fr_node *node = &graph->nodes[i];
        bool is_copy = node->n_outputs == 1 && source_of(graph, node->outputs[0]) != node->outputs[0];
        for (int32_t k = 0; k < node->n_inputs && !is_copy; k++) {
            int32_t id = source_of(graph, node->inputs[k]);
            if (id < 0 || !graph->values[id].is_const || graph->values[id].dtype != FR_F32)
                continue;
            fr_value value = graph->values[id];
            if (taken[id])
                FR_GO(done, fr_graph_add_const(graph, NULL, value.dtype, &value.shape, value.data, value.init, &id));
            else
                taken[id] = true;
            node->inputs[k] = id;
        }
    }
done:
    fr_free(taken);
    return status;
}

/* Reshapes to a fixed number of features become Flatten, which holds for any width, and what computed their targets goes. */
static fr_status prepare(fr_graph *graph) {
    FR_TRY(fr_graph_sort(graph));
    FR_TRY(fr_graph_infer(graph, 1));
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        fr_node *node = &graph->nodes[i];
        if (!only_flattens(graph, node))
            continue;
        node->op = FR_OP_FLATTEN;
        node->attrs = fr_attrs_default(FR_OP_FLATTEN);
        node->n_inputs = 1;
    }
    FR_TRY(own_constants(graph));
    return fr_graph_compact(graph);
}

static fr_status start_values(fold_job *job) {
    const fr_graph *graph = job->graph;
    const fr_fold_options *options = job->options;
    job->values = fr_alloc_array((size_t)graph->n_values, sizeof *job->values);
    if (!job->values)
        return fr_no_memory((size_t)graph->n_values * sizeof *job->values, "folding");
    for (int32_t i = 0; i < graph->n_values; i++) {
        const fr_shape *shape = &graph->values[i].shape;
        job->values[i].old = job->values[i].now = shape->rank >= 2 ? shape->dim[1] : 0;
    }
    fold_value *input = &job->values[graph->inputs[0]];
    input->now = graph->meta.hidden_input ? fr_fold_width(input->old, options) : input->old * options->fold;
    input->image = !graph->meta.hidden_input;
    return FR_OK;
}

/* ---- after ---- */

/* A layer from the middle of a network: each image is 1/fold of what goes in and comes out. */
static fr_status check_shares(const fold_job *job) {
    const fr_graph *graph = job->graph;
    const fr_value *in = &graph->values[graph->inputs[0]], *out = &graph->values[graph->outputs[0]];
    const fr_node *last = &graph->nodes[graph->n_nodes - 1];
    int32_t fold = job->options->fold;
    if (in->shape.dim[1] % fold || fr_shape_elements(&out->shape) % (size_t)fold)
        return fold_refuse_width(job, last, fold, "%lld channels in and %lld out are not shared evenly by %d images",
                                 (long long)in->shape.dim[1], (long long)out->shape.dim[1], fold);
    return FR_OK;
}

static fr_status finish(fold_job *job) {
    fr_graph *graph = job->graph;
    int32_t in = graph->inputs[0], out = graph->outputs[0], fold = job->options->fold;
    graph->values[in].shape.dim[1] = job->values[in].now;
    FR_TRY(fr_graph_infer(graph, 1));
    for (int32_t i = 0; i < graph->n_values; i++) {
        const fr_value *value = &graph->values[i];
        if (!value->is_const && value->shape.rank >= 2 && value->producer >= 0 &&
            value->shape.dim[1] != job->values[i].now)
            return fold_refuse(job, &graph->nodes[value->producer],
                               "its shape is fixed in a way that folding cannot follow");
    }
    if (job->owner >= 0 && job->values[out].now != job->values[out].old * fold)
        return fold_refuse(job, &graph->nodes[job->owner],
                           "what follows it does not keep the logits of each image apart");
    if (job->owner < 0)
        FR_TRY(check_shares(job));
    fr_meta *meta = &graph->meta;
    meta->fold = fold;
    meta->image_channels = (int32_t)(job->values[in].now / fold);
    meta->seeded = true;
    meta->seed = job->options->seed;
    meta->n_accuracy = 0; /* measured on the plain model's trained weights */
    return FR_OK;
}

static fr_status fold_clone(fold_job *job) {
    FR_TRY(prepare(job->graph));
    if (job->graph->meta.hidden_input)
        job->owner = -1;
    else
        FR_TRY(fold_find_owner(job));
    FR_TRY(start_values(job));
    for (int32_t i = 0; i < job->graph->n_nodes; i++)
        FR_TRY(fold_node(job, &job->graph->nodes[i]));
    return finish(job);
}

fr_status fr_fold_graph(const fr_graph *graph, const fr_fold_options *options, fr_graph **out_graph) {
    fold_job job = {.options = options, .owner = -1};
    fr_status status;
    *out_graph = NULL;
    FR_TRY(check_options(options));
    bool rounds = options->round != FR_ROUND_FLOOR && options->quantum > 1;
    if (options->fold == 1 && !rounds)
        return fr_graph_clone(graph, out_graph);
    FR_TRY(check_graph(graph));
    FR_GO(done, fr_graph_clone(graph, &job.graph));
    FR_GO(done, fold_clone(&job));
    *out_graph = job.graph;
    job.graph = NULL;
done:
    fr_graph_free(job.graph);
    fr_free(job.values);
    return status;
}
