#include "submit.h"

#include <stdio.h>

static const uint64_t patience_ns = 300000000000u; /* a launch is done in seconds; drivers of GPUs give up earlier */

fr_status vlk_submits_new(fr_device *device) {
    VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                      .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    if (!device->found->features.timeline)
        return FR_OK;
    return vlk_check(device, device->base.host,
                     device->vk.vkCreateSemaphore(device->handle, &info, NULL, &device->timeline), "vkCreateSemaphore",
                     "a device");
}

void vlk_submits_free(fr_device *device) {
    if (device->timeline && !vlk_is_stuck(device))
        device->vk.vkDestroySemaphore(device->handle, device->timeline, NULL);
    device->timeline = VK_NULL_HANDLE;
}

fr_status vlk_alive(fr_device *device) {
    if (atomic_load(&device->is_lost) == 0)
        return FR_OK;
    return host_fail(device->base.host, FR_DEVICE_LOST, "vulkan: the device was lost before: open the session again");
}

fr_status vlk_mark_new(fr_device *device, vlk_mark *out_mark) {
    VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    *out_mark = (vlk_mark){.is_set = false};
    if (device->timeline)
        return FR_OK;
    return vlk_check(device, device->base.host, device->vk.vkCreateFence(device->handle, &info, NULL, &out_mark->fence),
                     "vkCreateFence", "a queue");
}

void vlk_mark_free(fr_device *device, vlk_mark *mark) {
    if (mark->fence && !vlk_is_stuck(device))
        device->vk.vkDestroyFence(device->handle, mark->fence, NULL);
    *mark = (vlk_mark){.is_set = false};
}

/* ---- both kinds, with the device's `submit` held ----------------------------------------------------------------- */

static VkResult submit_on_timeline(fr_device *device, VkSubmitInfo *info) {
    uint64_t value = device->submitted + 1;
    const VkTimelineSemaphoreSubmitInfo values = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                  .signalSemaphoreValueCount = 1,
                                                  .pSignalSemaphoreValues = &value};
    info->pNext = &values;
    info->signalSemaphoreCount = 1;
    info->pSignalSemaphores = &device->timeline;
    VkResult result = device->vk.vkQueueSubmit(device->compute, 1, info, VK_NULL_HANDLE);
    info->pNext = NULL;
    if (result == VK_SUCCESS)
        device->submitted = value;
    return result;
}

static VkResult submit_with_fences(fr_device *device, const VkSubmitInfo *info, vlk_mark *mark, vlk_mark *also) {
    VkResult result = device->vk.vkQueueSubmit(device->compute, 1, info, mark->fence);
    if (result != VK_SUCCESS || !also)
        return result;
    mark->is_set = true;
    return device->vk.vkQueueSubmit(device->compute, 0, NULL, also->fence);
}

fr_status vlk_submit(fr_device *device, uint32_t count, const VkCommandBuffer *commands, vlk_mark *mark, vlk_mark *also,
                     const char *what) {
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = count, .pCommandBuffers = commands};
    pthread_mutex_lock(&device->submit);
    VkResult result =
        device->timeline ? submit_on_timeline(device, &info) : submit_with_fences(device, &info, mark, also);
    uint64_t value = device->submitted;
    pthread_mutex_unlock(&device->submit);
    HOST_TRY(vlk_check(device, device->base.host, result, "vkQueueSubmit", what));
    mark->is_set = true;
    mark->value = value;
    if (also) {
        also->is_set = true;
        also->value = value;
    }
    return FR_OK;
}

static VkResult wait(fr_device *device, const vlk_mark *mark) {
    if (!device->timeline)
        return device->vk.vkWaitForFences(device->handle, 1, &mark->fence, VK_TRUE, patience_ns);
    VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &device->timeline,
                                .pValues = &mark->value};
    return device->vk.vkWaitSemaphores ? device->vk.vkWaitSemaphores(device->handle, &info, patience_ns)
                                       : device->vk.vkWaitSemaphoresKHR(device->handle, &info, patience_ns);
}

fr_status vlk_mark_wait(fr_device *device, vlk_mark *mark, const char *what) {
    const fr_host *host = device->base.host;
    if (!mark->is_set)
        return FR_OK;
    HOST_TRY(vlk_alive(device));
    VkResult result = wait(device, mark);
    if (result == VK_TIMEOUT) {
        atomic_store(&device->is_lost,
                     VLK_STUCK); /* first: nobody may see it as merely lost, and free what still runs */
        fr_status status =
            vlk_check(device, host, result, device->timeline ? "vkWaitSemaphores" : "vkWaitForFences", what);
        return status == FR_OK ? host_fail(host, FR_DEVICE_LOST, "vulkan: %s did not end in time", what) : status;
    }
    HOST_TRY(vlk_check(device, host, result, device->timeline ? "vkWaitSemaphores" : "vkWaitForFences", what));
    mark->is_set = false;
    if (mark->fence)
        HOST_TRY(
            vlk_check(device, host, device->vk.vkResetFences(device->handle, 1, &mark->fence), "vkResetFences", what));
    return FR_OK;
}

void vlk_rest(fr_device *device) {
    if (vlk_is_stuck(device))
        return;
    pthread_mutex_lock(&device->submit);
    (void)device->vk.vkQueueWaitIdle(device->compute);
    pthread_mutex_unlock(&device->submit);
}

void vlk_mark_clear(fr_device *device, vlk_mark *mark) {
    if (mark->is_set && mark->fence && atomic_load(&device->is_lost) == 0)
        (void)device->vk.vkResetFences(device->handle, 1, &mark->fence);
    mark->is_set = false;
}
