/* What a device says of itself, for the engine (facts) and for the recipes (traits). */
#include "facts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SMALL_SUBGROUP = 16,
    LIKELY_UNITS = 16,
    MAX_FAMILIES = 16,
    MOST_TEXELS = 1 << 27
}; /* more would not fit the offsets */

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void fill_vendor(const vlk_found *found, char *out, size_t bytes) {
    static const struct {
        uint32_t id;
        const char *name;
    } vendors[] = {{0x1002, "AMD"},
                   {0x10DE, "NVIDIA"},
                   {0x8086, "Intel"},
                   {0x13B5, "ARM"},
                   {0x5143, "Qualcomm"},
                   {0x106B, "Apple"},
                   {0x1010, "Imagination"},
                   {0x14E4, "Broadcom"},
                   {0x144D, "Samsung"},
                   {0x19E5, "Huawei"},
                   {0x15AD, "VMware"},
                   {0x1AF4, "Red Hat (virtio)"},
                   {VK_VENDOR_ID_VIV, "VeriSilicon"},
                   {VK_VENDOR_ID_MESA, "Mesa"},
                   {VK_VENDOR_ID_POCL, "PoCL"}};
    for (size_t i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
        if (vendors[i].id == found->properties.vendorID) {
            snprintf(out, bytes, "%s", vendors[i].name);
            return;
        }
    }
    snprintf(out, bytes, "vendor 0x%x", found->properties.vendorID);
}

/* "llvmpipe Mesa 22.3.6 (LLVM 15.0.6), Vulkan 1.3.230" */
static void fill_driver_text(const vlk_asked *asked, vlk_found *found) {
    const char *name = asked->driver_words.driverName, *words = asked->driver_words.driverInfo;
    uint32_t number = found->properties.driverVersion, api = found->properties.apiVersion;
    char decoded[64];
    if (found->properties.vendorID == 0x10DE)
        snprintf(decoded, sizeof decoded, "%u.%u.%u.%u", number >> 22, number >> 14 & 255, number >> 6 & 255,
                 number & 63);
    else
        snprintf(decoded, sizeof decoded, "%u.%u.%u", VK_API_VERSION_MAJOR(number), VK_API_VERSION_MINOR(number),
                 VK_API_VERSION_PATCH(number));
    snprintf(found->facts.driver, sizeof found->facts.driver, "%.40s %.56s, Vulkan %u.%u.%u", name[0] ? name : "driver",
             words[0] ? words : decoded, VK_API_VERSION_MAJOR(api), VK_API_VERSION_MINOR(api),
             VK_API_VERSION_PATCH(api));
}

static void fill_features(vlk_found *found) {
    const vlk_features *f = &found->features;
    fr_device_facts *facts = &found->facts;
    gpu_add_feature(facts, "Vulkan %u.%u", VK_API_VERSION_MAJOR(found->version), VK_API_VERSION_MINOR(found->version));
    gpu_add_feature(facts, "%llu KiB %slocal memory", (unsigned long long)found->traits.local_bytes / 1024,
                    found->traits.real_local ? "" : "emulated ");
    gpu_add_feature(facts, "subgroups of %u%s", found->subgroup, f->shuffle ? " that shuffle" : "");
    if (f->texels)
        gpu_add_feature(facts, "texel views");
    if (f->narrow)
        gpu_add_feature(facts, "8 and 16 bit storage");
    if (f->dot8)
        gpu_add_feature(facts, "int dot");
    if (f->matrix)
        gpu_add_feature(facts, "cooperative matrices");
    if (f->timeline)
        gpu_add_feature(facts, "timelines");
    if (f->push_descriptors)
        gpu_add_feature(facts, "push descriptors");
    if (f->budget)
        gpu_add_feature(facts, "memory budget");
    if (found->transfer_family != found->compute_family)
        gpu_add_feature(facts, "transfer queue");
    if (found->is_unified)
        gpu_add_feature(facts, "unified memory");
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static uint32_t kind_of(const vlk_found *found) {
    switch (found->properties.deviceType) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return FR_DEVICE_GPU;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return FR_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return FR_DEVICE_CPU;
    default: return FR_DEVICE_OTHER;
    }
}

static uint32_t units_of(const vlk_asked *asked, const vlk_found *found) {
    const VkPhysicalDeviceShaderCorePropertiesAMD *amd = &asked->amd;
    if (found->facts.kind == FR_DEVICE_CPU) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        return cores > 0 ? (uint32_t)cores : 1;
    }
    if (asked->nvidia.shaderSMCount > 0)
        return asked->nvidia.shaderSMCount;
    uint32_t units = amd->shaderEngineCount * amd->shaderArraysPerEngineCount * amd->computeUnitsPerShaderArray;
    return units > 0 ? units : LIKELY_UNITS;
}

/* Where several sizes can be asked for, the smallest that is not too small: registers are plenty then. */
static uint32_t subgroup_of(const vlk_asked *asked, const vlk_found *found) {
    uint32_t least = asked->sizes.minSubgroupSize, most = asked->sizes.maxSubgroupSize;
    if (!found->features.subgroup_size)
        return asked->subgroup.subgroupSize;
    return least >= SMALL_SUBGROUP ? least : most >= SMALL_SUBGROUP ? SMALL_SUBGROUP : most;
}

static void fill_families(vlk_found *found) {
    VkQueueFamilyProperties families[MAX_FAMILIES];
    uint32_t count = MAX_FAMILIES;
    bool has_compute = false, has_transfer = false;
    vkGetPhysicalDeviceQueueFamilyProperties(found->physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        VkQueueFlags flags = families[i].queueFlags;
        if (flags & VK_QUEUE_COMPUTE_BIT && !has_compute) {
            has_compute = true;
            found->compute_family = i;
            found->timestamp_bits = families[i].timestampValidBits;
        } else if (flags & VK_QUEUE_TRANSFER_BIT && !(flags & (VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT)) &&
                   !has_transfer) {
            has_transfer = true;
            found->transfer_family = i;
        }
    }
    if (!has_transfer)
        found->transfer_family = found->compute_family;
    if (!has_compute)
        found->compute_family = UINT32_MAX;
}

static void fill_memory(const vlk_asked *asked, vlk_found *found) {
    const VkMemoryPropertyFlags open = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties *memory = &found->memory;
    uint32_t largest = 0;
    bool is_open = false;
    vkGetPhysicalDeviceMemoryProperties(found->physical, memory);
    for (uint32_t i = 0; i < memory->memoryHeapCount; i++) {
        if (memory->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT &&
            memory->memoryHeaps[i].size > found->facts.memory_bytes) {
            found->facts.memory_bytes = memory->memoryHeaps[i].size;
            largest = i;
        }
    }
    for (uint32_t i = 0; i < memory->memoryTypeCount; i++)
        is_open |= memory->memoryTypes[i].heapIndex == largest && (memory->memoryTypes[i].propertyFlags & open) == open;
    /* a discrete GPU's memory can be mapped too, but lies behind a bus */
    found->is_unified &= is_open && found->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    found->max_alloc = asked->maintenance.maxMemoryAllocationSize;
}

static void fill_traits(const vlk_asked *asked, vlk_found *found) {
    const VkPhysicalDeviceLimits *limits = &found->properties.limits;
    gpu_traits *traits = &found->traits;
    found->subgroup = subgroup_of(asked, found);
    found->max_texels = limits->maxTexelBufferElements < MOST_TEXELS ? limits->maxTexelBufferElements : MOST_TEXELS;
    traits->lockstep = traits->glsl = true;
    traits->vec = traits->max_vec = 4;
    traits->units = found->facts.units;
    traits->max_items = limits->maxComputeWorkGroupInvocations;
    traits->subgroup = found->subgroup;
    traits->local_bytes = limits->maxComputeSharedMemorySize;
    traits->real_local = found->facts.kind != FR_DEVICE_CPU;
    traits->half_math = found->features.half_math;
    traits->dot8 = found->features.dot8;
    traits->narrow = found->features.narrow;
    traits->texels = found->features.texels;
    traits->spread = found->features.shuffle;
    traits->matrix = found->features.matrix;
}

static void fill_facts(const vlk_asked *asked, vlk_found *found) {
    fr_device_facts *facts = &found->facts;
    facts->kind = kind_of(found);
    facts->flags = facts->kind == FR_DEVICE_CPU ? (uint32_t)FR_DEVICE_SOFTWARE : 0u;
    facts->flags |= found->is_unified ? (uint32_t)FR_DEVICE_UNIFIED : 0u;
    facts->units = units_of(asked, found);
    facts->lanes = 1;
    facts->precisions = 1u << FR_PRECISION_F32;
    if (found->features.narrow)
        facts->precisions |= 1u << FR_PRECISION_F16 | 1u << FR_PRECISION_INT8;
    for (int i = 0; i < 16; i++)
        snprintf(facts->uuid + 2 * i, 3, "%02x", asked->id.deviceUUID[i]);
    if (facts->kind != FR_DEVICE_CPU)
        return;
    long caches[3] = {sysconf(_SC_LEVEL1_DCACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE), sysconf(_SC_LEVEL3_CACHE_SIZE)};
    for (int i = 0; i < 3; i++)
        facts->cache_bytes[i] = caches[i] > 0 ? (uint64_t)caches[i] : 0;
}

static void refuse(vlk_found *found, fr_status status, const char *why) {
    found->status = status;
    snprintf(found->why, sizeof found->why, "%.80s: %s", found->facts.name, why);
}

void vlk_facts_fill(const fr_driver *driver, vlk_found *found) {
    const fr_host *host = driver->host;
    VkExtensionProperties *extensions = host->alloc(VLK_MAX_EXTENSIONS * sizeof *extensions, 0);
    vlk_asked asked = {.driver = driver, .extensions = extensions};
    found->facts.struct_bytes = sizeof found->facts;
    vkGetPhysicalDeviceProperties(found->physical, &found->properties);
    found->version = found->properties.apiVersion < VK_API_VERSION_1_2   ? VK_API_VERSION_1_1
                     : found->properties.apiVersion < VK_API_VERSION_1_3 ? VK_API_VERSION_1_2
                                                                         : VK_API_VERSION_1_3;
    snprintf(found->facts.name, sizeof found->facts.name, "%.127s", found->properties.deviceName);
    fill_vendor(found, found->facts.vendor, sizeof found->facts.vendor);
    if (!extensions) {
        refuse(found, FR_NO_MEMORY, "out of memory for the list of its extensions");
    } else if (found->properties.apiVersion < VK_API_VERSION_1_1) {
        refuse(found, FR_UNAVAILABLE, "its Vulkan is 1.0; 1.1 is the least that is needed: install a newer driver");
    } else {
        vlk_ask(&asked, found);
        fill_families(found);
        fill_memory(&asked, found);
        fill_driver_text(&asked, found);
        fill_facts(&asked, found);
        fill_traits(&asked, found);
        fill_features(found);
        if (found->compute_family == UINT32_MAX)
            refuse(found, FR_UNAVAILABLE, "it has no queue that computes: another driver of it may");
    }
    if (extensions)
        host->free(extensions);
}
