/*
 * The rounds of a comparison. Kernels are chosen first; then every configuration whose interval is not yet narrow is visited once a
 * round, in an order of its own each time, so that drift and neighbours hit all alike, until all are narrow or the budget ends.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/compare_run.h"
#include "cli/table.h"

enum {
    KEEP_EVERY_S = 5,
    KEEP_AGAIN_S = 60, /* when the file could not be written */
    KEEP_SHARE = 20    /* of the time goes to keeping, at most: one part in so many */
};

double cmp_elapsed(const cmp_run *run) {
    return (double)(fr_clock_ns() - run->start_ns) / 1e9;
}

void cmp_say(void *user, const char *what, double fraction) {
    cmp_run *run = user;
    if (fraction > 0)
        cli_progress_say(&run->line, "%s: %s, %.0f%%", run->doing, what, 100 * fraction);
    else
        cli_progress_say(&run->line, "%s: %s", run->doing, what);
}

static bool is_spent(const cmp_run *run) {
    return cmp_elapsed(run) >= run->request->budget_s;
}

/* "12 of 480 measured, at most 90 s left (v1, fold 4, batch 256, f32, opencl:0)" */
static void say_where(cmp_run *run, const char *what, size_t done, size_t all, double left_s,
                      const cmp_config *config) {
    double budget_left = run->request->budget_s - cmp_elapsed(run);
    if (left_s > budget_left)
        left_s = budget_left > 0 ? budget_left : 0;
    snprintf(run->doing, sizeof run->doing, "%s of %s %s, at most %.0f s left", cli_integer((int64_t)done).text,
             cli_integer((int64_t)all).text, what, left_s);
    cli_progress_say(&run->line, "%s (%.60s, fold %d, batch %lld, %s, %s)", run->doing,
                     run->models[config->model].label, config->fold, (long long)config->batch,
                     fr_precision_name(config->precision), run->targets[config->target].entry->id);
}

/* ---- keeping ---- */

/* A disk that is full for a while ends nothing: the failure has been told, and the file is written again at the end. */
static void keep_now_and_then(cmp_run *run) {
    uint64_t start = fr_clock_ns(), since = start - run->kept_ns;
    int every_s = run->keeping_failed ? KEEP_AGAIN_S : KEEP_EVERY_S;
    if (!run->request->output || since < (uint64_t)every_s * 1000000000u || since < KEEP_SHARE * run->keeping_ns)
        return;
    run->set->seconds = run->seconds_before + cmp_elapsed(run);
    run->keeping_failed = cmp_set_write(run->request->output, run->set) != CLI_DONE;
    run->kept_ns = fr_clock_ns();
    run->keeping_ns = run->kept_ns - start;
}

/* ---- failures ---- */

/* A row that failed has no figure. */
static int fail_row(cmp_run *run, cmp_config *config, const char *why) {
    cmp_row *row = cmp_row_of(run, config);
    config->is_over = true;
    if (!row) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    cmp_row_forget(row);
    row->failed = true;
    cmp_copy_text(row->reason, sizeof row->reason, why);
    return CLI_DONE;
}

static bool has_figure(const cmp_run *run, const cmp_config *config) {
    const cmp_row *row = config->row >= 0 ? &run->set->rows[config->row] : NULL;
    return row && !row->failed && row->n_visits >= CMP_LEAST_VISITS;
}

/* What has its figure keeps it. */
static int give_up_device(cmp_run *run, size_t target, const char *why) {
    int code = CLI_DONE;
    cli_complain("note: %s is given up: %s", run->targets[target].entry->id, why);
    for (size_t i = 0; i < run->n_configs && code == CLI_DONE; i++) {
        cmp_config *c = &run->configs[i];
        if (c->target != target || c->is_over)
            continue;
        if (has_figure(run, c))
            c->is_over = true;
        else
            code = fail_row(run, c, why);
    }
    return code;
}

/* One configuration may lose a device that comes back; a device that is lost twice on end is gone. */
static int take_status(cmp_run *run, cmp_config *config, fr_status status) {
    cmp_target *target = &run->targets[config->target];
    bool is_lost = status == FR_DEVICE_LOST || (status == FR_UNAVAILABLE && target->losses > 0);
    char why[CMP_REASON];
    target->losses = is_lost ? target->losses + 1 : 0;
    if (status == FR_OK || status == FR_CANCELLED)
        return CLI_DONE;
    snprintf(why, sizeof why, "%s", run->why);
    int code = fail_row(run, config, why);
    if (code == CLI_DONE && target->losses >= 2)
        code = give_up_device(run, config->target, why);
    return code;
}

/* ---- kernels ---- */

static size_t list_open(const cmp_run *run, bool ready, size_t *order) {
    size_t count = 0;
    for (size_t i = 0; i < run->n_configs; i++)
        if (!run->configs[i].is_over && (run->configs[i].plan != NULL) == ready)
            order[count++] = i;
    return count;
}

/* Takes half of the time that is left, or as long as one takes. What is not ready by then waits until the others have figures. */
static int make_ready(cmp_run *run, size_t *order) {
    double before = cmp_elapsed(run), until = before + (run->request->budget_s - before) / 2;
    size_t count = list_open(run, false, order);
    int code = CLI_DONE;
    cmp_shuffle(&run->random, order, count);
    for (size_t i = 0; i < count && code == CLI_DONE && !cli_interrupted(); i++) {
        cmp_config *c = &run->configs[order[i]];
        double each = i > 0 ? (cmp_elapsed(run) - before) / (double)i : run->request->tune_s;
        if (is_spent(run) || (i > 0 && cmp_elapsed(run) >= until))
            break;
        if (c->is_over)
            continue;
        say_where(run, "tuned", i, count, each * (double)(count - i), c);
        code = take_status(run, c, cmp_make_ready(run, c));
        keep_now_and_then(run);
    }
    return code;
}

/* ---- rounds ---- */

typedef struct pace {
    size_t visits;
    double seconds;
} pace;

/* At most; how many it takes until an interval is narrow nobody knows. */
static size_t visits_left(const cmp_run *run) {
    size_t left = 0;
    for (size_t i = 0; i < run->n_configs; i++) {
        const cmp_config *c = &run->configs[i];
        size_t had = c->row >= 0 ? run->set->rows[c->row].n_visits : 0;
        if (!c->is_over && c->plan && had < CMP_MOST_VISITS)
            left += CMP_MOST_VISITS - had;
    }
    return left;
}

static size_t measured(const cmp_run *run) {
    size_t done = 0;
    for (size_t i = 0; i < run->n_configs; i++)
        done += run->configs[i].is_over || has_figure(run, &run->configs[i]);
    return done;
}

static int visit(cmp_run *run, cmp_config *c, pace *p) {
    double each = p->visits > 0 ? p->seconds / (double)p->visits : 2 * run->request->slice_s;
    double start = cmp_elapsed(run);
    say_where(run, "measured", measured(run), run->n_configs, each * (double)visits_left(run), c);
    fr_status status = cmp_visit_once(run, c);
    int code = take_status(run, c, status);
    if (code == CLI_DONE && status == FR_OK)
        c->is_over = cmp_is_done(run, &run->set->rows[c->row]);
    p->visits++;
    p->seconds += cmp_elapsed(run) - start;
    keep_now_and_then(run);
    return code;
}

static int go_round(cmp_run *run, size_t *order) {
    pace p = {0};
    int code = CLI_DONE;
    for (;;) {
        size_t count = list_open(run, true, order);
        cmp_shuffle(&run->random, order, count);
        for (size_t i = 0; i < count; i++) {
            cmp_config *c = &run->configs[order[i]];
            if (code != CLI_DONE || cli_interrupted() || is_spent(run))
                return code;
            if (!c->is_over) /* its device may be gone since */
                code = visit(run, c, &p);
        }
        if (count == 0 || code != CLI_DONE)
            return code;
    }
}

/* ---- all of it ---- */

static int prepare(cmp_run *run) {
    cmp_machine here;
    int code = cmp_find_targets(run);
    if (code == CLI_DONE)
        code = cmp_load_models(run);
    if (code != CLI_DONE)
        return code;
    cmp_machine_here(run->request->machine, &here);
    snprintf(run->machine, sizeof run->machine, "%s", here.id);
    if (!cmp_set_machine(run->set, &here)) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    code = cmp_meet_targets(run);
    return code == CLI_DONE ? cmp_list_configs(run) : code;
}

static int measure(cmp_run *run) {
    size_t *order = fr_alloc_array(run->n_configs, sizeof *order);
    if (!order) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    int code = CLI_DONE;
    cmp_clocks_begin(&run->clocks);
    do {
        code = make_ready(run, order);
        if (code == CLI_DONE)
            code = go_round(run, order);
    } while (code == CLI_DONE && !cli_interrupted() && !is_spent(run) && list_open(run, false, order) > 0);
    if (code == CLI_DONE)
        cmp_measure_peaks(run);
    fr_free(order);
    return code;
}

/* A processor's clocks are those of what computes on it. */
static void note_clocks(cmp_run *run) {
    char text[CMP_NAME];
    cmp_clocks_text(&run->clocks, text, sizeof text);
    for (size_t t = 0; t < run->n_targets && text[0]; t++) {
        const fr_device_entry *entry = run->targets[t].entry;
        bool here = entry->facts.kind == FR_DEVICE_CPU || (entry->facts.flags & FR_DEVICE_SOFTWARE);
        cmp_device *d = here ? cmp_set_device(run->set, run->machine, entry->id) : NULL;
        if (d)
            snprintf(d->clocks, sizeof d->clocks, "%s", text);
    }
}

static int end_measuring(cmp_run *run, int code) {
    size_t missing = 0;
    cli_progress_clear();
    for (size_t i = 0; i < run->n_configs; i++)
        missing += !run->configs[i].is_over && !has_figure(run, &run->configs[i]);
    run->set->interrupted = missing > 0;
    note_clocks(run);
    run->set->seconds = run->seconds_before + cmp_elapsed(run);
    if (code == CLI_DONE && missing > 0)
        cli_complain("note: %s%s of %s configurations have no figure yet",
                     cli_interrupted() ? "" : "the budget has ended: ", cli_integer((int64_t)missing).text,
                     cli_integer((int64_t)run->n_configs).text);
    return code == CLI_DONE && cli_interrupted() ? CLI_INTERRUPTED : code;
}

static void free_run(cmp_run *run) {
    for (size_t i = 0; i < run->n_models; i++)
        fr_model_free(run->models[i].model);
    for (size_t i = 0; i < run->n_configs; i++)
        fr_string_free(run->configs[i].plan);
    for (size_t i = 0; i < run->n_answers; i++)
        cmp_answers_free(&run->answers[i]);
    fr_free(run->models);
    fr_free(run->targets);
    fr_free(run->configs);
    fr_free(run->answers);
}

int cmp_measure(fr_context *context, const cmp_request *request, cmp_set *set) {
    cmp_run run = {.context = context, .request = request, .set = set};
    run.random.state = (uint64_t)request->seed;
    run.start_ns = run.kept_ns = fr_clock_ns();
    run.seconds_before = set->seconds;
    set->interrupted = true; /* as it stands in the file until all is measured */
    cli_watch_signals();
    cli_progress_start(&run.line, "configurations", -1);
    int code = prepare(&run);
    if (code == CLI_DONE)
        code = end_measuring(&run, measure(&run));
    cli_progress_clear();
    free_run(&run);
    return code;
}
