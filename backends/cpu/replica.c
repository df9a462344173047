#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "replica.h"

#include <string.h>
#include <sys/mman.h>

/* ---- one copy --------------------------------------------------------------------------------------------------- */

typedef struct copy_job {
    const fr_topology *topology;
    int32_t node;
    const void *from;
    void *to;
    uint64_t bytes;
} copy_job;

/*
 * The kernel takes a page from the node of the thread that touches it first. That asks for no right that a container may lack, as
 * mbind() does. Where the thread cannot be bound the copy is as good, but may be far.
 */
static void *copy_near(void *argument) {
    const copy_job *job = argument;
    fr_cpu_set near = {{0}};
    for (int32_t cpu = 0; cpu < FR_MOST_CPUS; cpu++)
        if (job->topology->core_of[cpu] >= 0 && job->topology->node_of[cpu] == job->node)
            fr_cpu_set_add(&near, cpu);
    (void)fr_cpu_set_bind(&near);
    memcpy(job->to, job->from, job->bytes);
    return NULL;
}

/* Pages of their own: what an allocator gives has often been touched before. */
static fr_status copy_to_node(fr_device *device, int32_t node, cpu_replicas *replicas) {
    pthread_t thread;
    void *pages = mmap(NULL, replicas->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return host_fail(device->base.host, FR_NO_MEMORY, "out of memory: %llu bytes for weights on memory node %d",
                         (unsigned long long)replicas->bytes, node);
    replicas->of_node[node] = pages;
    replicas->count = node + 1;
    host_account_add(&device->base, FR_BUFFER_WEIGHT, replicas->bytes);
    copy_job job = {device->topology, node, replicas->packed.at, pages, replicas->bytes};
    if (pthread_create(&thread, NULL, copy_near, &job) == 0)
        pthread_join(thread, NULL);
    else
        memcpy(job.to, job.from, job.bytes);
    return FR_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

fr_status cpu_replicas_spread(fr_device *device, cpu_replicas *replicas) {
    int32_t nodes = device->topology->n_nodes;
    replicas->bytes = replicas->packed.bytes;
    if (nodes == 1 || replicas->bytes == 0) {
        for (int32_t node = 0; node < nodes; node++)
            replicas->of_node[node] = replicas->packed.at;
        replicas->count = nodes;
        return FR_OK;
    }
    for (int32_t node = 0; node < nodes; node++)
        HOST_TRY(copy_to_node(device, node, replicas));
    cpu_block_free(device, &replicas->packed);
    return FR_OK;
}

void cpu_replicas_free(fr_device *device, cpu_replicas *replicas) {
    for (int32_t node = 0; node < replicas->count; node++) {
        if (replicas->of_node[node] == replicas->packed.at)
            continue;
        munmap(replicas->of_node[node], replicas->bytes);
        host_account_drop(&device->base, FR_BUFFER_WEIGHT, replicas->bytes);
    }
    cpu_block_free(device, &replicas->packed);
    *replicas = (cpu_replicas){.count = 0};
}
