/* Drift: a machine that grows hot, or gets company, slows down. One step is timed again and again, and what was measured between is
 * put on the footing of its first time. */
#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "run/peak.h"
#include "run/prober.h"

static const uint64_t every_ns = 1000000000, fill_ns = 2000000;
static const double seldom = 20;       /* times as long as timing it takes, at least, until the next time */
static const double calm = 0.01;       /* what the stopwatch itself is unsure of */
static const double repeats = 8;       /* of the reference step, at least, each time */
static const double suspicious = 0.05; /* a jump that is looked at again: it may be a hiccup */
static const double scattered = 0.10;  /* repeats so far apart tell of no drift */

/* A convolution of 32 to 32 channels; else any. */
static int32_t reference_point(const fr_prober *p) {
    int32_t any = -1;
    for (size_t i = 0; i < p->probe.n_points; i++) {
        const fr_probe_point *at = &p->probe.points[i];
        if (at->kind != FR_STEP_CONV || !(at->ns > 0 || fr_prober_wants(p, (int32_t)i)))
            continue;
        if (at->line == FR_LINE_BOTH && at->c_in == 32 && at->groups <= 1)
            return (int32_t)i;
        any = any < 0 ? (int32_t)i : any;
    }
    return any;
}

/* ---- the stopwatch ------------------------------------------------------------------------------------------------ */

static fr_status read_watch(fr_prober *p, fr_probe_watch *w) {
    const uint64_t of_lanes = 4; /* times as long: threads begin late and end late */
    fr_probe_drift *d = &p->drift;
    fr_weights weights;
    fr_trial_times times;
    FR_TRY(fr_probe_kit_for(&p->kit, &d->step, &weights));
    if (w->lanes > 1)
        FR_TRY(fr_lanes_time(&p->target, &d->step, &d->candidate, &weights, w->lanes, of_lanes * d->fill_ns, &times));
    else
        FR_TRY(fr_trial_measure(&p->trial, &d->step, &d->candidate, &weights, d->fill_ns, 0, &times));
    for (int i = FR_WATCH_READINGS - 1; i > 0; i--) {
        w->ns[i] = w->ns[i - 1];
        w->spread[i] = w->spread[i - 1];
    }
    w->ns[0] = times.least >= 1 ? times.least : 1;
    w->spread[0] = times.median / w->ns[0] - 1;
    return FR_OK;
}

static double middle(const double v[FR_WATCH_READINGS]) {
    double low = fmin(v[0], v[1]), high = fmax(v[0], v[1]);
    return fmax(low, fmin(high, v[2]));
}

/* One reading, which counts with the two before it; where it jumps, two more tell a drift from a hiccup. */
static fr_status look(fr_prober *p, fr_probe_watch *w) {
    FR_TRY(read_watch(p, w));
    bool jumped = w->last_ns <= 0 || fabs(w->ns[0] / w->last_ns - 1) > suspicious;
    for (int i = 1; i < FR_WATCH_READINGS && jumped; i++)
        FR_TRY(read_watch(p, w));
    w->last_ns = middle(w->ns);
    w->unsure = fmax(calm, middle(w->spread));
    return FR_OK;
}

static double within(double value, double most) {
    return value < 1 / most ? 1 / most : value > most ? most : value;
}

/* Beyond a factor of two it is no drift, but a machine that does something else. */
static double bounded(double slower) {
    return within(slower, 2);
}

/* What the watch makes of a time: 1 where it cannot tell. */
static double slower_by(const fr_probe_watch *w, double ns) {
    double slower = bounded(ns / w->first_ns);
    return w->unsure <= scattered && fabs(slower - 1) > w->unsure ? slower : 1;
}

fr_status fr_drift_begin(fr_prober *p) {
    fr_probe_drift *d = &p->drift;
    fr_trial_times times;
    int32_t point = reference_point(p);
    if (point < 0)
        return FR_OK;
    bool is_new = p->probe.points[point].ns <= 0;
    if (is_new)
        FR_TRY(fr_prober_point(p, point));
    const fr_probe_point *at = &p->probe.points[point];
    if (at->ns <= 0)
        return FR_OK;
    FR_TRY(fr_probe_step(at, &d->step));
    fr_status status = fr_prober_best(p, &d->step, point, fill_ns, &d->candidate, &times, NULL);
    if (status == FR_UNSUPPORTED || status == FR_NO_MEMORY) /* then nothing tells of a drift */
        return FR_OK;
    FR_TRY(status);
    d->fill_ns = (uint64_t)fmax(repeats * times.least, (double)fill_ns);
    d->alone = (fr_probe_watch){.lanes = 1};
    d->together = (fr_probe_watch){.lanes = 0};
    FR_TRY(look(p, &d->alone));
    /* Points have the least of patient tries, and the watch has its own way: what it would have read when an earlier call
     * measured the point lies as far from the point's time as the two lie apart now. */
    d->alone.first_ns = is_new ? d->alone.last_ns : at->ns * bounded(d->alone.last_ns / fmax(times.least, 1));
    d->last_at = fr_clock_ns();
    d->wait_ns = every_ns;
    d->set = true;
    return FR_OK;
}

/* ---- points ------------------------------------------------------------------------------------------------------- */

/* All that is pending, by the reference's time when it was measured. Clocks drift by a quarter at most. Beyond that others are at work
 * too, and the points, the least of many repeats, meet less of them than the watch. */
static void correct(fr_prober *p, double before_ns, uint64_t now) {
    const double most = 1.25;
    fr_probe_drift *d = &p->drift;
    const fr_probe_watch *w = &d->alone;
    for (size_t i = 0; i < d->n_pending; i++) {
        double part = now > d->last_at ? (double)(d->pending[i].at - d->last_at) / (double)(now - d->last_at) : 1;
        p->probe.points[d->pending[i].point].ns /=
            within(slower_by(w, before_ns + part * (w->last_ns - before_ns)), most);
    }
    double drift = fabs(w->last_ns / w->first_ns - 1);
    if (w->unsure <= scattered && drift > p->probe.worst_drift)
        p->probe.worst_drift = drift;
    d->n_pending = 0;
    d->last_at = now;
}

static fr_status look_and_correct(fr_prober *p) {
    double before_ns = p->drift.alone.last_ns;
    FR_TRY(look(p, &p->drift.alone));
    correct(p, before_ns, fr_clock_ns());
    return FR_OK;
}

fr_status fr_drift_check(fr_prober *p, bool now) {
    fr_probe_drift *d = &p->drift;
    uint64_t begin = fr_clock_ns();
    if (!d->set || (now ? d->n_pending == 0 : begin - d->last_at < d->wait_ns))
        return FR_OK;
    FR_TRY(look_and_correct(p));
    uint64_t wait = (uint64_t)(seldom * (double)(fr_clock_ns() - begin));
    d->wait_ns = wait > every_ns ? wait : every_ns;
    return FR_OK;
}

static fr_status add_pending(fr_probe_drift *d, int32_t point, uint64_t at) {
    if (d->n_pending == d->cap_pending) {
        size_t more = d->cap_pending ? 2 * d->cap_pending : 64;
        fr_probe_pending *grown = fr_grow_array(d->pending, d->cap_pending, more, sizeof *grown);
        if (!grown)
            return fr_no_memory(more * sizeof *grown, "the device profile");
        d->pending = grown;
        d->cap_pending = more;
    }
    d->pending[d->n_pending++] = (fr_probe_pending){.point = point, .at = at};
    return FR_OK;
}

fr_status fr_drift_note(fr_prober *p, int32_t point) {
    if (!p->drift.set)
        return FR_OK;
    FR_TRY(add_pending(&p->drift, point, fr_clock_ns()));
    return fr_drift_check(p, false);
}

fr_status fr_drift_note_twin(fr_prober *p, int32_t point, int32_t twin) {
    for (size_t i = 0; i < p->drift.n_pending; i++)
        if (p->drift.pending[i].point == twin)
            return add_pending(&p->drift, point, p->drift.pending[i].at);
    return FR_OK;
}

void fr_drift_forget(fr_prober *p, int32_t point) {
    size_t kept = 0;
    for (size_t i = 0; i < p->drift.n_pending; i++)
        if (p->drift.pending[i].point != point)
            p->drift.pending[kept++] = p->drift.pending[i];
    p->drift.n_pending = kept;
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

/* A run keeps all lanes busy, and one of them alone neither sees the heat of the others nor who else is on their cores. */
static fr_status look_around(fr_prober *p, const fr_probe_watch **out_watch) {
    fr_probe_drift *d = &p->drift;
    fr_probe_watch *w = &d->together;
    int32_t lanes = fr_target_busy_lanes(&p->target);
    *out_watch = lanes > 1 ? w : &d->alone;
    FR_TRY(look_and_correct(p));
    if (lanes <= 1)
        return FR_OK;
    bool begins = w->lanes == 0;
    w->lanes = lanes;
    FR_TRY(look(p, w));
    double first_ns = w->last_ns / slower_by(&d->alone, d->alone.last_ns); /* on the footing of the points */
    if (begins || first_ns < (1 - suspicious) * w->first_ns)               /* others were on the cores until now */
        w->first_ns = first_ns;
    return FR_OK;
}

fr_status fr_drift_before_run(fr_prober *p) {
    const fr_probe_watch *watch;
    if (!p->drift.set)
        return FR_OK;
    FR_TRY(look_around(p, &watch));
    p->drift.before_run_ns = watch->last_ns;
    return FR_OK;
}

fr_status fr_drift_after_run(fr_prober *p, double *out_slower, double *out_apart) {
    const fr_probe_watch *watch;
    *out_slower = 1;
    *out_apart = 0;
    if (!p->drift.set)
        return FR_OK;
    FR_TRY(look_around(p, &watch));
    double before = slower_by(watch, p->drift.before_run_ns), after = slower_by(watch, watch->last_ns);
    *out_slower = (before + after) / 2;
    *out_apart = fabs(after / before - 1);
    return FR_OK;
}

void fr_drift_free(fr_probe_drift *d) {
    fr_free(d->pending);
    d->pending = NULL;
    d->n_pending = d->cap_pending = 0;
}
