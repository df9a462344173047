/* A device opened: what of it is used is enabled, nothing else. */
#include <string.h>

#include "matrix.h"
#include "submit.h"

enum { MAX_ENABLED = 16 };

typedef struct request { /* for vkCreateDevice */
    const char *extensions[MAX_ENABLED];
    uint32_t n_extensions;
    VkPhysicalDeviceFeatures2 all;
    VkPhysicalDevice16BitStorageFeatures words;
    VkPhysicalDevice8BitStorageFeatures bytes;
    VkPhysicalDeviceShaderFloat16Int8Features math;
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline;
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes;
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot;
    VkPhysicalDeviceVulkanMemoryModelFeatures model;
    vlk_matrix_features matrix;
    VkPhysicalDeviceMaintenance4Features maintenance;
} request;

/* An extension that is part of Vulkan from that version on is enabled by name before it. */
static void enable(request *r, const vlk_found *found, void *features, VkStructureType type, uint32_t version,
                   const char *extension) {
    if (features) {
        VkBaseOutStructure *base = features;
        base->sType = type;
        base->pNext = r->all.pNext;
        r->all.pNext = features;
    }
    if (extension && found->version < version)
        r->extensions[r->n_extensions++] = extension;
}

static void fill_request(request *r, const vlk_found *found) {
    const vlk_features *f = &found->features;
    const uint32_t never = UINT32_MAX;
    memset(r, 0, sizeof *r);
    r->all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    if (f->narrow) {
        r->words.storageBuffer16BitAccess = VK_TRUE;
        r->bytes.storageBuffer8BitAccess = VK_TRUE;
        r->math.shaderInt8 = VK_TRUE;
        r->math.shaderFloat16 = f->half_math;
        enable(r, found, &r->words, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES, 0, NULL);
        enable(r, found, &r->bytes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES, VK_API_VERSION_1_2,
               VK_KHR_8BIT_STORAGE_EXTENSION_NAME);
        enable(r, found, &r->math, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, VK_API_VERSION_1_2,
               VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME);
    }
    if (f->timeline) {
        r->timeline.timelineSemaphore = VK_TRUE;
        enable(r, found, &r->timeline, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
               VK_API_VERSION_1_2, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME);
    }
    if (f->subgroup_size) {
        r->sizes.subgroupSizeControl = r->sizes.computeFullSubgroups = VK_TRUE;
        enable(r, found, &r->sizes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
               VK_API_VERSION_1_3, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    }
    if (f->dot8) {
        r->dot.shaderIntegerDotProduct = VK_TRUE;
        enable(r, found, &r->dot, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
               VK_API_VERSION_1_3, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
    }
    if (f->matrix) {
        r->model.vulkanMemoryModel = VK_TRUE;
        r->matrix.cooperativeMatrix = r->maintenance.maintenance4 = VK_TRUE;
        /* these shaders are SPIR-V 1.6, whose sizes of groups are specialised by what maintenance4 allows */
        enable(r, found, &r->maintenance, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES, VK_API_VERSION_1_3,
               VK_KHR_MAINTENANCE_4_EXTENSION_NAME);
        enable(r, found, &r->model, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, VK_API_VERSION_1_2,
               VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME);
        enable(r, found, &r->matrix, (VkStructureType)VLK_MATRIX_FEATURES, never, VLK_MATRIX_EXTENSION);
    }
    if (f->push_descriptors)
        enable(r, found, NULL, 0, never, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME);
    if (f->budget)
        enable(r, found, NULL, 0, never, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    if (found->is_portable) /* such devices want it known that they are */
        enable(r, found, NULL, 0, never, "VK_KHR_portability_subset");
}

static fr_status create(fr_device *device) {
    const vlk_found *found = device->found;
    const float priority = 1;
    const uint32_t families[] = {found->compute_family, found->transfer_family};
    VkDeviceQueueCreateInfo queues[2];
    request r;
    fill_request(&r, found);
    for (int i = 0; i < 2; i++)
        queues[i] = (VkDeviceQueueCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                              .queueFamilyIndex = families[i],
                                              .queueCount = 1,
                                              .pQueuePriorities = &priority};
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &r.all,
                               .queueCreateInfoCount = families[0] == families[1] ? 1 : 2,
                               .pQueueCreateInfos = queues,
                               .enabledExtensionCount = r.n_extensions,
                               .ppEnabledExtensionNames = r.extensions};
    HOST_TRY(vlk_check(device, device->base.host, vkCreateDevice(found->physical, &info, NULL, &device->handle),
                       "vkCreateDevice", found->facts.name));
    volkLoadDeviceTable(&device->vk, device->handle);
    device->vk.vkGetDeviceQueue(device->handle, families[0], 0, &device->compute);
    device->vk.vkGetDeviceQueue(device->handle, families[1], 0, &device->transfer);
    return FR_OK;
}

fr_status vlk_device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    const fr_host *host = driver->host;
    fr_status status = FR_OK;
    void *block;
    fr_device_facts facts;
    *out_device = NULL;
    HOST_TRY(vlk_device_facts(driver, index, &facts)); /* refuses what is not there */
    HOST_TRY(host_alloc(host, sizeof(fr_device), "the vulkan device", &block));
    fr_device *device = block;
    host_device_init(&device->base, host);
    device->driver = driver;
    device->found = &driver->found[index];
    pthread_mutex_init(&device->submit, NULL);
    gpu_bad_init(&device->bad);
    atomic_init(&device->next_serial, 1);
    atomic_init(&device->is_lost, 0);
    HOST_GO(done, create(device));
    HOST_GO(done, vlk_heap_new(device));
    HOST_GO(done, vlk_submits_new(device));
    HOST_GO(done, vlk_pipelines_new(device));
    *out_device = device;
done:
    if (status != FR_OK)
        vlk_device_close(device);
    return status;
}

void vlk_device_close(fr_device *device) {
    if (!device)
        return;
    const fr_host *host = device->base.host;
    bool is_stuck = vlk_is_stuck(device); /* then all that the driver works on is left to it */
    if (device->handle && atomic_load(&device->is_lost) == 0)
        (void)device->vk.vkDeviceWaitIdle(device->handle);
    vlk_pipelines_free(device);
    vlk_submits_free(device);
    vlk_heap_free(device);
    gpu_bad_free(host, &device->bad);
    if (device->handle && !is_stuck)
        device->vk.vkDestroyDevice(device->handle, NULL);
    if (is_stuck)
        atomic_store(&device->driver->has_stuck, true);
    pthread_mutex_destroy(&device->submit);
    host->free(device);
}
