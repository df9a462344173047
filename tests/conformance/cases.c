#include "cases.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

/* ---- making steps -------------------------------------------------------------------------------------------- */

fr_step conf_step(fr_step_kind kind, int32_t n, int32_t c, int32_t h, int32_t w) {
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

fr_window conf_window(int32_t k, int32_t stride, int32_t pad) {
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
int32_t conf_pooled(int32_t size, int32_t k, int32_t stride, int32_t pad_begin, int32_t pad_end, bool ceil_mode) {
    int32_t room = size + pad_begin + pad_end - k, count = room / stride + 1;
    if (ceil_mode && room % stride != 0 && count * stride < size + pad_begin)
        count++;
    return count;
}

fr_step conf_conv(int32_t n, int32_t c, int32_t h, int32_t w, int32_t c_out, fr_window win, int32_t groups) {
    fr_step step = conf_step(FR_STEP_CONV, n, c, h, w);
    step.win = win;
    step.groups = groups;
    step.has_bias = 1;
    step.act = FR_ACT_RELU;
    step.dst.c = c_out;
    fr_conv_map(&step, &step.dst.h, &step.dst.w);
    return step;
}

void conf_set_residual(fr_step *step) {
    step->residual = 1;
    step->n_src = 2;
    step->src[1] = step->dst;
}

bool conf_set_pool(fr_step *step, fr_pool_kind kind, fr_window win, bool ceil_mode) {
    int32_t h = step->dst.h + win.pad_top + win.pad_bottom, w = step->dst.w + win.pad_left + win.pad_right;
    if (h < (win.kh - 1) * win.dh + 1 || w < (win.kw - 1) * win.dw + 1)
        return false;
    step->pool = (uint8_t)kind;
    step->pool_win = win;
    step->dst.h = conf_pooled(step->dst.h, (win.kh - 1) * win.dh + 1, win.sh, win.pad_top, win.pad_bottom, ceil_mode);
    step->dst.w = conf_pooled(step->dst.w, (win.kw - 1) * win.dw + 1, win.sw, win.pad_left, win.pad_right, ceil_mode);
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

void conf_set_type(fr_step *step, conf_type type) {
    static const uint16_t dtypes[CONF_TYPES] = {FR_F32, FR_BF16, FR_F16, FR_U8};
    static const uint16_t precisions[CONF_TYPES] = {FR_PRECISION_F32, FR_PRECISION_BF16, FR_PRECISION_F16,
                                                    FR_PRECISION_INT8};
    step->compute = precisions[type];
    for (int32_t i = 0; i < step->n_src; i++)
        step->src[i].dtype = dtypes[type];
    step->dst.dtype = dtypes[type];
    bool is_sum = step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC || step->kind == FR_STEP_BINARY;
    if (type == CONF_INT8 && (is_sum || step->act) && !never_negative(step))
        step->dst.dtype = FR_S8;
}

uint32_t conf_precisions(const fr_step *step) {
    uint32_t bits = 1u << step->compute;
    for (int32_t i = 0; i <= step->n_src; i++) {
        uint16_t dtype = i < step->n_src ? step->src[i].dtype : step->dst.dtype;
        bits |= dtype == FR_BF16 ? 1u << FR_PRECISION_BF16 : dtype == FR_F16 ? 1u << FR_PRECISION_F16 : 0u;
    }
    return bits;
}

/* ---- names --------------------------------------------------------------------------------------------------- */

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

static void put_dtypes(char *out, size_t bytes, const fr_step *step) {
    put(out, bytes, "-%s", dtype_word(step->src[0].dtype));
    for (int32_t i = 1; i < step->n_src; i++)
        if (step->src[i].dtype != step->src[0].dtype)
            put(out, bytes, ".%s", dtype_word(step->src[i].dtype));
    if (step->dst.dtype != step->src[0].dtype)
        put(out, bytes, "to%s", dtype_word(step->dst.dtype));
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

void conf_name(const fr_step *step, int32_t valid, char *out, size_t bytes) {
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

/* ---- the list ------------------------------------------------------------------------------------------------ */

fr_status conf_add(conf_list *list, const fr_step *step, bool all_layouts, int32_t valid) {
    conf_case made = {.step = *step, .all_layouts = all_layouts, .valid = valid};
    conf_name(step, valid, made.name, sizeof made.name);
    for (int32_t i = 0; i < step->n_sub && i < CONF_MAX_SUB; i++)
        made.sub[i] = step->sub[i];
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, made.name) == 0) {
            list->items[i].all_layouts |= all_layouts;
            return FR_OK;
        }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        conf_case *items = fr_grow_array(list->items, list->capacity, capacity, sizeof *items);
        if (!items)
            return fr_no_memory(capacity * sizeof *items, "the case list");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = made;
    return FR_OK;
}

fr_status conf_add_typed(conf_list *list, fr_step step, conf_type type) {
    conf_set_type(&step, type);
    return conf_add(list, &step, false, 0);
}

fr_status conf_add_all_types(conf_list *list, const fr_step *step) {
    for (int type = 0; type < CONF_TYPES; type++)
        FR_TRY(conf_add_typed(list, *step, (conf_type)type));
    return FR_OK;
}

fr_status conf_cases_build(conf_list *out_list) {
    memset(out_list, 0, sizeof *out_list);
    FR_TRY(conf_add_convs(out_list));
    FR_TRY(conf_add_plain(out_list));
    FR_TRY(conf_add_chains(out_list));
    FR_TRY(conf_add_models(out_list));
    for (size_t i = 0; i < out_list->count; i++)
        if (out_list->items[i].step.kind == FR_STEP_CHAIN)
            out_list->items[i].step.sub = out_list->items[i].sub;
    return FR_OK;
}

void conf_cases_free(conf_list *list) {
    fr_free(list->items);
    memset(list, 0, sizeof *list);
}
