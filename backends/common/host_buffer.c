#include <string.h>

#include "common/host_device.h"

struct fr_buffer {
    host_device *device;
    fr_buffer_kind kind;
    char *at;       /* owned memory, or the caller's */
    uint64_t bytes; /* as seen from `at` */
    void *owned;    /* NULL for a window */
    uint64_t owned_bytes;
};

fr_status host_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer) {
    host_device *base = (host_device *)device;
    *out_buffer = NULL;
    if ((unsigned)kind > FR_BUFFER_STAGING)
        return host_fail(base->host, FR_INVALID, "buffer: %d is no kind of buffer", (int)kind);
    void *block;
    HOST_TRY(host_alloc(base->host, sizeof(fr_buffer), "a buffer", &block));
    fr_buffer *buffer = block;
    buffer->device = base;
    buffer->kind = kind;
    if (bytes > 0) {
        fr_status status = host_alloc(base->host, bytes, "a buffer", &buffer->owned);
        if (status != FR_OK) {
            base->host->free(buffer);
            return status;
        }
        buffer->at = buffer->owned;
        buffer->bytes = buffer->owned_bytes = bytes;
        host_account_add(base, kind, bytes);
    }
    *out_buffer = buffer;
    return FR_OK;
}

void host_buffer_free(fr_buffer *buffer) {
    if (!buffer)
        return;
    host_device *base = buffer->device;
    if (buffer->owned) {
        host_account_drop(base, buffer->kind, buffer->owned_bytes);
        base->host->free(buffer->owned);
    }
    base->host->free(buffer);
}

void *host_buffer_map(fr_buffer *buffer) {
    return buffer->at;
}

fr_status host_buffer_point(fr_buffer *buffer, void *memory, uint64_t bytes) {
    if (buffer->owned)
        return host_fail(buffer->device->host, FR_INVALID,
                         "buffer: it has %llu bytes of its own; a window is made with 0 bytes",
                         (unsigned long long)buffer->owned_bytes);
    buffer->at = memory;
    buffer->bytes = memory ? bytes : 0;
    return FR_OK;
}

static fr_status check_range(const fr_buffer *buffer, uint64_t offset, uint64_t bytes, const char *what) {
    return host_range_check(buffer->device->host, &buffer->bytes, offset, bytes, what);
}

fr_status host_binding_at(const fr_host *host, const fr_binding *binding, uint64_t bytes, const char *what,
                          void **out_at) {
    *out_at = NULL;
    HOST_TRY(host_range_check(host, binding->buffer ? &binding->buffer->bytes : NULL, binding->offset, bytes, what));
    if (binding->buffer && binding->buffer->at)
        *out_at = binding->buffer->at + binding->offset;
    return FR_OK;
}

fr_status host_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    (void)queue;
    HOST_TRY(check_range(dst, offset, bytes, "write"));
    if (bytes > 0)
        memcpy(dst->at + offset, src, (size_t)bytes);
    return FR_OK;
}

fr_status host_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    (void)queue;
    HOST_TRY(check_range(src, offset, bytes, "read"));
    if (bytes > 0)
        memcpy(dst, src->at + offset, (size_t)bytes);
    return FR_OK;
}
