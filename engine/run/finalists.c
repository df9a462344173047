/* Choices that are worth a whole run: by the menus' times, or by rule of thumb. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "run/choosing.h"
#include "run/menu_make.h"

enum { CUT_FINALISTS = 2, GROUP_FINALISTS = 3 }; /* of a cut with a chain, and groups of any cut, by cost */

fr_status fr_finalist_new(const fr_choosing *t, fr_picked *picked) {
    picked->candidates = fr_alloc_array((size_t)t->steps->n_items, sizeof *picked->candidates);
    picked->groups = fr_alloc_array((size_t)t->steps->n_items, sizeof *picked->groups);
    picked->lanes = t->lanes;
    picked->lane_threads = t->lane_threads;
    picked->cut = t->cut;
    return picked->candidates && picked->groups ? FR_OK : fr_no_memory((size_t)t->steps->n_items * 16, "tuning");
}

void fr_finalist_free(fr_picked *picked) {
    fr_free(picked->candidates);
    fr_free(picked->groups);
    memset(picked, 0, sizeof *picked);
}

fr_schedule fr_finalist_schedule(const fr_choosing *t, const fr_picked *picked) {
    return fr_picked_schedule(&t->cuts->views[picked->cut], picked, t->all.share);
}

static bool is_of_cores(const fr_choosing *t) {
    return t->target->facts.kind == FR_DEVICE_CPU;
}

static bool same_picked(const fr_choosing *t, const fr_picked *a, const fr_picked *b) {
    size_t n = (size_t)t->steps->n_items;
    return a->cut == b->cut && a->lane_threads == b->lane_threads && a->block == b->block &&
           memcmp(a->candidates, b->candidates, n * sizeof *a->candidates) == 0 &&
           memcmp(a->groups, b->groups, n * sizeof *a->groups) == 0;
}

static bool is_new(const fr_choosing *t, const fr_picked *picked) {
    for (int32_t k = 0; k < t->n_finalists; k++)
        if (same_picked(t, picked, &t->finalists[k]))
            return false;
    return true;
}

/* group_of NULL: group_index everywhere. block 0: no larger than the largest group. What is there already stays out, and so does
 * what goes layer by layer where a chain was asked for. */
static fr_status add_finalist(fr_choosing *t, const int32_t *picks, const int32_t *group_of, int32_t group_index,
                              int32_t block, bool any_schedule) {
    if (t->n_finalists == FR_MAX_FINALISTS)
        return FR_OK;
    fr_picked *p = &t->finalists[t->n_finalists];
    FR_TRY(fr_finalist_new(t, p));
    p->block = block > 0 ? block : 1;
    for (int32_t i = 0; i < t->steps->n_items; i++) {
        p->candidates[i] = &t->menu->items[i].entries[picks[i]].candidate;
        p->groups[i] = t->menu->groups[group_of ? group_of[i] : group_index];
        p->block = p->groups[i] > p->block ? p->groups[i] : p->block;
    }
    bool fits =
        any_schedule || t->request->schedule != FR_SCHEDULE_CHAIN || fr_finalist_schedule(t, p) == FR_SCHEDULE_CHAIN;
    if (fits && is_new(t, p))
        t->n_finalists++;
    else
        fr_finalist_free(p);
    return FR_OK;
}

static fr_status add_uniform(fr_choosing *t, int32_t *picks, int32_t group, int32_t block) {
    fr_choose_candidates(t->steps, t->menu, group, picks);
    return add_finalist(t, picks, NULL, group, block, false);
}

/* Index of the largest group that is a quarter of all at once, else -1. */
static int32_t quarter_of(const fr_menu *menu) {
    int32_t quarter = -1;
    for (int32_t g = 0; g < menu->n_groups; g++)
        if (menu->groups[g] * 4 == menu->groups[menu->n_groups - 1])
            quarter = g;
    return quarter;
}

/* Maps that stay in the cache from step to step, group after group in one block. */
static fr_status add_cached(fr_choosing *t, int32_t *picks) {
    const fr_menu *menu = t->menu;
    int32_t quarter = quarter_of(menu), cached = t->cut == 0 ? menu->cached_group : -1;
    if (cached < 0)
        return FR_OK;
    FR_TRY(add_uniform(t, picks, cached, menu->groups[menu->n_groups - 1]));
    if (quarter > cached && t->lanes > 1)
        FR_TRY(add_finalist(t, picks, NULL, cached, menu->groups[quarter], false));
    return FR_OK;
}

/* What times of single steps do not tell on a device with memory of its own, so that only a run decides: copies that go on
 * beside another lane's work, for which a quarter of the batch at a time does well; and layer by layer over the whole batch against
 * maps that stay in the cache. */
static fr_status add_wide_finalists(fr_choosing *t, int32_t *picks) {
    int32_t quarter = quarter_of(t->menu);
    if (quarter >= 0 && t->lanes > 1)
        FR_TRY(add_uniform(t, picks, quarter, 0));
    if (t->cut == 0 && t->menu->cached_group >= 0)
        FR_TRY(add_uniform(t, picks, t->menu->n_groups - 1, 0));
    return add_cached(t, picks);
}

/* order[k]: the groups by the cost of the best picks for each. */
static void rank_groups(const fr_choosing *t, int32_t *picks, int32_t order[FR_MAX_GROUPS]) {
    double cost[FR_MAX_GROUPS];
    for (int32_t g = 0; g < t->menu->n_groups; g++) {
        cost[g] = fr_choose_candidates(t->steps, t->menu, g, picks);
        int32_t at = g;
        for (; at > 0 && cost[order[at - 1]] > cost[g]; at--)
            order[at] = order[at - 1];
        order[at] = g;
    }
}

/* Whether a plan by this group alone may be one of the schedule. */
static bool is_group_of_schedule(const fr_choosing *t, int32_t group) {
    return t->request->schedule != FR_SCHEDULE_CHAIN || t->cut > 0 || t->menu->groups[group] < t->menu->share;
}

/* The cheapest groups, each for all steps, and mixed where steps go depth first. */
static fr_status add_cheapest(fr_choosing *t, int32_t *picks, int32_t *groups) {
    int32_t order[FR_MAX_GROUPS], before = t->n_finalists, taken = 0;
    bool mixes = t->request->schedule != FR_SCHEDULE_LAYERS;
    rank_groups(t, picks, order);
    for (int32_t k = 0; k < t->menu->n_groups && taken < GROUP_FINALISTS; k++) {
        if (t->cut > 0 && t->n_finalists - before >= CUT_FINALISTS)
            break;
        if (!is_group_of_schedule(t, order[k]))
            continue;
        fr_choose_candidates(t->steps, t->menu, order[k], picks);
        if (taken++ < 2 && mixes) {
            fr_choose_groups(t->steps, t->menu, picks, groups);
            FR_TRY(add_finalist(t, picks, groups, 0, 0, false));
        }
        FR_TRY(add_finalist(t, picks, NULL, order[k], 0, false));
    }
    return FR_OK;
}

static fr_status pick_measured(fr_choosing *t, int32_t *picks, int32_t *groups) {
    fr_schedule asked = t->request->schedule;
    if (is_of_cores(t) && asked == FR_SCHEDULE_LAYERS) {
        fr_choose_candidates(t->steps, t->menu, fr_menu_first_group(t->target, t->steps, t->menu), picks);
        return add_finalist(t, picks, NULL, t->menu->n_groups - 1, 0, false);
    }
    if (!is_of_cores(t) && asked == FR_SCHEDULE_CHAIN && t->cut == 0)
        return add_cached(t, picks);
    FR_TRY(add_cheapest(t, picks, groups));
    return is_of_cores(t) ? FR_OK : add_wide_finalists(t, picks);
}

/* One plan. Of a chain no time is known, so it comes last; whether one pays is seen by running it. */
static fr_status pick_by_thumb(fr_choosing *t, int32_t *picks) {
    fr_schedule asked = t->request->schedule;
    int32_t first = fr_menu_first_group(t->target, t->steps, t->menu), last = t->menu->n_groups - 1;
    if (asked != FR_SCHEDULE_CHAIN) {
        fr_choose_candidates(t->steps, t->menu, first, picks);
        return add_finalist(t, picks, NULL, asked == FR_SCHEDULE_LAYERS ? last : first, 0, false);
    }
    if (t->n_finalists > 0)
        return FR_OK;
    if (t->cut > 0)
        return add_uniform(t, picks, last, 0);
    if (!is_of_cores(t))
        return add_cached(t, picks);
    while (first > 0 && !is_group_of_schedule(t, first))
        first--;
    return add_uniform(t, picks, first, 0);
}

/* A device of cores can always go depth first; where a lane has one input, or one group as the user wants it, that is layer by
 * layer too. */
static fr_status pick_as_it_is(fr_choosing *t, int32_t *picks) {
    if (!is_of_cores(t))
        return fr_fail(FR_UNSUPPORTED,
                       "%s has no way to run it depth first: no kernel for a chain of these steps, and no "
                       "part of the batch whose maps its cache holds",
                       t->target->facts.name);
    fr_choosing_turn(t, 0);
    fr_choose_candidates(t->steps, t->menu, 0, picks);
    return add_finalist(t, picks, NULL, 0, 0, true);
}

fr_status fr_finalists_pick(fr_choosing *t, bool measured) {
    fr_status status = FR_OK;
    bool uses_chains = measured || t->request->schedule == FR_SCHEDULE_CHAIN;
    int32_t most = t->cuts->all.n_items, before = t->n_finalists;
    int32_t *picks = fr_alloc_array((size_t)most, sizeof *picks),
            *groups = fr_alloc_array((size_t)most, sizeof *groups);
    if (!picks || !groups) {
        status = fr_no_memory((size_t)most * 8, "tuning");
        goto cleanup;
    }
    for (int32_t cut = 0; cut < (uses_chains ? t->cuts->n_cuts : 1); cut++) {
        fr_choosing_turn(t, cut);
        FR_GO(cleanup, measured ? pick_measured(t, picks, groups) : pick_by_thumb(t, picks));
    }
    if (t->n_finalists == before)
        status = pick_as_it_is(t, picks);
cleanup:
    fr_free(picks);
    fr_free(groups);
    return status;
}
