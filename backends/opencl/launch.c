/* Launching a compiled step: buffers and offsets into the kernels' arguments, and into the queue. */
#include <string.h>

#include "program.h"

typedef struct bound { /* a dispatch's buffers of this launch */
    cl_mem memory[GPU_MAX_BUFFERS];
    uint64_t serial[GPU_MAX_BUFFERS]; /* 0: the weights, which never change */
    cl_uint words[8];
} bound;

static fr_status resolve(const fr_program *program, const ocl_dispatch *d, const fr_launch *launch, bound *out) {
    memset(out, 0, sizeof *out);
    out->words[6] = (cl_uint)launch->valid;
    for (int32_t i = 0; i < d->n_binds; i++) {
        const gpu_bind *bind = &d->binds[i];
        uint64_t bytes = bind->at;
        if (bind->role == GPU_WEIGHT) {
            out->memory[i] = program->packed;
        } else {
            const fr_binding *from = gpu_bindings_of(launch, bind->role);
            out->memory[i] = from->buffer ? from->buffer->memory : NULL;
            out->serial[i] = from->buffer ? from->buffer->serial : UINT64_MAX;
            bytes += from->offset;
        }
        if (bytes % bind->elem_bytes != 0 || bytes / bind->elem_bytes > UINT32_MAX)
            return host_fail(program->device->base.host, FR_INTERNAL,
                             "opencl: buffer %d of %s begins at byte %llu, which no offset in %u-byte elements says", i,
                             d->name, (unsigned long long)bytes, bind->elem_bytes);
        out->words[i] = (cl_uint)(bytes / bind->elem_bytes);
    }
    return FR_OK;
}

static fr_status set_arguments(const fr_program *program, ocl_dispatch *d, const bound *b) {
    const fr_host *host = program->device->base.host;
    const ocl_api *cl = program->device->cl;
    for (int32_t i = 0; i < d->n_binds; i++) {
        if (b->serial[i] == d->set_serial[i]) /* the weights' are 0 from the start */
            continue;
        d->set_serial[i] = 0;
        HOST_TRY(ocl_check(host, cl->clSetKernelArg(d->kernel, (cl_uint)i, sizeof b->memory[i], &b->memory[i]),
                           "clSetKernelArg", d->name));
        d->set_serial[i] = b->serial[i];
    }
    if (d->words_set && memcmp(d->set_words, b->words, sizeof b->words) == 0)
        return FR_OK;
    d->words_set = false;
    HOST_TRY(ocl_check(host, cl->clSetKernelArg(d->kernel, d->words_at, sizeof b->words, b->words), "clSetKernelArg",
                       d->name));
    memcpy(d->set_words, b->words, sizeof b->words);
    d->words_set = true;
    return FR_OK;
}

static fr_status enqueue(fr_queue *queue, const fr_program *program, ocl_dispatch *d, const bound *b) {
    const fr_device *device = program->device;
    if (d->call == GPU_CALL_GEMM)
        return ocl_blast_gemm(device->base.host, &device->driver->blast, &d->gemm, b->memory, b->words, queue->queue,
                              ocl_queue_last(queue));
    HOST_TRY(set_arguments(program, d, b));
    return ocl_check(device->base.host,
                     device->cl->clEnqueueNDRangeKernel(queue->queue, d->kernel, 3, NULL, d->global, d->local, 0, NULL,
                                                        ocl_queue_last(queue)),
                     "clEnqueueNDRangeKernel", d->name);
}

fr_status ocl_launch(fr_queue *queue, const fr_launch *launch) {
    fr_program *program = launch->program;
    fr_status status = FR_OK;
    HOST_TRY(gpu_bindings_check(program->device->base.host, &program->bindings, launch, ocl_binding_check));
    pthread_mutex_lock(&program->lock);
    for (int32_t i = 0; i < program->n_dispatches && status == FR_OK; i++) {
        bound b;
        status = resolve(program, &program->dispatches[i], launch, &b);
        if (status == FR_OK)
            status = enqueue(queue, program, &program->dispatches[i], &b);
    }
    pthread_mutex_unlock(&program->lock);
    return status;
}
