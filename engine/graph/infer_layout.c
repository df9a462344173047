/* Shapes of ops that move numbers or count them: reshapes, Transpose, Concat, Pad, Gather, Shape, reductions. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/op_parts.h"

fr_status fr_infer_concat(fr_graph *graph, fr_node *node) {
    fr_shape out = *fr_in_shape(graph, node, 0);
    int32_t axis;
    FR_TRY(fr_node_axis(node, node->attrs.axis, out.rank, &axis));
    for (int32_t i = 1; i < node->n_inputs; i++) {
        if (node->inputs[i] < 0)
            return fr_node_fail(FR_INVALID, node, "its input %d is left out", i);
        const fr_shape *next = fr_in_shape(graph, node, i);
        bool fits = next->rank == out.rank;
        for (int32_t d = 0; d < out.rank && fits; d++)
            fits = d == axis || next->dim[d] == out.dim[d];
        if (!fits || out.dim[axis] > INT64_MAX - next->dim[axis]) {
            char ta[128], tb[128];
            fr_shape_text(fr_in_shape(graph, node, 0), ta, sizeof ta);
            fr_shape_text(next, tb, sizeof tb);
            return fr_node_fail(FR_INVALID, node, "%s and %s can't be joined along axis %d", ta, tb, axis);
        }
        out.dim[axis] += next->dim[axis];
    }
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

fr_status fr_infer_flatten(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    int64_t axis = node->attrs.axis;
    if (axis < -in->rank || axis > in->rank)
        return fr_node_fail(FR_INVALID, node, "axis %d is outside its %d dimensions", node->attrs.axis, in->rank);
    if (axis < 0)
        axis += in->rank;
    *fr_out_shape(graph, node) =
        (fr_shape){.rank = 2, .dim = {fr_shape_span(in, 0, (int32_t)axis), fr_shape_span(in, (int32_t)axis, in->rank)}};
    return FR_OK;
}

/* The target with its 0s and -1 filled in; false when it does not fit. */
static bool fill_target(const fr_shape *in, const int64_t *target, size_t count, bool allow_zero, fr_shape *out) {
    int32_t open = -1;
    size_t have = fr_shape_elements(in), rest = 1;
    *out = (fr_shape){.rank = (int32_t)count};
    for (int32_t i = 0; i < out->rank; i++) {
        out->dim[i] = target[i];
        if (target[i] == -1) {
            if (open >= 0)
                return false;
            open = i;
            continue;
        }
        if (target[i] == 0 && !allow_zero) {
            if (i >= in->rank)
                return false;
            out->dim[i] = in->dim[i];
        }
        if (out->dim[i] < 0 || !fr_size_mul(rest, (size_t)out->dim[i], &rest))
            return false;
    }
    if (open < 0)
        return rest == have;
    if (rest == 0 || have % rest != 0)
        return false;
    out->dim[open] = (int64_t)(have / rest);
    return true;
}

/*
 * A constant target speaks of the batch the file was written for. Where its first number is that batch and the input's
 * first dimension is the batch, it means "the batch". A first 1 in a file of another batch means it only when the numbers
 * taken literally do not fit.
 */
fr_status fr_infer_reshape(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    int64_t target[FR_MAX_RANK];
    size_t count;
    const int64_t *given = fr_known_ints(graph, node->inputs[1], &count);
    if (!given)
        return fr_node_fail(FR_UNSUPPORTED, node, "its target shape comes from '%s' and is not constant",
                            graph->values[node->inputs[1]].name);
    if (count > FR_MAX_RANK)
        return fr_node_fail(FR_UNSUPPORTED, node, "a target of %zu dimensions; %d at most are supported", count,
                            FR_MAX_RANK);
    if (count)
        memcpy(target, given, count * sizeof *target);
    fr_shape literal, batched;
    bool fits = fill_target(in, target, count, node->attrs.allow_zero, &literal);
    bool of_batch = count > 0 && in->rank > 0 && graph->values[node->inputs[1]].is_const &&
                    in->dim[0] == graph->batch && target[0] != graph->batch;
    if (of_batch && (target[0] == graph->recorded_batch || (target[0] == 1 && !fits))) {
        target[0] = graph->batch;
        if (fill_target(in, target, count, node->attrs.allow_zero, &batched)) {
            *fr_out_shape(graph, node) = batched;
            return FR_OK;
        }
    }
    if (!fits) {
        char have[128], want[128];
        fr_shape shown = {.rank = (int32_t)count};
        if (count)
            memcpy(shown.dim, given, count * sizeof *given);
        fr_shape_text(in, have, sizeof have);
        fr_shape_text(&shown, want, sizeof want);
        return fr_node_fail(FR_INVALID, node, "%s can't be reshaped to %s", have, want);
    }
    *fr_out_shape(graph, node) = literal;
    return FR_OK;
}

/* Without axes every 1 goes, but never the batch: or the meaning would change with it. */
fr_status fr_infer_squeeze(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    bool drop[FR_MAX_RANK] = {false};
    FR_TRY(fr_resolve_axes(graph, node, 1));
    for (int32_t i = 0; i < node->attrs.n_axes; i++) {
        int32_t axis;
        FR_TRY(fr_node_axis(node, node->attrs.axes[i], in->rank, &axis));
        if (in->dim[axis] != 1)
            return fr_node_fail(FR_INVALID, node, "dimension %d is %lld and can't be dropped", axis,
                                (long long)in->dim[axis]);
        drop[axis] = true;
    }
    if (node->attrs.n_axes == 0)
        for (int32_t i = 0; i < in->rank; i++)
            drop[i] = in->dim[i] == 1 && (i > 0 || graph->values[node->inputs[0]].is_const);
    fr_shape out = {0};
    for (int32_t i = 0; i < in->rank; i++)
        if (!drop[i])
            out.dim[out.rank++] = in->dim[i];
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

fr_status fr_infer_unsqueeze(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    bool fresh[FR_MAX_RANK] = {false};
    FR_TRY(fr_resolve_axes(graph, node, 1));
    int32_t rank = in->rank + node->attrs.n_axes;
    if (rank > FR_MAX_RANK)
        return fr_node_fail(FR_UNSUPPORTED, node, "a result of %d dimensions; %d at most are supported", rank,
                            FR_MAX_RANK);
    for (int32_t i = 0; i < node->attrs.n_axes; i++) {
        int32_t axis;
        FR_TRY(fr_node_axis(node, node->attrs.axes[i], rank, &axis));
        if (fresh[axis])
            return fr_node_fail(FR_INVALID, node, "axis %d is named twice", axis);
        fresh[axis] = true;
    }
    fr_shape out = {.rank = rank};
    for (int32_t i = 0, from = 0; i < rank; i++)
        out.dim[i] = fresh[i] ? 1 : in->dim[from++];
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

/* Without a permutation the dimensions are turned around; the attributes then say so. */
fr_status fr_infer_transpose(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    fr_attrs *a = &node->attrs;
    bool seen[FR_MAX_RANK] = {false};
    if (a->n_axes == 0)
        for (a->n_axes = 0; a->n_axes < in->rank; a->n_axes++)
            a->axes[a->n_axes] = in->rank - 1 - a->n_axes;
    if (a->n_axes != in->rank)
        return fr_node_fail(FR_INVALID, node, "a permutation of %d dimensions for an input of %d", a->n_axes, in->rank);
    fr_shape out = {.rank = in->rank};
    for (int32_t i = 0; i < in->rank; i++) {
        int32_t axis;
        FR_TRY(fr_node_axis(node, a->axes[i], in->rank, &axis));
        if (seen[axis])
            return fr_node_fail(FR_INVALID, node, "dimension %d stands twice in its permutation", axis);
        seen[axis] = true;
        a->axes[i] = axis;
        out.dim[i] = in->dim[axis];
    }
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

/* Pads, value and axes that come as inputs (opset 11 and later) are moved to the attributes, for all axes. */
static fr_status resolve_pads(const fr_graph *graph, fr_node *node, int32_t rank) {
    fr_attrs *a = &node->attrs;
    size_t count, n_axes = (size_t)rank;
    const int64_t *axes = NULL, *pads;
    if (fr_node_has(node, 2)) {
        const fr_value *value = &graph->values[node->inputs[2]];
        if (!value->is_const || !value->data || fr_shape_elements(&value->shape) != 1)
            return fr_node_fail(FR_UNSUPPORTED, node, "its value '%s' is not one constant number", value->name);
        a->pad_value = value->dtype == FR_S64 ? (float)*(const int64_t *)value->data : *(const float *)value->data;
    }
    if (!fr_node_has(node, 1))
        return FR_OK;
    pads = fr_known_ints(graph, node->inputs[1], &count);
    if (!pads)
        return fr_node_fail(FR_UNSUPPORTED, node, "its pads come from '%s' and are not constant",
                            graph->values[node->inputs[1]].name);
    if (fr_node_has(node, 3)) {
        axes = fr_known_ints(graph, node->inputs[3], &n_axes);
        if (!axes)
            return fr_node_fail(FR_UNSUPPORTED, node, "its axes come from '%s' and are not constant",
                                graph->values[node->inputs[3]].name);
    }
    if (n_axes > FR_MAX_RANK || count != 2 * n_axes)
        return fr_node_fail(FR_INVALID, node, "%zu pads for %zu dimensions", count, n_axes);
    memset(a->pads, 0, sizeof a->pads);
    a->n_pads = 2 * rank;
    for (size_t i = 0; i < n_axes; i++) {
        int32_t axis;
        FR_TRY(fr_node_axis(node, axes ? axes[i] : (int64_t)i, rank, &axis));
        a->pads[axis] = pads[i];
        a->pads[axis + rank] = pads[i + n_axes];
    }
    return FR_OK;
}

fr_status fr_infer_pad(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    const fr_attrs *a = &node->attrs;
    FR_TRY(resolve_pads(graph, node, in->rank));
    if (a->n_pads != 2 * in->rank)
        return fr_node_fail(FR_INVALID, node, "%d pads for an input of %d dimensions", a->n_pads, in->rank);
    fr_shape out = {.rank = in->rank};
    for (int32_t i = 0; i < in->rank; i++) {
        int64_t before = a->pads[i], after = a->pads[i + in->rank];
        if (before < -INT32_MAX || before > INT32_MAX || after < -INT32_MAX || after > INT32_MAX ||
            in->dim[i] > INT64_MAX / 2)
            return fr_node_fail(FR_INVALID, node, "pads of %lld and %lld are too large", (long long)before,
                                (long long)after);
        out.dim[i] = in->dim[i] + before + after;
        if (out.dim[i] < 1)
            return fr_node_fail(FR_INVALID, node, "negative pads leave nothing of dimension %d", i);
    }
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

fr_status fr_infer_softmax(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    int32_t axis;
    FR_TRY(fr_node_axis(node, node->attrs.axis, in->rank, &axis));
    *fr_out_shape(graph, node) = *in;
    return FR_OK;
}

/* Reduced dimensions go, or become 1. */
static void reduce_dims(const fr_shape *in, const bool *reduced, bool keep, fr_shape *out) {
    *out = (fr_shape){0};
    for (int32_t i = 0; i < in->rank; i++)
        if (!reduced[i] || keep)
            out->dim[out->rank++] = reduced[i] ? 1 : in->dim[i];
}

/* Without axes all are reduced; the attributes then say so. */
fr_status fr_infer_reduce_mean(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    fr_attrs *a = &node->attrs;
    bool reduced[FR_MAX_RANK] = {false};
    FR_TRY(fr_resolve_axes(graph, node, 1));
    if (a->n_axes == 0)
        for (a->n_axes = 0; a->n_axes < in->rank; a->n_axes++)
            a->axes[a->n_axes] = a->n_axes;
    for (int32_t i = 0; i < a->n_axes; i++) {
        int32_t axis;
        FR_TRY(fr_node_axis(node, a->axes[i], in->rank, &axis));
        reduced[axis] = true;
    }
    reduce_dims(in, reduced, a->keepdims, fr_out_shape(graph, node));
    return FR_OK;
}

fr_status fr_infer_argmax(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    bool reduced[FR_MAX_RANK] = {false};
    int32_t axis;
    FR_TRY(fr_node_axis(node, node->attrs.axis, in->rank, &axis));
    reduced[axis] = true;
    graph->values[node->outputs[0]].dtype = FR_S64;
    reduce_dims(in, reduced, node->attrs.keepdims, fr_out_shape(graph, node));
    return FR_OK;
}

fr_status fr_infer_shape(fr_graph *graph, fr_node *node) {
    int64_t rank = fr_in_shape(graph, node, 0)->rank;
    int64_t edge[2] = {0, rank};
    for (int32_t i = 0; i < node->attrs.n_axes && i < 2; i++) {
        edge[i] = node->attrs.axes[i];
        if (edge[i] < 0)
            edge[i] = edge[i] < -rank ? 0 : edge[i] + rank;
        edge[i] = edge[i] > rank ? rank : edge[i];
    }
    graph->values[node->outputs[0]].dtype = FR_S64;
    *fr_out_shape(graph, node) = (fr_shape){.rank = 1, .dim = {edge[1] > edge[0] ? edge[1] - edge[0] : 0}};
    return FR_OK;
}

fr_status fr_infer_gather(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0), *indices = fr_in_shape(graph, node, 1);
    int32_t axis;
    FR_TRY(fr_node_axis(node, node->attrs.axis, in->rank, &axis));
    if (in->rank - 1 + indices->rank > FR_MAX_RANK)
        return fr_node_fail(FR_UNSUPPORTED, node, "a result of %d dimensions; %d at most are supported",
                            in->rank - 1 + indices->rank, FR_MAX_RANK);
    fr_shape out = {0};
    for (int32_t i = 0; i < axis; i++)
        out.dim[out.rank++] = in->dim[i];
    for (int32_t i = 0; i < indices->rank; i++)
        out.dim[out.rank++] = indices->dim[i];
    for (int32_t i = axis + 1; i < in->rank; i++)
        out.dim[out.rank++] = in->dim[i];
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}
