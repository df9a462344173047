/* What lines do not say: how a map differs, what more inputs a launch change, what a pool adds. And the answer of them all. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/predict_parts.h"

enum {
    MOST_OF_A_KIND = 1024
}; /* factors, curves, pools: a profile of ours has a tenth of that, one from elsewhere what it likes */
static const double map_slack = 0.35; /* of the logarithm of its places, beyond the last one that was measured */

static bool is_product(const fr_probe_point *p) {
    return p->ns > 0 && (p->kind == FR_STEP_CONV || p->kind == FR_STEP_FC) && p->pool_kernel == 0;
}

static size_t room_for(const fr_lines *l, fr_probe_line line) {
    size_t count = 1;
    for (size_t i = 0; i < l->probe->n_points && count < MOST_OF_A_KIND; i++)
        count += l->probe->points[i].line == line;
    return count;
}

/* ---- maps --------------------------------------------------------------------------------------------------------- */

static fr_status make_factors(fr_lines *l) {
    size_t most = room_for(l, FR_LINE_MAP);
    l->factors = fr_alloc_array(most, sizeof *l->factors);
    if (!l->factors)
        return fr_no_memory(most * sizeof *l->factors, "a prediction");
    for (size_t i = 0; i < l->probe->n_points; i++) {
        const fr_probe_point *p = &l->probe->points[i];
        const fr_family *f = p->line == FR_LINE_MAP && is_product(p) && p->kind == FR_STEP_CONV
                                 ? fr_family_find(l, p->kind, p->precision, p->kernel, p->groups > 1)
                                 : NULL;
        if (!f || f->is_grouped || (size_t)l->n_factors == most)
            continue;
        double expected = fr_family_at(l->probe, f, p->c_in, p->c_out, log(fr_point_places(p)));
        l->factors[l->n_factors++] = (fr_map_factor){.precision = p->precision,
                                                     .kernel = p->kernel,
                                                     .c = p->c_in,
                                                     .h = p->h,
                                                     .w = p->w,
                                                     .factor = fr_point_at_place(l->probe, p) / expected};
    }
    return FR_OK;
}

/* The maps of the lines themselves are as the lines say. */
static void add_factor(fr_mean *mean, double factor, double h, double w, double c, const fr_line_question *q) {
    double dh = log(h / q->h), dw = log(w / q->w), dc = log(c / sqrt((double)q->c_in * q->c_out));
    fr_mean_add(mean, log(factor), dw * dw + dh * dh / 2 + dc * dc / 16, 1e-5);
}

static double map_factor(const fr_lines *l, const fr_family *f, const fr_line_question *q) {
    fr_mean mean = {0};
    for (int32_t i = 0; i < l->n_factors; i++) {
        const fr_map_factor *m = &l->factors[i];
        if (m->precision == f->precision && m->kernel == f->kernel)
            add_factor(&mean, m->factor, m->h, m->w, m->c, q);
    }
    if (mean.weight <= 0 || f->is_grouped || f->n_both == 0)
        return 1;
    for (int32_t i = 0; i < f->n_both; i++)
        add_factor(&mean, 1, f->both[i]->like.h, f->both[i]->like.w, sqrt((double)q->c_in * q->c_out), q);
    return exp(mean.sum / mean.weight);
}

/* ---- inputs ------------------------------------------------------------------------------------------------------- */

double fr_curve_work(const fr_line_question *q) {
    return q->kind == FR_STEP_FC ? 0 : log((double)q->h * q->w * q->c_out);
}

static fr_line_question question_of(const fr_probe_point *p) {
    return (fr_line_question){.kind = p->kind,
                              .precision = p->precision,
                              .c_in = p->kind == FR_STEP_FC ? fr_point_fc_inputs(p) : p->c_in,
                              .c_out = p->c_out,
                              .h = p->kind == FR_STEP_FC ? 1 : p->h,
                              .w = p->kind == FR_STEP_FC ? 1 : p->w,
                              .kernel = p->kernel,
                              .groups = p->groups};
}

static fr_fill_curve *curve_of(fr_lines *l, const fr_line_question *q) {
    for (int32_t i = 0; i < l->n_curves; i++) {
        fr_fill_curve *c = &l->curves[i];
        if (c->kind == q->kind && c->precision == q->precision && c->c_in == q->c_in && c->c_out == q->c_out &&
            c->kernel == q->kernel && c->h == q->h && c->w == q->w)
            return c;
    }
    fr_fill_curve *c = &l->curves[l->n_curves++];
    *c = (fr_fill_curve){.kind = q->kind,
                         .precision = q->precision,
                         .c_in = q->c_in,
                         .c_out = q->c_out,
                         .kernel = q->kernel,
                         .h = q->h,
                         .w = q->w};
    return c;
}

void fr_curve_add(fr_fill_curve *c, double log_work, double log_ns) {
    if (c->count == FR_CURVE_POINTS)
        return;
    int32_t at = c->count++;
    for (; at > 0 && c->log_work[at - 1] > log_work; at--) {
        c->log_work[at] = c->log_work[at - 1];
        c->log_ns[at] = c->log_ns[at - 1];
    }
    c->log_work[at] = log_work;
    c->log_ns[at] = log_ns;
}

static fr_status make_curves(fr_lines *l) {
    size_t most = room_for(l, FR_LINE_INPUTS);
    l->curves = fr_alloc_array(most, sizeof *l->curves);
    if (!l->curves)
        return fr_no_memory(most * sizeof *l->curves, "a prediction");
    for (size_t i = 0; i < l->probe->n_points; i++) {
        const fr_probe_point *p = &l->probe->points[i];
        if (p->line != FR_LINE_INPUTS || !is_product(p) || p->groups > 1 || (size_t)l->n_curves == most)
            continue;
        fr_line_question q = question_of(p);
        fr_curve_add(curve_of(l, &q), log(p->n) + fr_curve_work(&q), log(fr_point_alone(l->probe, p)));
    }
    return FR_OK;
}

const fr_fill_curve *fr_lines_curve(const fr_lines *l, const fr_line_question *q) {
    const fr_fill_curve *best = NULL;
    double least = 0;
    for (int32_t i = 0; i < l->n_curves; i++) {
        const fr_fill_curve *c = &l->curves[i];
        if (c->kind != q->kind || c->precision != q->precision || c->count < 2)
            continue;
        double far = fabs(log((double)c->c_in / q->c_in)) + fabs(log((double)c->c_out / q->c_out)) +
                     0.5 * fabs(log((double)c->h * c->w / ((double)q->h * q->w)));
        if (!best || far < least) {
            best = c;
            least = far;
        }
    }
    return best;
}

double fr_curve_at(const fr_fill_curve *c, double log_work) {
    if (!c || c->count == 0)
        return 0;
    if (log_work <= c->log_work[0])
        return c->log_ns[0];
    for (int32_t i = 1; i < c->count; i++)
        if (log_work <= c->log_work[i]) {
            double x = (log_work - c->log_work[i - 1]) / (c->log_work[i] - c->log_work[i - 1] + 1e-12);
            return c->log_ns[i - 1] + x * (c->log_ns[i] - c->log_ns[i - 1]);
        }
    return c->log_ns[c->count - 1];
}

/* ---- points and lines ----------------------------------------------------------------------------------------------- */

static const fr_probe_point *same_point(const fr_lines *l, const fr_line_question *q, int32_t pool_kernel,
                                        int32_t pool_stride) {
    for (size_t i = 0; i < l->probe->n_points; i++) {
        const fr_probe_point *p = &l->probe->points[i];
        if (p->c_out != q->c_out || p->kind != q->kind || p->precision != q->precision || p->ns <= 0 || p->noisy ||
            p->line == FR_LINE_INPUTS || p->pool_kernel != pool_kernel)
            continue;
        if (q->kind == FR_STEP_FC ? fr_point_fc_inputs(p) == q->c_in
                                  : p->c_in == q->c_in && p->h == q->h && p->w == q->w && p->kernel == q->kernel &&
                                        (p->groups > 1 ? p->groups : 1) == (q->groups > 1 ? q->groups : 1) &&
                                        (pool_kernel == 0 || p->pool_stride == pool_stride))
            return p;
    }
    return NULL;
}

static bool ask_point(const fr_lines *l, const fr_line_question *q, int32_t pool_kernel, int32_t pool_stride,
                      fr_line_answer *out) {
    const fr_probe_point *p = same_point(l, q, pool_kernel, pool_stride);
    if (!p)
        return false;
    out->ns = fr_point_alone(l->probe, p);
    out->log_work = log(p->n) + fr_curve_work(q);
    out->basis = FR_BASIS_MEASURED;
    return true;
}

/* Of the same kernel and in groups or not, else the nearest. */
static const fr_family *family_like(const fr_lines *l, const fr_line_question *q, uint16_t precision) {
    const fr_family *best = NULL;
    double least = 0;
    for (int32_t i = 0; i < l->n_families; i++) {
        const fr_family *f = &l->families[i];
        if (f->kind != q->kind || f->precision != precision || f->n_both + f->n_in + f->n_out == 0)
            continue;
        double far = q->kind == FR_STEP_FC ? 0 : fabs(log((double)f->kernel / q->kernel));
        far += f->is_grouped != (q->groups > 1) ? 10 : 0;
        if (!best || far < least) {
            best = f;
            least = far;
        }
    }
    return best;
}

/* The precision itself, then those whose numbers are nearest in size. */
static const fr_family *family_for(const fr_lines *l, const fr_line_question *q) {
    const fr_family *best = family_like(l, q, q->precision);
    double own = fr_precision_bytes((fr_precision)q->precision), least = 0;
    for (uint16_t p = 0; p < FR_PRECISIONS && !(best && best->precision == q->precision); p++) {
        const fr_family *f = p == q->precision ? NULL : family_like(l, q, p);
        double far = fabs(log(fr_precision_bytes((fr_precision)p) / own));
        if (f && (!best || far < least)) {
            best = f;
            least = far;
        }
    }
    return best;
}

static const fr_stairs *nearest_line(const fr_family *f, double log_map) {
    const fr_stairs *best = NULL;
    double least = 0;
    for (int32_t i = 0; i < f->n_both + f->n_in + f->n_out; i++) {
        const fr_stairs *s = i < f->n_both             ? f->both[i]
                             : i < f->n_both + f->n_in ? f->in[i - f->n_both]
                                                       : f->out[i - f->n_both - f->n_in];
        double far = fabs(log(fr_point_places(&s->like)) - log_map) + (i < f->n_both ? 0 : 1e-3);
        if (!best || far < least) {
            best = s;
            least = far;
        }
    }
    return best;
}

static bool map_is_known(const fr_lines *l, const fr_family *f, double log_map) {
    double low = 1e9, high = -1e9;
    for (int32_t i = 0; i < f->n_both; i++) {
        low = fmin(low, log(fr_point_places(&f->both[i]->like)));
        high = fmax(high, log(fr_point_places(&f->both[i]->like)));
    }
    for (int32_t i = 0; i < l->n_factors; i++)
        if (l->factors[i].precision == f->precision) {
            double at = log((double)l->factors[i].h * l->factors[i].w);
            low = fmin(low, at);
            high = fmax(high, at);
        }
    return f->kind == FR_STEP_FC || (log_map > low - map_slack && log_map < high + map_slack);
}

static bool ask_lines(const fr_lines *l, const fr_line_question *q, fr_line_answer *out) {
    const fr_family *f = family_for(l, q);
    if (!f)
        return false;
    double groups = f->is_grouped ? (q->groups > 1 ? q->groups : 1) : 1, places = (double)q->h * q->w;
    double c_in = q->c_in / groups, c_out = q->c_out / groups, log_map = log(places), scale = 1;
    bool is_own = f->precision == q->precision && f->is_grouped == (q->groups > 1);
    if (q->kind == FR_STEP_CONV) {
        scale = (double)q->kernel * q->kernel / ((double)f->kernel * f->kernel);
        is_own = is_own && f->kernel == q->kernel;
    }
    if (f->precision != q->precision)
        scale *= fr_precision_bytes((fr_precision)q->precision) / fr_precision_bytes((fr_precision)f->precision);
    if (!f->is_grouped && q->groups > 1)
        scale /= q->groups;
    out->ns = fr_family_at(l->probe, f, c_in, c_out, log_map) * places * groups * scale * map_factor(l, f, q);
    const fr_stairs *near = nearest_line(f, log_map);
    out->log_work = log(near->like.n) + (q->kind == FR_STEP_FC ? 0 : log(fr_point_places(&near->like) * q->c_out));
    out->fill = fr_family_fill(f, c_in, c_out);
    out->basis = is_own && fr_family_covers(f, c_in, c_out) && map_is_known(l, f, log_map) ? FR_BASIS_INTERPOLATED
                                                                                           : FR_BASIS_EXTRAPOLATED;
    return true;
}

/* ---- pools behind a convolution ------------------------------------------------------------------------------ */

/* Nanoseconds for each number of the convolution's output, over the same step without it. */
static fr_status make_pools(fr_lines *l) {
    size_t most = room_for(l, FR_LINE_POOL);
    l->pools = fr_alloc_array(most, sizeof *l->pools);
    if (!l->pools)
        return fr_no_memory(most * sizeof *l->pools, "a prediction");
    for (size_t i = 0; i < l->probe->n_points; i++) {
        const fr_probe_point *p = &l->probe->points[i];
        fr_line_question q = question_of(p);
        fr_line_answer plain;
        if (p->line != FR_LINE_POOL || p->kind != FR_STEP_CONV || p->pool_kernel <= 0 || p->ns <= 0 ||
            (size_t)l->n_pools == most || !fr_lines_ask(l, &q, 0, 0, &plain))
            continue;
        double numbers = fr_point_places(p) * p->c_out;
        l->pools[l->n_pools++] = (fr_pool_cost){.precision = p->precision,
                                                .kernel = p->pool_kernel,
                                                .stride = p->pool_stride,
                                                .c = p->c_out,
                                                .log_places = log(fr_point_places(p)),
                                                .ns = (fr_point_alone(l->probe, p) - plain.ns) / numbers};
    }
    return FR_OK;
}

static double pool_reads(double kernel, double stride) { /* for each number of its source */
    return kernel * kernel / (stride * stride);
}

/* A small difference of two times, each with its noise: all that are like it are worth a mean. */
double fr_lines_pool(const fr_lines *l, const fr_line_question *q, int32_t kernel, int32_t stride) {
    fr_mean mean = {0};
    for (int32_t i = 0; i < l->n_pools; i++) {
        const fr_pool_cost *p = &l->pools[i];
        double dc = log((double)p->c / q->c_out), dm = p->log_places - log((double)q->h * q->w),
               dk = log(pool_reads(p->kernel, p->stride) / pool_reads(kernel, stride));
        double far = dc * dc + dm * dm / 4 + 4 * dk * dk + (p->kernel != kernel || p->stride != stride ? 4 : 0) +
                     (p->precision != q->precision ? 30 : 0);
        fr_mean_add(&mean, p->ns * pool_reads(kernel, stride) / pool_reads(p->kernel, p->stride), far, 1);
    }
    return mean.weight > 0 ? fmax(mean.sum / mean.weight, 0) * q->h * q->w * q->c_out : 0;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

bool fr_lines_ask(const fr_lines *l, const fr_line_question *q, int32_t pool_kernel, int32_t pool_stride,
                  fr_line_answer *out) {
    memset(out, 0, sizeof *out);
    out->fill = 1;
    fr_line_answer lines = {.fill = 1};
    bool has_lines = ask_lines(l, q, &lines);
    double waste = q->kind == FR_STEP_CONV ? fr_lines_waste(l, q) : 1;
    if (ask_point(l, q, pool_kernel, pool_stride, out)) {
        out->ns *= pool_kernel > 0 ? 1 : waste; /* behind a pool, as it was measured */
        out->fill = lines.fill;
        return true;
    }
    if (!has_lines)
        return false;
    *out = lines;
    out->ns *= waste;
    if (pool_kernel > 0)
        out->ns += fr_lines_pool(l, q, pool_kernel, pool_stride);
    return true;
}

fr_status fr_lines_new(const fr_probe *probe, fr_lines *out) {
    memset(out, 0, sizeof *out);
    FR_TRY(fr_lines_flatten(out, probe));
    out->probe = &out->flat;
    FR_TRY(fr_stairs_read(out->probe, &out->stairs));
    FR_TRY(fr_families_make(out));
    FR_TRY(make_factors(out));
    FR_TRY(make_curves(out));
    return make_pools(out);
}

void fr_lines_free(fr_lines *l) {
    fr_free(l->families);
    fr_free(l->maps);
    fr_free(l->flat.points);
    fr_free(l->factors);
    fr_free(l->curves);
    fr_free(l->pools);
    fr_stairs_free(&l->stairs);
    memset(l, 0, sizeof *l);
}
