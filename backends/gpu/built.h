/*
 * Kernels that a driver makes of texts: each source is built once a device, however many steps and threads want it, and what
 * the driver can keep of it lies in the engine's disk cache. A binary that the driver refuses is built anew from its source.
 */
#ifndef FR_BACKENDS_GPU_BUILT_H
#define FR_BACKENDS_GPU_BUILT_H

#include <pthread.h>

#include "gpu/gpu.h"

typedef struct gpu_built gpu_built;

typedef struct gpu_built_list { /* a device's */
    pthread_mutex_t lock;
    pthread_cond_t one_done;
    gpu_built *first;
} gpu_built_list;

typedef struct gpu_builder { /* what an API adds; `user` is its device */
    const char *api;         /* "opencl": in sentences */
    const char *ending;      /* of kernel files, in sentences: ".cl" */
    /* What a binary depends on beside the source, as text. */
    void (*key_head)(void *user, char *out, size_t bytes);
    /* A binary of the cache; NULL when the driver does not take it. */
    void *(*load)(void *user, void *binary, size_t bytes, const gpu_dispatch *dispatch);
    /* From the source. Stores the binary under the key, where there is one. FR_UNSUPPORTED when it never will. */
    fr_status (*build)(void *user, const char *source, const gpu_dispatch *dispatch, const char *key, void **out_made);
    void (*free)(void *user, void *made);
} gpu_builder;

enum { GPU_KEY_HEAD_BYTES = 1024 };

void gpu_built_init(gpu_built_list *list);
/* What was made of the source, which is freed or kept with it: the list's. Threads that want what another one is building
 * wait for it. Failures that may pass (no memory) are tried again, FR_UNSUPPORTED is remembered. */
fr_status gpu_built_get(const fr_host *host, gpu_built_list *list, const gpu_builder *builder, void *user, char *source,
                        const gpu_dispatch *dispatch, void **out_made) FR_MUST_CHECK;
void gpu_built_free(const fr_host *host, gpu_built_list *list, const gpu_builder *builder, void *user);

/* ---- what compilers say --------------------------------------------------------------------------------------------- */

/* The first line that says "error", else the first that says anything. */
void gpu_log_words(const char *log, char *out, size_t bytes);
/* All of it, a line at a time, for --verbose. */
void gpu_log_lines(const fr_host *host, const char *api, const char *log);

#endif
