/*
 * For backends whose device is the host itself: buffers in host memory, memory accounting, and events on the monotonic
 * clock. The functions below fill their entries of the backend table as they are.
 *
 * A backend that uses them makes host_device the first member of its struct fr_device, and runs what is launched
 * before launch returns (so write, read and record need no queue, and wait has nothing to wait for).
 *
 * Threads: as in foldrun/backend.h. Buffers of one device may be made and freed from any thread; the account is
 * atomic. Nothing here knows a vendor or a kernel.
 */
#ifndef FR_BACKENDS_COMMON_HOST_DEVICE_H
#define FR_BACKENDS_COMMON_HOST_DEVICE_H

#include <stdatomic.h>

#include "foldrun/backend.h"

/* Records a sentence in the engine's record and gives the code back. */
#define host_fail(host, code, ...) ((host)->fail((code), __FILE__, __LINE__, __VA_ARGS__))

/* As FR_TRY and FR_GO of the engine's base/status.h, for modules that link nothing of it. */
#define HOST_TRY(call)                       \
    do {                                     \
        fr_status host_try_status_ = (call); \
        if (host_try_status_ != FR_OK)       \
            return host_try_status_;         \
    } while (0)

#define HOST_GO(label, call) \
    do {                     \
        status = (call);     \
        if (status != FR_OK) \
            goto label;      \
    } while (0)

typedef struct host_device { /* first member of a backend's struct fr_device */
    const fr_host *host;
    atomic_ullong live[4], peak[4]; /* bytes, by fr_buffer_kind */
} host_device;

void host_device_init(host_device *device, const fr_host *host);

/* Zeroed memory from the engine's allocator. FR_NO_MEMORY with the sentence "out of memory: N bytes for WHAT". */
fr_status host_alloc(const fr_host *host, uint64_t bytes, const char *what, void **out_block) FR_MUST_CHECK;

/* Memory that is not a buffer but belongs to the device's account (a program's packed weights are FR_BUFFER_WEIGHT). */
void host_account_add(host_device *device, fr_buffer_kind kind, uint64_t bytes);
void host_account_drop(host_device *device, fr_buffer_kind kind, uint64_t bytes);

/* FR_INVALID, in words, when nothing is bound (size NULL) though there are bytes, or `bytes` at `offset` end past `size`. */
fr_status host_range_check(const fr_host *host, const uint64_t *size, uint64_t offset, uint64_t bytes,
                           const char *what) FR_MUST_CHECK;

/* The first byte of a binding, `bytes` long. FR_INVALID when nothing is bound or the end lies past the buffer's, in
 * words: `what` is "source", "destination" or "scratch". Cheap enough for launch. bytes = 0 with no buffer is NULL. */
fr_status host_binding_at(const fr_host *host, const fr_binding *binding, uint64_t bytes, const char *what,
                          void **out_at) FR_MUST_CHECK;

/* ---- entries of the table ------------------------------------------------------------------------------- */

fr_status host_memory_use(fr_device *device, fr_memory_use *out_use);

fr_status host_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer);
void host_buffer_free(fr_buffer *buffer); /* takes NULL */
void *host_buffer_map(fr_buffer *buffer); /* NULL for a window that points nowhere yet */
fr_status host_buffer_point(fr_buffer *buffer, void *memory, uint64_t bytes); /* windows are not accounted */
fr_status host_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes);
fr_status host_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes);

fr_status host_event_new(fr_device *device, fr_event **out_event);
void host_event_free(fr_event *event); /* takes NULL */
fr_status host_record(fr_queue *queue, fr_event *event);
fr_status host_wait(fr_event *event); /* FR_INVALID for an event never recorded */
fr_status host_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns);

#endif
