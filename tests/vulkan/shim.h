/* Setting the shim, and asking it. */
#ifndef FR_TESTS_VULKAN_SHIM_H
#define FR_TESTS_VULKAN_SHIM_H

#include "shim_kit.h"

static inline void shim(const char *name, const char *value) { /* one setting, or none */
    static const char *const settings[] = {
        "SHIM_OLD",      "SHIM_DEVICES", "SHIM_OLD_DEVICES", "SHIM_GPU",  "SHIM_OPEN",  "SHIM_MEMORY", "SHIM_MAP",
        "SHIM_PIPELINE", "SHIM_SUBMIT",  "SHIM_WAIT",        "SHIM_SKIP", "SHIM_COUNT", "SHIM_WRONG",
    };
    shim_choose(settings, sizeof settings / sizeof settings[0], "FOLDRUN_VULKAN_LIBRARY", VULKAN_SHIM, name, value);
    unsetenv("FOLDRUN_VULKAN_WITHOUT");
}

static inline int shim_refusals(void) { /* since it was asked last, as the others */
    return shim_count_of(VULKAN_SHIM, "shim_refusals");
}

static inline int shim_pipelines_made(void) {
    return shim_count_of(VULKAN_SHIM, "shim_pipelines");
}

static inline int shim_caches_taken(void) { /* pipeline caches that began with what was kept */
    return shim_count_of(VULKAN_SHIM, "shim_caches");
}

#endif
