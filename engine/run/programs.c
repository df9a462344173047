#include "run/programs.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"
#include "run/selfcheck.h"

fr_status fr_target_lacks(const char *name, fr_precision precision, uint32_t has) {
    char list[64] = "";
    for (int p = 0; p < FR_PRECISIONS; p++)
        if (has >> p & 1u)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] ? ", " : "",
                     fr_precision_name((fr_precision)p));
    return fr_fail(FR_UNSUPPORTED, "%s does not compute in %s; it has %s", name, fr_precision_name(precision), list);
}

void fr_target_id(const fr_target *target, const char *asked, char *out, size_t bytes) {
    const char *id = asked ? asked : target->backend->name;
    snprintf(out, bytes, "%s%s", id, strchr(id, ':') ? "" : ":0");
}

const char *fr_reason_text(fr_reason reason) {
    static const char *const text[] = {[FR_WHY_NOT] = "not refused",
                                       [FR_WHY_KIND] = "kind of step",
                                       [FR_WHY_DTYPE] = "data type",
                                       [FR_WHY_LAYOUT] = "layout",
                                       [FR_WHY_SHAPE] = "shape",
                                       [FR_WHY_GROUPS] = "groups",
                                       [FR_WHY_DILATION] = "dilation",
                                       [FR_WHY_PADDING] = "padding",
                                       [FR_WHY_EPILOGUE] = "what is fused into it",
                                       [FR_WHY_ACTIVATION] = "activation",
                                       [FR_WHY_ISA] = "instructions that are missing",
                                       [FR_WHY_MEMORY] = "memory",
                                       [FR_WHY_DRIVER] = "driver",
                                       [FR_WHY_INEXACT] = "exactness asked for",
                                       [FR_WHY_SELFCHECK] = "failed self-check"};
    return (size_t)reason < sizeof text / sizeof text[0] ? text[reason] : "unknown";
}

static bool contains(const char *name, const char *word, size_t length) {
    for (; length > 0 && *name; name++)
        if (strncmp(name, word, length) == 0)
            return true;
    return false;
}

/* Against a comma-separated list of words: none with a minus in front may be in the name, and one of the others must be,
 * where there are others. */
static bool is_wanted(const char *name, const char *words) {
    bool has_positive = false, found = false;
    for (const char *at = words; at && *at;) {
        size_t length = strcspn(at, ",");
        if (*at == '-') {
            if (contains(name, at + 1, length - 1))
                return false;
        } else if (length > 0) {
            has_positive = true;
            found |= contains(name, at, length);
        }
        at += length + (at[length] == ',');
    }
    return found || !has_positive;
}

/* Drops what the target's words leave out; a step for which that is everything keeps everything. */
static uint32_t keep_kernels(const fr_target *target, fr_candidate *list, uint32_t count) {
    uint32_t kept = 0, wanted = 0;
    for (uint32_t i = 0; i < count; i++)
        wanted += list[i].refused == FR_WHY_NOT && is_wanted(list[i].name, target->kernels);
    if (wanted == 0)
        return count;
    for (uint32_t i = 0; i < count; i++)
        if (list[i].refused == FR_WHY_NOT && is_wanted(list[i].name, target->kernels))
            list[kept++] = list[i];
    return kept;
}

/* All that the backend says, at most FR_MAX_CANDIDATES; what has shown not to be for this step counts as refused. */
static fr_status ask(const fr_target *target, const fr_step *step, fr_candidate *out, uint32_t *out_count) {
    *out_count = 0;
    FR_TRY(target->backend->candidates(target->device, step, out, FR_MAX_CANDIDATES, out_count));
    if (*out_count > FR_MAX_CANDIDATES)
        *out_count = FR_MAX_CANDIDATES;
    for (uint32_t i = 0; i < *out_count; i++)
        if (out[i].refused == FR_WHY_NOT && fr_selfcheck_leaves_out(target->check, step, out[i].name))
            out[i].refused = FR_WHY_SHAPE;
    return FR_OK;
}

fr_status fr_target_candidates(const fr_target *target, const fr_step *step, const char *name, fr_candidate *out,
                               int32_t *out_count) {
    uint32_t count = 0;
    *out_count = 0;
    FR_TRY(ask(target, step, out, &count));
    count = keep_kernels(target, out, count);
    for (uint32_t i = 0; i < count; i++)
        if (out[i].refused == FR_WHY_NOT && fr_selfcheck_bans(target->check, out[i].name))
            out[i].refused = FR_WHY_SELFCHECK;
    for (uint32_t i = 0; i < count; i++)
        if (out[i].refused == FR_WHY_NOT)
            out[(*out_count)++] = out[i];
    if (*out_count > 0)
        return FR_OK;
    fr_text why = {0};
    for (uint32_t i = 0; i < count; i++)
        fr_text_add(&why, "%s%s: %s", i ? ", " : "", out[i].name, fr_reason_text((fr_reason)out[i].refused));
    fr_status status = fr_fail(FR_UNSUPPORTED, "step '%s' can't run on %s (refused: %s)", name, target->facts.name,
                               why.data ? why.data : "no kernel for this kind of step");
    fr_text_free(&why);
    return status;
}

bool fr_target_offers(const fr_target *target, const fr_step *step) {
    fr_candidate list[FR_MAX_CANDIDATES];
    uint32_t count;
    if (ask(target, step, list, &count) != FR_OK)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (list[i].refused == FR_WHY_NOT && is_wanted(list[i].name, target->kernels) &&
            !fr_selfcheck_bans(target->check, list[i].name))
            return true;
    return false;
}

fr_status fr_target_settle(const fr_target *target, fr_queue *queue, fr_status status) {
    char sentence[FR_SENTENCE_BYTES];
    snprintf(sentence, sizeof sentence, "%s", fr_error_sentence());
    if (target->backend->sync(queue) != FR_OK)
        (void)fr_fail(status, "%s", sentence);
    return status;
}

void fr_programs_free(const fr_target *target, fr_program **programs, int32_t count) {
    for (int32_t i = 0; programs && i < count; i++)
        if (programs[i])
            target->backend->program_free(programs[i]);
    fr_free(programs);
}

/* The op's candidate, as it is offered now: scratch depends on the group. A layout change takes the first that passes. */
static fr_status choose(const fr_target *target, const char *name, const fr_weights *weights, fr_plan_op *op) {
    fr_candidate menu[FR_MAX_CANDIDATES];
    int32_t count, at = -1;
    FR_TRY(fr_target_candidates(target, &op->step, name, menu, &count));
    for (int32_t i = 0; i < count; i++)
        if (op->candidate.name[0] ? strcmp(menu[i].name, op->candidate.name) == 0
                                  : at < 0 && fr_selfcheck_passes(target->check, &op->step, weights, name, &menu[i]))
            at = i;
    op->candidate = menu[at < 0 ? 0 : at];
    (void)fr_selfcheck_passes(target->check, &op->step, weights, name, &op->candidate);
    if (fr_selfcheck_lost(target->check))
        return fr_fail_within(FR_DEVICE_LOST, "step '%s' (%s)", name, op->candidate.name);
    if (fr_selfcheck_bans(target->check, op->candidate.name))
        return fr_fail(FR_UNSUPPORTED, "step '%s': kernel %s has just failed the self-check", name, op->candidate.name);
    return FR_OK;
}

static fr_status compile_op(const fr_target *target, const fr_steps *steps, fr_plan_op *op, fr_program **out_program) {
    static const fr_weights none = {.struct_bytes = sizeof none};
    const char *name = op->item >= 0 ? steps->items[op->item].name : "layout change";
    const fr_weights *weights = op->item >= 0 ? &steps->items[op->item].weights : &none;
    fr_step_set_n(&op->step, op->step.n);
    FR_TRY(choose(target, name, weights, op));
    fr_status status = target->backend->compile(target->device, &op->step, &op->candidate, weights, out_program);
    if (status == FR_OK)
        return FR_OK;
    fr_selfcheck_note_failure(target->check, status, &op->step, name, op->candidate.name);
    return fr_fail_within(status, "step '%s' (%s)", name, op->candidate.name);
}

fr_status fr_programs_compile(const fr_target *target, const fr_steps *steps, fr_plan *plan,
                              void (*progress)(void *user, const char *what, double fraction), void *progress_user,
                              fr_program ***out_programs) {
    *out_programs = NULL;
    fr_program **programs = fr_alloc_array((size_t)plan->n_ops + 1, sizeof *programs);
    if (!programs)
        return fr_no_memory((size_t)plan->n_ops * sizeof *programs, "programs");
    for (int32_t o = 0; o < plan->n_ops; o++) {
        if (progress)
            progress(progress_user, "compiling", (double)o / plan->n_ops);
        fr_status status = compile_op(target, steps, &plan->ops[o], &programs[o]);
        if (status != FR_OK) {
            fr_programs_free(target, programs, plan->n_ops);
            return status;
        }
    }
    *out_programs = programs;
    return FR_OK;
}
