/* The choice of a plan: cached, measured, or by rule of thumb. What the model of costs ranks first is run whole before it wins. */
#include "run/tuner.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "run/device_profile.h"
#include "run/menu_make.h"
#include "run/programs.h"

enum { MAX_FINALISTS = 32, CUT_FINALISTS = 2 }; /* in all; of a cut with a chain, by cost */

static const double hopeless = 1.4; /* times the best after a heat: it runs no more */
static const double never_ran = 1e30;
static const uint64_t heat_ns = 40000000; /* a finalist runs at least this long in each of three rounds */

typedef struct tuning {
    const fr_target *target;
    const fr_tuning_request *request;
    fr_cuts *cuts;
    fr_menu all;                /* of cuts->all */
    fr_menu menus[FR_MAX_CUTS]; /* parts of it */
    int32_t cut;                /* being picked from: */
    const fr_steps *steps;
    const fr_menu *menu;
    int32_t lanes, lane_threads; /* of the finalists being picked */
    int32_t wide; /* wide: threads of one lane, worth trying when there are fewer inputs than lanes; else 0 */
    fr_picked finalists[MAX_FINALISTS];
    int32_t n_finalists;
} tuning;

static fr_status new_picked(tuning *t, fr_picked *picked) {
    picked->candidates = fr_alloc_array((size_t)t->steps->n_items, sizeof *picked->candidates);
    picked->groups = fr_alloc_array((size_t)t->steps->n_items, sizeof *picked->groups);
    picked->lanes = t->lanes;
    picked->lane_threads = t->lane_threads;
    return picked->candidates && picked->groups ? FR_OK : fr_no_memory((size_t)t->steps->n_items * 16, "tuning");
}

static void free_picked(fr_picked *picked) {
    fr_free(picked->candidates);
    fr_free(picked->groups);
    memset(picked, 0, sizeof *picked);
}

static bool same_picked(const tuning *t, const fr_picked *a, const fr_picked *b) {
    size_t n = (size_t)t->steps->n_items;
    return a->cut == b->cut && a->lane_threads == b->lane_threads && a->block == b->block &&
           memcmp(a->candidates, b->candidates, n * sizeof *a->candidates) == 0 &&
           memcmp(a->groups, b->groups, n * sizeof *a->groups) == 0;
}

/* group_of NULL: group_index everywhere. block 0: no larger than the largest group. */
static fr_status add_finalist(tuning *t, const int32_t *picks, const int32_t *group_of, int32_t group_index,
                              int32_t block) {
    if (t->n_finalists == MAX_FINALISTS)
        return FR_OK;
    fr_picked *p = &t->finalists[t->n_finalists];
    FR_TRY(new_picked(t, p));
    p->block = block > 0 ? block : 1;
    p->cut = t->cut;
    for (int32_t i = 0; i < t->steps->n_items; i++) {
        p->candidates[i] = &t->menu->items[i].entries[picks[i]].candidate;
        p->groups[i] = t->menu->groups[group_of ? group_of[i] : group_index];
        p->block = p->groups[i] > p->block ? p->groups[i] : p->block;
    }
    for (int32_t k = 0; k < t->n_finalists; k++)
        if (same_picked(t, p, &t->finalists[k])) {
            free_picked(p);
            return FR_OK;
        }
    t->n_finalists++;
    return FR_OK;
}

static void turn_to_cut(tuning *t, int32_t cut) {
    t->cut = cut;
    t->steps = &t->cuts->views[cut];
    t->menu = &t->menus[cut];
}

/* What times of single steps do not tell on a device with memory of its own, so that only a run decides: copies that go on
 * beside another lane's work, for which a quarter of the batch at a time does well; and layer by layer over the whole batch against
 * maps that stay in the cache from step to step, group after group in one block. */
static fr_status add_wide_finalists(tuning *t, int32_t *picks) {
    const fr_menu *menu = t->menu;
    int32_t whole = menu->groups[menu->n_groups - 1], quarter = -1, cached = t->cut == 0 ? menu->cached_group : -1;
    for (int32_t g = 0; g < menu->n_groups; g++)
        if (menu->groups[g] * 4 == whole)
            quarter = g;
    if (quarter >= 0 && t->lanes > 1) {
        fr_choose_candidates(t->steps, menu, quarter, picks);
        FR_TRY(add_finalist(t, picks, NULL, quarter, 0));
    }
    if (cached < 0)
        return FR_OK;
    fr_choose_candidates(t->steps, menu, menu->n_groups - 1, picks);
    FR_TRY(add_finalist(t, picks, NULL, menu->n_groups - 1, 0));
    fr_choose_candidates(t->steps, menu, cached, picks);
    FR_TRY(add_finalist(t, picks, NULL, cached, whole));
    if (quarter > cached && t->lanes > 1)
        FR_TRY(add_finalist(t, picks, NULL, cached, menu->groups[quarter]));
    return FR_OK;
}

static fr_status pick_cut_plans(tuning *t, bool measured) {
    const fr_menu *menu = t->menu;
    fr_status status = FR_OK;
    int32_t first = fr_menu_first_group(t->target, t->steps, menu), order[FR_MAX_GROUPS];
    double cost[FR_MAX_GROUPS];
    int32_t *picks = fr_alloc_array((size_t)menu->n_items, sizeof *picks),
            *groups = fr_alloc_array((size_t)menu->n_items, sizeof *groups);
    if (!picks || !groups) {
        status = fr_no_memory((size_t)menu->n_items * 8, "tuning");
        goto cleanup;
    }
    if (!measured) {
        fr_choose_candidates(t->steps, menu, first, picks);
        FR_GO(cleanup, add_finalist(t, picks, NULL, first, 0));
        goto cleanup;
    }
    for (int32_t g = 0; g < menu->n_groups; g++) {
        cost[g] = fr_choose_candidates(t->steps, menu, g, picks);
        int32_t at = g;
        for (; at > 0 && cost[order[at - 1]] > cost[g]; at--)
            order[at] = order[at - 1];
        order[at] = g;
    }
    int32_t before = t->n_finalists;
    for (int32_t k = 0; k < menu->n_groups && k < 3; k++) {
        if (t->cut > 0 && t->n_finalists - before >= CUT_FINALISTS)
            break;
        fr_choose_candidates(t->steps, menu, order[k], picks);
        if (k < 2) {
            fr_choose_groups(t->steps, menu, picks, groups);
            FR_GO(cleanup, add_finalist(t, picks, groups, 0, 0));
        }
        FR_GO(cleanup, add_finalist(t, picks, NULL, order[k], 0));
    }
    if (t->target->facts.kind != FR_DEVICE_CPU)
        status = add_wide_finalists(t, picks);
cleanup:
    fr_free(picks);
    fr_free(groups);
    return status;
}

/* Unmeasured, no chain is trusted: whether one pays is seen by running it. */
static fr_status pick_plans(tuning *t, bool measured) {
    for (int32_t cut = 0; cut < (measured ? t->cuts->n_cuts : 1); cut++) {
        turn_to_cut(t, cut);
        FR_TRY(pick_cut_plans(t, measured));
    }
    return FR_OK;
}

static fr_status build(tuning *t, const fr_picked *picked, fr_plan *out_plan) {
    fr_plan_choice choice = {.candidates = picked->candidates, .groups = picked->groups, .block = picked->block};
    return fr_plan_build(&t->cuts->views[picked->cut], &choice, out_plan);
}

static fr_status open_finalist(tuning *t, const fr_picked *picked, fr_executor **out) {
    fr_plan plan;
    fr_executor_options options = {
        .lanes = picked->lanes, .lane_threads = picked->lane_threads, .image_bytes = t->request->image_bytes};
    FR_TRY(build(t, picked, &plan));
    return fr_executor_new(t->target, &t->cuts->views[picked->cut], &plan, &options, out);
}

/* Two of the largest blocks a lane are as good as the whole batch, and keep the race short. */
static int64_t race_inputs(const tuning *t) {
    int64_t block = 1;
    for (int32_t k = 0; k < t->n_finalists; k++)
        block = t->finalists[k].block > block ? t->finalists[k].block : block;
    return 2 * block * t->lanes < t->request->inputs ? 2 * block * t->lanes : t->request->inputs;
}

typedef struct heat {
    fr_executor *executors[MAX_FINALISTS]; /* NULL: out of the race */
    double best[MAX_FINALISTS];            /* nanoseconds of a run */
    int64_t count;                         /* images of a run */
    uint8_t *images;
    float *out;
} heat;

static fr_status make_images(const tuning *t, heat *h) {
    const fr_steps *steps = &t->cuts->all;
    h->count = race_inputs(t) * steps->fold;
    h->images = fr_alloc_array((size_t)h->count, (size_t)t->request->image_bytes);
    h->out = fr_alloc_array((size_t)h->count, (size_t)steps->classes * sizeof *h->out);
    if (!h->images || !h->out)
        return fr_no_memory((size_t)h->count * (size_t)t->request->image_bytes, "tuning");
    fr_random random = {1};
    for (int64_t i = 0; steps->items[0].step.src[0].dtype == FR_U8 && i < h->count * t->request->image_bytes; i++)
        h->images[i] = (uint8_t)fr_random_next(&random);
    return FR_OK;
}

/* One that is too large for the device's memory, beside the others, stays out; not all of them may. */
static fr_status open_finalists(tuning *t, heat *h) {
    bool any = false;
    for (int32_t k = 0; k < t->n_finalists; k++) {
        h->best[k] = never_ran;
        fr_status status = open_finalist(t, &t->finalists[k], &h->executors[k]);
        if (status == FR_NO_MEMORY && (any || k + 1 < t->n_finalists)) {
            fr_log(FR_LOG_DEBUG, "plan %d stays out: %s", k, fr_error_sentence());
            continue;
        }
        FR_TRY(status);
        FR_TRY(fr_executor_run(h->executors[k], h->images, h->count, h->out));
        any = true;
    }
    return FR_OK;
}

static void leave(const tuning *t, heat *h, int32_t k, const char *how) {
    char text[200];
    if (!h->executors[k])
        return;
    fr_plan_describe(fr_executor_plan(h->executors[k]), &t->cuts->views[t->finalists[k].cut], text, sizeof text);
    fr_log(FR_LOG_DEBUG, "plan %d: %.0f images/s: %s, blocks of %d on %d lanes%s", k,
           (double)h->count * 1e9 / h->best[k], text, t->finalists[k].block, t->finalists[k].lanes, how);
    fr_executor_free(h->executors[k]);
    h->executors[k] = NULL;
}

static int32_t fastest(const tuning *t, const heat *h) {
    int32_t at = 0;
    for (int32_t k = 1; k < t->n_finalists; k++)
        at = h->best[k] < h->best[at] ? k : at;
    return at;
}

static fr_status run_for_a_while(heat *h, int32_t k) {
    uint64_t begin = fr_clock_ns(), last = begin, now;
    do {
        FR_TRY(fr_executor_run(h->executors[k], h->images, h->count, h->out));
        now = fr_clock_ns();
        h->best[k] = (double)(now - last) < h->best[k] ? (double)(now - last) : h->best[k];
        last = now;
    } while (now - begin < heat_ns);
    return FR_OK;
}

/* Whole runs, the finalists in turn so that drift hits all alike; the least time wins. */
static fr_status race(tuning *t, int32_t *out_winner) {
    heat h = {.count = 0};
    fr_status status;
    *out_winner = 0;
    FR_GO(cleanup, make_images(t, &h));
    FR_GO(cleanup, open_finalists(t, &h));
    for (int round = 0; round < 3; round++) {
        double least = h.best[fastest(t, &h)];
        for (int32_t k = 0; k < t->n_finalists; k++) {
            if (round > 0 && h.best[k] > hopeless * least)
                leave(t, &h, k, " (too slow)");
            if (!h.executors[k])
                continue;
            if (t->request->progress)
                t->request->progress(t->request->progress_user, "comparing plans",
                                     (round * t->n_finalists + k) / (3.0 * t->n_finalists));
            FR_GO(cleanup, run_for_a_while(&h, k));
        }
    }
    *out_winner = fastest(t, &h);
    for (int32_t k = 0; k < t->n_finalists; k++)
        leave(t, &h, k, k == *out_winner ? " (chosen)" : "");
cleanup:
    for (int32_t k = 0; k < t->n_finalists; k++)
        fr_executor_free(h.executors[k]);
    fr_free(h.images);
    fr_free(h.out);
    return status;
}

static char *cache_key(const tuning *t) {
    const fr_device_facts *f = &t->target->facts;
    return fr_format("plan 3|%s|%s|%s|%s|%s|lanes %d x %d|inputs %lld|group %d|%s%s|%s", t->target->backend->name,
                     t->target->backend->version, f->name, f->driver, f->features, t->lanes, t->wide,
                     (long long)t->request->inputs, t->request->group, t->target->kernels ? t->target->kernels : "",
                     t->target->bundles ? "|bundles" : "", t->request->key);
}

static bool from_cache(tuning *t, const char *key) {
    char *text = NULL;
    if (!key || t->request->tuning != FR_TUNING_CACHED || fr_cache_load_text(t->request->cache, key, &text) != FR_OK)
        return false;
    fr_picked *p = &t->finalists[0];
    for (int32_t cut = 0; cut < t->cuts->n_cuts && t->n_finalists == 0; cut++) {
        turn_to_cut(t, cut);
        p->cut = cut;
        t->n_finalists = new_picked(t, p) == FR_OK && fr_picked_read(text, t->steps, t->menu, p) == FR_OK;
        if (t->n_finalists == 0)
            free_picked(p);
    }
    fr_free(text);
    return t->n_finalists > 0;
}

static void to_cache(tuning *t, const char *key, const fr_picked *picked) {
    char *text;
    if (key && fr_picked_write(&t->cuts->views[picked->cut], picked, &text) == FR_OK) {
        fr_cache_store_text(t->request->cache, key, text);
        fr_free(text);
    }
}

/* Fewer inputs than lanes leave lanes idle: then one lane, and perhaps all threads inside its kernels. */
static void choose_lanes(tuning *t) {
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
static fr_status measure_and_pick(tuning *t, uint64_t begin_ns) {
    uint64_t budget = t->request->budget_ns / (t->wide > 1 ? 2 : 1);
    FR_TRY(fr_menu_measure(t->target, &t->cuts->all, &t->all, t->request, 1, begin_ns + budget));
    FR_TRY(pick_plans(t, true));
    if (t->wide <= 1)
        return FR_OK;
    t->lane_threads = t->wide;
    forget_times(&t->all);
    FR_TRY(fr_menu_measure(t->target, &t->cuts->all, &t->all, t->request, (uint32_t)t->wide, fr_clock_ns() + budget));
    return pick_plans(t, true);
}

void fr_tuned_free_cuts(fr_cuts *cuts) {
    fr_cuts_free(cuts);
    fr_free(cuts);
}

/* The cuts this device can run, and what it offers for their steps. */
static fr_status offer(tuning *t, const fr_steps *steps) {
    t->cuts = fr_alloc(sizeof *t->cuts);
    if (!t->cuts)
        return fr_no_memory(sizeof *t->cuts, "tuning");
    FR_TRY(fr_cuts_make(steps, t->cuts));
    for (int32_t k = t->cuts->n_chains - 1; k >= 0; k--) {
        fr_step step = t->cuts->all.items[steps->n_items + k].step;
        fr_step_set_n(&step, t->all.groups[0]);
        if ((t->target->facts.flags & FR_DEVICE_ORACLE) || t->request->tuning == FR_TUNING_OFF ||
            !fr_target_offers(t->target, &step))
            fr_cuts_drop(t->cuts, k);
    }
    FR_TRY(fr_menu_make(t->target, &t->cuts->all, &t->all));
    for (int32_t cut = 0; cut < t->cuts->n_cuts; cut++) {
        fr_menu_item *items = fr_alloc_array((size_t)t->cuts->views[cut].n_items, sizeof *items);
        if (!items)
            return fr_no_memory((size_t)t->cuts->views[cut].n_items * sizeof *items, "tuning");
        fr_cut_menu(t->cuts, cut, &t->all, items, &t->menus[cut]);
    }
    turn_to_cut(t, 0);
    return FR_OK;
}

fr_status fr_tune(const fr_target *target, const fr_steps *steps, const fr_tuning_request *request,
                  fr_tuned *out_tuned) {
    tuning t = {.target = target, .request = request};
    uint64_t begin = fr_clock_ns();
    fr_status status = FR_OK;
    char *key = NULL;
    int32_t winner = 0;
    memset(out_tuned, 0, sizeof *out_tuned);
    choose_lanes(&t);
    fr_menu_groups(target, steps, request->inputs, t.lanes, request->group, &t.all);
    FR_GO(cleanup, offer(&t, steps));
    key = cache_key(&t);
    out_tuned->from_cache = from_cache(&t, key);
    if (!out_tuned->from_cache) {
        out_tuned->measured = request->tuning != FR_TUNING_OFF && !(target->facts.flags & FR_DEVICE_ORACLE);
        FR_GO(cleanup,
              fr_menu_expect(fr_cache_folder(request->cache), target, &t.cuts->all, &t.all, out_tuned->guessed));
        FR_GO(cleanup, out_tuned->measured ? measure_and_pick(&t, begin) : pick_plans(&t, false));
        if (t.n_finalists > 1)
            FR_GO(cleanup, race(&t, &winner));
        if (out_tuned->measured)
            to_cache(&t, key, &t.finalists[winner]);
    }
    out_tuned->lanes = t.finalists[winner].lanes;
    out_tuned->lane_threads = t.finalists[winner].lane_threads;
    FR_GO(cleanup, build(&t, &t.finalists[winner], &out_tuned->plan));
    out_tuned->steps = &t.cuts->views[t.finalists[winner].cut];
    out_tuned->cuts = t.cuts;
    out_tuned->tune_ns = fr_clock_ns() - begin;
cleanup:
    for (int32_t k = 0; k < MAX_FINALISTS; k++)
        free_picked(&t.finalists[k]);
    for (int32_t cut = 0; cut < FR_MAX_CUTS; cut++)
        fr_free(t.menus[cut].items);
    fr_menu_free(&t.all);
    fr_free(key);
    if (status != FR_OK)
        fr_tuned_free_cuts(t.cuts);
    return status;
}
