#include "api.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* FOLDRUN_OPENCL_LIBRARY names another one, for systems that keep it in a place of their own. */
static fr_status open_loader(const fr_host *host, void **out_library) {
    const char *other = getenv("FOLDRUN_OPENCL_LIBRARY");
    const char *names[] = {"libOpenCL.so.1", "libOpenCL.so"};
    bool named = other && *other;
    if (named)
        names[0] = names[1] = other;
    *out_library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !*out_library; i++) {
        /* NODELETE: drivers leave threads behind that must not wake up in memory that is gone */
        *out_library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!*out_library)
            host->log(3, "opencl: %s", dlerror());
    }
    if (!*out_library && named)
        return host_fail(host, FR_UNAVAILABLE, "no OpenCL loader '%s', which FOLDRUN_OPENCL_LIBRARY names", other);
    if (!*out_library)
        return host_fail(host, FR_UNAVAILABLE,
                         "no OpenCL loader (libOpenCL.so.1): apt-get install ocl-icd-libopencl1, and a driver "
                         "(nvidia-opencl-icd, intel-opencl-icd or mesa-opencl-icd for a GPU, pocl-opencl-icd for a "
                         "CPU)");
    return FR_OK;
}

fr_status ocl_api_open(const fr_host *host, ocl_api *out_api) {
    memset(out_api, 0, sizeof *out_api);
    HOST_TRY(open_loader(host, &out_api->library));
#define OCL_FIND(name)                                                                                         \
    {                                                                                                          \
        void *symbol = dlsym(out_api->library, #name);                                                         \
        if (!symbol) {                                                                                         \
            ocl_api_close(out_api);                                                                            \
            return host_fail(host, FR_UNAVAILABLE,                                                             \
                             "the OpenCL loader lacks " #name                                                  \
                             ", which OpenCL 1.2 has: apt-get install ocl-icd-libopencl1");                    \
        }                                                                                                      \
        memcpy(&out_api->name, &symbol, sizeof symbol); /* no cast from an object's address to a function's */ \
    }
    OCL_FUNCTIONS(OCL_FIND)
#undef OCL_FIND
    return FR_OK;
}

void ocl_api_close(ocl_api *api) {
    if (api->library)
        dlclose(api->library);
    memset(api, 0, sizeof *api);
}
