/* Small stand-ins for steps: what is cheap to compute twice, and still takes a kernel through its inner part and its edges. */
#include "plan/shrink.h"

enum { LARGE_MAP = 20, SMALL_MAP = 12, MOST_CHANNELS = 64, FEW_CHANNELS = 32 };

static int32_t least(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* How many results of a dim to leave out, so that its source is at most `most` long. Whole strides go, so the windows meet the
 * edges as they did. */
static int32_t surplus(int32_t size, int32_t dst, int32_t stride, int32_t most, int32_t window) {
    int32_t cut = 0;
    while (size - (cut + 1) * stride >= window && dst - cut > 1 && size - cut * stride > most)
        cut++;
    return cut;
}

static void cut_windows(fr_step *s, int32_t most) {
    bool is_conv = s->kind == FR_STEP_CONV, pools = s->pool != FR_POOL_NONE;
    const fr_window *p = &s->pool_win, *k = &s->win;
    int32_t h = s->src[0].h, w = s->src[0].w;
    int32_t stride_h = (is_conv ? k->sh : 1) * (pools ? p->sh : 1),
            stride_w = (is_conv ? k->sw : 1) * (pools ? p->sw : 1);
    /* what one result reads, without the help of padding */
    int32_t reach_h = ((pools ? (p->kh - 1) * p->dh + 1 : 1) - 1) * (is_conv ? k->sh : 1) +
                      (is_conv ? (k->kh - 1) * k->dh + 1 : 1),
            reach_w = ((pools ? (p->kw - 1) * p->dw + 1 : 1) - 1) * (is_conv ? k->sw : 1) +
                      (is_conv ? (k->kw - 1) * k->dw + 1 : 1);
    int32_t cut_h = surplus(h, s->dst.h, stride_h, most, reach_h),
            cut_w = surplus(w, s->dst.w, stride_w, most, reach_w);
    s->src[0].h -= cut_h * stride_h;
    s->src[0].w -= cut_w * stride_w;
    if (s->residual) {
        s->src[1].h -= cut_h * (pools ? p->sh : 1);
        s->src[1].w -= cut_w * (pools ? p->sw : 1);
    }
    s->dst.h -= cut_h;
    s->dst.w -= cut_w;
}

static void cut_maps(fr_step *s, int32_t most) { /* of steps that go place by place */
    int32_t h = s->src[0].h, w = s->src[0].w;
    for (int32_t i = 0; i < s->n_src; i++) {
        if (s->src[i].h == h && s->src[i].w == w) { /* else it is broadcast */
            s->src[i].h = least(h, most);
            s->src[i].w = least(w, most);
        }
    }
    s->dst.h -= h - least(h, most);
    s->dst.w -= w - least(w, most);
}

static void cut_channels(fr_step *s, int32_t most) {
    if (s->kind == FR_STEP_CONV && s->groups != 1)
        return;
    s->src[0].c = least(s->src[0].c, most);
    s->dst.c = least(s->dst.c, most);
    if (s->residual)
        s->src[1].c = s->dst.c;
}

double fr_step_work(const fr_step *s) {
    double work = 0;
    int32_t h = 1, w = 1;
    for (int32_t i = 0; i < s->n_sub; i++)
        work += fr_step_work(&s->sub[i]) / (s->sub[i].n > 0 ? s->sub[i].n : 1);
    if (s->kind == FR_STEP_CONV) {
        fr_conv_map(s, &h, &w);
        work = (double)s->dst.c * h * w * (s->src[0].c / s->groups) * s->win.kh * s->win.kw;
    } else if (s->kind == FR_STEP_FC) {
        work = (double)s->dst.c * s->src[0].c * s->src[0].h * s->src[0].w;
    } else if (s->kind != FR_STEP_CHAIN) {
        work = (double)s->dst.c * s->dst.h * s->dst.w *
               (s->kind == FR_STEP_POOL ? s->pool_win.kh * s->pool_win.kw : s->n_src);
    }
    return work * s->n;
}

bool fr_step_shrink(const fr_step *step, int32_t n, double most_work, fr_step *out) {
    static const int32_t maps[] = {LARGE_MAP, SMALL_MAP, SMALL_MAP, SMALL_MAP},
                         channels[] = {0, 0, MOST_CHANNELS, FEW_CHANNELS};
    bool same_map = step->n_src > 0 && step->dst.h == step->src[0].h && step->dst.w == step->src[0].w;
    for (int level = 0; level < 4; level++) {
        *out = *step;
        out->n = n;
        switch (step->kind) {
        case FR_STEP_CONV:
        case FR_STEP_POOL: cut_windows(out, maps[level]); break;
        case FR_STEP_BINARY:
        case FR_STEP_UNARY:
        case FR_STEP_CONCAT:
        case FR_STEP_LRN:
        case FR_STEP_SOFTMAX:
        case FR_STEP_ARGMAX:
        case FR_STEP_PAD:
        case FR_STEP_INGEST: cut_maps(out, maps[level]); break;
        case FR_STEP_REORDER:
            if (same_map)
                cut_maps(out, maps[level]);
            break;
        default: break;
        }
        if (channels[level] && (step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC))
            cut_channels(out, channels[level]);
        if (fr_step_work(out) <= most_work)
            return true;
    }
    return false;
}
