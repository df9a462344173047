#include "common/step_check.h"

#include <math.h>
#include <stdbool.h>

static uint64_t plain_elements(const fr_tensor *t) { /* of one input, without a layout's padding */
    return (uint64_t)t->c * (uint64_t)t->h * (uint64_t)t->w;
}

static bool is_dtype(uint16_t dtype) {
    switch (dtype) {
    case FR_F32:
    case FR_F16:
    case FR_BF16:
    case FR_U8:
    case FR_S8:
    case FR_S32:
    case FR_S64:
    case FR_F64: return true;
    default: return false;
    }
}

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static fr_reason check_tensor(const fr_tensor *t, bool is_user) {
    if (!is_dtype(t->dtype) || (is_byte(t->dtype) && !is_user && !(t->scale > 0 && isfinite(t->scale))))
        return FR_WHY_DTYPE;
    bool is_user_layout = t->layout == FR_LAYOUT_USER_HWC || t->layout == FR_LAYOUT_USER_CHW;
    if (t->layout > FR_LAYOUT_USER_CHW || is_user_layout != is_user)
        return FR_WHY_LAYOUT;
    if (t->c < 1 || t->h < 1 || t->w < 1)
        return FR_WHY_SHAPE;
    return FR_WHY_NOT;
}

static bool same_dims(const fr_tensor *a, int32_t c, int32_t h, int32_t w) {
    return a->c == c && a->h == h && a->w == w;
}

static bool is_window(const fr_window *win) {
    return win->kh >= 1 && win->kw >= 1 && win->sh >= 1 && win->sw >= 1 && win->dh >= 1 && win->dw >= 1;
}

/* dst may be smaller than what fits (a pool need not cover the map), and larger by windows past the padded edge, as long as
 * each window still begins before it. */
static fr_reason check_pool(const fr_step *step, int32_t c, int32_t h, int32_t w) {
    const fr_window *win = &step->pool_win;
    if (step->pool > FR_POOL_AVG_INCLUDE_PAD)
        return FR_WHY_EPILOGUE;
    if (win->pad_top < 0 || win->pad_left < 0 || win->pad_bottom < 0 || win->pad_right < 0)
        return FR_WHY_PADDING;
    if (!is_window(win) || step->dst.c != c)
        return FR_WHY_SHAPE;
    int64_t last_y = (int64_t)(step->dst.h - 1) * win->sh - win->pad_top,
            last_x = (int64_t)(step->dst.w - 1) * win->sw - win->pad_left;
    return last_y < (int64_t)h + win->pad_bottom && last_x < (int64_t)w + win->pad_right ? FR_WHY_NOT : FR_WHY_SHAPE;
}

static fr_reason check_sources(const fr_step *step, int32_t wanted) {
    return step->n_src == wanted ? FR_WHY_NOT : FR_WHY_SHAPE;
}

static fr_reason check_conv(const fr_step *step) {
    const fr_window *win = &step->win;
    int32_t c = step->dst.c, h, w;
    if (step->n_src != (step->residual ? 2 : 1) || !is_window(win))
        return FR_WHY_SHAPE;
    if (step->groups < 1 || step->src[0].c % step->groups != 0 || c % step->groups != 0)
        return FR_WHY_GROUPS;
    if ((int64_t)step->src[0].h + win->pad_top + win->pad_bottom < (int64_t)(win->kh - 1) * win->dh + 1 ||
        (int64_t)step->src[0].w + win->pad_left + win->pad_right < (int64_t)(win->kw - 1) * win->dw + 1)
        return FR_WHY_SHAPE;
    fr_conv_map(step, &h, &w);
    if (step->residual && !same_dims(&step->src[1], c, h, w))
        return FR_WHY_SHAPE;
    if (step->pool)
        return check_pool(step, c, h, w);
    return same_dims(&step->dst, c, h, w) ? FR_WHY_NOT : FR_WHY_SHAPE;
}

static fr_reason check_fc(const fr_step *step) {
    if (step->pool)
        return FR_WHY_EPILOGUE;
    if (step->n_src != (step->residual ? 2 : 1) || step->dst.h != 1 || step->dst.w != 1)
        return FR_WHY_SHAPE;
    return step->residual && !same_dims(&step->src[1], step->dst.c, 1, 1) ? FR_WHY_SHAPE : FR_WHY_NOT;
}

static fr_reason check_binary(const fr_step *step) {
    const fr_tensor *dst = &step->dst, *b = &step->src[1];
    if (step->binary < FR_BINARY_ADD || step->binary > FR_BINARY_MIN)
        return FR_WHY_KIND;
    if (step->n_src != 2 || !same_dims(&step->src[0], dst->c, dst->h, dst->w))
        return FR_WHY_SHAPE;
    return same_dims(b, dst->c, dst->h, dst->w) || same_dims(b, dst->c, 1, 1) ? FR_WHY_NOT : FR_WHY_SHAPE;
}

static fr_reason check_concat(const fr_step *step) {
    int64_t channels = 0;
    for (int32_t i = 0; i < step->n_src; i++) {
        if (step->src[i].h != step->dst.h || step->src[i].w != step->dst.w)
            return FR_WHY_SHAPE;
        channels += step->src[i].c;
    }
    return step->n_src >= 1 && channels == step->dst.c ? FR_WHY_NOT : FR_WHY_SHAPE;
}

static fr_reason check_same(const fr_step *step) {
    bool same = same_dims(&step->src[0], step->dst.c, step->dst.h, step->dst.w);
    return same ? check_sources(step, 1) : FR_WHY_SHAPE;
}

static fr_reason check_lrn(const fr_step *step) {
    return step->lrn_size >= 1 ? check_same(step) : FR_WHY_SHAPE;
}

static fr_reason check_pad(const fr_step *step) {
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    const fr_window *win = &step->win;
    bool fits = dst->c == src->c && (int64_t)dst->h == (int64_t)src->h + win->pad_top + win->pad_bottom &&
                (int64_t)dst->w == (int64_t)src->w + win->pad_left + win->pad_right;
    return fits ? check_sources(step, 1) : FR_WHY_SHAPE;
}

static fr_reason check_ingest(const fr_step *step) {
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    bool fits = step->images >= 1 && step->image_c >= 1 && (int64_t)step->images * step->image_c == dst->c &&
                src->h == dst->h && src->w == dst->w;
    return fits ? check_sources(step, 1) : FR_WHY_SHAPE;
}

static fr_reason check_emit(const fr_step *step) {
    bool fits = step->images >= 1 && step->src[0].c % step->images == 0;
    if (is_byte(step->dst.dtype) || fr_layout_block(step->dst.layout) != 1)
        return FR_WHY_DTYPE;
    return fits ? check_sources(step, 1) : FR_WHY_SHAPE;
}

static bool has_user_end(const fr_step *step) {
    return step->kind == FR_STEP_INGEST || step->kind == FR_STEP_EMIT;
}

/* A run of steps with one source each, where each reads what the one before it wrote. */
static fr_reason check_chain(const fr_step *step) {
    if (step->n_sub < 1 || !step->sub || step->n_src != 1)
        return FR_WHY_SHAPE;
    for (int32_t i = 0; i < step->n_sub; i++) {
        const fr_step *sub = &step->sub[i];
        const fr_tensor *from = i ? &step->sub[i - 1].dst : &step->src[0];
        bool is_misplaced =
            (sub->kind == FR_STEP_INGEST && i > 0) || (sub->kind == FR_STEP_EMIT && i + 1 < step->n_sub);
        if (sub->kind == FR_STEP_CHAIN || is_misplaced)
            return FR_WHY_KIND;
        if (has_user_end(sub) && sub->images != step->images)
            return FR_WHY_SHAPE;
        if (sub->n != step->n || sub->n_src != 1 || !same_dims(&sub->src[0], from->c, from->h, from->w))
            return FR_WHY_SHAPE;
        if (sub->src[0].dtype != from->dtype || sub->src[0].scale != from->scale)
            return FR_WHY_DTYPE;
        bool has_products = sub->kind == FR_STEP_CONV || sub->kind == FR_STEP_FC;
        if (has_products && sub->compute != step->compute)
            return FR_WHY_DTYPE;
        if (sub->kind == FR_STEP_INGEST && sub->src[0].layout != step->src[0].layout)
            return FR_WHY_LAYOUT;
        fr_reason why = step_check(sub);
        if (why)
            return why;
    }
    const fr_tensor *last = &step->sub[step->n_sub - 1].dst;
    if (last->dtype != step->dst.dtype || last->scale != step->dst.scale)
        return FR_WHY_DTYPE;
    if (step->sub[step->n_sub - 1].kind == FR_STEP_EMIT && fr_layout_block(step->dst.layout) != 1)
        return FR_WHY_LAYOUT;
    return same_dims(last, step->dst.c, step->dst.h, step->dst.w) ? FR_WHY_NOT : FR_WHY_SHAPE;
}

static fr_reason check_kind(const fr_step *step) {
    switch (step->kind) {
    case FR_STEP_INGEST: return check_ingest(step);
    case FR_STEP_EMIT: return check_emit(step);
    case FR_STEP_CONV: return check_conv(step);
    case FR_STEP_FC: return check_fc(step);
    case FR_STEP_POOL:
        return step->pool == FR_POOL_NONE || step->n_src != 1
                   ? FR_WHY_SHAPE
                   : check_pool(step, step->src[0].c, step->src[0].h, step->src[0].w);
    case FR_STEP_BINARY: return check_binary(step);
    case FR_STEP_UNARY:
    case FR_STEP_SOFTMAX: return check_same(step);
    case FR_STEP_LRN: return check_lrn(step);
    case FR_STEP_CONCAT: return check_concat(step);
    case FR_STEP_REORDER:
        return plain_elements(&step->src[0]) == plain_elements(&step->dst) ? check_sources(step, 1) : FR_WHY_SHAPE;
    case FR_STEP_PAD: return check_pad(step);
    case FR_STEP_ARGMAX:
        return same_dims(&step->dst, 1, step->src[0].h, step->src[0].w) ? check_sources(step, 1) : FR_WHY_SHAPE;
    case FR_STEP_CHAIN: return check_chain(step);
    default: return FR_WHY_KIND;
    }
}

fr_reason step_check(const fr_step *step) {
    if (step->n < 1 || step->n_src < 1 || step->n_src > FR_MAX_SRC)
        return FR_WHY_SHAPE;
    if (step->act > FR_ACT_TANH)
        return FR_WHY_ACTIVATION;
    bool is_from_user = step->kind == FR_STEP_INGEST ||
                        (step->kind == FR_STEP_CHAIN && step->sub && step->sub[0].kind == FR_STEP_INGEST);
    for (int32_t i = 0; i < step->n_src; i++) {
        fr_reason why = check_tensor(&step->src[i], is_from_user);
        if (why)
            return why;
    }
    fr_reason why = check_tensor(&step->dst, false);
    if (why)
        return why;
    bool has_weights = step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC;
    if (has_weights && step->compute == FR_PRECISION_INT8 && !is_byte(step->src[0].dtype))
        return FR_WHY_DTYPE;
    return check_kind(step);
}
