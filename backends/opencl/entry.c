/* The table of the OpenCL backend. */
#include "opencl.h"
#include "texts.h"

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
    gpu_texts texts = ocl_texts();
    gpu_texts_version(&texts, OCL_VERSION, version, sizeof version);
}

const fr_backend *fr_backend_entry(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_version);
    return &backend;
}
