/*
 * The CUDA backend: a runtime for the recipes of backends/gpu, and for two libraries, cuDNN and cuBLASLt. What files share: the
 * nouns of the table. The driver, the compiler (NVRTC) and the libraries are found at run time (api.h): the module loads and
 * says what is missing on machines that have none of them.
 *
 * Kernels are built for the device's own architecture when a step first needs them, and kept on disk. Each device opened has a
 * context of its own, so that a lost device is left behind with its session. A thread that enters the backend makes the
 * device's context its current one (cud_enter) before it calls anything.
 */
#ifndef CUDA_CUD_H
#define CUDA_CUD_H

#include <pthread.h>
#include <stdbool.h>

#include "api.h"
#include "gpu/bad.h"
#include "gpu/built.h"
#include "gpu/gpu.h"

#define CUD_VERSION \
    "1" /* part of every cache key: changes when packing changes; the kernels' texts are hashed beside it */

enum { CUD_LEAST_DRIVER = 12000 }; /* as cuDriverGetVersion says it */

typedef struct cud_found { /* a device of the driver */
    CUdevice device;
    fr_device_facts facts;
    gpu_traits traits;
    int32_t arch;         /* 10 * major + minor: 70, 75, 90 */
    int32_t build_arch;   /* that kernels are compiled for: cud_nvrtc_arch() */
    uint64_t cache_bytes; /* L2 */
    bool has_tf32, has_bf16;
    fr_status status; /* why it cannot be used, with: */
    char why[256];
} cud_found;

struct fr_driver {
    const fr_host *host;
    cud_api cu;
    cud_nvrtc nvrtc;
    cud_dnn_api dnn; /* .library NULL: not found; .why says it */
    cud_lt_api lt;   /* likewise */
    cud_found *found;
    uint32_t n_found;
};

typedef struct cud_ring cud_ring; /* staging.c: page-locked memory that copies go through */
typedef struct cud_dnn cud_dnn;   /* dnn.c: a device's handle, and what it has of plans */
typedef struct cud_lt cud_lt;     /* lt.c */

struct fr_device {
    host_device base; /* first, as host_device.h wants it */
    const fr_driver *driver;
    const cud_api *cu;
    const cud_found *found; /* of this one: */
    cud_found itself;       /* the driver's, less what did not start on it */
    CUcontext context;
    CUstream own;             /* uploads of weights, timed searches */
    pthread_mutex_t own_lock; /* of `own` */
    pthread_mutex_t lock;     /* of what is below */
    gpu_built_list built;
    gpu_bad_list bad; /* candidates that do not build here */
    cud_dnn *dnn;     /* NULL without the library */
    cud_lt *lt;
    bool has_graphs, has_pinned; /* unless FOLDRUN_CUDA_WITHOUT said otherwise when it was opened */
    pthread_mutex_t quiet; /* held while a stream is captured, and around libraries' calls that would spoil a capture */
    atomic_bool is_lost;   /* a kernel failed for good: every later call answers FR_DEVICE_LOST */
};

struct fr_queue {
    fr_device *device;
    CUstream stream;
    cud_ring *in, *out; /* made at the first copy */
    bool has_no_ring;   /* the system gave no memory for them */
    void *dnn_handle;   /* cudnnHandle_t of this queue's stream; dnn.c makes and frees it */
    void *lt_handle;
};

struct fr_buffer {
    fr_device *device;
    CUdeviceptr memory; /* 0 for 0 bytes */
    uint64_t bytes;
    fr_buffer_kind kind;
};

struct fr_event {
    fr_device *device;
    CUevent event;
    bool is_recorded;
};

struct fr_bundle {
    fr_device *device;
    fr_queue *recorder; /* captured from; a library's handle of it is in the graph */
    CUgraph graph;
    CUgraphExec exec;
};

/* ---- error.c ------------------------------------------------------------------------------------------------------ */

/* FR_OK for CUDA_SUCCESS; else one sentence of the call, what it was for, the error's name and a hint: FR_NO_MEMORY,
 * FR_DEVICE_LOST (then the device, if given, is marked) or FR_INTERNAL. */
fr_status cud_check(fr_device *device, const fr_host *host, CUresult code, const char *call,
                    const char *what) FR_MUST_CHECK;
/* After a library's failure, for its own codes do not tell: FR_DEVICE_LOST when the driver says so, else FR_OK. The device may be
 * NULL: one that is not there. */
fr_status cud_check_there(fr_device *device, const char *call, const char *what) FR_MUST_CHECK;
/* Makes the device's context the thread's current one. FR_DEVICE_LOST once it is lost. entry.c gives the caller back the one it
 * had. */
fr_status cud_enter(fr_device *device) FR_MUST_CHECK;
/* For what frees: makes the context current on a lost device too, where the driver answers every call with an error. */
void cud_enter_to_free(fr_device *device);

/* ---- driver.c, facts.c: what there is ------------------------------------------------------------------------------ */

fr_status cud_driver_open(const fr_host *host, fr_driver **out_driver);
void cud_driver_close(fr_driver *driver);
fr_status cud_device_count(fr_driver *driver, uint32_t *out_count);
fr_status cud_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts);
/* What can be known before NVRTC is looked for: name, arch, or why it cannot be used. .device is set. */
void cud_facts_begin(const fr_driver *driver, cud_found *found);
void cud_facts_fill(const fr_driver *driver, cud_found *found); /* the rest */

/* ---- device.c ------------------------------------------------------------------------------------------------------- */

fr_status cud_device_open(fr_driver *driver, uint32_t index, fr_device **out_device);
void cud_device_close(fr_device *device);

/* ---- memory.c ------------------------------------------------------------------------------------------------------- */

/* Device memory, not on the account. FR_NO_MEMORY says for what. */
fr_status cud_memory_new(fr_device *device, uint64_t bytes, const char *what, CUdeviceptr *out_memory) FR_MUST_CHECK;
void cud_memory_free(fr_device *device, CUdeviceptr memory);
/* Filled from the host before it returns. */
fr_status cud_memory_fill(fr_device *device, CUdeviceptr memory, const void *data, uint64_t bytes) FR_MUST_CHECK;
fr_status cud_buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer);
void cud_buffer_free(fr_buffer *buffer);
/* FR_INVALID when a binding has no buffer, or ends past it; as host_binding_at. */
fr_status cud_binding_check(const fr_host *host, const fr_binding *binding, uint64_t bytes,
                            const char *what) FR_MUST_CHECK;

/* ---- queue.c, staging.c, event.c ------------------------------------------------------------------------------------ */

fr_status cud_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue);
void cud_queue_close(fr_queue *queue);
fr_status cud_sync(fr_queue *queue); /* what was read is in the host's memory after it, not before */
fr_status cud_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes);
fr_status cud_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes);
fr_status cud_event_new(fr_device *device, fr_event **out_event);
void cud_event_free(fr_event *event);
fr_status cud_record(fr_queue *queue, fr_event *event);
fr_status cud_wait(fr_event *event);
fr_status cud_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns);

/* To and from the host, through page-locked chunks of which several are under way at once, or straight from memory of the
 * user's that is page-locked. */
fr_status cud_copy_in(fr_queue *queue, CUdeviceptr dst, const void *src, uint64_t bytes) FR_MUST_CHECK;
fr_status cud_copy_out(fr_queue *queue, CUdeviceptr src, void *dst, uint64_t bytes) FR_MUST_CHECK;
void cud_copies_deliver(fr_queue *queue); /* what was read, to where it belongs; the stream is idle */
void cud_copies_forget(fr_queue *queue);  /* what was read and not delivered, after a failure */
void cud_rings_free(fr_queue *queue);

/* ---- build.c: kernels, built once a device and kept on disk ----------------------------------------------------------- */

/* The kernel of a dispatch; it stays the device's. FR_UNSUPPORTED when it does not build, then with *out_bad and the first line
 * of the log, or when it needs more than the device has for this step. */
fr_status cud_kernel_get(fr_device *device, const gpu_dispatch *dispatch, CUfunction *out_kernel,
                         bool *out_bad) FR_MUST_CHECK;
void cud_built_free(fr_device *device);

/* ---- program.c, launch.c ----------------------------------------------------------------------------------------------- */

fr_status cud_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count);
fr_status cud_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program);
void cud_program_free(fr_program *program);
fr_status cud_launch(fr_queue *queue, const fr_launch *launch);

/* ---- bundle.c: launches captured once as a CUDA graph --------------------------------------------------------------- */

fr_status cud_bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle);
fr_status cud_bundle_launch(fr_queue *queue, fr_bundle *bundle);
void cud_bundle_free(fr_bundle *bundle);

#endif
