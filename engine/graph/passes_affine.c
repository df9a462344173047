/*
 * y = x * scale + shift, one pair a channel: BatchNormalization, and Add, Sub, Mul or Div with a constant. Folded into the
 * conv or Gemm before it, else into the conv after it, else a depthwise 1x1 conv of its own.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/rewrite.h"

typedef struct affine {
    int32_t input;
    int64_t channels;
    double *scale, *shift;
    bool scales, shifts;
} affine;

static fr_status affine_new(fr_rewriter *r, int32_t input, affine *out) {
    int64_t channels = r->graph->values[input].shape.dim[1];
    *out = (affine){.input = input, .channels = channels};
    out->scale = fr_alloc_array((size_t)channels, sizeof *out->scale);
    out->shift = fr_alloc_array((size_t)channels, sizeof *out->shift);
    return out->scale && out->shift ? FR_OK : fr_no_memory((size_t)channels * 16, "a channel's scale");
}

static void affine_free(affine *a) {
    fr_free(a->scale);
    fr_free(a->shift);
    *a = (affine){.input = -1};
}

/* Which input of Add, Sub, Mul, Div is a constant of one number a channel (or one in all); -1 when none is. */
static int32_t channel_operand(const fr_rewriter *r, const fr_node *node) {
    for (int32_t i = 1; i >= 0; i--) {
        if (!fr_rewrite_is_weight(r, node, i) || r->graph->values[node->inputs[1 - i]].is_const)
            continue;
        const fr_shape *data = fr_in_shape(r->graph, node, 1 - i), *c = fr_in_shape(r->graph, node, i);
        if (data->rank < 2 || c->rank > data->rank || !fr_shape_equal(data, &r->graph->values[node->outputs[0]].shape))
            return -1;
        for (int32_t d = 0; d < c->rank; d++) {
            int32_t axis = d + data->rank - c->rank;
            if (c->dim[d] != 1 && (axis != 1 || c->dim[d] != data->dim[1]))
                return -1;
        }
        return i;
    }
    return -1;
}

static fr_status read_binary(fr_rewriter *r, const fr_node *node, affine *out) {
    int32_t at = channel_operand(r, node);
    const float *c;
    if (at < 0 || (node->op == FR_OP_DIV && at == 0))
        return FR_OK;
    size_t count = fr_shape_elements(fr_in_shape(r->graph, node, at));
    FR_TRY(fr_rewrite_floats(r, node->inputs[at], &c));
    for (size_t i = 0; i < count && node->op == FR_OP_DIV; i++)
        if (c[i] == 0.0f)
            return FR_OK;
    FR_TRY(affine_new(r, node->inputs[1 - at], out));
    for (int64_t i = 0; i < out->channels; i++) {
        double number = (double)c[count == 1 ? 0 : i];
        switch (node->op) {
        case FR_OP_MUL: out->scale[i] = number; break;
        case FR_OP_DIV: out->scale[i] = 1 / number; break;
        case FR_OP_SUB:
            out->scale[i] = at == 1 ? 1 : -1;
            out->shift[i] = at == 1 ? -number : number;
            break;
        default:
            out->scale[i] = 1;
            out->shift[i] = number;
            break;
        }
    }
    return FR_OK;
}

static fr_status read_batchnorm(fr_rewriter *r, const fr_node *node, affine *out) {
    const float *part[5] = {NULL};
    for (int32_t i = 1; i <= 4; i++) {
        if (!fr_rewrite_is_weight(r, node, i))
            return FR_OK;
        FR_TRY(fr_rewrite_floats(r, node->inputs[i], &part[i]));
    }
    FR_TRY(affine_new(r, node->inputs[0], out));
    for (int64_t i = 0; i < out->channels; i++) {
        out->scale[i] = (double)part[1][i] / sqrt((double)part[4][i] + (double)node->attrs.epsilon);
        out->shift[i] = (double)part[2][i] - (double)part[3][i] * out->scale[i];
    }
    return FR_OK;
}

/* out->input stays -1 when the node is nothing of the kind. */
static fr_status read_affine(fr_rewriter *r, const fr_node *node, affine *out) {
    fr_status status = FR_OK;
    *out = (affine){.input = -1};
    if (node->op == FR_OP_BATCHNORM)
        status = read_batchnorm(r, node, out);
    else if (node->op == FR_OP_ADD || node->op == FR_OP_SUB || node->op == FR_OP_MUL || node->op == FR_OP_DIV)
        status = read_binary(r, node, out);
    if (status != FR_OK)
        affine_free(out);
    for (int64_t i = 0; i < out->channels; i++) {
        out->scales |= out->scale[i] != 1;
        out->shifts |= out->shift[i] != 0;
    }
    return status;
}

/* The bias of a conv or Gemm, or zeros, as doubles. */
static fr_status read_bias(fr_rewriter *r, const fr_node *node, int64_t count, double **out_bias) {
    const float *bias = NULL;
    *out_bias = NULL;
    if (fr_node_has(node, 2))
        FR_TRY(fr_rewrite_floats(r, node->inputs[2], &bias));
    *out_bias = fr_alloc_array((size_t)count, sizeof **out_bias);
    if (!*out_bias)
        return fr_no_memory((size_t)count * sizeof **out_bias, node->name);
    for (int64_t i = 0; i < count && bias; i++)
        (*out_bias)[i] = (double)bias[i];
    return FR_OK;
}

static fr_status const_of(fr_rewriter *r, int32_t index, const char *word, const fr_shape *shape, const double *numbers,
                          int32_t *out_value) {
    size_t count = fr_shape_elements(shape);
    float *data = fr_alloc_array(count, sizeof *data);
    for (size_t i = 0; i < count && data; i++)
        data[i] = (float)numbers[i];
    return fr_rewrite_const(r, &r->graph->nodes[index], word, FR_F32, shape, data, out_value);
}

/* weights[o][i][...] * scale(o, i), as a new constant. */
typedef double scale_fn(const affine *a, int64_t o, int64_t i, int64_t group_in, int64_t group_out);
static double scale_of_output(const affine *a, int64_t o, int64_t i, int64_t group_in, int64_t group_out) {
    (void)i, (void)group_in, (void)group_out;
    return a->scale[o];
}
static double scale_of_input(const affine *a, int64_t o, int64_t i, int64_t group_in, int64_t group_out) {
    return a->scale[o / group_out * group_in + i];
}

static fr_status scale_weights(fr_rewriter *r, int32_t index, const affine *a, scale_fn *scale, int32_t *out_value) {
    const fr_node *node = &r->graph->nodes[index];
    fr_shape shape = *fr_in_shape(r->graph, node, 1);
    int64_t taps = fr_shape_span(&shape, 2, shape.rank), group_out = shape.dim[0] / node->attrs.group;
    const float *src;
    FR_TRY(fr_rewrite_floats(r, node->inputs[1], &src));
    float *dst = fr_alloc_array(fr_shape_elements(&shape), sizeof *dst);
    for (int64_t o = 0, at = 0; o < shape.dim[0] && dst; o++)
        for (int64_t i = 0; i < shape.dim[1]; i++) {
            double factor = scale(a, o, i, shape.dim[1], group_out);
            for (int64_t k = 0; k < taps; k++, at++)
                dst[at] = (float)((double)src[at] * factor);
        }
    return fr_rewrite_const(r, node, "weight", FR_F32, &shape, dst, out_value);
}

static fr_status set_weights(fr_rewriter *r, int32_t index, int32_t weight, const double *bias, int64_t channels) {
    int32_t bias_value;
    FR_TRY(const_of(r, index, "bias", &(fr_shape){.rank = 1, .dim = {channels}}, bias, &bias_value));
    fr_node *node = &r->graph->nodes[index];
    fr_attrs attrs = node->attrs;
    int32_t inputs[3] = {node->inputs[0], weight, bias_value};
    return fr_rewrite_become(r, node, node->op, &attrs, inputs, 3);
}

static bool takes_affine(const fr_rewriter *r, const fr_node *node) {
    if (!node || !fr_rewrite_is_weight(r, node, 1) || (fr_node_has(node, 2) && !fr_rewrite_is_weight(r, node, 2)))
        return false;
    if (node->op == FR_OP_CONV)
        return true;
    const fr_attrs *a = &node->attrs;
    if (node->op != FR_OP_GEMM || !a->trans_b || a->trans_a || a->alpha != 1.0f)
        return false;
    return !fr_node_has(node, 2) || (a->beta == 1.0f && fr_in_shape(r->graph, node, 2)->rank == 1 &&
                                     fr_in_shape(r->graph, node, 2)->dim[0] == fr_in_shape(r->graph, node, 1)->dim[0]);
}

/* W'[o] = W[o] * scale[o], b' = b * scale + shift; nodes[index] goes. */
static fr_status fold_backward(fr_rewriter *r, int32_t index, const affine *a) {
    fr_status status = FR_OK;
    int32_t before = r->graph->values[a->input].producer, weight = r->graph->nodes[before].inputs[1];
    double *bias;
    FR_TRY(read_bias(r, &r->graph->nodes[before], a->channels, &bias));
    for (int64_t i = 0; i < a->channels; i++)
        bias[i] = bias[i] * a->scale[i] + a->shift[i];
    if (a->scales)
        FR_GO(cleanup, scale_weights(r, before, a, scale_of_output, &weight));
    FR_GO(cleanup, set_weights(r, before, weight, bias, a->channels));
    fr_rewrite_bypass(r, &r->graph->nodes[index], a->input);
cleanup:
    fr_free(bias);
    return status;
}

static fr_status become_depthwise(fr_rewriter *r, int32_t index, const affine *a) {
    int32_t inputs[3] = {a->input, -1, -1};
    fr_attrs attrs = fr_attrs_default(FR_OP_CONV);
    if (a->channels > INT32_MAX)
        return FR_OK;
    attrs.group = (int32_t)a->channels;
    attrs.kernel[0] = attrs.kernel[1] = 1;
    FR_TRY(const_of(r, index, "weight", &(fr_shape){.rank = 4, .dim = {a->channels, 1, 1, 1}}, a->scale, &inputs[1]));
    FR_TRY(const_of(r, index, "bias", &(fr_shape){.rank = 1, .dim = {a->channels}}, a->shift, &inputs[2]));
    return fr_rewrite_become(r, &r->graph->nodes[index], FR_OP_CONV, &attrs, inputs, 3);
}

/* The bypass of a fold happens only where a->input has no other reader and its name may go. */
static fr_status fold_node(fr_rewriter *r, int32_t index) {
    affine a;
    fr_status status = FR_OK;
    FR_TRY(read_affine(r, &r->graph->nodes[index], &a));
    if (a.input < 0)
        return FR_OK;
    const fr_node *before = fr_rewrite_maker(r, a.input);
    if (!a.scales && !a.shifts && fr_rewrite_bypass(r, &r->graph->nodes[index], a.input))
        ;
    else if (takes_affine(r, before) && r->uses[a.input] == 1)
        status = fold_backward(r, index, &a);
    else if (r->graph->values[a.input].shape.rank == 4)
        status = become_depthwise(r, index, &a);
    affine_free(&a);
    return status;
}

/* A depthwise 1x1 conv is a scale and a shift as well: the conv after it takes them, the shift where no zeros are padded in. */
static bool is_depthwise_1x1(const fr_rewriter *r, const fr_node *node) {
    const fr_attrs *a = &node->attrs;
    const fr_shape *w = fr_in_shape(r->graph, node, 1);
    return takes_affine(r, node) && a->group == w->dim[0] && w->dim[1] == 1 && a->kernel[0] == 1 && a->kernel[1] == 1 &&
           a->stride[0] == 1 && a->stride[1] == 1 && !(a->pad[0] | a->pad[1] | a->pad[2] | a->pad[3]) &&
           w->dim[0] == fr_in_shape(r->graph, node, 0)->dim[1];
}

static fr_status read_depthwise(fr_rewriter *r, const fr_node *node, affine *out) {
    const float *scale, *shift = NULL;
    FR_TRY(fr_rewrite_floats(r, node->inputs[1], &scale));
    if (fr_node_has(node, 2))
        FR_TRY(fr_rewrite_floats(r, node->inputs[2], &shift));
    fr_status status = affine_new(r, node->inputs[0], out);
    for (int64_t i = 0; i < out->channels && status == FR_OK; i++) {
        out->scale[i] = (double)scale[i];
        out->shift[i] = shift ? (double)shift[i] : 0;
        out->shifts |= out->shift[i] != 0;
    }
    if (status != FR_OK)
        affine_free(out);
    return status;
}

/* W'[o][i] = W[o][i] * scale[i], b'[o] = b[o] + sum over i and taps of W[o][i] * shift[i] */
static fr_status fold_forward(fr_rewriter *r, int32_t index) {
    fr_status status = FR_OK;
    fr_node *node = &r->graph->nodes[index];
    const fr_node *before = fr_rewrite_sole_maker(r, node->inputs[0], FR_OP_CONV);
    const fr_attrs *at = &node->attrs;
    affine a = {.input = -1};
    double *bias = NULL;
    const float *w;
    int32_t weight;
    if (!takes_affine(r, node) || !before || !is_depthwise_1x1(r, before))
        return FR_OK;
    fr_shape shape = *fr_in_shape(r->graph, node, 1);
    int64_t taps = fr_shape_span(&shape, 2, shape.rank), group_out = shape.dim[0] / at->group;
    FR_TRY(read_depthwise(r, before, &a));
    if (a.shifts && (at->pad[0] | at->pad[1] | at->pad[2] | at->pad[3]))
        goto cleanup;
    FR_GO(cleanup, read_bias(r, node, shape.dim[0], &bias));
    FR_GO(cleanup, fr_rewrite_floats(r, node->inputs[1], &w));
    for (int64_t o = 0; o < shape.dim[0]; o++)
        for (int64_t i = 0; i < shape.dim[1]; i++)
            for (int64_t k = 0; k < taps; k++)
                bias[o] += (double)w[(o * shape.dim[1] + i) * taps + k] * a.shift[o / group_out * shape.dim[1] + i];
    FR_GO(cleanup, scale_weights(r, index, &a, scale_of_input, &weight));
    fr_rewrite_set_input(r, &r->graph->nodes[index], 0, a.input);
    FR_GO(cleanup, set_weights(r, index, weight, bias, shape.dim[0]));
cleanup:
    affine_free(&a);
    fr_free(bias);
    return status;
}

fr_status fr_pass_affine(fr_rewriter *r) {
    int32_t count = r->graph->n_nodes;
    for (int32_t n = 0; n < count; n++) {
        if (r->graph->nodes[n].op == FR_OP_CONV)
            FR_TRY(fold_forward(r, n));
        else
            FR_TRY(fold_node(r, n));
    }
    return FR_OK;
}
