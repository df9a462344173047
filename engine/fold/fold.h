/* Folding (FACTS: f images as the channels of one input, widths times sqrt(f)): the transform, and what it changes. */
#ifndef FR_FOLD_FOLD_H
#define FR_FOLD_FOLD_H

#include "foldrun/foldrun.h"
#include "graph/graph.h"

/* floor(width * sqrt(fold)), exactly (integer arithmetic), then the rounding; never 0. */
int64_t fr_fold_width(int64_t width, const fr_fold_options *options);

/* A new graph with fresh seeded weights: it must be trained. FR_UNSUPPORTED says which node stands in the way and what
 * rounding would help. The graph must be plain (fold 1) and a classifier or a conv stack. The input graph is untouched. */
fr_status fr_fold_graph(const fr_graph *graph, const fr_fold_options *options, fr_graph **out_graph) FR_MUST_CHECK;

/* Folded inputs that hold `images`: ceil. */
static inline int64_t fr_fold_inputs(int64_t images, int32_t fold) { return (images + fold - 1) / fold; }

/* Cost figures, as FACTS counts: a conv output element Ci/G*Kh*Kw multiply-adds plus one for its bias, an fc output its
 * inputs, times 2; everything else 0. bytes_per_element counts traffic. Works on an unsimplified or simplified graph. */
fr_status fr_cost_of(const fr_graph *graph, int64_t batch_images, int32_t bytes_per_element, int32_t threshold_fold, fr_cost *out_cost) FR_MUST_CHECK;

#endif
