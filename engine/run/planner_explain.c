/* A row of a plan, step by step: what was predicted, what is measured, and which kernels were offered, refused and chosen. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "run/context.h"
#include "run/planner.h"
#include "run/programs.h"
#include "run/session.h"

enum { TIME_MS = 800 };

typedef struct explaining {
    fr_planner p;
    const fr_plan_row *row;
    fr_explanation *out;
    size_t cap_kernels;
    double begin, span; /* of the progress: the network that is timed now */
    bool stopped;
} explaining;

typedef struct side { /* one of the two networks */
    fr_explained_step *steps;
    size_t count, capacity;
} side;

/* ---- predicted ------------------------------------------------------------------------------------------------- */

static fr_status predict(const explaining *e, int32_t variant, side *out) {
    const fr_planner_variant *v = &e->p.variants[variant];
    fr_predict_question question = {.steps = &v->steps,
                                    .precision = e->row->precision,
                                    .schedule = e->row->schedule,
                                    .batch = e->row->batch,
                                    .lanes = e->p.options.threads,
                                    .wants_steps = true};
    fr_prediction prediction;
    FR_TRY(fr_predict(e->p.predictor, &question, &prediction));
    out->capacity = (size_t)v->steps.n_items;
    out->steps = fr_alloc_array(out->capacity, sizeof *out->steps);
    if (!out->steps) {
        fr_free(prediction.steps);
        return fr_no_memory(out->capacity * sizeof *out->steps, "an explanation");
    }
    out->count = out->capacity;
    for (size_t i = 0; i < out->count; i++) {
        const fr_predicted_step *from = &prediction.steps[i];
        fr_explained_step *to = &out->steps[i];
        double images = v->steps.fold;
        snprintf(to->name, sizeof to->name, "%s", v->steps.items[i].name);
        snprintf(to->basis, sizeof to->basis, "%s", fr_basis_name(from->basis));
        to->ops = from->ops / images;
        to->bytes = from->bytes / images;
        to->intensity = from->bytes > 0 ? from->ops / from->bytes : 0;
        to->fill = from->fill;
        to->limit_ns = from->limit_ns / images;
        to->predicted_ns = from->ns / images;
    }
    fr_free(prediction.steps);
    return FR_OK;
}

/* ---- measured -------------------------------------------------------------------------------------------------- */

static fr_status add_step(side *s, const char *name, fr_explained_step **out) {
    *out = NULL;
    if (s->count == s->capacity) {
        size_t cap = s->capacity * 2 + 8;
        fr_explained_step *grown = fr_grow_array(s->steps, s->capacity, cap, sizeof *grown);
        if (!grown)
            return fr_no_memory(cap * sizeof *grown, "an explanation");
        s->steps = grown;
        s->capacity = cap;
    }
    *out = &s->steps[s->count++];
    memset(*out, 0, sizeof **out);
    snprintf((*out)->name, sizeof(*out)->name, "%s", name);
    return FR_OK;
}

/* The next step of that name that has no time yet; one that was not predicted (a layout change, a chain of steps) is added. */
static fr_status step_named(side *s, const char *name, fr_explained_step **out) {
    *out = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (s->steps[i].measured_ns <= 0 && strcmp(s->steps[i].name, name) == 0) {
            *out = &s->steps[i];
            return FR_OK;
        }
    return add_step(s, name, out);
}

/* The steps that a chain does are done by its kernel. */
static void name_kernel_of_chain(const fr_session *session, const char *chain, const char *kernel, side *s) {
    const fr_cuts *cuts = session->cuts;
    for (int32_t k = 0; cuts && k < cuts->n_chains; k++) {
        if (strcmp(cuts->all.items[session->steps.n_items + k].name, chain) != 0)
            continue;
        for (int32_t i = cuts->chains[k].first; i <= cuts->chains[k].last; i++)
            for (size_t j = 0; j < s->count; j++)
                if (strcmp(s->steps[j].name, session->steps.items[i].name) == 0 && !s->steps[j].kernel[0])
                    snprintf(s->steps[j].kernel, sizeof s->steps[j].kernel, "%s", kernel);
    }
}

static fr_status time_steps(fr_session *session, side *s) {
    fr_layer_time *layers;
    size_t count;
    fr_status status = FR_OK;
    FR_TRY(fr_session_time_layers(session, TIME_MS, &layers, &count));
    for (size_t i = 0; i < count; i++) {
        fr_explained_step *step;
        FR_GO(cleanup, step_named(s, layers[i].name, &step));
        step->measured_ns = layers[i].ns_per_image;
        snprintf(step->kernel, sizeof step->kernel, "%s", layers[i].candidate);
        name_kernel_of_chain(session, layers[i].name, layers[i].candidate, s);
    }
cleanup:
    fr_layers_free(layers);
    return status;
}

/* ---- kernels --------------------------------------------------------------------------------------------------- */

static fr_status add_kernel(explaining *e, const fr_explained_kernel *kernel) {
    fr_explanation *out = e->out;
    if (out->n_kernels == e->cap_kernels) {
        size_t cap = e->cap_kernels * 2 + 64;
        fr_explained_kernel *grown = fr_grow_array(out->kernels, e->cap_kernels, cap, sizeof *grown);
        if (!grown)
            return fr_no_memory(cap * sizeof *grown, "an explanation");
        out->kernels = grown;
        e->cap_kernels = cap;
    }
    out->kernels[out->n_kernels++] = *kernel;
    return FR_OK;
}

/* A kernel may be offered for several layouts, and refused for others: it is one here. */
static fr_status note_kernel(explaining *e, size_t first, const fr_explained_kernel *kernel) {
    for (size_t i = first; i < e->out->n_kernels; i++) {
        fr_explained_kernel *known = &e->out->kernels[i];
        if (strcmp(known->kernel, kernel->kernel) != 0)
            continue;
        if (!kernel->why[0])
            known->why[0] = 0;
        known->chosen |= kernel->chosen;
        return FR_OK;
    }
    return add_kernel(e, kernel);
}

static void say_why(fr_verdicts *verdicts, const fr_candidate *candidate, fr_explained_kernel *out) {
    fr_verdict_entry entry;
    fr_reason reason = (fr_reason)candidate->refused;
    fr_verdict verdict = verdicts ? fr_verdicts_find(verdicts, candidate->name, &entry) : FR_VERDICT_NONE;
    if (reason == FR_WHY_NOT && (verdict == FR_VERDICT_WRONG || verdict == FR_VERDICT_UNBUILT))
        reason = FR_WHY_SELFCHECK;
    if (reason == FR_WHY_SELFCHECK && verdict != FR_VERDICT_NONE && verdict != FR_VERDICT_GOOD)
        snprintf(out->why, sizeof out->why, "%s: %.70s", fr_reason_text(reason), entry.why);
    else if (reason != FR_WHY_NOT)
        snprintf(out->why, sizeof out->why, "%s", fr_reason_text(reason));
}

static fr_status list_kernels(explaining *e, const fr_session *session, fr_verdicts *verdicts, const fr_step *step,
                              const char *name, const char *chosen) {
    fr_candidate list[FR_MAX_CANDIDATES];
    uint32_t count = 0;
    size_t first = e->out->n_kernels;
    FR_TRY(session->target.backend->candidates(session->target.device, step, list, FR_MAX_CANDIDATES, &count));
    for (uint32_t i = 0; i < count && i < FR_MAX_CANDIDATES; i++) {
        fr_explained_kernel kernel = {.chosen = strcmp(list[i].name, chosen) == 0};
        snprintf(kernel.step, sizeof kernel.step, "%s", name);
        snprintf(kernel.kernel, sizeof kernel.kernel, "%s", list[i].name);
        say_why(verdicts, &list[i], &kernel);
        FR_TRY(note_kernel(e, first, &kernel));
    }
    return FR_OK;
}

/* Of every op of the plan; layout changes are not worth a list. */
static fr_status explain_kernels(explaining *e, const fr_session *session) {
    const fr_plan *plan = fr_executor_plan(session->executor);
    fr_verdicts *verdicts = NULL;
    if (!(session->target.facts.flags & FR_DEVICE_ORACLE))
        FR_TRY(fr_context_verdicts(e->p.context, session->target.backend, &session->target.facts, &verdicts));
    for (int32_t o = 0; o < plan->n_ops; o++) {
        const fr_plan_op *op = &plan->ops[o];
        if (op->item < 0)
            continue;
        fr_step step = session->chosen->items[op->item].step;
        fr_step_set_n(&step, op->step.n);
        FR_TRY(list_kernels(e, session, verdicts, &step, session->chosen->items[op->item].name, op->candidate.name));
    }
    return FR_OK;
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

static fr_status tell(explaining *e, const char *what, double fraction) {
    return e->stopped ? FR_CANCELLED : fr_planner_tell(&e->p, what, e->begin + e->span * fraction);
}

/* A session does not stop in the midst of its opening; what comes behind it does not begin then. */
static void tell_session(void *user, const char *what, double fraction) {
    explaining *e = user;
    e->stopped |= tell(e, what, (fraction < 0 ? 0 : fraction > 1 ? 1 : fraction) / 2) != FR_OK;
}

static fr_status measure(explaining *e, int32_t variant, bool is_chosen, side *s) {
    fr_session_info info = FR_OPTIONS(fr_session_info);
    fr_session_options o = fr_planner_session(&e->p, e->row->precision, e->row->schedule, e->row->batch);
    const char *what = is_chosen ? "timing the steps of the choice" : "timing the steps at fold 1";
    fr_session *session;
    fr_status status = FR_OK;
    o.plan = is_chosen ? e->p.options.kernels : NULL;
    o.progress = tell_session;
    o.progress_user = e;
    FR_TRY(tell(e, what, 0));
    FR_TRY(fr_session_open(e->p.context, e->p.variants[variant].model, &o, &session));
    FR_GO(cleanup, tell(e, what, 0.5));
    FR_GO(cleanup, time_steps(session, s));
    FR_GO(cleanup, tell(e, what, 1));
    if (is_chosen) {
        FR_GO(cleanup, fr_session_describe(session, &info));
        snprintf(e->out->schedule, sizeof e->out->schedule, "%s", info.schedule);
        FR_GO(cleanup, explain_kernels(e, session));
    }
cleanup:
    fr_session_close(session);
    return status;
}

static fr_status explain_side(explaining *e, int32_t variant, bool is_chosen, side *s) {
    FR_TRY(predict(e, variant, s));
    return fr_planner_measures(&e->p) ? measure(e, variant, is_chosen, s) : FR_OK;
}

static fr_status copy_side(const side *from, side *to) {
    to->steps = fr_alloc_array(from->count, sizeof *to->steps);
    if (!to->steps)
        return fr_no_memory(from->count * sizeof *to->steps, "an explanation");
    memcpy(to->steps, from->steps, from->count * sizeof *to->steps);
    to->count = to->capacity = from->count;
    return FR_OK;
}

/* The row's variant comes first, then the plain one, where it is another and there is one. */
static fr_status find_variants(explaining *e, int32_t *out_plain) {
    const fr_plan_row *row = e->row;
    const fr_plan_options *o = &e->p.options;
    fr_rounding rounding = {.round = row->round, .quantum = row->quantum};
    *out_plain = -1;
    if (row->model < 0 || (size_t)row->model >= o->n_models || row->fold < 1 || row->batch < 1 ||
        (unsigned)row->precision >= FR_PRECISIONS)
        return fr_fail(FR_INVALID, "the row is not of a plan that was made with these options");
    FR_TRY(fr_planner_add_variant(&e->p, row->model, row->fold, rounding));
    for (size_t i = 0; i < o->n_models && *out_plain < 0; i++) {
        fr_model_info info = FR_OPTIONS(fr_model_info);
        FR_TRY(fr_model_describe(o->models[i], &info));
        if (info.fold != 1)
            continue;
        *out_plain = 0;
        if ((int32_t)i != row->model || row->fold != 1 || row->quantum > 1) {
            FR_TRY(fr_planner_add_variant(&e->p, (int32_t)i, 0, (fr_rounding){.round = FR_ROUND_FLOOR}));
            *out_plain = 1;
        }
    }
    return FR_OK;
}

fr_status fr_plan_explain(fr_context *context, const fr_plan_options *options, const fr_plan_row *row,
                          fr_explanation *out_explanation) {
    explaining e = {.row = row, .out = out_explanation, .span = 1};
    side plain = {0}, chosen = {0};
    int32_t at;
    fr_status status;
    memset(out_explanation, 0, sizeof *out_explanation);
    FR_GO(cleanup, fr_planner_begin(&e.p, context, options));
    FR_GO(cleanup, find_variants(&e, &at));
    e.span = at > 0 ? 0.5 : 1;
    FR_GO(cleanup, explain_side(&e, 0, true, &chosen));
    e.begin = e.span;
    if (at >= 0)
        FR_GO(cleanup, at == 0 ? copy_side(&chosen, &plain) : explain_side(&e, at, false, &plain));
cleanup:
    if (status == FR_CANCELLED)
        status = fr_fail(FR_CANCELLED, "interrupted: nothing was explained");
    fr_planner_free(&e.p);
    out_explanation->plain = plain.steps;
    out_explanation->n_plain = plain.count;
    out_explanation->chosen = chosen.steps;
    out_explanation->n_chosen = chosen.count;
    if (status != FR_OK)
        fr_explanation_free(out_explanation);
    return status;
}

void fr_explanation_free(fr_explanation *explanation) {
    fr_free(explanation->plain);
    fr_free(explanation->chosen);
    fr_free(explanation->kernels);
    memset(explanation, 0, sizeof *explanation);
}
