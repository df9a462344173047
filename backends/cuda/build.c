/* Modules of the driver, made once a device and kept on disk (gpu/built.h), and the kernels in them. */
#include <stdio.h>
#include <string.h>

#include "compile.h"
#include "cud.h"
#include "texts.h"

static const char api[] = "cuda";

/* ---- modules -------------------------------------------------------------------------------------------------------- */

static void key_head(void *user, char *out, size_t bytes) {
    const fr_device *device = user;
    const cud_found *found = device->found;
    const cud_nvrtc *nvrtc = &device->driver->nvrtc;
    char options[CUD_MAX_OPTIONS][CUD_OPTION_BYTES];
    int32_t count = cud_compile_options(found->build_arch, options);
    int used = snprintf(out, bytes, "cuda kernel\ndevice %s\ndriver %s\nsm_%d\nnvrtc %d.%d\noptions", found->facts.name,
                        found->facts.driver, found->arch, nvrtc->major, nvrtc->minor);
    for (int32_t i = 0; i < count && used > 0 && (size_t)used < bytes; i++)
        used += snprintf(out + used, bytes - (size_t)used, " %s", options[i]);
    if (used > 0 && (size_t)used < bytes)
        (void)snprintf(out + used, bytes - (size_t)used, "\n");
}

static void *load(void *user, void *binary, size_t bytes, const gpu_dispatch *dispatch) {
    fr_device *device = user;
    CUmodule module;
    (void)bytes; /* the driver finds the end in the cubin's header */
    CUresult code = device->cu->cuModuleLoadData(&module, binary);
    if (code == CUDA_SUCCESS)
        return module;
    device->base.host->log(3, "cuda: the driver refuses the kept code of %s: error %d", dispatch->file, (int)code);
    return NULL;
}

static bool is_refusal(CUresult code) {
    return code == CUDA_ERROR_INVALID_IMAGE || code == CUDA_ERROR_NO_BINARY_FOR_GPU ||
           code == CUDA_ERROR_INVALID_SOURCE || code == CUDA_ERROR_UNSUPPORTED_PTX_VERSION ||
           code == CUDA_ERROR_SHARED_OBJECT_INIT_FAILED;
}

static fr_status build(void *user, const char *source, const gpu_dispatch *dispatch, const char *key, void **out_made) {
    fr_device *device = user;
    const fr_host *host = device->base.host;
    CUmodule module;
    cud_code code;
    *out_made = NULL;
    fr_status status = cud_compile_text(host, &device->driver->nvrtc, device->found->build_arch, dispatch->file, source,
                                        NULL, 0, &code);
    if (status == FR_OK) {
        CUresult result = device->cu->cuModuleLoadData(&module, code.cubin);
        status = cud_check(device, host, result, "cuModuleLoadData", dispatch->file);
        if (is_refusal(result))
            status = FR_UNSUPPORTED;
    }
    if (status == FR_OK && key)
        (void)host->cache_store(host->ctx, key, code.cubin, code.bytes); /* a cache that fails costs time only */
    if (status == FR_OK)
        *out_made = module;
    cud_code_free(host, &code);
    return status;
}

static void unload(void *user, void *made) {
    (void)((const fr_device *)user)->cu->cuModuleUnload(made);
}

static const gpu_builder builder = {
    .api = api, .ending = "", .key_head = key_head, .load = load, .build = build, .free = unload};

void cud_built_free(fr_device *device) {
    gpu_built_free(device->base.host, &device->built, &builder, device);
}

/* ---- kernels -------------------------------------------------------------------------------------------------------- */

enum { MOST_GROUPS = 65535 }; /* along y and z */

static fr_status check_grid(const fr_host *host, const gpu_dispatch *dispatch) {
    const uint32_t *groups = dispatch->groups;
    if (groups[0] <= INT32_MAX && groups[1] <= MOST_GROUPS && groups[2] <= MOST_GROUPS)
        return FR_OK;
    return host_fail(host, FR_UNSUPPORTED, "cuda: %s wants %u x %u x %u groups, at most %d x %d x %d can be launched",
                     dispatch->kernel, groups[0], groups[1], groups[2], INT32_MAX, MOST_GROUPS, MOST_GROUPS);
}

static fr_status ask(fr_device *device, CUfunction kernel, CUfunction_attribute attribute, const char *name,
                     int *out_value) {
    *out_value = 0;
    return cud_check(device, device->base.host, device->cu->cuFuncGetAttribute(out_value, attribute, kernel),
                     "cuFuncGetAttribute", name);
}

/* Beyond the usual 48 KiB a kernel must be told what it may use; steps that share the kernel ask for more and less. */
static fr_status allow_shared(fr_device *device, CUfunction kernel, const gpu_dispatch *dispatch) {
    int allowed;
    HOST_TRY(ask(device, kernel, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, dispatch->kernel, &allowed));
    if (allowed >= (int)dispatch->shared_bytes)
        return FR_OK;
    return cud_check(device, device->base.host,
                     device->cu->cuFuncSetAttribute(kernel, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                                    (int)dispatch->shared_bytes),
                     "cuFuncSetAttribute", dispatch->kernel);
}

/* What the compiler made of it may need more than a group has. */
static fr_status check_fits(fr_device *device, CUfunction kernel, const gpu_dispatch *dispatch) {
    const fr_host *host = device->base.host;
    const gpu_traits *traits = &device->found->traits;
    uint32_t items = dispatch->local[0] * dispatch->local[1] * dispatch->local[2];
    int most, declared;
    HOST_TRY(ask(device, kernel, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, dispatch->kernel, &most));
    HOST_TRY(ask(device, kernel, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, dispatch->kernel, &declared));
    if (items > (uint32_t)most)
        return host_fail(host, FR_UNSUPPORTED, "cuda: %s wants groups of %u items, this device runs it with at most %d",
                         dispatch->kernel, items, most);
    uint64_t shared = (uint64_t)declared + dispatch->shared_bytes;
    uint64_t limit = traits->shared_bytes > traits->local_bytes ? traits->shared_bytes : traits->local_bytes;
    if (shared > limit)
        return host_fail(host, FR_UNSUPPORTED, "cuda: %s wants %llu bytes of shared memory, this device has %llu",
                         dispatch->kernel, (unsigned long long)shared, (unsigned long long)limit);
    if (dispatch->shared_bytes > 0) /* a wish: two blocks side by side need all of the unit's shared memory */
        (void)device->cu->cuFuncSetAttribute(kernel, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT,
                                             CU_SHAREDMEM_CARVEOUT_MAX_SHARED);
    if (shared <= CUD_STATIC_SHARED_BYTES)
        return FR_OK;
    pthread_mutex_lock(&device->lock); /* two threads must not both look first and then set */
    fr_status status = allow_shared(device, kernel, dispatch);
    pthread_mutex_unlock(&device->lock);
    return status;
}

fr_status cud_kernel_get(fr_device *device, const gpu_dispatch *dispatch, CUfunction *out_kernel, bool *out_bad) {
    const fr_host *host = device->base.host;
    gpu_texts texts = cud_texts();
    CUfunction kernel;
    void *module;
    char *source;
    *out_kernel = NULL;
    HOST_TRY(check_grid(host, dispatch));
    HOST_TRY(gpu_source_make(host, &texts, &device->found->traits, dispatch, &source));
    fr_status status = gpu_built_get(host, &device->built, &builder, device, source, dispatch, &module);
    *out_bad = status == FR_UNSUPPORTED;
    HOST_TRY(status);
    HOST_TRY(cud_check(device, host, device->cu->cuModuleGetFunction(&kernel, module, dispatch->kernel),
                       "cuModuleGetFunction", dispatch->kernel));
    HOST_TRY(check_fits(device, kernel, dispatch));
    *out_kernel = kernel;
    return FR_OK;
}
