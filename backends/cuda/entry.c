/*
 * The table of the CUDA backend. The thread that calls may have a context of its own current, for work that has nothing to do
 * with ours (a framework in the same program): it finds it as it was when we return. Another thread of it may be capturing a
 * stream, in a mode that forbids all threads what we do: in here this one has the mode in which neither disturbs the other.
 */
#include <stdio.h>

#include "program.h"
#include "texts.h"

static char version[32];

typedef struct visit {
    const cud_api *cu;
    CUcontext before;
    CUstreamCaptureMode mode;
    bool has_mode;
} visit;

static visit arrive(const cud_api *cu) {
    visit v = {.cu = cu, .mode = CU_STREAM_CAPTURE_MODE_RELAXED};
    (void)cu->cuCtxGetCurrent(&v.before);
    v.has_mode = cu->cuThreadExchangeStreamCaptureMode(&v.mode) == CUDA_SUCCESS;
    return v;
}

static fr_status leave(visit v, fr_status status) {
    (void)v.cu->cuCtxSetCurrent(v.before);
    if (v.has_mode)
        (void)v.cu->cuThreadExchangeStreamCaptureMode(&v.mode);
    return status;
}

/* An entry with a result, and one that frees: `cu` is read before the call, for the object may be gone after it. */
#define VISIT(api, call)            \
    do {                            \
        visit visit_ = arrive(api); \
        return leave(visit_, call); \
    } while (0)
#define VISIT_FREE(object, device_of, call)     \
    do {                                        \
        if (!(object))                          \
            return;                             \
        visit visit_ = arrive((device_of)->cu); \
        call;                                   \
        (void)leave(visit_, FR_OK);             \
    } while (0)

static fr_status device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    VISIT(&driver->cu, cud_device_open(driver, index, out_device));
}

static void device_close(fr_device *device) {
    VISIT_FREE(device, device, cud_device_close(device));
}

static fr_status queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue) {
    VISIT(device->cu, cud_queue_open(device, threads, out_queue));
}

static void queue_close(fr_queue *queue) {
    VISIT_FREE(queue, queue->device, cud_queue_close(queue));
}

static fr_status sync_queue(fr_queue *queue) {
    VISIT(queue->device->cu, cud_sync(queue));
}

static fr_status buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer) {
    VISIT(device->cu, cud_buffer_new(device, kind, bytes, out_buffer));
}

static void buffer_free(fr_buffer *buffer) {
    VISIT_FREE(buffer, buffer->device, cud_buffer_free(buffer));
}

static fr_status write_buffer(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    VISIT(queue->device->cu, cud_write(queue, dst, offset, src, bytes));
}

static fr_status read_buffer(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    VISIT(queue->device->cu, cud_read(queue, src, offset, dst, bytes));
}

static fr_status compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                         const fr_weights *weights, fr_program **out_program) {
    VISIT(device->cu, cud_compile(device, step, candidate, weights, out_program));
}

static void program_free(fr_program *program) {
    VISIT_FREE(program, program->device, cud_program_free(program));
}

static fr_status launch(fr_queue *queue, const fr_launch *what) {
    VISIT(queue->device->cu, cud_launch(queue, what));
}

static fr_status bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle) {
    VISIT(device->cu, cud_bundle_new(device, launches, count, out_bundle));
}

static fr_status bundle_launch(fr_queue *queue, fr_bundle *bundle) {
    VISIT(queue->device->cu, cud_bundle_launch(queue, bundle));
}

static void bundle_free(fr_bundle *bundle) {
    VISIT_FREE(bundle, bundle->device, cud_bundle_free(bundle));
}

static fr_status event_new(fr_device *device, fr_event **out_event) {
    VISIT(device->cu, cud_event_new(device, out_event));
}

static void event_free(fr_event *event) {
    VISIT_FREE(event, event->device, cud_event_free(event));
}

static fr_status record(fr_queue *queue, fr_event *event) {
    VISIT(queue->device->cu, cud_record(queue, event));
}

static fr_status wait_event(fr_event *event) {
    VISIT(event->device->cu, cud_wait(event));
}

static fr_status elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns) {
    VISIT(begin->device->cu, cud_elapsed(begin, end, out_ns));
}

static const fr_backend backend = {
    .abi = FR_BACKEND_ABI,
    .struct_bytes = sizeof(fr_backend),
    .name = "cuda",
    .title = "CUDA",
    .version = version,
    .driver_open = cud_driver_open,
    .driver_close = cud_driver_close,
    .device_count = cud_device_count,
    .device_facts = cud_device_facts,
    .device_open = device_open,
    .device_close = device_close,
    .memory_use = host_memory_use,
    .queue_open = queue_open,
    .queue_close = queue_close,
    .sync = sync_queue,
    .buffer_new = buffer_new,
    .buffer_free = buffer_free,
    .write = write_buffer,
    .read = read_buffer,
    .candidates = cud_candidates, /* calls nothing of the driver */
    .compile = compile,
    .program_free = program_free,
    .launch = launch,
    .bundle_new = bundle_new,
    .bundle_launch = bundle_launch,
    .bundle_free = bundle_free,
    .event_new = event_new,
    .event_free = event_free,
    .record = record,
    .wait = wait_event,
    .elapsed = elapsed,
};

FR_EXPORT const fr_backend *fr_backend_entry(void);

static void make_version(void) {
    gpu_texts texts = cud_texts();
    gpu_texts_version(&texts, CUD_VERSION, version, sizeof version);
}

const fr_backend *fr_backend_entry(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_version);
    return &backend;
}
