/* The predictor: made once of a probe, corrected by the probe's own whole runs. */
#include "plan/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/status.h"
#include "fold/fold.h"
#include "formats/fold_text.h"
#include "graph/passes.h"
#include "plan/predict_parts.h"

enum { NET_TEXT = 2048, MOST_NETS = 256 /* of a profile from elsewhere; ours has a few dozen */ };

const char *fr_basis_name(fr_basis basis) {
    switch (basis) {
    case FR_BASIS_MEASURED: return "measured";
    case FR_BASIS_INTERPOLATED: return "interpolated";
    case FR_BASIS_EXTRAPOLATED: return "extrapolated";
    default: return "limit";
    }
}

/* ---- the probe's own runs ----------------------------------------------------------------------------------------- */

static fr_status lower_net(const fr_probe_run *run, fr_graph **out_graph, fr_steps *out_steps) {
    char text[NET_TEXT];
    fr_graph *plain = NULL;
    fr_status status;
    fr_fold_options options = {.struct_bytes = sizeof options, .fold = run->fold > 0 ? run->fold : 1};
    *out_graph = NULL;
    memset(out_steps, 0, sizeof *out_steps);
    fr_probe_net(run->net, run->width, run->h, run->w, text, sizeof text);
    FR_TRY(fr_fold_text_parse(text, strlen(text), "a network of the device's profile", &plain));
    FR_GO(cleanup, fr_graph_sort(plain));
    FR_GO(cleanup, fr_graph_infer(plain, 1));
    FR_GO(cleanup, fr_fold_graph(plain, &options, out_graph));
    FR_GO(cleanup, fr_graph_simplify(*out_graph));
    FR_GO(cleanup, fr_graph_infer(*out_graph, 1));
    FR_GO(cleanup, fr_steps_lower_shapes(*out_graph, out_steps));
cleanup:
    fr_graph_free(plain);
    return status;
}

static bool same_net(const fr_probe_run *a, const fr_probe_run *b) {
    return a->net == b->net && a->width == b->width && a->fold == b->fold && a->h == b->h && a->w == b->w;
}

static fr_status add_residuals_of(fr_predictor *p, const fr_steps *steps, const fr_probe_run *of) {
    for (size_t i = 0; i < p->probe->n_runs; i++) {
        const fr_probe_run *run = &p->probe->runs[i];
        fr_prediction raw;
        fr_costed costed;
        if (!same_net(run, of) || run->images_per_s <= 0 || run->refused || run->precision >= FR_PRECISIONS)
            continue;
        FR_TRY(fr_costed_make(p, steps, (fr_precision)run->precision, &costed));
        fr_status status = fr_costed_run(&costed, (fr_schedule)run->schedule, run->batch, 0, &raw);
        fr_residual *r = &p->residuals[p->n_residuals];
        *r = (fr_residual){.precision = run->precision, .schedule = run->schedule, .spread = run->spread};
        fr_costed_place(&costed, run->batch, r->at);
        fr_costed_free(&costed);
        if (status == FR_NO_MEMORY)
            return status;
        if (status != FR_OK) /* a run of a profile from elsewhere: it says nothing here */
            continue;
        r->log_ratio = log(run->images_per_s / raw.images_per_s);
        p->n_residuals += isfinite(r->log_ratio);
    }
    return FR_OK;
}

/* A net that is in the list more than once is lowered once. One that cannot be built (a profile may come from elsewhere) is left out. */
static fr_status make_residuals(fr_predictor *p) {
    const fr_probe *probe = p->probe;
    p->residuals = fr_alloc_array(probe->n_runs + 1, sizeof *p->residuals);
    if (!p->residuals)
        return fr_no_memory(probe->n_runs * sizeof *p->residuals, "a prediction");
    int32_t nets = 0;
    for (size_t i = 0; i < probe->n_runs && nets < MOST_NETS; i++) {
        bool is_first = true, any = false;
        for (size_t k = 0; k < i; k++)
            is_first = is_first && !same_net(&probe->runs[i], &probe->runs[k]);
        for (size_t k = i; k < probe->n_runs; k++)
            any = any || (same_net(&probe->runs[i], &probe->runs[k]) && probe->runs[k].images_per_s > 0);
        if (!is_first || !any)
            continue;
        fr_graph *graph;
        fr_steps steps;
        nets++;
        fr_status status = lower_net(&probe->runs[i], &graph, &steps);
        if (status == FR_OK)
            status = add_residuals_of(p, &steps, &probe->runs[i]);
        fr_steps_free(&steps);
        fr_graph_free(graph);
        if (status == FR_NO_MEMORY)
            return status;
    }
    return FR_OK;
}

/* How far apart repeats are on this device, by the middle one of its runs: those of a noisy device are all it has. */
static fr_status find_usual_spread(fr_predictor *p) {
    const double least = 0.08;
    size_t count = (size_t)p->n_residuals;
    double *spreads = fr_alloc_array(count + 1, sizeof *spreads);
    if (!spreads)
        return fr_no_memory(count * sizeof *spreads, "a prediction");
    for (size_t i = 0; i < count; i++)
        spreads[i] = p->residuals[i].spread;
    fr_sort_numbers(spreads, count);
    p->usual_spread = count > 0 ? fmax(least, spreads[count / 2]) : least;
    fr_free(spreads);
    return FR_OK;
}

/* How much a run tells of a place: less from afar, and less when its repeats lay further apart than is usual. */
static double weight_of(const fr_predictor *p, const fr_residual *r, const double at[3]) {
    double far = 0, apart = r->spread / p->usual_spread; /* repeats that far apart are worth half */
    for (int k = 0; k < 3; k++)
        far += (r->at[k] - at[k]) * (r->at[k] - at[k]);
    return (exp(-far / 2) + 0.01 / (1 + far)) / (1 + apart * apart);
}

static bool is_alike(const fr_residual *r, fr_precision precision, fr_schedule schedule, bool any_precision) {
    return r->schedule == schedule && (any_precision || r->precision == precision);
}

static double middle_of(const fr_predictor *p, fr_precision precision, fr_schedule schedule, bool any,
                        const double at[3], double all) {
    double sum = 0;
    for (int32_t i = 0; i < p->n_residuals; i++) { /* by their ratios, ascending */
        if (!is_alike(&p->residuals[i], precision, schedule, any))
            continue;
        sum += weight_of(p, &p->residuals[i], at);
        if (sum >= all / 2)
            return p->residuals[i].log_ratio;
    }
    return 0;
}

/*
 * How much faster than the sum of the steps: by the runs of the same precision and schedule, the near ones most; without any, of the same
 * schedule. A machine that others use is now and then half as fast for a while: what lies far from the middle one counts as if it were nearer.
 * The fewer runs say it, the less it is believed.
 */
static double correction_of(const fr_predictor *p, fr_precision precision, fr_schedule schedule, const double at[3]) {
    const double reach = 0.15, doubt = 0.5; /* doubt: in runs at the very place */
    for (int any = 0; any <= 1; any++) {
        double all = 0, sum = 0;
        for (int32_t i = 0; i < p->n_residuals; i++)
            if (is_alike(&p->residuals[i], precision, schedule, any))
                all += weight_of(p, &p->residuals[i], at);
        double middle = middle_of(p, precision, schedule, any, at, all);
        for (int32_t i = 0; i < p->n_residuals; i++)
            if (is_alike(&p->residuals[i], precision, schedule, any)) {
                double apart = p->residuals[i].log_ratio - middle;
                sum += weight_of(p, &p->residuals[i], at) * (middle + fmax(fmin(apart, reach), -reach));
            }
        if (all > 0)
            return exp(sum / (all + doubt));
    }
    return 1;
}

static int by_ratio(const void *a, const void *b) {
    double x = ((const fr_residual *)a)->log_ratio, y = ((const fr_residual *)b)->log_ratio;
    return (x > y) - (x < y);
}

/* ---- the predictor -------------------------------------------------------------------------------------------------- */

static bool says_something(const fr_probe *probe) {
    size_t products = 0;
    for (size_t i = 0; i < probe->n_points; i++)
        products += probe->points[i].kind == FR_STEP_CONV && probe->points[i].ns > 0;
    for (int p = 0; p < FR_PRECISIONS && products < 4; p++)
        products += probe->peak[p] > 0 ? 4 : 0;
    return products >= 4;
}

fr_status fr_predictor_new(const fr_probe *probe, fr_predictor **out_predictor) {
    fr_status status;
    *out_predictor = NULL;
    if (!says_something(probe))
        return fr_fail(FR_INVALID,
                       "the profile of %s has too few measurements to predict anything; go on with "
                       "'foldrun profile'",
                       probe->device[0] ? probe->device : "the device");
    fr_predictor *p = fr_alloc(sizeof *p);
    if (!p)
        return fr_no_memory(sizeof *p, "a predictor");
    p->probe = probe;
    fr_memory_curve(probe, &p->memory);
    FR_GO(cleanup, fr_lines_new(probe, &p->lines));
    FR_GO(cleanup, make_residuals(p));
    qsort(p->residuals, (size_t)p->n_residuals, sizeof *p->residuals, by_ratio);
    FR_GO(cleanup, find_usual_spread(p));
    *out_predictor = p;
    return FR_OK;
cleanup:
    fr_predictor_free(p);
    return status;
}

void fr_predictor_free(fr_predictor *p) {
    if (!p)
        return;
    fr_lines_free(&p->lines);
    fr_free(p->residuals);
    fr_free(p);
}

const fr_probe *fr_predictor_probe(const fr_predictor *p) {
    return p->probe;
}

const fr_stairs_list *fr_predictor_stairs(const fr_predictor *p) {
    return &p->lines.stairs;
}

bool fr_predictor_has(const fr_predictor *p, fr_precision precision, fr_schedule schedule) {
    bool refused = false, ran = false;
    if ((unsigned)precision >= FR_PRECISIONS || !(p->probe->precisions >> precision & 1u) ||
        (schedule != FR_SCHEDULE_LAYERS && schedule != FR_SCHEDULE_CHAIN))
        return false;
    for (size_t i = 0; i < p->probe->n_runs; i++) {
        const fr_probe_run *run = &p->probe->runs[i];
        if (run->precision == precision && run->schedule == schedule) {
            refused |= run->refused;
            ran |= !run->refused && run->images_per_s > 0;
        }
    }
    return ran || !refused;
}

fr_status fr_predict_costed(fr_costed *costed, fr_schedule schedule, int64_t batch, int32_t lanes, bool wants_steps,
                            fr_prediction *out) {
    double at[3];
    FR_TRY(fr_costed_run(costed, schedule, batch, lanes, out));
    fr_costed_place(costed, batch, at);
    out->correction = correction_of(costed->predictor, costed->precision, schedule, at);
    out->images_per_s *= out->correction;
    out->run_ns /= out->correction;
    return wants_steps ? fr_costed_steps(costed, schedule, batch, lanes, out) : FR_OK;
}

fr_status fr_predict(const fr_predictor *predictor, const fr_predict_question *q, fr_prediction *out) {
    fr_costed costed;
    memset(out, 0, sizeof *out);
    if (!fr_predictor_has(predictor, q->precision, q->schedule))
        return fr_fail(FR_UNSUPPORTED, "%s does not run in %s, %s", predictor->probe->name,
                       fr_precision_name(q->precision), fr_schedule_name(q->schedule));
    FR_TRY(fr_costed_make(predictor, q->steps, q->precision, &costed));
    fr_status status = fr_predict_costed(&costed, q->schedule, q->batch, q->lanes, q->wants_steps, out);
    fr_costed_free(&costed);
    return status;
}
