/* The table of the CPU backend: oneDNN where it is best, own kernels where it is not. */
#include "cpu.h"

#define CPU_TEXT_OF(x) #x
#define CPU_TEXT(x)    CPU_TEXT_OF(x)
#define CPU_ONEDNN     CPU_TEXT(DNNL_VERSION_MAJOR) "." CPU_TEXT(DNNL_VERSION_MINOR) "." CPU_TEXT(DNNL_VERSION_PATCH)

static const fr_backend backend = {
    .abi = FR_BACKEND_ABI,
    .struct_bytes = sizeof(fr_backend),
    .name = "cpu",
    .title = "CPU (oneDNN " CPU_ONEDNN ")",
    .version = "2-onednn-" CPU_ONEDNN,
    .driver_open = cpu_driver_open,
    .driver_close = cpu_driver_close,
    .device_count = cpu_device_count,
    .device_facts = cpu_device_facts,
    .device_open = cpu_device_open,
    .device_close = cpu_device_close,
    .memory_use = host_memory_use,
    .queue_open = cpu_queue_open,
    .queue_close = cpu_queue_close,
    .sync = cpu_sync,
    .buffer_new = host_buffer_new,
    .buffer_free = host_buffer_free,
    .buffer_map = host_buffer_map,
    .buffer_point = host_buffer_point,
    .write = host_write,
    .read = host_read,
    .candidates = cpu_candidates,
    .compile = cpu_compile,
    .program_free = cpu_program_free,
    .launch = cpu_launch,
    .event_new = host_event_new,
    .event_free = host_event_free,
    .record = host_record,
    .wait = host_wait,
    .elapsed = host_elapsed,
};

FR_EXPORT const fr_backend *fr_backend_entry(void);

const fr_backend *fr_backend_entry(void) {
    return &backend;
}
