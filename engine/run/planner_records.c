/* What was measured of a plan's options, and what it says about those that were not. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "run/planner.h"

static const double long_ns = 2.5e8; /* a batch that takes longer is not worth another tenth, unless it was asked for */
static const double short_ns = 3e7;  /* of one that takes less, what a run costs weighs more, and is known less well */

static bool is_of(const fr_planner_record *r, const fr_option *o) {
    return r->variant == o->variant && r->precision == o->precision && r->schedule == o->schedule &&
           r->batch == o->batch;
}

fr_status fr_planner_add_record(fr_planner *p, const fr_planner_record *record) {
    if (p->n_records == p->cap_records) {
        size_t cap = p->cap_records * 2 + 16;
        fr_planner_record *grown = fr_grow_array(p->records, p->cap_records, cap, sizeof *grown);
        if (!grown)
            return fr_no_memory(cap * sizeof *grown, "what was measured");
        p->records = grown;
        p->cap_records = cap;
    }
    p->records[p->n_records++] = *record;
    return FR_OK;
}

const fr_planner_record *fr_planner_find_record(const fr_planner *p, const fr_option *option) {
    for (size_t i = 0; i < p->n_records; i++)
        if (is_of(&p->records[i], option))
            return &p->records[i];
    return NULL;
}

void fr_planner_apply_records(fr_planner *p) {
    for (size_t i = 0; i < p->choice.n_options; i++) {
        fr_option *o = &p->choice.options[i];
        const fr_planner_record *r = fr_planner_find_record(p, o);
        if (!r)
            continue;
        o->failed = r->failed;
        o->measured = r->failed ? 0 : r->images_per_s;
        o->measured_low = r->low;
        o->measured_high = r->high;
        o->measured_ms = r->ms;
        o->measured_bytes = r->bytes;
    }
    fr_choice_rank(&p->question, &p->choice);
}

/* ---- what may be better yet ------------------------------------------------------------------------------------ */

typedef struct factors { /* measured over predicted, geometric means */
    double speed, bytes;
} factors;

/* Over the measured options of the same precision and schedule; over all where there are none. */
static factors factors_for(const fr_planner *p, const fr_option *like) {
    double speed[2] = {0}, bytes[2] = {0}, n[2] = {0};
    for (size_t i = 0; i < p->choice.n_options; i++) {
        const fr_option *o = &p->choice.options[i];
        if (!(o->measured > 0) || !(o->predicted.images_per_s > 0) || o->predicted.bytes == 0 || o->measured_bytes == 0)
            continue;
        bool same = o->precision == like->precision && o->schedule == like->schedule;
        for (int k = 0; k <= same; k++) {
            speed[k] += log(o->measured / o->predicted.images_per_s);
            bytes[k] += log((double)o->measured_bytes / (double)o->predicted.bytes);
            n[k] += 1;
        }
    }
    int k = n[1] > 0;
    return n[k] > 0 ? (factors){.speed = exp(speed[k] / n[k]), .bytes = exp(bytes[k] / n[k])}
                    : (factors){.speed = 1, .bytes = 1};
}

static double expected(const fr_planner *p, const fr_option *o) {
    const fr_limits *limits = &p->question.limits;
    if (o->measured > 0 || o->failed || o->broken == FR_LIMIT_DROP)
        return 0;
    factors f = factors_for(p, o);
    if (limits->max_latency_ms > 0 && o->predicted.run_ns / 1e6 / f.speed > limits->max_latency_ms)
        return 0;
    if (limits->max_bytes > 0 && (double)o->predicted.bytes * f.bytes > (double)limits->max_bytes)
        return 0;
    return o->predicted.images_per_s * f.speed;
}

static bool same_but_for_batch(const fr_option *a, const fr_option *b) {
    return a->variant == b->variant && a->precision == b->precision && a->schedule == b->schedule;
}

static bool same_place(const fr_planner *p, const fr_option *a, const fr_option *b) {
    return p->shapes[a->variant].fold == p->shapes[b->variant].fold && a->precision == b->precision &&
           a->schedule == b->schedule;
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
        best = is_new ? i : best;
    }
    return best;
}

fr_status fr_planner_promising(const fr_planner *p, int32_t most, int32_t *list, int32_t *count) {
    int32_t winner = fr_choice_winner(&p->question, &p->choice);
    double least = winner >= 0 ? p->choice.options[winner].measured * (1 + fr_choice_tie) : 0;
    double *speeds = fr_alloc_array(p->choice.n_options, sizeof *speeds);
    if (!speeds)
        return fr_no_memory(p->choice.n_options * sizeof *speeds, "a plan");
    for (size_t i = 0; i < p->choice.n_options; i++)
        speeds[i] = expected(p, &p->choice.options[i]);
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

/* ---- what to measure ------------------------------------------------------------------------------------------- */

/* The smallest batch that is as good by prediction, and no short one: it would be taken for the larger one, and takes less time to measure. */
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

int32_t fr_planner_settle(const fr_planner *p, int32_t *options, int32_t count) {
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
