/*
 * Which options to measure. First what is predicted to win and what else there is room for, then what the measurements make hopeful,
 * and in the end once more the best, where nothing but the order in which they ran may have told them apart.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/choose_parts.h"
#include "run/planner.h"

enum { MEASURED = 8, AT_ONCE = 3 /* hopeful ones, before predictions are corrected again */, RIVALS = 3 };

static const double worth_it = 0.03; /* what an option must promise over the best to be measured */
static const double rivalry = 0.06;  /* of the best: nearer ones were perhaps luckier or less lucky */
static const double courage = 1;     /* of what is not known of an option, how much is hoped for */
static const double long_ns = 2.5e8; /* a batch that takes longer is not worth another tenth, unless it was asked for */
static const double short_ns = 3e7;  /* of one that takes less, what a run costs weighs more, and is known less well */

static bool same_but_for_batch(const fr_option *a, const fr_option *b) {
    return a->variant == b->variant && a->precision == b->precision && a->schedule == b->schedule;
}

static bool same_place(const fr_planner *p, const fr_option *a, const fr_option *b) {
    return p->shapes[a->variant].fold == p->shapes[b->variant].fold && a->precision == b->precision &&
           a->schedule == b->schedule;
}

static bool is_plain(const fr_planner *p, const fr_option *o) {
    return p->shapes[o->variant].fold <= 1;
}

/* ---- the smallest batch that does ------------------------------------------------------------------------------- */

/* As good by prediction, and no short one: it would be taken for the larger one, and takes less time to measure. */
static int32_t settle(const fr_planner *p, int32_t option) {
    const fr_option *all = p->choice.options, *o = &all[option];
    double share = p->options.n_batches == 0 && o->predicted.run_ns > long_ns ? 0.9 : 1 - fr_choice_tie;
    int32_t best = option;
    for (int32_t i = 0; i < (int32_t)p->choice.n_options; i++)
        if (same_but_for_batch(&all[i], o) && all[i].broken == FR_LIMIT_NONE && all[i].batch < all[best].batch &&
            all[i].predicted.images_per_s >= share * o->predicted.images_per_s && all[i].predicted.run_ns >= short_ns)
            best = i;
    return best;
}

static bool is_settled(const fr_planner *p, int32_t option) { /* it was measured, or what it stands for */
    return fr_planner_find_record(p, &p->choice.options[settle(p, option)]) != NULL;
}

/* Each in its smallest batch, once and not yet measured; returns how many are left. */
static int32_t settle_all(const fr_planner *p, int32_t *options, int32_t count) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t option = settle(p, options[i]);
        bool is_new = !fr_planner_find_record(p, &p->choice.options[option]);
        for (int32_t k = 0; k < kept; k++)
            is_new &= options[k] != option;
        if (is_new)
            options[kept++] = option;
    }
    return kept;
}

/* ---- what may be better yet ------------------------------------------------------------------------------------- */

/* Images a second, when all goes well; 0 = nothing is to be hoped for. */
static double hoped_for(const fr_planner *p, const fr_trust *trust, const fr_option *o) {
    const fr_limits *limits = &p->question.limits;
    if (o->measured > 0 || o->failed || o->broken == FR_LIMIT_DROP)
        return 0;
    fr_trusted is = fr_trust_ask(trust, o);
    if (limits->max_latency_ms > 0 && o->predicted.run_ns / 1e6 / is.speed > limits->max_latency_ms)
        return 0;
    if (limits->max_bytes > 0 && (double)o->predicted.bytes * is.bytes > (double)limits->max_bytes)
        return 0;
    return o->predicted.images_per_s * is.speed * (trust->n > 0 ? exp(courage * is.unsure) : 1);
}

/* The best of the ways that no taken one shares; -1 = none is above `least`. */
static int32_t next_best(const fr_planner *p, const double *speeds, double least, bool of_places, const int32_t *taken,
                         int32_t n) {
    int32_t best = -1;
    for (int32_t i = 0; i < (int32_t)p->choice.n_options; i++) {
        const fr_option *o = &p->choice.options[i];
        bool is_new = speeds[i] > (best < 0 ? least : speeds[best]);
        for (int32_t k = 0; k < n && is_new; k++) {
            const fr_option *other = &p->choice.options[taken[k]];
            is_new = of_places ? !same_place(p, o, other) : !same_but_for_batch(o, other);
        }
        best = is_new && !is_settled(p, i) ? i : best;
    }
    return best;
}

static double best_measured(const fr_planner *p) {
    double best = 0;
    for (size_t i = 0; i < p->choice.n_options; i++)
        if (p->choice.options[i].broken == FR_LIMIT_NONE)
            best = fmax(best, p->choice.options[i].measured);
    return best;
}

/* Adds options, up to `most`, that may be better than the best that was measured: of each fold, precision and schedule that is not in the
 * list yet the best, then of each rounding. */
static fr_status add_promising(const fr_planner *p, int32_t most, int32_t *list, int32_t *count) {
    double least = best_measured(p) * (1 + worth_it);
    fr_trust trust;
    FR_TRY(fr_trust_make(p, &trust));
    double *speeds = fr_alloc_array(p->choice.n_options, sizeof *speeds);
    for (size_t i = 0; speeds && i < p->choice.n_options; i++)
        speeds[i] = hoped_for(p, &trust, &p->choice.options[i]);
    fr_trust_free(&trust);
    if (!speeds)
        return fr_no_memory(p->choice.n_options * sizeof *speeds, "a plan");
    for (int level = 0; level < 2; level++)
        while (*count < most) {
            int32_t best = next_best(p, speeds, least, level == 0, list, *count);
            if (best < 0)
                break;
            list[(*count)++] = best;
        }
    fr_free(speeds);
    return FR_OK;
}

/* ---- when every one is predicted to break a limit ---------------------------------------------------------------- */

static bool may_keep_limits(const fr_option *o) { /* when it is measured: accuracy is what it is */
    return o->broken != FR_LIMIT_DROP && !o->failed;
}

static double excess_of(const fr_planner *p, int32_t option) {
    return fr_option_excess(&p->question, &p->choice.options[option], NULL);
}

static int32_t next_nearest(const fr_planner *p, bool plain, const int32_t *taken, int32_t n) {
    int32_t best = -1;
    for (int32_t i = 0; i < (int32_t)p->choice.n_options; i++) {
        const fr_option *o = &p->choice.options[i];
        bool is_new = may_keep_limits(o) && (!plain || is_plain(p, o));
        for (int32_t k = 0; k < n && is_new; k++)
            is_new = !same_but_for_batch(o, &p->choice.options[taken[k]]);
        if (is_new && (best < 0 || excess_of(p, i) < excess_of(p, best)))
            best = i;
    }
    return best;
}

/* The nearest to the limits, one of them at fold 1: predictions are wrong by a tenth or two, and more where nothing like it was profiled. */
static int32_t nearest(const fr_planner *p, int32_t *list) {
    int32_t count = 0, plain = next_nearest(p, true, NULL, 0);
    if (plain >= 0)
        list[count++] = plain;
    for (int32_t best; count < RIVALS && (best = next_nearest(p, false, list, count)) >= 0;)
        list[count++] = best;
    return count;
}

/* ---- the last word ------------------------------------------------------------------------------------------------ */

static bool is_rival(const fr_planner *p, int32_t option, double best, const int32_t *taken, int32_t n) {
    const fr_option *o = &p->choice.options[option];
    bool is_new = o->broken == FR_LIMIT_NONE && o->measured > 0 && o->measured >= best * (1 - rivalry);
    for (int32_t k = 0; k < n && is_new; k++)
        is_new = !same_but_for_batch(o, &p->choice.options[taken[k]]);
    return is_new;
}

/* The best two or three of different ways that lie together, one of them at fold 1 where there is one; none when they were compared in one
 * race already. */
static int32_t rivals(const fr_planner *p, int32_t *list) {
    double best = best_measured(p);
    int32_t count = 0;
    bool has_plain = false, apart = false;
    for (int32_t i = 0; i < (int32_t)p->choice.n_options; i++) { /* ranked: the best first */
        if (!is_rival(p, i, best, list, count))
            continue;
        bool plain = is_plain(p, &p->choice.options[i]);
        if (count == RIVALS && (has_plain || !plain))
            continue;
        count -= count == RIVALS;
        list[count++] = i;
        has_plain |= plain;
    }
    for (int32_t i = 1; i < count; i++)
        apart |= fr_planner_find_record(p, &p->choice.options[list[i]])->race !=
                 fr_planner_find_record(p, &p->choice.options[list[0]])->race;
    return apart ? count : 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

fr_status fr_planner_decide(fr_planner *p, fr_planner_measurer measure) {
    int32_t list[FR_PLANNER_MOST], most = p->options.measure > 0 ? p->options.measure : MEASURED, left = most;
    most = most > 1 ? most : 2; /* no fold wins that was not measured beside fold 1 */
    int32_t count = fr_choice_finalists(&p->question, &p->choice, most, list);
    if (count == 0)
        count = nearest(p, list);
    count = settle_all(p, list, count);
    FR_TRY(add_promising(p, most, list, &count));
    for (count = settle_all(p, list, count); count > 0;) {
        FR_TRY(measure(p, list, count, false));
        fr_planner_apply_records(p);
        count = 0;
        FR_TRY(add_promising(p, left < AT_ONCE ? left : AT_ONCE, list, &count));
        count = settle_all(p, list, count);
        left -= count;
    }
    count = rivals(p, list);
    if (count == 0)
        return FR_OK;
    FR_TRY(measure(p, list, count, true));
    fr_planner_apply_records(p);
    return FR_OK;
}
