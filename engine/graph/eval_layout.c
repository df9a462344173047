/* Ops that move numbers, count them, or reduce along axes. */
#include <math.h>
#include <string.h>

#include "graph/op_parts.h"

fr_status fr_eval_concat(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_shape *full = &out[0].shape;
    int32_t axis = node->attrs.axis < 0 ? node->attrs.axis + full->rank : node->attrs.axis;
    int64_t outer = fr_shape_span(full, 0, axis), inner = fr_shape_span(full, axis + 1, full->rank);
    (void)graph;
    for (int64_t o = 0, to = 0; o < outer; o++)
        for (int32_t i = 0; i < node->n_inputs; i++) {
            int64_t run = in[i].shape.dim[axis] * inner;
            if (run > 0)
                memcpy(out[0].data + to, in[i].data + o * run, (size_t)run * sizeof *out[0].data);
            to += run;
        }
    return FR_OK;
}

/* Counts one up in a mixed-radix index; false after the last. */
static bool next_index(const fr_shape *shape, int64_t *index) {
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        if (++index[d] < shape->dim[d])
            return true;
        index[d] = 0;
    }
    return false;
}

fr_status fr_eval_transpose(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    int64_t index[FR_MAX_RANK] = {0}, steps[FR_MAX_RANK];
    int32_t rank = in[0].shape.rank;
    (void)graph;
    for (int32_t i = 0; i < rank; i++)
        steps[i] = fr_shape_span(&in[0].shape, (int32_t)node->attrs.axes[i] + 1, rank);
    size_t to = 0;
    do {
        int64_t from = 0;
        for (int32_t i = 0; i < rank; i++)
            from += index[i] * steps[i];
        out[0].data[to++] = in[0].data[from];
    } while (next_index(&out[0].shape, index));
    return FR_OK;
}

fr_status fr_eval_pad(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    int64_t index[FR_MAX_RANK] = {0};
    int32_t rank = in[0].shape.rank;
    size_t to = 0;
    (void)graph;
    do {
        int64_t from = 0;
        bool inside = true;
        for (int32_t i = 0; i < rank; i++) {
            int64_t at = index[i] - node->attrs.pads[i];
            inside &= at >= 0 && at < in[0].shape.dim[i];
            from = from * in[0].shape.dim[i] + at;
        }
        out[0].data[to++] = inside ? in[0].data[from] : (double)node->attrs.pad_value;
    } while (next_index(&out[0].shape, index));
    return FR_OK;
}

/* Before opset 13 everything from the axis on is one row; since then only the axis. */
fr_status fr_eval_softmax(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_shape *shape = &in[0].shape;
    int32_t axis = node->attrs.axis < 0 ? node->attrs.axis + shape->rank : node->attrs.axis;
    int64_t outer = fr_shape_span(shape, 0, axis), length = shape->dim[axis],
            inner = fr_shape_span(shape, axis + 1, shape->rank);
    (void)graph;
    if (node->attrs.opset < 13) {
        length *= inner;
        inner = 1;
    }
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const double *src = in[0].data + o * length * inner + i;
            double *dst = out[0].data + o * length * inner + i;
            double top = -INFINITY, sum = 0;
            for (int64_t k = 0; k < length; k++)
                top = src[k * inner] > top ? src[k * inner] : top;
            for (int64_t k = 0; k < length; k++)
                sum += dst[k * inner] = exp(src[k * inner] - top);
            for (int64_t k = 0; k < length; k++)
                dst[k * inner] /= sum;
        }
    return FR_OK;
}

fr_status fr_eval_reduce_mean(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_shape *shape = &in[0].shape;
    int64_t index[FR_MAX_RANK] = {0}, steps[FR_MAX_RANK] = {0}, step = 1;
    bool reduced[FR_MAX_RANK] = {false};
    size_t results = fr_shape_elements(&out[0].shape), from = 0;
    (void)graph;
    for (int32_t i = 0; i < node->attrs.n_axes; i++)
        reduced[node->attrs.axes[i] < 0 ? node->attrs.axes[i] + shape->rank : node->attrs.axes[i]] = true;
    for (int32_t i = shape->rank - 1; i >= 0; i--)
        if (!reduced[i]) {
            steps[i] = step;
            step *= shape->dim[i];
        }
    memset(out[0].data, 0, results * sizeof *out[0].data);
    do {
        int64_t to = 0;
        for (int32_t i = 0; i < shape->rank; i++)
            to += index[i] * steps[i];
        out[0].data[to] += in[0].data[from++];
    } while (next_index(shape, index));
    for (size_t i = 0; i < results; i++)
        out[0].data[i] /= (double)(fr_shape_elements(shape) / results);
    return FR_OK;
}

fr_status fr_eval_argmax(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_shape *shape = &in[0].shape;
    int32_t axis = node->attrs.axis < 0 ? node->attrs.axis + shape->rank : node->attrs.axis;
    int64_t outer = fr_shape_span(shape, 0, axis), length = shape->dim[axis],
            inner = fr_shape_span(shape, axis + 1, shape->rank);
    (void)graph;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const double *src = in[0].data + o * length * inner + i;
            int64_t best = 0;
            for (int64_t k = 1; k < length; k++)
                if (src[k * inner] > src[best * inner] ||
                    (node->attrs.select_last && src[k * inner] >= src[best * inner]))
                    best = k;
            out[0].data[o * inner + i] = (double)best;
        }
    return FR_OK;
}

fr_status fr_eval_shape(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    int64_t rank = in[0].shape.rank, first = node->attrs.n_axes > 0 ? node->attrs.axes[0] : 0;
    (void)graph;
    first = first < -rank ? 0 : first < 0 ? first + rank : first;
    for (int64_t i = 0; i < out[0].shape.dim[0]; i++)
        out[0].data[i] = (double)in[0].shape.dim[first + i];
    return FR_OK;
}

fr_status fr_eval_gather(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_shape *shape = &in[0].shape;
    int32_t axis = node->attrs.axis < 0 ? node->attrs.axis + shape->rank : node->attrs.axis;
    int64_t outer = fr_shape_span(shape, 0, axis), length = shape->dim[axis],
            inner = fr_shape_span(shape, axis + 1, shape->rank);
    size_t count = fr_shape_elements(&in[1].shape);
    double *dst = out[0].data;
    (void)graph;
    for (int64_t o = 0; o < outer; o++)
        for (size_t i = 0; i < count; i++) {
            double at = in[1].data[i] < 0 ? in[1].data[i] + (double)length : in[1].data[i];
            if (!(at >= 0 && at < (double)length))
                return fr_node_fail(FR_INVALID, node, "index %.0f is outside the %lld numbers of its axis",
                                    in[1].data[i], (long long)length);
            if (inner > 0)
                memcpy(dst, in[0].data + (o * length + (int64_t)at) * inner, (size_t)inner * sizeof *dst);
            dst += inner;
        }
    return FR_OK;
}
