/* Steps that only move numbers: concat, reorder, pad. */
#include <string.h>

#include "ref.h"

void ref_concat(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    double *to = dst->at;
    (void)extra;
    for (int32_t i = 0; i < program->step.n_src; i++) {
        uint64_t count = ref_elements(&program->step.src[i]);
        memcpy(to, src[i].at, (size_t)count * sizeof *to);
        to += count;
    }
}

/* Dense maps are in CHW order on both sides, whatever their dims. */
void ref_reorder(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    (void)extra;
    memcpy(dst->at, src->at, (size_t)ref_elements(&program->step.dst) * sizeof *dst->at);
}

void ref_pad(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    const fr_step *step = &program->step;
    double *to = dst->at;
    (void)extra;
    for (int32_t c = 0; c < dst->c; c++) {
        const double *map = src->at + (uint64_t)c * (uint64_t)src->h * (uint64_t)src->w;
        for (int32_t y = -step->win.pad_top; y < dst->h - step->win.pad_top; y++)
            for (int32_t x = -step->win.pad_left; x < dst->w - step->win.pad_left; x++) {
                bool inside = y >= 0 && y < src->h && x >= 0 && x < src->w;
                *to++ = inside ? map[(int64_t)y * src->w + x] : (double)step->pad_value;
            }
    }
}
