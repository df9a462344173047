/* The questions put to a physical device: what it has of what can be used. */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE_MAP_TEXELS = 1 << 26, MAX_SHAPES = 64 };

bool vlk_has(const vlk_asked *asked, const char *extension) {
    for (uint32_t i = 0; i < asked->n_extensions; i++)
        if (strcmp(asked->extensions[i].extensionName, extension) == 0)
            return true;
    return false;
}

/* Of that version on, or with that extension before it. */
static bool since(const vlk_asked *asked, const vlk_found *found, uint32_t version, const char *extension) {
    return found->version >= version || vlk_has(asked, extension);
}

/* FOLDRUN_VULKAN_WITHOUT=narrow,texels: what a device has, but is not to be used. */
static bool without(const char *feature) {
    const char *list = getenv("FOLDRUN_VULKAN_WITHOUT");
    size_t length = strlen(feature);
    for (const char *at = list; at && *at; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strncmp(at, feature, length) == 0 && (at[length] == ',' || at[length] == 0))
            return true;
    }
    return false;
}

static void list_extensions(vlk_asked *asked, const vlk_found *found) {
    asked->n_extensions = VLK_MAX_EXTENSIONS;
    VkResult result =
        vkEnumerateDeviceExtensionProperties(found->physical, NULL, &asked->n_extensions, asked->extensions);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        asked->n_extensions = 0;
}

/* Puts `link`, which begins as every structure of Vulkan does, at the front of a chain. */
static void put(void **chain, void *link, VkStructureType type) {
    VkBaseOutStructure *base = link;
    base->sType = type;
    base->pNext = *chain;
    *chain = link;
}

static void ask_properties(vlk_asked *asked, vlk_found *found) {
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    void **chain = &all.pNext;
    put(chain, &asked->id, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES);
    put(chain, &asked->subgroup, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
    put(chain, &asked->maintenance, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
    if (since(asked, found, VK_API_VERSION_1_2, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME))
        put(chain, &asked->driver_words, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
    if (since(asked, found, VK_API_VERSION_1_3, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        put(chain, &asked->sizes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES);
    if (since(asked, found, VK_API_VERSION_1_3, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME))
        put(chain, &asked->dot, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES);
    if (vlk_has(asked, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME))
        put(chain, &asked->nvidia, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV);
    if (vlk_has(asked, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME))
        put(chain, &asked->amd, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD);
    vkGetPhysicalDeviceProperties2(found->physical, &all);
}

static bool has_matrix(const vlk_asked *asked, const vlk_found *found) {
    vlk_matrix_shape shapes[MAX_SHAPES];
    uint32_t count = MAX_SHAPES;
    vlk_matrix_shapes_fn list = (vlk_matrix_shapes_fn)vkGetInstanceProcAddr(
        asked->driver->instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    if (!list)
        return false;
    for (uint32_t i = 0; i < MAX_SHAPES; i++)
        shapes[i] = (vlk_matrix_shape){.sType = (VkStructureType)VLK_MATRIX_PROPERTIES};
    VkResult result = list(found->physical, &count, shapes);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const vlk_matrix_shape *s = &shapes[i];
        if (s->m == 16 && s->n == 16 && s->k == 16 && s->a == VLK_MATRIX_F16 && s->b == VLK_MATRIX_F16 &&
            s->c == VLK_MATRIX_F32 && s->result == VLK_MATRIX_F32 && !s->saturates &&
            s->scope == VLK_MATRIX_BY_SUBGROUP)
            return true;
    }
    return false;
}

static bool reads_texels(const vlk_found *found, VkFormat format) {
    VkFormatProperties properties;
    vkGetPhysicalDeviceFormatProperties(found->physical, format, &properties);
    return (properties.bufferFeatures & VK_FORMAT_FEATURE_UNIFORM_TEXEL_BUFFER_BIT) != 0;
}

static bool subgroup_size_is_known(const vlk_asked *asked, const vlk_found *found) {
    return found->features.subgroup_size ||
           (asked->sizes.minSubgroupSize > 0 && asked->sizes.minSubgroupSize == asked->sizes.maxSubgroupSize) ||
           found->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ||
           asked->driver_words.driverID == VK_DRIVER_ID_NVIDIA_PROPRIETARY;
}

static void ask_features(const vlk_asked *asked, vlk_found *found) {
    VkPhysicalDevice16BitStorageFeatures words = {0};
    VkPhysicalDevice8BitStorageFeatures bytes = {0};
    VkPhysicalDeviceShaderFloat16Int8Features math = {0};
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {0};
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes = {0};
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {0};
    VkPhysicalDeviceVulkanMemoryModelFeatures model = {0};
    vlk_matrix_features matrix = {0};
    VkPhysicalDeviceFeatures2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    void **chain = &all.pNext;
    vlk_features *f = &found->features;
    put(chain, &words, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
    if (since(asked, found, VK_API_VERSION_1_2, VK_KHR_8BIT_STORAGE_EXTENSION_NAME))
        put(chain, &bytes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES);
    if (since(asked, found, VK_API_VERSION_1_2, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME))
        put(chain, &math, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
    if (since(asked, found, VK_API_VERSION_1_2, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME))
        put(chain, &timeline, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES);
    if (since(asked, found, VK_API_VERSION_1_2, VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME))
        put(chain, &model, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
    if (since(asked, found, VK_API_VERSION_1_3, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        put(chain, &sizes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES);
    if (since(asked, found, VK_API_VERSION_1_3, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME))
        put(chain, &dot, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES);
    if (vlk_has(asked, VLK_MATRIX_EXTENSION))
        put(chain, &matrix, (VkStructureType)VLK_MATRIX_FEATURES);
    vkGetPhysicalDeviceFeatures2(found->physical, &all);

    f->timeline = timeline.timelineSemaphore && !without("timeline");
    f->narrow =
        words.storageBuffer16BitAccess && bytes.storageBuffer8BitAccess && math.shaderInt8 && !without("narrow");
    f->half_math = f->narrow && math.shaderFloat16;
    f->dot8 = f->narrow && dot.shaderIntegerDotProduct && asked->dot.integerDotProduct4x8BitPackedSignedAccelerated &&
              asked->dot.integerDotProduct4x8BitPackedMixedSignednessAccelerated;
    f->push_descriptors = vlk_has(asked, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME) && !without("push");
    f->subgroup_size = sizes.subgroupSizeControl && sizes.computeFullSubgroups &&
                       asked->sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT;
    f->shuffle = asked->subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT &&
                 asked->subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT &&
                 subgroup_size_is_known(asked, found) && !without("shuffle");
    f->texels = found->properties.limits.maxTexelBufferElements >= LARGE_MAP_TEXELS &&
                reads_texels(found, VK_FORMAT_R32G32B32A32_SFLOAT) &&
                reads_texels(found, VK_FORMAT_R16G16B16A16_SFLOAT) && !without("texels");
    f->budget = vlk_has(asked, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) && !without("budget");
    f->matrix = vlk_has_shader("conv_matrix", true) && found->version >= VK_API_VERSION_1_3 && f->subgroup_size &&
                matrix.cooperativeMatrix && model.vulkanMemoryModel && f->half_math &&
                subgroup_size_is_known(asked, found) && has_matrix(asked, found) && !without("matrix");
    found->is_portable = vlk_has(asked, "VK_KHR_portability_subset");
    found->is_unified = !without("unified"); /* until the memory is looked at */
}

void vlk_ask(vlk_asked *asked, vlk_found *found) {
    list_extensions(asked, found);
    ask_properties(asked, found);
    ask_features(asked, found);
}
