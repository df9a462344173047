/* Shapes, and the sentences where they do not fit. */
#include "graph_kit.h"

/* One node on one input and perhaps constants; the first output's shape as text, or the sentence. */
static const char *shape_of(fr_graph *g, int32_t value, int64_t batch) {
    static char text[1100];
    if (fr_graph_add_output(g, value) != FR_OK || fr_graph_infer(g, batch) != FR_OK)
        snprintf(text, sizeof text, "%s", fr_error_sentence());
    else
        fr_shape_text(&g->values[value].shape, text, sizeof text);
    fr_graph_free(g);
    return text;
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

static const char *conv(fr_shape in, fr_shape weight, fr_attrs attrs, int64_t batch) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, in), w = 0;
    kit_expect(fr_graph_add_const(g, "w", FR_F32, &weight, NULL, FR_INIT_CONV, &w));
    int32_t y;
    kit_expect(fr_graph_add_value(g, "y", &y));
    kit_expect(fr_graph_add_node(g, FR_OP_CONV, "c1", &attrs, IDS(x, w), IDS(y), NULL));
    return shape_of(g, y, batch);
}

TEST(conv_shapes) {
    fr_attrs a = fr_attrs_default(FR_OP_CONV);
    CHECK_TEXT(conv(DIMS(1, 3, 22, 52), DIMS(32, 3, 3, 3), a, 100000), "100000x32x20x50");
    a = window(FR_OP_CONV, 3, 2, 1);
    a.dilation[0] = 2;
    CHECK_TEXT(conv(DIMS(1, 4, 11, 8), DIMS(6, 4, 3, 3), a, 2), "2x6x5x4");
    a = fr_attrs_default(FR_OP_CONV);
    a.group = 4;
    CHECK_TEXT(conv(DIMS(1, 8, 1, 1), DIMS(12, 2, 1, 1), a, 1), "1x12x1x1");
    a = fr_attrs_default(FR_OP_CONV);
    a.pad[1] = 2; /* left alone */
    CHECK_TEXT(conv(DIMS(1, 3, 5, 5), DIMS(2, 3, 3, 3), a, 1), "1x2x3x5");
}

TEST(conv_refusals_say_what_does_not_fit) {
    fr_attrs a = fr_attrs_default(FR_OP_CONV);
    CHECK_HAS(conv(DIMS(1, 5, 8, 8), DIMS(2, 3, 3, 3), a, 1), "conv 'c1': input has 5 channels, weights want 3");
    CHECK_HAS(conv(DIMS(1, 3, 2, 2), DIMS(2, 3, 3, 3), a, 1), "conv 'c1': kernel 3x3 does not fit a 2x2 map");
    CHECK_HAS(conv(DIMS(1, 3, 8), DIMS(2, 3, 3), a, 1), "only 2-D maps");
    CHECK_HAS(conv(DIMS(1, 3, 8, 8, 8), DIMS(2, 3, 3, 3, 3), a, 1), "only 2-D maps");
    a.group = 2;
    CHECK_HAS(conv(DIMS(1, 4, 8, 8), DIMS(3, 2, 1, 1), a, 1), "2 groups");
    a = window(FR_OP_CONV, 5, 1, 0);
    CHECK_HAS(conv(DIMS(1, 3, 8, 8), DIMS(2, 3, 3, 3), a, 1), "kernel_shape");
    a = window(FR_OP_CONV, 3, 0, 0);
    CHECK_HAS(conv(DIMS(1, 3, 8, 8), DIMS(2, 3, 3, 3), a, 1), "strides");
    a = window(FR_OP_CONV, 3, 1, -1);
    CHECK_HAS(conv(DIMS(1, 3, 8, 8), DIMS(2, 3, 3, 3), a, 1), "negative pads");
    a = fr_attrs_default(FR_OP_CONV);
    CHECK_HAS(conv(DIMS(1, 3, 0, 8), DIMS(2, 3, 3, 3), a, 1), "empty");
    CHECK_HAS(conv(DIMS(1, 3, 1LL << 40, 8), DIMS(2, 3, 3, 3), a, 1), "too large");
    CHECK_HAS(conv(DIMS(1, 3, 8, 8), DIMS(2, 3, 3, 3), a, 0), "batch of 0");
}

TEST(auto_pad_is_resolved_into_pads) {
    for (int lower = 0; lower < 2; lower++) {
        fr_graph *g = kit_graph();
        fr_attrs a = fr_attrs_default(FR_OP_CONV);
        int32_t x = kit_input(g, DIMS(1, 1, 7, 6)), w = kit_random(g, DIMS(1, 1, 3, 4), 0, 1);
        a.auto_pad = lower ? FR_PAD_SAME_LOWER : FR_PAD_SAME_UPPER;
        a.stride[0] = a.stride[1] = 2;
        int32_t y = kit_node(g, FR_OP_CONV, &a, IDS(x, w));
        CHECK_OK(fr_graph_add_output(g, y));
        for (int64_t batch = 1; batch < 3; batch++) {
            CHECK_OK(fr_graph_infer(g, batch));
            const fr_attrs *got = &g->nodes[0].attrs;
            CHECK_INT(got->pad[0], 1);
            CHECK_INT(got->pad[2], 1);
            CHECK_INT(got->pad[1], 1);
            CHECK_INT(got->pad[3], 1);
            CHECK_INT(g->values[y].shape.dim[2], 4);
            CHECK_INT(g->values[y].shape.dim[3], 3);
        }
        fr_graph_free(g);
    }
    fr_graph *g = kit_graph();
    fr_attrs a = window(FR_OP_MAXPOOL, 2, 1, 0);
    a.auto_pad = FR_PAD_SAME_LOWER;
    int32_t y = kit_node(g, FR_OP_MAXPOOL, &a, IDS(kit_input(g, DIMS(1, 1, 4, 4))));
    CHECK_OK(fr_graph_add_output(g, y));
    CHECK_OK(fr_graph_infer(g, 1));
    CHECK_INT(g->nodes[0].attrs.pad[0], 1);
    CHECK_INT(g->nodes[0].attrs.pad[2], 0);
    fr_graph_free(g);
}

static const char *pool(fr_shape in, fr_attrs a) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, in);
    return shape_of(g, kit_node(g, FR_OP_MAXPOOL, &a, IDS(x)), 1);
}

TEST(pools_round_down_or_up) {
    fr_attrs a = window(FR_OP_MAXPOOL, 3, 2, 0);
    CHECK_TEXT(pool(DIMS(1, 2, 22, 52), a), "1x2x10x25");
    a.ceil_mode = true;
    CHECK_TEXT(pool(DIMS(1, 2, 22, 52), a), "1x2x11x26");
    /* a last window that would start in the padding goes: 2 rows, kernel 2, stride 2, pad 1 */
    a = window(FR_OP_MAXPOOL, 2, 3, 1);
    a.ceil_mode = true;
    CHECK_TEXT(pool(DIMS(1, 2, 2, 3), a), "1x2x1x2");
    a = window(FR_OP_MAXPOOL, 2, 1, 2);
    CHECK_HAS(pool(DIMS(1, 2, 4, 4), a), "without a pixel");
    a = fr_attrs_default(FR_OP_MAXPOOL);
    CHECK_HAS(pool(DIMS(1, 2, 4, 4), a), "kernel of 0x0");
    CHECK_HAS(pool(DIMS(1, 2, 4), window(FR_OP_MAXPOOL, 2, 1, 0)), "only 2-D");
}

static const char *reshape(fr_shape in, const int64_t *target, int64_t count, int64_t batch) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, in), t = kit_ints(g, count, target);
    return shape_of(g, kit_node(g, FR_OP_RESHAPE, NULL, IDS(x, t)), batch);
}
#define RESHAPE(in, batch, ...) \
    reshape((in), (const int64_t[]){__VA_ARGS__}, (int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (batch))

TEST(reshape_speaks_of_the_batch) {
    CHECK_TEXT(RESHAPE(DIMS(1, 4, 3, 3), 5, -1, 36), "5x36");
    CHECK_TEXT(RESHAPE(DIMS(1, 4, 3, 3), 5, 0, -1), "5x36");
    CHECK_TEXT(RESHAPE(DIMS(1, 4, 3, 3), 5, 1, -1), "5x36");
    CHECK_TEXT(RESHAPE(DIMS(1, 4, 3, 3), 5, 1, 36), "5x36");
    CHECK_TEXT(RESHAPE(DIMS(8, 4, 3, 3), 5, 8, 36), "5x36");
    CHECK_TEXT(RESHAPE(DIMS(8, 4, 3, 3), 8, 8, 36), "8x36");
    CHECK_TEXT(RESHAPE(DIMS(8, 4, 3, 3), 5, 1, 36), "5x36"); /* a 1 that can't be meant literally */
    CHECK_TEXT(RESHAPE(DIMS(8, 4, 3, 3), 8, 1, -1), "1x288");
    CHECK_TEXT(RESHAPE(DIMS(1, 4, 3, 3), 3, 0, 0, 9, 1), "3x4x9x1");
    CHECK_HAS(RESHAPE(DIMS(1, 4, 3, 3), 3, 0, 35), "can't be reshaped");
    CHECK_HAS(RESHAPE(DIMS(1, 4, 3, 3), 3, -1, -1), "can't be reshaped");
    CHECK_HAS(RESHAPE(DIMS(1, 4, 3, 3), 3, 1, -2), "can't be reshaped");
    CHECK_HAS(RESHAPE(DIMS(1, 4, 3, 3), 3, INT64_MAX, INT64_MAX, 2), "can't be reshaped");
}

/* What PyTorch writes for x.view(x.size(0), -1). */
TEST(shape_arithmetic_is_known) {
    fr_graph *g = kit_graph();
    fr_attrs unsqueeze = fr_attrs_default(FR_OP_UNSQUEEZE);
    int64_t zero = 0;
    int32_t x = kit_input(g, DIMS(1, 4, 3, 3)), index;
    CHECK_OK(fr_graph_add_const(g, NULL, FR_S64, &(fr_shape){0}, &zero, FR_INIT_NONE, &index));
    unsqueeze.n_axes = 1;
    int32_t shape = kit_node(g, FR_OP_SHAPE, NULL, IDS(x)), first = kit_node(g, FR_OP_GATHER, NULL, IDS(shape, index));
    int32_t wide = kit_node(g, FR_OP_UNSQUEEZE, &unsqueeze, IDS(first));
    int32_t target = kit_node(g, FR_OP_CONCAT, NULL, IDS(wide, INTS(g, -1)));
    CHECK_TEXT(shape_of(g, kit_node(g, FR_OP_RESHAPE, NULL, IDS(x, target)), 7), "7x36");
}

static const char *two(fr_op op, fr_shape a, fr_shape b, const fr_attrs *attrs) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, a), w = kit_random(g, b, -1, 1);
    return shape_of(g, kit_node(g, op, attrs, IDS(x, w)), a.dim[0]);
}

TEST(broadcasting_and_products) {
    CHECK_TEXT(two(FR_OP_ADD, DIMS(2, 3, 4, 5), DIMS(3, 1, 1), NULL), "2x3x4x5");
    CHECK_TEXT(two(FR_OP_MUL, DIMS(2, 1, 5), DIMS(7, 1, 4, 1), NULL), "7x2x4x5");
    CHECK_HAS(two(FR_OP_SUB, DIMS(2, 3), DIMS(4), NULL), "2x3 and 4 do not fit");
    CHECK_TEXT(two(FR_OP_MATMUL, DIMS(2, 3), DIMS(3, 4), NULL), "2x4");
    CHECK_TEXT(two(FR_OP_MATMUL, DIMS(5, 2, 3), DIMS(3), NULL), "5x2");
    CHECK_TEXT(two(FR_OP_MATMUL, DIMS(3), DIMS(6, 3, 4), NULL), "6x4");
    CHECK_HAS(two(FR_OP_MATMUL, DIMS(2, 3), DIMS(4, 3), NULL), "can't be multiplied");
    fr_attrs t = fr_attrs_default(FR_OP_GEMM);
    t.trans_b = true;
    CHECK_TEXT(two(FR_OP_GEMM, DIMS(2, 3), DIMS(4, 3), &t), "2x4");
    CHECK_HAS(two(FR_OP_GEMM, DIMS(2, 3), DIMS(4, 5), &t), "input has 3 features, weights want 5");
    CHECK_HAS(two(FR_OP_GEMM, DIMS(2, 3, 1), DIMS(4, 3), &t), "flatten before it");
    CHECK_TEXT(two(FR_OP_CONCAT, DIMS(2, 3), DIMS(4, 3), NULL), "6x3");
    fr_attrs c = fr_attrs_default(FR_OP_CONCAT);
    c.axis = -1;
    CHECK_TEXT(two(FR_OP_CONCAT, DIMS(2, 3), DIMS(2, 4), &c), "2x7");
    CHECK_HAS(two(FR_OP_CONCAT, DIMS(2, 3), DIMS(4, 4), &c), "can't be joined");
    c.axis = 2;
    CHECK_HAS(two(FR_OP_CONCAT, DIMS(2, 3), DIMS(2, 4), &c), "axis 2");
}

static const char *one(fr_op op, fr_shape in, fr_attrs a) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, in);
    return shape_of(g, kit_node(g, op, &a, IDS(x)), in.dim[0]);
}

static fr_attrs axes_of(fr_op op, int32_t count, int64_t first, int64_t second) {
    fr_attrs a = fr_attrs_default(op);
    a.n_axes = count;
    a.axes[0] = first;
    a.axes[1] = second;
    return a;
}

TEST(axes) {
    CHECK_TEXT(one(FR_OP_SQUEEZE, DIMS(2, 3, 1, 1), axes_of(FR_OP_SQUEEZE, 2, -1, 2)), "2x3");
    CHECK_TEXT(one(FR_OP_SQUEEZE, DIMS(1, 3, 1, 1), fr_attrs_default(FR_OP_SQUEEZE)), "1x3");
    CHECK_HAS(one(FR_OP_SQUEEZE, DIMS(2, 3, 1, 1), axes_of(FR_OP_SQUEEZE, 1, 1, 0)), "can't be dropped");
    CHECK_TEXT(one(FR_OP_UNSQUEEZE, DIMS(2, 3), axes_of(FR_OP_UNSQUEEZE, 2, 3, 2)), "2x3x1x1");
    CHECK_HAS(one(FR_OP_UNSQUEEZE, DIMS(2, 3), axes_of(FR_OP_UNSQUEEZE, 2, 2, -2)), "named twice");
    CHECK_TEXT(one(FR_OP_REDUCEMEAN, DIMS(2, 3, 4, 5), axes_of(FR_OP_REDUCEMEAN, 2, -1, -2)), "2x3x1x1");
    CHECK_TEXT(one(FR_OP_TRANSPOSE, DIMS(2, 3, 4), fr_attrs_default(FR_OP_TRANSPOSE)), "4x3x2");
    CHECK_HAS(one(FR_OP_TRANSPOSE, DIMS(2, 3), axes_of(FR_OP_TRANSPOSE, 2, 0, 0)), "stands twice");
    CHECK_HAS(one(FR_OP_TRANSPOSE, DIMS(2, 3, 4), axes_of(FR_OP_TRANSPOSE, 2, 1, 0)), "permutation");
    CHECK_TEXT(one(FR_OP_FLATTEN, DIMS(2, 3, 4, 5), fr_attrs_default(FR_OP_FLATTEN)), "2x60");
    fr_attrs a = fr_attrs_default(FR_OP_ARGMAX);
    a.axis = 1;
    a.keepdims = false;
    CHECK_TEXT(one(FR_OP_ARGMAX, DIMS(2, 3, 4), a), "2x4");
    CHECK_TEXT(one(FR_OP_SHAPE, DIMS(2, 3, 4), axes_of(FR_OP_SHAPE, 1, -2, 0)), "2");
    a = fr_attrs_default(FR_OP_PAD);
    a.n_pads = 4;
    a.pads[1] = 2;
    a.pads[3] = -1;
    CHECK_TEXT(one(FR_OP_PAD, DIMS(2, 3), a), "2x4");
    a.pads[1] = -2;
    CHECK_HAS(one(FR_OP_PAD, DIMS(2, 3), a), "leave nothing");
    a.n_pads = 2;
    CHECK_HAS(one(FR_OP_PAD, DIMS(2, 3), a), "pads for an input of 2");
}

TEST(parts_of_batchnorm_are_checked) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 3, 4, 4)), good = kit_random(g, DIMS(3), 1, 2), bad = kit_random(g, DIMS(4), 1, 2);
    CHECK_HAS(shape_of(g, kit_node(g, FR_OP_BATCHNORM, NULL, IDS(x, good, good, bad, good)), 1), "mean is 4");
}

TEST(eval_wants_the_shapes_of_the_model) {
    fr_graph *g = kit_graph();
    int32_t y = kit_node(g, FR_OP_RELU, NULL, IDS(kit_input(g, DIMS(1, 3))));
    CHECK_OK(fr_graph_add_output(g, y));
    fr_dense in = kit_dense(DIMS(2, 4), NULL), out;
    CHECK_INT(fr_graph_eval(g, &in, &out), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "is given 2x4, it wants 1x3");
    CHECK(out.data == NULL);
    fr_free(in.data);
    fr_graph_free(g);
}

CHECK_MAIN
