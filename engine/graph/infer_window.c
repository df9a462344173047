/* Shapes of ops with windows: Conv, pools, and the two norms over channels. Pads are resolved here. */
#include "graph/op_parts.h"

bool fr_window_count(int64_t in, int64_t pads, int64_t pad_before, int64_t kernel, int64_t stride, bool ceil_mode,
                     int64_t *out_count) {
    int64_t room = in + pads - kernel;
    *out_count = 0;
    if (room < 0)
        return false;
    int64_t count = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && count > 1 && (count - 1) * stride >= in + pad_before)
        count--; /* a last window that would start in the padding after the map is dropped */
    *out_count = count;
    return true;
}

static fr_status check_2d(const fr_graph *graph, const fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    char text[128];
    fr_shape_text(in, text, sizeof text);
    if (in->rank != 4)
        return fr_node_fail(FR_UNSUPPORTED, node, "only 2-D maps (N,C,H,W) run; its input is %s", text);
    return FR_OK;
}

static fr_status check_window(const fr_node *node) {
    const fr_attrs *a = &node->attrs;
    for (int i = 0; i < 2; i++) {
        if (a->kernel[i] < 1)
            return fr_node_fail(FR_INVALID, node, "a kernel of %dx%d", a->kernel[0], a->kernel[1]);
        if (a->stride[i] < 1)
            return fr_node_fail(FR_INVALID, node, "strides of %dx%d", a->stride[0], a->stride[1]);
        if (a->dilation[i] < 1)
            return fr_node_fail(FR_INVALID, node, "dilations of %dx%d", a->dilation[0], a->dilation[1]);
    }
    for (int i = 0; i < 4 && a->auto_pad == FR_PAD_EXPLICIT; i++)
        if (a->pad[i] < 0)
            return fr_node_fail(FR_UNSUPPORTED, node, "negative pads (%d) can't run; crop before it", a->pad[i]);
    return FR_OK;
}

/* SAME: as many windows as stride steps fit the map, the padding shared out, the odd one after (UPPER) or before. */
static void resolve_auto_pad(fr_attrs *a, int side, int64_t in, int64_t reach) {
    int64_t windows = (in + a->stride[side] - 1) / a->stride[side];
    int64_t total = (windows - 1) * a->stride[side] + reach - in;
    if (a->auto_pad == FR_PAD_VALID || total < 0)
        total = 0;
    int64_t before = a->auto_pad == FR_PAD_SAME_LOWER ? total - total / 2 : total / 2;
    a->pad[side] = (int32_t)before;
    a->pad[side + 2] = (int32_t)(total - before);
}

/* Rows and columns of the output into out->dim[2], [3]. */
static fr_status infer_map(const fr_shape *in, fr_node *node, fr_shape *out) {
    fr_attrs *a = &node->attrs;
    FR_TRY(check_window(node));
    int64_t reach[2];
    for (int side = 0; side < 2; side++) {
        reach[side] = (int64_t)(a->kernel[side] - 1) * a->dilation[side] + 1;
        if (reach[side] > INT32_MAX || in->dim[2 + side] > INT32_MAX)
            return fr_node_fail(FR_INVALID, node, "a kernel that reaches over %lld or a map of %lld is too large",
                                (long long)reach[side], (long long)in->dim[2 + side]);
        if (a->auto_pad != FR_PAD_EXPLICIT)
            resolve_auto_pad(a, side, in->dim[2 + side], reach[side]);
    }
    if (a->auto_pad != FR_PAD_EXPLICIT)
        a->ceil_mode = false; /* auto_pad alone says how many windows there are */
    a->auto_pad = FR_PAD_EXPLICIT;
    for (int side = 0; side < 2; side++) {
        int64_t pads = (int64_t)a->pad[side] + a->pad[side + 2];
        if (!fr_window_count(in->dim[2 + side], pads, a->pad[side], reach[side], a->stride[side], a->ceil_mode,
                             &out->dim[2 + side]))
            return fr_node_fail(FR_INVALID, node, "kernel %dx%d%s does not fit a %lldx%lld map%s", a->kernel[0],
                                a->kernel[1], a->dilation[0] > 1 || a->dilation[1] > 1 ? " (dilated)" : "",
                                (long long)in->dim[2], (long long)in->dim[3], pads > 0 ? ", padding included" : "");
    }
    return FR_OK;
}

fr_status fr_infer_conv(fr_graph *graph, fr_node *node) {
    fr_attrs *a = &node->attrs;
    const fr_shape *in = fr_in_shape(graph, node, 0), *weight = fr_in_shape(graph, node, 1);
    char text[128];
    FR_TRY(check_2d(graph, node));
    fr_shape_text(weight, text, sizeof text);
    if (weight->rank != 4 || weight->dim[0] < 1 || weight->dim[1] < 1 || weight->dim[2] > INT32_MAX ||
        weight->dim[3] > INT32_MAX)
        return fr_node_fail(FR_INVALID, node, "its weights are %s; they must be (out, in / groups, rows, columns)",
                            text);
    if (a->group < 1 || weight->dim[0] % a->group != 0)
        return fr_node_fail(FR_INVALID, node, "%d groups do not divide its %lld output channels", a->group,
                            (long long)weight->dim[0]);
    if (in->dim[1] % a->group != 0 || in->dim[1] / a->group != weight->dim[1]) {
        if (a->group == 1)
            return fr_node_fail(FR_INVALID, node, "input has %lld channels, weights want %lld", (long long)in->dim[1],
                                (long long)weight->dim[1]);
        return fr_node_fail(FR_INVALID, node, "input has %lld channels, weights want %d groups of %lld",
                            (long long)in->dim[1], a->group, (long long)weight->dim[1]);
    }
    for (int side = 0; side < 2; side++) {
        if (a->kernel[side] != 0 && a->kernel[side] != weight->dim[2 + side])
            return fr_node_fail(FR_INVALID, node, "kernel_shape says %dx%d, its weights are %s", a->kernel[0],
                                a->kernel[1], text);
        a->kernel[side] = (int32_t)weight->dim[2 + side];
    }
    if (fr_node_has(node, 2)) {
        const fr_shape *bias = fr_in_shape(graph, node, 2);
        if (bias->rank != 1 || bias->dim[0] != weight->dim[0]) {
            fr_shape_text(bias, text, sizeof text);
            return fr_node_fail(FR_INVALID, node, "its bias is %s; it must be one number for each of %lld channels",
                                text, (long long)weight->dim[0]);
        }
    }
    fr_shape out = {.rank = 4, .dim = {in->dim[0], weight->dim[0]}};
    FR_TRY(infer_map(in, node, &out));
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

fr_status fr_infer_pool(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    fr_attrs *a = &node->attrs;
    FR_TRY(check_2d(graph, node));
    if (node->n_outputs > 1 && node->outputs[1] >= 0) {
        if (fr_graph_is_used(graph, node->outputs[1]))
            return fr_node_fail(FR_UNSUPPORTED, node,
                                "its second output (indices) is used; only the values can be had");
        graph->values[node->outputs[1]].producer = -1;
        node->outputs[1] = -1;
    }
    fr_shape out = {.rank = 4, .dim = {in->dim[0], in->dim[1]}};
    FR_TRY(infer_map(in, node, &out));
    for (int side = 0; side < 2; side++) {
        int64_t reach = (int64_t)(a->kernel[side] - 1) * a->dilation[side] + 1;
        if (a->pad[side] >= reach || a->pad[side + 2] >= reach)
            return fr_node_fail(
                FR_INVALID, node,
                "pads of %d,%d,%d,%d leave windows without a pixel; they must be smaller than the kernel", a->pad[0],
                a->pad[1], a->pad[2], a->pad[3]);
    }
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

fr_status fr_infer_global_pool(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    if (in->rank < 3)
        return fr_node_fail(FR_INVALID, node, "its input has %d dimensions; there is no map to pool", in->rank);
    fr_shape out = *in;
    for (int32_t i = 2; i < out.rank; i++)
        out.dim[i] = 1;
    *fr_out_shape(graph, node) = out;
    return FR_OK;
}

fr_status fr_infer_lrn(fr_graph *graph, fr_node *node) {
    const fr_shape *in = fr_in_shape(graph, node, 0);
    if (in->rank < 3)
        return fr_node_fail(FR_INVALID, node, "its input has %d dimensions; it wants (N,C,...)", in->rank);
    if (node->attrs.size < 1)
        return fr_node_fail(FR_INVALID, node, "a size of %d channels", node->attrs.size);
    *fr_out_shape(graph, node) = *in;
    return FR_OK;
}

fr_status fr_infer_batchnorm(fr_graph *graph, fr_node *node) {
    static const char *const words[] = {"", "scale", "bias", "mean", "variance"};
    const fr_shape *in = fr_in_shape(graph, node, 0);
    if (in->rank < 2)
        return fr_node_fail(FR_INVALID, node, "its input has %d dimensions; it wants (N,C,...)", in->rank);
    for (int32_t i = 1; i <= 4; i++) {
        const fr_shape *part = fr_in_shape(graph, node, i);
        if (part->rank != 1 || part->dim[0] != in->dim[1]) {
            char text[128];
            fr_shape_text(part, text, sizeof text);
            return fr_node_fail(FR_INVALID, node, "its %s is %s; it must be one number for each of %lld channels",
                                words[i], text, (long long)in->dim[1]);
        }
    }
    for (int32_t i = 1; i < node->n_outputs; i++)
        if (node->outputs[i] >= 0)
            return fr_node_fail(FR_UNSUPPORTED, node,
                                "its training outputs can't be had; export the model for inference");
    *fr_out_shape(graph, node) = *in;
    return FR_OK;
}
