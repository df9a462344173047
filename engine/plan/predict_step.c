/* What a step costs: from the lines where there are any, from its bytes where it only moves them, else from the device's limits. */
#include <math.h>
#include <string.h>

#include "plan/groups.h"
#include "plan/predict_parts.h"

static double all_lanes(const fr_probe *probe) {
    return probe->lanes > 0 ? probe->lanes : 1;
}

double fr_lanes_slow(const fr_probe *probe, fr_precision precision, int32_t lanes) {
    double all = all_lanes(probe), most = probe->lane_scaling[precision];
    if (lanes <= 1 || all <= 1 || most <= 1)
        return 1;
    return 1 + (fmin(most, all) - 1) * fmin((lanes - 1) / (all - 1), 1);
}

/* ---- bytes and operations ---------------------------------------------------------------------------------------- */

static double numbers(const fr_tensor *t) {
    return (double)t->c * t->h * t->w;
}

/* As lowered for the precision: the user's side of INGEST and EMIT is as the user has it. */
static double bytes_of(const fr_tensor *t, double number) {
    return numbers(t) * (t->layout == FR_LAYOUT_USER_HWC || t->layout == FR_LAYOUT_USER_CHW
                             ? (double)fr_dtype_bytes((fr_dtype)t->dtype)
                             : number);
}

static double map_bytes(const fr_step *s, double number) {
    double bytes = s->kind == FR_STEP_EMIT ? numbers(&s->dst) * 4 : bytes_of(&s->dst, number);
    for (int32_t k = 0; k < s->n_src; k++)
        bytes += bytes_of(&s->src[k], number) * (s->kind == FR_STEP_INGEST ? (s->images > 1 ? s->images : 1) : 1);
    return bytes;
}

static double operations(const fr_step *s) {
    if (s->kind == FR_STEP_FC)
        return 2 * fr_step_weight_numbers(s);
    if (s->kind != FR_STEP_CONV)
        return 0;
    int32_t h, w;
    fr_conv_map(s, &h, &w);
    return 2.0 * h * w * (fr_step_weight_numbers(s) + s->dst.c);
}

/* ---- steps with products -------------------------------------------------------------------------------------------- */

static fr_line_question question_of(const fr_step *s, fr_precision precision) {
    fr_line_question q = {.kind = s->kind, .precision = (uint16_t)precision, .c_out = s->dst.c, .groups = 1};
    if (s->kind == FR_STEP_FC) {
        q.c_in = (int32_t)numbers(&s->src[0]);
        q.h = q.w = 1;
        return q;
    }
    q.c_in = s->src[0].c;
    q.groups = s->groups > 1 ? s->groups : 1;
    q.kernel = (int32_t)lround(sqrt((double)s->win.kh * s->win.kw));
    fr_conv_map(s, &q.h, &q.w);
    return q;
}

static bool cost_products(const fr_lines *lines, const fr_step *s, fr_precision precision, fr_step_cost *cost) {
    fr_line_question q = question_of(s, precision);
    fr_line_answer answer;
    bool pools = s->kind == FR_STEP_CONV && s->pool != FR_POOL_NONE;
    if (!fr_lines_ask(lines, &q, pools ? s->pool_win.kh : 0, pools ? s->pool_win.sh : 0, &answer))
        return false;
    if (s->kind == FR_STEP_CONV && (s->win.sh > 1 || s->win.sw > 1 || s->win.dh > 1 || s->win.kh != s->win.kw)) {
        answer.ns *= (double)s->win.kh * s->win.kw / ((double)q.kernel * q.kernel);
        answer.basis = answer.basis < FR_BASIS_EXTRAPOLATED ? FR_BASIS_EXTRAPOLATED : answer.basis;
    }
    cost->ns = answer.ns;
    cost->fill = answer.fill;
    cost->basis = answer.basis;
    cost->log_measured = answer.log_work;
    cost->curve = fr_lines_curve(lines, &q);
    cost->log_work = fr_curve_work(&q);
    return true;
}

/* ---- steps that move bytes -------------------------------------------------------------------------------------------- */

static double point_images(const fr_probe_point *p) {
    return p->images > 1 ? p->images : 1;
}

/* Images a input: time for each number at the points' counts, between them in proportion. */
static bool cost_end(const fr_probe *probe, const fr_step *s, fr_precision precision, fr_step_cost *cost) {
    double numbers_of_one = s->kind == FR_STEP_INGEST ? numbers(&s->dst) : numbers(&s->src[0]);
    double images = s->images > 1 ? s->images : 1;
    fr_mean mean = {0};
    for (size_t i = 0; i < probe->n_points; i++) {
        const fr_probe_point *p = &probe->points[i];
        if (p->kind != s->kind || p->ns <= 0)
            continue;
        double of_point = (double)(s->kind == FR_STEP_INGEST ? p->c_out : p->c_in) * p->h * p->w;
        if (s->kind == FR_STEP_EMIT && p->c_in < 1)
            continue;
        double di = log(images / point_images(p)), dn = log(numbers_of_one / of_point);
        double dc = s->kind == FR_STEP_INGEST ? log((double)s->dst.c / images * point_images(p) / p->c_out) : 0;
        double far = di * di + dn * dn / 16 + dc * dc / 4 + (p->precision != precision ? 9 : 0);
        fr_mean_add(&mean, fr_point_alone(probe, p) / of_point, far, 1e-3);
    }
    cost->ns = mean.weight > 0 ? mean.sum / mean.weight * numbers_of_one : 0;
    cost->basis = FR_BASIS_INTERPOLATED;
    return mean.weight > 0;
}

/* The same kind's own points, by number; POOL and BINARY have some. */
static bool cost_alike(const fr_probe *probe, const fr_step *s, fr_precision precision, fr_step_cost *cost) {
    double own = numbers(&s->src[0]);
    fr_mean mean = {0};
    double reads = s->kind == FR_STEP_POOL ? numbers(&s->dst) * s->pool_win.kh * s->pool_win.kw : own;
    for (size_t i = 0; i < probe->n_points && (s->kind == FR_STEP_POOL || s->kind == FR_STEP_BINARY); i++) {
        const fr_probe_point *p = &probe->points[i];
        if (p->kind != s->kind || p->ns <= 0)
            continue;
        double of_point = (double)p->c_in * p->h * p->w, dn = log(own / of_point);
        double point_reads = p->kind == FR_STEP_POOL ? of_point * p->pool_kernel * p->pool_kernel /
                                                           ((double)p->pool_stride * p->pool_stride)
                                                     : of_point;
        double dr = log(reads / own) - log(point_reads / of_point);
        double far = dr * dr + dn * dn / 16 + (p->precision != precision ? 9 : 0);
        fr_mean_add(&mean, fr_point_alone(probe, p) / sqrt(point_reads * of_point), far, 1e-3);
    }
    cost->ns = mean.weight > 0 ? mean.sum / mean.weight * sqrt(reads * own) : 0;
    cost->basis = FR_BASIS_INTERPOLATED;
    return mean.weight > 0;
}

static void cost_bytes(const fr_predictor *predictor, fr_step_cost *cost) {
    const fr_fill_curve *curve = &predictor->memory;
    const fr_probe *probe = predictor->probe;
    if (curve->count > 0) {
        cost->curve = curve;
        cost->log_work = log(cost->map_bytes);
        cost->log_measured = curve->log_work[0];
        cost->ns = cost->map_bytes * exp(curve->log_ns[0]);
        cost->basis = FR_BASIS_INTERPOLATED;
        return;
    }
    double rate = probe->cache_bandwidth > 0 ? probe->cache_bandwidth : probe->bandwidth;
    cost->ns = rate > 0 ? cost->map_bytes * all_lanes(probe) / rate * 1e9 : cost->map_bytes;
    cost->basis = FR_BASIS_LIMIT;
}

/* Nanoseconds a byte, by the bytes of a launch. */
void fr_memory_curve(const fr_probe *probe, fr_fill_curve *out) {
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < probe->n_points; i++) {
        const fr_probe_point *p = &probe->points[i];
        if (p->line != FR_LINE_MEMORY || p->ns <= 0 || p->kind != FR_STEP_UNARY)
            continue;
        double bytes = fr_probe_bytes(p);
        fr_curve_add(out, log(bytes), log(fr_point_alone(probe, p) * (p->n > 0 ? p->n : 1) / bytes));
    }
}

/* ---- any step ----------------------------------------------------------------------------------------------------------- */

static double lane_peak(const fr_probe *probe, fr_precision precision) {
    return probe->peak[precision] / all_lanes(probe) * fr_lanes_slow(probe, precision, (int32_t)all_lanes(probe));
}

static void cost_limit(const fr_predictor *predictor, fr_precision precision, fr_step_cost *cost) {
    double peak = lane_peak(predictor->probe, precision);
    if (peak <= 0)
        peak = lane_peak(predictor->probe, FR_PRECISION_F32);
    cost_bytes(predictor, cost);
    if (peak > 0)
        cost->ns = fmax(cost->ns, cost->ops / peak * 1e9);
    cost->basis = FR_BASIS_LIMIT;
}

fr_step_cost fr_step_cost_of(const fr_predictor *predictor, const fr_step *s, fr_precision precision) {
    double number = fr_precision_bytes(precision);
    fr_step_cost cost = {.fill = 1,
                         .ops = operations(s),
                         .map_bytes = map_bytes(s, number),
                         .weight_bytes =
                             fr_step_weight_numbers(s) * number + (fr_step_weight_numbers(s) > 0 ? 4.0 * s->dst.c : 0)};
    bool has_products = s->kind == FR_STEP_CONV || s->kind == FR_STEP_FC;
    cost.is_end = s->kind == FR_STEP_INGEST || s->kind == FR_STEP_EMIT;
    if (has_products) {
        if (!cost_products(&predictor->lines, s, precision, &cost))
            cost_limit(predictor, precision, &cost);
    } else if (!(cost.is_end ? cost_end(predictor->probe, s, precision, &cost)
                             : cost_alike(predictor->probe, s, precision, &cost)))
        cost_bytes(predictor, &cost);
    cost.log_reference = fr_curve_at(cost.curve, cost.log_measured);
    return cost;
}

double fr_step_limit_ns(const fr_probe *probe, const fr_step_cost *cost, fr_precision precision, double byte_ns) {
    double peak = lane_peak(probe, precision);
    return fmax(peak > 0 ? cost->ops / peak * 1e9 : 0, cost->map_bytes * byte_ns);
}

/* Group after group, maps are found where the points' were. Of whole blocks each step fetches them from the last cache, or from beyond. */
double fr_company_byte_ns(const fr_company *c, double bytes) {
    return c->is_wide && bytes > c->cache_bytes ? c->byte_ns : c->cache_byte_ns;
}

static double weights_ns(const fr_step_cost *cost, const fr_company *c) {
    return cost->weight_bytes * (fr_weights_stay(cost->weight_bytes, c->cache_bytes) ? c->cache_byte_ns : c->byte_ns);
}

double fr_step_cost_ns(const fr_probe *probe, const fr_step_cost *cost, const fr_company *company, double n) {
    double ns = n * cost->ns * company->slow, all_bytes = n * cost->map_bytes * company->lanes;
    if (cost->curve)
        ns *= exp(fr_curve_at(cost->curve, log(n) + cost->log_work) - cost->log_reference);
    if (company->is_wide && !cost->is_end)
        ns = fmax(ns, n * cost->map_bytes * fr_company_byte_ns(company, all_bytes));
    return probe->launch_ns + fmax(ns, weights_ns(cost, company));
}
