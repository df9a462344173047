#include "run/selfcheck.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "plan/profile.h"
#include "plan/shrink.h"

enum { MOST_OFFERED = 64, MOST_LISTED = 512, SMALL_N = 2 };

/* Products that the reference forms in a few milliseconds; and what it may take where nothing smaller will do. */
static const double small_work = 4e6, most_work = 4e8;

typedef struct prepared { /* tasks are kept: candidates for one step share them */
    fr_step step;
    fr_check_task task;
    struct prepared *next;
} prepared;

typedef struct refusal { /* a candidate that has nothing for one step, and may be good for others */
    char name[48], shape[FR_PROFILE_SHAPE];
    struct refusal *next;
} refusal;

struct fr_selfcheck {
    fr_registry *registry;
    fr_verdicts *verdicts;
    const fr_target *target;
    bool checks, tried_reference;
    fr_check_oracle oracle;
    fr_queue *queue;
    prepared *tasks;
    refusal *refusals;
    int32_t dropped;
    bool lost;
    uint64_t spent_ns;
};

fr_status fr_selfcheck_new(fr_registry *registry, fr_verdicts *verdicts, const fr_target *target, bool checks,
                           fr_selfcheck **out_check) {
    fr_selfcheck *c = fr_alloc(sizeof *c);
    *out_check = c;
    if (!c)
        return fr_no_memory(sizeof *c, "the self-check");
    *c = (fr_selfcheck){.registry = registry, .verdicts = verdicts, .target = target, .checks = checks};
    return FR_OK;
}

void fr_selfcheck_free(fr_selfcheck *c) {
    if (!c)
        return;
    fr_verdicts_save(c->verdicts);
    for (prepared *p = c->tasks, *next; p; p = next) {
        next = p->next;
        fr_selfcheck_task_free(&p->task);
        fr_free(p);
    }
    for (refusal *r = c->refusals, *next; r; r = next) {
        next = r->next;
        fr_free(r);
    }
    fr_check_oracle_close(&c->oracle);
    if (c->queue)
        c->target->backend->queue_close(c->queue);
    fr_free(c);
}

/* ---- verdicts --------------------------------------------------------------------------------------------------- */

bool fr_selfcheck_bans(fr_selfcheck *c, const char *candidate) {
    return c && fr_verdicts_find(c->verdicts, candidate, NULL) > FR_VERDICT_GOOD;
}

int32_t fr_selfcheck_dropped(const fr_selfcheck *c) {
    return c ? c->dropped : 0;
}

bool fr_selfcheck_lost(const fr_selfcheck *c) {
    return c && c->lost;
}

uint64_t fr_selfcheck_spent_ns(const fr_selfcheck *c) {
    return c ? c->spent_ns : 0;
}

void fr_selfcheck_keep(fr_selfcheck *c, const fr_verdict_entry *entry) {
    if (fr_verdicts_set(c->verdicts, entry) != FR_OK) /* out of memory: it is checked again some day */
        return;
    if (entry->verdict == FR_VERDICT_GOOD)
        return;
    c->dropped++;
    fr_log(FR_LOG_WARNING, "kernel %s of %s (%s) is dropped for good: %s", entry->name, c->target->facts.name,
           c->target->facts.driver, entry->why);
    fr_verdicts_save(c->verdicts); /* whatever becomes of this session */
}

/* What says nothing of the kernel itself, nor of the step. */
static bool is_circumstance(fr_selfcheck *c, fr_status status) {
    c->lost |= status == FR_DEVICE_LOST;
    return status == FR_NO_MEMORY || status == FR_CANCELLED || status == FR_DEVICE_LOST;
}

/* Refused kernels come last: the whole list is looked through. */
static bool is_bad_for_driver(const fr_target *t, const fr_step *step, const char *candidate) {
    uint32_t count = 0;
    bool is_bad = false;
    fr_candidate *found = fr_alloc_array(MOST_LISTED, sizeof *found);
    if (!found || t->backend->candidates(t->device, step, found, MOST_LISTED, &count) != FR_OK)
        count = 0;
    for (uint32_t i = 0; i < count && i < MOST_LISTED; i++)
        is_bad |= found[i].refused == FR_WHY_DRIVER && strcmp(found[i].name, candidate) == 0;
    fr_free(found);
    return is_bad;
}

/* A compile that failed for this step, or for now: the name must not suffer for it. */
static bool is_for_step_alone(const fr_target *t, fr_status status, const fr_step *step, const char *candidate) {
    return status == FR_UNAVAILABLE || (status == FR_UNSUPPORTED && !is_bad_for_driver(t, step, candidate));
}

bool fr_selfcheck_leaves_out(const fr_selfcheck *c, const fr_step *step, const char *candidate) {
    char shape[FR_PROFILE_SHAPE];
    if (!c || !c->refusals)
        return false;
    fr_profile_shape(step, shape);
    for (const refusal *r = c->refusals; r; r = r->next)
        if (strcmp(r->name, candidate) == 0 && strcmp(r->shape, shape) == 0)
            return true;
    return false;
}

/* Counted only when it is new and was remembered: who plans anew for it must come to an end. */
static void leave_out(fr_selfcheck *c, const fr_step *step, const char *step_name, const char *candidate) {
    refusal *r = fr_selfcheck_leaves_out(c, step, candidate) ? NULL : fr_alloc(sizeof *r);
    if (!r)
        return;
    snprintf(r->name, sizeof r->name, "%s", candidate);
    fr_profile_shape(step, r->shape);
    r->next = c->refusals;
    c->refusals = r;
    c->dropped++;
    fr_log(FR_LOG_INFO, "kernel %s is left out for step '%s': %s", candidate, step_name, fr_error_sentence());
}

void fr_selfcheck_note_failure(fr_selfcheck *c, fr_status status, const fr_step *step, const char *step_name,
                               const char *candidate) {
    fr_verdict_entry entry = {.verdict = FR_VERDICT_UNBUILT};
    if (!c || is_circumstance(c, status))
        return;
    if (is_for_step_alone(c->target, status, step, candidate)) {
        leave_out(c, step, step_name, candidate);
        return;
    }
    snprintf(entry.name, sizeof entry.name, "%s", candidate);
    snprintf(entry.why, sizeof entry.why, "%s: %s", step_name, fr_error_sentence());
    fr_selfcheck_keep(c, &entry);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

static fr_status open_reference(fr_selfcheck *c) {
    const fr_backend *backend;
    fr_device *device;
    fr_device_facts facts;
    if (c->oracle.queue)
        return FR_OK;
    if (c->tried_reference)
        return fr_fail(FR_UNAVAILABLE, "the reference backend is missing");
    c->tried_reference = true;
    fr_status status = fr_registry_open(c->registry, "ref:0", &backend, &device, &facts);
    if (status == FR_OK)
        status = fr_check_oracle_open(backend, device, &c->oracle);
    if (status != FR_OK && status != FR_NO_MEMORY)
        fr_log(FR_LOG_INFO, "kernels are not checked: %s", fr_error_sentence());
    return status == FR_OK || status == FR_NO_MEMORY ? status : FR_UNAVAILABLE;
}

fr_status fr_selfcheck_task(fr_selfcheck *c, const fr_step *step, const fr_weights *weights, fr_check_task *out_task) {
    fr_status status = FR_OK;
    memset(out_task, 0, sizeof *out_task);
    FR_TRY(open_reference(c));
    int32_t valid = step->images > 0 ? step->n * step->images : 0;
    FR_GO(failed, fr_check_numbers_make(step, weights, valid, FR_CHECK_RANDOM, 1, &out_task->numbers));
    out_task->numbers.step.inexact_ok = step->inexact_ok;
    FR_GO(failed, fr_check_oracle_ask(&c->oracle, &out_task->numbers, &out_task->answer));
    return FR_OK;
failed:
    fr_selfcheck_task_free(out_task);
    return status;
}

void fr_selfcheck_task_free(fr_check_task *task) {
    fr_check_numbers_free(&task->numbers);
    fr_check_answer_free(&task->answer);
}

static fr_status find_task(fr_selfcheck *c, const fr_step *step, const fr_weights *weights, fr_check_task **out_task) {
    *out_task = NULL;
    for (prepared *p = c->tasks; p; p = p->next)
        if (memcmp(&p->step, step, sizeof *step) == 0) {
            *out_task = &p->task;
            return FR_OK;
        }
    prepared *made = fr_alloc(sizeof *made);
    if (!made)
        return fr_no_memory(sizeof *made, "the self-check");
    made->step = *step;
    fr_status status = fr_selfcheck_task(c, step, weights, &made->task);
    if (status != FR_OK) {
        fr_free(made);
        return status;
    }
    made->next = c->tasks;
    c->tasks = made;
    *out_task = &made->task;
    return FR_OK;
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

fr_status fr_selfcheck_judge(fr_selfcheck *c, const fr_check_task *task, const char *step_name,
                             const fr_candidate *candidate, fr_verdict_entry *out_entry) {
    const fr_target *t = c->target;
    fr_check_difference d;
    bool built = false;
    *out_entry = (fr_verdict_entry){.verdict = FR_VERDICT_GOOD};
    snprintf(out_entry->name, sizeof out_entry->name, "%s", candidate->name);
    if (!c->queue)
        FR_TRY(t->backend->queue_open(t->device, 1, &c->queue));
    fr_check_device on = {t->backend, t->device, c->queue};
    fr_status status = fr_check_attempt(&on, &task->numbers, &task->answer, candidate, &built, &d);
    if (is_circumstance(c, status))
        return status;
    if (status != FR_OK && (!built || status == FR_UNAVAILABLE) &&
        is_for_step_alone(t, status, &task->numbers.step, candidate->name)) {
        out_entry->verdict = FR_VERDICT_NONE;
        snprintf(out_entry->why, sizeof out_entry->why, "%s: %s", step_name, fr_error_sentence());
        return FR_OK;
    }
    out_entry->ratio = d.ratio;
    out_entry->runs = 1;
    if (status != FR_OK) {
        out_entry->verdict = FR_VERDICT_UNBUILT;
        snprintf(out_entry->why, sizeof out_entry->why, "%s: it %s: %s", step_name,
                 built ? "cannot be run" : "does not build", fr_error_sentence());
    } else if (d.wrong > 0) {
        out_entry->verdict = FR_VERDICT_WRONG;
        snprintf(out_entry->why, sizeof out_entry->why,
                 "%s: %llu of %llu numbers are wrong, number %llu first; number %llu is %.6g, not %.6g (limit %.2g)",
                 step_name, (unsigned long long)d.wrong, (unsigned long long)task->answer.count,
                 (unsigned long long)d.first, (unsigned long long)d.worst, d.got, d.want, d.allowed);
    }
    return FR_OK;
}

/* The candidate as it is offered for the task's step: with the same layouts if it can be. */
static bool find_offered(const fr_target *t, const fr_step *step, const fr_candidate *wanted, fr_candidate *out) {
    fr_candidate found[MOST_OFFERED];
    uint32_t count = 0;
    int32_t at = -1;
    if (t->backend->candidates(t->device, step, found, MOST_OFFERED, &count) != FR_OK)
        return false;
    for (uint32_t i = 0; i < count && i < MOST_OFFERED; i++) {
        if (found[i].refused || strcmp(found[i].name, wanted->name) != 0)
            continue;
        bool same = found[i].src_layout[0] == wanted->src_layout[0] && found[i].dst_layout == wanted->dst_layout;
        if (at < 0 || same)
            at = (int32_t)i;
        if (same)
            break;
    }
    if (at >= 0)
        *out = found[at];
    return at >= 0;
}

/* FR_OK with verdict NONE: no step that can be checked takes this candidate. */
static fr_status check_now(fr_selfcheck *c, const fr_step *step, const fr_weights *weights, const char *step_name,
                           const fr_candidate *candidate, fr_verdict_entry *out_entry) {
    const int32_t inputs[] = {SMALL_N, SMALL_N, step->n};
    memset(out_entry, 0, sizeof *out_entry);
    for (int attempt = 0; attempt < 3; attempt++) {
        fr_step small = *step;
        fr_candidate offered;
        fr_check_task *task;
        small.n = inputs[attempt];
        if (attempt == 0)
            (void)fr_step_shrink(step, SMALL_N, small_work, &small);
        if (fr_step_work(&small) > most_work)
            continue;
        FR_TRY(find_task(c, &small, step->kind == FR_STEP_CHAIN ? weights : NULL, &task));
        if (find_offered(c->target, &task->numbers.step, candidate, &offered))
            FR_TRY(fr_selfcheck_judge(c, task, step_name, &offered, out_entry));
        if (out_entry->verdict != FR_VERDICT_NONE)
            break;
    }
    return FR_OK;
}

bool fr_selfcheck_passes(fr_selfcheck *c, const fr_step *step, const fr_weights *weights, const char *step_name,
                         const fr_candidate *candidate) {
    fr_verdict_entry entry;
    if (!c)
        return true;
    fr_verdict known = fr_verdicts_find(c->verdicts, candidate->name, NULL);
    if (known != FR_VERDICT_NONE || !c->checks)
        return known <= FR_VERDICT_GOOD;
    uint64_t begin = fr_clock_ns();
    fr_status status = check_now(c, step, weights, step_name, candidate, &entry);
    c->spent_ns += fr_clock_ns() - begin;
    if (status == FR_UNAVAILABLE && !c->oracle.queue)
        return true;
    if (status != FR_OK || entry.verdict == FR_VERDICT_NONE) {
        fr_log(FR_LOG_DEBUG, "kernel %s could not be checked on step '%s'%s%s", candidate->name, step_name,
               status == FR_OK ? "" : ": ", status == FR_OK ? "" : fr_error_sentence());
        return false;
    }
    fr_selfcheck_keep(c, &entry);
    return entry.verdict == FR_VERDICT_GOOD;
}
