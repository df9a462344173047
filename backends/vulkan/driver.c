/* Every device of every driver, GPUs first, software last. */
#include <stdio.h>
#include <string.h>

#include "vlk.h"

enum { MAX_DEVICES = 64 };

static int rank(const vlk_found *found) { /* the first device is the default one */
    int base = found->status == FR_OK ? 0 : 10;
    switch (found->properties.deviceType) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return base;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return base + 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return base + 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return base + 4;
    default: return base + 3;
    }
}

static void sort_found(fr_driver *driver) { /* few, and equal ones stay in the loader's order */
    for (uint32_t i = 1; i < driver->n_found; i++) {
        for (uint32_t k = i; k > 0 && rank(&driver->found[k]) < rank(&driver->found[k - 1]); k--) {
            vlk_found other = driver->found[k];
            driver->found[k] = driver->found[k - 1];
            driver->found[k - 1] = other;
        }
    }
}

/* Two drivers may offer one GPU. Both are listed; the later one says so. */
static void mark_twins(fr_driver *driver) {
    for (uint32_t i = 1; i < driver->n_found; i++) {
        fr_device_facts *facts = &driver->found[i].facts;
        size_t used = strlen(facts->features);
        for (uint32_t k = 0; k < i; k++) {
            if (!facts->uuid[0] || strcmp(facts->uuid, driver->found[k].facts.uuid) != 0)
                continue;
            snprintf(facts->features + used, sizeof facts->features - used, "%ssame device as vulkan:%u",
                     used > 0 ? ", " : "", k);
            break;
        }
    }
}

static fr_status find_devices(fr_driver *driver) {
    const fr_host *host = driver->host;
    VkPhysicalDevice physical[MAX_DEVICES];
    uint32_t count = MAX_DEVICES;
    void *block;
    VkResult result = vkEnumeratePhysicalDevices(driver->instance, &count, physical);
    if (result != VK_INCOMPLETE)
        HOST_TRY(vlk_check(NULL, host, result, "vkEnumeratePhysicalDevices", "the list of devices"));
    if (count == 0)
        return host_fail(host, FR_UNAVAILABLE,
                         "Vulkan drivers are there, but none has a device on this machine: apt-get install "
                         "mesa-vulkan-drivers has one that runs on the CPU");
    HOST_TRY(host_alloc(host, count * sizeof(vlk_found), "the list of devices", &block));
    driver->found = block;
    driver->n_found = count;
    for (uint32_t i = 0; i < count; i++) {
        driver->found[i].physical = physical[i];
        vlk_facts_fill(driver, &driver->found[i]);
    }
    sort_found(driver);
    mark_twins(driver);
    return FR_OK;
}

fr_status vlk_driver_open(const fr_host *host, fr_driver **out_driver) {
    fr_status status = FR_OK;
    void *block;
    *out_driver = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_driver), "the vulkan driver", &block));
    fr_driver *driver = block;
    driver->host = host;
    HOST_GO(done, vlk_instance_open(driver));
    HOST_GO(done, find_devices(driver));
    *out_driver = driver;
done:
    if (status != FR_OK)
        vlk_driver_close(driver);
    return status;
}

void vlk_driver_close(fr_driver *driver) {
    if (!driver)
        return;
    const fr_host *host = driver->host;
    vlk_instance_close(driver);
    if (driver->found)
        host->free(driver->found);
    host->free(driver);
}

fr_status vlk_device_count(fr_driver *driver, uint32_t *out_count) {
    *out_count = driver->n_found;
    return FR_OK;
}

fr_status vlk_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    memset(out_facts, 0, sizeof *out_facts);
    if (index >= driver->n_found)
        return host_fail(driver->host, FR_INVALID, "vulkan: there are %u devices; vulkan:%u does not exist",
                         driver->n_found, index);
    const vlk_found *found = &driver->found[index];
    if (found->status != FR_OK)
        return host_fail(driver->host, found->status, "%s", found->why);
    *out_facts = found->facts;
    return FR_OK;
}
