/* Whole runs of the finalists: what the model of costs ranks first is run before it wins. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "run/choosing.h"

static const double hopeless = 1.4; /* times the best after a heat: it runs no more */
static const double never_ran = 1e30;
static const uint64_t heat_ns = 40000000; /* a finalist runs at least this long in each of three rounds */

static fr_status open_finalist(fr_choosing *t, const fr_picked *picked, fr_executor **out) {
    fr_plan plan;
    fr_executor_options options = {
        .lanes = picked->lanes, .lane_threads = picked->lane_threads, .image_bytes = t->request->image_bytes};
    FR_TRY(fr_choosing_build(t, picked, &plan));
    return fr_executor_new(t->target, &t->cuts->views[picked->cut], &plan, &options, out);
}

/* Two of the largest blocks a lane are as good as the whole batch, and keep the race short. */
static int64_t race_inputs(const fr_choosing *t) {
    int64_t block = 1;
    for (int32_t k = 0; k < t->n_finalists; k++)
        block = t->finalists[k].block > block ? t->finalists[k].block : block;
    return 2 * block * t->lanes < t->request->inputs ? 2 * block * t->lanes : t->request->inputs;
}

typedef struct heat {
    fr_executor *executors[FR_MAX_FINALISTS]; /* NULL: out of the race */
    double best[FR_MAX_FINALISTS];            /* nanoseconds of a run */
    int64_t count;                            /* images of a run */
    uint8_t *images;
    float *out;
} heat;

static fr_status make_images(const fr_choosing *t, heat *h) {
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
static fr_status open_finalists(fr_choosing *t, heat *h) {
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

static void leave(const fr_choosing *t, heat *h, int32_t k, const char *how) {
    char text[200];
    if (!h->executors[k])
        return;
    fr_plan_describe(fr_executor_plan(h->executors[k]), &t->cuts->views[t->finalists[k].cut], text, sizeof text);
    fr_log(FR_LOG_DEBUG, "plan %d: %.0f images/s: %s, blocks of %d on %d lanes%s", k,
           (double)h->count * 1e9 / h->best[k], text, t->finalists[k].block, t->finalists[k].lanes, how);
    fr_executor_free(h->executors[k]);
    h->executors[k] = NULL;
}

static int32_t fastest(const fr_choosing *t, const heat *h) {
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

/* In turn, so that drift hits all alike. */
fr_status fr_race(fr_choosing *t, int32_t *out_winner) {
    heat h = {.count = 0};
    fr_status status;
    *out_winner = 0;
    FR_GO(cleanup, make_images(t, &h));
    FR_GO(cleanup, open_finalists(t, &h));
    uint64_t until_ns = fr_clock_ns() + t->request->budget_ns; /* where a run takes long, once each must do */
    for (int round = 0; round < 3 && (round == 0 || fr_clock_ns() < until_ns); round++) {
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
