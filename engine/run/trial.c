#include "run/trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "run/programs.h"

enum { DST = FR_MAX_SRC, SCRATCH = FR_MAX_SRC + 1, MOST_REPEATS = 1000 };

fr_status fr_trial_open(fr_trial *trial, const fr_target *target, uint32_t threads) {
    memset(trial, 0, sizeof *trial);
    trial->target = target;
    return target->backend->queue_open(target->device, threads, &trial->queue);
}

void fr_trial_close(fr_trial *trial) {
    if (!trial->target)
        return;
    for (size_t i = 0; i < sizeof trial->buffers / sizeof trial->buffers[0]; i++)
        if (trial->buffers[i])
            trial->target->backend->buffer_free(trial->buffers[i]);
    if (trial->queue)
        trial->target->backend->queue_close(trial->queue);
    memset(trial, 0, sizeof *trial);
}

/* Zeroed: what lay there before could hold denormals, which cost some processors a hundred times the time. */
static fr_status want(fr_trial *trial, int32_t index, fr_buffer_kind kind, uint64_t bytes) {
    const fr_backend *b = trial->target->backend;
    if (trial->buffers[index] && trial->bytes[index] >= bytes)
        return FR_OK;
    if (trial->buffers[index])
        b->buffer_free(trial->buffers[index]);
    trial->buffers[index] = NULL;
    FR_TRY(b->buffer_new(trial->target->device, kind, bytes, &trial->buffers[index]));
    trial->bytes[index] = bytes;
    void *zeros = fr_alloc(bytes);
    if (!zeros)
        return fr_no_memory(bytes, "a trial");
    fr_status status = b->write(trial->queue, trial->buffers[index], 0, zeros, bytes);
    if (status == FR_OK)
        status = b->sync(trial->queue);
    fr_free(zeros);
    return status;
}

static uint64_t tensor_bytes(const fr_step *step, const fr_tensor *t) {
    int32_t images = fr_step_first(step)->kind == FR_STEP_INGEST && t != &step->dst ? step->images : 1;
    return fr_tensor_bytes(t, step->n) * (uint64_t)images;
}

/* So many times on end, with one wait for all of them: nanoseconds of one. */
static fr_status launch_some(fr_trial *trial, const fr_launch *l, uint64_t times, uint64_t *out_ns) {
    const fr_backend *b = trial->target->backend;
    uint64_t begin = fr_clock_ns();
    for (uint64_t i = 0; i < times; i++)
        FR_TRY(b->launch(trial->queue, l));
    FR_TRY(b->sync(trial->queue));
    *out_ns = (fr_clock_ns() - begin) / times;
    return FR_OK;
}

/* A run waits for a device once a block, and not once a launch: where waiting costs as much as a small launch, it must not count
 * against small groups. */
static fr_status times_on_end(fr_trial *trial, const fr_launch *l, uint64_t *out_times) {
    static const uint64_t long_enough_ns = 300000, most = 16;
    uint64_t ns;
    *out_times = 1;
    if (trial->target->facts.kind == FR_DEVICE_CPU && !(trial->target->facts.flags & FR_DEVICE_SOFTWARE))
        return FR_OK;
    FR_TRY(launch_some(trial, l, 1, &ns));
    uint64_t times = long_enough_ns / (ns > 0 ? ns : 1) + 1;
    *out_times = times < most ? times : most;
    return FR_OK;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

fr_status fr_trial_measure(fr_trial *trial, const fr_step *step, const fr_candidate *candidate,
                           const fr_weights *weights, uint64_t least_ns, double hopeless_ns,
                           fr_trial_times *out_times) {
    const fr_backend *b = trial->target->backend;
    fr_program *program = NULL;
    fr_status status = FR_OK;
    fr_step made = *step;
    *out_times = (fr_trial_times){0, 0};
    for (int32_t s = 0; s < made.n_src; s++)
        made.src[s].layout = candidate->src_layout[s];
    made.dst.layout = candidate->dst_layout;
    fr_launch l = {.valid = made.n * (made.images > 0 ? made.images : 1)};
    for (int32_t s = 0; s < made.n_src; s++) {
        FR_TRY(want(trial, s, FR_BUFFER_ACTIVATION, tensor_bytes(&made, &made.src[s])));
        l.src[s].buffer = trial->buffers[s];
    }
    FR_TRY(want(trial, DST, FR_BUFFER_ACTIVATION, tensor_bytes(&made, &made.dst)));
    FR_TRY(want(trial, SCRATCH, FR_BUFFER_SCRATCH, candidate->scratch_bytes));
    l.dst.buffer = trial->buffers[DST];
    l.scratch.buffer = trial->buffers[SCRATCH];
    FR_GO(cleanup, b->compile(trial->target->device, &made, candidate, weights, &program));
    l.program = program;
    uint64_t spent = 0, taken[MOST_REPEATS], ns, times;
    int32_t repeats = 0;
    FR_GO(cleanup, launch_some(trial, &l, 1, &ns)); /* the first one pays for what is set up late */
    FR_GO(cleanup, times_on_end(trial, &l, &times));
    if (trial->ready)
        trial->ready(trial->ready_user);
    while (repeats < 3 || (spent < least_ns && repeats < MOST_REPEATS)) {
        FR_GO(cleanup, launch_some(trial, &l, times, &ns));
        spent += ns * times;
        taken[repeats++] = ns;
        if (spent > 20 * least_ns || (hopeless_ns > 0 && (double)ns > hopeless_ns))
            break;
    }
    qsort(taken, (size_t)repeats, sizeof *taken, by_size);
    *out_times = (fr_trial_times){(double)taken[0], (double)taken[repeats / 2]};
cleanup:
    if (program && status != FR_OK) /* earlier launches may still run it */
        (void)fr_target_settle(trial->target, trial->queue, status);
    if (program)
        b->program_free(program);
    return status;
}

fr_status fr_trial_time(fr_trial *trial, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                        uint64_t least_ns, double hopeless_ns, double *out_ns) {
    fr_trial_times times;
    fr_status status = fr_trial_measure(trial, step, candidate, weights, least_ns, hopeless_ns, &times);
    *out_ns = times.least;
    return status;
}
