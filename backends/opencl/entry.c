/* The table of the OpenCL backend. */
#include <stdio.h>

#include "opencl.h"
#include "source.h"

static char version[32]; /* what is kept of kernels (verdicts, times, plans) is of these very texts */

static const fr_backend backend = {
    .abi = FR_BACKEND_ABI,
    .struct_bytes = sizeof(fr_backend),
    .name = "opencl",
    .title = "OpenCL",
    .version = version,
    .driver_open = ocl_driver_open,
    .driver_close = ocl_driver_close,
    .device_count = ocl_device_count,
    .device_facts = ocl_device_facts,
    .device_open = ocl_device_open,
    .device_close = ocl_device_close,
    .memory_use = host_memory_use,
    .queue_open = ocl_queue_open,
    .queue_close = ocl_queue_close,
    .sync = ocl_sync,
    .buffer_new = ocl_buffer_new,
    .buffer_free = ocl_buffer_free,
    .write = ocl_write,
    .read = ocl_read,
    .candidates = ocl_candidates,
    .compile = ocl_compile,
    .program_free = ocl_program_free,
    .launch = ocl_launch,
    .event_new = ocl_event_new,
    .event_free = ocl_event_free,
    .record = ocl_record,
    .wait = ocl_wait,
    .elapsed = ocl_elapsed,
};

FR_EXPORT const fr_backend *fr_backend_entry(void);

static void make_version(void) {
    size_t count;
    const ocl_text *texts = ocl_texts(&count);
    uint64_t hash = OCL_HASH_START;
    for (size_t i = 0; i < count; i++)
        hash = ocl_hash_text(hash, texts[i].text);
    (void)snprintf(version, sizeof version, "%s.%08x", OCL_VERSION, (unsigned)(hash ^ hash >> 32));
}

const fr_backend *fr_backend_entry(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_version);
    return &backend;
}
