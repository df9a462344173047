/*
 * Pipelines: a shader, its constants and how its buffers are bound. Each is made once a device, when the first program
 * wants it; a thread that wants one that is being made waits for it.
 */
#include "pipelines.h"

#include <stdio.h>
#include <string.h>

#include "shaders.h"
#include "submit.h"
#include "vulkan/constants.h"

enum { WORDS_BYTES = 32, PARAMS_AT = 6, LOCAL_SIZES = 3 };

static const struct {
    uint32_t id;
    const char *name;
    int32_t value;
} constants[] = {
#define CONSTANT(id, name, value) {id, #name, value},
    SHADER_CONSTANTS(CONSTANT)
#undef CONSTANT
};
enum { N_CONSTANTS = sizeof constants / sizeof constants[0], N_VALUES = LOCAL_SIZES + N_CONSTANTS };

typedef struct made_key { /* zeroed before it is filled: compared as bytes */
    const vlk_shader *shader;
    int32_t values[N_VALUES];
    int32_t n_buffers;
    uint32_t texels;
} made_key;

struct vlk_layout {
    vlk_layout *next;
    int32_t n_buffers;
    uint32_t texels;
    VkDescriptorSetLayout set;
    VkPipelineLayout layout;
};

struct vlk_made {
    vlk_made *next;
    made_key key;
    enum { MAKING, READY, FAILED } state;
    fr_status status; /* FAILED: with */
    vlk_pipeline pipeline;
};

/* ---- shaders ----------------------------------------------------------------------------------------------------- */

static const vlk_shader *find_shader(const char *kernel, bool narrow) {
    char name[64];
    size_t from = 0, to;
    const vlk_shader *shaders = vlk_shaders(&to);
    (void)snprintf(name, sizeof name, "%s.%d", kernel, narrow);
    while (from < to) {
        size_t middle = (from + to) / 2;
        int order = strcmp(name, shaders[middle].name);
        if (order == 0)
            return &shaders[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

bool vlk_has_shader(const char *kernel, bool narrow) {
    return find_shader(kernel, narrow) != NULL;
}

static char version[32];

static void make_version(void) {
    size_t count;
    const vlk_shader *shaders = vlk_shaders(&count);
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a, a word at a time */
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < shaders[i].bytes / sizeof(uint32_t); w++)
            hash = (hash ^ shaders[i].words[w]) * 0x100000001b3u;
    (void)snprintf(version, sizeof version, "%s.%08x", VLK_VERSION, (unsigned)(hash ^ hash >> 32));
}

const char *vlk_version(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_version);
    return version;
}

/* ---- what a dispatch asks for ------------------------------------------------------------------------------------ */

static fr_status set_constant(const fr_host *host, made_key *out, const gpu_define *define, const char *kernel) {
    if (define->name[0] == 'L' && strchr("XYZ", define->name[1]) && define->name[1] && !define->name[2])
        return FR_OK; /* the items of a group, which are known */
    for (size_t i = 0; i < N_CONSTANTS; i++)
        if (strcmp(constants[i].name, define->name) == 0) {
            out->values[LOCAL_SIZES + i] = define->value;
            return FR_OK;
        }
    return host_fail(host, FR_INTERNAL, "vulkan: kernel %s wants constant %s, which shaders/vulkan/constants.h lacks",
                     kernel, define->name);
}

static fr_status key_of(const fr_device *device, const gpu_dispatch *d, made_key *out) {
    const fr_host *host = device->base.host;
    memset(out, 0, sizeof *out);
    out->shader = find_shader(d->kernel, device->found->features.narrow);
    if (!out->shader)
        return host_fail(host, FR_UNSUPPORTED, "vulkan: no shader %s was built in", d->kernel);
    for (size_t i = 0; i < LOCAL_SIZES; i++)
        out->values[i] = (int32_t)d->local[i];
    for (size_t i = 0; i < N_CONSTANTS; i++)
        out->values[LOCAL_SIZES + i] = constants[i].value;
    for (int32_t i = 0; i < d->n_defines; i++)
        HOST_TRY(set_constant(host, out, &d->defines[i], d->kernel));
    out->n_buffers = d->n_buffers;
    out->texels = d->texels;
    return FR_OK;
}

static fr_status check_limits(const fr_device *device, const gpu_dispatch *d) {
    const VkPhysicalDeviceLimits *limits = &device->found->properties.limits;
    uint64_t items = (uint64_t)d->local[0] * d->local[1] * d->local[2];
    bool fits = items <= limits->maxComputeWorkGroupInvocations;
    for (int i = 0; i < 3; i++)
        fits &= d->local[i] <= limits->maxComputeWorkGroupSize[i];
    if (!fits)
        return host_fail(device->base.host, FR_UNSUPPORTED,
                         "vulkan: %s wants groups of %u x %u x %u items, this device runs %u in all at most", d->kernel,
                         d->local[0], d->local[1], d->local[2], limits->maxComputeWorkGroupInvocations);
    return FR_OK;
}

/* ---- layouts ----------------------------------------------------------------------------------------------------- */

static fr_status make_layout(fr_device *device, vlk_layout *layout, const char *kernel) {
    const fr_host *host = device->base.host;
    VkDescriptorSetLayoutBinding bindings[GPU_MAX_BUFFERS + 1];
    uint32_t count = 0;
    for (; count < (uint32_t)layout->n_buffers; count++)
        bindings[count] = (VkDescriptorSetLayoutBinding){.binding = count,
                                                         .descriptorType = layout->texels >> count & 1
                                                                               ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                                                                               : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                         .descriptorCount = 1,
                                                         .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    bindings[count++] = (VkDescriptorSetLayoutBinding){.binding = PARAMS_AT,
                                                       .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
                                                       .descriptorCount = 1,
                                                       .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .flags = device->found->features.push_descriptors ? VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR : 0,
        .bindingCount = count,
        .pBindings = bindings};
    HOST_TRY(vlk_check(device, host, device->vk.vkCreateDescriptorSetLayout(device->handle, &set, NULL, &layout->set),
                       "vkCreateDescriptorSetLayout", kernel));
    VkPushConstantRange words = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = WORDS_BYTES};
    VkPipelineLayoutCreateInfo whole = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                        .setLayoutCount = 1,
                                        .pSetLayouts = &layout->set,
                                        .pushConstantRangeCount = 1,
                                        .pPushConstantRanges = &words};
    return vlk_check(device, host, device->vk.vkCreatePipelineLayout(device->handle, &whole, NULL, &layout->layout),
                     "vkCreatePipelineLayout", kernel);
}

static void free_layout(fr_device *device, vlk_layout *layout) {
    if (layout->layout)
        device->vk.vkDestroyPipelineLayout(device->handle, layout->layout, NULL);
    if (layout->set)
        device->vk.vkDestroyDescriptorSetLayout(device->handle, layout->set, NULL);
    device->base.host->free(layout);
}

/* With the lock held. */
static fr_status get_layout(fr_device *device, const made_key *key, const char *kernel, const vlk_layout **out_layout) {
    vlk_pipelines *all = device->pipelines;
    void *block;
    *out_layout = NULL;
    for (const vlk_layout *l = all->layouts; l; l = l->next)
        if (l->n_buffers == key->n_buffers && l->texels == key->texels) {
            *out_layout = l;
            return FR_OK;
        }
    HOST_TRY(host_alloc(device->base.host, sizeof(vlk_layout), "a pipeline's layout", &block));
    vlk_layout *layout = block;
    layout->n_buffers = key->n_buffers;
    layout->texels = key->texels;
    fr_status status = make_layout(device, layout, kernel);
    if (status != FR_OK) {
        free_layout(device, layout);
        return status;
    }
    layout->next = all->layouts;
    all->layouts = layout;
    *out_layout = layout;
    return FR_OK;
}

/* ---- one pipeline ------------------------------------------------------------------------------------------------ */

static fr_status refused(fr_device *device, VkResult result, const char *call, const char *kernel) {
    switch (result) {
    case VK_SUCCESS: return FR_OK;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_DEVICE_LOST: return vlk_check(device, device->base.host, result, call, kernel);
    default:
        return host_fail(device->base.host, FR_UNSUPPORTED,
                         "vulkan: %s for kernel %s failed: %s (%d); the driver refuses this kernel: another driver "
                         "version or another device may take it",
                         call, kernel, vlk_result_name(result), (int)result);
    }
}

static int32_t value_of(const made_key *key, const char *name) {
    for (size_t i = 0; i < N_CONSTANTS; i++)
        if (strcmp(constants[i].name, name) == 0)
            return key->values[LOCAL_SIZES + i];
    return 0;
}

static VkResult create(fr_device *device, const made_key *key, VkShaderModule module, vlk_pipeline *pipeline) {
    VkSpecializationMapEntry map[N_VALUES];
    for (uint32_t i = 0; i < N_VALUES; i++)
        map[i] = (VkSpecializationMapEntry){.constantID = i < LOCAL_SIZES ? i : constants[i - LOCAL_SIZES].id,
                                            .offset = i * (uint32_t)sizeof(int32_t),
                                            .size = sizeof(int32_t)};
    VkSpecializationInfo special = {N_VALUES, map, sizeof key->values, key->values};
    VkComputePipelineCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                  .module = module,
                                                  .pName = "main",
                                                  .pSpecializationInfo = &special},
                                        .layout = pipeline->layout};
    /* kernels whose items take each other's numbers rely on the size of their subgroups */
    int32_t lanes = value_of(key, "SUBGROUP");
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = (uint32_t)lanes};
    if (device->found->features.subgroup_size && lanes > 1 && key->values[0] % lanes == 0) {
        info.stage.pNext = &size;
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
    }
    return device->vk.vkCreateComputePipelines(device->handle, device->pipelines->cache, 1, &info, NULL,
                                               &pipeline->handle);
}

static fr_status make(fr_device *device, const made_key *key, const char *kernel, vlk_pipeline *pipeline) {
    VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                     .codeSize = key->shader->bytes,
                                     .pCode = key->shader->words};
    VkShaderModule module;
    HOST_TRY(refused(device, device->vk.vkCreateShaderModule(device->handle, &info, NULL, &module),
                     "vkCreateShaderModule", kernel));
    VkResult result = create(device, key, module, pipeline);
    device->vk.vkDestroyShaderModule(device->handle, module, NULL);
    if (result != VK_SUCCESS)
        pipeline->handle = VK_NULL_HANDLE;
    return refused(device, result, "vkCreateComputePipelines", kernel);
}

/* ---- once a device ----------------------------------------------------------------------------------------------- */

/* With the lock held: the key's entry; a new one has FAILED for a passing reason, so that it is tried. */
static fr_status claim(fr_device *device, const made_key *key, const char *kernel, vlk_made **out_made) {
    vlk_pipelines *all = device->pipelines;
    const vlk_layout *layout;
    void *block;
    *out_made = NULL;
    for (vlk_made *m = all->made; m && !*out_made; m = m->next)
        if (memcmp(&m->key, key, sizeof *key) == 0)
            *out_made = m;
    if (*out_made)
        return FR_OK;
    HOST_TRY(get_layout(device, key, kernel, &layout));
    HOST_TRY(host_alloc(device->base.host, sizeof(vlk_made), "a pipeline", &block));
    vlk_made *made = block;
    *made = (vlk_made){.next = all->made, .state = FAILED, .status = FR_NO_MEMORY};
    memcpy(&made->key, key, sizeof *key);
    made->pipeline.layout = layout->layout;
    made->pipeline.set = layout->set;
    (void)snprintf(made->pipeline.name, sizeof made->pipeline.name, "%s", kernel);
    all->made = made;
    *out_made = made;
    return FR_OK;
}

/* With the lock held, which is let go meanwhile. */
static fr_status settle(fr_device *device, vlk_made *made) {
    vlk_pipelines *all = device->pipelines;
    while (made->state == MAKING)
        pthread_cond_wait(&all->made_one, &all->lock);
    if (made->state == READY)
        return FR_OK;
    if (made->status == FR_UNSUPPORTED)
        return host_fail(device->base.host, FR_UNSUPPORTED,
                         "vulkan: the driver does not make the pipeline of %s, as said before", made->pipeline.name);
    made->state = MAKING;
    pthread_mutex_unlock(&all->lock);
    fr_status status = make(device, &made->key, made->pipeline.name, &made->pipeline);
    pthread_mutex_lock(&all->lock);
    made->state = status == FR_OK ? READY : FAILED;
    made->status = status;
    all->n_made += status == FR_OK;
    pthread_cond_broadcast(&all->made_one);
    return status;
}

fr_status vlk_pipeline_get(fr_device *device, const gpu_dispatch *dispatch, const vlk_pipeline **out_pipeline,
                           bool *out_bad) {
    vlk_pipelines *all = device->pipelines;
    vlk_made *made;
    made_key key;
    *out_pipeline = NULL;
    *out_bad = false;
    HOST_TRY(key_of(device, dispatch, &key));
    HOST_TRY(check_limits(device, dispatch));
    pthread_mutex_lock(&all->lock);
    fr_status status = claim(device, &key, dispatch->kernel, &made);
    if (status == FR_OK) {
        status = settle(device, made);
        *out_bad = status == FR_UNSUPPORTED;
    }
    if (status == FR_OK)
        *out_pipeline = &made->pipeline;
    pthread_mutex_unlock(&all->lock);
    return status;
}

fr_status vlk_pipelines_new(fr_device *device) {
    void *block;
    HOST_TRY(host_alloc(device->base.host, sizeof(vlk_pipelines), "pipelines", &block));
    device->pipelines = block;
    pthread_mutex_init(&device->pipelines->lock, NULL);
    pthread_cond_init(&device->pipelines->made_one, NULL);
    vlk_cache_open(device);
    return FR_OK;
}

void vlk_pipelines_free(fr_device *device) {
    vlk_pipelines *all = device->pipelines;
    if (!all)
        return;
    vlk_cache_store(device);
    while (all->made) {
        vlk_made *next = all->made->next;
        if (all->made->pipeline.handle && !vlk_is_stuck(device))
            device->vk.vkDestroyPipeline(device->handle, all->made->pipeline.handle, NULL);
        device->base.host->free(all->made);
        all->made = next;
    }
    while (all->layouts) {
        vlk_layout *next = all->layouts->next;
        free_layout(device, all->layouts);
        all->layouts = next;
    }
    if (all->cache)
        device->vk.vkDestroyPipelineCache(device->handle, all->cache, NULL);
    pthread_cond_destroy(&all->made_one);
    pthread_mutex_destroy(&all->lock);
    device->base.host->free(all);
    device->pipelines = NULL;
}
