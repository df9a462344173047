#include "common/host_device.h"

void host_device_init(host_device *device, const fr_host *host) {
    device->host = host;
    for (int kind = 0; kind < 4; kind++) {
        atomic_init(&device->live[kind], 0);
        atomic_init(&device->peak[kind], 0);
    }
}

fr_status host_alloc(const fr_host *host, uint64_t bytes, const char *what, void **out_block) {
    *out_block = bytes <= SIZE_MAX ? host->alloc((size_t)bytes, 0) : NULL;
    if (!*out_block)
        return host_fail(host, FR_NO_MEMORY, "out of memory: %llu bytes for %s", (unsigned long long)bytes, what);
    return FR_OK;
}

fr_status host_range_check(const fr_host *host, const uint64_t *size, uint64_t offset, uint64_t bytes,
                           const char *what) {
    if (!size)
        return bytes == 0 ? FR_OK : host_fail(host, FR_INVALID, "%s: no buffer is bound", what);
    if (offset <= *size && bytes <= *size - offset)
        return FR_OK;
    return host_fail(host, FR_INVALID, "%s: %llu bytes at %llu lie past the buffer's end (%llu bytes)", what,
                     (unsigned long long)bytes, (unsigned long long)offset, (unsigned long long)*size);
}

void host_account_add(host_device *device, fr_buffer_kind kind, uint64_t bytes) {
    unsigned long long live = atomic_fetch_add(&device->live[kind], bytes) + bytes;
    unsigned long long peak = atomic_load(&device->peak[kind]);
    while (live > peak && !atomic_compare_exchange_weak(&device->peak[kind], &peak, live))
        ;
}

void host_account_drop(host_device *device, fr_buffer_kind kind, uint64_t bytes) {
    atomic_fetch_sub(&device->live[kind], bytes);
}

fr_status host_memory_use(fr_device *device, fr_memory_use *out_use) {
    host_device *base = (host_device *)device;
    for (int kind = 0; kind < 4; kind++) {
        out_use->live[kind] = atomic_load(&base->live[kind]);
        out_use->peak[kind] = atomic_load(&base->peak[kind]);
    }
    return FR_OK;
}
