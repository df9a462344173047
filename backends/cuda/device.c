#include "cud.h"
#include "ways.h"

/* cuCtxCreate pushes the context. It is popped, so that it comes and goes in the place of the caller's (cud_enter). */
static fr_status create_context(fr_device *device) {
    const fr_host *host = device->base.host;
    const char *name = device->found->facts.name;
    const cud_api *cu = device->cu;
    CUcontext pushed;
    HOST_TRY(cud_check(NULL, host, cu->create_context(&device->context, CU_CTX_SCHED_AUTO, device->found->device),
                       "cuCtxCreate", name));
    HOST_TRY(cud_check(device, host, cu->cuCtxPopCurrent(&pushed), "cuCtxPopCurrent", name));
    return cud_enter(device);
}

static fr_status begin(fr_device *device) {
    const fr_host *host = device->base.host;
    const char *name = device->found->facts.name;
    const cud_api *cu = device->cu;
    HOST_TRY(create_context(device));
    HOST_TRY(cud_check(device, host, cu->cuStreamCreate(&device->own, CU_STREAM_NON_BLOCKING), "cuStreamCreate", name));
    HOST_TRY(cud_dnn_open(device));
    HOST_TRY(cud_lt_open(device));
    device->itself.traits.gemm_library &= device->lt != NULL;
    return FR_OK;
}

/* cuCtxDestroy pops a context that is current, and what lies below it would become so: `before` takes its place first. */
static void free_device(fr_device *device, CUcontext before) {
    const fr_host *host = device->base.host;
    cud_enter_to_free(device);
    cud_lt_close(device);
    cud_dnn_close(device);
    cud_built_free(device);
    gpu_bad_free(host, &device->bad);
    if (device->own)
        (void)device->cu->cuStreamDestroy(device->own);
    (void)device->cu->cuCtxSetCurrent(before);
    if (device->context)
        (void)device->cu->cuCtxDestroy(device->context);
    pthread_mutex_destroy(&device->quiet);
    pthread_mutex_destroy(&device->lock);
    pthread_mutex_destroy(&device->own_lock);
    host->free(device);
}

fr_status cud_device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    const fr_host *host = driver->host;
    void *block;
    fr_device_facts facts;
    CUcontext before = NULL;
    *out_device = NULL;
    HOST_TRY(cud_device_facts(driver, index, &facts)); /* refuses what is not there */
    HOST_TRY(host_alloc(host, sizeof(fr_device), "the cuda device", &block));
    fr_device *device = block;
    host_device_init(&device->base, host);
    device->driver = driver;
    device->cu = &driver->cu;
    device->itself = driver->found[index];
    device->found = &device->itself;
    device->has_graphs = !cud_without("graphs");
    device->has_pinned = !cud_without("pinned");
    pthread_mutex_init(&device->own_lock, NULL);
    pthread_mutex_init(&device->lock, NULL);
    pthread_mutex_init(&device->quiet, NULL);
    gpu_built_init(&device->built);
    gpu_bad_init(&device->bad);
    atomic_init(&device->is_lost, false);
    (void)device->cu->cuCtxGetCurrent(&before);
    fr_status status = begin(device);
    if (status != FR_OK) {
        free_device(device, before);
        return status;
    }
    *out_device = device;
    return FR_OK;
}

void cud_device_close(fr_device *device) {
    CUcontext before = NULL;
    if (!device)
        return;
    (void)device->cu->cuCtxGetCurrent(&before);
    free_device(device, before);
}
