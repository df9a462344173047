/* Setting the shim, and asking it. */
#ifndef FR_TESTS_OPENCL_SHIM_H
#define FR_TESTS_OPENCL_SHIM_H

#include "shim_kit.h"

static inline void shim(const char *name, const char *value) { /* one setting, or none */
    static const char *const settings[] = {"SHIM_BUILD", "SHIM_MEMORY", "SHIM_ENQUEUE", "SHIM_FINISH", "SHIM_BINARY",
                                           "SHIM_GPU",   "SHIM_TWINS",  "SHIM_VERSION", "SHIM_DEVICES"};
    shim_choose(settings, sizeof settings / sizeof settings[0], "FOLDRUN_OPENCL_LIBRARY", OPENCL_SHIM, name, value);
}

static inline int shim_builds_made(void) { /* since it was asked last */
    return shim_count_of(OPENCL_SHIM, "shim_builds");
}

static inline int shim_builds_refused(void) {
    return shim_count_of(OPENCL_SHIM, "shim_refusals");
}

#endif
