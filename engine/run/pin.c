#include "run/pin.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"

typedef struct place {
    int32_t cpu, node;
    int32_t sibling;   /* how many processors of its core come before it */
    int32_t neighbour; /* how many cores of its node do */
} place;

static int sooner(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->sibling != y->sibling)
        return x->sibling < y->sibling ? -1 : 1;
    if (x->neighbour != y->neighbour)
        return x->neighbour < y->neighbour ? -1 : 1;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

/* seen, first: of each core, zeroed. */
static void find_places(const fr_topology *t, place *places, int32_t *seen, int32_t *first) {
    int32_t cores_of_node[FR_MOST_NODES] = {0};
    for (int32_t cpu = 0, i = 0; cpu < FR_MOST_CPUS && i < t->n_cpus; cpu++) {
        int32_t core = t->core_of[cpu], node = t->node_of[cpu];
        if (core < 0)
            continue;
        if (seen[core] == 0)
            first[core] = cores_of_node[node]++;
        places[i++] = (place){.cpu = cpu, .node = node, .sibling = seen[core]++, .neighbour = first[core]};
    }
    qsort(places, (size_t)t->n_cpus, sizeof *places, sooner);
}

fr_status fr_pin_choose(const fr_topology *t, fr_pinning pinning, int32_t lanes, int32_t *out_cpus) {
    bool fills = lanes > 1 && (lanes == t->n_cores || lanes == t->n_cpus);
    for (int32_t i = 0; i < lanes; i++)
        out_cpus[i] = FR_PIN_NONE;
    if (pinning == FR_PINNING_OFF || (pinning == FR_PINNING_AUTO && !fills))
        return FR_OK;
    size_t n_cpus = (size_t)t->n_cpus, n_cores = (size_t)t->n_cores;
    place *places = fr_alloc_array(n_cpus, sizeof *places);
    int32_t *of_core = fr_alloc_array(2 * n_cores, sizeof *of_core);
    fr_status status = FR_OK;
    if (places && of_core) {
        find_places(t, places, of_core, of_core + n_cores);
        for (int32_t i = 0; i < lanes; i++)
            out_cpus[i] = places[i % t->n_cpus].cpu;
    } else {
        status = fr_no_memory(n_cpus * sizeof *places, "the places of lanes");
    }
    fr_free(of_core);
    fr_free(places);
    return status;
}

bool fr_pin_thread(int32_t cpu) {
    fr_cpu_set one = {{0}};
    fr_cpu_set_add(&one, cpu);
    return fr_cpu_set_bind(&one);
}
