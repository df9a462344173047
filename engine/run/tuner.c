/* The choice of a plan: given, cached, measured, or by rule of thumb. */
#include "run/tuner.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "run/choosing.h"
#include "run/device_profile.h"
#include "run/menu_make.h"
#include "run/programs.h"

void fr_choosing_turn(fr_choosing *t, int32_t cut) {
    t->cut = cut;
    t->steps = &t->cuts->views[cut];
    t->menu = &t->menus[cut];
}

fr_status fr_choosing_build(const fr_choosing *t, const fr_picked *picked, fr_plan *out_plan) {
    fr_plan_choice choice = {.candidates = picked->candidates, .groups = picked->groups, .block = picked->block};
    return fr_plan_build(&t->cuts->views[picked->cut], &choice, out_plan);
}

/* ---- what was chosen before --------------------------------------------------------------------------------------- */

static fr_plan_owner owner_of(const fr_choosing *t) {
    const fr_device_facts *f = &t->target->facts;
    return (fr_plan_owner){.backend = t->target->backend->name,
                           .version = t->target->backend->version,
                           .device = f->name,
                           .driver = f->driver,
                           .features = f->features,
                           .steps = t->request->steps_hash,
                           .inputs = t->request->inputs,
                           .lanes = t->wide > 1 ? t->wide : t->lanes};
}

static char *cache_key(const fr_choosing *t) {
    fr_plan_owner o = owner_of(t);
    return fr_format("plan 5|%s|%s|%s|%s|%s|lanes %d|inputs %lld|group %d|%s|%s%s|%s|%s", o.backend, o.version,
                     o.device, o.driver, o.features, o.lanes, (long long)o.inputs, t->request->group,
                     fr_schedule_name(t->request->schedule), t->target->kernels ? t->target->kernels : "",
                     t->target->bundles ? "|bundles" : "", o.steps, t->request->key);
}

/* No block that is chosen here is larger: parts of a batch hold at most an eighth more than it. */
static int32_t most_block(const fr_choosing *t) {
    int64_t most = t->request->inputs + t->request->inputs / 8 + 1, largest = t->all.groups[t->all.n_groups - 1];
    most = largest > most ? largest : most;
    return most < INT32_MAX ? (int32_t)most : INT32_MAX;
}

/* A text may be right in itself and still be not what was asked for, or more than the device can hold. */
static fr_status check_given(const fr_choosing *t, const fr_picked *p) {
    const fr_tuning_request *r = t->request;
    uint64_t memory = t->target->facts.memory_bytes;
    fr_schedule has = fr_finalist_schedule(t, p);
    fr_plan plan;
    for (int32_t i = 0; i < t->steps->n_items && r->group > 0; i++)
        if (p->groups[i] != r->group)
            return fr_fail(FR_INVALID, "the plan has other groups than the one asked for");
    bool always_fits = r->schedule == FR_SCHEDULE_CHAIN && t->all.share > 0 && p->block >= t->all.share;
    if (r->schedule != FR_SCHEDULE_AUTO && r->schedule != has && !always_fits)
        return fr_fail(FR_INVALID, "the plan's schedule is %s, and %s was asked for", fr_schedule_name(has),
                       fr_schedule_name(r->schedule));
    FR_TRY(fr_choosing_build(t, p, &plan));
    bool fits = memory == 0 || plan.arena_bytes <= memory / (uint64_t)p->lanes;
    fr_plan_free(&plan);
    return fits ? FR_OK : fr_fail(FR_INVALID, "the plan takes more memory than the device has");
}

/* The first finalist is what the text says. */
static fr_status take_text(fr_choosing *t, const char *text, bool is_given) {
    fr_plan_owner owner = owner_of(t);
    fr_plan_bounds bounds = {.lanes = t->lanes, .wide = t->wide, .block = most_block(t)};
    fr_picked *p = &t->finalists[0];
    fr_plan_text *read;
    FR_TRY(fr_plan_text_open(text, &owner, &read));
    int32_t cut = t->cuts->n_cuts - 1; /* names of chains are unlike others: of the cuts at most one fits */
    while (cut > 0 && !fr_plan_text_fits(read, &t->cuts->views[cut]))
        cut--;
    fr_choosing_turn(t, cut);
    fr_status status = fr_finalist_new(t, p);
    if (status == FR_OK)
        status = fr_plan_text_read(read, t->target, t->steps, t->menu, &bounds, p);
    if (status == FR_OK && is_given)
        status = check_given(t, p);
    if (status == FR_OK)
        t->n_finalists = 1;
    else
        fr_finalist_free(p);
    fr_plan_text_close(read);
    return status;
}

static fr_status from_given(fr_choosing *t, fr_tuned *out) {
    fr_status status = t->request->plan ? take_text(t, t->request->plan, true) : FR_OK;
    out->given = t->n_finalists > 0;
    if (status == FR_OK || status == FR_NO_MEMORY)
        return status;
    out->refused = true;
    fr_log(FR_LOG_WARNING, "the given plan is not used: %s", fr_error_sentence());
    return FR_OK;
}

static int64_t budget_ms(const fr_choosing *t) {
    return (int64_t)(t->request->budget_ns / 1000000u);
}

static bool from_cache(fr_choosing *t, const char *key) {
    char *text = NULL;
    if (!key || t->request->tuning != FR_TUNING_CACHED || fr_cache_load_text(t->request->cache, key, &text) != FR_OK)
        return false;
    bool good = take_text(t, text, false) == FR_OK;
    if (!good)
        fr_log(FR_LOG_DEBUG, "the plan in the cache is not used: %s", fr_error_sentence());
    fr_free(text);
    if (good && t->finalists[0].short_ms > 0 && t->finalists[0].short_ms < budget_ms(t)) {
        fr_log(FR_LOG_DEBUG, "the plan in the cache was measured in a hurry: %lld ms, and now there are %lld",
               (long long)t->finalists[0].short_ms, (long long)budget_ms(t));
        fr_finalist_free(&t->finalists[0]);
        t->n_finalists = 0;
        fr_choosing_turn(t, 0);
        good = false;
    }
    return good;
}

/* ---- what is chosen now ------------------------------------------------------------------------------------------- */

/* Fewer inputs than lanes leave lanes idle: then one lane, and perhaps all threads inside its kernels. */
static void choose_lanes(fr_choosing *t) {
    int32_t most = (int32_t)t->target->facts.lanes > 0 ? (int32_t)t->target->facts.lanes : 1;
    int32_t lanes = t->request->threads > 0 ? t->request->threads : most;
    bool narrow = t->request->inputs < lanes && t->target->facts.kind == FR_DEVICE_CPU;
    t->lane_threads = 1;
    t->lanes = narrow ? 1 : lanes;
    t->wide = narrow ? lanes : 0;
}

static void forget_times(fr_menu *menu) {
    for (int32_t i = 0; i < menu->n_items; i++)
        for (int32_t e = 0; e < menu->items[i].n_entries; e++)
            memset(menu->items[i].entries[e].ns, 0, sizeof menu->items[i].entries[e].ns);
}

/* Kernels measured and plans picked for one thread a lane, and where lanes would idle for all threads in one: small
 * kernels lose by that, large ones win. The race decides. */
static fr_status measure_and_pick(fr_choosing *t, uint64_t begin_ns) {
    uint64_t budget = t->request->budget_ns / (t->wide > 1 ? 2 : 1);
    FR_TRY(fr_menu_measure(t->target, &t->cuts->all, &t->all, t->request, 1, begin_ns + budget));
    FR_TRY(fr_finalists_pick(t, true));
    if (t->wide <= 1)
        return FR_OK;
    t->lane_threads = t->wide;
    forget_times(&t->all);
    FR_TRY(fr_menu_measure(t->target, &t->cuts->all, &t->all, t->request, (uint32_t)t->wide, fr_clock_ns() + budget));
    return fr_finalists_pick(t, true);
}

void fr_tuned_free_cuts(fr_cuts *cuts) {
    fr_cuts_free(cuts);
    fr_free(cuts);
}

/* Chains go depth first, and what they take is seen by running them: the reference needs none of them. A text may name them. */
static bool wants_chains(const fr_choosing *t) {
    const fr_tuning_request *r = t->request;
    if ((t->target->facts.flags & FR_DEVICE_ORACLE) || r->schedule == FR_SCHEDULE_LAYERS)
        return false;
    return r->tuning != FR_TUNING_OFF || r->schedule == FR_SCHEDULE_CHAIN || r->plan;
}

/* The cuts this device can run, and what it offers for their steps. */
static fr_status offer(fr_choosing *t, const fr_steps *steps) {
    t->cuts = fr_alloc(sizeof *t->cuts);
    if (!t->cuts)
        return fr_no_memory(sizeof *t->cuts, "tuning");
    FR_TRY(fr_cuts_make(steps, t->cuts));
    for (int32_t k = t->cuts->n_chains - 1; k >= 0; k--) {
        fr_step step = t->cuts->all.items[steps->n_items + k].step;
        fr_step_set_n(&step, t->all.groups[0]);
        if (!wants_chains(t) || !fr_target_offers(t->target, &step))
            fr_cuts_drop(t->cuts, k);
    }
    FR_TRY(fr_menu_make(t->target, &t->cuts->all, &t->all));
    for (int32_t cut = 0; cut < t->cuts->n_cuts; cut++) {
        fr_menu_item *items = fr_alloc_array((size_t)t->cuts->views[cut].n_items, sizeof *items);
        if (!items)
            return fr_no_memory((size_t)t->cuts->views[cut].n_items * sizeof *items, "tuning");
        fr_cut_menu(t->cuts, cut, &t->all, items, &t->menus[cut]);
    }
    fr_choosing_turn(t, 0);
    return FR_OK;
}

static fr_status choose_now(fr_choosing *t, uint64_t begin_ns, fr_tuned *out, int32_t *out_winner) {
    const fr_tuning_request *r = t->request;
    out->measured = r->tuning != FR_TUNING_OFF && !(t->target->facts.flags & FR_DEVICE_ORACLE);
    FR_TRY(fr_menu_expect(fr_cache_folder(r->cache), t->target, &t->cuts->all, &t->all, out->guessed));
    FR_TRY(out->measured ? measure_and_pick(t, begin_ns) : fr_finalists_pick(t, false));
    return t->n_finalists > 1 ? fr_race(t, out_winner) : FR_OK;
}

static fr_status give(fr_choosing *t, const fr_picked *picked, fr_tuned *out) {
    fr_plan_owner owner = owner_of(t);
    out->lanes = picked->lanes;
    out->lane_threads = picked->lane_threads;
    out->schedule = fr_finalist_schedule(t, picked);
    FR_TRY(fr_picked_write(&owner, &t->cuts->views[picked->cut], picked, &out->text));
    FR_TRY(fr_choosing_build(t, picked, &out->plan));
    out->steps = &t->cuts->views[picked->cut];
    out->cuts = t->cuts;
    return FR_OK;
}

fr_status fr_tune(const fr_target *target, const fr_steps *steps, const fr_tuning_request *request,
                  fr_tuned *out_tuned) {
    fr_choosing t = {.target = target, .request = request};
    uint64_t begin = fr_clock_ns();
    fr_status status = FR_OK;
    char *key = NULL;
    int32_t winner = 0;
    memset(out_tuned, 0, sizeof *out_tuned);
    choose_lanes(&t);
    fr_menu_groups(target, steps, request->inputs, t.lanes, request->group, request->schedule, &t.all);
    FR_GO(cleanup, offer(&t, steps));
    key = cache_key(&t);
    FR_GO(cleanup, from_given(&t, out_tuned));
    out_tuned->from_cache = !out_tuned->given && from_cache(&t, key);
    if (!out_tuned->given && !out_tuned->from_cache)
        FR_GO(cleanup, choose_now(&t, begin, out_tuned, &winner));
    if (out_tuned->measured && t.all.cut_short)
        t.finalists[winner].short_ms = budget_ms(&t) > 1 ? budget_ms(&t) : 1;
    FR_GO(cleanup, give(&t, &t.finalists[winner], out_tuned));
    if (out_tuned->measured && key)
        fr_cache_store_text(request->cache, key, out_tuned->text);
    out_tuned->tune_ns = fr_clock_ns() - begin;
cleanup:
    for (int32_t k = 0; k < FR_MAX_FINALISTS; k++)
        fr_finalist_free(&t.finalists[k]);
    for (int32_t cut = 0; cut < FR_MAX_CUTS; cut++)
        fr_free(t.menus[cut].items);
    fr_menu_free(&t.all);
    fr_free(key);
    if (status != FR_OK) {
        fr_tuned_free_cuts(t.cuts);
        fr_free(out_tuned->text);
        out_tuned->text = NULL;
    }
    return status;
}
