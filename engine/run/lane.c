#include "run/lane.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "run/programs.h"

static uint64_t scratch_bytes(const fr_plan *plan) {
    uint64_t most = 0;
    for (int32_t o = 0; o < plan->n_ops; o++)
        if (plan->ops[o].candidate.scratch_bytes > most)
            most = plan->ops[o].candidate.scratch_bytes;
    return most;
}

static fr_status new_buffer(fr_lane *lane, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out) {
    FR_TRY(lane->target->backend->buffer_new(lane->target->device, kind, bytes, out));
    lane->bytes += bytes;
    return FR_OK;
}

fr_status fr_lane_open(fr_lane *lane, const fr_target *target, int32_t threads) {
    memset(lane, 0, sizeof *lane);
    lane->target = target;
    return target->backend->queue_open(target->device, (uint32_t)threads, &lane->queue);
}

fr_status fr_lane_load(fr_lane *lane, const fr_plan *plan, const fr_steps *steps, fr_program *const *programs,
                       int64_t image_bytes) {
    const fr_target *target = lane->target;
    lane->plan = plan;
    lane->image_bytes = image_bytes;
    lane->fold = steps->fold;
    lane->classes = steps->classes;
    lane->windows = (target->facts.flags & FR_DEVICE_HOST_POINTERS) && target->backend->buffer_point;
    lane->launches = fr_alloc_array((size_t)plan->n_ops, sizeof *lane->launches);
    if (!lane->launches)
        return fr_no_memory((size_t)plan->n_ops * sizeof *lane->launches, "a lane");
    uint64_t in = 0, out = 0;
    if (!lane->windows) {
        in = (uint64_t)plan->block * (uint64_t)lane->fold * (uint64_t)image_bytes;
        out = (uint64_t)plan->block * (uint64_t)lane->fold * (uint64_t)lane->classes * sizeof(float);
    }
    FR_TRY(new_buffer(lane, FR_BUFFER_ACTIVATION, plan->arena_bytes, &lane->arena));
    FR_TRY(new_buffer(lane, FR_BUFFER_SCRATCH, scratch_bytes(plan), &lane->scratch));
    FR_TRY(new_buffer(lane, FR_BUFFER_STAGING, in, &lane->user_in));
    FR_TRY(new_buffer(lane, FR_BUFFER_STAGING, out, &lane->user_out));
    for (int32_t o = 0; o < plan->n_ops; o++) {
        const fr_plan_op *op = &plan->ops[o];
        fr_launch *l = &lane->launches[o];
        l->program = programs[o];
        l->scratch.buffer = lane->scratch;
        for (int32_t s = 0; s < op->step.n_src; s++) {
            l->src[s].buffer = op->src[s] < 0 ? lane->user_in : lane->arena;
            l->src[s].offset = op->src[s] < 0 ? 0 : plan->tensors[op->src[s]].offset;
        }
        l->dst.buffer = op->dst < 0 ? lane->user_out : lane->arena;
        l->dst.offset = op->dst < 0 ? 0 : plan->tensors[op->dst].offset;
    }
    uint64_t launches = 0; /* of a whole block */
    for (int32_t k = 0; k < plan->n_segments; k++)
        launches += (uint64_t)plan->segments[k].n_ops * (uint64_t)(plan->block / plan->segments[k].group);
    return fr_bundles_open(&lane->bundles, target, launches);
}

void fr_lane_close(fr_lane *lane) {
    if (!lane->target)
        return;
    const fr_backend *b = lane->target->backend;
    fr_buffer *buffers[] = {lane->arena, lane->scratch, lane->user_in, lane->user_out};
    if (lane->queue) /* first: after a refused launch earlier ones may still use the buffers */
        b->queue_close(lane->queue);
    fr_bundles_close(&lane->bundles);
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        if (buffers[i])
            b->buffer_free(buffers[i]);
    fr_free(lane->launches);
    memset(lane, 0, sizeof *lane);
}

static uint64_t step_into(const fr_plan *plan, int32_t tensor, int64_t input) {
    const fr_plan_tensor *t = &plan->tensors[tensor];
    return t->boundary ? (uint64_t)input * fr_tensor_bytes(&t->t, 1) : 0;
}

/* One op for the inputs [first, first + group) of the block; `count` images of the block exist. */
static fr_launch launch_of(const fr_lane *lane, int32_t o, int32_t group, int64_t first, int64_t count) {
    const fr_plan_op *op = &lane->plan->ops[o];
    fr_launch l = lane->launches[o];
    int64_t image = first * lane->fold, left = count - image, most = (int64_t)group * lane->fold;
    l.valid = (int32_t)(left < 0 ? 0 : left < most ? left : most);
    for (int32_t s = 0; s < op->step.n_src; s++)
        l.src[s].offset +=
            op->src[s] < 0 ? (uint64_t)(image * lane->image_bytes) : step_into(lane->plan, op->src[s], first);
    l.dst.offset +=
        op->dst < 0 ? (uint64_t)image * (uint64_t)lane->classes * sizeof(float) : step_into(lane->plan, op->dst, first);
    return l;
}

/* All launches of a run in their order: listed when there is a list, else launched. */
static fr_status each_launch(fr_lane *lane, bool is_resident, int64_t count, fr_launch *list, uint32_t *out_listed) {
    const fr_plan *plan = lane->plan;
    int64_t inputs = (count + lane->fold - 1) / lane->fold;
    *out_listed = 0;
    for (int32_t k = 0; k < plan->n_segments; k++) {
        const fr_plan_segment *seg = &plan->segments[k];
        for (int64_t first = 0; first < inputs; first += seg->group)
            for (int32_t o = seg->first_op; o < seg->first_op + seg->n_ops; o++) {
                int32_t kind = plan->ops[o].step.kind;
                if (is_resident && (kind == FR_STEP_INGEST || kind == FR_STEP_EMIT))
                    continue;
                fr_launch l = launch_of(lane, o, seg->group, first, count);
                if (list)
                    list[(*out_listed)++] = l;
                else
                    FR_TRY(lane->target->backend->launch(lane->queue, &l));
            }
    }
    return FR_OK;
}

/* A bundle keeps the addresses it was made with, and a window's change. */
static fr_status launch_all(fr_lane *lane, bool is_resident, int64_t count) {
    fr_bundle *bundle = NULL;
    bool list = false;
    uint32_t listed;
    if (is_resident || !lane->windows)
        fr_bundles_find(&lane->bundles, is_resident, count, &bundle, &list);
    if (list) {
        FR_TRY(each_launch(lane, is_resident, count, lane->bundles.launches, &listed));
        if (listed > 0)
            FR_TRY(fr_bundles_make(&lane->bundles, is_resident, count, listed, &bundle));
    }
    return bundle ? lane->target->backend->bundle_launch(lane->queue, bundle)
                  : each_launch(lane, is_resident, count, NULL, &listed);
}

static fr_status bring(fr_lane *lane, const void *images, int64_t count, float *out) {
    const fr_backend *b = lane->target->backend;
    uint64_t in_bytes = (uint64_t)(count * lane->image_bytes),
             out_bytes = (uint64_t)count * (uint64_t)lane->classes * sizeof *out;
    if (!lane->windows)
        return b->write(lane->queue, lane->user_in, 0, images, in_bytes);
    /* the window is only read from; the table has one kind of pointer */
    FR_TRY(b->buffer_point(lane->user_in, (void *)(uintptr_t)images, in_bytes));
    return b->buffer_point(lane->user_out, out, out_bytes);
}

fr_status fr_lane_run(fr_lane *lane, const void *images, int64_t count, float *out) {
    const fr_backend *b = lane->target->backend;
    fr_status status = images ? bring(lane, images, count, out) : FR_OK;
    if (status == FR_OK)
        status = launch_all(lane, !images, count);
    if (status == FR_OK && images && !lane->windows)
        status = b->read(lane->queue, lane->user_out, 0, out, (uint64_t)count * (uint64_t)lane->classes * sizeof *out);
    /* what is queued may still read the images or write the rows: none of it may outlive the call */
    return status == FR_OK ? b->sync(lane->queue) : fr_target_settle(lane->target, lane->queue, status);
}
