/* Every device of the driver, in its own order (CUDA_DEVICE_ORDER, CUDA_VISIBLE_DEVICES), those that cannot be used last. */
#include <string.h>

#include "cud.h"

enum { MAX_DEVICES = 64 };

static fr_status list_devices(fr_driver *driver) {
    const fr_host *host = driver->host;
    int count = 0;
    void *block;
    CUresult code = driver->cu.cuDeviceGetCount(&count);
    HOST_TRY(cud_check(NULL, host, code, "cuDeviceGetCount", "the list of devices"));
    if (count <= 0)
        return cud_check(NULL, host, CUDA_ERROR_NO_DEVICE, "cuDeviceGetCount", "the list of devices");
    HOST_TRY(host_alloc(host, MAX_DEVICES * sizeof(cud_found), "the list of devices", &block));
    driver->found = block;
    for (int i = 0; i < count && i < MAX_DEVICES; i++) {
        cud_found *found = &driver->found[driver->n_found];
        HOST_TRY(cud_check(NULL, host, driver->cu.cuDeviceGet(&found->device, i), "cuDeviceGet", "a device"));
        cud_facts_begin(driver, found);
        driver->n_found++;
    }
    return FR_OK;
}

/* What the driver's devices are compiled for, and what is used beside kernels of our own. */
static fr_status find_libraries(fr_driver *driver) {
    const fr_host *host = driver->host;
    int32_t archs[MAX_DEVICES];
    uint32_t n_archs = 0;
    for (uint32_t i = 0; i < driver->n_found; i++)
        if (driver->found[i].status == FR_OK)
            archs[n_archs++] = driver->found[i].arch;
    cud_nvrtc_open(host, driver->cu.version, archs, n_archs, &driver->nvrtc);
    if (!driver->nvrtc.library)
        return host_fail(host, FR_UNAVAILABLE, "NVIDIA's driver is there (CUDA %d.%d), but %s",
                         driver->cu.version / 1000, driver->cu.version / 10 % 100, driver->nvrtc.why);
    /* cuDNN wants cuBLASLt and takes the one that is loaded */
    cud_lt_api_open(host, driver->cu.version, &driver->lt);
    cud_dnn_api_open(host, driver->cu.version, &driver->dnn);
    if (!driver->lt.library)
        host->log(2, "cuda: runs without cuBLASLt: %s", driver->lt.why);
    if (!driver->dnn.library)
        host->log(2, "cuda: runs without cuDNN: %s", driver->dnn.why);
    return FR_OK;
}

static void sort_found(fr_driver *driver) { /* the first device is the default one */
    for (uint32_t i = 1; i < driver->n_found; i++) {
        for (uint32_t k = i; k > 0; k--) {
            cud_found *before = &driver->found[k - 1], *here = &driver->found[k], other = *here;
            if (before->status == FR_OK || here->status != FR_OK)
                break;
            *here = *before;
            *before = other;
        }
    }
}

fr_status cud_driver_open(const fr_host *host, fr_driver **out_driver) {
    fr_status status = FR_OK;
    void *block;
    *out_driver = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_driver), "the cuda driver", &block));
    fr_driver *driver = block;
    driver->host = host;
    HOST_GO(done, cud_api_open(host, &driver->cu));
    HOST_GO(done, list_devices(driver));
    HOST_GO(done, find_libraries(driver));
    for (uint32_t i = 0; i < driver->n_found; i++)
        cud_facts_fill(driver, &driver->found[i]);
    sort_found(driver);
    *out_driver = driver;
done:
    if (status != FR_OK)
        cud_driver_close(driver);
    return status;
}

void cud_driver_close(fr_driver *driver) {
    if (!driver)
        return;
    const fr_host *host = driver->host;
    cud_dnn_api_close(&driver->dnn);
    cud_lt_api_close(&driver->lt);
    cud_nvrtc_close(&driver->nvrtc);
    cud_api_close(&driver->cu);
    if (driver->found)
        host->free(driver->found);
    host->free(driver);
}

fr_status cud_device_count(fr_driver *driver, uint32_t *out_count) {
    *out_count = driver->n_found;
    return FR_OK;
}

fr_status cud_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    memset(out_facts, 0, sizeof *out_facts);
    if (index >= driver->n_found)
        return host_fail(driver->host, FR_INVALID, "cuda: there are %u devices; cuda:%u does not exist",
                         driver->n_found, index);
    const cud_found *found = &driver->found[index];
    if (found->status != FR_OK)
        return host_fail(driver->host, found->status, "%s", found->why);
    *out_facts = found->facts;
    return FR_OK;
}
