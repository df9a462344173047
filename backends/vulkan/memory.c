/*
 * Device memory: blocks of one type each, and pieces of them. A block is a list of ranges in the order in which they
 * lie, free or used; what is freed joins its free neighbours. What is large has a block of its own.
 */
#include <string.h>

#include "submit.h"

enum { PIECE = 256, MAX_BLOCK = 64 << 20 };

typedef struct block block;

typedef struct range {
    struct range *before, *after; /* in the block */
    block *of;
    uint64_t offset, bytes;
    bool is_used;
} range;

struct block {
    block *next; /* of its type */
    VkDeviceMemory memory;
    void *mapped;
    uint64_t bytes;
    range *first;
    uint32_t type;
    bool is_own; /* of one piece that is too large to share */
};

struct vlk_heap {
    pthread_mutex_t lock;
    block *blocks[VK_MAX_MEMORY_TYPES];
    uint64_t taken[VK_MAX_MEMORY_HEAPS]; /* by us, for devices that tell no budget */
};

/* ---- which memory ------------------------------------------------------------------------------------------------ */

static bool is_mapped(const vlk_found *found, uint32_t type) {
    const VkMemoryPropertyFlags open = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    return (found->memory.memoryTypes[type].propertyFlags & open) == open;
}

/* How well a type serves; negative = not at all. */
static int worth(const vlk_found *found, uint32_t type, vlk_place place) {
    const VkMemoryPropertyFlags special = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
                                          VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD;
    VkMemoryPropertyFlags flags = found->memory.memoryTypes[type].propertyFlags;
    bool is_local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, is_cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    if (flags & special)
        return -1;
    if (place == VLK_ON_DEVICE)
        return (is_local ? 4 : 0) + (is_mapped(found, type) == found->is_unified ? 2 : 0) +
               (is_cached && found->is_unified ? 1 : 0);
    if (!is_mapped(found, type))
        return -1;
    if (place == VLK_UPLOAD) /* a GPU's own mapped memory is scarce */
        return (is_local == found->is_unified ? 2 : 0) + (is_cached == found->is_unified ? 1 : 0);
    return (is_cached ? 2 : 0) + (is_local == found->is_unified ? 1 : 0);
}

static int32_t best_type(const vlk_found *found, uint32_t allowed, vlk_place place) {
    int32_t best = -1;
    int most = -1;
    for (uint32_t type = 0; type < found->memory.memoryTypeCount; type++) {
        int value = worth(found, type, place);
        if (allowed & 1u << type && value > most) {
            most = value;
            best = (int32_t)type;
        }
    }
    return best;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static range *range_new(const fr_host *host, block *of, uint64_t offset, uint64_t bytes) {
    range *r = host->alloc(sizeof *r, 0);
    if (r)
        *r = (range){.of = of, .offset = offset, .bytes = bytes};
    return r;
}

static void join_after(const fr_host *host, range *r) {
    range *gone = r->after;
    r->bytes += gone->bytes;
    r->after = gone->after;
    if (r->after)
        r->after->before = r;
    host->free(gone);
}

static void give_back(const fr_host *host, range *r) {
    r->is_used = false;
    if (r->after && !r->after->is_used)
        join_after(host, r);
    if (r->before && !r->before->is_used)
        join_after(host, r->before);
}

/* The first free range with room, cut to size; NULL when there is none. */
static range *take(const fr_host *host, block *b, uint64_t bytes) {
    range *r = b->first;
    while (r && (r->is_used || r->bytes < bytes))
        r = r->after;
    if (!r)
        return NULL;
    if (r->bytes > bytes) {
        range *rest = range_new(host, b, r->offset + bytes, r->bytes - bytes);
        if (!rest)
            return NULL;
        rest->before = r;
        rest->after = r->after;
        if (rest->after)
            rest->after->before = rest;
        r->after = rest;
        r->bytes = bytes;
    }
    r->is_used = true;
    return r;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static bool is_empty(const block *b) {
    return !b->first->is_used && !b->first->after;
}

static void block_free(fr_device *device, block *b) {
    const fr_host *host = device->base.host;
    if (!b)
        return;
    while (b->first) {
        range *after = b->first->after;
        host->free(b->first);
        b->first = after;
    }
    if (b->memory && !vlk_is_stuck(device)) { /* unmaps it */
        device->vk.vkFreeMemory(device->handle, b->memory, NULL);
        device->heap->taken[device->found->memory.memoryTypes[b->type].heapIndex] -= b->bytes;
    }
    host->free(b);
}

static void left_in_heap(fr_device *device, uint32_t index, uint64_t *out_left, uint64_t *out_all) {
    const vlk_found *found = device->found;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 now = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                                             .pNext = &budget};
    uint64_t used = device->heap->taken[index];
    *out_all = found->memory.memoryHeaps[index].size;
    if (found->features.budget) {
        vkGetPhysicalDeviceMemoryProperties2(found->physical, &now);
        *out_all = budget.heapBudget[index];
        used = budget.heapUsage[index];
    }
    *out_left = *out_all > used ? *out_all - used : 0;
}

static fr_status too_little(fr_device *device, uint64_t bytes, const char *what, uint64_t left, uint64_t all) {
    const double mib = 1 << 20;
    return host_fail(
        device->base.host, FR_NO_MEMORY,
        "vulkan: out of device memory: %.1f MiB wanted for %s, %.0f MiB left of %.0f; a smaller --batch needs less",
        (double)bytes / mib, what, (double)left / mib, (double)all / mib);
}

static fr_status block_new(fr_device *device, uint32_t type, uint64_t bytes, const char *what, block **out_block) {
    const fr_host *host = device->base.host;
    uint32_t heap = device->found->memory.memoryTypes[type].heapIndex;
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = bytes, .memoryTypeIndex = type};
    fr_status status = FR_OK;
    void *made;
    *out_block = NULL;
    HOST_TRY(host_alloc(host, sizeof(block), what, &made));
    block *b = made;
    b->type = type;
    b->first = range_new(host, b, 0, bytes);
    if (!b->first) {
        status = host_fail(host, FR_NO_MEMORY, "out of memory for %s", what);
        goto done;
    }
    HOST_GO(done, vlk_check(device, host, device->vk.vkAllocateMemory(device->handle, &info, NULL, &b->memory),
                            "vkAllocateMemory", what));
    b->bytes = bytes;
    device->heap->taken[heap] += bytes;
    if (is_mapped(device->found, type))
        HOST_GO(done, vlk_check(device, host,
                                device->vk.vkMapMemory(device->handle, b->memory, 0, VK_WHOLE_SIZE, 0, &b->mapped),
                                "vkMapMemory", what));
    b->next = device->heap->blocks[type];
    device->heap->blocks[type] = b;
    *out_block = b;
done:
    if (status != FR_OK)
        block_free(device, b);
    return status;
}

/* Whether the heap has room is asked before the driver is: some take more than there is, and fail later. */
static fr_status block_for(fr_device *device, uint32_t type, uint64_t bytes, const char *what, block **out_block) {
    uint32_t heap = device->found->memory.memoryTypes[type].heapIndex;
    uint64_t left, all, shared = device->found->memory.memoryHeaps[heap].size / 8;
    if (shared > MAX_BLOCK)
        shared = MAX_BLOCK;
    left_in_heap(device, heap, &left, &all);
    if (bytes > left)
        return too_little(device, bytes, what, left, all);
    bool is_own = bytes > shared / 2 || shared > left;
    HOST_TRY(block_new(device, type, is_own ? bytes : shared / PIECE * PIECE, what, out_block));
    (*out_block)->is_own = is_own;
    return FR_OK;
}

/* One empty block of a type is kept: the next buffer of it comes soon. */
static void drop_block(fr_device *device, block *b) {
    block **at = &device->heap->blocks[b->type];
    bool is_only = true;
    for (const block *other = *at; other; other = other->next)
        is_only &= other == b || other->is_own || !is_empty(other);
    if (is_only && !b->is_own)
        return;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    block_free(device, b);
}

/* ---- for buffers ------------------------------------------------------------------------------------------------- */

static fr_status take_piece(fr_device *device, uint32_t type, uint64_t bytes, const char *what, range **out_range) {
    const fr_host *host = device->base.host;
    block *b;
    *out_range = NULL;
    for (b = device->heap->blocks[type]; b && !*out_range; b = b->next)
        *out_range = take(host, b, bytes);
    if (*out_range)
        return FR_OK;
    HOST_TRY(block_for(device, type, bytes, what, &b));
    *out_range = take(host, b, bytes);
    if (*out_range)
        return FR_OK;
    drop_block(device, b);
    return host_fail(host, FR_NO_MEMORY, "out of memory for %s", what);
}

fr_status vlk_memory_new(fr_device *device, const VkMemoryRequirements *needs, vlk_place place, const char *what,
                         vlk_memory *out_memory) {
    const fr_host *host = device->base.host;
    uint64_t bytes = needs->size + PIECE - 1 - (needs->size + PIECE - 1) % PIECE;
    int32_t type = best_type(device->found, needs->memoryTypeBits, place);
    range *piece;
    memset(out_memory, 0, sizeof *out_memory);
    if (type < 0)
        return host_fail(host, FR_UNSUPPORTED, "vulkan: the driver has no memory for %s", what);
    if (needs->alignment > PIECE) /* every piece begins at a multiple of PIECE; more is asked by nobody for buffers */
        return host_fail(host, FR_UNSUPPORTED, "vulkan: the driver wants %s at multiples of %llu bytes", what,
                         (unsigned long long)needs->alignment);
    pthread_mutex_lock(&device->heap->lock);
    fr_status status = take_piece(device, (uint32_t)type, bytes, what, &piece);
    bool is_open = status == FR_OK && piece->of->mapped && (place != VLK_ON_DEVICE || device->found->is_unified);
    if (status == FR_OK)
        *out_memory = (vlk_memory){.memory = piece->of->memory,
                                   .offset = piece->offset,
                                   .bytes = piece->bytes,
                                   .mapped = is_open ? (char *)piece->of->mapped + piece->offset : NULL,
                                   .block = piece};
    pthread_mutex_unlock(&device->heap->lock);
    return status;
}

void vlk_memory_free(fr_device *device, vlk_memory *memory) {
    range *piece = memory->block;
    if (!piece)
        return;
    block *b = piece->of;
    pthread_mutex_lock(&device->heap->lock);
    give_back(device->base.host, piece);
    if (is_empty(b))
        drop_block(device, b);
    pthread_mutex_unlock(&device->heap->lock);
    memset(memory, 0, sizeof *memory);
}

fr_status vlk_heap_new(fr_device *device) {
    void *made;
    HOST_TRY(host_alloc(device->base.host, sizeof(vlk_heap), "the device's memory", &made));
    device->heap = made;
    pthread_mutex_init(&device->heap->lock, NULL);
    return FR_OK;
}

void vlk_heap_free(fr_device *device) {
    vlk_heap *heap = device->heap;
    if (!heap)
        return;
    for (uint32_t type = 0; type < VK_MAX_MEMORY_TYPES; type++) {
        while (heap->blocks[type]) {
            block *b = heap->blocks[type];
            heap->blocks[type] = b->next;
            block_free(device, b);
        }
    }
    pthread_mutex_destroy(&heap->lock);
    device->base.host->free(heap);
    device->heap = NULL;
}
