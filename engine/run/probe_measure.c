/* The course of a measurement: bandwidths and fixed costs first, then points and runs by turns, and the file every few seconds. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "run/device_profile.h"
#include "run/probe_store.h"
#include "run/prober.h"

enum { REFINED = 24 }; /* points at a time */
static const uint64_t save_every_ns = 5000000000;
static const double runs_share = 0.38, run_s = 2.5; /* of the budget, for the runs; about what one takes */
static const double slow_share = 0.5, slow_s = 6;   /* the same where programs are slow to build and to run */
static const double scalar_share = 0.002;           /* of it, for finding the kernel of a step that is no point */

/* ---- time, and who watches it ------------------------------------------------------------------------------------- */

static double seconds(uint64_t ns) {
    return (double)ns * 1e-9;
}

double fr_prober_left_s(const fr_prober *p) {
    uint64_t now = fr_clock_ns();
    return p->until_ns > now ? seconds(p->until_ns - now) : 0;
}

bool fr_prober_may_check(const fr_prober *p) {
    const double share = 0.3;
    return seconds(fr_selfcheck_spent_ns(p->target.check)) < share * p->options.budget_s;
}

static size_t wanted_runs(const fr_prober *p) {
    size_t count = 0;
    for (size_t i = 0; i < p->probe.n_runs; i++)
        count += fr_prober_wants_run(p, (int32_t)i);
    return count;
}

/* Work to come: a run takes as long as many points. */
static double wanted(const fr_prober *p) {
    const double run_points = 15;
    double work = run_points * (double)wanted_runs(p);
    for (size_t i = 0; i < p->probe.n_points; i++)
        work += fr_prober_wants(p, (int32_t)i);
    return work;
}

fr_status fr_prober_says(fr_prober *p, const char *what) {
    double by_time = seconds(fr_clock_ns() - p->begin_ns) / p->options.budget_s;
    double by_work = p->wanted > 0 ? 1 - wanted(p) / p->wanted : 0;
    if (what != p->doing)
        snprintf(p->doing, sizeof p->doing, "%s", what);
    double fraction = by_time > by_work ? by_time : by_work;
    if (!p->options.progress || p->options.progress(p->options.progress_user, what, fraction > 1 ? 1 : fraction))
        return FR_OK;
    return fr_fail(FR_CANCELLED, "interrupted: what was measured until then is in '%s'", p->path);
}

/* All of the list. What was put in where lines jump is no part of it: there may always be more. */
static bool is_complete(const fr_probe *probe) {
    for (size_t i = 0; i < probe->n_points; i++)
        if (probe->points[i].level <= 1 && probe->points[i].ns <= 0 &&
            strcmp(probe->points[i].candidate, fr_probe_no_kernel) != 0)
            return false;
    for (size_t i = 0; i < probe->n_runs; i++)
        if (probe->runs[i].images_per_s <= 0 && !probe->runs[i].refused)
            return false;
    return probe->n_points > 0;
}

fr_status fr_prober_save(fr_prober *p, bool now) {
    if (!now && fr_clock_ns() - p->saved_ns < save_every_ns)
        return FR_OK;
    FR_TRY(fr_drift_check(p, true));
    p->probe.complete = is_complete(&p->probe);
    FR_TRY(fr_probe_save(p->path, &p->probe));
    if (p->kernels.path)
        FR_TRY(fr_device_profile_save(&p->kernels));
    p->saved_ns = fr_clock_ns();
    return FR_OK;
}

/* ---- what is measured --------------------------------------------------------------------------------------------- */

static fr_status describe(fr_prober *p) {
    const fr_device_facts *f = &p->target.facts;
    fr_probe *probe = &p->probe;
    char *identity = fr_device_identity(&p->target);
    if (!identity)
        return fr_no_memory(0, "the device profile");
    snprintf(probe->identity, sizeof probe->identity, "%s", identity);
    fr_free(identity);
    snprintf(probe->backend, sizeof probe->backend, "%s", p->target.backend->name);
    snprintf(probe->device, sizeof probe->device, "%s", p->device);
    snprintf(probe->driver, sizeof probe->driver, "%s", f->driver);
    snprintf(probe->name, sizeof probe->name, "%s", f->name);
    snprintf(probe->foldrun, sizeof probe->foldrun, "%s", fr_version());
    probe->kind = f->kind;
    probe->flags = f->flags;
    probe->units = f->units;
    probe->lanes = f->lanes;
    probe->precisions = f->precisions;
    probe->memory_bytes = f->memory_bytes;
    memcpy(probe->cache_bytes, f->cache_bytes, sizeof probe->cache_bytes);
    if (!p->options.quick)
        probe->level = 1;
    return fr_probe_list(probe, p->precisions);
}

/* Of the time, what is left for a point if all that are to come have as much; some of it goes into timing the winner. */
static void share_time(fr_prober *p, uint64_t until_ns) {
    const double least_s = 0.004, search = 0.7;
    uint64_t now = fr_clock_ns();
    size_t count = 1;
    for (size_t i = p->next_point; i < p->probe.n_points; i++)
        count += fr_prober_wants(p, (int32_t)i);
    double share = until_ns > now ? search * seconds(until_ns - now) / (double)count : 0;
    p->share_s = share > least_s ? share : least_s;
}

static fr_status measure_points(fr_prober *p, uint64_t until_ns) {
    while (p->next_point < p->probe.n_points && fr_clock_ns() < until_ns) {
        int32_t point = (int32_t)p->next_point++;
        if (!fr_prober_wants(p, point))
            continue;
        share_time(p, until_ns);
        FR_TRY(fr_prober_point(p, point));
        FR_TRY(fr_prober_save(p, false));
    }
    return FR_OK;
}

static fr_status measure_runs(fr_prober *p) {
    FR_TRY(fr_prober_save(p, true)); /* their sessions begin with the kernels that the points have shown */
    for (size_t i = 0; i < p->probe.n_runs && fr_clock_ns() < p->until_ns; i++) {
        if (!fr_prober_wants_run(p, (int32_t)i))
            continue;
        FR_TRY(fr_prober_run(p, (int32_t)i));
        FR_TRY(fr_prober_save(p, false));
    }
    return FR_OK;
}

/* More points where a line jumps, until it does not, or the time is over. */
static fr_status refine(fr_prober *p) {
    size_t added = 1;
    while (added > 0 && p->next_point == p->probe.n_points && fr_prober_left_s(p) > 0) {
        FR_TRY(fr_probe_refine(&p->probe, REFINED, &added));
        p->wanted += (double)added;
        FR_TRY(measure_points(p, p->until_ns));
    }
    return FR_OK;
}

/* Keeps the better of two times. */
static fr_status measure_again(fr_prober *p, int32_t point) {
    fr_probe_point *at = &p->probe.points[point], before = *at;
    size_t n_new = p->n_new;
    FR_TRY(fr_drift_check(p, true)); /* what it has is corrected, and so is what comes */
    before = *at;
    at->ns = 0;
    fr_status status = fr_prober_wants(p, point) ? fr_prober_point(p, point) : FR_OK;
    p->n_new = n_new;
    if (status == FR_OK)
        status = fr_drift_check(p, true);
    bool is_better = at->noisy == before.noisy ? at->ns < before.ns : before.noisy;
    if (at->ns <= 0 || !is_better) {
        fr_drift_forget(p, point);
        *at = before;
    }
    return status;
}

/* What lay far apart gets another chance when there is time: the noise may be over. So does what its neighbours do better, or what
 * sticks out of its line: all of its repeats may have met the same noise. */
static fr_status measure_doubtful(fr_prober *p) {
    const double share = 0.002;
    fr_status status = FR_OK;
    size_t count = p->probe.n_points;
    p->share_s = share * p->options.budget_s;
    bool *bumps = fr_alloc_array(count + 1, sizeof *bumps);
    if (!bumps)
        return fr_no_memory(count, "the device profile");
    FR_GO(cleanup, fr_probe_bumps(&p->probe, bumps));
    for (size_t i = 0; i < count && fr_prober_left_s(p) > 0; i++) {
        if (!bumps[i] && !p->probe.points[i].noisy && !fr_prober_suspects(p, (int32_t)i))
            continue;
        if (p->probe.points[i].ns > 0)
            FR_GO(cleanup, measure_again(p, (int32_t)i));
        FR_GO(cleanup, fr_prober_save(p, false));
    }
cleanup:
    fr_free(bumps);
    return status;
}

/* A run while others used the machine too: the faster of two counts. */
static fr_status measure_doubtful_runs(fr_prober *p) {
    const double doubtful = 0.08;
    for (size_t i = 0; i < p->probe.n_runs && fr_prober_left_s(p) > 0; i++) {
        fr_probe_run *run = &p->probe.runs[i], before = *run;
        if (run->images_per_s <= 0 || run->refused || run->spread < doubtful)
            continue;
        run->images_per_s = 0;
        size_t n_new = p->n_new;
        fr_status status = fr_prober_wants_run(p, (int32_t)i) ? fr_prober_run(p, (int32_t)i) : FR_OK;
        p->n_new = n_new;
        if (status != FR_OK || run->images_per_s < before.images_per_s)
            *run = before;
        FR_TRY(status);
        FR_TRY(fr_prober_save(p, false));
    }
    return FR_OK;
}

static fr_status measure_all(fr_prober *p) {
    bool is_slow = (p->target.facts.flags & FR_DEVICE_SOFTWARE) != 0;
    double reserved = (is_slow ? slow_share : runs_share) * p->options.budget_s;
    double needed = (is_slow ? slow_s : run_s) * (double)wanted_runs(p);
    uint64_t for_runs = (uint64_t)((needed < reserved ? needed : reserved) * 1e9);
    p->share_s = scalar_share * p->options.budget_s;
    FR_TRY(fr_prober_recall(p));
    FR_TRY(fr_prober_scalars(p));
    FR_TRY(fr_prober_save(p, false));
    FR_TRY(fr_drift_begin(p));
    FR_TRY(measure_points(p, p->until_ns - for_runs));
    FR_TRY(fr_prober_peaks(p));
    FR_TRY(measure_runs(p));
    FR_TRY(measure_points(p, p->until_ns));
    if (!p->options.quick)
        FR_TRY(refine(p));
    FR_TRY(measure_doubtful_runs(p));
    return measure_doubtful(p);
}

/* Whatever happens, what was measured is kept. */
static fr_status keep(fr_prober *p, fr_status status) {
    char sentence[FR_SENTENCE_BYTES];
    snprintf(sentence, sizeof sentence, "%s", fr_error_sentence());
    if (status != FR_OK && status != FR_CANCELLED) /* nothing more is asked of the device */
        p->drift.set = false;
    fr_prober_peaks_of_points(p);
    fr_status kept = fr_prober_save(p, true);
    return status == FR_OK ? kept : fr_fail(status, "%s", sentence);
}

fr_status fr_prober_measure(fr_prober *p) {
    p->begin_ns = p->saved_ns = fr_clock_ns();
    p->until_ns = p->begin_ns + (uint64_t)(p->options.budget_s * 1e9);
    FR_TRY(describe(p));
    p->wanted = wanted(p);
    if (p->probe.complete && p->wanted <= 0)
        return FR_OK;
    FR_TRY(fr_trial_open(&p->trial, &p->target, 1));
    return keep(p, measure_all(p));
}

void fr_prober_close(fr_prober *p) {
    fr_drift_free(&p->drift);
    fr_trial_close(&p->trial);
    fr_probe_kit_free(&p->kit);
    fr_free(p->known);
    fr_probe_free(&p->probe);
    fr_device_profile_free(&p->kernels);
}
