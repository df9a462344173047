/*
 * Activations that exporters spell out:
 *     Clip(x + 3, 0, 6) / 6, or times 1/6                          -> HardSigmoid(1/6, 1/2)
 *     x * HardSigmoid(1/6, 1/2)(x)                                 -> HardSwish
 *     x * Clip(x + 3, 0, 6) / 6, or times 1/6                      -> HardSwish
 */
#include <math.h>

#include "graph/rewrite.h"

/* Stored as floats: 1/6 comes rounded. */
static bool is_about(double got, double want) {
    return fabs(got - want) <= 1e-6 * fabs(want);
}

/* node = value / 6 or value * (1/6), either way around: value, or -1. */
static int32_t sixth_of(const fr_rewriter *r, const fr_node *node) {
    double number;
    if (node->op == FR_OP_DIV && fr_rewrite_scalar(r, node, 1, &number) && is_about(number, 6))
        return node->inputs[0];
    for (int32_t i = 0; i < 2 && node->op == FR_OP_MUL; i++)
        if (fr_rewrite_scalar(r, node, i, &number) && is_about(number, 1.0 / 6))
            return node->inputs[1 - i];
    return -1;
}

/* value = Clip(x + 3, 0, 6): x, or -1. */
static int32_t clipped_of(const fr_rewriter *r, int32_t value) {
    double number;
    const fr_node *clip = fr_rewrite_maker(r, value);
    if (!clip || clip->op != FR_OP_CLIP || clip->attrs.lo != 0.0f || clip->attrs.hi != 6.0f)
        return -1;
    const fr_node *add = fr_rewrite_maker(r, clip->inputs[0]);
    for (int32_t i = 0; i < 2 && add && add->op == FR_OP_ADD; i++)
        if (fr_rewrite_scalar(r, add, i, &number) && is_about(number, 3))
            return add->inputs[1 - i];
    return -1;
}

/* value = HardSigmoid(1/6, 1/2)(x): x, or -1. */
static int32_t hard_sigmoid_of(const fr_rewriter *r, int32_t value) {
    const fr_node *node = fr_rewrite_maker(r, value);
    bool found = node && node->op == FR_OP_HARDSIGMOID && is_about((double)node->attrs.alpha, 1.0 / 6) &&
                 is_about((double)node->attrs.beta, 0.5);
    return found ? node->inputs[0] : -1;
}

/* node = x * gate(x): x, or -1. */
static int32_t gated(const fr_rewriter *r, const fr_node *node, int32_t (*gate_of)(const fr_rewriter *, int32_t)) {
    for (int32_t i = 0; i < 2 && node && node->op == FR_OP_MUL; i++)
        if (node->inputs[i] >= 0 && gate_of(r, node->inputs[i]) == node->inputs[1 - i])
            return node->inputs[1 - i];
    return -1;
}

static bool same_shape(const fr_rewriter *r, const fr_node *node, int32_t value) {
    return fr_shape_equal(&r->graph->values[node->outputs[0]].shape, &r->graph->values[value].shape);
}

fr_status fr_pass_patterns(fr_rewriter *r) {
    for (int32_t n = 0; n < r->graph->n_nodes; n++) {
        fr_node *node = &r->graph->nodes[n];
        int32_t sixth = sixth_of(r, node);
        int32_t swish = sixth < 0 ? gated(r, node, hard_sigmoid_of) : gated(r, fr_rewrite_maker(r, sixth), clipped_of);
        int32_t gate = sixth < 0 ? -1 : clipped_of(r, sixth);
        if (swish >= 0 && same_shape(r, node, swish)) {
            FR_TRY(fr_rewrite_become(r, node, FR_OP_HARDSWISH, NULL, &swish, 1));
        } else if (gate >= 0 && same_shape(r, node, gate)) {
            fr_attrs attrs = fr_attrs_default(FR_OP_HARDSIGMOID);
            attrs.alpha = 1.0f / 6.0f;
            attrs.beta = 0.5f;
            FR_TRY(fr_rewrite_become(r, node, FR_OP_HARDSIGMOID, &attrs, &gate, 1));
        }
    }
    return FR_OK;
}
