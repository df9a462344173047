#include "run/peak.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "check/make.h"
#include "run/context.h"
#include "run/programs.h"
#include "run/selfcheck.h"

/* ---- lanes -------------------------------------------------------------------------------------------------------- */

/* No lane's clock starts while another one still compiles: it would be timed alone. */
typedef struct start_line {
    pthread_mutex_t mutex;
    pthread_cond_t all_there;
    int32_t missing;
} start_line;

typedef struct busy_lane {
    start_line *start;
    bool there;
    const fr_target *target;
    const fr_step *step;
    const fr_candidate *candidate;
    const fr_weights *weights;
    uint64_t ns;
    fr_trial_times times;
    fr_status status;
    char message[512];
} busy_lane;

int32_t fr_target_lanes(const fr_target *target) {
    return target->facts.lanes > 0 ? (int32_t)target->facts.lanes : 1;
}

int32_t fr_target_busy_lanes(const fr_target *target) {
    return target->facts.kind == FR_DEVICE_CPU ? fr_target_lanes(target) : 1;
}

static void arrive(start_line *start, int32_t lanes) {
    pthread_mutex_lock(&start->mutex);
    start->missing -= lanes;
    if (start->missing <= 0)
        pthread_cond_broadcast(&start->all_there);
    pthread_mutex_unlock(&start->mutex);
}

static void wait_at_start(void *user) {
    busy_lane *lane = user;
    lane->there = true;
    arrive(lane->start, 1);
    pthread_mutex_lock(&lane->start->mutex);
    while (lane->start->missing > 0)
        pthread_cond_wait(&lane->start->all_there, &lane->start->mutex);
    pthread_mutex_unlock(&lane->start->mutex);
}

static void *run_lane(void *argument) {
    busy_lane *lane = argument;
    fr_trial trial;
    lane->status = fr_trial_open(&trial, lane->target, 1);
    trial.ready = wait_at_start;
    trial.ready_user = lane;
    if (lane->status == FR_OK)
        lane->status = fr_trial_measure(&trial, lane->step, lane->candidate, lane->weights, lane->ns, 0, &lane->times);
    fr_trial_close(&trial);
    if (!lane->there) /* it failed: the others need not wait for it */
        arrive(lane->start, 1);
    if (lane->status != FR_OK)
        snprintf(lane->message, sizeof lane->message, "%s", fr_error_sentence());
    return NULL;
}

static fr_status run_lanes(busy_lane *lanes, pthread_t *threads, int32_t count, fr_trial_times *out_times) {
    fr_status status = FR_OK;
    int32_t started = 0;
    for (; started < count; started++) {
        int code = pthread_create(&threads[started], NULL, run_lane, &lanes[started]);
        if (code != 0) {
            status = fr_fail(FR_NO_MEMORY, "cannot start a thread: %s", strerror(code));
            break;
        }
    }
    arrive(lanes[0].start, count - started);
    for (int32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        const fr_trial_times *t = &lanes[i].times;
        out_times->least = t->least > out_times->least ? t->least : out_times->least;
        out_times->median = t->median > out_times->median ? t->median : out_times->median;
        if (lanes[i].status != FR_OK && status == FR_OK)
            status = fr_fail(lanes[i].status, "%s", lanes[i].message);
    }
    return status;
}

fr_status fr_lanes_time(const fr_target *target, const fr_step *step, const fr_candidate *candidate,
                        const fr_weights *weights, int32_t count, uint64_t ns, fr_trial_times *out_times) {
    start_line start = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count};
    fr_status status = FR_OK;
    *out_times = (fr_trial_times){0, 0};
    busy_lane *lanes = fr_alloc_array((size_t)count, sizeof *lanes);
    pthread_t *threads = fr_alloc_array((size_t)count, sizeof *threads);
    if (!lanes || !threads) {
        status = fr_no_memory((size_t)count * (sizeof *lanes + sizeof *threads), "threads");
    } else {
        for (int32_t i = 0; i < count; i++)
            lanes[i] = (busy_lane){
                .start = &start, .target = target, .step = step, .candidate = candidate, .weights = weights, .ns = ns};
        status = run_lanes(lanes, threads, count, out_times);
    }
    fr_free(threads);
    fr_free(lanes);
    return status;
}

/* ---- peak --------------------------------------------------------------------------------------------------------- */

enum { PEAK_CHANNELS = 64, PEAK_MAP = 28, PEAK_KERNELS = 8, PEAK_WEIGHTS = PEAK_CHANNELS * PEAK_CHANNELS * 9 };

typedef struct peak_weights {
    float weight[PEAK_WEIGHTS], scale[PEAK_CHANNELS];
    int8_t weight_s8[PEAK_WEIGHTS];
} peak_weights;

static int32_t peak_inputs(const fr_target *target) {
    return target->facts.kind != FR_DEVICE_CPU ? 1024 : target->facts.flags & FR_DEVICE_SOFTWARE ? 64 : 1;
}

double fr_peak_ops(const fr_target *target) {
    return 2.0 * PEAK_WEIGHTS * PEAK_MAP * PEAK_MAP * peak_inputs(target);
}

/* A 3x3 convolution of 64 to 64 channels on 28x28 maps: its weights and maps lie in a core's L2, and its channels fill any
 * tile. What a device can do of it is what a small CNN could at best reach without fewer multiplications. */
static fr_step peak_step(fr_precision precision, const fr_target *target) {
    fr_dtype dtype = precision == FR_PRECISION_BF16   ? FR_BF16
                     : precision == FR_PRECISION_F16  ? FR_F16
                     : precision == FR_PRECISION_INT8 ? FR_U8
                     : precision == FR_PRECISION_F64  ? FR_F64
                                                      : FR_F32;
    fr_step step =
        fr_make_conv(peak_inputs(target), PEAK_CHANNELS, PEAK_MAP, PEAK_MAP, PEAK_CHANNELS, fr_make_window(3, 1, 1), 1);
    step.has_bias = 0;
    step.act = FR_ACT_NONE;
    step.compute = (uint16_t)precision;
    step.src[0].dtype = step.dst.dtype = (uint16_t)dtype;
    step.src[0].scale = step.dst.scale = precision == FR_PRECISION_INT8 ? 1.0f : 0;
    return step;
}

/* Fewer multiplications than operations counted are no peak. */
static bool may_set_peak(const fr_target *target, const fr_step *step, const fr_weights *weights,
                         const fr_candidate *candidate) {
    return !(candidate->flags & FR_CANDIDATE_INEXACT) &&
           fr_selfcheck_passes(target->check, step, weights, "peak", candidate);
}

/* Operations over the slowest lane's best time. A kernel that fails is passed over while another one works. */
static fr_status best_peak(const fr_target *target, const fr_step *step, const fr_weights *weights, int32_t lanes,
                           int32_t kernels, int32_t ms, double *out_ops_per_s) {
    fr_candidate menu[FR_MAX_CANDIDATES];
    fr_status status = FR_OK;
    int32_t count = 0, used = 0;
    double ops = fr_peak_ops(target) * lanes;
    FR_TRY(fr_target_candidates(target, step, "peak", menu, &count));
    for (int32_t c = 0; c < count && used < kernels; c++) /* the best guesses stand first */
        if (may_set_peak(target, step, weights, &menu[c]))
            menu[used++] = menu[c];
    if (used == 0)
        return fr_fail(FR_UNSUPPORTED, "no kernel of %s can show its peak in %s", target->facts.name,
                       fr_precision_name((fr_precision)step->compute));
    for (int32_t c = 0; c < used; c++) {
        uint64_t each = (uint64_t)(ms > 0 ? ms : 200) * 1000000u / (uint64_t)used;
        fr_trial_times times;
        fr_status tried = fr_lanes_time(target, step, &menu[c], weights, lanes, each, &times);
        if (tried != FR_OK)
            status = tried;
        if (tried == FR_DEVICE_LOST)
            break;
        if (tried == FR_OK && times.least > 0 && ops * 1e9 / times.least > *out_ops_per_s)
            *out_ops_per_s = ops * 1e9 / times.least;
    }
    return *out_ops_per_s > 0 && status != FR_DEVICE_LOST ? FR_OK : status;
}

fr_status fr_target_peak(const fr_target *target, fr_precision precision, int32_t threads, int32_t kernels, int32_t ms,
                         double *out_ops_per_s) {
    *out_ops_per_s = 0;
    peak_weights *w = fr_alloc(sizeof *w);
    if (!w)
        return fr_no_memory(sizeof *w, "the peak measurement");
    for (int i = 0; i < PEAK_CHANNELS; i++)
        w->scale[i] = 1;
    fr_weights weights = {
        .struct_bytes = sizeof weights, .weight = w->weight, .weight_s8 = w->weight_s8, .weight_scale = w->scale};
    fr_step step = peak_step(precision, target);
    /* one lane fills a wide device: the best time of one of several is a time when the others rested */
    int32_t lanes = target->facts.kind == FR_DEVICE_CPU && threads > 0 ? threads : fr_target_busy_lanes(target);
    fr_status status = best_peak(target, &step, &weights, lanes, kernels, ms, out_ops_per_s);
    fr_free(w);
    return status;
}

fr_status fr_measure_peak(fr_context *context, const char *device, fr_precision precision, int32_t threads, int32_t ms,
                          double *out_ops_per_s) {
    fr_target target = {0};
    *out_ops_per_s = 0;
    FR_TRY(fr_registry_open(context->registry, device, &target.backend, &target.device, &target.facts));
    fr_status status = fr_target_peak(&target, precision, threads, PEAK_KERNELS, ms, out_ops_per_s);
    target.backend->device_close(target.device);
    return status;
}
