/* Each rewrite: what stands afterwards, and that the answers are the same for more than one batch. */
#include "graph_kit.h"

/* Structure alone moves nothing; folding rounds weights to f32 once more. */
static const double exact = 1e-12, folded = 1e-5;

static int32_t conv(fr_graph *g, int32_t x, int64_t out, int64_t in, int64_t kernel, int32_t pad) {
    fr_attrs a = fr_attrs_default(FR_OP_CONV);
    for (int i = 0; i < 4; i++)
        a.pad[i] = pad;
    return kit_node(g, FR_OP_CONV, &a,
                    IDS(x, kit_random(g, DIMS(out, in, kernel, kernel), -1, 1), kit_random(g, DIMS(out), -1, 1)));
}

static int32_t batchnorm(fr_graph *g, int32_t x, int64_t channels) {
    int32_t scale = kit_random(g, DIMS(channels), 0.5, 2), bias = kit_random(g, DIMS(channels), -1, 1),
            mean = kit_random(g, DIMS(channels), -1, 1);
    return kit_node(g, FR_OP_BATCHNORM, NULL, IDS(x, scale, bias, mean, kit_random(g, DIMS(channels), 0.5, 2)));
}

static fr_attrs axes_of(fr_op op, int32_t count, const int64_t *axes) {
    fr_attrs a = fr_attrs_default(op);
    a.n_axes = count;
    for (int32_t i = 0; i < count; i++)
        a.axes[i] = axes[i];
    return a;
}
#define AXES(op, ...) \
    axes_of((op), (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__})

static int32_t with_attrs(fr_graph *g, fr_op op, fr_attrs a, int32_t x) {
    return kit_node(g, op, &a, IDS(x));
}

static void finish(fr_graph *g, int32_t output) {
    kit_expect(fr_graph_rename(g, output, "answer"));
    kit_expect(fr_graph_add_output(g, output));
}

TEST(what_does_nothing_goes) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 2, 4, 4));
    int32_t y = kit_node(g, FR_OP_IDENTITY, NULL, IDS(kit_node(g, FR_OP_DROPOUT, NULL, IDS(x))));
    y = kit_node(g, FR_OP_SUM, NULL, IDS(kit_node(g, FR_OP_RELU, NULL, IDS(y))));
    y = kit_node(g, FR_OP_SUM, NULL, IDS(y, x));
    y = kit_node(g, FR_OP_CLIP, NULL, IDS(y));
    y = with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 0, 1, 2, 3), y);
    y = kit_node(g, FR_OP_CAST, NULL, IDS(y));
    finish(g, y);
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->n_nodes, 2);
    CHECK_INT(kit_count(g, FR_OP_RELU), 1);
    CHECK_INT(kit_count(g, FR_OP_ADD), 1);
    CHECK_TEXT(g->values[g->outputs[0]].name, "answer");
    fr_graph_free(g);
}

TEST(an_input_that_is_the_output_stays) {
    fr_graph *g = kit_graph();
    finish(g, kit_node(g, FR_OP_IDENTITY, NULL, IDS(kit_input(g, DIMS(1, 2)))));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(kit_count(g, FR_OP_IDENTITY), 1);
    fr_graph_free(g);
}

TEST(constants_are_evaluated) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 3, 2, 2)), raw = kit_random(g, DIMS(2, 4, 3), -1, 1);
    int32_t w = with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 1, 2, 0), raw); /* 4, 3, 2 */
    w = kit_node(g, FR_OP_RESHAPE, NULL, IDS(w, INTS(g, 8, 3, 1, 1)));
    w = kit_node(g, FR_OP_MUL, NULL, IDS(w, kit_number(g, 2)));
    finish(g, kit_node(g, FR_OP_CONV, NULL, IDS(x, w)));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->n_nodes, 1);
    CHECK(g->values[g->nodes[0].inputs[1]].is_const);
    fr_graph_free(g);
}

TEST(constants_that_would_explode_are_left_alone) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 1 << 20)), big = kit_random(g, DIMS(1 << 20, 1), 0, 1);
    int32_t product = kit_node(g, FR_OP_MUL, NULL, IDS(big, kit_random(g, DIMS(1, 1 << 20), 0, 1))); /* 2^40 numbers */
    finish(g, kit_node(g, FR_OP_ADD, NULL, IDS(x, product)));
    CHECK_OK(fr_graph_simplify(g));
    CHECK_INT(kit_count(g, FR_OP_MUL), 1);
    fr_graph_free(g);
}

TEST(batchnorm_folds_into_the_layer_before) {
    fr_graph *g = kit_graph();
    int32_t y = batchnorm(g, conv(g, kit_input(g, DIMS(1, 3, 5, 6)), 4, 3, 3, 1), 4);
    finish(g, kit_node(g, FR_OP_RELU, NULL, IDS(y)));
    CHECK(kit_simplify(g) <= folded);
    CHECK_INT(g->n_nodes, 2);
    CHECK_INT(g->nodes[0].n_inputs, 3);
    fr_graph_free(g);

    g = kit_graph(); /* after a Gemm, without bias */
    y = kit_node(g, FR_OP_MATMUL, NULL, IDS(kit_input(g, DIMS(1, 6)), kit_random(g, DIMS(6, 5), -1, 1)));
    finish(g, batchnorm(g, y, 5));
    CHECK(kit_simplify(g) <= folded);
    CHECK_INT(g->n_nodes, 1);
    CHECK_INT(kit_count(g, FR_OP_GEMM), 1);
    fr_graph_free(g);
}

TEST(batchnorm_alone_is_a_depthwise_conv) {
    fr_graph *g = kit_graph();
    int32_t c = conv(g, kit_input(g, DIMS(1, 3, 5, 6)), 4, 3, 3, 0); /* read twice: the norm can't enter it */
    finish(g, kit_node(g, FR_OP_ADD, NULL, IDS(c, kit_node(g, FR_OP_RELU, NULL, IDS(batchnorm(g, c, 4))))));
    CHECK(kit_simplify(g) <= folded);
    CHECK_INT(kit_count(g, FR_OP_CONV), 2);
    CHECK_INT(kit_count(g, FR_OP_BATCHNORM), 0);
    CHECK_INT(g->nodes[1].attrs.group, 4);
    fr_graph_free(g);
}

TEST(a_weight_that_two_convs_share_is_not_spoiled) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 3, 4, 4)), w = kit_random(g, DIMS(3, 3, 1, 1), -1, 1);
    int32_t a = batchnorm(g, kit_node(g, FR_OP_CONV, NULL, IDS(x, w)), 3), b = kit_node(g, FR_OP_CONV, NULL, IDS(x, w));
    finish(g, kit_node(g, FR_OP_ADD, NULL, IDS(a, b)));
    CHECK(kit_simplify(g) <= folded);
    CHECK_INT(kit_count(g, FR_OP_CONV), 2);
    CHECK_INT(g->n_nodes, 3);
    fr_graph_free(g);
}

TEST(arithmetic_with_a_number_a_channel_folds) {
    static const fr_op ops[] = {FR_OP_ADD, FR_OP_SUB, FR_OP_MUL, FR_OP_DIV};
    for (size_t i = 0; i < 4; i++)
        for (int first = 0; first < 2; first++)
            for (int single = 0; single < 2; single++) {
                if (ops[i] == FR_OP_DIV && first)
                    continue; /* a constant divided by maps is no scale */
                fr_graph *g = kit_graph();
                int32_t y = conv(g, kit_input(g, DIMS(1, 2, 4, 4)), 3, 2, 3, 1);
                int32_t c = single ? kit_number(g, 1.5f) : kit_random(g, DIMS(3, 1, 1), 0.5, 2);
                y = first ? kit_node(g, ops[i], NULL, IDS(c, y)) : kit_node(g, ops[i], NULL, IDS(y, c));
                finish(g, y);
                CHECK(kit_simplify(g) <= folded);
                CHECK_INT(g->n_nodes, 1);
                fr_graph_free(g);
            }
    fr_graph *g = kit_graph(); /* a number for each column is something else */
    int32_t y = conv(g, kit_input(g, DIMS(1, 2, 3, 3)), 3, 2, 3, 1);
    finish(g, kit_node(g, FR_OP_MUL, NULL, IDS(y, kit_random(g, DIMS(3), 0.5, 2))));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(kit_count(g, FR_OP_MUL), 1);
    fr_graph_free(g);
}

TEST(scaling_of_the_input_enters_the_first_conv) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 3, 5, 5));
    int32_t y = kit_node(g, FR_OP_SUB, NULL, IDS(x, kit_random(g, DIMS(1, 3, 1, 1), -1, 1)));
    y = kit_node(g, FR_OP_DIV, NULL, IDS(y, kit_random(g, DIMS(1, 3, 1, 1), 0.5, 2)));
    finish(g, conv(g, y, 4, 3, 3, 0));
    CHECK(kit_simplify(g) <= folded);
    CHECK_INT(g->n_nodes, 1);
    fr_graph_free(g);

    g = kit_graph(); /* a shift before padding is no bias: the border would differ */
    y = kit_node(g, FR_OP_ADD, NULL, IDS(kit_input(g, DIMS(1, 3, 5, 5)), kit_number(g, 1)));
    finish(g, conv(g, y, 4, 3, 3, 1));
    CHECK(kit_simplify(g) <= folded);
    CHECK_INT(kit_count(g, FR_OP_CONV), 2);
    fr_graph_free(g);
}

TEST(matmul_and_add_are_a_gemm) {
    fr_graph *g = kit_graph();
    int32_t y = kit_node(g, FR_OP_FLATTEN, NULL, IDS(kit_input(g, DIMS(1, 2, 3, 1))));
    y = kit_node(g, FR_OP_MATMUL, NULL, IDS(y, kit_random(g, DIMS(6, 4), -1, 1)));
    finish(g, kit_node(g, FR_OP_ADD, NULL, IDS(kit_random(g, DIMS(4), -1, 1), y)));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->n_nodes, 2);
    const fr_node *gemm = kit_find(g, FR_OP_GEMM);
    CHECK(gemm && gemm->attrs.trans_b && gemm->n_inputs == 3);
    CHECK_INT(g->values[gemm->inputs[1]].shape.dim[0], 4);
    CHECK_INT(g->values[gemm->inputs[1]].shape.dim[1], 6);
    fr_graph_free(g);
}

TEST(every_gemm_has_one_form) {
    for (int form = 0; form < 16; form++) {
        fr_graph *g = kit_graph();
        fr_attrs a = fr_attrs_default(FR_OP_GEMM);
        a.trans_b = form & 1;
        a.alpha = form & 2 ? 0.5f : 1;
        a.beta = form & 4 ? 2 : 1;
        int32_t x = kit_input(g, DIMS(1, 6)), w = kit_random(g, form & 1 ? DIMS(5, 6) : DIMS(6, 5), -1, 1);
        int32_t c = form & 8 ? kit_number(g, 3) : kit_random(g, DIMS(1, 5), -1, 1);
        finish(g, kit_node(g, FR_OP_GEMM, &a, IDS(x, w, c)));
        CHECK(kit_simplify(g) <= exact);
        const fr_node *gemm = kit_find(g, FR_OP_GEMM);
        CHECK(gemm && gemm->attrs.trans_b && gemm->attrs.alpha == 1.0f && gemm->attrs.beta == 1.0f);
        CHECK_INT(g->values[gemm->inputs[2]].shape.rank, 1);
        CHECK_INT(g->values[gemm->inputs[2]].shape.dim[0], 5);
        fr_graph_free(g);
    }
}

TEST(seeded_weights_stay_unmade_where_they_can) {
    fr_graph *g = kit_graph();
    fr_attrs a = fr_attrs_default(FR_OP_GEMM);
    int32_t x = kit_input(g, DIMS(1, 1000)), w, b;
    a.trans_b = true;
    CHECK_OK(fr_graph_add_const(g, "w", FR_F32, &DIMS(2000, 1000), NULL, FR_INIT_FC, &w));
    CHECK_OK(fr_graph_add_const(g, "b", FR_F32, &DIMS(2000), NULL, FR_INIT_ZERO, &b));
    finish(g, kit_node(g, FR_OP_RELU, NULL, IDS(kit_node(g, FR_OP_GEMM, &a, IDS(x, w, b)))));
    CHECK_OK(fr_graph_infer(g, 7));
    CHECK_OK(fr_graph_simplify(g));
    CHECK_INT(g->batch, 1);
    CHECK(g->values[fr_graph_find(g, "w")].data == NULL);
    CHECK_OK(fr_graph_materialize(g));
    CHECK(g->values[fr_graph_find(g, "w")].data != NULL);
    fr_graph_free(g);
}

TEST(reshapes_become_flatten) {
    for (int form = 0; form < 5; form++) {
        fr_graph *g = kit_graph();
        int32_t x = kit_input(g, DIMS(1, 4, 1, 1)), y = x;
        switch (form) {
        case 0: y = kit_node(g, FR_OP_RESHAPE, NULL, IDS(x, INTS(g, 1, 4))); break;
        case 1: y = kit_node(g, FR_OP_RESHAPE, NULL, IDS(x, INTS(g, -1, 4))); break;
        case 2: y = with_attrs(g, FR_OP_SQUEEZE, AXES(FR_OP_SQUEEZE, 2, 3), x); break;
        case 3: y = kit_node(g, FR_OP_SQUEEZE, NULL, IDS(x)); break;
        default:
            y = with_attrs(g, FR_OP_UNSQUEEZE, AXES(FR_OP_UNSQUEEZE, 4), x);
            y = with_attrs(g, FR_OP_SQUEEZE, AXES(FR_OP_SQUEEZE, 3, 4), y);
            y = kit_node(g, FR_OP_RESHAPE, NULL, IDS(y, INTS(g, 0, -1)));
            break;
        }
        finish(g, y);
        CHECK(kit_simplify(g) <= exact);
        CHECK_INT(g->n_nodes, 1);
        CHECK_INT(g->nodes[0].op, FR_OP_FLATTEN);
        CHECK_INT(g->nodes[0].attrs.axis, 1);
        fr_graph_free(g);
    }
}

TEST(a_view_by_shape_arithmetic_becomes_flatten) {
    fr_graph *g = kit_graph();
    int64_t zero = 0;
    int32_t x = kit_input(g, DIMS(1, 4, 3, 3)), index;
    CHECK_OK(fr_graph_add_const(g, NULL, FR_S64, &(fr_shape){0}, &zero, FR_INIT_NONE, &index));
    int32_t first = kit_node(g, FR_OP_GATHER, NULL, IDS(kit_node(g, FR_OP_SHAPE, NULL, IDS(x)), index));
    int32_t wide = with_attrs(g, FR_OP_UNSQUEEZE, AXES(FR_OP_UNSQUEEZE, 0), first);
    int32_t y = kit_node(g, FR_OP_RESHAPE, NULL, IDS(x, kit_node(g, FR_OP_CONCAT, NULL, IDS(wide, INTS(g, -1)))));
    finish(g, y);
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->n_nodes, 1);
    CHECK_INT(g->nodes[0].op, FR_OP_FLATTEN);
    fr_graph_free(g);
}

TEST(other_reshapes_hold_for_any_batch) {
    fr_graph *g = kit_graph();
    finish(g, kit_node(g, FR_OP_RESHAPE, NULL, IDS(kit_input(g, DIMS(1, 6)), INTS(g, 1, 2, 3, 1))));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->nodes[0].op, FR_OP_RESHAPE);
    CHECK_INT(((const int64_t *)g->values[g->nodes[0].inputs[1]].data)[0], 0);
    fr_graph_free(g);
}

TEST(a_mean_over_the_map_is_a_pool) {
    for (int keep = 0; keep < 2; keep++) {
        fr_graph *g = kit_graph();
        fr_attrs a = AXES(FR_OP_REDUCEMEAN, -1, -2);
        a.keepdims = keep;
        finish(g, with_attrs(g, FR_OP_REDUCEMEAN, a, kit_input(g, DIMS(1, 3, 4, 5))));
        CHECK(kit_simplify(g) <= exact);
        CHECK_INT(kit_count(g, FR_OP_GLOBALAVGPOOL), 1);
        CHECK_INT(kit_count(g, FR_OP_FLATTEN), !keep);
        CHECK_INT(g->n_nodes, 2 - keep);
        fr_graph_free(g);
    }
}

TEST(transposes_that_undo_each_other_go) {
    fr_graph *g = kit_graph();
    int32_t y = with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 0, 2, 3, 1),
                           conv(g, kit_input(g, DIMS(1, 3, 4, 5)), 6, 3, 1, 0));
    y = kit_node(g, FR_OP_ADD, NULL, IDS(y, kit_random(g, DIMS(6), -1, 1))); /* a bias in N, H, W, C */
    y = kit_node(g, FR_OP_RELU, NULL, IDS(y));
    y = with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 0, 3, 1, 2), y);
    finish(g, conv(g, y, 2, 6, 3, 0));
    CHECK(kit_simplify(g) <= folded);
    CHECK_INT(kit_count(g, FR_OP_TRANSPOSE), 0);
    CHECK_INT(g->n_nodes, 3);
    fr_graph_free(g);
}

TEST(a_transpose_before_an_fc_enters_its_weights) {
    fr_graph *g = kit_graph();
    int32_t y = with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 0, 2, 3, 1), kit_input(g, DIMS(1, 3, 4, 5)));
    y = kit_node(g, FR_OP_RESHAPE, NULL, IDS(y, INTS(g, -1, 60)));
    finish(g, kit_node(g, FR_OP_MATMUL, NULL, IDS(y, kit_random(g, DIMS(60, 7), -1, 1))));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->n_nodes, 2);
    CHECK_INT(kit_count(g, FR_OP_TRANSPOSE), 0);
    fr_graph_free(g);
}

TEST(a_mean_over_transposed_axes_is_a_pool) {
    fr_graph *g = kit_graph();
    fr_attrs a = AXES(FR_OP_REDUCEMEAN, 1, 2);
    a.keepdims = false;
    finish(g, with_attrs(
                  g, FR_OP_REDUCEMEAN, a,
                  with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 0, 2, 3, 1), kit_input(g, DIMS(1, 3, 4, 5)))));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(kit_count(g, FR_OP_TRANSPOSE), 0);
    CHECK_INT(kit_count(g, FR_OP_GLOBALAVGPOOL), 1);
    fr_graph_free(g);
}

static fr_attrs map_pads(int64_t top, int64_t left, int64_t bottom, int64_t right, float value) {
    fr_attrs a = fr_attrs_default(FR_OP_PAD);
    a.n_pads = 8;
    a.pads[2] = top;
    a.pads[3] = left;
    a.pads[6] = bottom;
    a.pads[7] = right;
    a.pad_value = value;
    return a;
}

TEST(pads_merge_into_windows) {
    fr_graph *g = kit_graph();
    finish(g, conv(g, with_attrs(g, FR_OP_PAD, map_pads(0, 1, 2, 3, 0), kit_input(g, DIMS(1, 2, 5, 5))), 3, 2, 3, 1));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->n_nodes, 1);
    CHECK_INT(g->nodes[0].attrs.pad[0], 1);
    CHECK_INT(g->nodes[0].attrs.pad[1], 2);
    CHECK_INT(g->nodes[0].attrs.pad[2], 3);
    CHECK_INT(g->nodes[0].attrs.pad[3], 4);
    fr_graph_free(g);

    g = kit_graph(); /* ones are not what a conv pads with */
    finish(g, conv(g, with_attrs(g, FR_OP_PAD, map_pads(1, 1, 1, 1, 1), kit_input(g, DIMS(1, 2, 5, 5))), 3, 2, 3, 0));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(kit_count(g, FR_OP_PAD), 1);
    fr_graph_free(g);
}

TEST(pads_merge_into_pools_that_mean_the_same) {
    static const struct {
        fr_op op;
        float value;
        bool merges;
    } cases[] = {{FR_OP_AVGPOOL, 0, true},
                 {FR_OP_MAXPOOL, 0, false},
                 {FR_OP_MAXPOOL, -INFINITY, true},
                 {FR_OP_AVGPOOL, 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fr_graph *g = kit_graph();
        fr_attrs a = fr_attrs_default(cases[i].op);
        a.kernel[0] = a.kernel[1] = 3;
        a.stride[0] = a.stride[1] = 2;
        finish(g, with_attrs(
                      g, cases[i].op, a,
                      with_attrs(g, FR_OP_PAD, map_pads(1, 0, 1, 2, cases[i].value), kit_input(g, DIMS(1, 2, 5, 5)))));
        CHECK(kit_simplify(g) <= exact);
        CHECK_INT(kit_count(g, FR_OP_PAD), !cases[i].merges);
        fr_graph_free(g);
    }
}

TEST(spelled_out_activations_are_found) {
    for (int form = 0; form < 4; form++) {
        fr_graph *g = kit_graph();
        fr_attrs six = fr_attrs_default(FR_OP_CLIP), hard = fr_attrs_default(FR_OP_HARDSIGMOID);
        int32_t x = kit_input(g, DIMS(1, 3, 4, 4)), y;
        six.lo = 0;
        six.hi = 6;
        hard.alpha = 1.0f / 6;
        int32_t clip = kit_node(g, FR_OP_CLIP, &six, IDS(kit_node(g, FR_OP_ADD, NULL, IDS(x, kit_number(g, 3)))));
        switch (form) {
        case 0: y = kit_node(g, FR_OP_MUL, NULL, IDS(x, kit_node(g, FR_OP_HARDSIGMOID, &hard, IDS(x)))); break;
        case 1:
            y = kit_node(g, FR_OP_MUL, NULL, IDS(kit_node(g, FR_OP_DIV, NULL, IDS(clip, kit_number(g, 6))), x));
            break;
        case 2:
            y = kit_node(g, FR_OP_DIV, NULL, IDS(kit_node(g, FR_OP_MUL, NULL, IDS(x, clip)), kit_number(g, 6)));
            break;
        default: y = kit_node(g, FR_OP_MUL, NULL, IDS(clip, kit_number(g, 1.0f / 6))); break;
        }
        finish(g, y);
        CHECK(kit_simplify(g) <= folded);
        CHECK_INT(g->n_nodes, 1);
        CHECK_INT(g->nodes[0].op, form == 3 ? FR_OP_HARDSIGMOID : FR_OP_HARDSWISH);
        fr_graph_free(g);
    }
    fr_graph *g = kit_graph(); /* x * sigmoid(x) stays as it is */
    int32_t x = kit_input(g, DIMS(1, 3));
    finish(g, kit_node(g, FR_OP_MUL, NULL, IDS(x, kit_node(g, FR_OP_SIGMOID, NULL, IDS(x)))));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->n_nodes, 2);
    fr_graph_free(g);
}

TEST(softmax_of_old_and_new_meet_where_they_mean_the_same) {
    fr_graph *g = kit_graph();
    fr_attrs a = fr_attrs_default(FR_OP_SOFTMAX);
    a.opset = 11;
    a.axis = 1;
    int32_t x = kit_input(g, DIMS(1, 3, 2, 2));
    int32_t maps = with_attrs(g, FR_OP_SOFTMAX, a, x);
    finish(g, with_attrs(g, FR_OP_SOFTMAX, a, kit_node(g, FR_OP_FLATTEN, NULL, IDS(maps))));
    CHECK(kit_simplify(g) <= exact);
    CHECK_INT(g->nodes[0].attrs.opset, 11);
    CHECK_INT(g->nodes[2].attrs.opset, 13);
    fr_graph_free(g);
}

/* Random stacks of everything that CNNs are made of: the answers never change, and no norm is left. */
static int32_t random_layer(fr_graph *g, fr_random *random, int32_t x, int64_t channels) {
    fr_attrs a;
    switch (fr_random_next(random) % 12) {
    case 0: return conv(g, x, channels, channels, 3, 1);
    case 1: return batchnorm(g, x, channels);
    case 2: return kit_node(g, FR_OP_RELU, NULL, IDS(x));
    case 3: return kit_node(g, FR_OP_MUL, NULL, IDS(x, kit_random(g, DIMS(channels, 1, 1), 0.5, 1.5)));
    case 4: return kit_node(g, FR_OP_ADD, NULL, IDS(kit_number(g, 0.25f), x));
    case 5: return kit_node(g, FR_OP_ADD, NULL, IDS(x, conv(g, x, channels, channels, 1, 0)));
    case 6: return kit_node(g, FR_OP_DROPOUT, NULL, IDS(x));
    case 7:
        return with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 0, 3, 1, 2),
                          kit_node(g, FR_OP_SIGMOID, NULL,
                                   IDS(with_attrs(g, FR_OP_TRANSPOSE, AXES(FR_OP_TRANSPOSE, 0, 2, 3, 1), x))));
    case 8: return with_attrs(g, FR_OP_PAD, map_pads(1, 0, 0, 1, 0), conv(g, x, channels, channels, 2, 0));
    case 9:
        a = fr_attrs_default(FR_OP_AVGPOOL);
        a.kernel[0] = a.kernel[1] = 3;
        return with_attrs(g, FR_OP_AVGPOOL, a, with_attrs(g, FR_OP_PAD, map_pads(1, 1, 1, 1, 0), x));
    case 10: return kit_node(g, FR_OP_MUL, NULL, IDS(x, kit_node(g, FR_OP_GLOBALAVGPOOL, NULL, IDS(x))));
    default: return kit_node(g, FR_OP_SUB, NULL, IDS(kit_number(g, 1), x));
    }
}

TEST(random_networks_keep_their_answers) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        fr_graph *g = kit_graph();
        fr_random random = {seed};
        int32_t x = kit_input(g, DIMS(1, 4, 6, 5));
        for (int layer = 0; layer < 10; layer++)
            x = random_layer(g, &random, x, 4);
        x = kit_node(g, FR_OP_RESHAPE, NULL, IDS(x, INTS(g, 1, -1)));
        finish(g, kit_node(g, FR_OP_MATMUL, NULL, IDS(x, kit_random(g, DIMS(120, 3), -0.2, 0.2))));
        int before = check_failures;
        double moved = kit_simplify(g);
        if (!(moved <= 10 * folded))
            fprintf(stderr, "seed %llu: moved by %g\n", (unsigned long long)seed, moved);
        CHECK(moved <= 10 * folded);
        CHECK_INT(check_failures, before);
        CHECK_INT(kit_count(g, FR_OP_BATCHNORM) + kit_count(g, FR_OP_DROPOUT) + kit_count(g, FR_OP_MATMUL) +
                      kit_count(g, FR_OP_RESHAPE),
                  0);
        int nodes = g->n_nodes;
        CHECK_OK(fr_graph_simplify(g)); /* nothing is left to do */
        CHECK_INT(g->n_nodes, nodes);
        fr_graph_free(g);
    }
}

CHECK_MAIN
