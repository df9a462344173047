#include <time.h>

#include "common/host_device.h"

struct fr_event {
    const fr_host *host;
    atomic_ullong ns; /* of the monotonic clock; 0 = never recorded */
};

fr_status host_event_new(fr_device *device, fr_event **out_event) {
    const fr_host *host = ((host_device *)device)->host;
    void *block;
    *out_event = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_event), "an event", &block));
    *out_event = block;
    (*out_event)->host = host;
    atomic_init(&(*out_event)->ns, 0);
    return FR_OK;
}

void host_event_free(fr_event *event) {
    if (event)
        event->host->free(event);
}

fr_status host_record(fr_queue *queue, fr_event *event) {
    (void)queue;
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return host_fail(event->host, FR_INTERNAL, "event: the monotonic clock can't be read");
    unsigned long long ns = (unsigned long long)now.tv_sec * 1000000000u + (unsigned long long)now.tv_nsec;
    atomic_store(&event->ns, ns ? ns : 1);
    return FR_OK;
}

fr_status host_wait(fr_event *event) {
    if (atomic_load(&event->ns) == 0)
        return host_fail(event->host, FR_INVALID, "event: it was never recorded");
    return FR_OK;
}

fr_status host_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns) {
    *out_ns = 0;
    HOST_TRY(host_wait(begin));
    HOST_TRY(host_wait(end));
    unsigned long long from = atomic_load(&begin->ns), to = atomic_load(&end->ns);
    *out_ns = to > from ? to - from : 0;
    return FR_OK;
}
