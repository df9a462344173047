/* Page-locked memory of a queue, in chunks: while one travels the host fills, or empties, the next. Pageable memory would be
 * staged by the driver, one piece after the other with the host waiting for each. */
#include <string.h>

#include "cud.h"

enum { CHUNK_BYTES = 4 << 20, CHUNKS = 3 };

typedef struct chunk {
    CUevent done;
    bool is_busy;   /* `done` was recorded and not waited for since */
    void *to;       /* a read's place, where the chunk goes when it has come; NULL: none */
    uint64_t bytes; /* of it */
} chunk;

struct cud_ring {
    char *memory;
    chunk chunks[CHUNKS];
    uint32_t next;
};

static void ring_free(fr_device *device, cud_ring *ring) {
    if (!ring)
        return;
    for (int i = 0; i < CHUNKS; i++)
        if (ring->chunks[i].done)
            (void)device->cu->cuEventDestroy(ring->chunks[i].done);
    if (ring->memory)
        (void)device->cu->cuMemFreeHost(ring->memory);
    device->base.host->free(ring);
}

static fr_status ring_fill(fr_device *device, cud_ring *ring) {
    const fr_host *host = device->base.host;
    void *memory = NULL;
    HOST_TRY(cud_check(device, host, device->cu->cuMemHostAlloc(&memory, (size_t)CHUNKS * CHUNK_BYTES, 0),
                       "cuMemHostAlloc", "page-locked staging"));
    ring->memory = memory;
    for (int i = 0; i < CHUNKS; i++)
        HOST_TRY(cud_check(device, host, device->cu->cuEventCreate(&ring->chunks[i].done, CU_EVENT_DISABLE_TIMING),
                           "cuEventCreate", "page-locked staging"));
    return FR_OK;
}

/* NULL when the system has no memory to lock: the copies are then the driver's to stage. */
static fr_status ring_get(fr_queue *queue, cud_ring **ring) {
    fr_device *device = queue->device;
    void *block;
    if (*ring || queue->has_no_ring)
        return FR_OK;
    HOST_TRY(host_alloc(device->base.host, sizeof(cud_ring), "page-locked staging", &block));
    fr_status status = ring_fill(device, block);
    if (status == FR_OK) {
        *ring = block;
        return FR_OK;
    }
    ring_free(device, block);
    if (status == FR_DEVICE_LOST)
        return status;
    queue->has_no_ring = true;
    device->base.host->log(1, "cuda: the system gives no page-locked memory; copies are slower without it");
    return FR_OK;
}

static char *place_of(const cud_ring *ring, const chunk *c) {
    return ring->memory + (size_t)(c - ring->chunks) * CHUNK_BYTES;
}

static void deliver(const cud_ring *ring, chunk *c) {
    c->is_busy = false;
    if (c->to)
        memcpy(c->to, place_of(ring, c), (size_t)c->bytes);
    c->to = NULL;
}

/* The chunk whose turn it is, no longer busy. */
static fr_status take(fr_queue *queue, cud_ring *ring, chunk **out_chunk) {
    fr_device *device = queue->device;
    chunk *c = &ring->chunks[ring->next];
    *out_chunk = NULL;
    if (c->is_busy) {
        HOST_TRY(cud_check(device, device->base.host, device->cu->cuEventSynchronize(c->done), "cuEventSynchronize",
                           "a copy"));
        deliver(ring, c);
    }
    ring->next = (ring->next + 1) % CHUNKS;
    *out_chunk = c;
    return FR_OK;
}

static fr_status sent(fr_queue *queue, chunk *c, CUresult copied, const char *call, const char *what) {
    fr_device *device = queue->device;
    HOST_TRY(cud_check(device, device->base.host, copied, call, what));
    HOST_TRY(
        cud_check(device, device->base.host, device->cu->cuEventRecord(c->done, queue->stream), "cuEventRecord", what));
    c->is_busy = true;
    return FR_OK;
}

static fr_status write_chunks(fr_queue *queue, CUdeviceptr dst, const char *src, uint64_t bytes) {
    const cud_api *cu = queue->device->cu;
    for (uint64_t now; bytes > 0; bytes -= now, src += now, dst += now) {
        chunk *c;
        now = bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES;
        HOST_TRY(take(queue, queue->in, &c));
        char *place = place_of(queue->in, c);
        memcpy(place, src, (size_t)now);
        CUresult code = cu->cuMemcpyHtoDAsync(dst, place, (size_t)now, queue->stream);
        HOST_TRY(sent(queue, c, code, "cuMemcpyHtoDAsync", "a write"));
    }
    return FR_OK;
}

static fr_status read_chunks(fr_queue *queue, CUdeviceptr src, char *dst, uint64_t bytes) {
    const cud_api *cu = queue->device->cu;
    for (uint64_t now; bytes > 0; bytes -= now, dst += now, src += now) {
        chunk *c;
        now = bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES;
        HOST_TRY(take(queue, queue->out, &c));
        CUresult code = cu->cuMemcpyDtoHAsync(place_of(queue->out, c), src, (size_t)now, queue->stream);
        HOST_TRY(sent(queue, c, code, "cuMemcpyDtoHAsync", "a read"));
        c->to = dst;
        c->bytes = now;
    }
    return FR_OK;
}

/* Page-locked memory needs no staging: the device's copy engine takes it from where it is. */
static bool is_locked(const cud_api *cu, const void *at) {
    unsigned type = 0;
    CUresult code = cu->cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)at);
    return code == CUDA_SUCCESS && type == CU_MEMORYTYPE_HOST;
}

static bool goes_straight(const fr_queue *queue, const void *memory, uint64_t bytes) {
    const cud_api *cu = queue->device->cu;
    return !queue->device->has_pinned || (is_locked(cu, memory) && is_locked(cu, (const char *)memory + bytes - 1));
}

fr_status cud_copy_in(fr_queue *queue, CUdeviceptr dst, const void *src, uint64_t bytes) {
    fr_device *device = queue->device;
    if (!goes_straight(queue, src, bytes)) {
        HOST_TRY(ring_get(queue, &queue->in));
        if (queue->in)
            return write_chunks(queue, dst, src, bytes);
    }
    return cud_check(device, device->base.host, device->cu->cuMemcpyHtoDAsync(dst, src, (size_t)bytes, queue->stream),
                     "cuMemcpyHtoDAsync", "a write");
}

fr_status cud_copy_out(fr_queue *queue, CUdeviceptr src, void *dst, uint64_t bytes) {
    fr_device *device = queue->device;
    if (!goes_straight(queue, dst, bytes)) {
        HOST_TRY(ring_get(queue, &queue->out));
        if (queue->out)
            return read_chunks(queue, src, dst, bytes);
    }
    return cud_check(device, device->base.host, device->cu->cuMemcpyDtoHAsync(dst, src, (size_t)bytes, queue->stream),
                     "cuMemcpyDtoHAsync", "a read");
}

void cud_copies_deliver(fr_queue *queue) {
    for (uint32_t i = 0; queue->out && i < CHUNKS; i++)
        deliver(queue->out, &queue->out->chunks[(queue->out->next + i) % CHUNKS]);
}

void cud_copies_forget(fr_queue *queue) {
    for (uint32_t i = 0; queue->out && i < CHUNKS; i++)
        queue->out->chunks[i].to = NULL;
}

void cud_rings_free(fr_queue *queue) {
    ring_free(queue->device, queue->in);
    ring_free(queue->device, queue->out);
    queue->in = queue->out = NULL;
}
