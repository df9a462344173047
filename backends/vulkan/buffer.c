/* The buffers of the table, their texel views, and what fills them once and for all. */
#include <string.h>

#include "submit.h"

enum { MULTIPLE = 64, STAGED = 16 << 20, FIRST_VIEWS = 4 };

/* ---- making ------------------------------------------------------------------------------------------------------ */

static fr_status make_handle(fr_buffer *buffer, vlk_place place, const char *what) {
    fr_device *device = buffer->device;
    const fr_host *host = device->base.host;
    const uint32_t families[] = {device->found->compute_family, device->found->transfer_family};
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                               .size = (buffer->bytes + MULTIPLE - 1) / MULTIPLE * MULTIPLE,
                               .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
                                        VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                        VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkMemoryRequirements needs;
    if (families[0] != families[1]) {
        info.sharingMode = VK_SHARING_MODE_CONCURRENT;
        info.queueFamilyIndexCount = 2;
        info.pQueueFamilyIndices = families;
    }
    HOST_TRY(vlk_check(device, host, device->vk.vkCreateBuffer(device->handle, &info, NULL, &buffer->handle),
                       "vkCreateBuffer", what));
    device->vk.vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    HOST_TRY(vlk_memory_new(device, &needs, place, what, &buffer->memory));
    return vlk_check(
        device, host,
        device->vk.vkBindBufferMemory(device->handle, buffer->handle, buffer->memory.memory, buffer->memory.offset),
        "vkBindBufferMemory", what);
}

/* Its memory; the buffer itself stays. */
static void drop_handle(fr_buffer *buffer) {
    fr_device *device = buffer->device;
    if (vlk_is_stuck(device)) /* it is being worked on, perhaps for ever */
        return;
    for (uint32_t i = 0; i < buffer->n_views; i++)
        device->vk.vkDestroyBufferView(device->handle, buffer->views[i].view, NULL);
    if (buffer->handle)
        device->vk.vkDestroyBuffer(device->handle, buffer->handle, NULL);
    vlk_memory_free(device, &buffer->memory);
}

fr_status vlk_buffer_make(fr_device *device, vlk_place place, uint64_t bytes, const char *what,
                          fr_buffer **out_buffer) {
    const fr_host *host = device->base.host;
    const uint64_t most = device->found->max_alloc;
    fr_status status = FR_OK;
    void *block;
    *out_buffer = NULL;
    if (bytes > most || bytes > UINT64_MAX / 2)
        return host_fail(host, FR_NO_MEMORY,
                         "vulkan: %.1f MiB wanted for %s, but the driver gives at most %.0f MiB at once; a smaller "
                         "--batch needs less",
                         (double)bytes / (1 << 20), what, (double)most / (1 << 20));
    HOST_TRY(host_alloc(host, sizeof(fr_buffer), "a buffer", &block));
    fr_buffer *buffer = block;
    buffer->device = device;
    buffer->kind = FR_BUFFER_STAGING;
    buffer->bytes = bytes;
    buffer->serial = atomic_fetch_add(&device->next_serial, 1);
    pthread_mutex_init(&buffer->lock, NULL);
    if (bytes > 0)
        HOST_GO(done, make_handle(buffer, place, what));
    *out_buffer = buffer;
done:
    if (status != FR_OK)
        vlk_buffer_free(buffer);
    return status;
}

fr_status vlk_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer) {
    static const char *const words[] = {"weights", "activations", "scratch", "images or results"};
    *out_buffer = NULL;
    if ((unsigned)kind > FR_BUFFER_STAGING)
        return host_fail(device->base.host, FR_INVALID, "buffer: %d is no kind of buffer", (int)kind);
    HOST_TRY(vlk_buffer_make(device, VLK_ON_DEVICE, bytes, words[kind], out_buffer));
    (*out_buffer)->kind = kind;
    (*out_buffer)->is_counted = true;
    host_account_add(&device->base, kind, bytes);
    return FR_OK;
}

void vlk_buffer_free(fr_buffer *buffer) {
    if (!buffer)
        return;
    fr_device *device = buffer->device;
    if (buffer->is_counted)
        host_account_drop(&device->base, buffer->kind, buffer->bytes);
    drop_handle(buffer);
    if (buffer->views)
        device->base.host->free(buffer->views);
    pthread_mutex_destroy(&buffer->lock);
    device->base.host->free(buffer);
}

void *vlk_buffer_map(fr_buffer *buffer) {
    return buffer->memory.mapped;
}

fr_status vlk_binding_check(const fr_host *host, const fr_binding *binding, uint64_t bytes, const char *what) {
    return host_range_check(host, binding->buffer ? &binding->buffer->bytes : NULL, binding->offset, bytes, what);
}

/* ---- filling ----------------------------------------------------------------------------------------------------- */

typedef struct filler { /* of memory that the host does not see */
    fr_device *device;
    fr_buffer *staging;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
} filler;

static fr_status filler_open(filler *f, uint64_t bytes) {
    fr_device *device = f->device;
    const fr_host *host = device->base.host;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                    .queueFamilyIndex = device->found->transfer_family};
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    HOST_TRY(vlk_buffer_make(device, VLK_UPLOAD, bytes < STAGED ? bytes : STAGED, "staging", &f->staging));
    HOST_TRY(vlk_check(device, host, device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &f->pool),
                       "vkCreateCommandPool", "an upload"));
    VkCommandBufferAllocateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .commandPool = f->pool,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
    HOST_TRY(vlk_check(device, host, device->vk.vkAllocateCommandBuffers(device->handle, &commands, &f->commands),
                       "vkAllocateCommandBuffers", "an upload"));
    return vlk_check(device, host, device->vk.vkCreateFence(device->handle, &fence, NULL, &f->fence), "vkCreateFence",
                     "an upload");
}

static void filler_close(filler *f) {
    fr_device *device = f->device;
    if (!vlk_is_stuck(device)) {
        if (f->fence)
            device->vk.vkDestroyFence(device->handle, f->fence, NULL);
        if (f->pool)
            device->vk.vkDestroyCommandPool(device->handle, f->pool, NULL);
    }
    vlk_buffer_free(f->staging);
}

static VkResult copy_part(filler *f, fr_buffer *to, uint64_t at, uint64_t bytes) {
    fr_device *device = f->device;
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    const VkBufferCopy part = {.dstOffset = at, .size = bytes};
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &f->commands};
    VkResult result = device->vk.vkBeginCommandBuffer(f->commands, &begin);
    if (result != VK_SUCCESS)
        return result;
    device->vk.vkCmdCopyBuffer(f->commands, f->staging->handle, to->handle, 1, &part);
    result = device->vk.vkEndCommandBuffer(f->commands);
    if (result != VK_SUCCESS)
        return result;
    pthread_mutex_lock(&device->submit);
    result = device->vk.vkQueueSubmit(device->transfer, 1, &submit, f->fence);
    pthread_mutex_unlock(&device->submit);
    if (result == VK_SUCCESS)
        result = device->vk.vkWaitForFences(device->handle, 1, &f->fence, VK_TRUE, UINT64_MAX);
    return result == VK_SUCCESS ? device->vk.vkResetFences(device->handle, 1, &f->fence) : result;
}

fr_status vlk_buffer_fill(fr_buffer *buffer, const void *data, uint64_t bytes) {
    fr_device *device = buffer->device;
    filler f = {.device = device};
    fr_status status = FR_OK;
    if (bytes > buffer->bytes)
        return host_fail(device->base.host, FR_INVALID, "fill: %llu bytes lie past the buffer's end",
                         (unsigned long long)bytes);
    if (buffer->memory.mapped || bytes == 0) {
        if (bytes > 0)
            memcpy(buffer->memory.mapped, data, (size_t)bytes);
        return FR_OK;
    }
    HOST_TRY(vlk_alive(device));
    HOST_GO(done, filler_open(&f, bytes));
    for (uint64_t at = 0, part; at < bytes; at += part) {
        part = bytes - at < STAGED ? bytes - at : STAGED;
        memcpy(f.staging->memory.mapped, (const char *)data + at, (size_t)part);
        HOST_GO(done, vlk_check(device, device->base.host, copy_part(&f, buffer, at, part), "vkQueueSubmit",
                                "an upload of weights"));
    }
done:
    filler_close(&f);
    return status;
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

static fr_status room_for_view(fr_buffer *buffer) {
    const fr_host *host = buffer->device->base.host;
    void *more;
    if (buffer->n_views < buffer->room)
        return FR_OK;
    uint32_t room = buffer->room ? buffer->room * 2 : FIRST_VIEWS;
    HOST_TRY(host_alloc(host, room * sizeof(vlk_view), "views of a buffer", &more));
    if (buffer->views) {
        memcpy(more, buffer->views, buffer->n_views * sizeof(vlk_view));
        host->free(buffer->views);
    }
    buffer->views = more;
    buffer->room = room;
    return FR_OK;
}

static fr_status find_view(fr_buffer *buffer, const vlk_view *wanted, VkBufferView *out_view) {
    fr_device *device = buffer->device;
    VkBufferViewCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
                                   .buffer = buffer->handle,
                                   .format = wanted->format,
                                   .offset = wanted->offset,
                                   .range = wanted->bytes};
    for (uint32_t i = 0; i < buffer->n_views; i++) {
        const vlk_view *view = &buffer->views[i];
        if (view->offset == wanted->offset && view->bytes == wanted->bytes && view->format == wanted->format) {
            *out_view = view->view;
            return FR_OK;
        }
    }
    HOST_TRY(room_for_view(buffer));
    HOST_TRY(vlk_check(device, device->base.host, device->vk.vkCreateBufferView(device->handle, &info, NULL, out_view),
                       "vkCreateBufferView", "a map"));
    buffer->views[buffer->n_views] = *wanted;
    buffer->views[buffer->n_views++].view = *out_view;
    return FR_OK;
}

fr_status vlk_buffer_view(fr_buffer *buffer, uint64_t offset, uint64_t bytes, VkFormat format, VkBufferView *out_view) {
    const vlk_view wanted = {.offset = offset, .bytes = bytes, .format = format};
    *out_view = VK_NULL_HANDLE;
    pthread_mutex_lock(&buffer->lock);
    fr_status status = find_view(buffer, &wanted, out_view);
    pthread_mutex_unlock(&buffer->lock);
    return status;
}
