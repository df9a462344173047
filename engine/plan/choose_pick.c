/* Of ranked options: which are worth measuring, and which one to take. And the roundings worth trying. */
#include <string.h>

#include "plan/choose_parts.h"

static const double chance = 1.35; /* of the best prediction over another one's: it might win after all */

/* ---- what to measure ------------------------------------------------------------------------------------------------ */

typedef enum likeness { /* what two finalists may not have in common */
                        BY_FOLD,
                        BY_SCHEDULE,
                        BY_PRECISION,
                        BY_PLACE,   /* fold, precision, schedule */
                        BY_VARIANT, /* and the rounding */
                        BY_BATCH    /* and the batch, or one within twice of it */
} likeness;

typedef struct finalists {
    const fr_choice_question *question;
    const fr_choice *choice;
    int32_t *out, count, most;
} finalists;

static bool can_win(const fr_option *o) {
    return o->broken == FR_LIMIT_NONE && !o->failed;
}

static bool are_alike(const finalists *f, const fr_option *a, const fr_option *b, likeness by) {
    bool place = a->precision == b->precision && a->schedule == b->schedule;
    bool near = a->batch < 2 * b->batch && b->batch < 2 * a->batch;
    switch (by) {
    case BY_FOLD: return f->question->variants[a->variant].fold == f->question->variants[b->variant].fold;
    case BY_SCHEDULE: return a->schedule == b->schedule;
    case BY_PRECISION: return a->precision == b->precision;
    case BY_PLACE: return place && f->question->variants[a->variant].fold == f->question->variants[b->variant].fold;
    case BY_VARIANT: return place && a->variant == b->variant;
    default: return place && a->variant == b->variant && near;
    }
}

static bool has_one_like(const finalists *f, int32_t option, likeness by) {
    for (int32_t i = 0; i < f->count; i++)
        if (f->out[i] == option || are_alike(f, &f->choice->options[f->out[i]], &f->choice->options[option], by))
            return true;
    return false;
}

static void take(finalists *f, int32_t option) { /* in the order of the rank */
    if (f->count == f->most)
        return;
    int32_t at = f->count++;
    for (; at > 0 && f->out[at - 1] > option; at--)
        f->out[at] = f->out[at - 1];
    f->out[at] = option;
}

static int32_t fastest(const finalists *f, bool is_plain) {
    int32_t best = -1;
    for (int32_t i = 0; i < (int32_t)f->choice->n_options; i++) {
        const fr_option *o = &f->choice->options[i];
        if (can_win(o) && (!is_plain || f->question->variants[o->variant].fold <= 1) &&
            (best < 0 || o->predicted.images_per_s > f->choice->options[best].predicted.images_per_s))
            best = i;
    }
    return best;
}

static void take_unlike(finalists *f, double least, likeness by) {
    for (int32_t i = 0; i < (int32_t)f->choice->n_options; i++) {
        const fr_option *o = &f->choice->options[i];
        if (can_win(o) && o->predicted.images_per_s >= least && !has_one_like(f, i, by))
            take(f, i);
    }
}

int32_t fr_choice_finalists(const fr_choice_question *q, const fr_choice *choice, int32_t most, int32_t *out) {
    finalists f = {.question = q, .choice = choice, .out = out, .most = most > 0 ? most : 0};
    int32_t first = fastest(&f, false), plain = fastest(&f, true);
    if (first < 0)
        return 0;
    take(&f, first);
    if (plain >= 0 && plain != first)
        take(&f, plain);
    double least = choice->options[first].predicted.images_per_s / chance;
    for (likeness by = BY_FOLD; by <= BY_BATCH; by++)
        take_unlike(&f, least, by);
    return f.count;
}

/* ---- what to take ------------------------------------------------------------------------------------------------------ */

int32_t fr_choice_winner(const fr_choice_question *q, const fr_choice *choice) {
    bool measured = false;
    double best = 0;
    int32_t winner = -1;
    for (size_t i = 0; i < choice->n_options; i++)
        measured |= choice->options[i].measured > 0; /* where all of them break a limit, no prediction is believed */
    for (size_t i = 0; i < choice->n_options; i++) {
        const fr_option *o = &choice->options[i];
        if (can_win(o) && (!measured || o->measured > 0) && fr_option_speed(o) > best)
            best = fr_option_speed(o);
    }
    for (int32_t i = 0; i < (int32_t)choice->n_options; i++) {
        const fr_option *o = &choice->options[i];
        if (!can_win(o) || (measured && o->measured <= 0) || fr_option_speed(o) < best * (1 - fr_choice_tie))
            continue;
        if (winner < 0 || fr_option_asks_less(q, o, &choice->options[winner]) < 0)
            winner = i;
    }
    return winner;
}

/* ---- roundings --------------------------------------------------------------------------------------------------------- */

int32_t fr_choice_roundings(const int32_t *quanta, int32_t n_quanta, fr_rounding *out, int32_t most) {
    static const fr_round ways[] = {FR_ROUND_UP, FR_ROUND_NEAREST, FR_ROUND_DOWN};
    int32_t count = 0;
    if (most > 0)
        out[count++] = (fr_rounding){FR_ROUND_FLOOR, 0};
    for (int32_t i = 0; i < n_quanta; i++)
        for (size_t k = 0; k < sizeof ways / sizeof ways[0] && quanta[i] > 1 && count < most; k++)
            out[count++] = (fr_rounding){ways[k], quanta[i]};
    return count;
}
