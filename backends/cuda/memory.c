/* Device memory, and the buffers of the table. CUDA aligns it to 256 bytes. */
#include "cud.h"

static fr_status out_of_memory(fr_device *device, uint64_t bytes, const char *what) {
    size_t free_bytes = 0, total = 0;
    unsigned long long live = 0;
    for (int kind = 0; kind < 4; kind++)
        live += atomic_load(&device->base.live[kind]);
    if (device->cu->cuMemGetInfo(&free_bytes, &total) != CUDA_SUCCESS)
        total = (size_t)device->found->facts.memory_bytes;
    return host_fail(device->base.host, FR_NO_MEMORY,
                     "cuda: out of device memory: %llu bytes for %s; %llu are free of %llu, and %llu in use by this "
                     "session; a smaller batch needs less",
                     (unsigned long long)bytes, what, (unsigned long long)free_bytes, (unsigned long long)total, live);
}

fr_status cud_memory_new(fr_device *device, uint64_t bytes, const char *what, CUdeviceptr *out_memory) {
    *out_memory = 0;
    HOST_TRY(cud_enter(device));
    if (bytes == 0)
        return FR_OK;
    if (bytes > SIZE_MAX)
        return out_of_memory(device, bytes, what);
    CUresult code = device->cu->cuMemAlloc(out_memory, (size_t)bytes);
    if (code == CUDA_SUCCESS)
        return FR_OK;
    *out_memory = 0;
    if (code == CUDA_ERROR_OUT_OF_MEMORY || code == CUDA_ERROR_INVALID_VALUE)
        return out_of_memory(device, bytes, what);
    return cud_check(device, device->base.host, code, "cuMemAlloc", what);
}

void cud_memory_free(fr_device *device, CUdeviceptr memory) {
    if (!memory)
        return;
    cud_enter_to_free(device);
    (void)device->cu->cuMemFree(memory);
}

fr_status cud_memory_fill(fr_device *device, CUdeviceptr memory, const void *data, uint64_t bytes) {
    const cud_api *cu = device->cu;
    HOST_TRY(cud_enter(device));
    if (bytes == 0)
        return FR_OK;
    pthread_mutex_lock(&device->own_lock);
    CUresult code = cu->cuMemcpyHtoDAsync(memory, data, (size_t)bytes, device->own);
    if (code == CUDA_SUCCESS)
        code = cu->cuStreamSynchronize(device->own);
    pthread_mutex_unlock(&device->own_lock);
    return cud_check(device, device->base.host, code, "cuMemcpyHtoDAsync", "weights");
}

fr_status cud_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer) {
    static const char *const words[] = {"weights", "activations", "scratch", "images or results"};
    const fr_host *host = device->base.host;
    void *block;
    *out_buffer = NULL;
    if ((unsigned)kind > FR_BUFFER_STAGING)
        return host_fail(host, FR_INVALID, "buffer: %d is no kind of buffer", (int)kind);
    HOST_TRY(host_alloc(host, sizeof(fr_buffer), "a buffer", &block));
    fr_buffer *buffer = block;
    buffer->device = device;
    buffer->kind = kind;
    fr_status status = cud_memory_new(device, bytes, words[kind], &buffer->memory);
    if (status != FR_OK) {
        host->free(buffer);
        return status;
    }
    buffer->bytes = bytes;
    host_account_add(&device->base, kind, bytes);
    *out_buffer = buffer;
    return FR_OK;
}

void cud_buffer_free(fr_buffer *buffer) {
    if (!buffer)
        return;
    fr_device *device = buffer->device;
    cud_memory_free(device, buffer->memory);
    host_account_drop(&device->base, buffer->kind, buffer->bytes);
    device->base.host->free(buffer);
}

fr_status cud_binding_check(const fr_host *host, const fr_binding *binding, uint64_t bytes, const char *what) {
    return host_range_check(host, binding->buffer ? &binding->buffer->bytes : NULL, binding->offset, bytes, what);
}
