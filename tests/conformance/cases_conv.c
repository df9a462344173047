/* Convolutions: every shape with three epilogues in turn, and every epilogue on one shape. */
#include <string.h>

#include "base/status.h"
#include "cases.h"

typedef struct conv_shape {
    int32_t c, h, w, c_out, kh, kw, sh, sw, d, pad[4], groups;
} conv_shape; /* pad: top, left, bottom, right */

static const conv_shape shapes[] = {
    /* 1x1 kernels, 1x1 maps, odd maps */
    {16, 14, 14, 32, 1, 1, 1, 1, 1, {0, 0, 0, 0}, 1},
    {17, 9, 7, 45, 1, 1, 1, 1, 1, {0, 0, 0, 0}, 1},
    {64, 1, 1, 90, 1, 1, 1, 1, 1, {0, 0, 0, 0}, 1},
    {32, 13, 14, 64, 1, 1, 2, 2, 1, {0, 0, 0, 0}, 1},
    {8, 11, 11, 9, 1, 1, 3, 3, 1, {0, 0, 0, 0}, 1}, /* stride past the kernel */
    {3, 5, 5, 8, 1, 1, 1, 1, 1, {1, 1, 1, 1}, 1},   /* padding as wide as the kernel */
    /* 3x3, pad 1: channels that tiles divide and channels that none does */
    {1, 11, 13, 8, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {2, 7, 9, 3, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {3, 11, 26, 32, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {6, 10, 12, 45, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {8, 11, 26, 8, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {9, 12, 10, 16, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {12, 10, 11, 64, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {16, 17, 15, 16, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {17, 8, 8, 17, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {32, 11, 26, 32, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {45, 9, 11, 45, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {55, 8, 12, 55, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {64, 12, 12, 64, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {90, 7, 9, 90, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    /* 3x3 otherwise */
    {32, 10, 25, 32, 3, 3, 1, 1, 1, {0, 0, 0, 0}, 1},
    {32, 15, 13, 16, 3, 3, 2, 2, 1, {1, 1, 1, 1}, 1},
    {16, 13, 12, 32, 3, 3, 1, 1, 2, {2, 2, 2, 2}, 1},
    {9, 15, 15, 12, 3, 3, 2, 2, 3, {1, 1, 1, 1}, 1},
    {16, 12, 11, 16, 3, 3, 1, 1, 1, {0, 1, 2, 1}, 1},
    {12, 11, 12, 17, 3, 3, 2, 1, 1, {0, 0, 1, 1}, 1},
    {32, 1, 1, 32, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},
    {16, 2, 1, 16, 3, 3, 2, 2, 1, {1, 1, 1, 1}, 1},
    {16, 9, 9, 16, 3, 3, 4, 5, 1, {0, 0, 0, 0}, 1},
    /* other kernels */
    {16, 12, 13, 32, 5, 5, 1, 1, 1, {2, 2, 2, 2}, 1},
    {3, 23, 21, 64, 7, 7, 2, 2, 1, {3, 3, 3, 3}, 1},
    {3, 35, 35, 16, 11, 11, 4, 4, 1, {2, 2, 2, 2}, 1},
    {32, 9, 12, 16, 1, 7, 1, 1, 1, {0, 3, 0, 3}, 1},
    {17, 12, 9, 32, 3, 1, 1, 1, 1, {1, 0, 1, 0}, 1},
    {12, 10, 10, 16, 2, 2, 2, 2, 1, {0, 0, 0, 0}, 1},
    {8, 9, 9, 8, 4, 4, 1, 1, 1, {1, 2, 2, 1}, 1},
    {64, 3, 11, 32, 3, 11, 1, 1, 1, {0, 0, 0, 0}, 1}, /* the whole map */
    /* groups and depthwise */
    {32, 12, 12, 32, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 4},
    {64, 13, 12, 64, 5, 5, 1, 1, 1, {2, 2, 2, 2}, 4},
    {9, 8, 9, 12, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 3},
    {90, 7, 7, 90, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 2},
    {44, 7, 7, 44, 1, 1, 1, 1, 1, {0, 0, 0, 0}, 4},
    {32, 13, 12, 32, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 32},
    {17, 13, 13, 17, 3, 3, 2, 2, 1, {1, 1, 1, 1}, 17},
    {45, 9, 9, 45, 5, 5, 1, 1, 1, {2, 2, 2, 2}, 45},
    {8, 9, 9, 16, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 8},
    {3, 11, 70, 22, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1},  /* a first layer, wide */
    {80, 7, 35, 80, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 80}, /* more channels and places than one tile holds */
    {40, 8, 31, 48, 5, 5, 1, 1, 1, {2, 2, 2, 2}, 2},
};

typedef struct epilogue {
    uint8_t bias, act;
    float a, b;
    uint8_t residual, pool;
    int32_t k, stride, pad;
    bool ceil_mode;
} epilogue;

static const epilogue epilogues[] = {
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_NONE, 0, 0, 0, false},
    {0, FR_ACT_NONE, 0, 0, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_RELU, 0, 0, 1, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_MAX, 3, 2, 0, false},
    {1, FR_ACT_CLIP, 0, 6, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_LEAKY, 0.125f, 0, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_NONE, 0, 0, 0, FR_POOL_MAX, 2, 2, 0, false},
    {0, FR_ACT_NONE, 0, 0, 1, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_MAX, 3, 1, 0, false},
    {0, FR_ACT_RELU, 0, 0, 0, FR_POOL_AVG, 2, 2, 0, false},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], EPILOGUES = sizeof epilogues / sizeof epilogues[0] };

/* On one shape: the rest of the activations and pools. Parameters that keep integers exact, where the function can. */
static const epilogue more_epilogues[] = {
    {1, FR_ACT_CLIP, -3, 5, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_SIGMOID, 0, 0, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_HARDSIGMOID, 0.25f, 0.5f, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_HARDSWISH, 0, 0, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_TANH, 0, 0, 0, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_HARDSWISH, 0, 0, 1, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_LEAKY, 0.125f, 0, 1, FR_POOL_NONE, 0, 0, 0, false},
    {1, FR_ACT_CLIP, 0, 6, 1, FR_POOL_MAX, 2, 2, 0, false},
    {1, FR_ACT_RELU, 0, 0, 1, FR_POOL_MAX, 3, 2, 1, false},
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_MAX, 3, 2, 0, true},
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_MAX, 2, 2, 1, true},
    {1, FR_ACT_NONE, 0, 0, 0, FR_POOL_MAX, 2, 3, 0, false},
    {1, FR_ACT_TANH, 0, 0, 0, FR_POOL_MAX, 2, 1, 0, false},
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_AVG, 3, 2, 1, false},
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_AVG_INCLUDE_PAD, 3, 2, 1, false},
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_AVG, 0, 1, 0, false}, /* k = 0: the whole map */
    {1, FR_ACT_RELU, 0, 0, 0, FR_POOL_MAX, 0, 1, 0, false},
};

static bool apply(fr_step *step, const epilogue *e) {
    step->has_bias = e->bias;
    step->act = e->act;
    step->act_a = e->a;
    step->act_b = e->b;
    if (e->residual)
        fr_make_residual(step);
    fr_window win = fr_make_window(e->k, e->stride, e->pad);
    if (e->k == 0) {
        win.kh = step->dst.h;
        win.kw = step->dst.w;
    }
    return !e->pool || fr_make_pooled(step, (fr_pool_kind)e->pool, win, e->ceil_mode);
}

static fr_step from_shape(const conv_shape *s, int32_t n) {
    fr_window win = {s->kh, s->kw, s->sh, s->sw, s->d, s->d, s->pad[0], s->pad[1], s->pad[2], s->pad[3]};
    return fr_make_conv(n, s->c, s->h, s->w, s->c_out, win, s->groups);
}

/* Int8 in other dress: signed sources, results that stay real, residuals in another dtype than dst, float layers that
 * store int8. */
static fr_status add_int8(conf_list *list) {
    static const int32_t channels[] = {3, 16, 17, 32, 64};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        fr_step step = fr_make_conv(i % 2 ? 3 : 1, channels[i], 9, 10, channels[i] + 13, fr_make_window(3, 1, 1), 1);
        fr_make_of_type(&step, FR_MAKE_INT8);
        step.src[0].dtype = FR_S8;
        FR_TRY(conf_add(list, &step, false, 0));
        step.dst.dtype = FR_F32;
        FR_TRY(conf_add(list, &step, false, 0));
        step.src[0].dtype = FR_U8;
        FR_TRY(conf_add(list, &step, false, 0));
        step.act = FR_ACT_NONE;
        step.dst.dtype = FR_S8;
        fr_make_residual(&step);
        FR_TRY(conf_add(list, &step, false, 0));
        step.src[1].dtype = FR_F32;
        step.dst.dtype = FR_F32;
        FR_TRY(conf_add(list, &step, false, 0));
        step = fr_make_conv(3, channels[i], 8, 9, channels[i] + 3, fr_make_window(3, 1, 1),
                            1); /* a float layer before int8 ones */
        fr_make_of_type(&step, FR_MAKE_F32);
        step.dst.dtype = FR_U8;
        FR_TRY(conf_add(list, &step, false, 0));
        fr_make_pooled(&step, FR_POOL_MAX, fr_make_window(3, 2, 0), false);
        FR_TRY(conf_add(list, &step, false, 0));
    }
    for (int32_t groups = 6; groups <= 72; groups += 66) { /* signed sources by groups, and depthwise */
        fr_step step = fr_make_conv(2, 72, 6, 9, 72, fr_make_window(3, 1, 1), groups);
        fr_make_of_type(&step, FR_MAKE_INT8);
        step.src[0].dtype = FR_S8;
        step.dst.dtype = FR_S8;
        FR_TRY(conf_add(list, &step, false, 0));
    }
    return FR_OK;
}

static fr_status add_layouts(conf_list *list) {
    for (int type = 0; type <= FR_MAKE_TF32; type++) {
        fr_step step = fr_make_conv(2, 9, 7, 5, 20, fr_make_window(3, 1, 1), 1);
        fr_make_of_type(&step, (fr_make_type)type);
        FR_TRY(conf_add(list, &step, true, 0));
        fr_make_residual(&step);
        FR_TRY(conf_add(list, &step, true, 0));
        step = fr_make_conv(2, 17, 8, 7, 17, fr_make_window(3, 1, 1), 17);
        fr_make_of_type(&step, (fr_make_type)type);
        FR_TRY(conf_add(list, &step, true, 0));
        step = fr_make_conv(1, 32, 6, 9, 16, fr_make_window(3, 1, 0), 1);
        fr_make_pooled(&step, FR_POOL_MAX, fr_make_window(2, 2, 0), false);
        fr_make_of_type(&step, (fr_make_type)type);
        FR_TRY(conf_add(list, &step, true, 0));
    }
    return FR_OK;
}

fr_status conf_add_convs(conf_list *list) {
    static const int32_t batches[] = {1, 3, 8};
    for (int i = 0; i < SHAPES; i++) {
        int picks[] = {0, 1 + 2 * i % (EPILOGUES - 1), 1 + (2 * i + 1) % (EPILOGUES - 1)};
        for (int k = 0; k < 3; k++) {
            fr_step step = from_shape(&shapes[i], batches[(i + k) % 3]);
            if (apply(&step, &epilogues[picks[k]]))
                FR_TRY(conf_add_all_types(list, &step));
        }
    }
    for (size_t i = 0; i < sizeof more_epilogues / sizeof more_epilogues[0]; i++) {
        static const conv_shape shape = {16, 9, 10, 24, 3, 3, 1, 1, 1, {1, 1, 1, 1}, 1};
        fr_step step = from_shape(&shape, batches[i % 3]);
        if (apply(&step, &more_epilogues[i]))
            FR_TRY(conf_add_all_types(list, &step));
    }
    FR_TRY(add_int8(list));
    return add_layouts(list);
}
