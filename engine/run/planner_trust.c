/*
 * What predictions are worth, by what was measured: of every option, how far measuring it is likely to lie from predicting it, and how sure
 * that is. Errors have causes that options share: the schedule, the precision, the fold, the rounding, the batch. The more
 * causes two options have in common, the more the error of one tells of the other's (a Gaussian process over the logarithms).
 */
#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "run/planner.h"

/* Variances of what a cause does to a prediction: in all about 15 %. What the machine does to all of them alike may be anything. */
static const double by_schedule = 0.07 * 0.07, by_precision = 0.07 * 0.07, by_fold = 0.07 * 0.07,
                    by_variant = 0.02 * 0.02, by_batch = 0.04 * 0.04, by_luck = 0.01 * 0.01;

static double shared(const fr_planner *p, const fr_option *a, const fr_option *b) {
    double fold = log2((double)p->shapes[a->variant].fold / p->shapes[b->variant].fold),
           batch = log2((double)a->batch / (double)b->batch);
    return (a->schedule == b->schedule ? by_schedule : 0) + (a->precision == b->precision ? by_precision : 0) +
           by_fold * exp(-4 * fold * fold) + (a->variant == b->variant ? by_variant : 0) +
           by_batch * exp(-batch * batch / 8);
}

static bool says_something(const fr_option *o) {
    return o->measured > 0 && o->predicted.images_per_s > 0;
}

/* L L' = K, in the place of K's lower half. K is positive: luck stands on its diagonal. */
static void decompose(double *k, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j <= i; j++) {
            double sum = k[i * n + j];
            for (int32_t m = 0; m < j; m++)
                sum -= k[i * n + m] * k[j * n + m];
            k[i * n + j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / k[j * n + j];
        }
}

/* x becomes L^-1 x. */
static void forward(const double *l, int32_t n, double *x) {
    for (int32_t i = 0; i < n; i++) {
        for (int32_t m = 0; m < i; m++)
            x[i] -= l[i * n + m] * x[m];
        x[i] /= l[i * n + i];
    }
}

/* The mean by weight, taken out of x = L^-1 of the values. ones: L^-1 of ones. */
static double take_mean(const double *ones, int32_t n, double *x) {
    double sum = 0, weight = 0;
    for (int32_t i = 0; i < n; i++) {
        sum += ones[i] * x[i];
        weight += ones[i] * ones[i];
    }
    double mean = n > 0 ? sum / weight : 0;
    for (int32_t i = 0; i < n; i++)
        x[i] -= mean * ones[i];
    return mean;
}

fr_status fr_trust_make(const fr_planner *p, fr_trust *out) {
    size_t n = 0;
    *out = (fr_trust){.planner = p, .scale = 1};
    for (size_t i = 0; i < p->choice.n_options; i++)
        n += says_something(&p->choice.options[i]);
    out->of = fr_alloc_array(n + 1, sizeof *out->of);
    out->numbers = fr_alloc_array((n + 1) * (n + 3), sizeof *out->numbers);
    if (!out->of || !out->numbers) {
        fr_trust_free(out);
        return fr_no_memory((n + 1) * (n + 3) * sizeof *out->numbers, "a plan");
    }
    double *lower = out->numbers, *speed = lower + n * n, *bytes = speed + n, *ones = bytes + n, explained = 0;
    for (size_t i = 0; i < p->choice.n_options; i++)
        if (says_something(&p->choice.options[i]))
            out->of[out->n++] = &p->choice.options[i];
    for (size_t i = 0; i < n; i++) {
        const fr_option *o = out->of[i];
        for (size_t k = 0; k <= i; k++)
            lower[i * n + k] = shared(p, o, out->of[k]) + (i == k ? by_luck : 0);
        speed[i] = log(o->measured / o->predicted.images_per_s);
        bytes[i] = o->predicted.bytes > 0 && o->measured_bytes > 0
                       ? log((double)o->measured_bytes / (double)o->predicted.bytes)
                       : 0;
        ones[i] = 1;
    }
    decompose(lower, out->n);
    forward(lower, out->n, speed);
    forward(lower, out->n, bytes);
    forward(lower, out->n, ones);
    out->mean_speed = take_mean(ones, out->n, speed);
    out->mean_bytes = take_mean(ones, out->n, bytes);
    for (size_t i = 0; i < n; i++)
        explained += speed[i] * speed[i];
    out->scale = sqrt((explained + 1) / fmax((double)n, 1)); /* errors are as large as they were found to be */
    return FR_OK;
}

void fr_trust_free(fr_trust *trust) {
    fr_free(trust->of);
    fr_free(trust->numbers);
    *trust = (fr_trust){.n = 0};
}

fr_trusted fr_trust_ask(const fr_trust *t, const fr_option *o) {
    const fr_planner *p = t->planner;
    int32_t n = t->n;
    const double *lower = t->numbers, *speed = lower + (size_t)n * (size_t)n, *bytes = speed + n;
    double *with = t->numbers + ((size_t)n + 2) * (size_t)n, left = shared(p, o, o), more = 0, larger = 0;
    for (int32_t i = 0; i < n; i++)
        with[i] = shared(p, o, t->of[i]);
    forward(lower, n, with);
    for (int32_t i = 0; i < n; i++) {
        more += with[i] * speed[i];
        larger += with[i] * bytes[i];
        left -= with[i] * with[i];
    }
    return (fr_trusted){.speed = exp(t->mean_speed + more),
                        .bytes = exp(t->mean_bytes + larger),
                        .unsure = t->scale * sqrt(fmax(left, 0))};
}
