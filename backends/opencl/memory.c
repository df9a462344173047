/* Device memory, and the buffers of the table. */
#include <stdio.h>

#include "opencl.h"

static unsigned long long in_use(fr_device *device) {
    unsigned long long sum = 0;
    for (int kind = 0; kind < 4; kind++)
        sum += atomic_load(&device->base.live[kind]);
    return sum;
}

static fr_status out_of_memory(fr_device *device, uint64_t bytes, const char *what, const char *why) {
    return host_fail(device->base.host, FR_NO_MEMORY,
                     "opencl: out of device memory: %llu bytes for %s; %llu in use of %llu (%s); a smaller batch needs "
                     "less",
                     (unsigned long long)bytes, what, in_use(device),
                     (unsigned long long)device->found->facts.memory_bytes, why);
}

/* Drivers give memory at its first use: that is here, where its lack can be said. */
static cl_int touch(fr_device *device, cl_mem memory) {
    const cl_uchar zero = 0;
    pthread_mutex_lock(&device->own_lock);
    cl_int code = device->cl->clEnqueueFillBuffer(device->own, memory, &zero, 1, 0, 1, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = device->cl->clFinish(device->own);
    pthread_mutex_unlock(&device->own_lock);
    return code;
}

fr_status ocl_memory_new(fr_device *device, uint64_t bytes, const char *what, cl_mem *out_memory) {
    char limit[96];
    cl_int code;
    *out_memory = NULL;
    if (bytes > device->found->max_alloc || bytes > SIZE_MAX) {
        snprintf(limit, sizeof limit, "the driver gives at most %llu bytes at once",
                 (unsigned long long)device->found->max_alloc);
        return out_of_memory(device, bytes, what, limit);
    }
    cl_mem memory = device->cl->clCreateBuffer(device->context, CL_MEM_READ_WRITE, (size_t)bytes, NULL, &code);
    if (code == CL_SUCCESS) {
        code = touch(device, memory);
        if (code == CL_SUCCESS) {
            *out_memory = memory;
            return FR_OK;
        }
        device->cl->clReleaseMemObject(memory);
    }
    if (code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES || code == CL_OUT_OF_HOST_MEMORY ||
        code == CL_INVALID_BUFFER_SIZE)
        return out_of_memory(device, bytes, what, ocl_error_name(code));
    return ocl_check(device->base.host, code, "clCreateBuffer", what);
}

fr_status ocl_memory_fill(fr_device *device, cl_mem memory, const void *data, uint64_t bytes) {
    pthread_mutex_lock(&device->own_lock);
    cl_int code = device->cl->clEnqueueWriteBuffer(device->own, memory, CL_TRUE, 0, (size_t)bytes, data, 0, NULL, NULL);
    pthread_mutex_unlock(&device->own_lock);
    return ocl_check(device->base.host, code, "clEnqueueWriteBuffer", "weights");
}

fr_status ocl_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer) {
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
    buffer->serial = atomic_fetch_add(&device->next_serial, 1);
    if (bytes > 0) {
        fr_status status = ocl_memory_new(device, bytes, words[kind], &buffer->memory);
        if (status != FR_OK) {
            host->free(buffer);
            return status;
        }
        buffer->bytes = bytes;
        host_account_add(&device->base, kind, bytes);
    }
    *out_buffer = buffer;
    return FR_OK;
}

void ocl_buffer_free(fr_buffer *buffer) {
    if (!buffer)
        return;
    fr_device *device = buffer->device;
    if (buffer->memory) {
        device->cl->clReleaseMemObject(buffer->memory);
        host_account_drop(&device->base, buffer->kind, buffer->bytes);
    }
    device->base.host->free(buffer);
}

fr_status ocl_binding_check(const fr_host *host, const fr_binding *binding, uint64_t bytes, const char *what) {
    return host_range_check(host, binding->buffer ? &binding->buffer->bytes : NULL, binding->offset, bytes, what);
}
