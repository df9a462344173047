#include "run/selftest_cases.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "check/make.h"

enum { N = 2 };

/* Copies the steps of a CHAIN. */
static fr_status add(fr_selftest_cases *cases, const fr_step *step, bool fixed_layouts) {
    if (cases->count == cases->capacity) {
        size_t capacity = cases->capacity ? 2 * cases->capacity : 128;
        fr_selftest_case *items = fr_grow_array(cases->items, cases->capacity, capacity, sizeof *items);
        if (!items)
            return fr_no_memory(capacity * sizeof *items, "the self-test's steps");
        cases->items = items;
        cases->capacity = capacity;
    }
    fr_selftest_case *c = &cases->items[cases->count];
    *c = (fr_selftest_case){.step = *step, .fixed_layouts = fixed_layouts};
    c->step.inexact_ok = step->kind == FR_STEP_CONV || step->kind == FR_STEP_CHAIN;
    if (step->n_sub > 0) {
        c->sub = fr_alloc_array((size_t)step->n_sub, sizeof *c->sub);
        if (!c->sub)
            return fr_no_memory((size_t)step->n_sub * sizeof *c->sub, "the self-test's steps");
        memcpy(c->sub, step->sub, (size_t)step->n_sub * sizeof *c->sub);
        c->step.sub = c->sub;
    }
    cases->count++;
    return FR_OK;
}

static fr_status add_types(fr_selftest_cases *cases, const fr_step *step, int n_types, bool fixed_layouts) {
    int last = n_types == FR_MAKE_TYPES && fr_make_has_products(step) ? FR_MAKE_TF32 : n_types - 1;
    for (int type = 0; type <= last; type++) {
        fr_step typed = *step;
        fr_make_of_type(&typed, (fr_make_type)type);
        FR_TRY(add(cases, &typed, fixed_layouts));
    }
    return FR_OK;
}

static void set_act(fr_step *step, uint8_t act) {
    step->act = act;
    step->act_a = act == FR_ACT_LEAKY ? 0.125f : act == FR_ACT_HARDSIGMOID ? 0.25f : 0.0f;
    step->act_b = act == FR_ACT_HARDSIGMOID ? 0.5f : 6.0f;
}

typedef struct conv_case {
    int32_t c, h, w, c_out, k, stride, dilation, pad, groups;
    uint8_t pool;
    int32_t pool_k, pool_stride;
    bool residual, fixed_layouts;
} conv_case;

static const conv_case convs[] = {
    {3, 22, 27, 32, 3, 1, 1, 1, 1, FR_POOL_MAX, 3, 2, false, false},
    {12, 13, 18, 64, 3, 1, 1, 1, 1, FR_POOL_NONE, 0, 0, false, false},
    {32, 11, 26, 32, 3, 1, 1, 1, 1, FR_POOL_NONE, 0, 0, false, false},
    {32, 11, 20, 32, 3, 1, 1, 1, 1, FR_POOL_MAX, 3, 1, false, false},
    {64, 10, 12, 64, 3, 1, 1, 1, 1, FR_POOL_MAX, 2, 2, false, false},
    {16, 9, 11, 45, 3, 1, 1, 1, 1, FR_POOL_NONE, 0, 0, true, true},
    {128, 6, 7, 96, 3, 1, 1, 1, 1, FR_POOL_NONE, 0, 0, false, false},
    {64, 7, 9, 32, 1, 1, 1, 0, 1, FR_POOL_NONE, 0, 0, false, false},
    {48, 8, 8, 64, 1, 2, 1, 0, 1, FR_POOL_NONE, 0, 0, false, false},
    {17, 13, 12, 20, 5, 2, 1, 2, 1, FR_POOL_NONE, 0, 0, false, false},
    {16, 12, 14, 32, 5, 1, 1, 2, 1, FR_POOL_NONE, 0, 0, false, false},
    {3, 30, 31, 16, 7, 2, 1, 3, 1, FR_POOL_NONE, 0, 0, false, false},
    {9, 15, 16, 33, 3, 2, 1, 0, 1, FR_POOL_AVG, 2, 2, false, false},
    {16, 14, 13, 16, 3, 1, 2, 2, 1, FR_POOL_NONE, 0, 0, false, false},
    {32, 12, 11, 32, 3, 1, 1, 1, 4, FR_POOL_NONE, 0, 0, false, false},
    {32, 13, 12, 32, 3, 1, 1, 1, 32, FR_POOL_NONE, 0, 0, false, true},
    {17, 9, 10, 17, 5, 2, 1, 2, 17, FR_POOL_NONE, 0, 0, true, false},
};

static fr_status add_convs(fr_selftest_cases *cases) {
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        const conv_case *c = &convs[i];
        fr_window win = fr_make_window(c->k, c->stride, c->pad);
        win.dh = win.dw = c->dilation;
        fr_step step = fr_make_conv(N, c->c, c->h, c->w, c->c_out, win, c->groups);
        step.has_bias = i % 4 != 3;
        if (c->residual)
            fr_make_residual(&step);
        if (c->pool &&
            !fr_make_pooled(&step, (fr_pool_kind)c->pool, fr_make_window(c->pool_k, c->pool_stride, 0), false))
            continue;
        FR_TRY(add_types(cases, &step, FR_MAKE_TYPES, c->fixed_layouts));
    }
    for (uint8_t act = FR_ACT_NONE; act <= FR_ACT_TANH; act++) {
        fr_step step = fr_make_conv(N, 16, 9, 10, 24, fr_make_window(3, 1, 1), 1);
        set_act(&step, act);
        FR_TRY(add_types(cases, &step, FR_MAKE_TYPES, false));
    }
    fr_step edge = fr_make_conv(N, 32, 9, 10, 16, fr_make_window(3, 1, 1), 1); /* int8 that stays real, from real */
    fr_make_of_type(&edge, FR_MAKE_INT8);
    edge.dst.dtype = FR_F32;
    FR_TRY(add(cases, &edge, false));
    fr_make_of_type(&edge, FR_MAKE_F32);
    edge.dst.dtype = FR_U8;
    return add(cases, &edge, false);
}

static fr_status add_fcs(fr_selftest_cases *cases) {
    static const int32_t shapes[][5] = {
        {2, 264, 1, 1, 11}, {3, 16, 5, 5, 10}, {32, 100, 1, 1, 64}, {17, 17, 3, 4, 33}, {N, 8, 6, 12, 128}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        fr_step step = fr_make_step(FR_STEP_FC, shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
        step.dst = (fr_tensor){.c = shapes[i][4], .h = 1, .w = 1};
        step.has_bias = i != 2;
        set_act(&step, i % 2 ? FR_ACT_RELU : FR_ACT_NONE);
        if (i == 3)
            fr_make_residual(&step);
        FR_TRY(add_types(cases, &step, FR_MAKE_TYPES, i == 1));
        fr_make_of_type(&step, FR_MAKE_INT8);
        step.dst.dtype = FR_F32; /* logits stay real */
        FR_TRY(add(cases, &step, false));
    }
    return FR_OK;
}

static fr_status add_pools(fr_selftest_cases *cases) {
    static const struct {
        uint8_t kind;
        int32_t c, h, w, k, stride, pad;
    } pools[] = {{FR_POOL_MAX, 32, 22, 26, 3, 2, 0}, {FR_POOL_MAX, 17, 10, 13, 3, 1, 1},
                 {FR_POOL_MAX, 16, 12, 12, 2, 2, 0}, {FR_POOL_AVG, 45, 11, 9, 3, 2, 1},
                 {FR_POOL_AVG, 64, 7, 7, 7, 1, 0},   {FR_POOL_AVG_INCLUDE_PAD, 9, 9, 8, 3, 2, 1}};
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        fr_step step = fr_make_step(FR_STEP_POOL, N, pools[i].c, pools[i].h, pools[i].w);
        if (!fr_make_pooled(&step, (fr_pool_kind)pools[i].kind,
                            fr_make_window(pools[i].k, pools[i].stride, pools[i].pad), false))
            continue;
        FR_TRY(add_types(cases, &step, FR_MAKE_TYPES, i == 1 || i == 3));
    }
    return FR_OK;
}

static fr_status add_place_by_place(fr_selftest_cases *cases) {
    for (uint8_t op = FR_BINARY_ADD; op <= FR_BINARY_MIN; op++) {
        fr_step step = fr_make_step(FR_STEP_BINARY, N, op % 2 ? 32 : 17, 6, 7);
        step.binary = op;
        step.n_src = 2;
        step.src[1] = step.src[0];
        if (op == FR_BINARY_MUL || op == FR_BINARY_SUB)
            step.src[1].h = step.src[1].w = 1;
        set_act(&step, op == FR_BINARY_ADD ? FR_ACT_RELU : FR_ACT_NONE);
        FR_TRY(add_types(cases, &step, FR_MAKE_TYPES, op <= FR_BINARY_MUL));
    }
    for (uint8_t act = FR_ACT_NONE; act <= FR_ACT_TANH; act++) {
        fr_step step = fr_make_step(FR_STEP_UNARY, N, act % 2 ? 32 : 9, 5, 9);
        set_act(&step, act);
        FR_TRY(add_types(cases, &step, FR_MAKE_TYPES, act == FR_ACT_RELU));
    }
    fr_step lrn = fr_make_step(FR_STEP_LRN, N, 45, 6, 5);
    lrn.lrn_size = 5;
    lrn.lrn_alpha = 0.01f;
    lrn.lrn_beta = 0.75f;
    lrn.lrn_k = 2;
    FR_TRY(add_types(cases, &lrn, FR_MAKE_INT8, true));
    for (int32_t c = 11; c <= 111; c += 100) {
        fr_step step = fr_make_step(FR_STEP_SOFTMAX, 3, c, c == 11 ? 1 : 3, c == 11 ? 1 : 2);
        FR_TRY(add_types(cases, &step, FR_MAKE_INT8, c == 111));
        step.kind = FR_STEP_ARGMAX;
        step.dst.c = 1;
        step.pick_last = c == 11;
        FR_TRY(add(cases, &step, false));
    }
    return FR_OK;
}

static fr_status add_moves(fr_selftest_cases *cases) {
    static const uint16_t dtypes[] = {FR_F32, FR_BF16, FR_F16, FR_U8, FR_S8};
    for (int32_t count = 2; count <= 3; count++) {
        fr_step step = fr_make_step(FR_STEP_CONCAT, N, 0, 5, 6);
        step.n_src = count;
        for (int32_t i = 0; i < count; i++) {
            step.src[i] = (fr_tensor){.c = count == 2 ? 32 : 7 + 10 * i, .h = 5, .w = 6};
            step.dst.c += step.src[i].c;
        }
        FR_TRY(add_types(cases, &step, FR_MAKE_TYPES, true));
    }
    for (int from = 0; from < 5; from++)
        for (int to = 0; to < 5; to++) {
            fr_step step = fr_make_step(FR_STEP_REORDER, N, from % 2 ? 17 : 32, 5, 6);
            step.src[0].dtype = dtypes[from];
            step.dst.dtype = dtypes[to];
            FR_TRY(add(cases, &step, from == to));
        }
    fr_step flat = fr_make_step(FR_STEP_REORDER, N, 17, 4, 3);
    flat.dst = (fr_tensor){.c = 17 * 12, .h = 1, .w = 1};
    FR_TRY(add_types(cases, &flat, FR_MAKE_TYPES, true));
    fr_step pad = fr_make_step(FR_STEP_PAD, N, 17, 6, 5);
    pad.win.pad_left = 2;
    pad.win.pad_bottom = 3;
    pad.win.pad_right = 1;
    pad.dst.h += 3;
    pad.dst.w += 3;
    return add_types(cases, &pad, FR_MAKE_TYPES, true);
}

static fr_step ingest(int32_t images, int32_t channels, int32_t h, int32_t w, uint16_t from, uint16_t to, bool chw) {
    fr_step step = fr_make_step(FR_STEP_INGEST, N, channels, h, w);
    step.images = images;
    step.image_c = channels;
    step.src[0].layout = chw ? FR_LAYOUT_USER_CHW : FR_LAYOUT_USER_HWC;
    step.src[0].dtype = from;
    step.dst.c = channels * images;
    step.dst.dtype = to;
    return step;
}

static fr_step emit(int32_t images, int32_t classes, uint16_t from, bool softmax) {
    fr_step step = fr_make_step(FR_STEP_EMIT, N, classes * images, 1, 1);
    step.images = images;
    step.softmax = softmax;
    step.src[0].dtype = from;
    step.dst = (fr_tensor){.c = classes, .h = 1, .w = 1, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW};
    return step;
}

static fr_status add_user_ends(fr_selftest_cases *cases) {
    static const uint16_t dtypes[] = {FR_F32, FR_BF16, FR_F16, FR_U8};
    for (int32_t images = 1; images <= 4; images++)
        for (int variant = 0; variant < 8; variant++) {
            fr_step step = ingest(images, variant % 2 ? 3 : 1, 6, 7, variant / 4 ? FR_F32 : FR_U8, dtypes[images - 1],
                                  variant & 2);
            FR_TRY(add(cases, &step, false));
            step.dst.dtype = FR_F32;
            FR_TRY(add(cases, &step, false));
        }
    for (int32_t images = 1; images <= 4; images++)
        for (int variant = 0; variant < 6; variant++) {
            fr_step step = emit(images, variant / 3 ? 27 : 2, dtypes[variant % 3], variant % 2);
            FR_TRY(add(cases, &step, false));
        }
    return FR_OK;
}

/* A whole small model, and runs of its steps: all, without the ends, and the convolutions alone. */
static fr_status add_chains(fr_selftest_cases *cases) {
    static const int32_t runs[][2] = {{0, 6}, {1, 5}, {1, 3}, {2, 4}};
    for (int type = FR_MAKE_F32; type <= FR_MAKE_TF32; type++)
        for (int32_t fold = 1; fold <= 2 && type != FR_MAKE_INT8; fold++) {
            fr_step sub[6], chain;
            sub[1] = fr_make_conv(N, 3 * fold, 14, 17, 32, fr_make_window(3, 1, 1), 1);
            fr_make_pooled(&sub[1], FR_POOL_MAX, fr_make_window(3, 2, 0), false);
            sub[2] = fr_make_conv(N, 32, sub[1].dst.h, sub[1].dst.w, 24 * fold, fr_make_window(3, 1, 1), 1);
            sub[3] = fr_make_conv(N, 24 * fold, sub[2].dst.h, sub[2].dst.w, 8, fr_make_window(3, 1, 1), 1);
            fr_make_pooled(&sub[3], FR_POOL_MAX, fr_make_window(2, 2, 0), false);
            sub[4] = fr_make_step(FR_STEP_FC, N, 8, sub[3].dst.h, sub[3].dst.w);
            sub[4].dst = (fr_tensor){.c = 11 * fold, .h = 1, .w = 1};
            sub[4].has_bias = 1;
            for (int i = 1; i < 5; i++)
                fr_make_of_type(&sub[i], (fr_make_type)type);
            sub[0] = ingest(fold, 3, 14, 17, FR_U8, sub[1].src[0].dtype, false);
            sub[5] = emit(fold, 11, sub[4].dst.dtype, fold == 2);
            for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
                int32_t first = runs[r][0], count = runs[r][1] - first;
                chain = fr_make_step(FR_STEP_CHAIN, N, 1, 1, 1);
                chain.groups = 0;
                chain.compute = sub[1].compute;
                chain.sub = &sub[first];
                chain.n_sub = count;
                chain.src[0] = sub[first].src[0];
                chain.dst = sub[first + count - 1].dst;
                chain.images = first == 0 ? fold : 0;
                FR_TRY(add(cases, &chain, false));
            }
        }
    return FR_OK;
}

fr_status fr_selftest_cases_make(fr_selftest_cases *out_cases) {
    fr_status status = FR_OK;
    memset(out_cases, 0, sizeof *out_cases);
    FR_GO(failed, add_convs(out_cases));
    FR_GO(failed, add_fcs(out_cases));
    FR_GO(failed, add_pools(out_cases));
    FR_GO(failed, add_place_by_place(out_cases));
    FR_GO(failed, add_moves(out_cases));
    FR_GO(failed, add_user_ends(out_cases));
    FR_GO(failed, add_chains(out_cases));
    return FR_OK;
failed:
    fr_selftest_cases_free(out_cases);
    return status;
}

void fr_selftest_cases_free(fr_selftest_cases *cases) {
    for (size_t i = 0; i < cases->count; i++)
        fr_free(cases->items[i].sub);
    fr_free(cases->items);
    memset(cases, 0, sizeof *cases);
}
