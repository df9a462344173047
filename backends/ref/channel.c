/* Steps that look along the channels at each place of the map. */
#include <math.h>

#include "ref.h"

/* y[c] = x[c] / (k + alpha / size * sum of x[j]^2) ^ beta, j from c - (size-1)/2 to c + size/2 inside the channels */
void ref_lrn(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    const fr_step *step = &program->step;
    uint64_t map = (uint64_t)dst->h * (uint64_t)dst->w;
    int32_t before = (step->lrn_size - 1) / 2, after = step->lrn_size / 2;
    (void)extra;
    for (int32_t c = 0; c < dst->c; c++) {
        int32_t first = c > before ? c - before : 0, last = after < dst->c - 1 - c ? c + after : dst->c - 1;
        for (uint64_t i = 0; i < map; i++) {
            double squares = 0.0;
            for (int32_t j = first; j <= last; j++) {
                double x = src->at[(uint64_t)j * map + i];
                squares += x * x;
            }
            double base = (double)step->lrn_k + (double)step->lrn_alpha / step->lrn_size * squares;
            dst->at[(uint64_t)c * map + i] = src->at[(uint64_t)c * map + i] / pow(base, (double)step->lrn_beta);
        }
    }
}

void ref_softmax_row(double *first, int32_t count, uint64_t stride) {
    double highest = -INFINITY, sum = 0.0;
    for (int32_t c = 0; c < count; c++)
        highest = fmax(highest, first[(uint64_t)c * stride]);
    for (int32_t c = 0; c < count; c++) {
        double *x = &first[(uint64_t)c * stride];
        *x = exp(*x - highest);
        sum += *x;
    }
    for (int32_t c = 0; c < count; c++)
        first[(uint64_t)c * stride] /= sum;
}

void ref_softmax(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    uint64_t map = (uint64_t)dst->h * (uint64_t)dst->w;
    (void)program;
    (void)extra;
    for (uint64_t i = 0; i < map * (uint64_t)dst->c; i++)
        dst->at[i] = src->at[i];
    for (uint64_t i = 0; i < map; i++)
        ref_softmax_row(dst->at + i, dst->c, map);
}

void ref_argmax(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    uint64_t map = (uint64_t)dst->h * (uint64_t)dst->w;
    (void)extra;
    for (uint64_t i = 0; i < map; i++) {
        int32_t winner = 0;
        for (int32_t c = 1; c < src->c; c++) {
            double value = src->at[(uint64_t)c * map + i], best = src->at[(uint64_t)winner * map + i];
            if (value > best || (program->step.pick_last && value == best))
                winner = c;
        }
        dst->at[i] = winner;
    }
}
