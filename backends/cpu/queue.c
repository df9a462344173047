/* Queues, and who runs on how many threads. */
#include "cpu.h"

/*
 * oneDNN's threads are OpenMP's. Its runtime is linked by oneDNN, so its entries are found when there is one; both
 * GNU's and LLVM's export these. Without it everything runs on the calling thread.
 */
extern void omp_set_num_threads(int threads) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));
extern int omp_get_thread_num(void) __attribute__((weak));
extern int omp_get_num_threads(void) __attribute__((weak));
extern void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags) __attribute__((weak));

int cpu_threads_set(uint32_t threads) {
    if (omp_set_num_threads == NULL || omp_get_max_threads == NULL)
        return 0;
    int before = omp_get_max_threads();
    if (before != (int)threads)
        omp_set_num_threads((int)threads);
    return before;
}

void cpu_threads_back(int before) {
    if (omp_set_num_threads != NULL && omp_get_max_threads != NULL && before > 0 && omp_get_max_threads() != before)
        omp_set_num_threads(before);
}

typedef struct team {
    int64_t jobs;
    void (*fn)(void *ctx, int64_t job);
    void *ctx;
} team;

static void team_member(void *data) {
    const team *t = data;
    int64_t member = omp_get_thread_num(), members = omp_get_num_threads();
    for (int64_t job = t->jobs * member / members, end = t->jobs * (member + 1) / members; job < end; job++)
        t->fn(t->ctx, job);
}

void cpu_parallel(const fr_queue *queue, int64_t jobs, void (*fn)(void *ctx, int64_t job), void *ctx) {
    bool can = GOMP_parallel != NULL && omp_get_thread_num != NULL && omp_get_num_threads != NULL;
    if (queue->threads > 1 && jobs > 1 && can) {
        team t = {jobs, fn, ctx};
        GOMP_parallel(team_member, &t, (unsigned)(jobs < (int64_t)queue->threads ? jobs : (int64_t)queue->threads), 0);
        return;
    }
    for (int64_t job = 0; job < jobs; job++)
        fn(ctx, job);
}

static fr_status slot_take(fr_device *device, uint32_t *out_slot) {
    fr_status status = FR_UNSUPPORTED;
    pthread_mutex_lock(&device->lock);
    for (uint32_t i = 0; i < CPU_MAX_QUEUES && status != FR_OK; i++) {
        if (device->slot_taken[i])
            continue;
        device->slot_taken[i] = 1;
        *out_slot = i;
        status = FR_OK;
    }
    pthread_mutex_unlock(&device->lock);
    return status == FR_OK
               ? FR_OK
               : host_fail(device->base.host, status, "cpu: %d queues are open; close some first", CPU_MAX_QUEUES);
}

static void slot_give(fr_device *device, uint32_t slot) {
    pthread_mutex_lock(&device->lock);
    device->slot_taken[slot] = 0;
    pthread_mutex_unlock(&device->lock);
}

static atomic_int *queues_alike(fr_queue *queue) {
    return queue->threads == 1 ? &queue->device->one_thread_queues : &queue->device->many_thread_queues;
}

fr_status cpu_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue) {
    const fr_host *host = device->base.host;
    *out_queue = NULL;
    void *block = NULL;
    uint32_t some = threads == 0 || threads > device->isa.cores ? device->isa.cores : threads;
    HOST_TRY(host_alloc(host, sizeof(fr_queue) + some * sizeof(sigset_t), "a queue", &block));
    fr_queue *queue = block;
    queue->device = device;
    queue->threads = some;
    fr_status status = slot_take(device, &queue->slot);
    if (status != FR_OK) {
        host->free(queue);
        return status;
    }
    status = cpu_dnnl_check(host, dnnl_stream_create(&queue->stream, device->engine, dnnl_stream_in_order),
                            "dnnl_stream_create");
    if (status != FR_OK) {
        slot_give(device, queue->slot);
        host->free(queue);
        return status;
    }
    atomic_fetch_add(queues_alike(queue), 1);
    *out_queue = queue;
    return FR_OK;
}

void cpu_queue_close(fr_queue *queue) {
    if (queue == NULL)
        return;
    atomic_fetch_sub(queues_alike(queue), 1);
    dnnl_stream_destroy(queue->stream);
    slot_give(queue->device, queue->slot);
    queue->device->base.host->free(queue);
}

fr_status cpu_sync(fr_queue *queue) { /* launches have run by the time they return */
    (void)queue;
    return FR_OK;
}
