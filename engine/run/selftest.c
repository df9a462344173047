/* Every kernel of a device on every step of the built-in list, against the reference. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "check/make.h"
#include "plan/step_name.h"
#include "run/context.h"
#include "run/options.h"
#include "run/selfcheck.h"
#include "run/selftest_cases.h"
#include "run/programs.h"

enum { MOST_OFFERED = 64, MOST_DONE = 512, NAME_BYTES = 160 };

typedef struct whole {
    fr_selftest_options options;
    fr_target target;
    fr_verdicts *verdicts;
    fr_selfcheck *check;
    fr_selftest *out;
    size_t capacity;
} whole;

typedef struct testing { /* of one case */
    whole *t;
    const fr_selftest_case *the_case;
    char name[NAME_BYTES];
    fr_check_task task; /* made when the first kernel needs it */
    bool has_task;
    struct done { /* kernels that ran on it, and in which layouts */
        char name[48];
        uint16_t from, to;
    } done[MOST_DONE];
    int32_t n_done;
} testing;

/* The kernel's row; a new one says what is stored, if that is enough. */
static fr_status find_row(whole *t, const char *name, fr_kernel_report **out_row) {
    fr_selftest *o = t->out;
    fr_verdict_entry known;
    *out_row = NULL;
    for (size_t i = 0; i < o->n_kernels; i++)
        if (strcmp(o->kernels[i].name, name) == 0) {
            *out_row = &o->kernels[i];
            return FR_OK;
        }
    if (o->n_kernels == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 64;
        fr_kernel_report *grown = fr_grow_array(o->kernels, t->capacity, capacity, sizeof *grown);
        if (!grown)
            return fr_no_memory(capacity * sizeof *grown, "the self-test");
        o->kernels = grown;
        t->capacity = capacity;
    }
    fr_kernel_report *row = &o->kernels[o->n_kernels++];
    *row = (fr_kernel_report){.verdict = FR_VERDICT_NONE};
    snprintf(row->name, sizeof row->name, "%s", name);
    *out_row = row;
    fr_verdict verdict = t->options.again ? FR_VERDICT_NONE : fr_verdicts_find(t->verdicts, name, &known);
    if (verdict == FR_VERDICT_NONE || (verdict == FR_VERDICT_GOOD && !known.thorough))
        return FR_OK;
    row->verdict = verdict;
    row->stored = true;
    row->runs = known.runs;
    row->worst = known.ratio;
    snprintf(row->why, sizeof row->why, "%s", known.why);
    return FR_OK;
}

/* Fixed layouts bring the same kernels again. */
static bool ran_before(testing *on, const fr_candidate *c) {
    for (int32_t i = 0; i < on->n_done; i++)
        if (on->done[i].from == c->src_layout[0] && on->done[i].to == c->dst_layout &&
            strcmp(on->done[i].name, c->name) == 0)
            return true;
    if (on->n_done < MOST_DONE) {
        struct done *d = &on->done[on->n_done++];
        snprintf(d->name, sizeof d->name, "%s", c->name);
        d->from = c->src_layout[0];
        d->to = c->dst_layout;
    }
    return false;
}

static fr_status run_one(testing *on, const fr_candidate *candidate) {
    whole *t = on->t;
    fr_kernel_report *row;
    fr_verdict_entry entry;
    if (t->options.filter && !strstr(candidate->name, t->options.filter))
        return FR_OK;
    FR_TRY(find_row(t, candidate->name, &row));
    if (row->stored || row->verdict > FR_VERDICT_GOOD || ran_before(on, candidate))
        return FR_OK;
    if (!on->has_task) {
        FR_TRY(fr_selfcheck_task(t->check, &on->the_case->step, NULL, &on->task));
        on->has_task = true;
    }
    FR_TRY(fr_selfcheck_judge(t->check, &on->task, on->name, candidate, &entry));
    if (entry.verdict == FR_VERDICT_NONE) { /* not for this step: others tell */
        if (row->verdict == FR_VERDICT_NONE)
            snprintf(row->why, sizeof row->why, "%s", entry.why);
        return FR_OK;
    }
    row->runs++;
    row->worst = fmax(row->worst, entry.ratio);
    row->verdict = entry.verdict;
    snprintf(row->why, sizeof row->why, "%s", entry.why);
    return FR_OK;
}

/* All that the device offers for these layouts. */
static fr_status run_offered(testing *on, const fr_step *step) {
    fr_candidate found[MOST_OFFERED];
    uint32_t count = 0;
    whole *t = on->t;
    FR_TRY(t->target.backend->candidates(t->target.device, step, found, MOST_OFFERED, &count));
    for (uint32_t i = 0; i < count && i < MOST_OFFERED; i++)
        if (found[i].refused == FR_WHY_NOT)
            FR_TRY(run_one(on, &found[i]));
    return FR_OK;
}

static fr_status run_every_layout(testing *on) {
    fr_step step = on->the_case->step;
    for (uint16_t from = FR_LAYOUT_NCHW; from <= FR_LAYOUT_NCHW32C; from++)
        for (uint16_t to = FR_LAYOUT_NCHW; to <= FR_LAYOUT_NCHW32C; to++) {
            for (int32_t i = 0; i < step.n_src; i++)
                step.src[i].layout = i == 1 && step.residual ? to : from;
            step.dst.layout = to;
            FR_TRY(run_offered(on, &step));
        }
    return FR_OK;
}

static fr_status run_case(whole *t, const fr_selftest_case *c, testing *on) {
    const fr_step *step = &c->step;
    memset(on, 0, sizeof *on);
    on->t = t;
    on->the_case = c;
    if (fr_step_precisions(step) & ~t->target.facts.precisions)
        return FR_OK;
    t->out->steps++;
    fr_step_name(step, step->n * (step->images > 0 ? step->images : 0), on->name, sizeof on->name);
    fr_status status = run_offered(on, step);
    if (status == FR_OK && c->fixed_layouts)
        status = run_every_layout(on);
    if (on->has_task)
        fr_selfcheck_task_free(&on->task);
    return status;
}

static fr_status run_all(whole *t, const fr_selftest_cases *cases) {
    fr_status status = FR_OK;
    testing *on = fr_alloc(sizeof *on);
    if (!on)
        return fr_no_memory(sizeof *on, "the self-test");
    for (size_t i = 0; i < cases->count && status == FR_OK; i++) {
        char what[NAME_BYTES];
        fr_step_name(&cases->items[i].step, 0, what, sizeof what);
        if (t->options.progress &&
            !t->options.progress(t->options.progress_user, what, (double)i / (double)cases->count))
            status = fr_fail(FR_CANCELLED, "interrupted after %zu of %zu steps", i, cases->count);
        else
            status = run_case(t, &cases->items[i], on);
    }
    fr_free(on);
    return status;
}

/* A kernel that a session found bad, and that the list finds good, was good on other steps: asked for again, it is forgiven. */
static void keep_verdicts(whole *t, bool complete) {
    for (size_t i = 0; i < t->out->n_kernels; i++) {
        const fr_kernel_report *row = &t->out->kernels[i];
        fr_verdict_entry entry = {
            .verdict = row->verdict, .ratio = row->worst, .runs = row->runs, .thorough = complete};
        t->out->n_bad += row->verdict > FR_VERDICT_GOOD;
        if (row->stored || row->verdict == FR_VERDICT_NONE)
            continue;
        snprintf(entry.name, sizeof entry.name, "%s", row->name);
        snprintf(entry.why, sizeof entry.why, "%s", row->why);
        fr_selfcheck_keep(t->check, &entry);
    }
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const fr_kernel_report *)a)->name, ((const fr_kernel_report *)b)->name);
}

static void describe(whole *t) {
    fr_target_id(&t->target, t->options.device, t->out->device, sizeof t->out->device);
    snprintf(t->out->device_name, sizeof t->out->device_name, "%s", t->target.facts.name);
    snprintf(t->out->driver, sizeof t->out->driver, "%s", t->target.facts.driver);
}

fr_status fr_selftest_run(fr_context *context, const fr_selftest_options *options, fr_selftest *out_selftest) {
    whole t = {.out = out_selftest};
    fr_selftest_cases cases = {0};
    fr_status status = FR_OK;
    memset(out_selftest, 0, sizeof *out_selftest);
    FR_TRY(fr_options_take(options, &t.options, sizeof t.options, "fr_selftest_options"));
    FR_TRY(fr_registry_open(context->registry, t.options.device, &t.target.backend, &t.target.device, &t.target.facts));
    FR_GO(cleanup, fr_context_verdicts(context, t.target.backend, &t.target.facts, &t.verdicts));
    FR_GO(cleanup, fr_selfcheck_new(context->registry, t.verdicts, &t.target, true, &t.check));
    FR_GO(cleanup, fr_selftest_cases_make(&cases));
    describe(&t);
    status = run_all(&t, &cases);
    keep_verdicts(&t, status == FR_OK); /* what was seen before a failure was seen */
    if (out_selftest->n_kernels > 0)
        qsort(out_selftest->kernels, out_selftest->n_kernels, sizeof *out_selftest->kernels, by_name);
cleanup:
    fr_selftest_cases_free(&cases);
    fr_selfcheck_free(t.check);
    t.target.backend->device_close(t.target.device);
    return status;
}

void fr_selftest_free(fr_selftest *selftest) {
    fr_free(selftest->kernels);
    memset(selftest, 0, sizeof *selftest);
}
