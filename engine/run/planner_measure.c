/* The best options of a plan, run as a user would run them: tuned, opened afresh, then in turn, so that drift hits all alike. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/status.h"
#include "run/planner.h"

enum { SURE_ROUNDS = 3, LEAST_ROUNDS = 5, DUEL_ROUNDS = 9, MOST_ROUNDS = 24, TUNE_MS = 1500 };

static const uint64_t round_ns = 40000000;    /* an option runs at least this long in each */
static const uint64_t option_ns = 1200000000; /* and in all of them about this long at most */
static const uint64_t duel_ns = 600000000;    /* in a duel */
static const double hopeless = 0.6;           /* of the best: after two rounds it runs no more */

typedef struct runner {
    fr_planner_record record;
    fr_session *session;
    const fr_model *model;
    double samples[MOST_ROUNDS]; /* images a second */
    int32_t n;
    uint64_t spent_ns;
    bool crowded;  /* there was no memory for it beside the others: it runs alone */
    double before; /* images a second in an earlier measurement: what the others are compared by. 0 = it is new */
} runner;

typedef struct race {
    fr_planner *p;
    runner *runners;
    int32_t count;
    bool is_duel;
    uint8_t *images;
    float *out;
    int32_t step, steps; /* for progress */
    bool stopped;
} race;

fr_session_options fr_planner_session(const fr_planner *p, fr_precision precision, fr_schedule schedule,
                                      int64_t batch) {
    fr_session_options o = FR_OPTIONS(fr_session_options);
    o.device = p->options.device;
    o.precision = precision;
    o.exact = p->options.exact;
    o.batch = (int32_t)batch;
    o.threads = p->options.threads;
    o.pin = p->options.pin;
    o.schedule = schedule;
    o.tune_ms = p->options.tune_ms > 0 ? p->options.tune_ms : TUNE_MS;
    return o;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void fail(runner *r, fr_status status) {
    char *kernels = r->record.kernels;
    r->record.kernels = NULL;
    fr_string_free(kernels);
    r->record.images_per_s = r->record.low = r->record.high = 0;
    r->record.failed = true;
    r->record.status = status;
    r->n = 0;
    snprintf(r->record.why, sizeof r->record.why, "%s", fr_error_sentence());
    fr_session_close(r->session);
    r->session = NULL;
}

static void tell_session(void *user, const char *what, double fraction) {
    race *a = user;
    char text[160];
    const runner *r = &a->runners[a->step];
    snprintf(text, sizeof text, "f=%d %s %s, batch %lld: %s", a->p->shapes[r->record.variant].fold,
             fr_precision_name(r->record.precision), fr_schedule_name(r->record.schedule), (long long)r->record.batch,
             what);
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    a->stopped |= fr_planner_tell(a->p, text, (a->step + fraction) / a->steps) != FR_OK;
}

static fr_status tune(race *a, runner *r) {
    fr_session_options o = fr_planner_session(a->p, r->record.precision, r->record.schedule, r->record.batch);
    o.tuning = a->p->options.fresh ? FR_TUNING_FRESH : FR_TUNING_CACHED;
    o.progress = tell_session;
    o.progress_user = a;
    FR_TRY(fr_session_open(a->p->context, r->model, &o, &r->session));
    fr_status status = fr_session_plan_text(r->session, &r->record.kernels);
    fr_session_close(r->session);
    r->session = NULL;
    return status;
}

/* As a user's next session will be: nothing of the tuning is left but its choice. */
static fr_status reopen(race *a, runner *r) {
    fr_session_info info = FR_OPTIONS(fr_session_info);
    fr_session_options o = fr_planner_session(a->p, r->record.precision, r->record.schedule, r->record.batch);
    o.plan = r->record.kernels;
    FR_TRY(fr_session_open(a->p->context, r->model, &o, &r->session));
    FR_TRY(fr_session_describe(r->session, &info));
    r->record.bytes = info.planned_bytes + info.weight_bytes;
    if (!info.plan_refused)
        return FR_OK;
    fr_string_free(r->record.kernels); /* something was found bad since: what runs now is what is measured */
    r->record.kernels = NULL;
    return fr_session_plan_text(r->session, &r->record.kernels);
}

static fr_status run_once(race *a, runner *r) {
    fr_images images = {.data = a->images, .dtype = FR_U8, .count = r->record.batch};
    return fr_session_run(r->session, &images, a->out);
}

/* The first run pays for what is set up late. */
static void open_runner(race *a, runner *r, bool alone) {
    fr_status status = reopen(a, r);
    if (status == FR_OK)
        status = run_once(a, r);
    if (status == FR_NO_MEMORY && !alone) {
        fr_session_close(r->session);
        r->session = NULL;
        r->crowded = true;
    } else if (status != FR_OK) {
        fail(r, status);
    }
}

/* ---- rounds ---------------------------------------------------------------------------------------------------- */

/* Of the samples in order; between two of them by distance. */
static double quantile(const double *sorted, int32_t n, double share) {
    double at = share * (n - 1);
    int32_t below = (int32_t)at;
    return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]) : sorted[n - 1];
}

static void sum_up(runner *r) {
    double sorted[MOST_ROUNDS];
    if (r->n == 0)
        return;
    memcpy(sorted, r->samples, (size_t)r->n * sizeof *sorted);
    fr_sort_numbers(sorted, (size_t)r->n);
    r->record.images_per_s = quantile(sorted, r->n, 0.5);
    r->record.low = quantile(sorted, r->n, 0.1);
    r->record.high = quantile(sorted, r->n, 0.9);
    r->record.ms = (double)r->record.batch * 1e3 / r->record.images_per_s;
}

static const runner *best_of(const race *a) {
    const runner *best = NULL;
    for (int32_t i = 0; i < a->count; i++)
        if (a->runners[i].n > 0 && (!best || a->runners[i].record.images_per_s > best->record.images_per_s))
            best = &a->runners[i];
    return best;
}

static bool overlap(const runner *a, const runner *b) {
    return a->record.high >= b->record.low && b->record.high >= a->record.low;
}

/* The first rounds are everybody's; the others are for those that cannot be told from the best. */
static bool wants_more(const race *a, const runner *r, const runner *best) {
    if (a->is_duel)
        return r->session && r->n < DUEL_ROUNDS && (r->n < SURE_ROUNDS || r->spent_ns < duel_ns);
    if (!r->session || r->n == MOST_ROUNDS || (r->n >= SURE_ROUNDS && r->spent_ns > option_ns))
        return false;
    if (r->n < LEAST_ROUNDS)
        return r->n < 2 || r->record.images_per_s > hopeless * best->record.images_per_s;
    bool rivals = false;
    for (int32_t i = 0; i < a->count; i++)
        rivals |= &a->runners[i] != best && a->runners[i].n > 0 && overlap(&a->runners[i], best);
    return rivals && overlap(r, best);
}

static void run_round(race *a, runner *r) {
    uint64_t begin = fr_clock_ns(), now;
    int64_t images = 0;
    do {
        fr_status status = run_once(a, r);
        if (status != FR_OK) {
            fail(r, status);
            return;
        }
        images += r->record.batch;
        now = fr_clock_ns();
    } while (now - begin < round_ns);
    r->spent_ns += now - begin;
    r->samples[r->n++] = (double)images * 1e9 / (double)(now - begin);
    sum_up(r);
}

static fr_status run_rounds(race *a) {
    bool more = true;
    for (int32_t round = 0; more && round < MOST_ROUNDS; round++) {
        more = false;
        for (int32_t i = 0; i < a->count; i++) {
            if (!wants_more(a, &a->runners[i], best_of(a)))
                continue;
            double done = round < LEAST_ROUNDS ? (double)(round * a->count + i) / (LEAST_ROUNDS * a->count) : 1;
            FR_TRY(fr_planner_tell(a->p, "comparing the best options", (a->count + done * a->count) / a->steps));
            run_round(a, &a->runners[i]);
            more = true;
        }
    }
    return FR_OK;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static fr_status make_buffers(race *a) {
    const fr_steps *steps = &a->p->variants[0].steps;
    const fr_tensor *image = &steps->items[0].step.src[0];
    size_t image_bytes = (size_t)image->c * (size_t)image->h * (size_t)image->w, count = 0;
    for (int32_t i = 0; i < a->count; i++)
        count = (size_t)a->runners[i].record.batch > count ? (size_t)a->runners[i].record.batch : count;
    a->images = fr_alloc_array(count, image_bytes);
    a->out = fr_alloc_array(count, (size_t)steps->classes * sizeof *a->out);
    if (!a->images || !a->out)
        return fr_no_memory(count * image_bytes, "the images of a measurement");
    fr_random random = {1};
    for (size_t i = 0; i < count * image_bytes; i++)
        a->images[i] = (uint8_t)fr_random_next(&random);
    return FR_OK;
}

static fr_status tune_all(race *a) {
    for (a->step = 0; a->step < a->count; a->step++) {
        runner *r = &a->runners[a->step];
        tell_session(a, "opening", 0);
        if (a->stopped)
            return fr_fail(FR_CANCELLED, "interrupted: no plan was made");
        fr_status status = r->before > 0 ? FR_OK : tune(a, r);
        if (status != FR_OK)
            fail(r, status);
    }
    return FR_OK;
}

static fr_status race_all(race *a) {
    FR_TRY(tune_all(a));
    for (int32_t i = 0; i < a->count; i++)
        if (!a->runners[i].record.failed)
            open_runner(a, &a->runners[i], false);
    FR_TRY(run_rounds(a));
    for (int32_t i = 0; i < a->count; i++) {
        fr_session_close(a->runners[i].session);
        a->runners[i].session = NULL;
    }
    for (int32_t i = 0; i < a->count; i++) {
        runner *r = &a->runners[i];
        if (!r->crowded || a->is_duel) /* alone there is nothing to compare it with */
            continue;
        open_runner(a, r, true);
        FR_TRY(run_rounds(a));
        fr_session_close(r->session);
        r->session = NULL;
    }
    return FR_OK;
}

/* As all would have been with the machine as it was when those that are known ran. */
static void undo_drift(race *a) {
    double sum = 0, known = 0;
    for (int32_t i = 0; i < a->count; i++)
        if (a->runners[i].before > 0 && a->runners[i].n > 0) {
            sum += log(a->runners[i].before / a->runners[i].record.images_per_s);
            known += 1;
        }
    double drift = known > 0 ? exp(sum / known) : 1;
    for (int32_t i = 0; i < a->count; i++) {
        fr_planner_record *r = &a->runners[i].record;
        r->images_per_s *= drift;
        r->low *= drift;
        r->high *= drift;
        r->ms /= drift;
    }
}

static void keep_again(race *a, const runner *r) {
    const fr_planner_record *now = &r->record;
    fr_planner_record *record = fr_planner_find_record(a->p, &(fr_option){.variant = now->variant,
                                                                          .precision = now->precision,
                                                                          .schedule = now->schedule,
                                                                          .batch = now->batch});
    if (!record || r->n < SURE_ROUNDS)
        return;
    record->images_per_s = now->images_per_s;
    record->low = now->low;
    record->high = now->high;
    record->ms = now->ms;
    record->race = a->p->n_races;
}

static fr_status keep_all(race *a) {
    undo_drift(a);
    a->p->n_races++;
    for (int32_t i = 0; i < a->count; i++) {
        runner *r = &a->runners[i];
        if (a->is_duel)
            keep_again(a, r);
        if (r->before > 0)
            continue;
        r->record.race = a->p->n_races;
        FR_TRY(fr_planner_add_record(a->p, &r->record));
        r->record.kernels = NULL; /* the record's now */
    }
    return FR_OK;
}

static void make_runner(race *a, int32_t option) {
    const fr_option *o = &a->p->choice.options[option];
    runner *r = &a->runners[a->count++];
    r->model = a->p->variants[o->variant].model;
    r->record = (fr_planner_record){
        .variant = o->variant, .precision = o->precision, .schedule = o->schedule, .batch = o->batch};
}

/* One that has its record runs again, with the kernels that it had. */
static fr_status add_known(race *a, int32_t option) {
    const fr_planner_record *known = fr_planner_find_record(a->p, &a->p->choice.options[option]);
    if (!known || known->failed || !known->kernels)
        return FR_OK;
    make_runner(a, option);
    runner *r = &a->runners[a->count - 1];
    r->before = known->images_per_s;
    r->record.kernels = fr_strdup(known->kernels);
    return r->record.kernels ? FR_OK : fr_no_memory(strlen(known->kernels), "a measurement");
}

/* The best so far runs along with those that come later. */
static fr_status add_runners(race *a, const int32_t *options, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        if (a->is_duel)
            FR_TRY(add_known(a, options[i]));
        else
            make_runner(a, options[i]);
    }
    int32_t winner = !a->is_duel && a->p->n_records > 0 ? fr_choice_winner(&a->p->question, &a->p->choice) : -1;
    return winner >= 0 ? add_known(a, winner) : FR_OK;
}

fr_status fr_planner_measure(fr_planner *p, const int32_t *options, int32_t count, bool is_duel) {
    race a = {.p = p, .is_duel = is_duel};
    fr_status status = FR_OK;
    a.runners = fr_alloc_array((size_t)count + 1, sizeof *a.runners);
    if (!a.runners)
        return fr_no_memory((size_t)count * sizeof *a.runners, "a measurement");
    FR_GO(cleanup, add_runners(&a, options, count));
    if (a.count == 0) /* a duel of options whose kernels are not known */
        goto cleanup;
    a.steps = 2 * a.count;
    FR_GO(cleanup, make_buffers(&a));
    FR_GO(cleanup, race_all(&a));
    status = keep_all(&a);
cleanup:
    for (int32_t i = 0; i < a.count; i++) {
        fr_session_close(a.runners[i].session);
        fr_free(a.runners[i].record.kernels);
    }
    fr_free(a.runners);
    fr_free(a.images);
    fr_free(a.out);
    return status;
}
