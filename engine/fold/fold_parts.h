/* What the files of the transform share. It works in place on a clone of the graph. */
#ifndef FR_FOLD_FOLD_PARTS_H
#define FR_FOLD_FOLD_PARTS_H

#include "fold/fold.h"

/* What folding makes of one value's second dimension (channels, or features once flattened). */
typedef struct fold_value {
    int64_t old, now;
    bool image; /* still f images' channels side by side, nothing learned in between */
} fold_value;

typedef struct fold_job {
    fr_graph *graph;
    const fr_fold_options *options;
    fold_value *values; /* by value id */
    int32_t owner;      /* the node that makes the logits; -1: all widths are hidden */
} fold_job;

/* FR_UNSUPPORTED: "cannot fold by 2: Conv 'conv1': REASON". */
fr_status fold_refuse(const fold_job *job, const fr_node *node, const char *fmt, ...) FR_PRINTF(3, 4);
/* The same, ending in the rounding that makes all hidden widths multiples of `divisor`. */
fr_status fold_refuse_width(const fold_job *job, const fr_node *node, int64_t divisor, const char *fmt, ...)
    FR_PRINTF(4, 5);

/* Every node that stands between the output and the conv or fc that makes the logits, that one last. Softmax on the
 * way becomes Identity: over f images' logits at once it would mean nothing. */
fr_status fold_find_owner(fold_job *job) FR_MUST_CHECK;

/* Gives one node's weights and output their folded widths; its inputs' are known. */
fr_status fold_node(fold_job *job, fr_node *node) FR_MUST_CHECK;

int32_t fold_producer(const fr_graph *graph, int32_t value); /* node, or -1 */
bool fold_is_depthwise(const fr_graph *graph, const fr_node *node);

#endif
