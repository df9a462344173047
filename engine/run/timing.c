/* Times of single steps, for the layer table. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/status.h"
#include "run/session.h"
#include "run/trial.h"

void fr_layers_free(fr_layer_time *layers) {
    fr_free(layers);
}

fr_status fr_session_time_layers(fr_session *s, int32_t ms, fr_layer_time **out_layers, size_t *out_count) {
    const fr_plan *plan = fr_executor_plan(s->executor);
    static const fr_weights none = {.struct_bytes = sizeof none};
    fr_trial trial;
    fr_status status = FR_OK;
    *out_layers = NULL;
    *out_count = 0;
    fr_layer_time *layers = fr_alloc_array((size_t)plan->n_ops, sizeof *layers);
    if (!layers)
        return fr_no_memory((size_t)plan->n_ops * sizeof *layers, "layer times");
    FR_GO(cleanup, fr_trial_open(&trial, &s->target, (uint32_t)s->info.lane_threads));
    uint64_t each = (uint64_t)(ms > 0 ? ms : 500) * 1000000u / (uint64_t)plan->n_ops;
    for (int32_t o = 0; o < plan->n_ops; o++) {
        const fr_plan_op *op = &plan->ops[o];
        const fr_step_item *item = op->item >= 0 ? &s->chosen->items[op->item] : NULL;
        fr_layer_time *t = &layers[o];
        double ns;
        FR_GO(close, fr_trial_time(&trial, &op->step, &op->candidate, item ? &item->weights : &none, each, 0, &ns));
        snprintf(t->name, sizeof t->name, "%s", item ? item->name : "layout change");
        snprintf(t->candidate, sizeof t->candidate, "%s", op->candidate.name);
        t->group = op->step.n;
        t->ops_per_input = item ? item->ops_per_input : 0;
        t->ns_per_image = ns / op->step.n / s->chosen->fold;
        t->gflops = (double)t->ops_per_input * op->step.n / ns;
    }
close:
    fr_trial_close(&trial);
cleanup:
    if (status != FR_OK) {
        fr_free(layers);
        return status;
    }
    *out_layers = layers;
    *out_count = (size_t)plan->n_ops;
    return FR_OK;
}
