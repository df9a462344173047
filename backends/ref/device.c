#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ref.h"

fr_status ref_driver_open(const fr_host *host, fr_driver **out_driver) {
    void *block;
    *out_driver = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_driver), "the reference driver", &block));
    *out_driver = block;
    (*out_driver)->host = host;
    return FR_OK;
}

void ref_driver_close(fr_driver *driver) {
    if (driver)
        driver->host->free(driver);
}

fr_status ref_device_count(fr_driver *driver, uint32_t *out_count) {
    (void)driver;
    *out_count = 1;
    return FR_OK;
}

static fr_status check_index(const fr_driver *driver, uint32_t index) {
    return index == 0 ? FR_OK
                      : host_fail(driver->host, FR_INVALID, "the reference backend has one device, no device %u",
                                  (unsigned)index);
}

fr_status ref_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    memset(out_facts, 0, sizeof *out_facts);
    HOST_TRY(check_index(driver, index));
    out_facts->struct_bytes = sizeof *out_facts;
    out_facts->kind = FR_DEVICE_CPU;
    out_facts->flags = FR_DEVICE_UNIFIED | FR_DEVICE_HOST_POINTERS | FR_DEVICE_ORACLE;
    out_facts->units = 1;
    out_facts->lanes = 1;
    out_facts->precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_F16 | 1u << FR_PRECISION_BF16 |
                            1u << FR_PRECISION_INT8 | 1u << FR_PRECISION_F64 | 1u << FR_PRECISION_TF32;
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0)
        out_facts->memory_bytes = (uint64_t)pages * (uint64_t)page_bytes;
    snprintf(out_facts->name, sizeof out_facts->name, "reference");
    snprintf(out_facts->vendor, sizeof out_facts->vendor, "foldrun");
    snprintf(out_facts->driver, sizeof out_facts->driver, "plain C 1");
    return FR_OK;
}

fr_status ref_device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    void *block;
    *out_device = NULL;
    HOST_TRY(check_index(driver, index));
    HOST_TRY(host_alloc(driver->host, sizeof(fr_device), "the reference device", &block));
    *out_device = block;
    host_device_init(&(*out_device)->base, driver->host);
    return FR_OK;
}

void ref_device_close(fr_device *device) {
    if (device)
        device->base.host->free(device);
}

fr_status ref_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue) {
    void *block;
    (void)threads;
    *out_queue = NULL;
    HOST_TRY(host_alloc(device->base.host, sizeof(fr_queue), "a queue", &block));
    *out_queue = block;
    (*out_queue)->device = device;
    return FR_OK;
}

void ref_queue_close(fr_queue *queue) {
    if (queue)
        queue->device->base.host->free(queue);
}

fr_status ref_sync(fr_queue *queue) { /* launch has done it all */
    (void)queue;
    return FR_OK;
}
