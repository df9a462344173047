/* Setting the shim, and asking it. */
#ifndef FR_TESTS_OPENCL_SHIM_H
#define FR_TESTS_OPENCL_SHIM_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static inline void shim(const char *name, const char *value) { /* one setting, or none */
    static const char *const settings[] = {"SHIM_BUILD", "SHIM_MEMORY", "SHIM_ENQUEUE", "SHIM_FINISH", "SHIM_BINARY",
                                           "SHIM_GPU",   "SHIM_TWINS",  "SHIM_VERSION", "SHIM_DEVICES"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        unsetenv(settings[i]);
    setenv("FOLDRUN_OPENCL_LIBRARY", OPENCL_SHIM, 1);
    if (name)
        setenv(name, value, 1);
}

/* A counter of the shim's, once the backend has loaded it; then all are set back. -1: it is not loaded. */
static inline int shim_count(const char *name) {
    int (*count)(void);
    void (*reset)(void);
    void *library = dlopen(OPENCL_SHIM, RTLD_NOW | RTLD_NOLOAD);
    void *symbols[] = {library ? dlsym(library, name) : NULL, library ? dlsym(library, "shim_reset") : NULL};
    if (!symbols[0] || !symbols[1])
        return -1;
    memcpy(&count, &symbols[0], sizeof count);
    memcpy(&reset, &symbols[1], sizeof reset);
    int value = count();
    reset();
    dlclose(library);
    return value;
}

static inline int shim_builds_made(void) { /* since it was asked last */
    return shim_count("shim_builds");
}

static inline int shim_builds_refused(void) {
    return shim_count("shim_refusals");
}

#endif
