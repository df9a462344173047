/* The one device of this backend: the processor this process runs on. */
#include <stdio.h>
#include <string.h>

#include "cpu.h"

fr_status cpu_driver_open(const fr_host *host, fr_driver **out_driver) {
    *out_driver = NULL;
    void *block = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_driver), "the cpu driver", &block));
    fr_driver *driver = block;
    driver->host = host;
    fr_topology_here(&driver->topology);
    cpu_isa_read((uint32_t)driver->topology.granted, &driver->isa);
    *out_driver = driver;
    return FR_OK;
}

void cpu_driver_close(fr_driver *driver) {
    if (driver != NULL)
        driver->host->free(driver);
}

fr_status cpu_device_count(fr_driver *driver, uint32_t *out_count) {
    (void)driver;
    *out_count = 1;
    return FR_OK;
}

fr_status cpu_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    const cpu_isa *isa = &driver->isa;
    memset(out_facts, 0, sizeof *out_facts);
    if (index != 0)
        return host_fail(driver->host, FR_INVALID, "cpu: there is one device, cpu:0; cpu:%u does not exist", index);
    out_facts->struct_bytes = sizeof *out_facts;
    out_facts->kind = FR_DEVICE_CPU;
    out_facts->flags = FR_DEVICE_UNIFIED | FR_DEVICE_HOST_POINTERS;
    out_facts->units = out_facts->lanes = isa->cores;
    out_facts->precisions = 1u << FR_PRECISION_F32 | (isa->bf16 ? 1u << FR_PRECISION_BF16 : 0u) |
                            (isa->int8 ? 1u << FR_PRECISION_INT8 : 0u);
    out_facts->memory_bytes = isa->memory_bytes;
    memcpy(out_facts->cache_bytes, isa->cache_bytes, sizeof out_facts->cache_bytes);
    snprintf(out_facts->name, sizeof out_facts->name, "%s", isa->brand[0] != '\0' ? isa->brand : "CPU");
    snprintf(out_facts->vendor, sizeof out_facts->vendor, "%s", isa->vendor);
    snprintf(out_facts->driver, sizeof out_facts->driver, "%s", isa->onednn);
    snprintf(out_facts->features, sizeof out_facts->features, "%s", isa->words);
    return FR_OK;
}

fr_status cpu_device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    const fr_host *host = driver->host;
    *out_device = NULL;
    if (index != 0)
        return host_fail(host, FR_INVALID, "cpu: there is one device, cpu:0; cpu:%u does not exist", index);
    void *block = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_device), "the cpu device", &block));
    fr_device *device = block;
    host_device_init(&device->base, host);
    device->isa = driver->isa;
    device->topology = &driver->topology;
    device->isa.level = cpu_level_built(device->isa.level);
    device->kernels = cpu_kernels_for(device->isa.level);
    fr_status status = cpu_dnnl_check(host, dnnl_engine_create(&device->engine, dnnl_cpu, 0), "dnnl_engine_create");
    if (status != FR_OK) {
        host->free(device);
        return status;
    }
    if (pthread_mutex_init(&device->lock, NULL) != 0) {
        dnnl_engine_destroy(device->engine);
        host->free(device);
        return host_fail(host, FR_NO_MEMORY, "cpu: the system gives no mutex");
    }
    *out_device = device;
    return FR_OK;
}

void cpu_device_close(fr_device *device) {
    if (device == NULL)
        return;
    pthread_mutex_destroy(&device->lock);
    dnnl_engine_destroy(device->engine);
    device->base.host->free(device);
}
