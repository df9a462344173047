/* Zoo models for the tests of formats and folding. */
#ifndef FR_TESTS_ZOO_MODELS_H
#define FR_TESTS_ZOO_MODELS_H

#include "base/status.h"
#include "check.h"
#include "fold/fold.h"
#include "formats/fold_text.h"

static inline fr_graph *zoo_graph(const char *name) {
    size_t count;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    for (size_t i = 0; i < count; i++) {
        fr_graph *graph;
        if (strcmp(zoo[i].name, name) != 0)
            continue;
        if (fr_fold_text_parse(zoo[i].text, zoo[i].bytes, zoo[i].name, &graph) != FR_OK)
            fprintf(stderr, "%s\n", fr_error_sentence());
        return graph;
    }
    fprintf(stderr, "no zoo model '%s'\n", name);
    return NULL;
}

static inline fr_graph *text_graph(const char *text) {
    fr_graph *graph;
    if (fr_fold_text_parse(text, strlen(text), "test.fold", &graph) != FR_OK)
        fprintf(stderr, "%s\n", fr_error_sentence());
    return graph;
}

static inline fr_fold_options fold_by(int32_t fold) {
    return (fr_fold_options){.struct_bytes = sizeof(fr_fold_options), .fold = fold};
}

static inline const fr_node *node_named(const fr_graph *graph, const char *name) {
    for (int32_t i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return &graph->nodes[i];
    fprintf(stderr, "no node '%s'\n", name);
    exit(1);
}

/* A copy folded by f, or NULL with the sentence printed. */
static inline fr_graph *folded_graph(const fr_graph *graph, int32_t fold) {
    fr_fold_options options = fold_by(fold);
    fr_graph *out = NULL;
    if (!graph || fr_fold_graph(graph, &options, &out) != FR_OK)
        fprintf(stderr, "%s\n", graph ? fr_error_sentence() : "no graph");
    return out;
}

#endif
