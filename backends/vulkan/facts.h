/* What is asked of a physical device, before facts and traits are made of it. */
#ifndef VULKAN_FACTS_H
#define VULKAN_FACTS_H

#include "matrix.h"

enum { VLK_MAX_EXTENSIONS = 512 };

typedef struct vlk_asked {
    const fr_driver *driver;
    VkExtensionProperties *extensions;
    uint32_t n_extensions;
    VkPhysicalDeviceIDProperties id;
    VkPhysicalDeviceSubgroupProperties subgroup;
    VkPhysicalDeviceMaintenance3Properties maintenance;
    VkPhysicalDeviceDriverProperties driver_words;
    VkPhysicalDeviceSubgroupSizeControlProperties sizes;
    VkPhysicalDeviceShaderIntegerDotProductProperties dot;
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia;
    VkPhysicalDeviceShaderCorePropertiesAMD amd;
} vlk_asked;

/* Fills `found->features`, and what of `asked` the device has; the rest stays zero. */
void vlk_ask(vlk_asked *asked, vlk_found *found);
bool vlk_has(const vlk_asked *asked, const char *extension);

#endif
