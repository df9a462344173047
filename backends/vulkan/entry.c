/* The table of the Vulkan backend. */
#include "vlk.h"

static fr_backend backend = {
    .abi = FR_BACKEND_ABI,
    .struct_bytes = sizeof(fr_backend),
    .name = "vulkan",
    .title = "Vulkan",
    .driver_open = vlk_driver_open,
    .driver_close = vlk_driver_close,
    .device_count = vlk_device_count,
    .device_facts = vlk_device_facts,
    .device_open = vlk_device_open,
    .device_close = vlk_device_close,
    .memory_use = host_memory_use,
    .queue_open = vlk_queue_open,
    .queue_close = vlk_queue_close,
    .sync = vlk_sync,
    .buffer_new = vlk_buffer_new,
    .buffer_free = vlk_buffer_free,
    .buffer_map = vlk_buffer_map,
    .write = vlk_write,
    .read = vlk_read,
    .candidates = vlk_candidates,
    .compile = vlk_compile,
    .program_free = vlk_program_free,
    .launch = vlk_launch,
    .bundle_new = vlk_bundle_new,
    .bundle_launch = vlk_bundle_launch,
    .bundle_free = vlk_bundle_free,
    .event_new = vlk_event_new,
    .event_free = vlk_event_free,
    .record = vlk_record,
    .wait = vlk_wait,
    .elapsed = vlk_elapsed,
};

FR_EXPORT const fr_backend *fr_backend_entry(void);

static void make_version(void) {
    backend.version = vlk_version();
}

const fr_backend *fr_backend_entry(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_version);
    return &backend;
}
