/*
 * The quantum of a line of times. Kernels change along a line, caches fill: times bend in ways that no formula of two or three terms
 * follows. So the quantum is sought in what a smooth curve leaves over: for each q the share of ceil(c / q) * q - c that explains
 * most of it. Residuals are relative, for the noise of a time grows with it.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "plan/stairs.h"

enum { MOST_POINTS = FR_STAIR_POINTS, LEAST_POINTS = 6, TERMS = 5, ROUNDS = 5, QUANTA = 6 };
static const int32_t quanta[QUANTA] = {2, 4, 8, 16, 32, 64};

/* How much better, in variances of the noise, steps must be than none, and how much of a difference is one of rounding. */
static const double clearly_better = 11, nothing = 0.01;
static const double least_noise = 0.002; /* clocks are no better than that */

typedef struct samples {
    size_t count;
    double c[MOST_POINTS], y[MOST_POINTS];
    int32_t kernel[MOST_POINTS];
    double trust[MOST_POINTS]; /* 1, less for outliers */
    double left[MOST_POINTS];  /* what the last fit left over, as a share of y */
    bool both;
} samples;

static double tiled(double c, int32_t q) {
    return ceil(c / q) * q;
}

static double smooth_term(double c, int term) {
    switch (term) {
    case 0: return 1;
    case 1: return c;
    case 2: return 1 / c;
    default: return sqrt(c);
    }
}

/* Few points cannot tell a bend from a step. */
static int smooth_terms(const samples *s) {
    return s->count >= 12 ? 4 : s->both ? 3 : 2;
}

static double dot(const double *a, const double *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Takes the columns before `column` out of it; false when next to nothing remains. */
static bool make_orthogonal(double columns[TERMS][MOST_POINTS], int column, size_t count) {
    double *v = columns[column], before = dot(v, v, count);
    for (int again = 0; again < 2; again++)
        for (int k = 0; k < column; k++) {
            double share = dot(columns[k], v, count);
            for (size_t i = 0; i < count; i++)
                v[i] -= share * columns[k][i];
        }
    double norm = sqrt(dot(v, v, count));
    if (!(norm > 1e-7 * sqrt(before)))
        norm = INFINITY; /* it is a sum of the others: nothing */
    for (size_t i = 0; i < count; i++)
        v[i] /= norm;
    return isfinite(norm);
}

/* Least squares on the smooth terms and, with q > 1, on q's steps as the last; leaves s->left. False when the steps would have to
 * go down, or cannot be told from a smooth curve. */
static bool fit_weighted(samples *s, int32_t q) {
    double columns[TERMS][MOST_POINTS], target[MOST_POINTS];
    int terms = smooth_terms(s);
    bool seen = true;
    for (size_t i = 0; i < s->count; i++) {
        double weight = s->trust[i] / s->y[i];
        for (int t = 0; t < terms; t++)
            columns[t][i] = weight * smooth_term(s->c[i], t);
        if (q > 1)
            columns[terms][i] = weight * (tiled(s->c[i], q) - s->c[i]);
        target[i] = s->trust[i];
    }
    for (int t = 0; t < terms + (q > 1); t++) {
        bool alone = make_orthogonal(columns, t, s->count);
        double share = dot(columns[t], target, s->count);
        if (t == terms)
            seen = alone && share > 0;
        for (size_t i = 0; i < s->count; i++)
            target[i] -= share * columns[t][i];
    }
    for (size_t i = 0; i < s->count; i++)
        s->left[i] = target[i] / s->trust[i];
    return seen;
}

/* The noise that most of the points agree on. */
static double noise_of(const samples *s) {
    double sizes[MOST_POINTS];
    for (size_t i = 0; i < s->count; i++)
        sizes[i] = fabs(s->left[i]);
    fr_sort_numbers(sizes, s->count);
    double free_share = sqrt((double)s->count / (double)(s->count - (size_t)smooth_terms(s)));
    double noise = 1.4826 * sizes[s->count / 2] * free_share;
    return noise > least_noise ? noise : least_noise;
}

/* Outliers lose their say, more in each round (Huber's weights). */
static bool fit_robust(samples *s, int32_t q, double *out_noise) {
    bool seen = true;
    for (size_t i = 0; i < s->count; i++)
        s->trust[i] = 1;
    for (int round = 0; round < ROUNDS; round++) {
        seen = fit_weighted(s, q);
        *out_noise = noise_of(s);
        for (size_t i = 0; i < s->count; i++) {
            double far = fabs(s->left[i]) / (2.5 * *out_noise);
            s->trust[i] = far > 1 ? sqrt(1 / far) : 1;
        }
    }
    return seen;
}

/* Of residuals in units of the noise; of one point no more than five times as much counts. */
static double loss_of(const double *left, size_t count, double noise) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double far = left[i] / noise;
        sum += far * far < 25 ? far * far : 25;
    }
    return sum;
}

/* q shows only where at least three tiles are begun, and some are partly filled. */
static bool can_show(const samples *s, int32_t q) {
    double partly = 0, last = 0, tiles = 0;
    for (size_t i = 0; i < s->count; i++) {
        double at = tiled(s->c[i], q);
        partly += at > s->c[i];
        tiles += at > last;
        last = at;
    }
    return partly >= 2 && tiles >= 3;
}

/* ---- what a partly filled tile costs ---------------------------------------------------------------------------- */

enum { PARTS = 4 }; /* 1, c, tiles, 1 / c */

/* Solves the normal equations of the chosen parts; false when one of them comes out negative. */
static bool solve_parts(double a[PARTS][PARTS + 1], unsigned chosen, double out[PARTS]) {
    double m[PARTS][PARTS + 1];
    memcpy(m, a, sizeof m);
    for (int k = 0; k < PARTS; k++) {
        if (!(chosen >> k & 1))
            continue;
        if (!(m[k][k] > 1e-12 * a[k][k]))
            return false;
        for (int row = 0; row < PARTS; row++) {
            double share = row != k && (chosen >> row & 1) ? m[row][k] / m[k][k] : 0;
            for (int col = 0; col <= PARTS && share != 0; col++)
                m[row][col] -= share * m[k][col];
        }
    }
    for (int k = 0; k < PARTS; k++) {
        out[k] = chosen >> k & 1 ? m[k][PARTS] / m[k][k] : 0;
        if (!(out[k] >= 0))
            return false;
    }
    return true;
}

/* Least squares without negative parts: of all subsets the best one. */
static void fit_parts(const samples *s, int32_t q, double best[PARTS]) {
    double a[PARTS][PARTS + 1] = {{0}}, most = 0;
    memset(best, 0, PARTS * sizeof best[0]);
    for (size_t i = 0; i < s->count; i++) {
        double weight = s->trust[i] * s->trust[i] / (s->y[i] * s->y[i]);
        double part[PARTS + 1] = {1, s->c[i], tiled(s->c[i], q), s->both ? 1 / s->c[i] : 0, s->y[i]};
        for (int row = 0; row < PARTS; row++)
            for (int col = 0; col <= PARTS; col++)
                a[row][col] += weight * part[row] * part[col];
    }
    for (unsigned chosen = 1; chosen < 1u << PARTS; chosen++) {
        double made[PARTS], gain = 0;
        if ((q == 1 && (chosen >> 2 & 1)) || (!s->both && (chosen >> 3 & 1)) || !solve_parts(a, chosen, made))
            continue;
        for (int k = 0; k < PARTS; k++)
            gain += made[k] * a[k][PARTS]; /* what the fit takes off the sum of squares */
        if (gain > most) {
            most = gain;
            memcpy(best, made, sizeof made);
        }
    }
}

/* ---- the choice -------------------------------------------------------------------------------------------------- */

typedef struct trial_fit {
    bool seen;
    double left[MOST_POINTS], noise, loss;
} trial_fit;

/* fits[0] is the smooth curve alone. Returns the best, by one measure of noise for all. */
static int best_of(samples *s, trial_fit fits[QUANTA + 1]) {
    int best = 0;
    double noise = INFINITY;
    for (int f = 0; f <= QUANTA; f++) {
        trial_fit *fit = &fits[f];
        int32_t q = f > 0 ? quanta[f - 1] : 1;
        fit->seen = (q == 1 || can_show(s, q)) && fit_robust(s, q, &fit->noise);
        memcpy(fit->left, s->left, sizeof fit->left);
        if (fit->seen && fit->noise < noise)
            noise = fit->noise;
    }
    for (int f = 0; f <= QUANTA; f++) {
        fits[f].loss = fits[f].seen ? loss_of(fits[f].left, s->count, noise) : INFINITY;
        if (fits[f].loss < fits[best].loss - nothing) /* of two that look the same on these channels the smaller */
            best = f;
    }
    return best;
}

/* How likely it is this one and none of the others, and how much of what the smooth curve leaves over it explains: noise that it
 * does not explain, or another structure, makes it less. */
static double confidence_of(const trial_fit fits[QUANTA + 1], int best, double variance, double needed) {
    double all = 0, explained = 1 - fits[best].loss / fits[0].loss;
    for (int f = 0; f <= QUANTA; f++)
        if (fits[f].seen) {
            double behind = (fits[f].loss - fits[best].loss) / variance - (f == 0 ? needed : 0);
            all += exp(-0.5 * (behind > 0 || f == 0 ? behind : 0));
        }
    return explained > 0 ? explained / all : 0;
}

static void choose_quantum(samples *s, double times_clear, fr_stair_fit *out_fit) {
    trial_fit *fits = fr_alloc_array(QUANTA + 1, sizeof *fits);
    if (!fits)
        return;
    int best = best_of(s, fits);
    double spare = (double)s->count - smooth_terms(s) - 1, variance = fits[best].loss / spare;
    double needed = times_clear * clearly_better * (1 + 8 / spare); /* of few points chance makes steps more easily */
    if (variance < 1)
        variance = 1; /* a loss counts outliers for less, and noise has its least */
    if (best > 0 && fits[0].loss - fits[best].loss > needed * variance) {
        out_fit->quantum = quanta[best - 1];
        out_fit->confidence = confidence_of(fits, best, variance, needed);
    }
    fr_free(fits);
}

/* ---- the line, or what is clean of it ---------------------------------------------------------------------------- */

static void take_points(const fr_stair_line *line, samples *out) {
    out->count = 0;
    out->both = line->both;
    for (size_t i = 0; i < line->count && out->count < MOST_POINTS; i++)
        if (line->channels[i] > 0 && line->ns[i] > 0 && isfinite(line->ns[i])) {
            out->c[out->count] = line->channels[i];
            out->kernel[out->count] = line->kernels ? line->kernels[i] : 0;
            out->trust[out->count] = 1;
            out->y[out->count++] = line->both ? line->ns[i] / line->channels[i] : line->ns[i];
        }
}

static int32_t commonest_kernel(const samples *s) {
    int32_t best = 0;
    size_t most = 0;
    for (size_t i = 0; i < s->count; i++) {
        size_t count = 0;
        for (size_t k = 0; k < s->count; k++)
            count += s->kernel[k] == s->kernel[i];
        if (count > most) {
            most = count;
            best = s->kernel[i];
        }
    }
    return best;
}

static void keep_points(samples *s, bool one_kernel, double widest) {
    int32_t kernel = commonest_kernel(s);
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if ((!one_kernel || s->kernel[i] == kernel) && s->c[i] <= widest) {
            s->c[kept] = s->c[i];
            s->y[kept] = s->y[i];
            s->kernel[kept++] = s->kernel[i];
        }
    s->count = kept;
}

/* Where kernels take turns, or large maps leave the cache, the whole line hides what a part of it shows. */
static bool fit_somewhere(const fr_stair_line *line, samples *s, fr_stair_fit *out_fit) {
    static const struct {
        bool one_kernel;
        double widest;
    } parts[] = {{false, INFINITY}, {true, INFINITY}, {false, 96}, {true, 96}};
    size_t before = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        take_points(line, s);
        size_t all = s->count;
        keep_points(s, parts[i].one_kernel, parts[i].widest);
        bool enough = s->count >= (size_t)(i == 0 ? LEAST_POINTS : 2 * LEAST_POINTS) && 3 * s->count >= all;
        if (!enough || s->count == before || s->c[s->count - 1] < 2 * s->c[0])
            continue;
        before = s->count;
        choose_quantum(s, i == 0 ? 1 : 1.5, out_fit);
        out_fit->confidence *= 0.5 + 0.5 * (double)s->count / (double)all;
        if (out_fit->quantum > 1)
            return true;
    }
    return false;
}

void fr_stairs_fit_line(const fr_stair_line *line, fr_stair_fit *out_fit) {
    samples *s = fr_alloc(sizeof *s);
    double parts[PARTS], noise;
    *out_fit = (fr_stair_fit){.quantum = 1};
    if (!s)
        return;
    if (fit_somewhere(line, s, out_fit))
        (void)fit_robust(s, out_fit->quantum, &noise); /* leaves the outliers' weights */
    else
        take_points(line, s);
    fit_parts(s, out_fit->quantum, parts);
    out_fit->base_ns = parts[0];
    out_fit->ns_per_channel = parts[1] + parts[2];
    if (out_fit->quantum > 1 && parts[1] + parts[2] > 0)
        out_fit->waste = parts[2] / (parts[1] + parts[2]);
    fr_free(s);
}

void fr_stairs_fit(const int32_t *channels, const double *ns, size_t count, fr_stair_fit *out_fit) {
    fr_stair_line line = {.channels = channels, .ns = ns, .count = count};
    fr_stairs_fit_line(&line, out_fit);
}
