#include <string.h>

#include "ref.h"

static int32_t ceil_div(int32_t a, int32_t b) { /* b > 0 */
    return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/* out[y][x] += weight * in[y * sh + dy][x * sw + dx], wherever that is inside the map. */
static void add_tap(double *out, int32_t out_h, int32_t out_w, const double *in, int32_t h, int32_t w,
                    const fr_window *win, int32_t dy, int32_t dx, double weight) {
    int32_t x_begin = dx < 0 ? ceil_div(-dx, win->sw) : 0;
    int32_t x_end = ceil_div(w - dx, win->sw);
    x_end = x_end < out_w ? x_end : out_w;
    for (int32_t y = 0; y < out_h; y++) {
        int32_t row = y * win->sh + dy;
        if (row < 0 || row >= h)
            continue;
        const double *from = in + (int64_t)row * w;
        double *to = out + (int64_t)y * out_w;
        if (win->sw == 1) {
            for (int32_t x = x_begin; x < x_end; x++)
                to[x] += weight * from[x + dx];
        } else {
            for (int32_t x = x_begin; x < x_end; x++)
                to[x] += weight * from[x * win->sw + dx];
        }
    }
}

/* The sums of output channel o, without bias. */
static void sum_channel(const fr_program *program, const ref_maps *src, int32_t o, double *out, int32_t out_h,
                        int32_t out_w, int32_t c_out) {
    const fr_window *win = &program->step.win;
    int32_t c_group = src->c / program->step.groups, group = o / (c_out / program->step.groups);
    const float *weight = program->weight + (uint64_t)o * (uint64_t)c_group * (uint64_t)win->kh * (uint64_t)win->kw;
    memset(out, 0, (size_t)out_h * (size_t)out_w * sizeof *out);
    for (int32_t c = 0; c < c_group; c++) {
        const double *map = src->at + (uint64_t)(group * c_group + c) * (uint64_t)src->h * (uint64_t)src->w;
        for (int32_t ky = 0; ky < win->kh; ky++)
            for (int32_t kx = 0; kx < win->kw; kx++)
                add_tap(out, out_h, out_w, map, src->h, src->w, win, ky * win->dh - win->pad_top,
                        kx * win->dw - win->pad_left, (double)*weight++);
    }
}

/* extra: the conv's own output, when a pool follows. */
void ref_conv(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    const fr_step *step = &program->step;
    ref_maps out = {.c = dst->c, .at = step->pool ? extra : dst->at};
    fr_conv_map(step, &out.h, &out.w);
    uint64_t map = (uint64_t)out.h * (uint64_t)out.w;
    for (int32_t o = 0; o < out.c; o++) {
        double *at = out.at + (uint64_t)o * map;
        const double *residual = step->residual ? src[1].at + (uint64_t)o * map : NULL;
        sum_channel(program, src, o, at, out.h, out.w, out.c);
        for (uint64_t i = 0; i < map; i++) {
            double sum = program->factor ? at[i] * program->factor[o] : at[i];
            if (program->bias)
                sum += (double)program->bias[o];
            if (residual)
                sum += residual[i];
            at[i] = ref_act(step, sum);
        }
    }
    if (step->pool)
        ref_pool_maps(step->pool, &step->pool_win, &out, dst);
}
