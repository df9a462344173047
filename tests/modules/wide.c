/* The reference's backend in the dress of a GPU: memory of its own, two lanes, a small last cache, and bundles. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "foldrun/backend.h"

const fr_backend *ref_entry(void);

struct fr_bundle {
    uint32_t count;
    fr_launch launches[];
};

FR_EXPORT extern atomic_int wide_bundles, wide_replays, wide_launches; /* alive; ever */
atomic_int wide_bundles, wide_replays, wide_launches;

static const fr_host *host;

static fr_status driver_open(const fr_host *given, fr_driver **out_driver) {
    host = given;
    return ref_entry()->driver_open(given, out_driver);
}

static fr_status device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    fr_status status = ref_entry()->device_facts(driver, index, out_facts);
    out_facts->kind = FR_DEVICE_GPU;
    out_facts->flags = 0;
    out_facts->lanes = 2;
    out_facts->cache_bytes[2] = 16u << 10;
    (void)snprintf(out_facts->name, sizeof out_facts->name, "wide");
    return status;
}

static fr_status launch(fr_queue *queue, const fr_launch *given) {
    atomic_fetch_add(&wide_launches, 1);
    return ref_entry()->launch(queue, given);
}

static fr_status bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle) {
    size_t bytes = count * sizeof *launches;
    (void)device;
    fr_bundle *bundle = host->alloc(sizeof *bundle + bytes, 0);
    *out_bundle = bundle;
    if (!bundle)
        return host->fail(FR_NO_MEMORY, __FILE__, __LINE__, "no memory for a bundle");
    bundle->count = count;
    memcpy(bundle->launches, launches, bytes);
    atomic_fetch_add(&wide_bundles, 1);
    return FR_OK;
}

static fr_status bundle_launch(fr_queue *queue, fr_bundle *bundle) {
    fr_status status = FR_OK;
    atomic_fetch_add(&wide_replays, 1);
    for (uint32_t i = 0; i < bundle->count && status == FR_OK; i++)
        status = ref_entry()->launch(queue, &bundle->launches[i]);
    return status;
}

static void bundle_free(fr_bundle *bundle) {
    atomic_fetch_sub(&wide_bundles, bundle != NULL);
    host->free(bundle);
}

FR_EXPORT const fr_backend *fr_backend_entry(void);

const fr_backend *fr_backend_entry(void) {
    static fr_backend table;
    table = *ref_entry();
    table.name = "wide";
    table.title = "Wide";
    table.driver_open = driver_open;
    table.device_facts = device_facts;
    table.launch = launch;
    table.bundle_new = bundle_new;
    table.bundle_launch = bundle_launch;
    table.bundle_free = bundle_free;
    return &table;
}
