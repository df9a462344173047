#include "ref.h"

static const fr_backend table = {
    .abi = FR_BACKEND_ABI,
    .struct_bytes = sizeof(fr_backend),
    .name = "ref",
    .title = "reference (plain loops, double precision)",
    .version = "1",

    .driver_open = ref_driver_open,
    .driver_close = ref_driver_close,
    .device_count = ref_device_count,
    .device_facts = ref_device_facts,
    .device_open = ref_device_open,
    .device_close = ref_device_close,
    .memory_use = host_memory_use,

    .queue_open = ref_queue_open,
    .queue_close = ref_queue_close,
    .sync = ref_sync,

    .buffer_new = host_buffer_new,
    .buffer_free = host_buffer_free,
    .buffer_map = host_buffer_map,
    .buffer_point = host_buffer_point,
    .write = host_write,
    .read = host_read,

    .candidates = ref_candidates,
    .compile = ref_compile,
    .program_free = ref_program_free,
    .launch = ref_launch,

    .event_new = host_event_new,
    .event_free = host_event_free,
    .record = host_record,
    .wait = host_wait,
    .elapsed = host_elapsed,
};

FR_EXPORT const fr_backend *fr_backend_entry(void);

FR_EXPORT const fr_backend *fr_backend_entry(void) {
    return &table;
}
