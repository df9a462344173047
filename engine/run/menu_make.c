#include "run/menu_make.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "plan/groups.h"
#include "run/programs.h"
#include "run/selfcheck.h"
#include "run/trial.h"

static const uint64_t trial_ns = 800000; /* repeats of a launch fill about this long */
static const double worth_it =
    1.35;                         /* entries slower than this times the pick at one group are not timed at the others */
static const double hopeless = 4; /* times the best of the others: the first launch was enough */
static const double never = 1e15;

/* A GPU's API on a CPU. */
static bool is_software(const fr_target *target) {
    return target->facts.kind == FR_DEVICE_CPU && target->facts.flags & FR_DEVICE_SOFTWARE;
}

void fr_menu_groups(const fr_target *target, const fr_steps *steps, int64_t inputs, int32_t lanes, int32_t asked,
                    fr_schedule schedule, fr_menu *menu) {
    fr_group_question question = {.is_cpu = target->facts.kind == FR_DEVICE_CPU,
                                  .is_software = is_software(target),
                                  .lanes = lanes,
                                  .inputs = inputs,
                                  .asked = asked,
                                  .schedule = schedule,
                                  .input_bytes = fr_group_input_bytes(steps),
                                  .cache_bytes = target->facts.cache_bytes[2],
                                  .memory_bytes = target->facts.memory_bytes};
    fr_groups_choose(&question, menu);
}

int32_t fr_menu_first_group(const fr_target *target, const fr_steps *steps, const fr_menu *menu) {
    if (target->facts.kind != FR_DEVICE_CPU)
        return menu->n_groups - 1;
    if (is_software(target)) {
        int32_t middle = 0;
        while (middle + 1 < menu->n_groups && menu->groups[middle + 1] <= 64)
            middle++;
        return middle;
    }
    uint64_t cache = target->facts.cache_bytes[1] ? target->facts.cache_bytes[1] : 512u << 10, most = 1;
    for (int32_t i = 0; i < steps->n_items; i++) {
        const fr_step *s = &steps->items[i].step;
        uint64_t bytes = s->n_src > 0 ? fr_tensor_bytes(&s->src[0], 1) + fr_tensor_bytes(&s->dst, 1) : 0;
        most = bytes > most ? bytes : most;
    }
    int32_t at = 0;
    while (at + 1 < menu->n_groups && menu->groups[at + 1] <= 8 && (uint64_t)menu->groups[at + 1] * most <= cache)
        at++;
    return at;
}

fr_status fr_menu_make(const fr_target *target, const fr_steps *steps, fr_menu *menu) {
    menu->items = fr_alloc_array((size_t)steps->n_items, sizeof *menu->items);
    if (!menu->items)
        return fr_no_memory((size_t)steps->n_items * sizeof *menu->items, "tuning");
    menu->n_items = steps->n_items;
    menu->copy_ns_per_byte = target->facts.kind == FR_DEVICE_CPU ? 0.1 : 0.002;
    for (int32_t i = 0; i < steps->n_items; i++) {
        fr_candidate found[FR_MAX_CANDIDATES];
        fr_step step = steps->items[i].step;
        double weights = fr_step_weight_numbers(&step) * (double)fr_dtype_bytes((fr_dtype)step.src[0].dtype);
        if (target->facts.kind == FR_DEVICE_CPU && !is_software(target) &&
            !fr_weights_stay(weights, (double)target->facts.cache_bytes[2]))
            menu->items[i].fetch_ns = weights * menu->copy_ns_per_byte / 2;
        int32_t count;
        fr_step_set_n(&step, menu->groups[fr_menu_first_group(target, steps, menu)]);
        FR_TRY(fr_target_candidates(target, &step, steps->items[i].name, found, &count));
        menu->items[i].entries = fr_alloc_array((size_t)count, sizeof *menu->items[i].entries);
        if (!menu->items[i].entries)
            return fr_no_memory((size_t)count * sizeof *menu->items[i].entries, "tuning");
        menu->items[i].n_entries = count;
        for (int32_t e = 0; e < count; e++)
            menu->items[i].entries[e].candidate = found[e];
    }
    return FR_OK;
}

/* An earlier item with the same step has the same times. */
static int32_t same_before(const fr_steps *steps, int32_t item) {
    for (int32_t i = 0; i < item; i++)
        if (memcmp(&steps->items[i].step, &steps->items[item].step, sizeof steps->items[i].step) == 0)
            return i;
    return -1;
}

typedef struct measuring {
    const fr_target *target;
    const fr_steps *steps;
    fr_menu *menu;
    const fr_tuning_request *request;
    fr_trial trial;
    uint64_t until_ns, checking_before_ns;
    bool first_only;  /* no group but the first */
    int32_t done, of; /* for progress */
    fr_status status; /* FR_DEVICE_LOST: there is nothing to measure on any more */
} measuring;

static void forget(fr_menu_entry *entry) {
    for (int32_t g = 0; g < FR_MAX_GROUPS; g++)
        entry->ns[g] = never;
}

static double best_of(const fr_menu_item *item, int32_t group_index) { /* 0: none is measured yet */
    double best = 0;
    for (int32_t e = 0; e < item->n_entries; e++) {
        double ns = item->entries[e].ns[group_index];
        if (ns > 0 && ns < never && (best <= 0 || ns < best))
            best = ns;
    }
    return best;
}

static void measure_entry(measuring *m, int32_t item, int32_t entry, int32_t group_index) {
    fr_menu_entry *e = &m->menu->items[item].entries[entry];
    const fr_step_item *it = &m->steps->items[item];
    int32_t twin = same_before(m->steps, item);
    if (e->ns[group_index] > 0 || m->status != FR_OK)
        return;
    if (twin >= 0 && m->menu->items[twin].n_entries > entry &&
        m->menu->items[twin].entries[entry].ns[group_index] > 0) {
        e->ns[group_index] = m->menu->items[twin].entries[entry].ns[group_index];
        return;
    }
    uint64_t checking_ns = fr_selfcheck_spent_ns(m->target->check) - m->checking_before_ns;
    if (checking_ns > m->request->budget_ns) /* where kernels take long to build, the rest is checked some other time */
        checking_ns = m->request->budget_ns;
    if (fr_clock_ns() >
        m->until_ns + checking_ns) { /* checks are done once for good: they must not spoil what is measured */
        m->menu->cut_short = true;
        return;
    }
    fr_step step = it->step;
    fr_step_set_n(&step, m->menu->groups[group_index]);
    /* scratch depends on the group: the candidate is asked for anew, and found by its name */
    fr_candidate found[FR_MAX_CANDIDATES];
    int32_t count, at = -1;
    double ns = 0;
    fr_status status = fr_target_candidates(m->target, &step, it->name, found, &count);
    for (int32_t i = 0; status == FR_OK && i < count; i++)
        if (strcmp(found[i].name, e->candidate.name) == 0 && found[i].dst_layout == e->candidate.dst_layout &&
            found[i].src_layout[0] == e->candidate.src_layout[0])
            at = i;
    if (status == FR_OK && at < 0) { /* refused at this group alone: its scratch may be too large */
        e->ns[group_index] = never;
        return;
    }
    if (status == FR_OK && !fr_selfcheck_passes(m->target->check, &step, &it->weights, it->name, &found[at])) {
        if (fr_selfcheck_lost(m->target->check))
            m->status = FR_DEVICE_LOST;
        forget(e);
        return;
    }
    if (status == FR_OK)
        status = fr_trial_time(&m->trial, &step, &found[at], &it->weights, trial_ns,
                               hopeless * best_of(&m->menu->items[item], group_index), &ns);
    if (status == FR_DEVICE_LOST) {
        m->status = status;
        return;
    }
    if (status != FR_OK) {
        /* that a library has nothing for a step is nothing to warn of */
        fr_log(status == FR_UNSUPPORTED ? FR_LOG_INFO : FR_LOG_WARNING, "kernel %s for step '%s' is dropped: %s",
               e->candidate.name, it->name, fr_error_sentence());
        if (status == FR_NO_MEMORY) /* a smaller group may fit */
            e->ns[group_index] = never;
        else
            forget(e);
        return;
    }
    e->ns[group_index] = ns > 1 ? ns : 1;
}

static void tell(measuring *m) {
    m->done++;
    if (m->request->progress)
        m->request->progress(m->request->progress_user, "measuring kernels", (double)m->done / m->of);
}

typedef struct ranking {
    int32_t entries[FR_MAX_CANDIDATES];
    int32_t count;
} ranking;

static fr_status measure_first_group(measuring *m, int32_t first) {
    int32_t n = m->menu->n_items, ranks = 0;
    ranking *rankings = fr_alloc_array((size_t)n, sizeof *rankings);
    if (!rankings)
        return fr_no_memory((size_t)n * sizeof *rankings, "tuning");
    for (int32_t i = 0; i < n; i++) {
        rankings[i].count =
            fr_menu_order(&m->menu->items[i], m->request->tuning == FR_TUNING_CACHED, rankings[i].entries);
        ranks = rankings[i].count > ranks ? rankings[i].count : ranks;
    }
    m->of = ranks * n + (m->first_only ? 0 : n * (m->menu->n_groups - 1));
    /* the best guess for every step first: when the time runs out, the hopeful ones were seen */
    for (int32_t r = 0; r < ranks; r++)
        for (int32_t i = 0; i < n; i++, tell(m))
            if (r < rankings[i].count)
                measure_entry(m, i, rankings[i].entries[r], first);
    fr_free(rankings);
    return FR_OK;
}

fr_status fr_menu_measure(const fr_target *target, const fr_steps *steps, fr_menu *menu,
                          const fr_tuning_request *request, uint32_t lane_threads, uint64_t until_ns) {
    measuring m = {.target = target,
                   .steps = steps,
                   .menu = menu,
                   .request = request,
                   .until_ns = until_ns,
                   .first_only = target->facts.kind == FR_DEVICE_CPU && request->schedule == FR_SCHEDULE_LAYERS,
                   .checking_before_ns = fr_selfcheck_spent_ns(target->check)};
    int32_t first = fr_menu_first_group(target, steps, menu);
    int32_t *picks = fr_alloc_array((size_t)menu->n_items, sizeof *picks);
    if (!picks)
        return fr_no_memory((size_t)menu->n_items * sizeof *picks, "tuning");
    fr_status status = fr_trial_open(&m.trial, target, lane_threads);
    if (status != FR_OK)
        goto cleanup;
    FR_GO(cleanup, measure_first_group(&m, first));
    FR_GO(cleanup, m.status);
    fr_choose_candidates(steps, menu, first, picks);
    /* outwards from the first group: when the time runs out, the far ones are missing */
    for (int32_t away = 1; away < menu->n_groups && !m.first_only; away++)
        for (int32_t side = -1; side <= 1; side += 2) {
            int32_t g = first + side * away;
            for (int32_t i = 0; g >= 0 && g < menu->n_groups && i < menu->n_items; i++, tell(&m)) {
                double limit = menu->items[i].entries[picks[i]].ns[first] * worth_it;
                for (int32_t e = 0; e < menu->items[i].n_entries; e++)
                    if (e == picks[i] ||
                        (menu->items[i].entries[e].ns[first] > 0 && menu->items[i].entries[e].ns[first] <= limit))
                        measure_entry(&m, i, e, g);
            }
        }
    status = m.status;
cleanup:
    fr_trial_close(&m.trial);
    fr_free(picks);
    return status;
}
