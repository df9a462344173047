/* Folding (FACTS: f images as the channels of one input, widths times sqrt(f)): the transform, and what it changes. */
#ifndef FR_FOLD_FOLD_H
#define FR_FOLD_FOLD_H

#include "foldrun/foldrun.h"
#include "graph/graph.h"

/* floor(width * sqrt(fold)), exactly (integer arithmetic), then to a multiple of the quantum: up; down; nearest, ties up.
 * Never below one quantum, never 0. */
int64_t fr_fold_width(int64_t width, const fr_fold_options *options);

/* A new graph with fresh seeded weights: it must be trained. FR_UNSUPPORTED says which node stands in the way and what
 * rounding would help. The graph must be plain (fold 1), as imported (not simplified: BatchNormalization is trained too), with
 * shapes inferred, and a classifier or a conv stack. The input graph is untouched. A Softmax behind the logits becomes
 * Identity: over f images' logits it would mean nothing. Constants applied to the images themselves (a mean subtracted in
 * the model) are kept, once for each image. Fold 1 without rounding is a copy, weights and all. */
fr_status fr_fold_graph(const fr_graph *graph, const fr_fold_options *options, fr_graph **out_graph) FR_MUST_CHECK;

/* Folded inputs that hold `images`: ceil. */
static inline int64_t fr_fold_inputs(int64_t images, int32_t fold) {
    return (images + fold - 1) / fold;
}

/* Cost figures: a conv output element costs Ci/G*Kh*Kw multiply-adds plus one for its bias, an fc output its inputs, times 2;
 * everything else 0. Traffic in bytes_per_element: weights without biases, and each layer's inputs and outputs once.
 * BatchNormalization (2 parameters a channel), activations, Flatten and Dropout are part of the layer before them. Works on
 * an unsimplified or simplified graph whose shapes have been inferred, for any batch. threshold_fold 0 = 4. */
fr_status fr_cost_of(const fr_graph *graph, int64_t batch_images, int32_t bytes_per_element, int32_t threshold_fold,
                     fr_cost *out_cost) FR_MUST_CHECK;

#endif
