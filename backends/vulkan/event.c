/* Events: a timestamp of the device, or of the host's clock where the device writes none. */
#include <time.h>

#include "queue.h"

struct fr_event {
    fr_device *device;
    VkQueryPool query; /* NULL: the host's clock */
    vlk_mark mark;
    bool is_recorded;
    uint64_t host_ns;
};

fr_status vlk_event_new(fr_device *device, fr_event **out_event) {
    const fr_host *host = device->base.host;
    fr_status status = FR_OK;
    void *block;
    *out_event = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_event), "an event", &block));
    fr_event *event = block;
    event->device = device;
    HOST_GO(done, vlk_mark_new(device, &event->mark));
    if (device->found->timestamp_bits > 0) {
        VkQueryPoolCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, .queryType = VK_QUERY_TYPE_TIMESTAMP, .queryCount = 1};
        status = vlk_check(device, host, device->vk.vkCreateQueryPool(device->handle, &info, NULL, &event->query),
                           "vkCreateQueryPool", "an event");
    }
done:
    if (status == FR_OK)
        *out_event = event;
    else
        vlk_event_free(event);
    return status;
}

void vlk_event_free(fr_event *event) {
    if (!event)
        return;
    fr_device *device = event->device;
    if (event->mark.is_set)
        vlk_rest(device);
    vlk_mark_free(device, &event->mark);
    if (event->query && !vlk_is_stuck(device))
        device->vk.vkDestroyQueryPool(device->handle, event->query, NULL);
    device->base.host->free(event);
}

static fr_status record_query(fr_queue *queue, fr_event *event) {
    const fr_device *device = queue->device;
    vlk_slot *slot;
    HOST_TRY(vlk_queue_room(queue, 0, &slot));
    device->vk.vkCmdResetQueryPool(slot->recorder.commands, event->query, 0, 1);
    device->vk.vkCmdWriteTimestamp(slot->recorder.commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, event->query, 0);
    return vlk_queue_submit(queue, VK_NULL_HANDLE, NULL, &event->mark);
}

static fr_status record_clock(fr_queue *queue, fr_event *event) {
    struct timespec now;
    HOST_TRY(vlk_sync(queue));
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return host_fail(queue->device->base.host, FR_INTERNAL, "event: the monotonic clock can't be read");
    event->host_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return FR_OK;
}

fr_status vlk_record(fr_queue *queue, fr_event *event) {
    fr_status status = vlk_mark_wait(queue->device, &event->mark, "an event");
    if (status == FR_OK)
        status = event->query ? record_query(queue, event) : record_clock(queue, event);
    event->is_recorded |= status == FR_OK;
    return vlk_queue_fail(queue, status);
}

fr_status vlk_wait(fr_event *event) {
    if (!event->is_recorded)
        return host_fail(event->device->base.host, FR_INVALID, "event: it was never recorded");
    return vlk_mark_wait(event->device, &event->mark, "an event");
}

static fr_status read_query(fr_event *event, uint64_t *out_ticks) {
    fr_device *device = event->device;
    HOST_TRY(vlk_wait(event));
    return vlk_check(device, device->base.host,
                     device->vk.vkGetQueryPoolResults(device->handle, event->query, 0, 1, sizeof *out_ticks, out_ticks,
                                                      sizeof *out_ticks, VK_QUERY_RESULT_64_BIT),
                     "vkGetQueryPoolResults", "an event");
}

fr_status vlk_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns) {
    const vlk_found *found = begin->device->found;
    uint64_t from = 0, to = 0;
    *out_ns = 0;
    if (!begin->query || !end->query) {
        HOST_TRY(vlk_wait(begin));
        HOST_TRY(vlk_wait(end));
        *out_ns = end->host_ns > begin->host_ns ? end->host_ns - begin->host_ns : 0;
        return FR_OK;
    }
    HOST_TRY(read_query(begin, &from));
    HOST_TRY(read_query(end, &to));
    /* counters wrap; more than half of their range apart means that `end` was first */
    uint64_t mask = found->timestamp_bits >= 64 ? UINT64_MAX : (1ull << found->timestamp_bits) - 1;
    uint64_t ticks = (to - from) & mask;
    *out_ns = ticks > mask / 2 ? 0 : (uint64_t)((double)ticks * (double)found->properties.limits.timestampPeriod);
    return FR_OK;
}
