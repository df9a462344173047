/* A loaded model: a graph whose shapes are known. Immutable once handed out, but for its scaling. */
#ifndef FR_RUN_MODEL_H
#define FR_RUN_MODEL_H

#include "foldrun/foldrun.h"
#include "graph/graph.h"

struct fr_model {
    fr_graph *graph;
};

#endif
