/* The layers of V1, V4, N1, N3 and N4, plain and folded by 2, 3 and 4, with their own ReLU and pools as epilogues. */
#include "base/status.h"
#include "cases.h"

static int32_t folded_width(int32_t width, int32_t fold) { /* floor(width * sqrt(fold)), in integers */
    int32_t wide = width;
    while ((wide + 1) * (wide + 1) <= width * width * fold)
        wide++;
    return wide;
}

typedef struct at {
    conf_list *list;
    int32_t fold, c, h, w;
    bool is_first, every_type;
} at;

/* The first layer stays float, as the engine keeps it. Big layers run in two types only: the oracle has to keep up. */
static fr_status add_step(at *a, const fr_step *step) {
    FR_TRY(conf_add_typed(a->list, *step, FR_MAKE_F32));
    FR_TRY(conf_add_typed(a->list, *step, FR_MAKE_BF16));
    return a->is_first || !a->every_type ? FR_OK : conf_add_typed(a->list, *step, FR_MAKE_INT8);
}

static fr_status conv(at *a, int32_t width, int32_t pool, int32_t stride) {
    fr_step step = fr_make_conv(1, a->c, a->h, a->w, folded_width(width, a->fold), fr_make_window(3, 1, 1), 1);
    if (pool)
        fr_make_pooled(&step, FR_POOL_MAX, fr_make_window(pool, stride, 0), false);
    FR_TRY(add_step(a, &step));
    a->c = step.dst.c;
    a->h = step.dst.h;
    a->w = step.dst.w;
    a->is_first = false;
    return FR_OK;
}

static fr_status fc(at *a, int32_t width, bool is_last) {
    fr_step step = fr_make_step(FR_STEP_FC, 1, a->c, a->h, a->w);
    step.has_bias = 1;
    step.act = is_last ? FR_ACT_NONE : FR_ACT_RELU;
    step.dst = (fr_tensor){.c = is_last ? width * a->fold : folded_width(width, a->fold), .h = 1, .w = 1};
    FR_TRY(add_step(a, &step));
    a->c = step.dst.c;
    a->h = a->w = 1;
    return FR_OK;
}

static fr_status game(conf_list *list, int32_t fold, int32_t h, int32_t w, int32_t units, int32_t classes) {
    at a = {list, fold, 3 * fold, h, w, true, true};
    FR_TRY(conv(&a, 32, 3, 2));
    for (int32_t unit = 0; unit < units; unit++) {
        FR_TRY(conv(&a, 32, 0, 0));
        FR_TRY(conv(&a, 32, 3, 1));
    }
    FR_TRY(conv(&a, 8, 3, 2));
    return fc(&a, classes, true);
}

static fr_status noscope(conf_list *list, int32_t fold, int32_t width, bool second_pair, int32_t dense,
                         bool every_type) {
    at a = {list, fold, 3 * fold, 50, 50, true, every_type};
    FR_TRY(conv(&a, width, 0, 0));
    FR_TRY(conv(&a, width, 2, 2));
    if (second_pair) {
        FR_TRY(conv(&a, 2 * width, 0, 0));
        FR_TRY(conv(&a, 2 * width, 2, 2));
    }
    FR_TRY(fc(&a, dense, false));
    return fc(&a, 2, true);
}

fr_status conf_add_models(conf_list *list) {
    for (int32_t fold = 1; fold <= 4; fold++) {
        FR_TRY(game(list, fold, 22, 52, 1, 11));
        FR_TRY(game(list, fold, 22, 30, 2, 27));
        FR_TRY(noscope(list, fold, 16, false, 128, true));
        FR_TRY(noscope(list, fold, 32, true, 32, fold <= 2));
        FR_TRY(noscope(list, fold, 64, false, 32, fold == 1));
    }
    return FR_OK;
}
