/* Drift: a machine that grows hot, or gets company, slows down. One step is timed again and again, and what was measured between is
 * put on the footing of its first time. */
#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "run/prober.h"

static const uint64_t every_ns = 1000000000, fill_ns = 2000000;
static const double seldom = 20;       /* times as long as timing it takes, at least, until the next time */
static const double calm = 0.01;       /* what the stopwatch itself is unsure of */
static const double repeats = 8;       /* of the reference step, at least, each time */
static const double suspicious = 0.05; /* a jump that is looked at again: it may be a hiccup */

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

/* Repeats that lie apart say how little the time is worth: a drift no larger than that is none. */
static fr_status time_reference(fr_prober *p, double *out_ns) {
    fr_probe_drift *d = &p->drift;
    fr_weights weights;
    fr_trial_times times;
    uint64_t fill = (uint64_t)(repeats * d->first_ns) > fill_ns ? (uint64_t)(repeats * d->first_ns) : fill_ns;
    FR_TRY(fr_probe_kit_for(&p->kit, &d->step, &weights));
    FR_TRY(fr_trial_measure(&p->trial, &d->step, &d->candidate, &weights, fill, 0, &times));
    *out_ns = times.least;
    double unsure = times.median / times.least - 1;
    if (d->last_ns > 0 && fabs(*out_ns / d->last_ns - 1) > suspicious) {
        FR_TRY(fr_trial_measure(&p->trial, &d->step, &d->candidate, &weights, fill, 0, &times));
        *out_ns = times.least < *out_ns ? times.least : *out_ns;
    }
    d->unsure = unsure > calm ? unsure : calm;
    return FR_OK;
}

fr_status fr_drift_begin(fr_prober *p) {
    fr_probe_drift *d = &p->drift;
    fr_trial_times times;
    int32_t point = reference_point(p);
    if (point < 0)
        return FR_OK;
    if (p->probe.points[point].ns <= 0)
        FR_TRY(fr_prober_point(p, point));
    const fr_probe_point *at = &p->probe.points[point];
    if (at->ns <= 0)
        return FR_OK;
    FR_TRY(fr_probe_step(at, &d->step));
    fr_status status = fr_prober_best(p, &d->step, point, fill_ns, &d->candidate, &times, NULL);
    if (status == FR_UNSUPPORTED || status == FR_NO_MEMORY) /* then nothing tells of a drift */
        return FR_OK;
    FR_TRY(status);
    d->first_ns = at->ns; /* of an earlier call, perhaps: what is measured now must fit to what was measured then */
    d->last_ns = times.least;
    d->last_at = fr_clock_ns();
    d->wait_ns = every_ns;
    d->set = true;
    return FR_OK;
}

/* Beyond a factor of two it is no drift, but a machine that does something else. */
static double bounded(double slower) {
    return slower < 0.5 ? 0.5 : slower > 2 ? 2 : slower;
}

/* All that is pending, by the reference's time when it was measured. */
static void correct(fr_prober *p, double now_ns, uint64_t now) {
    fr_probe_drift *d = &p->drift;
    for (size_t i = 0; i < d->n_pending; i++) {
        double part = (double)(d->pending[i].at - d->last_at) / (double)(now - d->last_at);
        double slower = bounded((d->last_ns + part * (now_ns - d->last_ns)) / d->first_ns);
        if (fabs(slower - 1) > d->unsure)
            p->probe.points[d->pending[i].point].ns /= slower;
    }
    double worst = fabs(now_ns / d->first_ns - 1);
    if (worst > p->probe.worst_drift)
        p->probe.worst_drift = worst;
    d->n_pending = 0;
    d->last_ns = now_ns;
    d->last_at = now;
}

fr_status fr_drift_check(fr_prober *p, bool now) {
    fr_probe_drift *d = &p->drift;
    uint64_t begin = fr_clock_ns();
    double ns;
    if (!d->set || (now ? d->n_pending == 0 : begin - d->last_at < d->wait_ns))
        return FR_OK;
    FR_TRY(time_reference(p, &ns));
    uint64_t end = fr_clock_ns(), wait = (uint64_t)(seldom * (double)(end - begin));
    correct(p, ns, end);
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

fr_status fr_drift_since(fr_prober *p, double *out_slower) {
    fr_probe_drift *d = &p->drift;
    double before = d->last_ns, ns;
    *out_slower = 1;
    if (!d->set)
        return FR_OK;
    FR_TRY(time_reference(p, &ns));
    correct(p, ns, fr_clock_ns());
    double slower = bounded((before + ns) / 2 / d->first_ns);
    *out_slower = fabs(slower - 1) > d->unsure ? slower : 1;
    return FR_OK;
}

void fr_drift_free(fr_probe_drift *d) {
    fr_free(d->pending);
    d->pending = NULL;
    d->n_pending = d->cap_pending = 0;
}
