/* The reference backend against the graph's own evaluation: two sets of plain loops, written apart. */
#include "ref_steps.h"

#include "graph/ops.h"

enum { MOST = 4096 };

typedef struct peer {
    fr_graph *graph;
    float src[MOST], weight[MOST], bias[64], dst[MOST];
} peer;

/* A graph of one node on an input of 2 x c x h x w. */
static fr_status peer_run(peer *p, const fr_step *step, fr_op op, const fr_attrs *attrs, const fr_shape *weight_shape) {
    fr_shape in_shape = {4, {2, step->src[0].c, step->src[0].h, step->src[0].w}}, bias_shape = {1, {step->dst.c}};
    int32_t inputs[3], output, node, n_inputs = 1;
    FR_TRY(fr_graph_new("peer", "peer", &p->graph));
    FR_TRY(fr_graph_add_input(p->graph, "x", FR_F32, &in_shape, &inputs[0]));
    if (weight_shape) {
        FR_TRY(fr_graph_add_const(p->graph, "w", FR_F32, weight_shape, p->weight, FR_INIT_NONE, &inputs[1]));
        FR_TRY(fr_graph_add_const(p->graph, "b", FR_F32, &bias_shape, p->bias, FR_INIT_NONE, &inputs[2]));
        n_inputs = 3;
    }
    FR_TRY(fr_graph_add_value(p->graph, "y", &output));
    FR_TRY(fr_graph_add_node(p->graph, op, "node", attrs, inputs, n_inputs, &output, 1, &node));
    FR_TRY(fr_graph_add_output(p->graph, output));
    static double numbers[MOST];
    size_t count = fr_shape_elements(&in_shape);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (double)p->src[i];
    fr_dense in = {in_shape, numbers}, out = {.data = NULL};
    FR_TRY(fr_graph_eval(p->graph, &in, &out));
    size_t outs = fr_shape_elements(&out.shape);
    fr_status status = FR_OK;
    if (outs != 2 * (size_t)step->dst.c * (size_t)step->dst.h * (size_t)step->dst.w)
        status = fr_fail(FR_INVALID, "the graph's answer has %zu numbers", outs);
    for (size_t i = 0; status == FR_OK && i < outs; i++)
        if (!(fabs(out.data[i] - (double)p->dst[i]) <= 1e-5))
            status = fr_fail(FR_INVALID, "number %zu: graph %.9g, reference %.9g", i, out.data[i], (double)p->dst[i]);
    fr_free(out.data);
    return status;
}

static fr_status compare(fr_step *step, fr_op op, const fr_attrs *attrs, const fr_shape *weight_shape) {
    static peer p;
    memset(&p, 0, sizeof p);
    step->n = 2;
    fill(p.src, MOST, 5);
    fill(p.weight, MOST, 6);
    fill(p.bias, 64, 7);
    fr_weights weights = {.weight = p.weight, .bias = p.bias};
    fr_status status = run_step(step, &weights, &SPAN(p.src), SPAN(p.dst), 0);
    if (status == FR_OK)
        status = peer_run(&p, step, op, attrs, weight_shape);
    fr_graph_free(p.graph);
    return status;
}

static void set_window(fr_attrs *attrs, const fr_window *win) {
    attrs->kernel[0] = win->kh, attrs->kernel[1] = win->kw;
    attrs->stride[0] = win->sh, attrs->stride[1] = win->sw;
    attrs->dilation[0] = win->dh, attrs->dilation[1] = win->dw;
    attrs->pad[0] = win->pad_top, attrs->pad[1] = win->pad_left, attrs->pad[2] = win->pad_bottom,
    attrs->pad[3] = win->pad_right;
}

TEST(convs_agree_with_the_graph) {
    static const struct {
        int32_t c, h, w, c_out, groups;
        fr_window win;
    } shapes[] = {
        {3, 7, 9, 4, 1, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}}, {4, 8, 7, 6, 2, {3, 2, 2, 1, 1, 1, 0, 1, 2, 0}},
        {6, 9, 9, 6, 6, {3, 3, 2, 2, 2, 2, 2, 1, 2, 3}}, {2, 5, 5, 3, 1, {1, 1, 3, 2, 1, 1, 0, 0, 0, 0}},
        {5, 1, 1, 7, 1, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        fr_step step = conv_step(shapes[i].c, shapes[i].h, shapes[i].w, shapes[i].c_out, shapes[i].win);
        fr_attrs attrs = fr_attrs_default(FR_OP_CONV);
        fr_shape weight = {4, {shapes[i].c_out, shapes[i].c / shapes[i].groups, shapes[i].win.kh, shapes[i].win.kw}};
        step.groups = attrs.group = shapes[i].groups;
        step.has_bias = 1;
        set_window(&attrs, &shapes[i].win);
        CHECK_OK(compare(&step, FR_OP_CONV, &attrs, &weight));
    }
}

TEST(pools_agree_with_the_graph) {
    static const struct {
        int32_t h, w;
        fr_window win;
        int32_t out_h, out_w;
        bool ceil_mode;
    } shapes[] = {
        {8, 9, {3, 3, 2, 2, 1, 1, 0, 0, 0, 0}, 3, 4, false},
        {8, 9, {3, 2, 2, 2, 1, 1, 1, 0, 0, 1}, 4, 5, false},
        {8, 10, {3, 3, 2, 2, 1, 1, 0, 0, 0, 0}, 4, 5, true},
        {7, 9, {3, 3, 3, 3, 1, 1, 1, 1, 1, 1}, 3, 4, true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (uint8_t kind = FR_POOL_MAX; kind <= FR_POOL_AVG_INCLUDE_PAD; kind++) {
            fr_step step = plain_step(FR_STEP_POOL, 3, shapes[i].h, shapes[i].w);
            fr_op op = kind == FR_POOL_MAX ? FR_OP_MAXPOOL : FR_OP_AVGPOOL;
            fr_attrs attrs = fr_attrs_default(op);
            step.pool = kind;
            step.pool_win = shapes[i].win;
            step.dst.h = shapes[i].out_h;
            step.dst.w = shapes[i].out_w;
            set_window(&attrs, &shapes[i].win);
            attrs.ceil_mode = shapes[i].ceil_mode;
            attrs.count_include_pad = kind == FR_POOL_AVG_INCLUDE_PAD;
            CHECK_OK(compare(&step, op, &attrs, NULL));
        }
}

TEST(channelwise_steps_agree_with_the_graph) {
    fr_step step = plain_step(FR_STEP_LRN, 7, 3, 4);
    fr_attrs attrs = fr_attrs_default(FR_OP_LRN);
    for (int32_t size = 1; size <= 5; size++) {
        step.lrn_size = attrs.size = size;
        step.lrn_alpha = attrs.alpha = 0.7f;
        step.lrn_beta = attrs.beta = 0.75f;
        step.lrn_k = attrs.bias = 1.5f;
        CHECK_OK(compare(&step, FR_OP_LRN, &attrs, NULL));
    }
    step = plain_step(FR_STEP_SOFTMAX, 7, 3, 4);
    attrs = fr_attrs_default(FR_OP_SOFTMAX);
    attrs.axis = 1;
    attrs.opset = 13;
    CHECK_OK(compare(&step, FR_OP_SOFTMAX, &attrs, NULL));
    step = plain_step(FR_STEP_POOL, 5, 4, 6);
    step.pool = FR_POOL_AVG;
    step.pool_win = (fr_window){4, 6, 1, 1, 1, 1, 0, 0, 0, 0};
    step.dst.h = step.dst.w = 1;
    attrs = fr_attrs_default(FR_OP_GLOBALAVGPOOL);
    CHECK_OK(compare(&step, FR_OP_GLOBALAVGPOOL, &attrs, NULL));
}

TEST(activations_agree_with_the_graph) {
    static const struct {
        uint8_t act;
        fr_op op;
        float a, b;
    } acts[] = {
        {FR_ACT_RELU, FR_OP_RELU, 0, 0},           {FR_ACT_LEAKY, FR_OP_LEAKYRELU, 0.3f, 0},
        {FR_ACT_SIGMOID, FR_OP_SIGMOID, 0, 0},     {FR_ACT_HARDSIGMOID, FR_OP_HARDSIGMOID, 0.2f, 0.5f},
        {FR_ACT_HARDSWISH, FR_OP_HARDSWISH, 0, 0}, {FR_ACT_TANH, FR_OP_TANH, 0, 0},
    };
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        fr_step step = plain_step(FR_STEP_UNARY, 3, 5, 4);
        fr_attrs attrs = fr_attrs_default(acts[i].op);
        step.act = acts[i].act;
        step.act_a = attrs.alpha = acts[i].a;
        step.act_b = attrs.beta = acts[i].b;
        CHECK_OK(compare(&step, acts[i].op, &attrs, NULL));
    }
}

CHECK_MAIN
