/* A loaded model: a graph whose shapes are known. Immutable once handed out, but for its scaling. */
#ifndef FR_RUN_MODEL_H
#define FR_RUN_MODEL_H

#include "foldrun/foldrun.h"
#include "graph/graph.h"

struct fr_model {
    fr_graph *graph;
};

/* Of the text of a .fold file; `where` is used in messages. */
fr_status fr_model_of_text(const char *text, const char *where, fr_model **out_model) FR_MUST_CHECK;

#endif
