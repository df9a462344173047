/* Zero padding before a conv or an average that counts it, and padding with "less than anything" before a maximum, is the
 * window's own padding. */
#include <float.h>

#include "graph/rewrite.h"

/* Only the map is padded, and outward. */
static bool pads_map(const fr_attrs *a) {
    if (a->n_pads != 8)
        return false;
    for (int i = 0; i < 8; i++)
        if (a->pads[i] < 0 || a->pads[i] > 1 << 20 || (i % 4 < 2 && a->pads[i] != 0))
            return false;
    return true;
}

static bool has_pads(const fr_attrs *a) {
    return (a->pad[0] | a->pad[1] | a->pad[2] | a->pad[3]) != 0;
}

static bool can_take(const fr_node *node, const fr_attrs *pad) {
    const fr_attrs *a = &node->attrs;
    bool zero = pad->pad_value == 0.0f, lowest = pad->pad_value <= -FLT_MAX;
    switch (node->op) {
    case FR_OP_CONV: return zero;
    case FR_OP_AVGPOOL: return zero && !a->ceil_mode && (a->count_include_pad || !has_pads(a));
    case FR_OP_MAXPOOL: return lowest && !a->ceil_mode;
    default: return false;
    }
}

/* A pool's windows must keep a pixel each: its padding stays smaller than its kernel. */
static bool fits_kernel(const fr_node *node, const fr_attrs *pad) {
    const fr_attrs *a = &node->attrs;
    for (int i = 0; i < 4 && node->op != FR_OP_CONV; i++) {
        int64_t reach = (int64_t)(a->kernel[i % 2] - 1) * a->dilation[i % 2] + 1;
        if (a->pad[i] + pad->pads[i < 2 ? 2 + i : 4 + i] >= reach)
            return false;
    }
    return true;
}

fr_status fr_pass_pads(fr_rewriter *r) {
    for (int32_t n = 0; n < r->graph->n_nodes; n++) {
        fr_node *node = &r->graph->nodes[n];
        const fr_node *pad = node->n_inputs > 0 ? fr_rewrite_maker(r, node->inputs[0]) : NULL;
        if (!pad || pad->op != FR_OP_PAD || !pads_map(&pad->attrs) || !can_take(node, &pad->attrs) ||
            !fits_kernel(node, &pad->attrs))
            continue;
        for (int i = 0; i < 4; i++) /* ONNX's begins then ends of N, C, H, W; ours top, left, bottom, right */
            node->attrs.pad[i] += (int32_t)pad->attrs.pads[i < 2 ? 2 + i : 4 + i];
        node->attrs.count_include_pad |= node->op == FR_OP_AVGPOOL;
        fr_rewrite_set_input(r, node, 0, pad->inputs[0]);
    }
    return FR_OK;
}
