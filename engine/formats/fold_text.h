/* The zoo's .fold text: a layer a line. Grammar in models/README.md. */
#ifndef FR_FORMATS_FOLD_TEXT_H
#define FR_FORMATS_FOLD_TEXT_H

#include "graph/graph.h"

/* FR_INVALID names the line and what was expected. `where` is used in messages. Weights are seeded. */
fr_status fr_fold_text_parse(const char *text, size_t bytes, const char *where, fr_graph **out_graph) FR_MUST_CHECK;

/* The built-in zoo, embedded at build time from the models folder. */
typedef struct fr_zoo_entry {
    const char *name;
    const char *text;
    size_t bytes;
} fr_zoo_entry;
const fr_zoo_entry *fr_zoo(size_t *out_count);

#endif
