/* Events, with the device's own times. */
#include "cud.h"

fr_status cud_event_new(fr_device *device, fr_event **out_event) {
    const fr_host *host = device->base.host;
    void *block;
    *out_event = NULL;
    HOST_TRY(cud_enter(device));
    HOST_TRY(host_alloc(host, sizeof(fr_event), "an event", &block));
    fr_event *event = block;
    event->device = device;
    fr_status status = cud_check(device, host, device->cu->cuEventCreate(&event->event, CU_EVENT_DEFAULT),
                                 "cuEventCreate", "an event");
    if (status != FR_OK) {
        host->free(event);
        return status;
    }
    *out_event = event;
    return FR_OK;
}

void cud_event_free(fr_event *event) {
    if (!event)
        return;
    cud_enter_to_free(event->device);
    (void)event->device->cu->cuEventDestroy(event->event);
    event->device->base.host->free(event);
}

fr_status cud_record(fr_queue *queue, fr_event *event) {
    fr_device *device = queue->device;
    HOST_TRY(cud_enter(device));
    HOST_TRY(cud_check(device, device->base.host, device->cu->cuEventRecord(event->event, queue->stream),
                       "cuEventRecord", "an event"));
    event->is_recorded = true;
    return FR_OK;
}

fr_status cud_wait(fr_event *event) {
    fr_device *device = event->device;
    if (!event->is_recorded)
        return host_fail(device->base.host, FR_INVALID, "event: it was never recorded");
    HOST_TRY(cud_enter(device));
    return cud_check(device, device->base.host, device->cu->cuEventSynchronize(event->event), "cuEventSynchronize",
                     "an event");
}

fr_status cud_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns) {
    fr_device *device = begin->device;
    float ms = 0;
    *out_ns = 0;
    if (!begin->is_recorded || !end->is_recorded)
        return host_fail(device->base.host, FR_INVALID, "event: it was never recorded");
    HOST_TRY(cud_enter(device));
    HOST_TRY(cud_check(device, device->base.host, device->cu->elapsed_time(&ms, begin->event, end->event),
                       "cuEventElapsedTime", "an event"));
    *out_ns = ms > 0 ? (uint64_t)((double)ms * 1e6) : 0;
    return FR_OK;
}
