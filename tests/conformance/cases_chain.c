/* Chains: runs of convolutions, pools and fully connected layers, with and without the user's ends, and small models whole. */
#include "base/status.h"
#include "cases.h"

typedef struct chain { /* one that grows at its end */
    fr_step step, sub[CONF_MAX_SUB];
    fr_make_type type;
    fr_tensor at;
} chain;

static void begin(chain *c, fr_make_type type, int32_t n, int32_t channels, int32_t h, int32_t w) {
    *c = (chain){.step = fr_make_step(FR_STEP_CHAIN, n, channels, h, w), .type = type};
    fr_make_of_type(&c->step, type);
    c->at = c->step.src[0];
}

static void append(chain *c, fr_step sub) {
    c->sub[c->step.n_sub++] = sub;
    c->at = c->step.dst = sub.dst;
}

static void from_user(chain *c, int32_t images, int32_t image_c, uint16_t dtype, uint16_t layout) {
    fr_step sub = fr_make_step(FR_STEP_INGEST, c->step.n, image_c, c->at.h, c->at.w);
    sub.images = c->step.images = images;
    sub.image_c = image_c;
    sub.src[0].dtype = dtype;
    sub.src[0].layout = layout;
    sub.dst.c = images * image_c;
    sub.dst.dtype = c->at.dtype;
    c->step.src[0] = sub.src[0];
    append(c, sub);
}

static void to_user(chain *c, int32_t images, bool softmax) {
    fr_step sub = fr_make_step(FR_STEP_EMIT, c->step.n, c->at.c, c->at.h, c->at.w);
    sub.images = c->step.images = images;
    sub.softmax = softmax;
    sub.src[0].dtype = c->at.dtype;
    sub.dst = (fr_tensor){.c = c->at.c / images, .h = 1, .w = 1, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW};
    append(c, sub);
}

static void conv_window(chain *c, int32_t c_out, fr_window win, int32_t pool, int32_t stride) {
    fr_step sub = fr_make_conv(c->step.n, c->at.c, c->at.h, c->at.w, c_out, win, 1);
    if (pool)
        fr_make_pooled(&sub, FR_POOL_MAX, fr_make_window(pool, stride, 0), false);
    fr_make_of_type(&sub, c->type);
    append(c, sub);
}

static void conv(chain *c, int32_t c_out, int32_t pool, int32_t stride) {
    conv_window(c, c_out, fr_make_window(3, 1, 1), pool, stride);
}

static void pool(chain *c, fr_pool_kind kind, fr_window win, bool ceil_mode) {
    fr_step sub = fr_make_step(FR_STEP_POOL, c->step.n, c->at.c, c->at.h, c->at.w);
    fr_make_pooled(&sub, kind, win, ceil_mode);
    fr_make_of_type(&sub, c->type);
    append(c, sub);
}

static void fc(chain *c, int32_t c_out, bool is_last) {
    fr_step sub = fr_make_step(FR_STEP_FC, c->step.n, c->at.c, c->at.h, c->at.w);
    sub.dst.c = c_out;
    sub.dst.h = sub.dst.w = 1;
    sub.has_bias = 1;
    sub.act = is_last ? FR_ACT_NONE : FR_ACT_RELU;
    fr_make_of_type(&sub, c->type);
    append(c, sub);
}

static void unary(chain *c, fr_act act, float a, float b) {
    fr_step sub = fr_make_step(FR_STEP_UNARY, c->step.n, c->at.c, c->at.h, c->at.w);
    sub.act = (uint8_t)act;
    sub.act_a = a;
    sub.act_b = b;
    fr_make_of_type(&sub, c->type);
    append(c, sub);
}

/* Whole launches, one image short of whole, one image, and none; once where no end is the user's. */
static fr_status add(conf_list *list, chain *c, bool all_layouts) {
    int32_t most = c->step.n * c->step.images, counts[] = {most, most - 1, 1, 0};
    c->step.sub = c->sub;
    for (int i = 0; i < (c->step.images ? 4 : 1); i++)
        FR_TRY(conf_add(list, &c->step, all_layouts && i < 2, counts[i]));
    return FR_OK;
}

/* Linear in its source, but for ReLU: conv, conv, and pools between. */
static fr_status add_runs(conf_list *list, fr_make_type type) {
    chain c;
    for (int count = 1; count <= 3; count++) {
        begin(&c, type, 3, 3, 12, 13);
        conv(&c, 16, 2, 2);
        if (count > 1)
            conv(&c, 17, 0, 0);
        if (count > 2)
            pool(&c, FR_POOL_MAX, fr_make_window(3, 1, 0), false);
        FR_TRY(add(list, &c, count == 2));
    }
    begin(&c, type, 2, 16, 9, 11);
    conv(&c, 33, 0, 0);
    conv(&c, 32, 0, 0);
    FR_TRY(add(list, &c, false));
    begin(&c, type, 8, 32, 7, 7); /* as many inputs as a group may share weights among, and more */
    conv(&c, 45, 0, 0);
    pool(&c, FR_POOL_MAX, fr_make_window(2, 1, 0), false);
    conv(&c, 20, 0, 0);
    fc(&c, 37, true);
    FR_TRY(add(list, &c, type == FR_MAKE_F32));
    begin(&c, type, 5, 5, 10, 6);
    conv_window(&c, 12, fr_make_window(3, 2, 1), 0, 0);
    conv_window(&c, 9, fr_make_window(1, 1, 0), 0, 0);
    fc(&c, 18, false);
    fc(&c, 7, true);
    FR_TRY(add(list, &c, false));
    begin(&c, type, 1, 8, 14, 14);
    conv_window(&c, 24, fr_make_window(5, 1, 2), 3, 2);
    conv_window(&c, 16, (fr_window){3, 2, 1, 2, 2, 1, 2, 0, 1, 1}, 0, 0);
    unary(&c, FR_ACT_CLIP, 0.0f, 6.0f);
    FR_TRY(add(list, &c, false));
    begin(&c, type, 2, 4, 9, 9); /* every pool, activations that do not keep zero */
    conv(&c, 19, 0, 0);
    c.sub[0].act = FR_ACT_HARDSIGMOID;
    c.sub[0].act_a = 0.25f;
    c.sub[0].act_b = 0.5f;
    pool(&c, FR_POOL_AVG, fr_make_window(3, 2, 1), false);
    unary(&c, FR_ACT_SIGMOID, 0.0f, 0.0f);
    conv(&c, 6, 0, 0);
    pool(&c, FR_POOL_AVG_INCLUDE_PAD, fr_make_window(3, 2, 1), true);
    FR_TRY(add(list, &c, false));
    begin(&c, type, 2, 6, 8, 8);
    conv(&c, 21, 2, 2);
    pool(&c, FR_POOL_AVG, fr_make_window(4, 1, 0), false);
    fc(&c, 10, true);
    return add(list, &c, false);
}

static fr_status add_user_ends(conf_list *list, fr_make_type type) {
    for (int32_t images = 1; images <= 4; images++) {
        chain c;
        uint16_t dtype = images % 2 ? FR_U8 : FR_F32, layout = images < 3 ? FR_LAYOUT_USER_HWC : FR_LAYOUT_USER_CHW;
        begin(&c, type, 2, 3 * images, 9, 10);
        from_user(&c, images, 3, dtype, layout);
        conv(&c, 20, 0, 0);
        FR_TRY(add(list, &c, images == 2));
        begin(&c, type, 3, images, 8, 6);
        from_user(&c, images, 1, dtype, layout);
        conv(&c, 17, 2, 2);
        conv(&c, 8, 0, 0);
        fc(&c, 5 * images, true);
        FR_TRY(add(list, &c, false));
        begin(&c, type, 2, 9, 6, 7);
        conv(&c, 16, 0, 0);
        fc(&c, 3 * images, true);
        to_user(&c, images, images % 2);
        FR_TRY(add(list, &c, images == 2));
    }
    return FR_OK;
}

static int32_t folded_width(int32_t width, int32_t fold) {
    static const double roots[] = {0, 1.0, 1.41421356, 1.73205081, 2.0};
    return (int32_t)((double)width * roots[fold] + 1e-6);
}

/* The shape of V1: small maps suffice, but for one of the real size. */
static fr_status add_game(conf_list *list, fr_make_type type, int32_t fold, int32_t h, int32_t w, bool softmax) {
    chain c;
    int32_t wide = folded_width(32, fold);
    begin(&c, type, 2, 3 * fold, h, w);
    from_user(&c, fold, 3, FR_U8, FR_LAYOUT_USER_HWC);
    conv(&c, wide, 3, 2);
    conv(&c, wide, 0, 0);
    conv(&c, wide, 3, 1);
    conv(&c, folded_width(8, fold), 3, 2);
    fc(&c, 11 * fold, true);
    to_user(&c, fold, softmax);
    return add(list, &c, false);
}

/* The shape of N1, down to its large layer and, smaller, with it. */
static fr_status add_noscope(conf_list *list, fr_make_type type, int32_t fold) {
    chain c;
    int32_t wide = folded_width(16, fold);
    begin(&c, type, 1, 3 * fold, 20, 20);
    from_user(&c, fold, 3, FR_F32, FR_LAYOUT_USER_CHW);
    conv(&c, wide, 0, 0);
    conv(&c, wide, 2, 2);
    FR_TRY(add(list, &c, false));
    begin(&c, type, 2, 3 * fold, 10, 10);
    from_user(&c, fold, 3, FR_U8, FR_LAYOUT_USER_HWC);
    conv(&c, wide, 0, 0);
    conv(&c, wide, 2, 2);
    fc(&c, folded_width(24, fold), false);
    fc(&c, 2 * fold, true);
    to_user(&c, fold, true);
    return add(list, &c, false);
}

fr_status conf_add_chains(conf_list *list) {
    for (int type = FR_MAKE_F32; type <= FR_MAKE_TF32; type++) {
        if (type == FR_MAKE_INT8)
            continue;
        FR_TRY(add_runs(list, (fr_make_type)type));
        FR_TRY(add_user_ends(list, (fr_make_type)type));
        for (int32_t fold = 1; fold <= 4; fold *= 2) {
            FR_TRY(add_game(list, (fr_make_type)type, fold, 15, 17, fold > 1));
            FR_TRY(add_noscope(list, (fr_make_type)type, fold));
        }
    }
    FR_TRY(add_game(list, FR_MAKE_F16, 1, 22, 52, false));
    return add_game(list, FR_MAKE_F32, 1, 22, 52, false);
}
