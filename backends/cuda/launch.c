/* Launching a compiled step: pointers into the kernels' arguments, and the kernels into the queue's stream. */
#include <string.h>

#include "program.h"

enum { N_WORDS = 8, VALID_WORD = 6 };

static fr_status resolve(const fr_host *host, const cud_dispatch *d, const cud_place *place, CUdeviceptr packed,
                         CUdeviceptr out[GPU_MAX_BUFFERS]) {
    for (int32_t i = 0; i < d->n_binds; i++) {
        const gpu_bind *bind = &d->binds[i];
        CUdeviceptr begin = bind->role == GPU_WEIGHT    ? packed
                            : bind->role == GPU_DST     ? place->dst
                            : bind->role == GPU_SCRATCH ? place->scratch
                                                        : place->src[bind->role];
        out[i] = begin + bind->at;
        if (out[i] % bind->elem_bytes != 0)
            return host_fail(host, FR_INTERNAL, "cuda: buffer %d of %s does not begin at one of its %u-byte elements",
                             i, d->name, bind->elem_bytes);
    }
    return FR_OK;
}

fr_status cud_dispatch_enqueue(fr_queue *queue, const cud_dispatch *d, const cud_place *place, CUdeviceptr packed) {
    fr_device *device = queue->device;
    CUdeviceptr buffers[GPU_MAX_BUFFERS] = {0};
    gpu_word params[GPU_PARAM_WORDS];
    uint32_t words[N_WORDS] = {[VALID_WORD] = (uint32_t)place->valid}; /* no offsets: they are in the pointers */
    void *arguments[GPU_MAX_BUFFERS + 2];
    int32_t count = 0;
    HOST_TRY(resolve(device->base.host, d, place, packed, buffers));
    if (d->call == GPU_CALL_GEMM)
        return cud_lt_gemm(queue, &d->gemm, buffers[0], buffers[1], buffers[2]);
    for (; count < d->n_binds; count++)
        arguments[count] = &buffers[count];
    if (d->n_params > 0) {
        memcpy(params, d->params, sizeof params);
        arguments[count++] = params;
    }
    arguments[count] = words;
    return cud_check(device, device->base.host,
                     device->cu->cuLaunchKernel(d->kernel, d->groups[0], d->groups[1], d->groups[2], d->local[0],
                                                d->local[1], d->local[2], d->shared_bytes, queue->stream, arguments,
                                                NULL),
                     "cuLaunchKernel", d->name);
}

static CUdeviceptr begin_of(const fr_binding *from) { /* 0 for what has no bytes */
    return from->buffer && from->buffer->memory ? from->buffer->memory + from->offset : 0;
}

fr_status cud_launch(fr_queue *queue, const fr_launch *launch) {
    const fr_program *program = launch->program;
    HOST_TRY(cud_enter(program->device));
    HOST_TRY(gpu_bindings_check(program->device->base.host, &program->bindings, launch, cud_binding_check));
    cud_place place = {.dst = begin_of(&launch->dst), .scratch = begin_of(&launch->scratch), .valid = launch->valid};
    for (int32_t i = 0; i < program->bindings.n_src; i++)
        place.src[i] = begin_of(&launch->src[i]);
    if (program->op)
        return program->op->enqueue(program->op, queue, &place);
    for (int32_t i = 0; i < program->n_dispatches; i++)
        HOST_TRY(cud_dispatch_enqueue(queue, &program->dispatches[i], &place, program->packed));
    return FR_OK;
}
