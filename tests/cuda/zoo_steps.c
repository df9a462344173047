#include "zoo_steps.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "fold/fold.h"
#include "formats/fold_text.h"
#include "graph/passes.h"
#include "plan/cuts.h"

enum { INPUTS = 64 }; /* a launch */

static fr_status add_items(conf_list *list, const fr_steps *all) {
    for (int32_t i = 0; i < all->n_items; i++) {
        fr_step step = all->items[i].step;
        if (step.n_sub > CONF_MAX_SUB)
            continue;
        fr_step_set_n(&step, INPUTS);
        FR_TRY(conf_add(list, &step, false, INPUTS * step.images));
    }
    return FR_OK;
}

static fr_status add_precision(conf_list *list, const fr_graph *graph, fr_precision precision, const float *ranges) {
    fr_lowering how = {.precision = precision,
                       .input_dtype = FR_U8,
                       .fuse_pool = true,
                       .fuse_act = true,
                       .fuse_residual = true,
                       .ranges = precision == FR_PRECISION_INT8 ? ranges : NULL};
    fr_steps steps;
    fr_cuts cuts;
    FR_TRY(fr_steps_lower(graph, &how, &steps));
    fr_status status = fr_cuts_make(&steps, &cuts);
    if (status == FR_OK) {
        status = add_items(list, &cuts.all);
        fr_cuts_free(&cuts);
    }
    fr_steps_free(&steps);
    return status;
}

static fr_status add_graph(conf_list *list, fr_graph *graph) {
    static const fr_precision precisions[] = {FR_PRECISION_F32, FR_PRECISION_TF32, FR_PRECISION_F16, FR_PRECISION_BF16,
                                              FR_PRECISION_INT8};
    fr_status status = FR_OK;
    FR_TRY(fr_graph_simplify(graph));
    FR_TRY(fr_graph_materialize(graph));
    FR_TRY(fr_graph_infer(graph, 1));
    float *ranges = fr_alloc_array((size_t)graph->n_values, sizeof *ranges);
    if (!ranges)
        return fr_no_memory((size_t)graph->n_values * sizeof *ranges, "ranges");
    for (int32_t i = 0; i < graph->n_values; i++)
        ranges[i] = 1.0f;
    for (size_t i = 0; i < sizeof precisions / sizeof precisions[0] && status == FR_OK; i++)
        status = add_precision(list, graph, precisions[i], ranges);
    fr_free(ranges);
    return status;
}

static fr_status add_model(conf_list *list, const fr_zoo_entry *model) {
    fr_graph *graph;
    fr_status status = FR_OK;
    FR_TRY(fr_fold_text_parse(model->text, model->bytes, model->name, &graph));
    for (int32_t fold = 1; fold <= 4 && status == FR_OK; fold++) {
        fr_fold_options options = {.struct_bytes = sizeof options, .fold = fold};
        fr_graph *folded;
        status = fr_fold_graph(graph, &options, &folded);
        if (status == FR_OK) {
            status = add_graph(list, folded);
            fr_graph_free(folded);
        }
    }
    fr_graph_free(graph);
    return status;
}

fr_status zoo_steps_add(conf_list *list) {
    size_t count;
    const fr_zoo_entry *zoo = fr_zoo(&count);
    for (size_t i = 0; i < count; i++) {
        const char *name = zoo[i].name;
        bool is_small = (name[0] == 'v' || name[0] == 'n') && name[1] >= '1' && name[1] <= '9' && name[2] == '\0';
        if (is_small)
            FR_TRY(add_model(list, &zoo[i]));
    }
    for (size_t i = 0; i < list->count; i++) /* the list may have moved */
        if (list->items[i].step.kind == FR_STEP_CHAIN)
            list->items[i].step.sub = list->items[i].sub;
    return FR_OK;
}
