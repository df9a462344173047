/* Candidates whose kernels a driver does not build or make: they are not offered again on that device. */
#ifndef FR_BACKENDS_GPU_BAD_H
#define FR_BACKENDS_GPU_BAD_H

#include <pthread.h>

#include "gpu/gpu.h"

typedef struct gpu_bad {
    struct gpu_bad *next;
    char name[48];
} gpu_bad;

typedef struct gpu_bad_list {
    pthread_mutex_t lock;
    gpu_bad *first;
} gpu_bad_list;

void gpu_bad_init(gpu_bad_list *list);
void gpu_bad_free(const fr_host *host, gpu_bad_list *list);
/* A gpu_verdict_fn; user is the list. */
fr_reason gpu_bad_verdict(void *user, const char *name);
/* True when it was not in the list before. */
bool gpu_bad_add(const fr_host *host, gpu_bad_list *list, const char *name);

#endif
