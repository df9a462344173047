/* Setting a shim, a loader that fails what the environment names, and asking it. */
#ifndef FR_TESTS_SHIM_KIT_H
#define FR_TESTS_SHIM_KIT_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* One of the settings has a value, or none of them; `variable` tells the backend to load the shim. */
static inline void shim_choose(const char *const *settings, size_t count, const char *variable, const char *library,
                               const char *name, const char *value) {
    for (size_t i = 0; i < count; i++)
        unsetenv(settings[i]);
    setenv(variable, library, 1);
    if (name)
        setenv(name, value, 1);
}

/* A counter of the shim's, once the backend has loaded it; then all are set back. -1: it is not loaded. */
static inline int shim_count_of(const char *path, const char *name) {
    int (*count)(void);
    void (*reset)(void);
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
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

#endif
