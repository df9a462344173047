/* One step on the reference backend, from arrays to arrays: for its own tests. */
#ifndef FR_TESTS_UNIT_REF_STEPS_H
#define FR_TESTS_UNIT_REF_STEPS_H

#include "check.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "foldrun/backend.h"
#include "run/registry.h"

static fr_registry *registry;
static const fr_backend *ref;
static fr_device *device;
static fr_queue *queue;

static fr_status open_ref(void) {
    fr_device_facts facts = {.struct_bytes = sizeof facts};
    if (device)
        return FR_OK;
    FR_TRY(fr_registry_new(NULL, NULL, &registry));
    FR_TRY(fr_registry_open(registry, "ref:0", &ref, &device, &facts));
    return ref->queue_open(device, 1, &queue);
}

__attribute__((destructor)) static void close_ref(void) {
    if (queue)
        ref->queue_close(queue);
    if (device)
        ref->device_close(device);
    fr_registry_free(registry);
}

static inline fr_tensor tensor(int32_t c, int32_t h, int32_t w, fr_dtype dtype, fr_layout layout, float scale) {
    return (fr_tensor){.c = c, .h = h, .w = w, .dtype = (uint16_t)dtype, .layout = (uint16_t)layout, .scale = scale};
}

static inline fr_step plain_step(fr_step_kind kind, int32_t c, int32_t h, int32_t w) {
    fr_step step;
    memset(&step, 0, sizeof step);
    step.struct_bytes = sizeof step;
    step.kind = (uint16_t)kind;
    step.n = step.n_src = step.groups = 1;
    step.src[0] = step.dst = tensor(c, h, w, FR_F32, FR_LAYOUT_NCHW, 0);
    return step;
}

static inline fr_window window(int32_t k, int32_t stride, int32_t pad) {
    return (fr_window){k, k, stride, stride, 1, 1, pad, pad, pad, pad};
}

static inline fr_step conv_step(int32_t c, int32_t h, int32_t w, int32_t c_out, fr_window win) {
    fr_step step = plain_step(FR_STEP_CONV, c, h, w);
    step.win = win;
    step.dst.c = c_out;
    fr_conv_map(&step, &step.dst.h, &step.dst.w);
    return step;
}

static fr_status point(void *memory, uint64_t bytes, fr_binding *out_binding) {
    FR_TRY(ref->buffer_new(device, FR_BUFFER_ACTIVATION, 0, &out_binding->buffer));
    return ref->buffer_point(out_binding->buffer, memory, bytes);
}

typedef struct span {
    void *at;
    size_t bytes;
} span;
#define SPAN(array) ((span){(array), sizeof(array)})

static fr_status try_launch(const fr_step *step, const fr_weights *weights, const span *src, span dst, int32_t valid,
                            fr_launch *launch) {
    fr_candidate candidate;
    uint32_t count;
    FR_TRY(ref->candidates(device, step, &candidate, 1, &count));
    if (candidate.refused)
        return fr_fail(FR_UNSUPPORTED, "refused: %d", candidate.refused);
    FR_TRY(ref->compile(device, step, &candidate, weights, &launch->program));
    for (int32_t i = 0; i < step->n_src; i++)
        FR_TRY(point(src[i].at, src[i].bytes, &launch->src[i]));
    FR_TRY(point(dst.at, dst.bytes, &launch->dst));
    FR_TRY(ref->buffer_new(device, FR_BUFFER_SCRATCH, candidate.scratch_bytes, &launch->scratch.buffer));
    launch->valid = valid;
    FR_TRY(ref->launch(queue, launch));
    return ref->sync(queue);
}

static inline fr_status run_step(const fr_step *step, const fr_weights *weights, const span *src, span dst,
                                 int32_t valid) {
    fr_launch launch;
    memset(&launch, 0, sizeof launch);
    FR_TRY(open_ref());
    fr_status status = try_launch(step, weights, src, dst, valid, &launch);
    ref->program_free(launch.program);
    for (int i = 0; i < FR_MAX_SRC; i++)
        ref->buffer_free(launch.src[i].buffer);
    ref->buffer_free(launch.dst.buffer);
    ref->buffer_free(launch.scratch.buffer);
    return status;
}

static inline void fill(float *to, size_t count, uint64_t seed) {
    fr_random random = {seed};
    for (size_t i = 0; i < count; i++)
        to[i] = (float)(2 * fr_random_uniform(&random) - 1);
}

#endif
