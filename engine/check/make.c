#include "check/make.h"

#include <string.h>

fr_step fr_make_step(fr_step_kind kind, int32_t n, int32_t c, int32_t h, int32_t w) {
    fr_step step;
    memset(&step, 0, sizeof step);
    step.struct_bytes = sizeof step;
    step.kind = (uint16_t)kind;
    step.n = n;
    step.n_src = 1;
    step.src[0] = step.dst = (fr_tensor){.c = c, .h = h, .w = w, .dtype = FR_F32};
    step.groups = 1;
    return step;
}

fr_window fr_make_window(int32_t k, int32_t stride, int32_t pad) {
    return (fr_window){.kh = k,
                       .kw = k,
                       .sh = stride,
                       .sw = stride,
                       .dh = 1,
                       .dw = 1,
                       .pad_top = pad,
                       .pad_left = pad,
                       .pad_bottom = pad,
                       .pad_right = pad};
}

/* Where the last window of ceil_mode would begin in the padding behind the map, it is left out, as in ONNX. */
int32_t fr_pooled_size(int32_t size, int32_t k, int32_t stride, int32_t pad_begin, int32_t pad_end, bool ceil_mode) {
    int32_t room = size + pad_begin + pad_end - k, count = room / stride + 1;
    if (ceil_mode && room % stride != 0 && count * stride < size + pad_begin)
        count++;
    return count;
}

fr_step fr_make_conv(int32_t n, int32_t c, int32_t h, int32_t w, int32_t c_out, fr_window win, int32_t groups) {
    fr_step step = fr_make_step(FR_STEP_CONV, n, c, h, w);
    step.win = win;
    step.groups = groups;
    step.has_bias = 1;
    step.act = FR_ACT_RELU;
    step.dst.c = c_out;
    fr_conv_map(&step, &step.dst.h, &step.dst.w);
    return step;
}

void fr_make_residual(fr_step *step) {
    step->residual = 1;
    step->n_src = 2;
    step->src[1] = step->dst;
}

bool fr_make_pooled(fr_step *step, fr_pool_kind kind, fr_window win, bool ceil_mode) {
    int32_t h = step->dst.h + win.pad_top + win.pad_bottom, w = step->dst.w + win.pad_left + win.pad_right;
    if (h < (win.kh - 1) * win.dh + 1 || w < (win.kw - 1) * win.dw + 1)
        return false;
    step->pool = (uint8_t)kind;
    step->pool_win = win;
    step->dst.h =
        fr_pooled_size(step->dst.h, (win.kh - 1) * win.dh + 1, win.sh, win.pad_top, win.pad_bottom, ceil_mode);
    step->dst.w =
        fr_pooled_size(step->dst.w, (win.kw - 1) * win.dw + 1, win.sw, win.pad_left, win.pad_right, ceil_mode);
    return true;
}

static bool never_negative(const fr_step *step) {
    switch (step->act) {
    case FR_ACT_RELU:
    case FR_ACT_SIGMOID:
    case FR_ACT_HARDSIGMOID: return true;
    case FR_ACT_CLIP: return step->act_a >= 0;
    default: return false;
    }
}

bool fr_make_has_products(const fr_step *step) {
    return step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC;
}

void fr_make_of_type(fr_step *step, fr_make_type type) {
    static const uint16_t dtypes[] = {FR_F32, FR_BF16, FR_F16, FR_U8, FR_F32};
    static const uint16_t precisions[] = {FR_PRECISION_F32, FR_PRECISION_BF16, FR_PRECISION_F16, FR_PRECISION_INT8,
                                          FR_PRECISION_TF32};
    step->compute = type == FR_MAKE_TF32 && !fr_make_has_products(step) ? FR_PRECISION_F32 : precisions[type];
    for (int32_t i = 0; i < step->n_src; i++)
        step->src[i].dtype = dtypes[type];
    step->dst.dtype = dtypes[type];
    bool is_sum = step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC || step->kind == FR_STEP_BINARY;
    if (type == FR_MAKE_INT8 && (is_sum || step->act) && !never_negative(step))
        step->dst.dtype = FR_S8;
}

uint32_t fr_step_precisions(const fr_step *step) {
    uint32_t bits = 1u << step->compute;
    for (int32_t i = 0; i <= step->n_src; i++) {
        uint16_t dtype = i < step->n_src ? step->src[i].dtype : step->dst.dtype;
        bits |= dtype == FR_BF16 ? 1u << FR_PRECISION_BF16 : dtype == FR_F16 ? 1u << FR_PRECISION_F16 : 0u;
    }
    return bits;
}
