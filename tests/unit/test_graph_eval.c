/* Each op in double precision against numbers worked out by hand. */
#include "graph_kit.h"

/* Evaluates one value of a graph with inputs of these numbers and compares; frees the graph. */
static void expect(fr_graph *g, int32_t value, const double *const *inputs, fr_shape shape, const double *want,
                   const char *what) {
    fr_dense in[2] = {{.data = NULL}}, out = {.data = NULL}, wanted = kit_dense(shape, want);
    for (int32_t i = 0; i < g->n_inputs; i++)
        in[i] = kit_dense(g->values[g->inputs[i]].shape, inputs[i]);
    kit_expect(fr_graph_add_output(g, value));
    if (fr_graph_eval(g, in, &out) != FR_OK) {
        fprintf(stderr, "%s: %s\n", what, fr_error_sentence());
        check_failures++;
    } else if (!(kit_difference(&wanted, &out) < 1e-7)) {
        fprintf(stderr, "%s: wrong result:", what);
        for (size_t i = 0; i < fr_shape_elements(&out.shape); i++)
            fprintf(stderr, " %g", out.data[i]);
        fprintf(stderr, "\n");
        check_failures++;
    }
    fr_free(in[0].data);
    fr_free(in[1].data);
    fr_free(out.data);
    fr_free(wanted.data);
    fr_graph_free(g);
}

#define LIST(...) ((const double[]){__VA_ARGS__})

/* One op on one input. */
static void one(fr_op op, const fr_attrs *attrs, fr_shape shape, const double *in, fr_shape out_shape,
                const double *want) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, shape);
    expect(g, kit_node(g, op, attrs, IDS(x)), &in, out_shape, want, fr_op_name(op));
}

/* One op on two inputs. */
static void two(fr_op op, const fr_attrs *attrs, fr_shape sa, const double *a, fr_shape sb, const double *b,
                fr_shape out_shape, const double *want) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, sa), y = kit_input(g, sb);
    expect(g, kit_node(g, op, attrs, IDS(x, y)), (const double *const[]){a, b}, out_shape, want, fr_op_name(op));
}

TEST(activations) {
    fr_attrs a = fr_attrs_default(FR_OP_CLIP);
    one(FR_OP_RELU, NULL, DIMS(3), LIST(-1, 0, 2), DIMS(3), LIST(0, 0, 2));
    a.lo = 0;
    a.hi = 6;
    one(FR_OP_CLIP, &a, DIMS(3), LIST(-1, 3, 9), DIMS(3), LIST(0, 3, 6));
    one(FR_OP_LEAKYRELU, NULL, DIMS(2), LIST(-1, 2), DIMS(2), LIST((double)-0.01f, 2));
    one(FR_OP_SIGMOID, NULL, DIMS(3), LIST(0, 800, -800), DIMS(3), LIST(0.5, 1, 0));
    one(FR_OP_HARDSIGMOID, NULL, DIMS(3), LIST(1, 9, -9), DIMS(3), LIST(0.7, 1, 0));
    one(FR_OP_HARDSWISH, NULL, DIMS(4), LIST(-4, -1, 1, 5), DIMS(4), LIST(0, -1.0 / 3, 2.0 / 3, 5));
    one(FR_OP_TANH, NULL, DIMS(2), LIST(0, 1), DIMS(2), LIST(0, 0.76159415595576488812));
}

TEST(arithmetic_broadcasts) {
    two(FR_OP_ADD, NULL, DIMS(2, 2), LIST(1, 2, 3, 4), DIMS(2), LIST(10, 20), DIMS(2, 2), LIST(11, 22, 13, 24));
    two(FR_OP_SUB, NULL, DIMS(2, 1), LIST(1, 2), DIMS(1, 3), LIST(1, 2, 3), DIMS(2, 3), LIST(0, -1, -2, 1, 0, -1));
    two(FR_OP_MUL, NULL, DIMS(1, 2, 1, 1), LIST(2, 3), DIMS(1, 2, 1, 2), LIST(1, 2, 3, 4), DIMS(1, 2, 1, 2),
        LIST(2, 4, 9, 12));
    two(FR_OP_DIV, NULL, DIMS(2), LIST(1, 3), DIMS(2), LIST(2, 4), DIMS(2), LIST(0.5, 0.75));
    two(FR_OP_SUM, NULL, DIMS(2), LIST(1, 3), DIMS(2), LIST(2, 4), DIMS(2), LIST(3, 7));
}

static fr_attrs window(fr_op op, int32_t kernel, int32_t stride, int32_t pad) {
    fr_attrs a = fr_attrs_default(op);
    for (int i = 0; i < 2; i++) {
        a.kernel[i] = kernel;
        a.stride[i] = stride;
        a.pad[i] = a.pad[i + 2] = pad;
    }
    return a;
}

static const double nine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

TEST(convolutions) {
    fr_attrs a = window(FR_OP_CONV, 2, 1, 0);
    two(FR_OP_CONV, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(1, 10, 100, 1000), DIMS(1, 1, 2, 2),
        LIST(5421, 6532, 8754, 9865));
    a = window(FR_OP_CONV, 2, 2, 1); /* pads all around: windows at -1 and 1 */
    two(FR_OP_CONV, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(1, 10, 100, 1000), DIMS(1, 1, 2, 2),
        LIST(1000, 3200, 7040, 9865));
    a = window(FR_OP_CONV, 2, 1, 0);
    a.dilation[0] = a.dilation[1] = 2;
    two(FR_OP_CONV, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(1, 10, 100, 1000), DIMS(1, 1, 1, 1), LIST(9731));
    a = window(FR_OP_CONV, 1, 1, 0);
    a.group = 2; /* outputs 0, 1 see input 0; outputs 2, 3 see input 1 */
    two(FR_OP_CONV, &a, DIMS(1, 2, 1, 1), LIST(3, 5), DIMS(4, 1, 1, 1), LIST(1, 2, 3, 4), DIMS(1, 4, 1, 1),
        LIST(3, 6, 15, 20));
    a = window(FR_OP_CONV, 2, 1, 0);
    a.pad[0] = a.pad[3] = 1; /* above and to the right alone */
    two(FR_OP_CONV, &a, DIMS(1, 1, 2, 2), LIST(1, 2, 3, 4), DIMS(1, 1, 2, 2), LIST(1, 10, 100, 1000), DIMS(1, 1, 2, 2),
        LIST(2100, 200, 4321, 402));
}

TEST(a_conv_adds_its_bias) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 1, 1, 2)), w = kit_floats(g, DIMS(2, 1, 1, 1), (const float[]){2, -1}),
            b = kit_floats(g, DIMS(2), (const float[]){5, 7});
    const double *in = LIST(1, 10);
    expect(g, kit_node(g, FR_OP_CONV, NULL, IDS(x, w, b)), &in, DIMS(1, 2, 1, 2), LIST(7, 25, 6, -3), "conv with bias");
}

TEST(pools) {
    fr_attrs a = window(FR_OP_MAXPOOL, 2, 1, 0);
    one(FR_OP_MAXPOOL, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(5, 6, 8, 9));
    a = window(FR_OP_MAXPOOL, 2, 2, 0);
    a.ceil_mode = true;
    one(FR_OP_MAXPOOL, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(5, 6, 8, 9));
    a = window(FR_OP_MAXPOOL, 2, 1, 1); /* padding is less than any pixel */
    one(FR_OP_MAXPOOL, &a, DIMS(1, 1, 1, 2), LIST(-1, -2), DIMS(1, 1, 2, 3), LIST(-1, -1, -2, -1, -1, -2));
    a = window(FR_OP_AVGPOOL, 2, 1, 0);
    one(FR_OP_AVGPOOL, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(3, 4, 6, 7));
    a = window(FR_OP_AVGPOOL, 3, 2, 1);
    one(FR_OP_AVGPOOL, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(3, 4, 6, 7));
    a.count_include_pad = true;
    one(FR_OP_AVGPOOL, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(12.0 / 9, 16.0 / 9, 24.0 / 9, 28.0 / 9));
    a = window(FR_OP_AVGPOOL, 2, 2, 0); /* what sticks out of the padded map is never counted */
    a.ceil_mode = a.count_include_pad = true;
    one(FR_OP_AVGPOOL, &a, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 2, 2), LIST(3, 4.5, 7.5, 9));
    one(FR_OP_GLOBALAVGPOOL, NULL, DIMS(1, 1, 3, 3), nine, DIMS(1, 1, 1, 1), LIST(5));
    one(FR_OP_GLOBALMAXPOOL, NULL, DIMS(1, 3, 1, 3), nine, DIMS(1, 3, 1, 1), LIST(3, 6, 9));
}

TEST(norms) {
    fr_attrs a = fr_attrs_default(FR_OP_LRN);
    a.size = 3;
    a.alpha = 3;
    a.beta = 1;
    a.bias = 1; /* y = x / (1 + sum of the squares of the neighbours and itself) */
    one(FR_OP_LRN, &a, DIMS(1, 3, 1, 1), LIST(1, 2, 3), DIMS(1, 3, 1, 1), LIST(1.0 / 6, 2.0 / 15, 3.0 / 14));
    a.size = 2; /* even: one channel more after than before */
    a.alpha = 2;
    one(FR_OP_LRN, &a, DIMS(1, 3, 1, 1), LIST(1, 2, 3), DIMS(1, 3, 1, 1), LIST(1.0 / 6, 2.0 / 14, 3.0 / 10));
    fr_graph *g = kit_graph();
    fr_attrs bn = fr_attrs_default(FR_OP_BATCHNORM);
    bn.epsilon = 0;
    int32_t x = kit_input(g, DIMS(1, 2, 1, 1)), scale = kit_floats(g, DIMS(2), (const float[]){2, 3}),
            bias = kit_floats(g, DIMS(2), (const float[]){1, -1});
    int32_t mean = kit_floats(g, DIMS(2), (const float[]){4, 5}),
            variance = kit_floats(g, DIMS(2), (const float[]){4, 9});
    const double *in = LIST(8, 2);
    expect(g, kit_node(g, FR_OP_BATCHNORM, &bn, IDS(x, scale, bias, mean, variance)), &in, DIMS(1, 2, 1, 1),
           LIST(5, -4), "batchnorm");
    fr_attrs s = fr_attrs_default(FR_OP_SOFTMAX);
    one(FR_OP_SOFTMAX, &s, DIMS(2, 2), LIST(0, 0, 1000, 0), DIMS(2, 2), LIST(0.5, 0.5, 1, 0));
    s.axis = 0;
    one(FR_OP_SOFTMAX, &s, DIMS(2, 2), LIST(0, 5, 0, 5), DIMS(2, 2), LIST(0.5, 0.5, 0.5, 0.5));
    s.axis = 1;
    s.opset = 11; /* all of (C,H,W) is one row */
    one(FR_OP_SOFTMAX, &s, DIMS(1, 2, 2), LIST(0, 0, 0, 0), DIMS(1, 2, 2), LIST(0.25, 0.25, 0.25, 0.25));
}

TEST(products) {
    fr_attrs a = fr_attrs_default(FR_OP_GEMM);
    two(FR_OP_GEMM, &a, DIMS(1, 2), LIST(1, 2), DIMS(2, 2), LIST(3, 4, 5, 6), DIMS(1, 2), LIST(13, 16));
    a.trans_b = true;
    a.alpha = 2;
    two(FR_OP_GEMM, &a, DIMS(1, 2), LIST(1, 2), DIMS(2, 2), LIST(3, 4, 5, 6), DIMS(1, 2), LIST(22, 34));
    a = fr_attrs_default(FR_OP_GEMM);
    a.trans_a = true;
    two(FR_OP_GEMM, &a, DIMS(2, 1), LIST(1, 2), DIMS(2, 2), LIST(3, 4, 5, 6), DIMS(1, 2), LIST(13, 16));
    two(FR_OP_MATMUL, NULL, DIMS(2, 1, 2), LIST(1, 2, 3, 4), DIMS(2, 1), LIST(1, 10), DIMS(2, 1, 1), LIST(21, 43));
    two(FR_OP_MATMUL, NULL, DIMS(2), LIST(1, 2), DIMS(2), LIST(3, 4), (fr_shape){0}, LIST(11));
    fr_graph *g = kit_graph();
    a = fr_attrs_default(FR_OP_GEMM);
    a.beta = 0.5f;
    int32_t x = kit_input(g, DIMS(1, 2)), w = kit_floats(g, DIMS(2, 2), (const float[]){1, 0, 0, 1}),
            c = kit_floats(g, DIMS(2), (const float[]){10, 20});
    const double *in = LIST(1, 2);
    expect(g, kit_node(g, FR_OP_GEMM, &a, IDS(x, w, c)), &in, DIMS(1, 2), LIST(6, 12), "gemm with bias");
}

TEST(moving_numbers) {
    fr_attrs a = fr_attrs_default(FR_OP_CONCAT);
    a.axis = 1;
    two(FR_OP_CONCAT, &a, DIMS(2, 1), LIST(1, 2), DIMS(2, 2), LIST(3, 4, 5, 6), DIMS(2, 3), LIST(1, 3, 4, 2, 5, 6));
    one(FR_OP_TRANSPOSE, NULL, DIMS(2, 3), LIST(1, 2, 3, 4, 5, 6), DIMS(3, 2), LIST(1, 4, 2, 5, 3, 6));
    a = fr_attrs_default(FR_OP_PAD);
    a.n_pads = 4;
    a.pads[1] = 1;
    a.pads[2] = 1;
    a.pads[3] = -1;
    a.pad_value = 9;
    one(FR_OP_PAD, &a, DIMS(1, 3), LIST(1, 2, 3), DIMS(2, 3), LIST(9, 1, 2, 9, 9, 9));
    a = fr_attrs_default(FR_OP_REDUCEMEAN);
    a.n_axes = 1;
    a.axes[0] = -2;
    one(FR_OP_REDUCEMEAN, &a, DIMS(1, 2, 2), LIST(1, 2, 3, 4), DIMS(1, 1, 2), LIST(2, 3));
    a = fr_attrs_default(FR_OP_ARGMAX);
    a.axis = 1;
    one(FR_OP_ARGMAX, &a, DIMS(2, 3), LIST(1, 5, 5, 7, 1, 7), DIMS(2, 1), LIST(1, 0));
    a.select_last = true;
    one(FR_OP_ARGMAX, &a, DIMS(2, 3), LIST(1, 5, 5, 7, 1, 7), DIMS(2, 1), LIST(2, 2));
    one(FR_OP_SHAPE, NULL, DIMS(2, 3), LIST(1, 2, 3, 4, 5, 6), DIMS(2), LIST(2, 3));
    one(FR_OP_FLATTEN, NULL, DIMS(1, 1, 2, 2), LIST(1, 2, 3, 4), DIMS(1, 4), LIST(1, 2, 3, 4));
    one(FR_OP_IDENTITY, NULL, DIMS(2), LIST(1, 2), DIMS(2), LIST(1, 2));
    one(FR_OP_DROPOUT, NULL, DIMS(2), LIST(1, 2), DIMS(2), LIST(1, 2));
    a = fr_attrs_default(FR_OP_CAST);
    a.to = FR_S64;
    one(FR_OP_CAST, &a, DIMS(3), LIST(1.9, -1.9, 0), DIMS(3), LIST(1, -1, 0));
}

TEST(gather_takes_slices) {
    fr_graph *g = kit_graph();
    fr_attrs a = fr_attrs_default(FR_OP_GATHER);
    a.axis = 1;
    int32_t x = kit_input(g, DIMS(2, 3));
    const double *in = LIST(1, 2, 3, 4, 5, 6);
    expect(g, kit_node(g, FR_OP_GATHER, &a, IDS(x, INTS(g, -1, 0))), &in, DIMS(2, 2), LIST(3, 1, 6, 4), "gather");
    g = kit_graph();
    x = kit_input(g, DIMS(2, 3));
    CHECK_OK(fr_graph_add_output(g, kit_node(g, FR_OP_GATHER, &a, IDS(x, INTS(g, 3)))));
    fr_dense dense = kit_dense(DIMS(2, 3), in), out;
    CHECK_INT(fr_graph_eval(g, &dense, &out), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "index 3 is outside");
    fr_free(dense.data);
    fr_graph_free(g);
}

TEST(every_value_can_be_seen) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 2)), c = kit_floats(g, DIMS(2), (const float[]){1, 2}),
            sum = kit_node(g, FR_OP_ADD, NULL, IDS(x, c));
    int32_t y = kit_node(g, FR_OP_RELU, NULL, IDS(sum));
    CHECK_OK(fr_graph_add_output(g, y));
    fr_dense in = kit_dense(DIMS(1, 2), LIST(-3, 4)), values[8];
    CHECK_OK(fr_graph_eval_all(g, &in, values));
    CHECK_NEAR(values[x].data[0], -3, 0);
    CHECK_NEAR(values[c].data[1], 2, 0);
    CHECK_NEAR(values[sum].data[0], -2, 0);
    CHECK_NEAR(values[y].data[0], 0, 0);
    CHECK_NEAR(values[y].data[1], 6, 0);
    for (int32_t v = 0; v < g->n_values; v++)
        fr_free(values[v].data);
    fr_free(in.data);
    fr_graph_free(g);
}

/* The table is whole: every op has a name that leads back to it, and both functions. */
TEST(the_table_of_ops_is_whole) {
    for (int op = FR_OP_NONE + 1; op < FR_OP_COUNT; op++) {
        const fr_op_info *info = fr_op_find((fr_op)op);
        CHECK(info && info->op == (fr_op)op && info->infer && info->eval);
        CHECK(fr_op_find_name(info->name) == info);
    }
    CHECK(fr_op_find(FR_OP_NONE) == NULL && fr_op_find(FR_OP_COUNT) == NULL);
    CHECK(fr_op_find_name("Einsum") == NULL && fr_op_find_name(NULL) == NULL);
    CHECK(fr_attrs_default(FR_OP_HARDSIGMOID).alpha == 0.2f);
}

CHECK_MAIN
