#include "run/executor.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "run/lane.h"
#include "run/pin.h"
#include "run/programs.h"

typedef struct job {
    const char *images; /* NULL: resident */
    float *out;
    int64_t count;
    int64_t units, blocks; /* units: smallest groups; a block is some of them */
    int64_t next_block, blocks_done;
    fr_status status;
    char message[512];
    fr_done done;
    void *user;
} job;

typedef struct worker {
    struct fr_executor *executor;
    fr_lane lane;
    pthread_t thread;
    int32_t cpu; /* that it is to be bound to; FR_PIN_NONE: to none */
    bool started, pinned;
    bool ready; /* with the mutex: its lane is loaded, or failed to be */
    fr_status status;
    char message[512];
} worker;

struct fr_executor {
    const fr_target *target;
    const fr_steps *steps; /* while it starts */
    fr_plan plan;
    fr_program **programs;
    worker *workers;
    int32_t n_workers;
    int32_t fold, classes, unit; /* unit: the smallest group of the plan */
    int64_t image_bytes;
    pthread_mutex_t mutex;
    pthread_cond_t work, finished;
    job jobs[FR_MAX_JOBS];
    uint64_t first, next; /* jobs [first, next) are waiting or running, at index modulo FR_MAX_JOBS */
    bool stop, lost;
    fr_status failed; /* first since the last wait */
    char failed_message[512];
    /* For work, or to stop: looked at without the mutex, on a cache line that taking a block does not write. */
    _Alignas(64) atomic_uint_fast32_t calls;
};

static const uint64_t awake_ns = 100000; /* a lane without work stays awake so long */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Blocks of near-equal size, a multiple of the lanes in number: the last lane to finish has little more than the others. */
static void split(const fr_executor *e, job *j) {
    int64_t inputs = (j->count + e->fold - 1) / e->fold;
    j->units = (inputs + e->unit - 1) / e->unit;
    int64_t at_once = (int64_t)e->plan.block / e->unit;
    int64_t blocks = (j->units + at_once - 1) / at_once;
    blocks = (blocks + e->n_workers - 1) / e->n_workers * e->n_workers;
    j->blocks = least(blocks, j->units);
}

static fr_status run_block(worker *w, const job *j, int64_t block) {
    const fr_executor *e = w->executor;
    int64_t per_unit = (int64_t)e->unit * e->fold;
    int64_t begin = j->units * block / j->blocks * per_unit,
            end = least(j->units * (block + 1) / j->blocks * per_unit, j->count);
    const char *images = j->images ? j->images + begin * e->image_bytes : NULL;
    return fr_lane_run(&w->lane, images, end - begin, j->out ? j->out + begin * e->classes : NULL);
}

/* A job with blocks left, or NULL. */
static job *next_job(fr_executor *e) {
    for (uint64_t i = e->first; i < e->next; i++) {
        job *j = &e->jobs[i % FR_MAX_JOBS];
        if (j->next_block < j->blocks)
            return j;
    }
    return NULL;
}

static void wake(void *user, fr_status status, const char *message);

/* With the mutex held; gives it up while the caller's function runs. */
static void finish(fr_executor *e, job *j) {
    if (j->status != FR_OK && e->failed == FR_OK && j->done != wake) { /* wake tells its own caller */
        e->failed = j->status;
        memcpy(e->failed_message, j->message, sizeof e->failed_message);
    }
    e->lost |= j->status == FR_DEVICE_LOST;
    if (j->done) {
        pthread_mutex_unlock(&e->mutex);
        j->done(j->user, j->status, j->message);
        pthread_mutex_lock(&e->mutex);
    }
    j->blocks_done++; /* one more than there are: its place is free once all before it are */
    while (e->first < e->next && e->jobs[e->first % FR_MAX_JOBS].blocks_done > e->jobs[e->first % FR_MAX_JOBS].blocks)
        e->first++;
    pthread_cond_broadcast(&e->finished);
}

static void note_failure(job *j, fr_status status, const char *message) {
    if (j->status != FR_OK)
        return;
    j->status = status;
    snprintf(j->message, sizeof j->message, "%s", message);
}

/*
 * With the mutex held. A core that sleeps is slow to wake, above all a virtual one, whose host gives it away: who runs batch after
 * batch calls again at once. Others who want the core have it.
 */
static void await_work(fr_executor *e, bool is_core) {
    uint_fast32_t seen = atomic_load(&e->calls);
    bool called = false;
    if (is_core) {
        pthread_mutex_unlock(&e->mutex);
        for (uint64_t until = fr_clock_ns() + awake_ns; !called && fr_clock_ns() < until;) {
            sched_yield();
            called = atomic_load(&e->calls) != seen;
        }
        pthread_mutex_lock(&e->mutex);
        called = atomic_load(&e->calls) != seen;
    }
    if (!called)
        pthread_cond_wait(&e->work, &e->mutex);
}

/* A lane's memory is touched first by its own thread, where that will run: so it lies on that processor's node. */
static void get_ready(worker *w) {
    fr_executor *e = w->executor;
    w->pinned = w->cpu != FR_PIN_NONE && fr_pin_thread(w->cpu);
    if (w->cpu != FR_PIN_NONE && !w->pinned && e->target->pin == FR_PINNING_ON)
        fr_log(FR_LOG_WARNING, "a lane cannot be bound to processor %d", w->cpu);
    w->status = fr_lane_load(&w->lane, &e->plan, e->steps, e->programs, e->image_bytes);
    if (w->status != FR_OK)
        snprintf(w->message, sizeof w->message, "%s", fr_error_sentence());
    pthread_mutex_lock(&e->mutex);
    w->ready = true;
    pthread_cond_broadcast(&e->finished);
    pthread_mutex_unlock(&e->mutex);
}

static void *work(void *argument) {
    worker *w = argument;
    fr_executor *e = w->executor;
    bool is_core = e->target->facts.kind == FR_DEVICE_CPU && e->n_workers > 1;
    get_ready(w);
    pthread_mutex_lock(&e->mutex);
    for (;;) {
        job *j = next_job(e);
        if (!j) {
            if (e->stop)
                break;
            await_work(e, is_core);
            continue;
        }
        int64_t block = j->next_block++;
        bool skip = j->status != FR_OK || (e->stop && block == 0) || e->lost;
        if (skip && j->status == FR_OK)
            note_failure(j, e->lost ? FR_DEVICE_LOST : FR_CANCELLED,
                         e->lost ? "the device was lost; open the session again" : "the session was closed");
        pthread_mutex_unlock(&e->mutex);
        fr_status status = skip ? FR_OK : run_block(w, j, block);
        pthread_mutex_lock(&e->mutex);
        if (status != FR_OK)
            note_failure(j, status, fr_error_sentence());
        if (++j->blocks_done == j->blocks)
            finish(e, j);
    }
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

static fr_status choose_cpus(fr_executor *e, int32_t lane_threads) {
    fr_topology here;
    for (int32_t i = 0; i < e->n_workers; i++)
        e->workers[i].cpu = FR_PIN_NONE;
    /* threads inside a lane's kernels would all be bound where the lane is */
    bool may = e->target->facts.kind == FR_DEVICE_CPU && lane_threads == 1 && e->target->pin != FR_PINNING_OFF;
    if (!may || (e->target->pin == FR_PINNING_AUTO && e->n_workers == 1))
        return FR_OK;
    fr_topology_here(&here);
    int32_t *cpus = fr_alloc_array((size_t)e->n_workers, sizeof *cpus);
    if (!cpus)
        return fr_no_memory((size_t)e->n_workers * sizeof *cpus, "the places of lanes");
    fr_status status = fr_pin_choose(&here, e->target->pin, e->n_workers, cpus);
    for (int32_t i = 0; i < e->n_workers && status == FR_OK; i++)
        e->workers[i].cpu = cpus[i];
    fr_free(cpus);
    return status;
}

/* One after the other, so that what fails first does not depend on who is faster. */
static fr_status start_worker(fr_executor *e, worker *w) {
    int code = pthread_create(&w->thread, NULL, work, w);
    if (code != 0)
        return fr_fail(FR_NO_MEMORY, "cannot start a thread: %s", strerror(code));
    w->started = true;
    pthread_mutex_lock(&e->mutex);
    while (!w->ready)
        pthread_cond_wait(&e->finished, &e->mutex);
    pthread_mutex_unlock(&e->mutex);
    return w->status == FR_OK ? FR_OK : fr_fail(w->status, "%s", w->message);
}

static fr_status start(fr_executor *e, const fr_steps *steps, const fr_executor_options *options) {
    e->workers = fr_alloc_array((size_t)options->lanes, sizeof *e->workers);
    if (!e->workers)
        return fr_no_memory((size_t)options->lanes * sizeof *e->workers, "lanes");
    e->n_workers = options->lanes;
    for (int32_t i = 0; i < e->n_workers; i++) {
        e->workers[i].executor = e;
        FR_TRY(fr_lane_open(&e->workers[i].lane, e->target, options->lane_threads));
    }
    FR_TRY(fr_programs_compile(e->target, steps, &e->plan, options->progress, options->progress_user, &e->programs));
    FR_TRY(choose_cpus(e, options->lane_threads));
    e->steps = steps;
    for (int32_t i = 0; i < e->n_workers; i++)
        FR_TRY(start_worker(e, &e->workers[i]));
    e->steps = NULL;
    return FR_OK;
}

fr_status fr_executor_new(const fr_target *target, const fr_steps *steps, fr_plan *plan,
                          const fr_executor_options *options, fr_executor **out_executor) {
    *out_executor = NULL;
    fr_executor *e = fr_alloc(sizeof *e);
    if (!e) {
        fr_plan_free(plan);
        return fr_no_memory(sizeof *e, "an executor");
    }
    e->target = target;
    e->plan = *plan;
    memset(plan, 0, sizeof *plan);
    e->fold = steps->fold;
    e->classes = steps->classes;
    e->image_bytes = options->image_bytes;
    e->unit = e->plan.block;
    for (int32_t i = 0; i < e->plan.n_segments; i++)
        e->unit = (int32_t)least(e->unit, e->plan.segments[i].group);
    pthread_mutex_init(&e->mutex, NULL);
    pthread_cond_init(&e->work, NULL);
    pthread_cond_init(&e->finished, NULL);
    fr_status status = start(e, steps, options);
    if (status != FR_OK) {
        fr_executor_free(e);
        return status;
    }
    *out_executor = e;
    return FR_OK;
}

void fr_executor_free(fr_executor *e) {
    if (!e)
        return;
    pthread_mutex_lock(&e->mutex);
    e->stop = true;
    atomic_fetch_add(&e->calls, 1);
    pthread_cond_broadcast(&e->work);
    pthread_mutex_unlock(&e->mutex);
    for (int32_t i = 0; i < e->n_workers; i++)
        if (e->workers[i].started)
            pthread_join(e->workers[i].thread, NULL);
    for (int32_t i = 0; i < e->n_workers; i++)
        fr_lane_close(&e->workers[i].lane);
    fr_free(e->workers);
    fr_programs_free(e->target, e->programs, e->plan.n_ops);
    fr_plan_free(&e->plan);
    pthread_cond_destroy(&e->work);
    pthread_cond_destroy(&e->finished);
    pthread_mutex_destroy(&e->mutex);
    fr_free(e);
}

fr_status fr_executor_submit(fr_executor *e, const void *images, int64_t count, float *out, fr_done done, void *user) {
    if (count <= 0) { /* nothing to do is done at once */
        if (done)
            done(user, FR_OK, "");
        return FR_OK;
    }
    pthread_mutex_lock(&e->mutex);
    while (e->next - e->first == FR_MAX_JOBS && !e->stop)
        pthread_cond_wait(&e->finished, &e->mutex);
    if (e->lost) {
        pthread_mutex_unlock(&e->mutex);
        return fr_fail(FR_DEVICE_LOST, "the device was lost; open the session again");
    }
    job *j = &e->jobs[e->next % FR_MAX_JOBS];
    *j = (job){.images = images, .out = out, .count = count, .done = done, .user = user};
    split(e, j);
    e->next++;
    atomic_fetch_add(&e->calls, 1);
    pthread_cond_broadcast(&e->work);
    pthread_mutex_unlock(&e->mutex);
    return FR_OK;
}

typedef struct waiting {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done;
    fr_status status;
    char message[512];
} waiting;

static void wake(void *user, fr_status status, const char *message) {
    waiting *w = user;
    pthread_mutex_lock(&w->mutex);
    w->status = status;
    snprintf(w->message, sizeof w->message, "%s", message);
    w->is_done = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->mutex);
}

fr_status fr_executor_run(fr_executor *e, const void *images, int64_t count, float *out) {
    waiting w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    FR_TRY(fr_executor_submit(e, images, count, out, wake, &w));
    pthread_mutex_lock(&w.mutex);
    while (!w.is_done)
        pthread_cond_wait(&w.done, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_cond_destroy(&w.done);
    pthread_mutex_destroy(&w.mutex);
    return w.status == FR_OK ? FR_OK : fr_fail(w.status, "%s", w.message);
}

fr_status fr_executor_wait(fr_executor *e) {
    char message[512];
    pthread_mutex_lock(&e->mutex);
    while (e->first < e->next)
        pthread_cond_wait(&e->finished, &e->mutex);
    fr_status status = e->failed;
    memcpy(message, e->failed_message, sizeof message);
    e->failed = FR_OK;
    pthread_mutex_unlock(&e->mutex);
    return status == FR_OK ? FR_OK : fr_fail(status, "%s", message);
}

const fr_plan *fr_executor_plan(const fr_executor *e) {
    return &e->plan;
}

uint64_t fr_executor_bytes(const fr_executor *e) {
    uint64_t bytes = 0;
    for (int32_t i = 0; i < e->n_workers; i++)
        bytes += e->workers[i].lane.bytes;
    return bytes;
}

int32_t fr_executor_pinned(const fr_executor *e) {
    int32_t pinned = 0;
    for (int32_t i = 0; i < e->n_workers; i++)
        pinned += e->workers[i].pinned;
    return pinned;
}

fr_status fr_executor_peek(fr_executor *e, int32_t tensor, void *out, uint64_t bytes) {
    fr_lane *lane = &e->workers[0].lane;
    FR_TRY(e->target->backend->read(lane->queue, lane->arena, e->plan.tensors[tensor].offset, out, bytes));
    return e->target->backend->sync(lane->queue);
}
