/* Times of single steps, for the layer table, and the peak of a device. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "run/context.h"
#include "run/programs.h"
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

/* ---- peak ---- */

typedef struct peak_lane {
    const fr_target *target;
    const fr_step *step;
    const fr_candidate *candidate;
    const fr_weights *weights;
    uint64_t ns;
    double best_ns;
    fr_status status;
    char message[512];
} peak_lane;

static void *run_peak_lane(void *argument) {
    peak_lane *lane = argument;
    fr_trial trial;
    lane->status = fr_trial_open(&trial, lane->target, 1);
    if (lane->status == FR_OK) {
        lane->status = fr_trial_time(&trial, lane->step, lane->candidate, lane->weights, lane->ns, 0, &lane->best_ns);
        fr_trial_close(&trial);
    }
    if (lane->status != FR_OK)
        snprintf(lane->message, sizeof lane->message, "%s", fr_error_sentence());
    return NULL;
}

/* All lanes at once on the same step, as a session would load the device; operations over the slowest lane's best time. */
static fr_status time_on_lanes(peak_lane *lanes, int32_t count, double *out_ns) {
    pthread_t *threads = fr_alloc_array((size_t)count, sizeof *threads);
    fr_status status = FR_OK;
    int32_t started = 0;
    if (!threads)
        return fr_no_memory((size_t)count * sizeof *threads, "threads");
    for (; started < count; started++) {
        int code = pthread_create(&threads[started], NULL, run_peak_lane, &lanes[started]);
        if (code != 0) {
            status = fr_fail(FR_NO_MEMORY, "cannot start a thread: %s", strerror(code));
            break;
        }
    }
    *out_ns = 0;
    for (int32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        *out_ns = lanes[i].best_ns > *out_ns ? lanes[i].best_ns : *out_ns;
        if (lanes[i].status != FR_OK && status == FR_OK)
            status = fr_fail(lanes[i].status, "%s", lanes[i].message);
    }
    fr_free(threads);
    return status;
}

enum { PEAK_CHANNELS = 64, PEAK_MAP = 28, PEAK_KERNELS = 8 };

/* A 3x3 convolution of 64 to 64 channels on 28x28 maps: its weights and maps lie in a core's L2, and its channels fill any
 * tile. What a device can do of it is what a small CNN could at best reach without fewer multiplications. */
static void peak_step(fr_precision precision, const fr_target *target, fr_step *s) {
    fr_dtype dtype = precision == FR_PRECISION_BF16   ? FR_BF16
                     : precision == FR_PRECISION_F16  ? FR_F16
                     : precision == FR_PRECISION_INT8 ? FR_U8
                     : precision == FR_PRECISION_F64  ? FR_F64
                                                      : FR_F32;
    *s = (fr_step){.struct_bytes = sizeof *s,
                   .kind = FR_STEP_CONV,
                   .compute = (uint16_t)precision,
                   .n_src = 1,
                   .groups = 1,
                   .n = target->facts.kind != FR_DEVICE_CPU        ? 1024
                        : target->facts.flags & FR_DEVICE_SOFTWARE ? 64
                                                                   : 1,
                   .win = {.kh = 3,
                           .kw = 3,
                           .sh = 1,
                           .sw = 1,
                           .dh = 1,
                           .dw = 1,
                           .pad_top = 1,
                           .pad_left = 1,
                           .pad_bottom = 1,
                           .pad_right = 1}};
    s->src[0] = (fr_tensor){.c = PEAK_CHANNELS,
                            .h = PEAK_MAP,
                            .w = PEAK_MAP,
                            .dtype = (uint16_t)dtype,
                            .scale = precision == FR_PRECISION_INT8 ? 1.0f : 0};
    s->dst = s->src[0];
}

fr_status fr_measure_peak(fr_context *context, const char *device, fr_precision precision, int32_t threads, int32_t ms,
                          double *out_ops_per_s) {
    enum { WEIGHTS = PEAK_CHANNELS * PEAK_CHANNELS * 9 };
    fr_target target = {0};
    fr_candidate menu[FR_MAX_CANDIDATES];
    fr_step step;
    fr_status status = FR_OK;
    int32_t count = 0, used = 0;
    *out_ops_per_s = 0;
    float *weight = fr_alloc_array(WEIGHTS, sizeof *weight), *scale = fr_alloc_array(PEAK_CHANNELS, sizeof *scale);
    int8_t *weight_s8 = fr_alloc(WEIGHTS);
    peak_lane *lanes = NULL;
    if (!weight || !scale || !weight_s8) {
        status = fr_no_memory(WEIGHTS * sizeof *weight, "the peak measurement");
        goto cleanup;
    }
    for (int i = 0; i < PEAK_CHANNELS; i++)
        scale[i] = 1;
    fr_weights weights = {
        .struct_bytes = sizeof weights, .weight = weight, .weight_s8 = weight_s8, .weight_scale = scale};
    FR_GO(cleanup, fr_registry_open(context->registry, device, &target.backend, &target.device, &target.facts));
    peak_step(precision, &target, &step);
    FR_GO(cleanup, fr_target_candidates(&target, &step, "peak", menu, &count));
    /* one lane fills a wide device: the best time of one of several is a time when the others rested */
    int32_t n = target.facts.kind != FR_DEVICE_CPU ? 1
                : threads > 0                      ? threads
                : target.facts.lanes > 0           ? (int32_t)target.facts.lanes
                                                   : 1;
    lanes = fr_alloc_array((size_t)n, sizeof *lanes);
    if (!lanes) {
        status = fr_no_memory((size_t)n * sizeof *lanes, "the peak measurement");
        goto cleanup;
    }
    count = count < PEAK_KERNELS ? count : PEAK_KERNELS; /* the best guesses stand first */
    for (int32_t c = 0; c < count; c++)
        used += !(menu[c].flags & FR_CANDIDATE_INEXACT);
    double ops = 2.0 * WEIGHTS * PEAK_MAP * PEAK_MAP * step.n * n;
    for (int32_t c = 0; c < count; c++) {
        double ns = 0;
        if (menu[c].flags & FR_CANDIDATE_INEXACT) /* fewer multiplications than operations counted: no peak */
            continue;
        for (int32_t i = 0; i < n; i++)
            lanes[i] = (peak_lane){.target = &target,
                                   .step = &step,
                                   .candidate = &menu[c],
                                   .weights = &weights,
                                   .ns = (uint64_t)(ms > 0 ? ms : 200) * 1000000u / (uint64_t)used};
        FR_GO(cleanup, time_on_lanes(lanes, n, &ns));
        if (ns > 0 && ops * 1e9 / ns > *out_ops_per_s)
            *out_ops_per_s = ops * 1e9 / ns;
    }
cleanup:
    if (target.device)
        target.backend->device_close(target.device);
    fr_free(weight);
    fr_free(weight_s8);
    fr_free(scale);
    fr_free(lanes);
    return status;
}
