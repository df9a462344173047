#include "plan/step_name.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *dtype_word(uint16_t dtype) {
    switch (dtype) {
    case FR_F32: return "f32";
    case FR_F16: return "f16";
    case FR_BF16: return "bf16";
    case FR_U8: return "u8";
    case FR_S8: return "s8";
    default: return "other";
    }
}

static void put(char *out, size_t bytes, const char *fmt, ...) FR_PRINTF(3, 4);

static void put(char *out, size_t bytes, const char *fmt, ...) {
    size_t length = strlen(out);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + length, bytes - length, fmt, args);
    va_end(args);
}

static void put_window(char *out, size_t bytes, const fr_window *win) {
    put(out, bytes, "%dx%d", win->kh, win->kw);
    if (win->sh != 1 || win->sw != 1)
        put(out, bytes, win->sh == win->sw ? "s%d" : "s%dx%d", win->sh, win->sw);
    if (win->dh != 1 || win->dw != 1)
        put(out, bytes, "d%dx%d", win->dh, win->dw);
}

static void put_pads(char *out, size_t bytes, const fr_window *win) {
    bool is_even = win->pad_top == win->pad_left && win->pad_top == win->pad_bottom && win->pad_top == win->pad_right;
    if (!is_even)
        put(out, bytes, "-p%d.%d.%d.%d", win->pad_top, win->pad_left, win->pad_bottom, win->pad_right);
    else if (win->pad_top)
        put(out, bytes, "-p%d", win->pad_top);
}

static void put_pool(char *out, size_t bytes, const fr_step *step) {
    static const char *const words[] = {"", "max", "avg", "avgpad"};
    put(out, bytes, "-%s", words[step->pool]);
    put_window(out, bytes, &step->pool_win);
    put_pads(out, bytes, &step->pool_win);
    put(out, bytes, "-to%dx%d", step->dst.h, step->dst.w);
}

static void put_epilogue(char *out, size_t bytes, const fr_step *step) {
    static const char *const acts[] = {"", "relu", "clip", "leaky", "sigmoid", "hardsigmoid", "hardswish", "tanh"};
    if (step->has_bias)
        put(out, bytes, "-bias");
    if (step->residual)
        put(out, bytes, "-residual");
    if (step->act)
        put(out, bytes, "-%s", acts[step->act]);
    if (step->act == FR_ACT_CLIP)
        put(out, bytes, "%g..%g", (double)step->act_a, (double)step->act_b);
}

/* What a chain's sub-steps are, in turn: conv3x3max2x2s2.fc. */
static void put_links(char *out, size_t bytes, const fr_step *chain) {
    static const char *const words[] = {
        [FR_STEP_INGEST] = "ingest", [FR_STEP_EMIT] = "emit",   [FR_STEP_CONV] = "conv",       [FR_STEP_FC] = "fc",
        [FR_STEP_POOL] = "pool",     [FR_STEP_UNARY] = "unary", [FR_STEP_SOFTMAX] = "softmax", [FR_STEP_LRN] = "lrn"};
    for (int32_t i = 0; i < chain->n_sub; i++) {
        const fr_step *sub = &chain->sub[i];
        put(out, bytes, "%c%s", i ? '.' : '-', words[sub->kind]);
        if (sub->kind == FR_STEP_CONV) {
            put_window(out, bytes, &sub->win);
            put_pads(out, bytes, &sub->win);
        }
        if (sub->pool) {
            put(out, bytes, "%s", sub->pool == FR_POOL_MAX ? "max" : "avg");
            put_window(out, bytes, &sub->pool_win);
        }
        if (sub->act > FR_ACT_RELU)
            put(out, bytes, "act%d", sub->act);
        if (sub->kind == FR_STEP_INGEST)
            put(out, bytes, "-%s%d", sub->src[0].layout == FR_LAYOUT_USER_CHW ? "chw" : "hwc", sub->images);
        if (sub->softmax)
            put(out, bytes, "-softmax");
    }
}

/* What products are formed in, where the dtypes at the step's ends do not say it. */
static void put_compute(char *out, size_t bytes, const fr_step *step) {
    static const char *const words[] = {"", "f16", "bf16", "int8", "", "tf32"};
    static const uint16_t said_by[] = {FR_F32, FR_F16, FR_BF16, FR_S8, FR_F64, FR_DTYPE_NONE};
    bool is_said = step->compute >= sizeof said_by / sizeof said_by[0];
    is_said = is_said || step->src[0].dtype == said_by[step->compute] || step->dst.dtype == said_by[step->compute];
    bool has_products = step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC;
    if (!is_said && *words[step->compute] &&
        (step->kind == FR_STEP_CHAIN || (has_products && step->compute != FR_PRECISION_INT8)))
        put(out, bytes, "-by%s", words[step->compute]);
}

static void put_dtypes(char *out, size_t bytes, const fr_step *step) {
    put(out, bytes, "-%s", dtype_word(step->src[0].dtype));
    for (int32_t i = 1; i < step->n_src; i++)
        if (step->src[i].dtype != step->src[0].dtype)
            put(out, bytes, ".%s", dtype_word(step->src[i].dtype));
    if (step->dst.dtype != step->src[0].dtype)
        put(out, bytes, "to%s", dtype_word(step->dst.dtype));
    put_compute(out, bytes, step);
}

static void put_kind(char *out, size_t bytes, const fr_step *step) {
    static const char *const binaries[] = {"", "add", "mul", "sub", "div", "max", "min"};
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    switch (step->kind) {
    case FR_STEP_CONV:
        put(out, bytes, "conv");
        put_window(out, bytes, &step->win);
        put(out, bytes, "-c%do%d-%dx%d", src->c, dst->c, src->h, src->w);
        put_pads(out, bytes, &step->win);
        if (step->groups != 1)
            put(out, bytes, "-g%d", step->groups);
        return;
    case FR_STEP_FC: put(out, bytes, "fc-c%do%d-%dx%d", src->c, dst->c, src->h, src->w); return;
    case FR_STEP_POOL: put(out, bytes, "pool-c%d-%dx%d", src->c, src->h, src->w); return;
    case FR_STEP_BINARY:
        put(out, bytes, "binary-%s-c%d-%dx%d", binaries[step->binary], src->c, src->h, src->w);
        if (step->src[1].h * step->src[1].w != src->h * src->w)
            put(out, bytes, "-broadcast");
        return;
    case FR_STEP_UNARY: put(out, bytes, "unary-c%d-%dx%d", src->c, src->h, src->w); return;
    case FR_STEP_CONCAT:
        put(out, bytes, "concat");
        for (int32_t i = 0; i < step->n_src; i++)
            put(out, bytes, "%cc%d", i ? '.' : '-', step->src[i].c);
        put(out, bytes, "-%dx%d", src->h, src->w);
        return;
    case FR_STEP_LRN:
        put(out, bytes, "lrn%d-c%d-%dx%d-k%g", step->lrn_size, src->c, src->h, src->w, (double)step->lrn_k);
        return;
    case FR_STEP_SOFTMAX: put(out, bytes, "softmax-c%d-%dx%d", src->c, src->h, src->w); return;
    case FR_STEP_REORDER:
        put(out, bytes, "reorder-c%d-%dx%d-toc%d-%dx%d", src->c, src->h, src->w, dst->c, dst->h, dst->w);
        return;
    case FR_STEP_PAD:
        put(out, bytes, "pad%g-c%d-%dx%d", (double)step->pad_value, src->c, src->h, src->w);
        put_pads(out, bytes, &step->win);
        return;
    case FR_STEP_ARGMAX:
        put(out, bytes, "argmax%s-c%d-%dx%d", step->pick_last ? "last" : "", src->c, src->h, src->w);
        return;
    case FR_STEP_INGEST:
        put(out, bytes, "ingest-%s-c%dx%d-%dx%d", src->layout == FR_LAYOUT_USER_CHW ? "chw" : "hwc", step->image_c,
            step->images, src->h, src->w);
        return;
    case FR_STEP_EMIT:
        put(out, bytes, "emit-c%dx%d%s", src->c / step->images, step->images, step->softmax ? "-softmax" : "");
        return;
    default:
        put(out, bytes, "chain%d-c%do%d-%dx%d", step->n_sub, src->c, dst->c, src->h, src->w);
        put_links(out, bytes, step);
        return;
    }
}

void fr_step_name(const fr_step *step, int32_t valid, char *out, size_t bytes) {
    out[0] = '\0';
    put_kind(out, bytes, step);
    put_epilogue(out, bytes, step);
    if (step->pool)
        put_pool(out, bytes, step);
    put(out, bytes, "-n%d", step->n);
    if (step->images && valid != step->n * step->images)
        put(out, bytes, "-valid%d", valid);
    put_dtypes(out, bytes, step);
}
