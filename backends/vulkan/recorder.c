#include "recorder.h"

enum { PARAMS_AT = 6 };

static fr_status make_pool(vlk_recorder *r) {
    fr_device *device = r->device;
    const fr_host *host = device->base.host;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = device->found->compute_family};
    HOST_TRY(vlk_check(device, host, device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &r->pool),
                       "vkCreateCommandPool", "a queue"));
    VkCommandBufferAllocateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .commandPool = r->pool,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
    return vlk_check(device, host, device->vk.vkAllocateCommandBuffers(device->handle, &commands, &r->commands),
                     "vkAllocateCommandBuffers", "a queue");
}

static fr_status make_sets(vlk_recorder *r) {
    fr_device *device = r->device;
    const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, r->most * GPU_MAX_BUFFERS},
        {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, r->most * GPU_MAX_BUFFERS},
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, r->most},
    };
    VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = r->most,
                                       .poolSizeCount = sizeof sizes / sizeof sizes[0],
                                       .pPoolSizes = sizes};
    if (device->found->features.push_descriptors)
        return FR_OK;
    return vlk_check(device, device->base.host,
                     device->vk.vkCreateDescriptorPool(device->handle, &info, NULL, &r->sets), "vkCreateDescriptorPool",
                     "a queue");
}

fr_status vlk_recorder_new(fr_device *device, uint32_t most, vlk_recorder *out_recorder) {
    *out_recorder = (vlk_recorder){.device = device, .most = most};
    HOST_TRY(make_pool(out_recorder));
    return make_sets(out_recorder);
}

void vlk_recorder_free(vlk_recorder *r) {
    if (r->sets)
        r->device->vk.vkDestroyDescriptorPool(r->device->handle, r->sets, NULL);
    if (r->pool)
        r->device->vk.vkDestroyCommandPool(r->device->handle, r->pool, NULL);
    *r = (vlk_recorder){.device = r->device};
}

fr_status vlk_recorder_begin(vlk_recorder *r) {
    fr_device *device = r->device;
    const fr_host *host = device->base.host;
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                     .flags = r->runs_again ? VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT : 0};
    r->is_open = r->has_commands = false;
    r->count = 0;
    r->last = NULL;
    HOST_TRY(vlk_check(device, host, device->vk.vkResetCommandPool(device->handle, r->pool, 0), "vkResetCommandPool",
                       "a queue"));
    if (r->sets)
        HOST_TRY(vlk_check(device, host, device->vk.vkResetDescriptorPool(device->handle, r->sets, 0),
                           "vkResetDescriptorPool", "a queue"));
    HOST_TRY(vlk_check(device, host, device->vk.vkBeginCommandBuffer(r->commands, &info), "vkBeginCommandBuffer",
                       "a queue"));
    r->is_open = true;
    return FR_OK;
}

/* The first one also waits for what was submitted before. */
void vlk_recorder_barrier(vlk_recorder *r) {
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                    .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                    .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                                     VK_ACCESS_UNIFORM_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                                                     VK_ACCESS_TRANSFER_WRITE_BIT};
    r->device->vk.vkCmdPipelineBarrier(r->commands, stages, stages, 0, 1, &memory, 0, NULL, 0, NULL);
    r->has_commands = true;
}

fr_status vlk_recorder_end(vlk_recorder *r) {
    const VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                    .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                    .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    r->device->vk.vkCmdPipelineBarrier(r->commands,
                                       VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                                       VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &memory, 0, NULL, 0, NULL);
    r->is_open = false;
    return vlk_check(r->device, r->device->base.host, r->device->vk.vkEndCommandBuffer(r->commands),
                     "vkEndCommandBuffer", vlk_recorder_what(r));
}

const char *vlk_recorder_what(const vlk_recorder *r) {
    return r->last ? r->last->name : "copies";
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static uint32_t list_writes(int32_t n_buffers, uint32_t texels, bool has_params, const vlk_bound *bound,
                            VkDescriptorSet set, VkWriteDescriptorSet *out) {
    uint32_t count = 0;
    for (; count < (uint32_t)n_buffers; count++) {
        bool is_texels = texels >> count & 1;
        out[count] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                            .dstSet = set,
                                            .dstBinding = count,
                                            .descriptorCount = 1,
                                            .descriptorType = is_texels ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                                                                        : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER};
        if (is_texels)
            out[count].pTexelBufferView = &bound->views[count];
        else
            out[count].pBufferInfo = &bound->buffers[count];
    }
    if (has_params)
        out[count++] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                              .dstSet = set,
                                              .dstBinding = PARAMS_AT,
                                              .descriptorCount = 1,
                                              .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
                                              .pBufferInfo = &bound->buffers[GPU_MAX_BUFFERS]};
    return count;
}

fr_status vlk_recorder_bind(vlk_recorder *r, const vlk_pipeline *pipeline, int32_t n_buffers, uint32_t texels,
                            bool has_params, const vlk_bound *bound) {
    fr_device *device = r->device;
    VkWriteDescriptorSet writes[GPU_MAX_BUFFERS + 1];
    VkDescriptorSet set = VK_NULL_HANDLE;
    if (r->sets) {
        VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                            .descriptorPool = r->sets,
                                            .descriptorSetCount = 1,
                                            .pSetLayouts = &pipeline->set};
        HOST_TRY(vlk_check(device, device->base.host, device->vk.vkAllocateDescriptorSets(device->handle, &info, &set),
                           "vkAllocateDescriptorSets", pipeline->name));
    }
    uint32_t count = list_writes(n_buffers, texels, has_params, bound, set, writes);
    if (set) {
        device->vk.vkUpdateDescriptorSets(device->handle, count, writes, 0, NULL);
        device->vk.vkCmdBindDescriptorSets(r->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout, 0, 1, &set, 0,
                                           NULL);
    } else if (count > 0) {
        device->vk.vkCmdPushDescriptorSetKHR(r->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->layout, 0, count,
                                             writes);
    }
    r->count++;
    r->last = pipeline;
    return FR_OK;
}
