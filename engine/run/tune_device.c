/* Times a device's kernels for the steps of models, and keeps the times in the device's profile. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "plan/cuts.h"
#include "run/context.h"
#include "run/device_profile.h"
#include "run/menu_make.h"
#include "run/options.h"
#include "run/programs.h"
#include "run/selfcheck.h"
#include "run/session.h"
#include "run/trial.h"

static const char *const default_models[] = {"v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4"};
static const uint64_t trial_ns = 2000000, save_every_ns = 5000000000u;
static const double hopeless = 4; /* times the best so far */

typedef struct tuning {
    fr_tune_options options;
    fr_context *context;
    fr_device_profile profile;
    fr_profile seen; /* of this run: what another model has had timed */
    fr_tune_result *out;
    size_t capacity;
    uint64_t until_ns, saved_ns;
    size_t model, n_models;
    const char *model_name;
} tuning;

typedef struct model_tuning {
    tuning *t;
    fr_session *session;
    fr_cuts cuts;
    fr_menu menu;
    fr_trial trial;
    int32_t group; /* index of the one that is timed */
    bool *known;   /* of each item: timed before, in this run */
    uint64_t until_ns;
    int64_t done, of;
} model_tuning;

/* ---- one model ---------------------------------------------------------------------------------------------------- */

static fr_step step_of(const model_tuning *m, int32_t item) {
    fr_step step = m->cuts.all.items[item].step;
    fr_step_set_n(&step, m->menu.groups[m->group]);
    return step;
}

/* As a session would: chains that are not offered go, groups by the batch. */
static fr_status offer(model_tuning *m) {
    const fr_target *target = &m->session->target;
    int64_t batch = m->t->options.batch > 0 ? m->t->options.batch : 256, fold = m->session->steps.fold;
    int64_t inputs = (batch + fold - 1) / fold;
    int32_t lanes = target->facts.lanes > 0 ? (int32_t)target->facts.lanes : 1;
    fr_menu_groups(target, &m->session->steps, inputs, lanes, 0, FR_SCHEDULE_AUTO, &m->menu);
    FR_TRY(fr_cuts_make(&m->session->steps, &m->cuts));
    m->group = fr_menu_first_group(target, &m->cuts.all, &m->menu);
    for (int32_t k = m->cuts.n_chains - 1; k >= 0; k--) {
        fr_step step = step_of(m, m->session->steps.n_items + k);
        if ((target->facts.flags & FR_DEVICE_ORACLE) || !fr_target_offers(target, &step))
            fr_cuts_drop(&m->cuts, k);
    }
    FR_TRY(fr_menu_make(target, &m->cuts.all, &m->menu));
    m->known = fr_alloc_array((size_t)m->menu.n_items, sizeof *m->known);
    if (!m->known)
        return fr_no_memory((size_t)m->menu.n_items, "tuning");
    for (int32_t i = 0; i < m->menu.n_items; i++) {
        const fr_profile_step *found;
        double scale;
        fr_step step = step_of(m, i);
        m->known[i] = fr_profile_find(&m->t->seen, &step, &found, &scale) == FR_PROFILE_EXACT;
        m->of += m->known[i] ? 0 : m->menu.items[i].n_entries;
    }
    return FR_OK;
}

static double best_of(const model_tuning *m, int32_t item) {
    double best = 0;
    for (int32_t e = 0; e < m->menu.items[item].n_entries; e++) {
        double ns = m->menu.items[item].entries[e].ns[m->group];
        if (ns > 0 && (best <= 0 || ns < best))
            best = ns;
    }
    return best;
}

/* Failing kernels are no failure of the tuning: they stay without a time. */
static void time_entry(model_tuning *m, int32_t item, int32_t entry) {
    const fr_target *target = &m->session->target;
    const fr_step_item *it = &m->cuts.all.items[item];
    fr_menu_entry *e = &m->menu.items[item].entries[entry];
    fr_step step = step_of(m, item);
    double ns = 0;
    if (!fr_selfcheck_passes(target->check, &step, &it->weights, it->name, &e->candidate))
        return;
    fr_status status =
        fr_trial_time(&m->trial, &step, &e->candidate, &it->weights, trial_ns, hopeless * best_of(m, item), &ns);
    if (status == FR_OK)
        e->ns[m->group] = ns > 1 ? ns : 1;
    else
        fr_log(status == FR_UNSUPPORTED ? FR_LOG_INFO : FR_LOG_WARNING,
               "kernel %s for step '%s' of %s is not timed: %s", e->candidate.name, it->name, m->t->model_name,
               fr_error_sentence());
}

static fr_status add_row(tuning *t, const fr_step_item *item, const fr_profile_step *timed, int32_t offered) {
    fr_tune_result *o = t->out;
    if (o->n_steps == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 64;
        fr_tuned_step *grown = fr_grow_array(o->steps, t->capacity, capacity, sizeof *grown);
        if (!grown)
            return fr_no_memory(capacity * sizeof *grown, "tuning");
        o->steps = grown;
        t->capacity = capacity;
    }
    fr_tuned_step *row = &o->steps[o->n_steps++];
    *row = (fr_tuned_step){.group = timed->n, .timed = timed->n_times, .offered = offered};
    snprintf(row->model, sizeof row->model, "%s", t->model_name);
    snprintf(row->step, sizeof row->step, "%s", item->name);
    snprintf(row->winner, sizeof row->winner, "%s", timed->times[0].name);
    row->winner_ns = timed->times[0].ns;
    snprintf(row->untuned, sizeof row->untuned, "%s", timed->untuned);
    row->untuned_ns = timed->untuned_ns;
    for (int32_t i = 1; i < timed->n_times && !row->runner_up[0]; i++) { /* the winner in another layout is no rival */
        if (strcmp(timed->times[i].name, row->winner) == 0)
            continue;
        snprintf(row->runner_up, sizeof row->runner_up, "%s", timed->times[i].name);
        row->runner_up_ns = timed->times[i].ns;
    }
    return FR_OK;
}

/* What was timed of an item goes into the profile. */
static fr_status keep_item(model_tuning *m, int32_t item, bool is_last_word) {
    tuning *t = m->t;
    const fr_menu_item *from = &m->menu.items[item];
    fr_profile_time times[FR_MAX_CANDIDATES];
    const fr_profile_step *kept;
    double scale;
    int32_t count = 0;
    fr_step step = step_of(m, item);
    for (int32_t e = 0; e < from->n_entries && count < FR_MAX_CANDIDATES; e++) {
        const fr_candidate *c = &from->entries[e].candidate;
        if (from->entries[e].ns[m->group] <= 0)
            continue;
        times[count] = (fr_profile_time){
            .src_layout = c->src_layout[0], .dst_layout = c->dst_layout, .ns = from->entries[e].ns[m->group]};
        snprintf(times[count].name, sizeof times[count].name, "%s", c->name);
        count++;
    }
    if (m->known[item] || count == 0)
        return FR_OK;
    const char *untuned = from->entries[0].candidate.name;
    FR_TRY(fr_profile_put(&t->profile.profile, &step, untuned, times, count));
    if (!is_last_word || fr_profile_find(&t->seen, &step, &kept, &scale) == FR_PROFILE_EXACT)
        return FR_OK;
    FR_TRY(fr_profile_put(&t->seen, &step, untuned, times, count));
    if (fr_profile_find(&t->seen, &step, &kept, &scale) != FR_PROFILE_EXACT)
        return FR_OK;
    return add_row(t, &m->cuts.all.items[item], kept, from->n_entries);
}

static fr_status keep_all(model_tuning *m, bool is_last_word) {
    for (int32_t i = 0; i < m->menu.n_items; i++)
        FR_TRY(keep_item(m, i, is_last_word));
    FR_TRY(fr_device_profile_save(&m->t->profile));
    m->t->saved_ns = fr_clock_ns();
    return FR_OK;
}

static bool goes_on(model_tuning *m, int32_t item, int32_t entry) {
    tuning *t = m->t;
    char what[160];
    double within = m->of > 0 ? (double)m->done++ / (double)m->of : 1;
    snprintf(what, sizeof what, "%s: %s, %s", t->model_name, m->cuts.all.items[item].name,
             m->menu.items[item].entries[entry].candidate.name);
    return !t->options.progress ||
           t->options.progress(t->options.progress_user, what, ((double)t->model + within) / (double)t->n_models);
}

/* The backend's best guess for every step first: when the time runs out, the hopeful ones were seen. */
static fr_status time_all(model_tuning *m) {
    bool more = true;
    for (int32_t e = 0; more && fr_clock_ns() < m->until_ns; e++) {
        more = false;
        for (int32_t i = 0; i < m->menu.n_items; i++) {
            if (m->known[i] || e >= m->menu.items[i].n_entries)
                continue;
            more = true;
            if (!goes_on(m, i, e))
                return fr_fail(FR_CANCELLED, "interrupted: what was measured until then is in '%s'",
                               m->t->profile.path);
            if (fr_clock_ns() > m->until_ns)
                return FR_OK;
            time_entry(m, i, e);
            if (fr_clock_ns() - m->t->saved_ns > save_every_ns)
                FR_TRY(keep_all(m, false));
        }
    }
    return FR_OK;
}

static fr_status tune_session(tuning *t, fr_session *session, uint64_t until_ns) {
    model_tuning m = {.t = t, .session = session, .until_ns = until_ns};
    fr_status status = FR_OK;
    FR_GO(cleanup, offer(&m));
    FR_GO(cleanup, fr_trial_open(&m.trial, &session->target, 1));
    status = time_all(&m);
    if (status == FR_OK || status == FR_CANCELLED) {
        fr_status kept = keep_all(&m, true);
        if (kept != FR_OK)
            status = kept;
        else if (status == FR_CANCELLED)
            status = fr_fail(FR_CANCELLED, "interrupted: what was measured until then is in '%s'", t->profile.path);
    }
cleanup:
    fr_trial_close(&m.trial);
    fr_menu_free(&m.menu);
    fr_cuts_free(&m.cuts);
    fr_free(m.known);
    return status;
}

static fr_status load_model(const tuning *t, fr_model **out_model) {
    fr_model_info info = FR_OPTIONS(fr_model_info);
    fr_fold_options fold = FR_OPTIONS(fr_fold_options);
    fr_model *model;
    *out_model = NULL;
    FR_TRY(fr_model_load(t->context, t->model_name, &model));
    fr_status status = fr_model_describe(model, &info);
    fold.fold = t->options.fold;
    if (status != FR_OK || fold.fold == 0 || fold.fold == info.fold) {
        if (status == FR_OK)
            *out_model = model;
        else
            fr_model_free(model);
        return status;
    }
    status = fr_model_fold(model, &fold, out_model);
    fr_model_free(model);
    return status;
}

static fr_status tune_model(tuning *t) {
    fr_session_options o = FR_OPTIONS(fr_session_options);
    fr_model *model = NULL;
    fr_status status = FR_OK;
    uint64_t now = fr_clock_ns(), left = t->until_ns > now ? t->until_ns - now : 0;
    fr_session *session = fr_alloc(sizeof *session);
    if (!session)
        return fr_no_memory(sizeof *session, "tuning");
    FR_GO(cleanup, load_model(t, &model));
    o.device = t->options.device;
    o.precision = t->options.precision;
    FR_GO(cleanup, fr_session_prepare(session, t->context, model, &o));
    status = tune_session(t, session, now + left / (t->n_models - t->model));
cleanup:
    fr_session_close(session);
    fr_model_free(model);
    return status;
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

static fr_status check_options(const fr_tune_options *o) {
    if (o->fold < 0 || o->batch < 0 || !(o->budget_s >= 0) || o->budget_s > 1e7)
        return fr_fail(FR_INVALID, "fold, batch and the time for tuning can't be negative");
    if (o->n_models > 0 && !o->models)
        return fr_fail(FR_INVALID, "no models were given");
    return FR_OK;
}

static fr_status describe(tuning *t) {
    fr_target target = {0};
    FR_TRY(fr_registry_open(t->context->registry, t->options.device, &target.backend, &target.device, &target.facts));
    fr_status status = fr_device_profile_load(fr_cache_folder(t->context->cache), &target, &t->profile);
    fr_target_id(&target, t->options.device, t->out->device, sizeof t->out->device);
    snprintf(t->out->device_name, sizeof t->out->device_name, "%s", target.facts.name);
    snprintf(t->out->driver, sizeof t->out->driver, "%s", target.facts.driver);
    snprintf(t->out->profile, sizeof t->out->profile, "%s", t->profile.path ? t->profile.path : "");
    target.backend->device_close(target.device);
    if (status == FR_OK && !t->profile.path)
        status =
            fr_fail(FR_UNAVAILABLE, "there is no cache folder to keep the device profile in: set FOLDRUN_CACHE_DIR");
    return status;
}

fr_status fr_tune_device(fr_context *context, const fr_tune_options *options, fr_tune_result *out_result) {
    tuning t = {.context = context, .out = out_result};
    fr_status status = FR_OK;
    memset(out_result, 0, sizeof *out_result);
    FR_TRY(fr_options_take(options, &t.options, sizeof t.options, "fr_tune_options"));
    FR_TRY(check_options(&t.options));
    const char *const *models = t.options.n_models > 0 ? t.options.models : default_models;
    t.n_models = t.options.n_models > 0 ? t.options.n_models : sizeof default_models / sizeof default_models[0];
    FR_GO(cleanup, describe(&t));
    t.saved_ns = fr_clock_ns();
    t.until_ns = t.saved_ns + (uint64_t)((t.options.budget_s > 0 ? t.options.budget_s : 60) * 1e9);
    for (; t.model < t.n_models && status == FR_OK; t.model++) {
        t.model_name = models[t.model];
        status = tune_model(&t);
    }
cleanup:
    fr_device_profile_free(&t.profile);
    fr_profile_free(&t.seen);
    return status;
}

void fr_tune_free(fr_tune_result *result) {
    fr_free(result->steps);
    memset(result, 0, sizeof *result);
}
