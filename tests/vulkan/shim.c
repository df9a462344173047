/*
 * A loader between the backend and the real one, for failures that no healthy driver shows. The backend asks it for every
 * call; it answers with the real loader's, but for a few that it wraps. The environment says what goes wrong:
 *
 *   SHIM_OLD=1          the loader knows Vulkan 1.0 alone
 *   SHIM_DEVICES=0      there is no device
 *   SHIM_OLD_DEVICES=1  devices know Vulkan 1.0 alone
 *   SHIM_GPU=1          devices are GPUs of their own memory
 *   SHIM_OPEN=RESULT    devices do not open
 *   SHIM_WRONG=1        a device that opens is asked for a buffer of no bytes, which the validation layers must report
 *   SHIM_MEMORY=BYTES   devices have so many bytes in all
 *   SHIM_MAP=RESULT     memory is not mapped
 *   SHIM_PIPELINE=RESULT  pipelines are not made: those that SHIM_SKIP and SHIM_COUNT name
 *   SHIM_SUBMIT=RESULT  the same for what is submitted
 *   SHIM_WAIT=RESULT    the same for waits, of all kinds
 *   SHIM_SKIP=N, SHIM_COUNT=N  after N good calls so many fail; else the first and all after it
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan.h>

enum { MOST = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    VkDeviceMemory memory;
    VkDeviceSize bytes;
} blocks[MOST];
static atomic_int pipelines, submits, waits, refusals, caches;

/* For the tests: counted since the last shim_reset. */
int shim_pipelines(void);
int shim_pipelines(void) {
    return atomic_load(&pipelines);
}

int shim_refusals(void);
int shim_refusals(void) { /* of anything */
    return atomic_load(&refusals);
}

int shim_caches(void);
int shim_caches(void) { /* pipeline caches that began with what was kept */
    return atomic_load(&caches);
}

void shim_reset(void);
void shim_reset(void) {
    atomic_int *const all[] = {&pipelines, &submits, &waits, &refusals, &caches};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        atomic_store(all[i], 0);
}

static void *real(const char *name) {
    static void *library;
    pthread_mutex_lock(&lock);
    if (!library)
        library = dlopen("libvulkan.so.1", RTLD_NOW);
    pthread_mutex_unlock(&lock);
    void *symbol = library ? dlsym(library, name) : NULL;
    if (!symbol) {
        fprintf(stderr, "shim: no %s in the real loader\n", name);
        abort();
    }
    return symbol;
}

#define REAL(name)              \
    PFN_##name forward;         \
    void *symbol = real(#name); \
    memcpy(&forward, &symbol, sizeof forward)

static const char *setting(const char *name) { /* NULL or not empty */
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

static long number(const char *name, long otherwise) {
    const char *text = setting(name);
    return text ? atol(text) : otherwise;
}

/* Whether this call fails; it is counted. */
static bool fails(const char *name, atomic_int *counter, VkResult *out_result) {
    long before = atomic_fetch_add(counter, 1), skip = number("SHIM_SKIP", 0);
    *out_result = (VkResult)number(name, VK_SUCCESS);
    bool is_failure = setting(name) && before >= skip && before - skip < number("SHIM_COUNT", 1 << 30);
    atomic_fetch_add(&refusals, is_failure);
    return is_failure;
}

/* ---- devices ------------------------------------------------------------------------------------------------------ */

static VKAPI_ATTR VkResult VKAPI_CALL get_version(uint32_t *out) {
    REAL(vkEnumerateInstanceVersion);
    if (!setting("SHIM_OLD"))
        return forward(out);
    *out = VK_API_VERSION_1_0;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL list_devices(VkInstance instance, uint32_t *count, VkPhysicalDevice *devices) {
    REAL(vkEnumeratePhysicalDevices);
    if (!setting("SHIM_DEVICES"))
        return forward(instance, count, devices);
    *count = 0;
    return VK_SUCCESS;
}

static void pretend(VkPhysicalDeviceProperties *properties) {
    if (setting("SHIM_GPU"))
        properties->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    if (setting("SHIM_OLD_DEVICES"))
        properties->apiVersion = VK_API_VERSION_1_0;
}

static VKAPI_ATTR void VKAPI_CALL get_properties(VkPhysicalDevice device, VkPhysicalDeviceProperties *out) {
    REAL(vkGetPhysicalDeviceProperties);
    forward(device, out);
    pretend(out);
}

static VKAPI_ATTR void VKAPI_CALL get_properties2(VkPhysicalDevice device, VkPhysicalDeviceProperties2 *out) {
    REAL(vkGetPhysicalDeviceProperties2);
    forward(device, out);
    pretend(&out->properties);
}

static void ask_wrongly(VkDevice device) {
    REAL(vkGetDeviceProcAddr);
    PFN_vkCreateBuffer create = (PFN_vkCreateBuffer)forward(device, "vkCreateBuffer");
    PFN_vkDestroyBuffer destroy = (PFN_vkDestroyBuffer)forward(device, "vkDestroyBuffer");
    const VkBufferCreateInfo empty = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                      .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT};
    VkBuffer buffer = VK_NULL_HANDLE;
    if (create(device, &empty, NULL, &buffer) == VK_SUCCESS)
        destroy(device, buffer, NULL);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *callbacks, VkDevice *out) {
    REAL(vkCreateDevice);
    if (setting("SHIM_OPEN"))
        return (VkResult)number("SHIM_OPEN", 0);
    VkResult result = forward(physical, info, callbacks, out);
    if (result == VK_SUCCESS && setting("SHIM_WRONG"))
        ask_wrongly(*out);
    return result;
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static VkDeviceSize in_use(void) {
    VkDeviceSize sum = 0;
    for (int i = 0; i < MOST; i++)
        sum += blocks[i].memory ? blocks[i].bytes : 0;
    return sum;
}

static void note(VkDeviceMemory memory, VkDeviceSize bytes) {
    for (int i = 0; i < MOST; i++) {
        if (blocks[i].memory)
            continue;
        blocks[i].memory = memory;
        blocks[i].bytes = bytes;
        return;
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo *info,
                                               const VkAllocationCallbacks *callbacks, VkDeviceMemory *out) {
    REAL(vkAllocateMemory);
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    pthread_mutex_lock(&lock);
    bool fits = !setting("SHIM_MEMORY") || in_use() + info->allocationSize <= (VkDeviceSize)number("SHIM_MEMORY", 0);
    pthread_mutex_unlock(&lock);
    if (fits)
        result = forward(device, info, callbacks, out);
    pthread_mutex_lock(&lock);
    if (result == VK_SUCCESS)
        note(*out, info->allocationSize);
    pthread_mutex_unlock(&lock);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL give_back(VkDevice device, VkDeviceMemory memory,
                                            const VkAllocationCallbacks *callbacks) {
    REAL(vkFreeMemory);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST; i++)
        if (blocks[i].memory == memory)
            blocks[i].memory = VK_NULL_HANDLE;
    pthread_mutex_unlock(&lock);
    forward(device, memory, callbacks);
}

static VKAPI_ATTR VkResult VKAPI_CALL map(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                                          VkDeviceSize bytes, VkMemoryMapFlags flags, void **out) {
    REAL(vkMapMemory);
    return setting("SHIM_MAP") ? (VkResult)number("SHIM_MAP", 0) : forward(device, memory, offset, bytes, flags, out);
}

/* ---- pipelines ------------------------------------------------------------------------------------------------------ */

static VKAPI_ATTR VkResult VKAPI_CALL make_cache(VkDevice device, const VkPipelineCacheCreateInfo *info,
                                                 const VkAllocationCallbacks *callbacks, VkPipelineCache *out) {
    REAL(vkCreatePipelineCache);
    atomic_fetch_add(&caches, info->initialDataSize > 0);
    return forward(device, info, callbacks, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL make_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                                     const VkComputePipelineCreateInfo *infos,
                                                     const VkAllocationCallbacks *callbacks, VkPipeline *out) {
    REAL(vkCreateComputePipelines);
    VkResult result;
    if (!fails("SHIM_PIPELINE", &pipelines, &result))
        return forward(device, cache, count, infos, callbacks, out);
    for (uint32_t i = 0; i < count; i++)
        out[i] = VK_NULL_HANDLE;
    return result;
}

/* ---- queues --------------------------------------------------------------------------------------------------------- */

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence) {
    REAL(vkQueueSubmit);
    VkResult result;
    return fails("SHIM_SUBMIT", &submits, &result) ? result : forward(queue, count, infos, fence);
}

/* What was waited for is over when a wait fails: what it used may be freed, as on a device that is gone. */
static VKAPI_ATTR VkResult VKAPI_CALL wait_fences(VkDevice device, uint32_t count, const VkFence *fences, VkBool32 all,
                                                  uint64_t timeout) {
    REAL(vkWaitForFences);
    VkResult wrong, result = forward(device, count, fences, all, timeout);
    return fails("SHIM_WAIT", &waits, &wrong) ? wrong : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_semaphores(VkDevice device, const VkSemaphoreWaitInfo *info,
                                                      uint64_t timeout) {
    REAL(vkWaitSemaphores);
    VkResult wrong, result = forward(device, info, timeout);
    return fails("SHIM_WAIT", &waits, &wrong) ? wrong : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_queue(VkQueue queue) {
    REAL(vkQueueWaitIdle);
    VkResult wrong, result = forward(queue);
    return fails("SHIM_WAIT", &waits, &wrong) ? wrong : result;
}

/* ---- what the backend asks for -------------------------------------------------------------------------------------- */

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL find_of_device(VkDevice device, const char *name);

#define WRAP(name, call) \
    { "vk" name, (PFN_vkVoidFunction)(call) }
static PFN_vkVoidFunction wrapped(const char *name) {
    static const struct {
        const char *name;
        PFN_vkVoidFunction call;
    } calls[] = {
        WRAP("EnumerateInstanceVersion", get_version),
        WRAP("EnumeratePhysicalDevices", list_devices),
        WRAP("GetPhysicalDeviceProperties", get_properties),
        WRAP("GetPhysicalDeviceProperties2", get_properties2),
        WRAP("CreateDevice", create_device),
        WRAP("AllocateMemory", allocate),
        WRAP("FreeMemory", give_back),
        WRAP("MapMemory", map),
        WRAP("CreatePipelineCache", make_cache),
        WRAP("CreateComputePipelines", make_pipelines),
        WRAP("QueueSubmit", submit),
        WRAP("WaitForFences", wait_fences),
        WRAP("WaitSemaphores", wait_semaphores),
        WRAP("QueueWaitIdle", wait_queue),
        WRAP("GetDeviceProcAddr", find_of_device),
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0)
            return calls[i].call;
    return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL find_of_device(VkDevice device, const char *name) {
    REAL(vkGetDeviceProcAddr);
    PFN_vkVoidFunction call = wrapped(name);
    return call ? call : forward(device, name);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name) {
    REAL(vkGetInstanceProcAddr);
    PFN_vkVoidFunction call = wrapped(name);
    return call ? call : forward(instance, name);
}
