/*
 * The processors that this process may use: which of them share a core, which memory is near them, and how much of them its container
 * grants. Read from the kernel's files; uses nothing else of the engine, so that a backend whose device is the host builds it too.
 */
#ifndef FR_BASE_TOPOLOGY_H
#define FR_BASE_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

enum { FR_MOST_CPUS = 4096, FR_MOST_NODES = 32 };

typedef struct fr_cpu_set { /* by the kernel's numbers */
    uint64_t bits[FR_MOST_CPUS / 64];
} fr_cpu_set;

static inline bool fr_cpu_set_has(const fr_cpu_set *set, int32_t cpu) {
    return cpu >= 0 && cpu < FR_MOST_CPUS && (set->bits[cpu / 64] >> (cpu % 64) & 1u);
}

static inline void fr_cpu_set_add(fr_cpu_set *set, int32_t cpu) {
    if (cpu >= 0 && cpu < FR_MOST_CPUS)
        set->bits[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

typedef struct fr_topology {
    int32_t n_cpus, n_cores, n_nodes; /* at least one each; nodes: those that have a processor of ours */
    int32_t granted;                  /* cores; fewer than there are where a quota of processor time is less */
    int16_t core_of[FR_MOST_CPUS];    /* 0, 1, ... by the kernel's number of a processor; -1: it is not ours */
    uint8_t node_of[FR_MOST_CPUS];    /* 0, 1, ...; 0 for what is not ours */
} fr_topology;

/* What the calling thread may run on. False where the system does not tell. */
bool fr_cpu_set_allowed(fr_cpu_set *out_set);
/* Binds the calling thread; false when it may not be. */
bool fr_cpu_set_bind(const fr_cpu_set *set);

/*
 * root: what the paths of the kernel's files begin with, "" for this machine's own. What a missing file would say is taken as the least
 * that can be true: every processor is a core, there is one node and no quota.
 */
void fr_topology_read(const char *root, const fr_cpu_set *allowed, fr_topology *out_topology);
void fr_topology_here(fr_topology *out_topology); /* of this machine, for the calling thread */

/* The node that the calling thread is on now; another moment it may be another, unless the thread is bound. */
int32_t fr_topology_node_here(const fr_topology *topology);

#endif
