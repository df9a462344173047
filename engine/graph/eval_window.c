/* Conv, pools and norms in plain loops. Maps are N, C, H, W. */
#include <math.h>

#include "graph/op_parts.h"

typedef struct span {
    int64_t first, last;
} span; /* [first, last) */

/* Output columns whose tap at `offset` (from the window's start in the padded row) lies on the map. */
static span valid_outputs(int64_t offset, int64_t pad, int64_t stride, int64_t in, int64_t out) {
    int64_t first = pad > offset ? (pad - offset + stride - 1) / stride : 0;
    int64_t room = in - 1 + pad - offset;
    int64_t last = room < 0 ? 0 : room / stride + 1;
    return (span){first, last < out ? last : out};
}

/* dst plane += w[kh][kw] * src plane, tap by tap: the inner loop runs along a row. */
static void conv_plane(const fr_attrs *a, const double *src, int64_t h, int64_t w, const double *weight, double *dst,
                       int64_t oh, int64_t ow) {
    for (int32_t kh = 0; kh < a->kernel[0]; kh++) {
        span rows = valid_outputs((int64_t)kh * a->dilation[0], a->pad[0], a->stride[0], h, oh);
        for (int32_t kw = 0; kw < a->kernel[1]; kw++) {
            span columns = valid_outputs((int64_t)kw * a->dilation[1], a->pad[1], a->stride[1], w, ow);
            double tap = weight[(int64_t)kh * a->kernel[1] + kw];
            for (int64_t y = rows.first; y < rows.last; y++) {
                const double *row = src + (y * a->stride[0] - a->pad[0] + (int64_t)kh * a->dilation[0]) * w;
                int64_t shift = (int64_t)kw * a->dilation[1] - a->pad[1], stride = a->stride[1];
                double *to = dst + y * ow;
                if (stride == 1)
                    for (int64_t x = columns.first; x < columns.last; x++)
                        to[x] += tap * row[x + shift];
                else
                    for (int64_t x = columns.first; x < columns.last; x++)
                        to[x] += tap * row[x * stride + shift];
            }
        }
    }
}

fr_status fr_eval_conv(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_attrs *a = &node->attrs;
    const int64_t *x = in[0].shape.dim, *k = in[1].shape.dim, *y = out[0].shape.dim;
    int64_t plane_in = x[2] * x[3], plane_out = y[2] * y[3], taps = k[2] * k[3];
    int64_t group_in = k[1], group_out = k[0] / a->group;
    (void)graph;
    for (int64_t n = 0; n < y[0]; n++)
        for (int64_t o = 0; o < y[1]; o++) {
            double *dst = out[0].data + (n * y[1] + o) * plane_out;
            double bias = fr_node_has(node, 2) ? in[2].data[o] : 0;
            for (int64_t i = 0; i < plane_out; i++)
                dst[i] = bias;
            for (int64_t i = 0; i < group_in; i++) {
                int64_t channel = o / group_out * group_in + i;
                conv_plane(a, in[0].data + (n * x[1] + channel) * plane_in, x[2], x[3],
                           in[1].data + (o * group_in + i) * taps, dst, y[2], y[3]);
            }
        }
    return FR_OK;
}

/* One window. An average counts the pixels on the map, or on the padded map; a window may stick out of both (ceil_mode). */
static double pool_window(const fr_node *node, const double *src, const int64_t *x, int64_t top, int64_t left) {
    const fr_attrs *a = &node->attrs;
    bool is_max = node->op == FR_OP_MAXPOOL;
    double best = -INFINITY, sum = 0;
    int64_t count = 0;
    for (int32_t kh = 0; kh < a->kernel[0]; kh++)
        for (int32_t kw = 0; kw < a->kernel[1]; kw++) {
            int64_t r = top + (int64_t)kh * a->dilation[0], c = left + (int64_t)kw * a->dilation[1];
            bool on_map = r >= 0 && r < x[2] && c >= 0 && c < x[3];
            bool on_padded = r >= -a->pad[0] && r < x[2] + a->pad[2] && c >= -a->pad[1] && c < x[3] + a->pad[3];
            count += a->count_include_pad ? on_padded : on_map;
            if (!on_map)
                continue;
            double value = src[r * x[3] + c];
            best = value > best || isnan(value) ? value : best;
            sum += value;
        }
    return is_max ? best : count > 0 ? sum / (double)count : 0;
}

fr_status fr_eval_pool(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_attrs *a = &node->attrs;
    const int64_t *x = in[0].shape.dim, *y = out[0].shape.dim;
    (void)graph;
    for (int64_t plane = 0; plane < y[0] * y[1]; plane++)
        for (int64_t r = 0; r < y[2]; r++)
            for (int64_t c = 0; c < y[3]; c++)
                out[0].data[(plane * y[2] + r) * y[3] + c] =
                    pool_window(node, in[0].data + plane * x[2] * x[3], x, r * a->stride[0] - a->pad[0],
                                c * a->stride[1] - a->pad[1]);
    return FR_OK;
}

fr_status fr_eval_global_pool(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    int64_t planes = in[0].shape.dim[0] * in[0].shape.dim[1], size = fr_shape_span(&in[0].shape, 2, in[0].shape.rank);
    (void)graph;
    for (int64_t plane = 0; plane < planes; plane++) {
        const double *src = in[0].data + plane * size;
        double sum = 0, best = -INFINITY;
        for (int64_t i = 0; i < size; i++) {
            sum += src[i];
            best = src[i] > best || isnan(src[i]) ? src[i] : best;
        }
        out[0].data[plane] = node->op == FR_OP_GLOBALMAXPOOL ? best : sum / (double)size;
    }
    return FR_OK;
}

/* y = x / (k + alpha / size * sum of x^2 over the `size` channels around)^beta */
fr_status fr_eval_lrn(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    const fr_attrs *a = &node->attrs;
    int64_t batch = in[0].shape.dim[0], channels = in[0].shape.dim[1],
            size = fr_shape_span(&in[0].shape, 2, in[0].shape.rank);
    int64_t before = (a->size - 1) / 2, after = a->size - 1 - before;
    (void)graph;
    for (int64_t n = 0; n < batch; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < size; i++) {
                int64_t first = c > before ? c - before : 0, last = c + after < channels - 1 ? c + after : channels - 1;
                double sum = 0;
                for (int64_t k = first; k <= last; k++) {
                    double value = in[0].data[(n * channels + k) * size + i];
                    sum += value * value;
                }
                int64_t at = (n * channels + c) * size + i;
                out[0].data[at] =
                    in[0].data[at] / pow((double)a->bias + (double)a->alpha / a->size * sum, (double)a->beta);
            }
    return FR_OK;
}

fr_status fr_eval_batchnorm(const fr_graph *graph, const fr_node *node, const fr_dense *in, fr_dense *out) {
    int64_t batch = in[0].shape.dim[0], channels = in[0].shape.dim[1],
            size = fr_shape_span(&in[0].shape, 2, in[0].shape.rank);
    (void)graph;
    for (int64_t n = 0; n < batch; n++)
        for (int64_t c = 0; c < channels; c++) {
            double factor = in[1].data[c] / sqrt(in[4].data[c] + (double)node->attrs.epsilon);
            for (int64_t i = 0; i < size; i++) {
                int64_t at = (n * channels + c) * size + i;
                out[0].data[at] = (in[0].data[at] - in[3].data[c]) * factor + in[2].data[c];
            }
        }
    return FR_OK;
}
