/*
 * The OpenCL backend: a runtime for the recipes of backends/gpu. What files share: the nouns of the table.
 *
 * Each device opened has a context of its own, so that a lost device is left behind with its session.
 */
#ifndef OPENCL_OPENCL_H
#define OPENCL_OPENCL_H

#include <pthread.h>
#include <stdbool.h>

#include "api.h"
#include "blast.h"
#include "gpu/bad.h"
#include "gpu/built.h"

#define OCL_VERSION \
    "1" /* part of every cache key: changes when packing changes; the kernels' texts are hashed beside it */

typedef struct ocl_found { /* a device of some platform */
    cl_platform_id platform;
    cl_device_id device;
    fr_device_facts facts;
    gpu_traits traits;
    char pci[24]; /* its address; empty when unknown. Two drivers of one device may know only this of it in common. */
    uint64_t max_alloc;
    int version;      /* of its OpenCL: 120, 300 */
    bool is_gpu;      /* or something else that is no CPU */
    fr_status status; /* why it cannot be used, with: */
    char why[192];
    bool runs_binaries; /* see build.c */
    char options[64];   /* of every build */
} ocl_found;

struct fr_driver {
    const fr_host *host;
    ocl_api cl;
    ocl_blast blast;
    ocl_found *found; /* GPUs first */
    uint32_t n_found;
};

struct fr_device {
    host_device base; /* first, as host_device.h wants it */
    const fr_driver *driver;
    const ocl_api *cl;
    const ocl_found *found;
    cl_context context;
    cl_command_queue own;     /* uploads of weights, and the first touch of buffers */
    pthread_mutex_t own_lock; /* of `own` */
    gpu_built_list built;
    gpu_bad_list bad; /* candidates that do not build here */
    atomic_ullong next_serial;
};

struct fr_queue {
    fr_device *device;
    cl_command_queue queue;
    cl_event last; /* what was enqueued last; NULL = nothing since sync */
};

struct fr_buffer {
    fr_device *device;
    cl_mem memory; /* NULL for 0 bytes */
    uint64_t bytes;
    uint64_t serial; /* never used twice on a device, as handles are */
    fr_buffer_kind kind;
};

/* ---- driver.c, facts.c: what there is -------------------------------------------------------------------------- */

fr_status ocl_driver_open(const fr_host *host, fr_driver **out_driver);
void ocl_driver_close(fr_driver *driver);
fr_status ocl_device_count(fr_driver *driver, uint32_t *out_count);
fr_status ocl_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts);
void ocl_facts_fill(const fr_driver *driver, ocl_found *found); /* platform and device are set */

/* ---- device.c ---------------------------------------------------------------------------------------------------- */

fr_status ocl_device_open(fr_driver *driver, uint32_t index, fr_device **out_device);
void ocl_device_close(fr_device *device);

/* ---- memory.c ---------------------------------------------------------------------------------------------------- */

/* Device memory that is really there, not yet on the account. FR_NO_MEMORY says for what. */
fr_status ocl_memory_new(fr_device *device, uint64_t bytes, const char *what, cl_mem *out_memory) FR_MUST_CHECK;
/* Filled from the host before it returns. */
fr_status ocl_memory_fill(fr_device *device, cl_mem memory, const void *data, uint64_t bytes) FR_MUST_CHECK;
fr_status ocl_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer);
void ocl_buffer_free(fr_buffer *buffer);
/* FR_INVALID when a binding has no buffer, or ends past it; as host_binding_at. */
fr_status ocl_binding_check(const fr_host *host, const fr_binding *binding, uint64_t bytes,
                            const char *what) FR_MUST_CHECK;

/* ---- queue.c ----------------------------------------------------------------------------------------------------- */

fr_status ocl_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue);
void ocl_queue_close(fr_queue *queue);
fr_status ocl_sync(fr_queue *queue);
/* Where the event of the next command goes; its status is looked at by sync. */
cl_event *ocl_queue_last(fr_queue *queue);
fr_status ocl_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes);
fr_status ocl_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes);
fr_status ocl_event_new(fr_device *device, fr_event **out_event);
void ocl_event_free(fr_event *event);
fr_status ocl_record(fr_queue *queue, fr_event *event);
fr_status ocl_wait(fr_event *event);
fr_status ocl_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns);

/* ---- build.c: programs of the driver, built once a device and kept on disk ---------------------------------------- */

/* The kernel of a dispatch, of its own. FR_UNSUPPORTED when it does not build, then with *out_bad and the first line of the
 * log, or when it needs more than the device has for this step. */
fr_status ocl_kernel_new(fr_device *device, const gpu_dispatch *dispatch, cl_kernel *out_kernel,
                         bool *out_bad) FR_MUST_CHECK;
void ocl_built_free(fr_device *device);

/* ---- program.c, launch.c ------------------------------------------------------------------------------------------ */

fr_status ocl_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count);
fr_status ocl_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program);
void ocl_program_free(fr_program *program);
fr_status ocl_launch(fr_queue *queue, const fr_launch *launch);

#endif
