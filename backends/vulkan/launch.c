/* Launching a compiled step: descriptors, offsets and dispatches into a command buffer. */
#include "program.h"
#include "queue.h"

/* ---- a dispatch's buffers in this launch ------------------------------------------------------------------------- */

typedef struct part { /* of a buffer, as a launch uses it */
    fr_buffer *buffer;
    uint64_t begin, end; /* of the role's bytes from the bind's `at` on */
} part;

/* An end at which nothing exists (no image is valid) is bound to the program's own memory, and not touched. */
static part part_of(const fr_program *program, const gpu_bind *bind, const fr_launch *launch) {
    part out = {program->packed, bind->at, program->weight_bytes};
    if (bind->role == GPU_WEIGHT)
        return out;
    const fr_binding *from = gpu_bindings_of(launch, bind->role);
    uint64_t bytes = gpu_bindings_bytes(&program->bindings, bind->role, launch->valid);
    if (!from->buffer || !from->buffer->handle || bind->at >= bytes)
        return (part){program->packed, 0, 0};
    return (part){from->buffer, from->offset + bind->at, from->offset + bytes};
}

static fr_status set_word(const fr_program *program, const vlk_dispatch *d, int32_t i, uint64_t bytes, vlk_bound *out) {
    uint32_t item = d->binds[i].elem_bytes, whole = d->texels >> i & 1 ? 4 * item : item;
    if (bytes % whole != 0 || bytes / item > INT32_MAX)
        return host_fail(program->device->base.host, FR_INTERNAL,
                         "vulkan: buffer %d of %s begins at byte %llu, which no offset in %u-byte elements says", i,
                         d->pipeline->name, (unsigned long long)bytes, whole);
    out->words[i] = (uint32_t)(bytes / item);
    return FR_OK;
}

/* All of the buffer where views are that large, so that there is one for all its tensors; else a view's bytes from a
 * multiple of half of them on, so that there are few. */
static fr_status bind_texels(const fr_program *program, const vlk_dispatch *d, int32_t i, const part *p,
                             vlk_bound *out) {
    uint64_t texel = 4u * d->binds[i].elem_bytes, all = (p->buffer->bytes + 63) / 64 * 64,
             most = program->device->found->max_texels / 512 * 512 * texel, begin = 0;
    VkFormat format = d->binds[i].elem_bytes == 4 ? VK_FORMAT_R32G32B32A32_SFLOAT : VK_FORMAT_R16G16B16A16_SFLOAT;
    if (all > most) {
        begin = p->begin / (most / 2) * (most / 2);
        all = all - begin < most ? all - begin : most;
    }
    HOST_TRY(vlk_buffer_view(p->buffer, begin, all, format, &out->views[i]));
    return set_word(program, d, i, p->begin - begin, out);
}

static fr_status bind_storage(const fr_program *program, const vlk_dispatch *d, int32_t i, const part *p,
                              vlk_bound *out) {
    uint64_t step = vlk_descriptor_step(program->device), begin = p->begin / step * step,
             end = p->end > begin ? (p->end + 15) / 16 * 16 : begin + 16;
    out->buffers[i] = (VkDescriptorBufferInfo){p->buffer->handle, begin, end - begin};
    return set_word(program, d, i, p->begin - begin, out);
}

static fr_status resolve(const fr_program *program, const vlk_dispatch *d, const fr_launch *launch, vlk_bound *out) {
    out->words[6] = (uint32_t)launch->valid;
    out->words[7] = 0;
    for (int32_t i = 0; i < d->n_binds; i++) {
        part p = part_of(program, &d->binds[i], launch);
        out->words[i] = 0;
        HOST_TRY(d->texels >> i & 1 ? bind_texels(program, d, i, &p, out) : bind_storage(program, d, i, &p, out));
    }
    for (int32_t i = d->n_binds; i < GPU_MAX_BUFFERS; i++)
        out->words[i] = 0;
    out->buffers[GPU_MAX_BUFFERS] = (VkDescriptorBufferInfo){program->packed->handle, d->params_at, d->params_bytes};
    return FR_OK;
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static fr_status record(vlk_recorder *r, const vlk_dispatch *d, vlk_bound *bound) {
    fr_device *device = r->device;
    uint32_t most = device->found->properties.limits.maxComputeWorkGroupCount[0];
    vlk_recorder_barrier(r);
    device->vk.vkCmdBindPipeline(r->commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipeline->handle);
    HOST_TRY(vlk_recorder_bind(r, d->pipeline, d->n_binds, d->texels, d->params_bytes > 0, bound));
    /* pieces of a grid write different places: no barrier is between them */
    for (uint32_t first = 0; first < d->groups[0]; first += most) {
        uint32_t left = d->groups[0] - first;
        bound->words[7] = first;
        device->vk.vkCmdPushConstants(r->commands, d->pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                      sizeof bound->words, bound->words);
        device->vk.vkCmdDispatch(r->commands, left < most ? left : most, d->groups[1], d->groups[2]);
        if (left <= most)
            break;
    }
    return FR_OK;
}

fr_status vlk_recorder_launch(vlk_recorder *recorder, const fr_launch *launch) {
    const fr_program *program = launch->program;
    HOST_TRY(gpu_bindings_check(recorder->device->base.host, &program->bindings, launch, vlk_binding_check));
    for (int32_t i = 0; i < program->n_dispatches; i++) {
        vlk_bound bound;
        HOST_TRY(resolve(program, &program->dispatches[i], launch, &bound));
        HOST_TRY(record(recorder, &program->dispatches[i], &bound));
    }
    return FR_OK;
}

static fr_status launch_into(fr_queue *queue, const fr_launch *launch) {
    vlk_slot *slot;
    HOST_TRY(vlk_queue_room(queue, (uint32_t)launch->program->n_dispatches, &slot));
    return vlk_recorder_launch(&slot->recorder, launch);
}

fr_status vlk_launch(fr_queue *queue, const fr_launch *launch) {
    return vlk_queue_fail(queue, launch_into(queue, launch));
}
