/* One program launched from several threads at once, each with its own queue, destination and scratch. */
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "runner.h"

enum { THREADS = 3, LAUNCHES = 40 };

typedef struct worker {
    conf_device *device;
    fr_launch launch; /* dst and scratch are the worker's own */
    uint64_t bytes;
    unsigned char *first, *now;
    fr_status status;
    bool differs;
    char sentence[256];
} worker;

static fr_status work(worker *w, fr_queue *queue) {
    const fr_backend *b = w->device->backend;
    for (int i = 0; i < LAUNCHES; i++) {
        FR_TRY(b->launch(queue, &w->launch));
        FR_TRY(b->read(queue, w->launch.dst.buffer, 0, i ? w->now : w->first, w->bytes));
        FR_TRY(b->sync(queue));
        w->differs |= i > 0 && memcmp(w->first, w->now, (size_t)w->bytes) != 0;
    }
    return FR_OK;
}

static void *run_worker(void *argument) {
    worker *w = argument;
    fr_queue *queue = NULL;
    w->status = w->device->backend->queue_open(w->device->device, 1, &queue);
    if (w->status == FR_OK)
        w->status = work(w, queue);
    if (w->status != FR_OK) /* the sentence is this thread's */
        strncpy(w->sentence, fr_error_sentence(), sizeof w->sentence - 1);
    w->device->backend->queue_close(queue);
    return NULL;
}

static fr_status equip(worker *w, conf_device *device, const fr_launch *shared, uint64_t dst_bytes,
                       uint64_t scratch_bytes) {
    w->device = device;
    w->launch = *shared;
    w->bytes = dst_bytes;
    w->first = fr_alloc((size_t)dst_bytes);
    w->now = fr_alloc((size_t)dst_bytes);
    if (!w->first || !w->now)
        return fr_no_memory((size_t)dst_bytes, "a worker's result");
    FR_TRY(device->backend->buffer_new(device->device, FR_BUFFER_ACTIVATION, dst_bytes, &w->launch.dst.buffer));
    return device->backend->buffer_new(device->device, FR_BUFFER_SCRATCH, scratch_bytes, &w->launch.scratch.buffer);
}

static fr_status run_together(conf_device *device, const fr_launch *shared, uint64_t dst_bytes, uint64_t scratch_bytes,
                              const char *name) {
    worker workers[THREADS];
    pthread_t threads[THREADS];
    fr_status status = FR_OK;
    int started = 0;
    memset(workers, 0, sizeof workers);
    for (int i = 0; i < THREADS; i++)
        FR_GO(done, equip(&workers[i], device, shared, dst_bytes, scratch_bytes));
    for (; started < THREADS; started++)
        if (pthread_create(&threads[started], NULL, run_worker, &workers[started]) != 0)
            break;
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < started; i++) {
        if (workers[i].status != FR_OK)
            conf_report_failure(device, "device", name, "on several threads: %s", workers[i].sentence);
        else if (workers[i].differs || memcmp(workers[i].first, workers[0].first, (size_t)dst_bytes) != 0)
            conf_report_failure(device, "device", name, "other bits when several threads launch it at once");
    }
done:
    for (int i = 0; i < THREADS; i++) {
        device->backend->buffer_free(workers[i].launch.dst.buffer == shared->dst.buffer ? NULL
                                                                                        : workers[i].launch.dst.buffer);
        device->backend->buffer_free(
            workers[i].launch.scratch.buffer == shared->scratch.buffer ? NULL : workers[i].launch.scratch.buffer);
        fr_free(workers[i].first);
        fr_free(workers[i].now);
    }
    return status;
}

static fr_status share(conf_device *device, const fr_check_numbers *numbers) {
    const fr_backend *b = device->backend;
    fr_step step = numbers->step;
    fr_candidate candidate;
    fr_launch shared;
    uint32_t count = 0;
    fr_status status = FR_OK;
    memset(&shared, 0, sizeof shared);
    step.src[0].layout = FR_LAYOUT_NCHW; /* as the numbers are stored */
    FR_TRY(b->candidates(device->device, &step, &candidate, 1, &count));
    if (count == 0 || candidate.refused)
        return FR_OK;
    step.dst.layout = candidate.dst_layout;
    FR_GO(done, b->compile(device->device, &step, &candidate, &numbers->weights, &shared.program));
    FR_GO(done, b->buffer_new(device->device, FR_BUFFER_ACTIVATION, numbers->src_bytes[0], &shared.src[0].buffer));
    FR_GO(done, b->write(device->one, shared.src[0].buffer, 0, numbers->src[0], numbers->src_bytes[0]));
    FR_GO(done, b->sync(device->one));
    status = run_together(device, &shared, fr_tensor_bytes(&step.dst, step.n), candidate.scratch_bytes, candidate.name);
done:
    b->program_free(shared.program);
    b->buffer_free(shared.src[0].buffer);
    return status;
}

void conf_check_threads(conf_device *device) {
    for (int type = 0; type <= FR_MAKE_TF32; type++)
        for (int kind = 0; kind < 2; kind++) {
            conf_case c = {.step = fr_make_conv(2, 3, 14, 15, 20, fr_make_window(3, 1, 1), 1), .name = "threads"};
            fr_check_numbers numbers;
            if (kind == 0)
                fr_make_pooled(&c.step, FR_POOL_MAX, fr_make_window(3, 2, 0), false);
            fr_make_of_type(&c.step, (fr_make_type)type);
            if (fr_step_precisions(&c.step) & ~device->facts.precisions)
                continue;
            fr_status status = conf_numbers_make(&c, FR_CHECK_RANDOM, device->seed, &numbers);
            if (status == FR_OK) {
                status = share(device, &numbers);
                fr_check_numbers_free(&numbers);
            }
            if (status != FR_OK)
                conf_report_failure(device, "device", "threads", "%s: %s", fr_status_word(status), fr_error_sentence());
        }
}
