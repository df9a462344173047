/* The loader, found at run time, and an instance for each driver opened; with validation when it is asked for. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "vlk.h"

enum { MAX_EXTENSIONS = 128 };

static const char validation_layer[] = "VK_LAYER_KHRONOS_validation";

/* volk keeps the loader's entry points for the whole process. Those of an instance are the loader's own and the same
 * for all: they are found once, so that drivers can be opened while others work. */
static pthread_mutex_t entries_lock = PTHREAD_MUTEX_INITIALIZER;
static void *entries_of; /* the loader that they are of */
/* The one they were found with stays. It also keeps drivers loaded, which leave threads behind as OpenCL's do. */
static VkInstance kept;

/* ---- the loader -------------------------------------------------------------------------------------------------- */

static fr_status open_loader(const fr_host *host, void **out_library) {
    const char *other = getenv("FOLDRUN_VULKAN_LIBRARY");
#ifdef __APPLE__
    const char *names[] = {"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib"};
#else
    const char *names[] = {"libvulkan.so.1", "libvulkan.so"};
#endif
    bool named = other && *other;
    size_t count = named ? 1 : sizeof names / sizeof names[0];
    if (named)
        names[0] = other;
    *out_library = NULL;
    for (size_t i = 0; i < count && !*out_library; i++) {
        /* NODELETE: drivers leave threads behind that must not wake up in memory that is gone */
        *out_library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!*out_library)
            host->log(3, "vulkan: %s", dlerror());
    }
    if (!*out_library && named)
        return host_fail(host, FR_UNAVAILABLE, "no Vulkan loader '%s', which FOLDRUN_VULKAN_LIBRARY names", other);
    if (!*out_library)
        return host_fail(host, FR_UNAVAILABLE,
                         "no Vulkan loader (%s): apt-get install libvulkan1, and a driver (mesa-vulkan-drivers, or the "
                         "GPU vendor's own)",
                         names[0]);
    return FR_OK;
}

static fr_status find_entries(fr_driver *driver) {
    PFN_vkGetInstanceProcAddr find;
    void *symbol = dlsym(driver->library, "vkGetInstanceProcAddr");
    if (!symbol)
        return host_fail(driver->host, FR_UNAVAILABLE,
                         "the Vulkan loader has no vkGetInstanceProcAddr: apt-get install libvulkan1");
    memcpy(&find, &symbol, sizeof symbol); /* no cast from an object's address to a function's */
    if (entries_of != driver->library)
        volkInitializeCustom(find);
    uint32_t version = volkGetInstanceVersion();
    if (version < VK_API_VERSION_1_1)
        return host_fail(
            driver->host, FR_UNAVAILABLE,
            "the Vulkan loader is of version %u.%u; 1.1 is the least that is needed: install a newer libvulkan1",
            VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    return FR_OK;
}

/* ---- the instance ------------------------------------------------------------------------------------------------ */

static bool has_extension(const char *layer, const char *name) {
    VkExtensionProperties list[MAX_EXTENSIONS];
    uint32_t count = MAX_EXTENSIONS;
    VkResult result = vkEnumerateInstanceExtensionProperties(layer, &count, list);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(list[i].extensionName, name) == 0)
            return true;
    return false;
}

static bool has_layer(const char *name) {
    VkLayerProperties list[64];
    uint32_t count = sizeof list / sizeof list[0];
    VkResult result = vkEnumerateInstanceLayerProperties(&count, list);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(list[i].layerName, name) == 0)
            return true;
    return false;
}

static bool wants_validation(void) {
    const char *value = getenv("FOLDRUN_VULKAN_VALIDATION");
    return value && *value && strcmp(value, "0") != 0;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user) {
    const fr_host *host = user;
    (void)severity;
    if (types & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT)
        host->log(0, "vulkan validation: %s", data->pMessage);
    else
        host->log(3, "vulkan: the loader says: %s", data->pMessage);
    return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(const fr_host *host) {
    return (VkDebugUtilsMessengerCreateInfoEXT){.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
                                                .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                                                                   VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
                                                .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT |
                                                               VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
                                                .pfnUserCallback = on_message,
                                                /* it outlives the instance: the engine's host table */
                                                .pUserData = (void *)(uintptr_t)host};
}

static fr_status check_layer(const fr_host *host) {
    if (!has_layer(validation_layer))
        return host_fail(host, FR_UNAVAILABLE,
                         "FOLDRUN_VULKAN_VALIDATION is set, but there is no %s: apt-get install "
                         "vulkan-validationlayers, or unset it",
                         validation_layer);
    return FR_OK;
}

static fr_status make_instance(fr_driver *driver) {
    static const VkValidationFeatureEnableEXT more[] = {VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
    const fr_host *host = driver->host;
    const char *extensions[4], *layer = validation_layer;
    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(host);
    VkValidationFeaturesEXT validation = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                          .pNext = &messenger,
                                          .enabledValidationFeatureCount = 1,
                                          .pEnabledValidationFeatures = more};
    VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                     .pApplicationName = "foldrun",
                                     .pEngineName = "foldrun",
                                     .apiVersion = VK_API_VERSION_1_3};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &application,
                                 .ppEnabledExtensionNames = extensions};
    if (has_extension(NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) { /* MoltenVK's devices are shown with it */
        extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
        info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    if (wants_validation()) {
        HOST_TRY(check_layer(host));
        extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        extensions[info.enabledExtensionCount++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
        info.enabledLayerCount = 1;
        info.ppEnabledLayerNames = &layer;
        info.pNext = &validation;
    }
    VkResult result = vkCreateInstance(&info, NULL, &driver->instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return host_fail(host, FR_UNAVAILABLE,
                         "the Vulkan loader is there, but no driver (ICD) for it: apt-get install mesa-vulkan-drivers "
                         "for AMD, Intel and the CPU, or the GPU vendor's driver");
    return vlk_check(NULL, host, result, "vkCreateInstance", "the vulkan driver");
}

static fr_status listen_to_validation(fr_driver *driver) {
    if (!wants_validation())
        return FR_OK;
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(driver->instance, "vkCreateDebugUtilsMessengerEXT");
    VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(driver->host);
    VkResult result =
        create ? create(driver->instance, &info, NULL, &driver->messenger) : VK_ERROR_EXTENSION_NOT_PRESENT;
    return vlk_check(NULL, driver->host, result, "vkCreateDebugUtilsMessengerEXT", "validation");
}

fr_status vlk_instance_open(fr_driver *driver) {
    fr_status status = FR_OK;
    HOST_TRY(open_loader(driver->host, &driver->library));
    pthread_mutex_lock(&entries_lock);
    HOST_GO(done, find_entries(driver));
    HOST_GO(done, make_instance(driver));
    if (entries_of != driver->library) {
        volkLoadInstanceOnly(driver->instance);
        entries_of = driver->library;
        kept = driver->instance;
    }
    HOST_GO(done, listen_to_validation(driver));
done:
    pthread_mutex_unlock(&entries_lock);
    return status;
}

void vlk_instance_close(fr_driver *driver) {
    if (atomic_load(&driver->has_stuck))
        return;
    if (driver->messenger) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy = (PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
            driver->instance, "vkDestroyDebugUtilsMessengerEXT");
        if (destroy)
            destroy(driver->instance, driver->messenger, NULL);
    }
    pthread_mutex_lock(&entries_lock);
    bool stays = driver->instance == kept;
    pthread_mutex_unlock(&entries_lock);
    if (driver->instance && !stays)
        vkDestroyInstance(driver->instance, NULL);
    if (driver->library)
        dlclose(driver->library);
}
