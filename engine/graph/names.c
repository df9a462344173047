/* Names of values: an open-addressing index, so that files with many values load in linear time. */
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "graph/op_parts.h"

/* Slots hold value id + 1; 0 is empty. The capacity is a power of two, at most half full. */
static size_t slot_of(const fr_graph *graph, const char *name) {
    fr_hash hash = fr_hash_bytes(name, strlen(name), (fr_hash){0, 0});
    return (size_t)hash.a & ((size_t)graph->cap_names - 1);
}

int32_t fr_names_find(const fr_graph *graph, const char *name) {
    if (!name || graph->cap_names == 0)
        return -1;
    for (size_t slot = slot_of(graph, name);; slot = (slot + 1) & ((size_t)graph->cap_names - 1)) {
        int32_t entry = graph->names[slot];
        if (entry == 0)
            return -1;
        if (strcmp(graph->values[entry - 1].name, name) == 0)
            return entry - 1;
    }
}

static void put(fr_graph *graph, int32_t value) {
    size_t slot = slot_of(graph, graph->values[value].name);
    while (graph->names[slot] != 0)
        slot = (slot + 1) & ((size_t)graph->cap_names - 1);
    graph->names[slot] = value + 1;
}

fr_status fr_names_rebuild(fr_graph *graph) {
    int32_t cap = 64;
    while (cap < INT32_MAX / 4 && cap / 2 < graph->n_values + 1)
        cap *= 2;
    int32_t *names = fr_alloc_array((size_t)cap, sizeof *names);
    if (!names)
        return fr_no_memory((size_t)cap * sizeof *names, "value names");
    fr_free(graph->names);
    graph->names = names;
    graph->cap_names = cap;
    for (int32_t v = 0; v < graph->n_values; v++)
        put(graph, v);
    return FR_OK;
}

fr_status fr_names_add(fr_graph *graph, int32_t value) {
    if (graph->cap_names / 2 <= graph->n_values)
        return fr_names_rebuild(graph);
    put(graph, value);
    return FR_OK;
}
