/* The reference backend against numbers worked out by hand. */
#include "ref_steps.h"

#define CHECK_FLOATS(got, want)                                                      \
    for (size_t check_i_ = 0; check_i_ < sizeof(want) / sizeof(want)[0]; check_i_++) \
    CHECK_NEAR((got)[check_i_], (want)[check_i_], 1e-6)

/* ---- by hand ------------------------------------------------------------------------------------------------------ */

TEST(conv_2x2) {
    float src[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, weight[] = {1, 2, 3, 4}, bias[] = {0.5f}, dst[4];
    const float want[] = {37.5f, 47.5f, 67.5f, 77.5f};
    fr_step step = conv_step(1, 3, 3, 1, window(2, 1, 0));
    fr_weights weights = {.weight = weight, .bias = bias};
    step.has_bias = 1;
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK_FLOATS(dst, want);
}

TEST(conv_epilogue_order) { /* pool(act(conv + bias + residual)) */
    float src[] = {1, -2, 3, -4}, residual[] = {-5, 1, 1, 1}, weight[] = {2}, bias[] = {1}, dst[1];
    span sources[] = {SPAN(src), SPAN(residual)};
    fr_step step = conv_step(1, 2, 2, 1, window(1, 1, 0));
    fr_weights weights = {.weight = weight, .bias = bias};
    step.has_bias = step.residual = 1;
    step.n_src = 2;
    step.src[1] = step.dst;
    step.act = FR_ACT_LEAKY;
    step.act_a = 0.5f;
    step.pool = FR_POOL_AVG;
    step.pool_win = window(2, 1, 0);
    step.dst.h = step.dst.w = 1; /* (-2, -2, 8, -6) -> (-1, -1, 8, -3) -> 3 / 4 */
    CHECK_OK(run_step(&step, &weights, sources, SPAN(dst), 0));
    CHECK_NEAR(dst[0], 0.75, 0);
}

TEST(conv_groups_and_stride) { /* each output channel sees its own half of the sources */
    float src[] = {1, 2, 3, 10, 20, 30}, weight[] = {1, 100}, dst[4];
    const float want[] = {1, 3, 1000, 3000};
    fr_step step = conv_step(2, 1, 3, 2, (fr_window){1, 1, 1, 2, 1, 1, 0, 0, 0, 0});
    fr_weights weights = {.weight = weight};
    step.groups = 2;
    CHECK_INT(step.dst.w, 2);
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK_FLOATS(dst, want);
}

TEST(int8_rounds_half_to_even_and_clamps) { /* 0.5 * 0.25 * q * w, stored in quarters: halves of a step */
    uint8_t src[] = {1, 3, 5, 200, 7};
    int8_t weight[] = {1}, dst[5];
    float weight_scale[] = {0.25f};
    const int8_t want_up[] = {0, 2, 2, 100, 4}, want_down[] = {0, -2, -2, -100, -4};
    fr_step step = conv_step(1, 1, 5, 1, window(1, 1, 0));
    fr_weights weights = {.weight_s8 = weight, .weight_scale = weight_scale};
    step.compute = FR_PRECISION_INT8;
    step.src[0] = tensor(1, 1, 5, FR_U8, FR_LAYOUT_NCHW, 0.5f);
    step.dst = tensor(1, 1, 5, FR_S8, FR_LAYOUT_NCHW, 0.25f);
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK(memcmp(dst, want_up, sizeof dst) == 0);
    weight[0] = -1;
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK(memcmp(dst, want_down, sizeof dst) == 0);
    weight[0] = 127;
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK_INT(dst[3], 127);
    weight[0] = -127;
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK_INT(dst[3], -128);
    step.dst.dtype = FR_U8;
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK_INT(dst[3], 0);
}

TEST(fc_reads_chw) {
    float src[] = {1, 2, 3, 4, 5, 6, 7, 8}, weight[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
          dst[2]; /* NHWC: c0 is 1 3 5 7 */
    fr_step step = plain_step(FR_STEP_FC, 2, 2, 2);
    fr_weights weights = {.weight = weight};
    step.src[0].layout = FR_LAYOUT_NHWC;
    step.dst = tensor(2, 1, 1, FR_F32, FR_LAYOUT_NCHW, 0);
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 0));
    CHECK_NEAR(dst[0], 1, 0);
    CHECK_NEAR(dst[1], 9, 0); /* c0 at the last place, 7, and c1 at the first, 2 */
}

TEST(
    pools_at_the_edges) { /* one row 1 2 3 4, window 3, stride 3, one column of padding before, windows clipped behind */
    float src[] = {1, 2, 3, 4}, dst[2];
    fr_step step = plain_step(FR_STEP_POOL, 1, 1, 4);
    step.pool_win = (fr_window){1, 3, 1, 3, 1, 1, 0, 1, 0, 0};
    step.dst.w = 2;
    step.pool = FR_POOL_MAX;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK(dst[0] == 2 && dst[1] == 4);
    step.pool = FR_POOL_AVG; /* (1 + 2) / 2, (3 + 4) / 2 */
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK(dst[0] == 1.5f && dst[1] == 3.5f);
    step.pool = FR_POOL_AVG_INCLUDE_PAD; /* the padding counts, what lies past it does not */
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK(dst[0] == 1 && dst[1] == 3.5f);
    float negative[] = {-1, -2, -3, -4};
    step.pool = FR_POOL_MAX; /* padding never wins */
    CHECK_OK(run_step(&step, NULL, &SPAN(negative), SPAN(dst), 0));
    CHECK(dst[0] == -1 && dst[1] == -3);
}

TEST(activations) {
    float src[] = {-4, -1, 0, 1, 7}, dst[5];
    fr_step step = plain_step(FR_STEP_UNARY, 5, 1, 1);
    static const struct {
        uint8_t act;
        float a, b, want[5];
    } cases[] = {
        {FR_ACT_NONE, 0, 0, {-4, -1, 0, 1, 7}},
        {FR_ACT_RELU, 0, 0, {0, 0, 0, 1, 7}},
        {FR_ACT_CLIP, -2, 6, {-2, -1, 0, 1, 6}},
        {FR_ACT_LEAKY, 0.25f, 0, {-1, -0.25f, 0, 1, 7}},
        {FR_ACT_SIGMOID, 0, 0, {0.01798621f, 0.26894142f, 0.5f, 0.73105858f, 0.99908895f}},
        {FR_ACT_HARDSIGMOID, 0.25f, 0.5f, {0, 0.25f, 0.5f, 0.75f, 1}},
        {FR_ACT_HARDSWISH, 0, 0, {0, -1.0f / 3, 0, 2.0f / 3, 7}},
        {FR_ACT_TANH, 0, 0, {-0.99932930f, -0.76159416f, 0, 0.76159416f, 0.99999834f}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        step.act = cases[i].act;
        step.act_a = cases[i].a;
        step.act_b = cases[i].b;
        CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
        CHECK_FLOATS(dst, cases[i].want);
    }
}

TEST(binary_broadcasts_over_the_map) {
    float a[] = {1, 2, 3, 4}, b[] = {10, 100}, dst[4];
    span sources[] = {SPAN(a), SPAN(b)};
    static const float want[][4] = {{11, 12, 103, 104},         {10, 20, 300, 400}, {-9, -8, -97, -96},
                                    {0.1f, 0.2f, 0.03f, 0.04f}, {10, 10, 100, 100}, {1, 2, 3, 4}};
    fr_step step = plain_step(FR_STEP_BINARY, 2, 1, 2);
    step.n_src = 2;
    step.src[1] = tensor(2, 1, 1, FR_F32, FR_LAYOUT_NCHW, 0);
    for (uint8_t op = FR_BINARY_ADD; op <= FR_BINARY_MIN; op++) {
        step.binary = op;
        CHECK_OK(run_step(&step, NULL, sources, SPAN(dst), 0));
        CHECK_FLOATS(dst, want[op - 1]);
    }
}

TEST(lrn_softmax_argmax) {
    float src[] = {1, 2, 3, 3}, dst[4], one[1];
    fr_step step = plain_step(FR_STEP_LRN, 4, 1, 1);
    step.lrn_size = 2;
    step.lrn_alpha = 1;
    step.lrn_beta = 1;
    step.lrn_k = 1;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK_NEAR(dst[0], 1 / (1 + 0.5 * (1 + 4)), 1e-6);
    CHECK_NEAR(dst[1], 2 / (1 + 0.5 * (4 + 9)), 1e-6);
    CHECK_NEAR(dst[3], 3 / (1 + 0.5 * 9), 1e-6);
    step.lrn_size = 3; /* one on either side */
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK_NEAR(dst[1], 2 / (1 + (1 + 4 + 9) / 3.0), 1e-6);
    step.kind = FR_STEP_SOFTMAX;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK_NEAR(dst[0], 1 / (1 + exp(1) + 2 * exp(2)), 1e-6);
    CHECK_NEAR(dst[0] + dst[1] + dst[2] + dst[3], 1, 1e-6);
    step.kind = FR_STEP_ARGMAX;
    step.dst.c = 1;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(one), 0));
    CHECK_NEAR(one[0], 2, 0);
    step.pick_last = 1;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(one), 0));
    CHECK_NEAR(one[0], 3, 0);
}

TEST(concat_pad_reorder) {
    float a[] = {1, 2}, b[] = {3, 4, 5, 6}, joined[6], padded[6], blocked[8];
    span sources[] = {SPAN(a), SPAN(b)};
    const float want_joined[] = {1, 2, 3, 4, 5, 6}, want_padded[] = {-1, 1, 2, -1, -1, -1},
                want_blocked[] = {3, 5, 0, 0, 4, 6, 0, 0};
    fr_step step = plain_step(FR_STEP_CONCAT, 1, 1, 2);
    step.n_src = 2;
    step.src[1] = tensor(2, 1, 2, FR_F32, FR_LAYOUT_NCHW, 0);
    step.dst.c = 3;
    CHECK_OK(run_step(&step, NULL, sources, SPAN(joined), 0));
    CHECK_FLOATS(joined, want_joined);
    step = plain_step(FR_STEP_PAD, 1, 1, 2);
    step.win.pad_left = step.win.pad_bottom = 1;
    step.pad_value = -1;
    step.dst = tensor(1, 2, 3, FR_F32, FR_LAYOUT_NCHW, 0);
    CHECK_OK(run_step(&step, NULL, &SPAN(a), SPAN(padded), 0));
    CHECK_FLOATS(padded, want_padded);
    step = plain_step(FR_STEP_REORDER, 2, 1, 2); /* channel padding of the block becomes zeros */
    step.dst.layout = FR_LAYOUT_NCHW4C;
    memset(blocked, 0xff, sizeof blocked);
    CHECK_OK(run_step(&step, NULL, &SPAN(b), SPAN(blocked), 0));
    CHECK_FLOATS(blocked, want_blocked);
}

TEST(
    halves_round_to_even) { /* 1 + 2^-8 and 1 + 3 * 2^-8 lie between two bf16; 1 + 2^-11 and 1 + 3 * 2^-11 between two f16 */
    float src[] = {1 + 0x1p-8f, 1 + 0x3p-8f, 1 + 0x1p-11f, 1 + 0x3p-11f};
    uint16_t dst[4];
    fr_step step = plain_step(FR_STEP_REORDER, 4, 1, 1);
    step.dst.dtype = FR_BF16;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK_INT(dst[0], 0x3f80);
    CHECK_INT(dst[1], 0x3f82);
    step.dst.dtype = FR_F16;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0));
    CHECK_INT(dst[2], 0x3c00);
    CHECK_INT(dst[3], 0x3c02);
}

TEST(ingest_folds_and_fills) { /* two images of two channels in one input, the second of three missing half */
    uint8_t src[] = {10, 1, 20, 2, 30, 3, 40, 4, 50, 5, 60, 6}; /* HWC, 1x2 maps */
    float dst[16], mean[] = {10, 0}, scale[] = {0.5f, 2};
    const float want[] = {0, 5, 2, 4, 10, 15, 6, 8, 20, 25, 10, 12, 0, 0, 0, 0};
    fr_step step = plain_step(FR_STEP_INGEST, 2, 1, 2);
    fr_weights weights = {.mean = mean, .scale = scale};
    step.n = 2;
    step.images = step.image_c = 2;
    step.src[0] = tensor(2, 1, 2, FR_U8, FR_LAYOUT_USER_HWC, 0);
    step.dst.c = 4;
    CHECK_OK(run_step(&step, &weights, &SPAN(src), SPAN(dst), 3));
    CHECK_FLOATS(dst, want);
}

TEST(emit_unfolds_what_exists) {
    float src[] = {1, 2, 3, 4, 5, 6, 7, 8}, dst[8];
    const float want[] = {1, 2, 3, 4, 5, 6, -9, -9};
    fr_step step = plain_step(FR_STEP_EMIT, 4, 1, 1);
    step.n = step.images = 2;
    step.dst.c = 2;
    for (int i = 0; i < 8; i++)
        dst[i] = -9;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 3));
    CHECK_FLOATS(dst, want);
    step.softmax = 1;
    CHECK_OK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 3));
    CHECK_NEAR(dst[0] + dst[1], 1, 1e-6);
    CHECK_NEAR(dst[5], 1 / (1 + exp(-1)), 1e-6);
    CHECK_NEAR(dst[6], -9, 0);
}

/* ---- chains, errors, memory ------------------------------------------------------------------------------------------ */

TEST(chain_is_its_steps_in_turn) {
    enum { N = 3 };
    float src[N * 2 * 36], between[N * 5 * 36], apart[N * 3 * 16], chained[N * 3 * 16], w0[5 * 2 * 9], w1[3 * 5 * 9],
        b1[3];
    fr_step sub[2] = {conv_step(2, 6, 6, 5, window(3, 1, 1)), conv_step(5, 6, 6, 3, window(3, 1, 0))},
            chain = plain_step(FR_STEP_CHAIN, 2, 6, 6);
    fr_weights weights[2] = {{.weight = w0}, {.weight = w1, .bias = b1}}, whole = {.sub = weights};
    fill(src, sizeof src / sizeof src[0], 1);
    fill(w0, sizeof w0 / sizeof w0[0], 2);
    fill(w1, sizeof w1 / sizeof w1[0], 3);
    fill(b1, 3, 4);
    sub[0].act = FR_ACT_RELU;
    sub[1].has_bias = 1;
    sub[0].n = sub[1].n = chain.n = N;
    chain.sub = sub;
    chain.n_sub = 2;
    chain.dst = sub[1].dst;
    CHECK_OK(run_step(&sub[0], &weights[0], &SPAN(src), SPAN(between), 0));
    CHECK_OK(run_step(&sub[1], &weights[1], &SPAN(between), SPAN(apart), 0));
    CHECK_OK(run_step(&chain, &whole, &SPAN(src), SPAN(chained), 0));
    CHECK(memcmp(apart, chained, sizeof apart) == 0);
    sub[1].src[0].c = 4;
    CHECK(run_step(&chain, &whole, &SPAN(src), SPAN(chained), 0) == FR_UNSUPPORTED);
}

/* What a chain with the user's ends gives is what its steps give one by one, missing images included. */
TEST(chain_takes_images_and_gives_rows) {
    enum { N = 2, VALID = 3 };
    unsigned char pixels[VALID * 3 * 6];
    float folded[N * 6 * 6], between[N * 4 * 6], apart[2 * N * 12], chained[2 * N * 12], w[4 * 6 * 9];
    const float mean[3] = {1, 2, 3}, scale[3] = {0.5f, 0.25f, 2};
    fr_step sub[3] = {plain_step(FR_STEP_INGEST, 3, 2, 3), conv_step(6, 2, 3, 4, window(3, 1, 1)),
                      plain_step(FR_STEP_EMIT, 4, 2, 3)},
            chain = plain_step(FR_STEP_CHAIN, 3, 2, 3);
    fr_weights weights[3] = {{.mean = mean, .scale = scale}, {.weight = w}, {0}}, whole = {.sub = weights};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (unsigned char)(i * 37 % 251);
    fill(w, sizeof w / sizeof w[0], 5);
    for (int i = 0; i < 2 * N * 12; i++)
        apart[i] = chained[i] = -9;
    sub[0].src[0].dtype = FR_U8;
    sub[0].src[0].layout = FR_LAYOUT_USER_HWC;
    sub[0].dst.c = 6;
    sub[0].image_c = 3;
    sub[0].n = sub[1].n = sub[2].n = chain.n = N;
    sub[0].images = sub[2].images = chain.images = 2;
    sub[2].dst.c = 2;
    chain.src[0] = sub[0].src[0];
    chain.dst = sub[2].dst;
    chain.sub = sub;
    chain.n_sub = 3;
    CHECK_OK(run_step(&sub[0], &weights[0], &SPAN(pixels), SPAN(folded), VALID));
    CHECK_OK(run_step(&sub[1], &weights[1], &SPAN(folded), SPAN(between), 0));
    CHECK_OK(run_step(&sub[2], &weights[2], &SPAN(between), SPAN(apart), VALID));
    CHECK_OK(run_step(&chain, &whole, &SPAN(pixels), SPAN(chained), VALID));
    CHECK(memcmp(apart, chained, sizeof apart) == 0);
    CHECK(run_step(&chain, &whole, &SPAN(pixels), SPAN(chained), 5) == FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "5 images are valid of at most 4");
    sub[2].images = 1; /* the ends disagree */
    CHECK(run_step(&chain, &whole, &SPAN(pixels), SPAN(chained), VALID) == FR_UNSUPPORTED);
    sub[2].images = 2;
    fr_step turned[3] = {sub[1], sub[0], sub[2]};
    chain.sub = turned;
    chain.src[0] = sub[1].src[0];
    CHECK(run_step(&chain, &whole, &SPAN(folded), SPAN(chained), VALID) == FR_UNSUPPORTED);
}

TEST(launch_names_what_does_not_fit) {
    float src[4] = {0}, dst[4];
    fr_step step = plain_step(FR_STEP_UNARY, 4, 1, 1);
    CHECK(run_step(&step, NULL, &SPAN(src), (span){dst, 12}, 0) == FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "destination: 16 bytes at 0 lie past the buffer's end (12 bytes)");
    CHECK(run_step(&step, NULL, &(span){src, 15}, SPAN(dst), 0) == FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "source");
    step = plain_step(FR_STEP_EMIT, 4, 1, 1);
    step.images = 2;
    CHECK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 3) == FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "3 images are valid of at most 2");
    step = conv_step(1, 2, 2, 1, window(1, 1, 0));
    CHECK(run_step(&step, NULL, &SPAN(src), SPAN(dst), 0) == FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "weights");
}

TEST(every_failing_allocation_is_survived) {
    float src[2 * 9], dst[2 * 9], w[2 * 2 * 9], b[2];
    fr_step sub[2] = {conv_step(2, 3, 3, 2, window(3, 1, 1)), conv_step(2, 3, 3, 2, window(3, 1, 1))},
            chain = plain_step(FR_STEP_CHAIN, 2, 3, 3);
    fr_weights weights[2] = {{.weight = w, .bias = b}, {.weight = w, .bias = b}}, whole = {.sub = weights};
    fr_memory_use before, after;
    fill(src, 18, 1);
    fill(w, 36, 2);
    fill(b, 2, 3);
    sub[0].has_bias = sub[1].has_bias = 1;
    chain.sub = sub;
    chain.n_sub = 2;
    CHECK_OK(run_step(&chain, &whole, &SPAN(src), SPAN(dst), 0));
    uint64_t blocks = fr_alloc_read().live_blocks, nth = 1;
    CHECK_OK(ref->memory_use(device, &before));
    for (;; nth++) {
        fr_alloc_fail_at(nth);
        fr_status status = run_step(&chain, &whole, &SPAN(src), SPAN(dst), 0);
        fr_alloc_fail_at(0);
        CHECK_INT(fr_alloc_read().live_blocks, blocks);
        if (status == FR_OK)
            break;
        CHECK_INT(status, FR_NO_MEMORY);
        CHECK_HAS(fr_error_sentence(), "out of memory");
        CHECK(nth < 100);
    }
    CHECK(nth > 8);
    CHECK_OK(ref->memory_use(device, &after));
    CHECK(memcmp(before.live, after.live, sizeof before.live) == 0);
}

CHECK_MAIN
