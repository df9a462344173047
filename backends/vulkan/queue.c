#include "queue.h"

#include <stdio.h>
#include <string.h>

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static void free_slot(vlk_slot *slot) {
    fr_device *device = slot->recorder.device;
    if (!device)
        return;
    if (!vlk_is_stuck(device))
        vlk_recorder_free(&slot->recorder);
    vlk_mark_free(device, &slot->mark);
    vlk_buffer_free(slot->up);
    vlk_buffer_free(slot->down);
}

static fr_status make_slot(fr_device *device, vlk_slot *slot) {
    HOST_TRY(vlk_recorder_new(device, VLK_SLOT_MOST, &slot->recorder));
    return vlk_mark_new(device, &slot->mark);
}

/* Waits for a running slot; what it read goes to the host. */
static fr_status finish(fr_queue *queue, vlk_slot *slot) {
    if (!slot->is_running)
        return FR_OK;
    slot->is_running = false;
    queue->n_running--;
    HOST_TRY(vlk_mark_wait(queue->device, &slot->mark, slot->what));
    for (uint32_t i = 0; i < slot->n_reads; i++)
        memcpy(slot->reads[i].to, (const char *)slot->down->memory.mapped + slot->reads[i].at,
               (size_t)slot->reads[i].bytes);
    return FR_OK;
}

static fr_status open_slot(fr_queue *queue, vlk_slot **out_slot) {
    vlk_slot *slot = &queue->slots[queue->at];
    *out_slot = slot;
    if (slot->recorder.is_open)
        return FR_OK;
    HOST_TRY(finish(queue, slot));
    slot->n_reads = 0;
    slot->up_bytes = slot->down_bytes = 0;
    return vlk_recorder_begin(&slot->recorder);
}

fr_status vlk_queue_submit(fr_queue *queue, VkCommandBuffer commands, const char *what, vlk_mark *also) {
    vlk_slot *slot = &queue->slots[queue->at];
    VkCommandBuffer all[2];
    uint32_t count = 0;
    bool has_own = slot->recorder.is_open && slot->recorder.has_commands;
    if (!has_own && !commands && !also)
        return FR_OK;
    if (!has_own) /* an empty slot: its mark stands for what comes from elsewhere */
        HOST_TRY(open_slot(queue, &slot));
    (void)snprintf(slot->what, sizeof slot->what, "%s", what ? what : vlk_recorder_what(&slot->recorder));
    HOST_TRY(vlk_recorder_end(&slot->recorder));
    all[count++] = slot->recorder.commands;
    if (commands)
        all[count++] = commands;
    HOST_TRY(vlk_submit(queue->device, count, all, &slot->mark, also, slot->what));
    slot->is_running = true;
    queue->n_running++;
    queue->at = (queue->at + 1) % VLK_SLOTS;
    return FR_OK;
}

fr_status vlk_queue_room(fr_queue *queue, uint32_t dispatches, vlk_slot **out_slot) {
    HOST_TRY(vlk_alive(queue->device));
    HOST_TRY(open_slot(queue, out_slot));
    uint32_t most = queue->n_running == 0 ? VLK_SLOT_FIRST : VLK_SLOT_MOST, count = (*out_slot)->recorder.count;
    if (count == 0 || count + dispatches <= most)
        return FR_OK;
    HOST_TRY(vlk_queue_submit(queue, VK_NULL_HANDLE, NULL, NULL));
    return open_slot(queue, out_slot);
}

static fr_status sync_all(fr_queue *queue) {
    HOST_TRY(vlk_alive(queue->device));
    HOST_TRY(vlk_queue_submit(queue, VK_NULL_HANDLE, NULL, NULL));
    for (uint32_t i = 0; i < VLK_SLOTS; i++)
        HOST_TRY(finish(queue, &queue->slots[(queue->at + i) % VLK_SLOTS]));
    return FR_OK;
}

fr_status vlk_sync(fr_queue *queue) {
    return vlk_queue_fail(queue, sync_all(queue));
}

/* Waits for what runs, even on a lost device (there it takes no time); what was recorded and read is forgotten. */
static void drain(fr_queue *queue) {
    fr_device *device = queue->device;
    bool was_running = false;
    for (uint32_t i = 0; i < VLK_SLOTS; i++)
        was_running |= queue->slots[i].mark.is_set;
    if (was_running)
        vlk_rest(device);
    for (uint32_t i = 0; i < VLK_SLOTS; i++) {
        queue->slots[i].recorder.is_open = queue->slots[i].is_running = false;
        vlk_mark_clear(device, &queue->slots[i].mark);
    }
    queue->n_running = 0;
}

fr_status vlk_queue_fail(fr_queue *queue, fr_status status) {
    if (status == FR_OK || status == FR_INVALID) /* the caller's mistake, of which nothing was recorded */
        return status;
    drain(queue);
    return status;
}

fr_status vlk_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue) {
    void *block;
    (void)threads;
    *out_queue = NULL;
    HOST_TRY(vlk_alive(device));
    HOST_TRY(host_alloc(device->base.host, sizeof(fr_queue), "a queue", &block));
    fr_queue *queue = block;
    queue->device = device;
    for (uint32_t i = 0; i < VLK_SLOTS; i++) {
        fr_status status = make_slot(device, &queue->slots[i]);
        if (status != FR_OK) {
            vlk_queue_close(queue);
            return status;
        }
    }
    *out_queue = queue;
    return FR_OK;
}

void vlk_queue_close(fr_queue *queue) {
    if (!queue)
        return;
    drain(queue);
    for (uint32_t i = 0; i < VLK_SLOTS; i++)
        free_slot(&queue->slots[i]);
    queue->device->base.host->free(queue);
}

/* ---- to and from the host ---------------------------------------------------------------------------------------- */

static bool is_idle(const fr_queue *queue) {
    const vlk_recorder *r = &queue->slots[queue->at].recorder;
    return queue->n_running == 0 && !(r->is_open && r->has_commands);
}

static void copy(vlk_slot *slot, VkBuffer from, uint64_t from_at, VkBuffer to, uint64_t to_at, uint64_t bytes) {
    const VkBufferCopy region = {from_at, to_at, bytes};
    vlk_recorder_barrier(&slot->recorder);
    slot->recorder.device->vk.vkCmdCopyBuffer(slot->recorder.commands, from, to, 1, &region);
}

/* Of `left` bytes those that the slot's staging has room for; a slot without any goes on its way. */
static fr_status stage(fr_queue *queue, bool is_up, uint64_t left, vlk_slot **out_slot, uint64_t *out_bytes) {
    vlk_slot *slot;
    HOST_TRY(vlk_queue_room(queue, 0, &slot));
    if ((is_up ? slot->up_bytes : slot->down_bytes) == VLK_SLOT_STAGING ||
        (!is_up && slot->n_reads == VLK_SLOT_READS)) {
        HOST_TRY(vlk_queue_submit(queue, VK_NULL_HANDLE, NULL, NULL));
        HOST_TRY(vlk_queue_room(queue, 0, &slot));
    }
    fr_buffer **buffer = is_up ? &slot->up : &slot->down;
    if (!*buffer)
        HOST_TRY(
            vlk_buffer_make(queue->device, is_up ? VLK_UPLOAD : VLK_READBACK, VLK_SLOT_STAGING, "staging", buffer));
    uint64_t room = VLK_SLOT_STAGING - (is_up ? slot->up_bytes : slot->down_bytes);
    *out_bytes = left < room ? left : room;
    *out_slot = slot;
    return FR_OK;
}

static fr_status write_staged(fr_queue *queue, fr_buffer *dst, uint64_t offset, const char *src, uint64_t bytes) {
    for (uint64_t now; bytes > 0; bytes -= now, src += now, offset += now) {
        vlk_slot *slot;
        HOST_TRY(stage(queue, true, bytes, &slot, &now));
        memcpy((char *)slot->up->memory.mapped + slot->up_bytes, src, (size_t)now);
        copy(slot, slot->up->handle, slot->up_bytes, dst->handle, offset, now);
        slot->up_bytes += now;
    }
    return FR_OK;
}

static fr_status write_any(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    fr_binding range = {dst, offset};
    HOST_TRY(vlk_alive(queue->device));
    HOST_TRY(vlk_binding_check(queue->device->base.host, &range, bytes, "write"));
    if (bytes == 0)
        return FR_OK;
    if (!dst->memory.mapped || !is_idle(queue))
        return write_staged(queue, dst, offset, src, bytes);
    memcpy((char *)dst->memory.mapped + offset, src, (size_t)bytes);
    return FR_OK;
}

fr_status vlk_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    return vlk_queue_fail(queue, write_any(queue, dst, offset, src, bytes));
}

static fr_status read_staged(fr_queue *queue, const fr_buffer *src, uint64_t offset, char *dst, uint64_t bytes) {
    for (uint64_t now; bytes > 0; bytes -= now, dst += now, offset += now) {
        vlk_slot *slot;
        HOST_TRY(stage(queue, false, bytes, &slot, &now));
        slot->reads[slot->n_reads++] = (vlk_pending_read){dst, slot->down_bytes, now};
        copy(slot, src->handle, offset, slot->down->handle, slot->down_bytes, now);
        slot->down_bytes += now;
    }
    return FR_OK;
}

static fr_status read_any(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    fr_device *device = queue->device;
    fr_binding range = {(fr_buffer *)(uintptr_t)src, offset};
    HOST_TRY(vlk_alive(device));
    HOST_TRY(vlk_binding_check(device->base.host, &range, bytes, "read"));
    if (bytes == 0)
        return FR_OK;
    if (!src->memory.mapped || !device->found->is_unified)
        return read_staged(queue, src, offset, dst, bytes);
    HOST_TRY(sync_all(queue));
    memcpy(dst, (const char *)src->memory.mapped + offset, (size_t)bytes);
    return FR_OK;
}

fr_status vlk_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    return vlk_queue_fail(queue, read_any(queue, src, offset, dst, bytes));
}
