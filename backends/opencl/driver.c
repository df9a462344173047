/* Every device of every platform, GPUs first. */
#include <stdio.h>
#include <string.h>

#include "opencl.h"

enum { MAX_PLATFORMS = 16, MAX_DEVICES = 64 };

static fr_status no_device(const fr_host *host, const char *what) {
    return host_fail(host, FR_UNAVAILABLE,
                     "%s: install one, apt-get install pocl-opencl-icd for the CPU, or for a GPU its vendor's "
                     "(nvidia-opencl-icd, intel-opencl-icd, mesa-opencl-icd)",
                     what);
}

static void list_devices(fr_driver *driver, cl_platform_id platform) {
    cl_device_id devices[MAX_DEVICES];
    cl_uint count = 0;
    cl_int code = driver->cl.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &count);
    if (code != CL_SUCCESS) {
        if (code != CL_DEVICE_NOT_FOUND)
            driver->host->log(1, "opencl: clGetDeviceIDs failed: %s; a platform is left out", ocl_error_name(code));
        return;
    }
    for (cl_uint i = 0; i < count && i < MAX_DEVICES && driver->n_found < MAX_DEVICES; i++) {
        ocl_found *found = &driver->found[driver->n_found++];
        found->platform = platform;
        found->device = devices[i];
        ocl_facts_fill(driver, found);
    }
}

static int rank(const ocl_found *found) { /* the first device is the default one */
    int base = found->status == FR_OK ? 0 : 10;
    switch (found->facts.kind) {
    case FR_DEVICE_GPU: return base;
    case FR_DEVICE_INTEGRATED: return base + 1;
    case FR_DEVICE_OTHER: return base + 2;
    default: return base + 3;
    }
}

static void sort_found(fr_driver *driver) { /* few, and equal ones stay in the platforms' order */
    for (uint32_t i = 1; i < driver->n_found; i++) {
        for (uint32_t k = i; k > 0 && rank(&driver->found[k]) < rank(&driver->found[k - 1]); k--) {
            ocl_found other = driver->found[k];
            driver->found[k] = driver->found[k - 1];
            driver->found[k - 1] = other;
        }
    }
}

static bool same_device(const ocl_found *a, const ocl_found *b) {
    return (a->facts.uuid[0] && strcmp(a->facts.uuid, b->facts.uuid) == 0) ||
           (a->pci[0] && strcmp(a->pci, b->pci) == 0);
}

/* Two drivers may offer one GPU. Both are listed; the later one says so. */
static void mark_twins(fr_driver *driver) {
    for (uint32_t i = 1; i < driver->n_found; i++) {
        fr_device_facts *facts = &driver->found[i].facts;
        size_t used = strlen(facts->features);
        for (uint32_t k = 0; k < i; k++) {
            if (!same_device(&driver->found[i], &driver->found[k]))
                continue;
            snprintf(facts->features + used, sizeof facts->features - used, "%ssame device as opencl:%u",
                     used > 0 ? ", " : "", k);
            break;
        }
    }
}

static fr_status find_devices(fr_driver *driver) {
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint count = 0;
    void *block;
    cl_int code = driver->cl.clGetPlatformIDs(MAX_PLATFORMS, platforms, &count);
    if (code != CL_SUCCESS || count == 0) {
        driver->host->log(3, "opencl: clGetPlatformIDs: %s", ocl_error_name(code));
        return no_device(driver->host, "the OpenCL loader is there, but no driver (platform) for it");
    }
    HOST_TRY(host_alloc(driver->host, MAX_DEVICES * sizeof(ocl_found), "the list of devices", &block));
    driver->found = block;
    for (cl_uint i = 0; i < count && i < MAX_PLATFORMS; i++)
        list_devices(driver, platforms[i]);
    if (driver->n_found == 0)
        return no_device(driver->host, "OpenCL drivers are there, but none has a device on this machine");
    sort_found(driver);
    mark_twins(driver);
    return FR_OK;
}

fr_status ocl_driver_open(const fr_host *host, fr_driver **out_driver) {
    fr_status status = FR_OK;
    void *block;
    *out_driver = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_driver), "the opencl driver", &block));
    fr_driver *driver = block;
    driver->host = host;
    HOST_GO(done, ocl_api_open(host, &driver->cl));
    ocl_blast_open(host, &driver->blast);
    HOST_GO(done, find_devices(driver));
    *out_driver = driver;
done:
    if (status != FR_OK)
        ocl_driver_close(driver);
    return status;
}

void ocl_driver_close(fr_driver *driver) {
    if (!driver)
        return;
    const fr_host *host = driver->host;
    ocl_blast_close(&driver->blast);
    ocl_api_close(&driver->cl);
    if (driver->found)
        host->free(driver->found);
    host->free(driver);
}

fr_status ocl_device_count(fr_driver *driver, uint32_t *out_count) {
    *out_count = driver->n_found;
    return FR_OK;
}

fr_status ocl_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    memset(out_facts, 0, sizeof *out_facts);
    if (index >= driver->n_found)
        return host_fail(driver->host, FR_INVALID, "opencl: there are %u devices; opencl:%u does not exist",
                         driver->n_found, index);
    const ocl_found *found = &driver->found[index];
    if (found->status != FR_OK)
        return host_fail(driver->host, found->status, "%s", found->why);
    *out_facts = found->facts;
    return FR_OK;
}
