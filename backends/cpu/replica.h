/*
 * Weights where they are read: on a machine with several memory nodes a copy on each, so that no core waits for another node's memory. On
 * a machine with one it is the block that was packed, and nothing is copied or asked.
 */
#ifndef CPU_REPLICA_H
#define CPU_REPLICA_H

#include "cpu.h"

typedef struct cpu_replicas {
    cpu_block packed; /* made by the caller, who fills it; given back when it is copied */
    void *of_node[FR_MOST_NODES];
    uint64_t bytes; /* of one */
    int32_t count;  /* one for each node of the device's topology; 0 before they are spread */
} cpu_replicas;

/* What is packed, copied for each node, on the account as WEIGHT. On failure cpu_replicas_free takes what there is. */
fr_status cpu_replicas_spread(fr_device *device, cpu_replicas *replicas) FR_MUST_CHECK;
void cpu_replicas_free(fr_device *device, cpu_replicas *replicas);

/* The copy for the processor that the calling thread is on. */
static inline const void *cpu_replica_here(const fr_device *device, const cpu_replicas *replicas) {
    return replicas->of_node[fr_topology_node_here(device->topology)];
}

#endif
