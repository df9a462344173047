/* Rewrites that keep the meaning: what a user's file says in many ways, the engine sees in one. */
#ifndef FR_GRAPH_PASSES_H
#define FR_GRAPH_PASSES_H

#include "graph/graph.h"

/*
 * All of: Identity, Dropout and Cast removed; constant subgraphs evaluated (Constant, Shape of known dims, Gather,
 * Unsqueeze, Concat on constants); BatchNormalization folded into the conv or Gemm before it (else rewritten as a
 * depthwise 1x1 Conv); Add or Mul of a per-channel constant folded likewise; Sum of one or two made Identity or Add;
 * MatMul + Add of a constant row made Gemm; Gemm with trans_b = true always (weights in [out][in]); Pad of zeros
 * before a conv or average pool (count_include_pad) merged into its pads; Squeeze, Unsqueeze, Reshape and
 * Flatten that only drop or add dims of one, or flatten CHW, made Flatten; Transposes that undo each other removed and
 * those around a constant absorbed; ReduceMean over H,W made GlobalAveragePool; Relu after Clip etc. left alone;
 * values that nothing uses removed. Works with weights that are seeded and not yet materialised (materialises only what a
 * rewrite must multiply). Names of the graph's inputs and outputs are kept. Infers shapes for batch 1 at the end.
 */
fr_status fr_graph_simplify(fr_graph *graph) FR_MUST_CHECK;
/* Drops values and nodes that no output needs, renumbering ids. */
fr_status fr_graph_compact(fr_graph *graph) FR_MUST_CHECK;

#endif
