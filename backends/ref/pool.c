#include <math.h>

#include "ref.h"

/*
 * Rows and columns of a window count as the map's, the padding's, or neither: past the padded edge a window is clipped
 * (ceil_mode). AVG divides by the map's places in the window, AVG_INCLUDE_PAD by the map's and the padding's.
 */
static double pool_window(uint8_t kind, const fr_window *win, const double *map, int32_t h, int32_t w, int32_t top,
                          int32_t left) {
    double best = -INFINITY, sum = 0.0;
    int64_t inside = 0, padded = 0;
    for (int32_t ky = 0; ky < win->kh; ky++) {
        int32_t y = top + ky * win->dh;
        if (y >= h + win->pad_bottom)
            break;
        for (int32_t kx = 0; kx < win->kw; kx++) {
            int32_t x = left + kx * win->dw;
            if (x >= w + win->pad_right)
                break;
            padded++;
            if (y < 0 || y >= h || x < 0 || x >= w)
                continue;
            double value = map[(int64_t)y * w + x];
            inside++;
            sum += value;
            best = value > best || isnan(value) ? value : best;
        }
    }
    if (kind == FR_POOL_MAX)
        return best;
    int64_t count = kind == FR_POOL_AVG_INCLUDE_PAD ? padded : inside;
    return count > 0 ? sum / (double)count : 0.0;
}

void ref_pool_maps(uint8_t kind, const fr_window *win, const ref_maps *src, const ref_maps *dst) {
    double *out = dst->at;
    for (int32_t c = 0; c < dst->c; c++) {
        const double *map = src->at + (uint64_t)c * (uint64_t)src->h * (uint64_t)src->w;
        for (int32_t y = 0; y < dst->h; y++)
            for (int32_t x = 0; x < dst->w; x++)
                *out++ = pool_window(kind, win, map, src->h, src->w, y * win->sh - win->pad_top,
                                     x * win->sw - win->pad_left);
    }
}

void ref_pool(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    (void)extra;
    ref_pool_maps(program->step.pool, &program->step.pool_win, src, dst);
}
