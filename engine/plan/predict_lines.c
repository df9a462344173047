/*
 * Times from lines. Of a kind of step, the lines with equal channels in and out say what an input takes for each place of the map; lines
 * of one side say how far a lopsided step lies from that; the line of maps, how far a map does; the line of inputs, a launch.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/predict_parts.h"

static const double sure = 0.5; /* confidence of a quantum that is worth believing */

/* ---- points ----------------------------------------------------------------------------------------------------- */

double fr_point_places(const fr_probe_point *p) {
    if (p->kind == FR_STEP_FC)
        return 1;
    int32_t more = p->kernel > 0 ? 2 * (p->kernel / 2) - p->kernel + 1 : 0;
    return (double)(p->h + more) * (p->w + more);
}

/* A launch is never all that a point took. */
double fr_point_alone(const fr_probe *probe, const fr_probe_point *p) {
    double n = p->n > 0 ? p->n : 1, left = p->ns - probe->launch_ns;
    return (left > p->ns / 8 ? left : p->ns / 8) / n;
}

int32_t fr_point_fc_inputs(const fr_probe_point *p) {
    int32_t places = p->h > 0 && p->w > 0 ? p->h * p->w : 1;
    return p->c_in * places;
}

static double groups_of(int32_t groups) {
    return groups > 1 ? groups : 1;
}

/* For each place and group of one input. */
double fr_point_at_place(const fr_probe *probe, const fr_probe_point *p) {
    return fr_point_alone(probe, p) / fr_point_places(p) / groups_of(p->groups);
}

/* ---- a line at any number of channels, those of one group ----------------------------------------------------- */

static double line_channels(const fr_stairs *s, size_t i) {
    const fr_probe_point *p = s->points[i];
    int32_t c = s->like.line == FR_LINE_OUT ? p->c_out : p->kind == FR_STEP_FC ? fr_point_fc_inputs(p) : p->c_in;
    return c / groups_of(p->groups);
}

/* What a tile makes of channels: a quantum of a grouped line counts all groups. */
static double tiled(const fr_stair_fit *fit, double c) {
    if (!fit || fit->quantum <= 1 || fit->confidence < sure)
        return c;
    return (1 - fit->waste) * c + fit->waste * ceil(c / fit->quantum - 1e-9) * fit->quantum;
}

typedef struct tiles { /* fits of the two sides */
    const fr_stair_fit *in, *out;
} tiles;

static const fr_stair_fit *best_fit(const fr_stairs *const *lines, int32_t count) {
    const fr_stair_fit *best = NULL;
    for (int32_t i = 0; i < count; i++)
        if (lines[i]->fit.quantum > 1 && lines[i]->fit.confidence >= sure && !lines[i]->noisy &&
            (!best || lines[i]->fit.confidence > best->confidence))
            best = &lines[i]->fit;
    return best;
}

/* Lines with both sides do not tell which one it is that steps: the outputs, unless the inputs alone were seen to. */
static tiles tiles_of(const fr_family *f) {
    tiles t = {best_fit(f->in, f->n_in), best_fit(f->out, f->n_out)};
    if (f->is_grouped)
        return (tiles){NULL, NULL};
    if (!t.in && !t.out)
        t.out = best_fit(f->both, f->n_both);
    return t;
}

static size_t below(const fr_stairs *s, double c) { /* the last point that is not above c, but never the last of all */
    size_t low = 0, high = s->count - 1;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (line_channels(s, middle) <= c)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Linear in x. */
static double between(double x0, double y0, double x1, double y1, double x) {
    return x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : (y0 + y1) / 2;
}

/* One side grows: its time is linear in the tiles' channels. */
static double side_at(const fr_probe *probe, const fr_stairs *s, const fr_stair_fit *fit, double c) {
    if (s->count == 1)
        return fr_point_at_place(probe, s->points[0]);
    double first = line_channels(s, 0), last = line_channels(s, s->count - 1);
    size_t a = below(s, c), b = a + 1;
    if (c > last) {
        a = s->count / 2 < s->count - 1 ? s->count / 2 : s->count - 2;
        b = s->count - 1;
    } else if (c < first) {
        a = 0;
        b = 1;
    }
    double ya = fr_point_at_place(probe, s->points[a]), yb = fr_point_at_place(probe, s->points[b]);
    if (line_channels(s, a) == c)
        return ya;
    if (line_channels(s, b) == c)
        return yb;
    double y = between(tiled(fit, line_channels(s, a)), ya, tiled(fit, line_channels(s, b)), yb, tiled(fit, c));
    double end = c < first ? ya : c > last ? yb : 0; /* beyond an end: with the slope there, but never to nothing */
    return y > end / 4 ? y : end / 4;
}

/* Both sides grow: time over the outputs' tiled channels, linear in the inputs' tiled ones. */
static double both_at(const fr_probe *probe, const fr_stairs *s, const tiles *t, double c) {
    double first = line_channels(s, 0), last = line_channels(s, s->count - 1);
    if (s->count == 1)
        return fr_point_at_place(probe, s->points[0]) * tiled(t->in, c) * tiled(t->out, c) /
               (tiled(t->in, first) * tiled(t->out, first));
    size_t a = below(s, c), b = a + 1;
    if (c > last)
        a = b = s->count - 1;
    else if (c < first)
        a = b = 0;
    double ca = line_channels(s, a), cb = line_channels(s, b);
    if (ca == c || cb == c)
        return fr_point_at_place(probe, s->points[ca == c ? a : b]);
    double ya = fr_point_at_place(probe, s->points[a]) / tiled(t->out, ca),
           yb = fr_point_at_place(probe, s->points[b]) / tiled(t->out, cb);
    if (a == b) /* beyond an end: the end's rate */
        return ya / tiled(t->in, ca) * tiled(t->in, c) * tiled(t->out, c);
    return between(tiled(t->in, ca), ya, tiled(t->in, cb), yb, tiled(t->in, c)) * tiled(t->out, c);
}

static bool within(const fr_stairs *s, double c) {
    return c >= line_channels(s, 0) && c <= line_channels(s, s->count - 1);
}

/* ---- channels in = channels out, at a map -------------------------------------------------------------------- */

static const fr_stairs *longest(const fr_family *f) {
    const fr_stairs *best = f->both[0];
    for (int32_t i = 1; i < f->n_both; i++)
        if (f->both[i]->count > best->count)
            best = f->both[i];
    return best;
}

/* A short line goes on as the longest one does. */
static double line_at(const fr_probe *probe, const fr_family *f, const fr_stairs *s, const tiles *t, double c) {
    const fr_stairs *guide = longest(f);
    if (s == guide || within(s, c))
        return both_at(probe, s, t, c);
    double end = line_channels(s, c < line_channels(s, 0) ? 0 : s->count - 1);
    return both_at(probe, s, t, end) * both_at(probe, guide, t, c) / both_at(probe, guide, t, end);
}

static double log_places(const fr_stairs *s) {
    return log(fr_point_places(&s->like));
}

/* Between the two lines whose maps enclose it, in the logarithm; beyond them as the last. */
static double equal_at(const fr_probe *probe, const fr_family *f, const tiles *t, double c, double log_map) {
    int32_t above = 0;
    while (above < f->n_both && log_places(f->both[above]) < log_map)
        above++;
    if (above == 0 || above == f->n_both)
        return line_at(probe, f, f->both[above ? above - 1 : 0], t, c);
    const fr_stairs *a = f->both[above - 1], *b = f->both[above];
    double x = (log_map - log_places(a)) / (log_places(b) - log_places(a));
    if (x > 0.999)
        return line_at(probe, f, b, t, c);
    double ya = line_at(probe, f, a, t, c), yb = line_at(probe, f, b, t, c);
    return ya * pow(yb / ya, x);
}

/* A lopsided step at the rate of the equal one between, in its own tiles. */
static double base_at(const fr_probe *probe, const fr_family *f, const tiles *t, double c_in, double c_out,
                      double log_map) {
    if (c_in == c_out)
        return equal_at(probe, f, t, c_in, log_map);
    double c = sqrt(c_in * c_out);
    return equal_at(probe, f, t, c, log_map) / (tiled(t->in, c) * tiled(t->out, c)) * tiled(t->in, c_in) *
           tiled(t->out, c_out);
}

/* ---- lopsided steps ---------------------------------------------------------------------------------------------- */

static double fixed_side(const fr_stairs *s) {
    return s->like.line == FR_LINE_IN   ? s->like.c_out / groups_of(s->like.groups)
           : s->like.kind == FR_STEP_FC ? fr_point_fc_inputs(&s->like)
                                        : s->like.c_in / groups_of(s->like.groups);
}

/* How far a line of one side lies from the equal ones at c, in the logarithm; nothing where its sides are equal. */
static double apart_at(const fr_probe *probe, const fr_family *f, const tiles *t, const fr_stairs *s, double c) {
    bool is_in = s->like.line == FR_LINE_IN;
    double fixed = fixed_side(s), first = line_channels(s, 0), last = line_channels(s, s->count - 1);
    double at = c < first ? first : c > last ? last : c, fade = 1;
    if (at != c && (at - fixed) * (c - fixed) <= 0) /* past where the sides are equal */
        return 0;
    if (at != c && fabs(log(c / fixed)) < fabs(log(at / fixed)))
        fade = log(c / fixed) / log(at / fixed);
    double base = base_at(probe, f, t, is_in ? at : fixed, is_in ? fixed : at, log_places(s));
    return fade * log(side_at(probe, s, is_in ? t->in : t->out, at) / base);
}

static const double slack = 0.01;

/* Lines of one side at several numbers of the other: between the nearest two that enclose it, else the nearest. */
static void add_side(fr_mean *m, const fr_probe *probe, const fr_family *f, const tiles *t,
                     const fr_stairs *const *lines, int32_t count, double grows, double other) {
    const fr_stairs *low = NULL, *high = NULL;
    for (int32_t i = 0; i < count; i++) {
        double fixed = fixed_side(lines[i]);
        if (fixed <= other && (!low || fixed > fixed_side(low)))
            low = lines[i];
        if (fixed >= other && (!high || fixed < fixed_side(high)))
            high = lines[i];
    }
    if (!low && !high)
        return;
    if (!low || !high || low == high) {
        const fr_stairs *one = low ? low : high;
        fr_mean_add(m, apart_at(probe, f, t, one, grows), log(other / fixed_side(one)), slack);
        return;
    }
    double x =
        fixed_side(high) > fixed_side(low) ? log(other / fixed_side(low)) / log(fixed_side(high) / fixed_side(low)) : 0;
    fr_mean_add(m, (1 - x) * apart_at(probe, f, t, low, grows) + x * apart_at(probe, f, t, high, grows), 0, slack);
}

/* Without lines of equal sides: one side's line, in the proportion of the other's. */
static double crossed_at(const fr_probe *probe, const fr_family *f, const tiles *t, double c_in, double c_out) {
    const fr_stairs *in = f->n_in ? f->in[0] : NULL, *out = f->n_out ? f->out[0] : NULL;
    if (!in || !out) {
        double given = in ? side_at(probe, in, t->in, c_in) : side_at(probe, out, t->out, c_out);
        return given * (in ? c_out : c_in) / fixed_side(in ? in : out);
    }
    double meet = sqrt(side_at(probe, in, t->in, fixed_side(out)) * side_at(probe, out, t->out, fixed_side(in)));
    return side_at(probe, in, t->in, c_in) * side_at(probe, out, t->out, c_out) / meet;
}

/* Nanoseconds for a place and a group of one input. */
double fr_family_at(const fr_probe *probe, const fr_family *f, double c_in, double c_out, double log_map) {
    tiles t = tiles_of(f);
    fr_mean m = {0};
    if (f->n_both == 0)
        return crossed_at(probe, f, &t, c_in, c_out);
    double base = base_at(probe, f, &t, c_in, c_out, log_map);
    if (c_in == c_out)
        return base;
    fr_mean_add(&m, 0, log(c_in / c_out), slack);
    add_side(&m, probe, f, &t, f->in, f->n_in, c_in, c_out);
    add_side(&m, probe, f, &t, f->out, f->n_out, c_out, c_in);
    return base * exp(m.sum / m.weight);
}

/* ---- families ------------------------------------------------------------------------------------------------------ */

static fr_family *family_of(fr_lines *l, const fr_probe_point *like) {
    bool is_grouped = like->groups > 1;
    for (int32_t i = 0; i < l->n_families; i++) {
        fr_family *f = &l->families[i];
        if (f->kind == like->kind && f->precision == like->precision && f->kernel == like->kernel &&
            f->is_grouped == is_grouped)
            return f;
    }
    fr_family *f = &l->families[l->n_families++];
    *f =
        (fr_family){.kind = like->kind, .precision = like->precision, .kernel = like->kernel, .is_grouped = is_grouped};
    return f;
}

static void add_line(const fr_stairs **lines, int32_t *count, const fr_stairs *line) {
    if (*count == FR_FAMILY_LINES)
        return;
    int32_t at = (*count)++;
    for (; at > 0 && log_places(lines[at - 1]) > log_places(line); at--)
        lines[at] = lines[at - 1];
    lines[at] = line;
}

fr_status fr_families_make(fr_lines *l) {
    l->families = fr_alloc_array(l->stairs.count + 1, sizeof *l->families);
    if (!l->families)
        return fr_no_memory(l->stairs.count * sizeof *l->families, "a prediction");
    for (size_t i = 0; i < l->stairs.count; i++) {
        const fr_stairs *s = &l->stairs.at[i];
        if ((s->like.kind != FR_STEP_CONV && s->like.kind != FR_STEP_FC) || s->like.pool_kernel > 0 || s->count < 1)
            continue;
        fr_family *f = family_of(l, &s->like);
        if (s->like.line == FR_LINE_BOTH)
            add_line(f->both, &f->n_both, s);
        else if (s->like.line == FR_LINE_IN)
            add_line(f->in, &f->n_in, s);
        else
            add_line(f->out, &f->n_out, s);
    }
    return FR_OK;
}

const fr_family *fr_family_find(const fr_lines *l, uint16_t kind, uint16_t precision, int32_t kernel, bool is_grouped) {
    for (int32_t i = 0; i < l->n_families; i++) {
        const fr_family *f = &l->families[i];
        if (f->kind == kind && f->precision == precision && f->is_grouped == is_grouped &&
            (kind == FR_STEP_FC || f->kernel == kernel) && (f->n_both > 0 || f->n_in > 0 || f->n_out > 0))
            return f;
    }
    return NULL;
}

double fr_family_fill(const fr_family *f, double c_in, double c_out) {
    tiles t = tiles_of(f);
    double in = t.in ? ceil(c_in / t.in->quantum) * t.in->quantum : c_in,
           out = t.out ? ceil(c_out / t.out->quantum) * t.out->quantum : c_out;
    return c_in * c_out / (in * out);
}

static bool covers(const fr_stairs *const *lines, int32_t count, double c) {
    for (int32_t i = 0; i < count; i++)
        if (within(lines[i], c))
            return true;
    return false;
}

bool fr_family_covers(const fr_family *f, double c_in, double c_out) {
    bool both = covers(f->both, f->n_both, c_in) && covers(f->both, f->n_both, c_out);
    return both || ((covers(f->in, f->n_in, c_in) || covers(f->both, f->n_both, c_in)) &&
                    (covers(f->out, f->n_out, c_out) || covers(f->both, f->n_both, c_out)));
}
