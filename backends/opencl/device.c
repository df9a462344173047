#include <string.h>

#include "opencl.h"

/* The driver's own words on what goes wrong; it may call from any thread at any time. */
static void CL_CALLBACK on_context_error(const char *words, const void *data, size_t bytes, void *user) {
    const fr_host *host = user;
    (void)data;
    (void)bytes;
    host->log(3, "opencl: the driver says: %s", words);
}

fr_status ocl_device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    const fr_host *host = driver->host;
    fr_status status = FR_OK;
    cl_int code;
    void *block;
    fr_device_facts facts;
    *out_device = NULL;
    HOST_TRY(ocl_device_facts(driver, index, &facts)); /* refuses what is not there */
    HOST_TRY(host_alloc(host, sizeof(fr_device), "the opencl device", &block));
    fr_device *device = block;
    host_device_init(&device->base, host);
    device->driver = driver;
    device->cl = &driver->cl;
    device->found = &driver->found[index];
    pthread_mutex_init(&device->own_lock, NULL);
    gpu_built_init(&device->built);
    gpu_bad_init(&device->bad);
    atomic_init(&device->next_serial, 1);
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)device->found->platform, 0};
    /* the callback's argument outlives the context: the engine's host table */
    device->context = device->cl->clCreateContext(properties, 1, &device->found->device, on_context_error,
                                                  (void *)(uintptr_t)host, &code);
    HOST_GO(done, ocl_check(host, code, "clCreateContext", facts.name));
    device->own = device->cl->clCreateCommandQueue(device->context, device->found->device, 0, &code);
    HOST_GO(done, ocl_check(host, code, "clCreateCommandQueue", facts.name));
    *out_device = device;
done:
    if (status != FR_OK)
        ocl_device_close(device);
    return status;
}

void ocl_device_close(fr_device *device) {
    if (!device)
        return;
    const fr_host *host = device->base.host;
    ocl_built_free(device);
    gpu_bad_free(host, &device->bad);
    if (device->own)
        device->cl->clReleaseCommandQueue(device->own);
    if (device->context)
        device->cl->clReleaseContext(device->context);
    pthread_mutex_destroy(&device->own_lock);
    host->free(device);
}
