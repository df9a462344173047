/* What is to be known about a choice, in sentences. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/choose_parts.h"
#include "run/planner.h"

enum { MOST_NAMED = 6 };
static const double equal = 0.01, off = 0.25, noisy_share = 0.05, large_drift = 0.1;

typedef struct notes {
    const fr_planner *p;
    const fr_plan_result *r;
    fr_text text;
} notes;

static const fr_plan_row *choice_of(const notes *n) {
    return n->r->choice >= 0 ? &n->r->rows[n->r->choice] : NULL;
}

/* "folding by 2 was measured 8 % slower than no folding" */
static void compare(notes *n, const char *what, const fr_plan_row *row, const fr_plan_row *other, const char *than) {
    double by = row->measured / other->measured - 1;
    bool apart = row->measured_low > other->measured_high || other->measured_low > row->measured_high;
    if (fabs(by) < equal)
        fr_text_add(&n->text, "%s was measured as fast as %s\n", what, than);
    else if (by > 1)
        fr_text_add(&n->text, "%s was measured %.1f times as fast as %s\n", what, by + 1, than);
    else
        fr_text_add(&n->text, "%s was measured %.0f %% %s than %s%s\n", what, fabs(by) * 100,
                    by < 0 ? "slower" : "faster", than, apart ? "" : ", which is within the noise");
}

static bool keeps_limits(const fr_plan_row *row) {
    return row->measured > 0 && !row->broken;
}

/* ---- what was found -------------------------------------------------------------------------------------------- */

static const fr_plan_row *best_of_fold(const notes *n, int32_t fold) {
    const fr_plan_row *best = NULL;
    for (size_t i = 0; i < n->r->n_rows; i++) {
        const fr_plan_row *row = &n->r->rows[i];
        if (row->fold == fold && keeps_limits(row) && (!best || row->measured > best->measured))
            best = row;
    }
    return best;
}

static void add_folds(notes *n) {
    const fr_plan_row *plain = best_of_fold(n, 1), *choice = choice_of(n);
    bool slower = true, any = false;
    char what[96];
    int32_t last = 1;
    for (;;) { /* each fold once, ascending */
        int32_t fold = INT32_MAX;
        for (int32_t i = 0; i < n->p->n_variants; i++)
            if (n->p->shapes[i].fold > last && n->p->shapes[i].fold < fold)
                fold = n->p->shapes[i].fold;
        if (fold == INT32_MAX || !plain)
            break;
        last = fold;
        const fr_plan_row *best = best_of_fold(n, fold);
        if (!best)
            continue;
        any = true;
        slower &= best->measured < plain->measured;
        snprintf(what, sizeof what, "folding by %d", fold);
        compare(n, what, best, plain, "no folding");
    }
    if (choice && any && slower && choice->fold == 1 && choice->schedule == FR_SCHEDULE_CHAIN)
        fr_text_add(&n->text, "depth first at f=1 beats every fold that was measured, and keeps the accuracy\n");
}

static void add_schedules(notes *n) {
    const fr_plan_row *choice = choice_of(n), *other = NULL;
    if (!choice || choice->measured <= 0)
        return;
    for (size_t i = 0; i < n->r->n_rows; i++) {
        const fr_plan_row *row = &n->r->rows[i];
        if (row->model == choice->model && row->fold == choice->fold && row->round == choice->round &&
            row->quantum == choice->quantum && row->precision == choice->precision && row->batch == choice->batch &&
            row->schedule != choice->schedule && keeps_limits(row) && (!other || row->measured > other->measured))
            other = row;
    }
    bool chain = choice->schedule == FR_SCHEDULE_CHAIN;
    if (other)
        compare(n, chain ? "depth first" : "layer by layer", choice, other, chain ? "layer by layer" : "depth first");
}

static const fr_planner_variant *variant_of(const notes *n, int32_t model, int32_t fold, fr_round round,
                                            int32_t quantum) {
    for (int32_t i = 0; i < n->p->n_variants; i++) {
        const fr_variant *s = &n->p->shapes[i];
        if (n->p->variants[i].index == model && s->fold == fold && s->round == round && s->quantum == quantum)
            return &n->p->variants[i];
    }
    return NULL;
}

/* The first layer in which two shapes differ: how many channels it has in each. */
static bool widths_of(const fr_steps *a, const fr_steps *b, int32_t *out_a, int32_t *out_b) {
    for (int32_t i = 0; i < a->n_items && i < b->n_items; i++)
        if (a->items[i].step.dst.c != b->items[i].step.dst.c) {
            *out_a = a->items[i].step.dst.c;
            *out_b = b->items[i].step.dst.c;
            return true;
        }
    return false;
}

/* Against the paper's widths at the same fold, precision, schedule and batch. */
static void add_rounding(notes *n) {
    const fr_plan_row *choice = choice_of(n), *paper = NULL;
    int32_t had, has;
    if (!choice || choice->quantum < 2)
        return;
    const fr_planner_variant *before = variant_of(n, choice->model, choice->fold, FR_ROUND_FLOOR, 0),
                             *after = variant_of(n, choice->model, choice->fold, choice->round, choice->quantum);
    for (size_t i = 0; i < n->r->n_rows && !paper; i++) {
        const fr_plan_row *row = &n->r->rows[i];
        if (row->model == choice->model && row->fold == choice->fold && row->quantum == 0 &&
            row->precision == choice->precision && row->schedule == choice->schedule && row->batch == choice->batch)
            paper = row;
    }
    if (!before || !after || !paper || !widths_of(&before->steps, &after->steps, &had, &has))
        return;
    bool measured = choice->measured > 0 && paper->measured > 0;
    double gain = measured ? choice->measured / paper->measured - 1 : choice->predicted / paper->predicted - 1;
    if (fabs(gain) <= fr_choice_tie)
        fr_text_add(&n->text, "%d channels cost what %d cost: rounding %s:%d proposed\n", has, had,
                    fr_round_name(choice->round), choice->quantum);
    else
        fr_text_add(&n->text, "with %d channels instead of %d it %s %.0f %% %s: rounding %s:%d proposed\n", has, had,
                    measured ? "was measured" : "is expected to be", fabs(gain) * 100, gain > 0 ? "faster" : "slower",
                    fr_round_name(choice->round), choice->quantum);
}

/* ---- what is not known ----------------------------------------------------------------------------------------- */

/* "two.onnx"; "v1 at f=2, widths rounded up:16" */
static void add_variant(notes *n, int32_t variant) {
    const fr_variant *shape = &n->p->shapes[variant];
    fr_text_add(&n->text, "%s", n->p->variants[variant].label);
    if (n->p->variants[variant].made)
        fr_text_add(&n->text, " at f=%d", shape->fold);
    if (shape->quantum > 1)
        fr_text_add(&n->text, ", widths rounded %s:%d", fr_round_name(shape->round), shape->quantum);
}

/* A limit on the drop keeps out nothing whose accuracy is unknown. */
static void add_unjudged(notes *n, bool shapes) {
    const char *until = shapes ? "these shapes are trained and their accuracies are in the files"
                               : "each file tells its accuracy (foldrun.accuracy)";
    int32_t named = 0, unknown = 0, folded = 0, folded_unknown = 0;
    for (int32_t i = 0; i < n->p->n_variants; i++) {
        bool is_unknown = n->p->shapes[i].accuracy<0, is_folded = n->p->shapes[i].fold> 1;
        unknown += is_unknown;
        folded += is_folded;
        folded_unknown += is_folded && is_unknown;
    }
    if (n->r->plain_accuracy < 0 || (folded > 0 && folded_unknown == folded)) {
        fr_text_add(
            &n->text, "a limit on the drop in accuracy could not be judged%s: ranked by speed alone, until %s\n",
            n->r->plain_accuracy < 0 && folded_unknown < folded ? ", for that of fold 1 is unknown" : "", until);
        return;
    }
    fr_text_add(&n->text,
                "the limit on the drop in accuracy cannot judge what has none in its file, and is ranked by speed: ");
    for (int32_t i = 0; i < n->p->n_variants && named < MOST_NAMED; i++)
        if (n->p->shapes[i].accuracy < 0) {
            fr_text_add(&n->text, "%s", named++ > 0 ? "; " : "");
            add_variant(n, i);
        }
    if (unknown > named)
        fr_text_add(&n->text, "; and %d more", unknown - named);
    fr_text_add(&n->text, "\n");
}

static void add_training(notes *n) {
    const fr_plan_row *choice = choice_of(n);
    int32_t least = INT32_MAX, most = 0;
    for (int32_t i = 0; i < n->p->n_variants; i++)
        if (n->p->variants[i].made && n->p->shapes[i].accuracy < 0) {
            int32_t fold = n->p->shapes[i].fold;
            least = fold < least ? fold : least;
            most = fold > most ? fold : most;
        }
    if (most > 0 && least == most)
        fr_text_add(&n->text, "the shapes of fold %d are not trained: accuracy is unknown\n", most);
    else if (most > 0)
        fr_text_add(&n->text, "the shapes of fold %d..%d are not trained: accuracy is unknown\n", least, most);
    if (n->r->drop_unjudged)
        add_unjudged(n, most > 0);
    if (!choice || choice->trained)
        return;
    const fr_planner_variant *v = variant_of(n, choice->model, choice->fold, choice->round, choice->quantum);
    if (!v || !v->made) {
        fr_text_add(&n->text, "%s has no trained weights\n", choice->label);
        return;
    }
    fr_text_add(&n->text, "to be trained: ");
    add_variant(n, (int32_t)(v - n->p->variants));
    fr_text_add(&n->text, "\n");
}

static bool was_measured(const fr_probe *probe, fr_precision precision) {
    for (size_t i = 0; i < probe->n_points; i++)
        if (probe->points[i].precision == precision && probe->points[i].ns > 0)
            return true;
    return false;
}

/* Precisions of the plan that the profile was not made for: limits are all that is known of them. */
static void add_precisions(notes *n, const char *what) {
    fr_text list = {0};
    for (int i = 0; i < FR_PRECISIONS; i++)
        if (n->p->options.precisions >> i & 1u && !was_measured(&n->p->probe, (fr_precision)i))
            fr_text_add(&list, "%s%s", list.length > 0 ? ", " : "", fr_precision_name((fr_precision)i));
    if (list.length > 0)
        fr_text_add(&n->text, "%s has no %s: 'foldrun profile --device %s' measures it\n", what, list.data,
                    n->r->device);
    n->text.failed |= list.failed;
    fr_text_free(&list);
}

static void add_profile(notes *n) {
    const fr_probe *probe = &n->p->probe;
    const char *what = n->p->from_file ? "the profile" : "the device's profile";
    const fr_plan_row *choice = choice_of(n);
    size_t noisy = 0, measured = 0;
    for (size_t i = 0; i < probe->n_points; i++) {
        measured += probe->points[i].ns > 0;
        noisy += probe->points[i].ns > 0 && probe->points[i].noisy;
    }
    if (choice && choice->guessed_steps > 0)
        fr_text_add(&n->text, "%d of %d steps lie beyond what was measured of the device\n", choice->guessed_steps,
                    choice->n_steps);
    add_precisions(n, what);
    if (n->r->stale_profile)
        fr_text_add(&n->text,
                    "%s is stale: it is of another driver or foldrun; 'foldrun profile --device %s' makes a new one\n",
                    what, n->r->device);
    if (n->r->quick_profile)
        fr_text_add(&n->text, "%s is a quick one: 'foldrun profile --device %s' takes minutes and predicts better\n",
                    what, n->r->device);
    else if (!probe->complete)
        fr_text_add(&n->text, "%s is not finished: 'foldrun profile --device %s' goes on with it\n", what,
                    n->r->device);
    if ((double)noisy > noisy_share * (double)measured)
        fr_text_add(&n->text, "%s is noisy: %zu of its %zu points did not come out alike\n", what, noisy, measured);
    if (probe->worst_drift > large_drift)
        fr_text_add(&n->text, "the machine slowed down by up to %.0f %% while it was profiled\n",
                    probe->worst_drift * 100);
}

static void add_measuring(notes *n) {
    const fr_plan_row *choice = choice_of(n), *failed = NULL;
    size_t n_failed = 0;
    bool int8 = choice && choice->precision == FR_PRECISION_INT8;
    for (size_t i = 0; i < n->r->n_rows; i++) {
        const fr_plan_row *row = &n->r->rows[i];
        int8 |= row->precision == FR_PRECISION_INT8 && row->measured > 0;
        n_failed += row->why[0] != 0;
        failed = failed || !row->why[0] ? failed : row;
    }
    if (failed)
        fr_text_add(&n->text, "%zu option%s could not be measured; the first (f=%d %s %s, batch %lld): %s\n", n_failed,
                    n_failed > 1 ? "s" : "", failed->fold, fr_precision_name(failed->precision),
                    fr_schedule_name(failed->schedule), (long long)failed->batch, failed->why);
    if (choice && choice->measured <= 0)
        fr_text_add(&n->text, "nothing was measured for this choice: it is a prediction%s\n",
                    n->p->from_file ? " from a profile" : "");
    if (choice && choice->measured > 0 && fabs(choice->measured / choice->predicted - 1) > off)
        fr_text_add(&n->text, "the choice was measured at %.0f %% of what was predicted\n",
                    choice->measured / choice->predicted * 100);
    if (int8)
        fr_text_add(&n->text, "int8 ranges come from seeded images: calibrate before trusting answers\n");
}

static bool any_measured(const notes *n) {
    for (size_t i = 0; i < n->r->n_rows; i++)
        if (n->r->rows[i].measured > 0)
            return true;
    return false;
}

/* By how much the best that there is breaks them. What a drop keeps out is not near them, however fast it is. */
static void add_nearest(notes *n, bool measured) {
    const fr_choice *choice = &n->p->choice;
    const fr_option *best = NULL;
    double least = 0;
    fr_limit limit = FR_LIMIT_NONE;
    for (size_t i = 0; i < choice->n_options; i++) {
        const fr_option *o = &choice->options[i];
        fr_limit of = FR_LIMIT_NONE;
        double excess = fr_option_excess(&n->p->question, o, &of);
        if (o->broken == FR_LIMIT_DROP || excess <= 1 || (measured && o->measured <= 0) || (best && excess >= least))
            continue;
        best = o;
        least = excess;
        limit = of;
    }
    if (!best)
        return;
    fr_text_add(&n->text, "the nearest, f=%d %s %s in batches of %lld, %s ", n->p->shapes[best->variant].fold,
                fr_precision_name(best->precision), fr_schedule_name(best->schedule), (long long)best->batch,
                measured ? "was measured" : "is predicted");
    const char *what = limit == FR_LIMIT_LATENCY ? "latency" : "memory";
    if (least < 2)
        fr_text_add(&n->text, "%.2g %% over the limit on %s\n", (least - 1) * 100, what);
    else
        fr_text_add(&n->text, "at %.3g times the limit on %s\n", least, what);
}

/* How near the limits it comes. */
static void add_limits(notes *n) {
    const fr_limits *limits = &n->p->question.limits;
    double least_ms = HUGE_VAL, least_mb = HUGE_VAL;
    bool measured = any_measured(n);
    if (n->r->choice >= 0)
        return;
    fr_text_add(&n->text, "every option breaks a limit");
    for (size_t i = 0; i < n->r->n_rows; i++) {
        const fr_plan_row *row = &n->r->rows[i];
        if (measured && row->measured <= 0) /* no prediction is believed where there is more */
            continue;
        double ms = row->measured > 0 ? row->measured_ms : row->predicted_ms;
        double mb = (double)(row->measured > 0 ? row->measured_bytes : row->predicted_bytes) / 1e6;
        least_ms = ms < least_ms ? ms : least_ms;
        least_mb = mb < least_mb ? mb : least_mb;
    }
    if (limits->max_latency_ms > 0)
        fr_text_add(&n->text, "; the quickest batch takes %.3g ms, the limit is %.3g ms", least_ms,
                    limits->max_latency_ms);
    if (limits->max_bytes > 0)
        fr_text_add(&n->text, "; the smallest takes %.3g MB, the limit is %.3g MB", least_mb,
                    (double)limits->max_bytes / 1e6);
    fr_text_add(&n->text, "\n");
    add_nearest(n, measured);
}

fr_status fr_planner_notes(const fr_planner *p, const fr_plan_result *result, char **out_notes) {
    notes n = {.p = p, .r = result};
    *out_notes = NULL;
    add_limits(&n);
    add_folds(&n);
    add_schedules(&n);
    add_rounding(&n);
    add_training(&n);
    add_measuring(&n);
    add_profile(&n);
    fr_text_add(&n.text, "%s", p->refused.data ? p->refused.data : "");
    if (n.text.failed) {
        fr_text_free(&n.text);
        return fr_no_memory(0, "a plan's notes");
    }
    *out_notes = n.text.data;
    return FR_OK;
}
