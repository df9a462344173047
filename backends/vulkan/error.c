/* VkResults in words, and what they mean to the engine. */
#include "vlk.h"

#define NAMED(code) \
    { code, #code }
static const struct {
    VkResult code;
    const char *name;
} names[] = {
    NAMED(VK_SUCCESS),
    NAMED(VK_NOT_READY),
    NAMED(VK_TIMEOUT),
    NAMED(VK_EVENT_SET),
    NAMED(VK_EVENT_RESET),
    NAMED(VK_INCOMPLETE),
    NAMED(VK_PIPELINE_COMPILE_REQUIRED),
    NAMED(VK_ERROR_OUT_OF_HOST_MEMORY),
    NAMED(VK_ERROR_OUT_OF_DEVICE_MEMORY),
    NAMED(VK_ERROR_INITIALIZATION_FAILED),
    NAMED(VK_ERROR_DEVICE_LOST),
    NAMED(VK_ERROR_MEMORY_MAP_FAILED),
    NAMED(VK_ERROR_LAYER_NOT_PRESENT),
    NAMED(VK_ERROR_EXTENSION_NOT_PRESENT),
    NAMED(VK_ERROR_FEATURE_NOT_PRESENT),
    NAMED(VK_ERROR_INCOMPATIBLE_DRIVER),
    NAMED(VK_ERROR_TOO_MANY_OBJECTS),
    NAMED(VK_ERROR_FORMAT_NOT_SUPPORTED),
    NAMED(VK_ERROR_FRAGMENTED_POOL),
    NAMED(VK_ERROR_OUT_OF_POOL_MEMORY),
    NAMED(VK_ERROR_FRAGMENTATION),
    NAMED(VK_ERROR_INVALID_SHADER_NV),
    NAMED(VK_ERROR_NOT_PERMITTED_KHR),
    NAMED(VK_ERROR_UNKNOWN),
};
#undef NAMED

const char *vlk_result_name(VkResult result) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == result)
            return names[i].name;
    return "a result without a name";
}

static fr_status meaning(VkResult result, const char **out_hint) {
    switch (result) {
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTATION:
    case VK_ERROR_TOO_MANY_OBJECTS:
        *out_hint = "device memory is short: try a smaller --batch, or close other programs on the device";
        return FR_NO_MEMORY;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_MEMORY_MAP_FAILED:
        *out_hint = "the host's memory is short: try a smaller --batch, or close other programs";
        return FR_NO_MEMORY;
    case VK_ERROR_DEVICE_LOST:
        *out_hint = "the device was lost: the session can be opened again; the system's log may tell why (a fault, or "
                    "a kernel that ran past the driver's time limit: then try a smaller --batch)";
        return FR_DEVICE_LOST;
    case VK_TIMEOUT:
        *out_hint = "the device did not end its work in time and counts as lost: the session can be opened again; if "
                    "it happens again try a smaller --batch";
        return FR_DEVICE_LOST;
    case VK_ERROR_INITIALIZATION_FAILED:
        *out_hint = "the driver does not start: vulkaninfo may say why; check that it fits the system's kernel, and "
                    "that this user may open /dev/dri or /dev/nvidia*";
        return FR_UNAVAILABLE;
    case VK_ERROR_INCOMPATIBLE_DRIVER:
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        *out_hint = "loader, driver and layers do not fit together: vulkaninfo shows what there is";
        return FR_UNAVAILABLE;
    case VK_ERROR_FEATURE_NOT_PRESENT:
        *out_hint = "the driver has not what it said it has: another version of it may";
        return FR_UNAVAILABLE;
    case VK_ERROR_INVALID_SHADER_NV:
    case VK_ERROR_FORMAT_NOT_SUPPORTED:
    case VK_PIPELINE_COMPILE_REQUIRED:
        *out_hint = "the driver refuses this kernel: another driver version or another device may take it";
        return FR_UNSUPPORTED;
    default:
        *out_hint = "the driver may be at fault: vulkaninfo shows it, FOLDRUN_VULKAN_VALIDATION=1 checks our calls";
        return FR_INTERNAL;
    }
}

fr_status vlk_check(fr_device *device, const fr_host *host, VkResult result, const char *call, const char *what) {
    const char *hint;
    if (result == VK_SUCCESS)
        return FR_OK;
    fr_status status = meaning(result, &hint);
    int not_yet = 0;
    if (status == FR_DEVICE_LOST && device) /* one that is known to be stuck stays so */
        (void)atomic_compare_exchange_strong(&device->is_lost, &not_yet, 1);
    return host_fail(host, status, "vulkan: %s for %s failed: %s (%d); %s", call, what, vlk_result_name(result),
                     (int)result, hint);
}
