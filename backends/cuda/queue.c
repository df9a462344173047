/* Queues in order, one stream each, and what goes through them to and from the host. */
#include "cud.h"
#include "ways.h"

fr_status cud_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue) {
    const fr_host *host = device->base.host;
    void *block;
    (void)threads;
    *out_queue = NULL;
    HOST_TRY(cud_enter(device));
    HOST_TRY(host_alloc(host, sizeof(fr_queue), "a queue", &block));
    fr_queue *queue = block;
    queue->device = device;
    /* not tied to the default stream, which other parts of the program may use */
    fr_status status = cud_check(device, host, device->cu->cuStreamCreate(&queue->stream, CU_STREAM_NON_BLOCKING),
                                 "cuStreamCreate", "a queue");
    if (status != FR_OK) {
        host->free(queue);
        return status;
    }
    *out_queue = queue;
    return FR_OK;
}

void cud_queue_close(fr_queue *queue) {
    if (!queue)
        return;
    fr_device *device = queue->device;
    cud_enter_to_free(device);
    (void)device->cu->cuStreamSynchronize(queue->stream); /* what follows frees memory that copies may be using */
    cud_lt_queue_close(queue);
    cud_dnn_queue_close(queue);
    cud_rings_free(queue);
    (void)device->cu->cuStreamDestroy(queue->stream);
    device->base.host->free(queue);
}

/* After a failure nothing is delivered any more: the reader was told, and may have freed its memory. */
static fr_status after(fr_queue *queue, fr_status status) {
    if (status != FR_OK && status != FR_INVALID)
        cud_copies_forget(queue);
    return status;
}

fr_status cud_sync(fr_queue *queue) {
    fr_device *device = queue->device;
    fr_status status = cud_enter(device);
    if (status == FR_OK)
        status = cud_check(device, device->base.host, device->cu->cuStreamSynchronize(queue->stream),
                           "cuStreamSynchronize", "what was launched");
    if (status == FR_OK)
        cud_copies_deliver(queue);
    return after(queue, status);
}

static fr_status write_any(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    fr_device *device = queue->device;
    fr_binding range = {dst, offset};
    HOST_TRY(cud_enter(device));
    HOST_TRY(cud_binding_check(device->base.host, &range, bytes, "write"));
    if (bytes == 0)
        return FR_OK;
    return cud_copy_in(queue, dst->memory + offset, src, bytes);
}

fr_status cud_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    return after(queue, write_any(queue, dst, offset, src, bytes));
}

static fr_status read_any(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    fr_device *device = queue->device;
    fr_binding range = {(fr_buffer *)(uintptr_t)src, offset};
    HOST_TRY(cud_enter(device));
    HOST_TRY(cud_binding_check(device->base.host, &range, bytes, "read"));
    if (bytes == 0)
        return FR_OK;
    return cud_copy_out(queue, src->memory + offset, dst, bytes);
}

fr_status cud_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    return after(queue, read_any(queue, src, offset, dst, bytes));
}
