/*
 * The driver's pipeline cache on disk. Drivers trust what they are given: every byte is checked here first, and what is
 * not of this very device and driver, or not whole, is as if it were not there.
 */
#include <stdio.h>
#include <string.h>

#include "pipelines.h"

typedef struct head { /* before the driver's own bytes */
    char magic[8];
    uint64_t bytes, hash;
} head;

static const char magic[8] = "vkcache1";

static uint64_t hash_of(const void *data, uint64_t bytes) { /* FNV-1a; never 0 */
    const unsigned char *at = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash ? hash : 1;
}

static void hex_of(const uint8_t id[VK_UUID_SIZE], char out[2 * VK_UUID_SIZE + 1]) {
    for (size_t i = 0; i < VK_UUID_SIZE; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", id[i]);
}

static void key_of(const fr_device *device, char *out, size_t bytes) {
    const VkPhysicalDeviceProperties *p = &device->found->properties;
    char id[2 * VK_UUID_SIZE + 1];
    hex_of(p->pipelineCacheUUID, id);
    (void)snprintf(out, bytes, "vulkan pipelines\n%s\n%s\n%s\n%08x %08x %08x %08x\n%s", vlk_version(),
                   device->found->facts.name, device->found->facts.driver, p->vendorID, p->deviceID, p->driverVersion,
                   p->apiVersion, id);
}

/* The beginning that every driver's bytes have, as Vulkan lays it down. */
static bool is_of_this_driver(const fr_device *device, const unsigned char *data, uint64_t bytes) {
    const VkPhysicalDeviceProperties *p = &device->found->properties;
    VkPipelineCacheHeaderVersionOne h;
    if (bytes < sizeof h)
        return false;
    memcpy(&h, data, sizeof h);
    return h.headerSize >= sizeof h && h.headerSize <= bytes &&
           h.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && h.vendorID == p->vendorID &&
           h.deviceID == p->deviceID && memcmp(h.pipelineCacheUUID, p->pipelineCacheUUID, VK_UUID_SIZE) == 0;
}

/* The driver's bytes within an entry; NULL when they are not to be trusted. */
static const unsigned char *judge(const fr_device *device, const unsigned char *data, uint64_t bytes, head *out_head) {
    if (bytes < sizeof *out_head)
        return NULL;
    memcpy(out_head, data, sizeof *out_head);
    data += sizeof *out_head;
    bool is_whole = memcmp(out_head->magic, magic, sizeof magic) == 0 && out_head->bytes == bytes - sizeof *out_head &&
                    out_head->hash == hash_of(data, out_head->bytes);
    return is_whole && is_of_this_driver(device, data, out_head->bytes) ? data : NULL;
}

static VkPipelineCache new_cache(fr_device *device, const void *data, uint64_t bytes) {
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, .initialDataSize = (size_t)bytes, .pInitialData = data};
    VkPipelineCache cache = VK_NULL_HANDLE;
    VkResult result = device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &cache);
    return result == VK_SUCCESS ? cache : VK_NULL_HANDLE;
}

/* What is on disk, as a cache; NULL when there is nothing, or nothing sound. */
static VkPipelineCache load(fr_device *device, uint64_t *out_hash) {
    const fr_host *host = device->base.host;
    VkPipelineCache cache = VK_NULL_HANDLE;
    char key[1024];
    void *data;
    size_t bytes;
    head h;
    key_of(device, key, sizeof key);
    if (host->cache_load(host->ctx, key, &data, &bytes) != FR_OK)
        return VK_NULL_HANDLE;
    const unsigned char *sound = judge(device, data, bytes, &h);
    if (sound)
        cache = new_cache(device, sound, h.bytes);
    if (cache)
        *out_hash = h.hash;
    else
        host->log(2, "vulkan: the pipelines kept on disk are damaged or another driver's: they are made anew");
    host->free(data);
    return cache;
}

void vlk_cache_open(fr_device *device) {
    vlk_pipelines *all = device->pipelines;
    all->cache = load(device, &all->stored_hash);
    if (!all->cache)
        all->cache = new_cache(device, NULL, 0);
}

/* Another process may have stored other pipelines meanwhile: they are kept. */
static void merge_stored(fr_device *device) {
    vlk_pipelines *all = device->pipelines;
    uint64_t hash;
    VkPipelineCache stored = load(device, &hash);
    if (!stored)
        return;
    if (hash != all->stored_hash)
        (void)device->vk.vkMergePipelineCaches(device->handle, all->cache, 1, &stored);
    device->vk.vkDestroyPipelineCache(device->handle, stored, NULL);
}

/* The driver's bytes behind their head, from host->alloc; NULL when there are none. */
static unsigned char *read_cache(fr_device *device, head *out_head) {
    const fr_host *host = device->base.host;
    VkPipelineCache cache = device->pipelines->cache;
    size_t bytes = 0;
    if (device->vk.vkGetPipelineCacheData(device->handle, cache, &bytes, NULL) != VK_SUCCESS || bytes == 0)
        return NULL;
    unsigned char *block = host->alloc(sizeof(head) + bytes, 0);
    if (!block)
        return NULL;
    if (device->vk.vkGetPipelineCacheData(device->handle, cache, &bytes, block + sizeof(head)) != VK_SUCCESS) {
        host->free(block);
        return NULL;
    }
    *out_head = (head){.bytes = bytes, .hash = hash_of(block + sizeof(head), bytes)};
    memcpy(out_head->magic, magic, sizeof magic);
    memcpy(block, out_head, sizeof *out_head);
    return block;
}

static void store(fr_device *device) {
    const fr_host *host = device->base.host;
    vlk_pipelines *all = device->pipelines;
    char key[1024];
    head h;
    unsigned char *block = read_cache(device, &h);
    if (block && h.hash != all->stored_hash) { /* it has grown */
        host->free(block);
        merge_stored(device);
        block = read_cache(device, &h);
    }
    if (block && h.hash != all->stored_hash) {
        key_of(device, key, sizeof key);
        (void)host->cache_store(host->ctx, key, block, sizeof h + h.bytes); /* its failure costs time only */
        all->stored_hash = h.hash;
    }
    if (block)
        host->free(block);
}

void vlk_cache_store(fr_device *device) {
    vlk_pipelines *all = device->pipelines;
    if (!all->cache || all->n_made == 0 || atomic_load(&device->is_lost))
        return;
    store(device);
    all->n_made = 0;
}
