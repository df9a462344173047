/* What one number tells of a device: peaks, how lanes share it, bandwidths, what a launch and a run cost. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "check/make.h"
#include "run/peak.h"
#include "run/prober.h"

static const uint64_t fill_ns = 4000000, lanes_ns = 30000000;
enum { ROUNDS = 4 };

/* What a device has not, or has no room for, stays 0. */
static fr_status forgive(fr_status status, const char *what) {
    if (status != FR_UNSUPPORTED && status != FR_NO_MEMORY && status != FR_UNAVAILABLE)
        return status;
    fr_log(FR_LOG_INFO, "%s is not measured: %s", what, fr_error_sentence());
    return FR_OK;
}

/* ---- peaks and lanes ---------------------------------------------------------------------------------------------- */

static fr_status measure_peak(fr_prober *p, fr_precision precision) {
    char what[64];
    double ms = 8 * p->options.budget_s, ops = 0;
    int32_t kernels = p->options.quick ? 3 : 8;
    snprintf(what, sizeof what, "%s: peak", fr_precision_name(precision));
    FR_TRY(fr_prober_says(p, what));
    FR_TRY(forgive(fr_target_peak(&p->target, precision, 0, kernels, ms < 300 ? (int32_t)ms + 1 : 300, &ops), what));
    p->probe.peak[precision] = ops;
    return FR_OK;
}

/* The list's first plain convolution of 32 channels. */
static int32_t plain_point(const fr_prober *p, fr_precision precision) {
    for (size_t i = 0; i < p->probe.n_points; i++) {
        const fr_probe_point *at = &p->probe.points[i];
        if (at->kind == FR_STEP_CONV && at->line == FR_LINE_BOTH && at->precision == precision && at->c_in == 32 &&
            at->groups <= 1)
            return (int32_t)i;
    }
    return -1;
}

static fr_status time_together(fr_prober *p, const fr_step *step, int32_t point, double *out_scaling) {
    fr_candidate best;
    fr_trial_times times;
    fr_weights weights;
    int32_t lanes = fr_target_lanes(&p->target);
    double alone = 0, together = 0; /* by turns: what else the machine does must not count for one of them alone */
    for (int round = 0; round < ROUNDS; round++) {
        FR_TRY(fr_prober_best(p, step, point, fill_ns, &best, &times, NULL));
        alone = round == 0 || times.median < alone ? times.median : alone;
        FR_TRY(fr_probe_kit_for(&p->kit, step, &weights));
        FR_TRY(fr_lanes_time(&p->target, step, &best, &weights, lanes, lanes_ns, &times));
        together = round == 0 || times.median < together ? times.median : together;
    }
    double scaling = together / alone;
    *out_scaling = scaling < 1 ? 1 : scaling > lanes ? lanes : scaling;
    return FR_OK;
}

static fr_status measure_lanes(fr_prober *p, fr_precision precision) {
    char what[64];
    fr_step step;
    int32_t point = plain_point(p, precision);
    if (fr_target_lanes(&p->target) == 1) {
        p->probe.lane_scaling[precision] = 1;
        return FR_OK;
    }
    if (point < 0)
        return FR_OK;
    snprintf(what, sizeof what, "%s: all lanes at once", fr_precision_name(precision));
    FR_TRY(fr_prober_says(p, what));
    fr_status status = fr_probe_step(&p->probe.points[point], &step);
    if (status == FR_OK)
        status = time_together(p, &step, point, &p->probe.lane_scaling[precision]);
    return forgive(status, what);
}

/* ---- bytes -------------------------------------------------------------------------------------------------------- */

enum { MAP_BYTES = 16 * 32 * 32 * 4 };

static fr_step bytes_step(double bytes) {
    double inputs = bytes / 2 / MAP_BYTES;
    fr_step step = fr_make_step(FR_STEP_UNARY, inputs < 1 ? 1 : (int32_t)inputs, 16, 32, 32);
    step.act = FR_ACT_RELU;
    return step;
}

/* So many bytes read and written in all, by all lanes; fewer where a launch would take longer than there is patience for. A small
 * step tells the kernel, and how fast it is about. */
static fr_status time_bytes(fr_prober *p, double bytes, double *out_per_s) {
    const double small = 1 << 20, patience = 0.003;
    int32_t lanes = fr_target_busy_lanes(&p->target);
    fr_step step = bytes_step(small);
    fr_candidate best;
    fr_trial_times times;
    fr_weights none = {.struct_bytes = sizeof none};
    FR_TRY(fr_prober_best(p, &step, -1, fill_ns, &best, &times, NULL));
    double soon = patience * p->options.budget_s * small * 1e9 / times.least;
    bytes /= lanes;
    step = bytes_step(bytes < soon ? bytes : soon);
    FR_TRY(fr_lanes_time(&p->target, &step, &best, &none, lanes, lanes_ns, &times));
    *out_per_s = 2.0 * MAP_BYTES * step.n * lanes * 1e9 / times.median;
    return FR_OK;
}

/* Half of what the last cache holds; and far more than it. */
static fr_status measure_bandwidth(fr_prober *p) {
    const double least = 64 << 20, most = 256 << 20;
    const fr_device_facts *f = &p->target.facts;
    double cache = f->cache_bytes[2] > 0 ? (double)f->cache_bytes[2] : 8 << 20, large = 4 * cache;
    large = large < least ? least : large > most ? most : large;
    if (f->memory_bytes > 0 && large > (double)f->memory_bytes / 8)
        large = (double)f->memory_bytes / 8;
    cache = cache / 2 < large / 4 ? cache / 2 : large / 4;
    if (f->flags & FR_DEVICE_ORACLE) /* it exists to be right */
        cache = large = 1 << 20;
    if (p->probe.cache_bandwidth <= 0) {
        FR_TRY(fr_prober_says(p, "bandwidth of the last cache"));
        FR_TRY(forgive(time_bytes(p, cache, &p->probe.cache_bandwidth), "the cache's bandwidth"));
    }
    if (p->probe.bandwidth <= 0) {
        FR_TRY(fr_prober_says(p, "bandwidth of the memory"));
        FR_TRY(forgive(time_bytes(p, large, &p->probe.bandwidth), "the bandwidth"));
    }
    return FR_OK;
}

/* As a session's lanes move images and answers. */
static fr_status time_transfers(fr_prober *p, fr_buffer *buffer, void *host, uint64_t bytes) {
    const fr_backend *b = p->target.backend;
    uint64_t write = UINT64_MAX, read = UINT64_MAX;
    for (int i = 0; i < 6; i++) { /* the first one pays for what is set up late */
        uint64_t begin = fr_clock_ns();
        FR_TRY(b->write(p->trial.queue, buffer, 0, host, bytes));
        FR_TRY(b->sync(p->trial.queue));
        uint64_t middle = fr_clock_ns();
        FR_TRY(b->read(p->trial.queue, buffer, 0, host, bytes));
        FR_TRY(b->sync(p->trial.queue));
        uint64_t end = fr_clock_ns();
        write = middle - begin < write ? middle - begin : write;
        read = end - middle < read ? end - middle : read;
    }
    p->probe.write_bandwidth = (double)bytes * 1e9 / (double)(write > 0 ? write : 1);
    p->probe.read_bandwidth = (double)bytes * 1e9 / (double)(read > 0 ? read : 1);
    return FR_OK;
}

static fr_status measure_transfers(fr_prober *p) {
    const uint64_t bytes = 16 << 20;
    const fr_backend *b = p->target.backend;
    fr_buffer *buffer = NULL;
    if ((p->target.facts.flags & FR_DEVICE_UNIFIED) || p->probe.write_bandwidth > 0)
        return FR_OK;
    FR_TRY(fr_prober_says(p, "transfers"));
    void *host = fr_alloc(bytes);
    fr_status status =
        host ? b->buffer_new(p->target.device, FR_BUFFER_STAGING, bytes, &buffer) : fr_no_memory(bytes, "transfers");
    if (status == FR_OK)
        status = time_transfers(p, buffer, host, bytes);
    if (buffer)
        b->buffer_free(buffer);
    fr_free(host);
    return forgive(status, "transfers");
}

/* ---- fixed costs -------------------------------------------------------------------------------------------------- */

static fr_status measure_launch(fr_prober *p) {
    fr_step step = fr_make_step(FR_STEP_UNARY, 1, 16, 1, 1);
    fr_candidate best;
    fr_trial_times times;
    step.act = FR_ACT_RELU;
    FR_TRY(fr_prober_says(p, "a launch"));
    fr_status status = fr_prober_best(p, &step, -1, fill_ns, &best, &times, NULL);
    if (status == FR_OK)
        p->probe.launch_ns = times.least; /* as points are */
    return forgive(status, "a launch");
}

/* The fastest that a lane was seen to be. Kernels with fewer multiplications than operations are counted show no peak (an earlier
 * call's points do not say whether theirs are such): those count where there is nothing else. */
static double peak_of_points(const fr_prober *p, int precision) {
    double best = 0, any = 0, scaling = p->probe.lane_scaling[precision];
    double lanes = fr_target_lanes(&p->target) / (scaling >= 1 ? scaling : 1);
    for (size_t i = 0; i < p->n_known; i++) {
        const fr_probe_known *known = &p->known[i];
        const fr_probe_point *at = &p->probe.points[known->point];
        if (at->ns <= 0 || at->kind != FR_STEP_CONV || at->precision != precision)
            continue;
        double ops = fr_probe_ops(at) * 1e9 / (at->ns * known->slower) * lanes;
        any = ops > any ? ops : any;
        best = known->exact && ops > best ? ops : best;
    }
    return best > 0 || p->probe.peak[precision] > 0 ? best : any;
}

void fr_prober_peaks_of_points(fr_prober *p) {
    for (int i = 0; i < FR_PRECISIONS; i++) {
        double shown = peak_of_points(p, i);
        if (p->probe.peak[i] < shown)
            p->probe.peak[i] = shown;
    }
}

/* A few launches of a few kernels, in a small part of the budget. Where a GPU's API runs on a CPU, the first kernels of the list may be a hundred
 * times slower than what won the points: those must do. */
static bool has_time_for_peak(const fr_prober *p, int precision) {
    const double launches = 12, share = 0.03;
    double rate = peak_of_points(p, precision) / fr_target_lanes(&p->target), budget = p->options.budget_s;
    return !(p->target.facts.flags & FR_DEVICE_SOFTWARE) && rate > 0 &&
           launches * fr_peak_ops(&p->target) / rate < share * budget && fr_prober_may_check(p) &&
           fr_prober_left_s(p) > share * budget;
}

fr_status fr_prober_peaks(fr_prober *p) {
    for (int i = 0; i < FR_PRECISIONS; i++)
        if (p->precisions >> i & 1u && p->probe.lane_scaling[i] <= 0)
            FR_TRY(measure_lanes(p, (fr_precision)i));
    for (int i = 0; i < FR_PRECISIONS; i++)
        if (p->precisions >> i & 1u && p->probe.peak[i] <= 0 && has_time_for_peak(p, i))
            FR_TRY(measure_peak(p, (fr_precision)i));
    fr_prober_peaks_of_points(p);
    return FR_OK;
}

fr_status fr_prober_scalars(fr_prober *p) {
    if (p->probe.launch_ns <= 0)
        FR_TRY(measure_launch(p));
    FR_TRY(measure_bandwidth(p));
    FR_TRY(measure_transfers(p));
    if (p->probe.run_ns <= 0) {
        FR_TRY(fr_prober_says(p, "a run"));
        FR_TRY(forgive(fr_prober_empty_run(p, &p->probe.run_ns), "a run"));
    }
    return FR_OK;
}
