/* A backend that computes nothing: its build's definitions say what is wrong with it. */
#include <stdio.h>
#include <string.h>

#include "foldrun/backend.h"

#ifndef FAKE_ABI
#define FAKE_ABI FR_BACKEND_ABI
#endif
#ifndef FAKE_BYTES
#define FAKE_BYTES sizeof(fr_backend)
#endif
#ifndef FAKE_OPEN
#define FAKE_OPEN FR_OK
#endif
#ifndef FAKE_DEVICES
#define FAKE_DEVICES 1
#endif
#ifndef FAKE_FLAGS
#define FAKE_FLAGS 0
#endif
#ifndef FAKE_CALLS_ITSELF
#define FAKE_CALLS_ITSELF FAKE_NAME
#endif
#ifdef FAKE_NEEDS_HIDDEN
int fake_hidden(void);
#endif

struct fr_driver {
    const fr_host *host;
};
struct fr_device {
    fr_driver *driver;
    uint32_t index;
};

static fr_status refuse(void) {
    return FR_UNSUPPORTED;
}

static fr_status driver_open(const fr_host *host, fr_driver **out_driver) {
    *out_driver = NULL;
    host->log(2, "%s: driver opened", FAKE_NAME);
#ifdef FAKE_NEEDS_HIDDEN
    if (!fake_hidden())
        return FR_INTERNAL;
#endif
    if (FAKE_OPEN != FR_OK) {
#ifdef FAKE_WORDLESS
        return FAKE_OPEN;
#else
        return host->fail(FAKE_OPEN, __FILE__, __LINE__, "no %s loader: install lib%s%d", FAKE_NAME, FAKE_NAME, 1);
#endif
    }
    *out_driver = host->alloc(sizeof **out_driver, 4096);
    if (!*out_driver)
        return FR_NO_MEMORY;
    if ((uintptr_t)*out_driver % 4096 != 0 || (*out_driver)->host)
        return host->fail(FR_INTERNAL, __FILE__, __LINE__, "the block is not as asked for");
    (*out_driver)->host = host;
    return FR_OK;
}

static void driver_close(fr_driver *driver) {
    driver->host->log(2, "%s: driver closed", FAKE_NAME);
    driver->host->free(driver);
}

static fr_status device_count(fr_driver *driver, uint32_t *out_count) {
    (void)driver;
    *out_count = FAKE_DEVICES;
    return FR_OK;
}

static fr_status device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    (void)driver;
    out_facts->kind = FR_DEVICE_OTHER;
    out_facts->flags = index == 0 ? FAKE_FLAGS : 0;
    out_facts->units = index + 1;
    memset(out_facts->vendor, 'v', sizeof out_facts->vendor); /* not ended: the registry must */
    (void)snprintf(out_facts->name, sizeof out_facts->name, "fake %u", index);
    return FR_OK;
}

static fr_status device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    const fr_host *host = driver->host;
    void *seen = NULL;
    size_t bytes;
    *out_device = host->alloc(sizeof **out_device, 0);
    if (!*out_device)
        return FR_NO_MEMORY;
    (*out_device)->driver = driver;
    (*out_device)->index = index;
    (void)host->cache_store(host->ctx, FAKE_NAME, "kernel", 7);
    if (host->cache_load(host->ctx, FAKE_NAME, &seen, &bytes) == FR_OK)
        host->log(2, "%s: cached %s, %zu bytes, device %u", FAKE_NAME, (const char *)seen, bytes, index);
    host->free(seen);
    return FR_OK;
}

static void device_close(fr_device *device) {
    device->driver->host->free(device);
}

static fr_status memory_use(fr_device *device, fr_memory_use *out_use) {
    (void)device;
    (void)out_use;
    return refuse();
}
static fr_status queue_open(fr_device *device, uint32_t threads, fr_queue **out) {
    (void)device;
    (void)threads;
    (void)out;
    return refuse();
}
static void queue_close(fr_queue *queue) {
    (void)queue;
}
static fr_status sync_queue(fr_queue *queue) {
    (void)queue;
    return refuse();
}
static fr_status buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out) {
    (void)device;
    (void)kind;
    (void)bytes;
    (void)out;
    return refuse();
}
static void buffer_free(fr_buffer *buffer) {
    (void)buffer;
}
static fr_status write_buffer(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    (void)queue;
    (void)dst;
    (void)offset;
    (void)src;
    (void)bytes;
    return refuse();
}
static fr_status read_buffer(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    (void)queue;
    (void)src;
    (void)offset;
    (void)dst;
    (void)bytes;
    return refuse();
}
static fr_status candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                            uint32_t *out_count) {
    (void)device;
    (void)step;
    (void)out;
    (void)capacity;
    *out_count = 0;
    return refuse();
}
static fr_status compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                         const fr_weights *weights, fr_program **out) {
    (void)device;
    (void)step;
    (void)candidate;
    (void)weights;
    (void)out;
    return refuse();
}
static void program_free(fr_program *program) {
    (void)program;
}
#ifndef FAKE_WITHOUT_LAUNCH
static fr_status launch(fr_queue *queue, const fr_launch *what) {
    (void)queue;
    (void)what;
    return refuse();
}
#endif
static fr_status event_new(fr_device *device, fr_event **out) {
    (void)device;
    (void)out;
    return refuse();
}
static void event_free(fr_event *event) {
    (void)event;
}
static fr_status record_event(fr_queue *queue, fr_event *event) {
    (void)queue;
    (void)event;
    return refuse();
}
static fr_status wait_event(fr_event *event) {
    (void)event;
    return refuse();
}
static fr_status elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns) {
    (void)begin;
    (void)end;
    (void)out_ns;
    return refuse();
}

static const fr_backend table = {
    .abi = FAKE_ABI,
    .struct_bytes = FAKE_BYTES,
    .name = FAKE_CALLS_ITSELF,
    .title = "Fake (" FAKE_NAME ")",
    .version = "1",
    .driver_open = driver_open,
    .driver_close = driver_close,
    .device_count = device_count,
    .device_facts = device_facts,
    .device_open = device_open,
    .device_close = device_close,
    .memory_use = memory_use,
    .queue_open = queue_open,
    .queue_close = queue_close,
    .sync = sync_queue,
    .buffer_new = buffer_new,
    .buffer_free = buffer_free,
    .write = write_buffer,
    .read = read_buffer,
    .candidates = candidates,
    .compile = compile,
    .program_free = program_free,
#ifndef FAKE_WITHOUT_LAUNCH
    .launch = launch,
#endif
    .event_new = event_new,
    .event_free = event_free,
    .record = record_event,
    .wait = wait_event,
    .elapsed = elapsed,
};

#ifdef FAKE_WITHOUT_ENTRY
#define fr_backend_entry fake_entry
#endif
FR_EXPORT const fr_backend *fr_backend_entry(void);

const fr_backend *fr_backend_entry(void) {
    return &table;
}
