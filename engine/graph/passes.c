/* The order of the passes, again and again until none finds anything. */
#include "graph/passes.h"

#include "graph/rewrite.h"

/* Every rewrite leaves less to do; the limit only guards against two that undo each other. */
enum { MAX_ROUNDS = 64 };

static fr_pass *const passes[] = {
    fr_pass_tidy,     fr_pass_constants,  fr_pass_patterns, /* before affine: it would make convs of the constants that patterns look for */
    fr_pass_reshapes, fr_pass_transposes, fr_pass_pads,     fr_pass_gemm, fr_pass_affine,
};

static fr_status run_pass(fr_graph *graph, fr_pass *pass, bool *changed) {
    fr_status status = FR_OK;
    fr_rewriter r = {0};
    FR_GO(cleanup, fr_rewrite_begin(&r, graph));
    FR_GO(cleanup, pass(&r));
    FR_GO(cleanup, fr_rewrite_end(&r));
    *changed |= r.changed;
cleanup:
    fr_rewrite_free(&r);
    return status;
}

fr_status fr_graph_simplify(fr_graph *graph) {
    bool changed = true;
    FR_TRY(fr_rewrite_infer(graph, 0));
    for (int round = 0; changed && round < MAX_ROUNDS; round++) {
        changed = false;
        for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
            FR_TRY(run_pass(graph, passes[i], &changed));
    }
    FR_TRY(fr_graph_compact(graph));
    return fr_graph_infer(graph, 1);
}
