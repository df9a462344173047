/* Whole small CNNs, as sessions run them: by them predictions are corrected. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/number.h"
#include "base/status.h"
#include "run/model.h"
#include "run/prober.h"

enum { TUNE_MS = 800, QUICK_TUNE_MS = 400, MOST_RUNS = 500, LEAST_RUNS = 3, NET_TEXT = 1024 };

static const char empty_net[] = "model empty \"next to nothing\"\ninput 3x4x4\nflatten\nfc 2\n";

typedef struct run_times { /* nanoseconds of a run, and of opening its session */
    double least, median, opening;
} run_times;

/* Twice before it counts: what is made late, is made then. */
static fr_status time_runs(fr_session *session, const fr_images *images, float *out, uint64_t fill_ns,
                           run_times *out_times) {
    double taken[MOST_RUNS];
    int32_t count = 0;
    uint64_t spent = 0;
    for (int i = 0; i < 2; i++)
        FR_TRY(fr_session_run(session, images, out));
    while (count < LEAST_RUNS || (spent < fill_ns && count < MOST_RUNS)) {
        uint64_t begin = fr_clock_ns();
        FR_TRY(fr_session_run(session, images, out));
        uint64_t ns = fr_clock_ns() - begin;
        taken[count++] = (double)(ns > 0 ? ns : 1);
        spent += ns;
        if (spent > 4 * fill_ns)
            break;
    }
    fr_sort_numbers(taken, (size_t)count);
    out_times->least = taken[0];
    out_times->median = taken[count / 2];
    return FR_OK;
}

static fr_status time_session(fr_session *session, const fr_model *model, int64_t batch, uint64_t fill_ns,
                              run_times *out_times) {
    fr_model_info info = FR_OPTIONS(fr_model_info);
    fr_random random = {1};
    size_t pixels, scores;
    FR_TRY(fr_model_describe(model, &info));
    if (!fr_size_mul((size_t)info.channels * (size_t)info.height * (size_t)info.width, (size_t)batch, &pixels) ||
        !fr_size_mul((size_t)info.classes, (size_t)batch, &scores))
        return fr_no_memory(SIZE_MAX, "the images of a run");
    uint8_t *data = fr_alloc(pixels);
    float *out = fr_alloc_array(scores, sizeof *out);
    fr_status status = data && out ? FR_OK : fr_no_memory(pixels + scores * sizeof *out, "the images of a run");
    for (size_t i = 0; status == FR_OK && i < pixels; i++)
        data[i] = (uint8_t)fr_random_next(&random);
    fr_images images = {.data = data, .dtype = FR_U8, .count = batch};
    if (status == FR_OK)
        status = time_runs(session, &images, out, fill_ns, out_times);
    fr_free(data);
    fr_free(out);
    return status;
}

static fr_status open_and_time(const fr_prober *p, const fr_model *model, const fr_session_options *options,
                               uint64_t fill_ns, run_times *out_times) {
    fr_session *session;
    uint64_t begin = fr_clock_ns();
    *out_times = (run_times){0, 0, 0};
    FR_TRY(fr_session_open(p->context, model, options, &session));
    out_times->opening = (double)(fr_clock_ns() - begin);
    fr_status status = time_session(session, model, options->batch, fill_ns, out_times);
    fr_session_close(session);
    return status;
}

/* ---- a network of next to nothing --------------------------------------------------------------------------------- */

fr_status fr_prober_empty_run(fr_prober *p, double *out_ns) {
    fr_session_options o = FR_OPTIONS(fr_session_options);
    run_times times = {0, 0, 0};
    fr_model *model;
    *out_ns = 0;
    FR_TRY(fr_model_of_text(empty_net, "the device profile", &model));
    o.device = p->device;
    o.batch = 1;
    o.tuning = FR_TUNING_OFF;
    fr_status status = open_and_time(p, model, &o, 20000000, &times);
    fr_model_free(model);
    *out_ns = times.median;
    return status;
}

/* ---- the probe's runs --------------------------------------------------------------------------------------------- */

static fr_status make_net(const fr_probe_run *run, fr_model **out_model) {
    fr_fold_options fold = FR_OPTIONS(fr_fold_options);
    char text[NET_TEXT];
    fr_model *plain;
    *out_model = NULL;
    fr_probe_net(run->net, run->width, run->h, run->w, text, sizeof text);
    FR_TRY(fr_model_of_text(text, "the device profile", &plain));
    fold.fold = run->fold > 0 ? run->fold : 1;
    fr_status status = fr_model_fold(plain, &fold, out_model);
    fr_model_free(plain);
    return status;
}

/* The first session builds what the others find built: it tells nothing of them. */
static void note_opening(fr_prober *p, double opening_s) {
    if (p->n_openings > 0)
        p->opening_s[(p->n_openings - 1) % FR_OPENINGS] = opening_s;
    p->n_openings++;
}

/* The middle one of the latest. Before there are any: where checks of kernels are slow, as long as they took until now. */
static double usual_opening_s(const fr_prober *p) {
    double sorted[FR_OPENINGS];
    size_t count = p->n_openings > 0 ? p->n_openings - 1 : 0;
    if (p->n_openings == 0 && !fr_prober_may_check(p))
        return (double)fr_selfcheck_spent_ns(p->target.check) * 1e-9;
    if (count == 0)
        return 1;
    count = count < FR_OPENINGS ? count : FR_OPENINGS;
    memcpy(sorted, p->opening_s, count * sizeof *sorted);
    fr_sort_numbers(sorted, count);
    return sorted[count / 2];
}

double fr_prober_run_s(const fr_prober *p, int32_t precision, double ops) {
    const double runs = 2 + LEAST_RUNS, slower_than_peak = 2, share = 0.5;
    double peak = p->probe.peak[precision];
    return usual_opening_s(p) + (peak > 0 ? runs * slower_than_peak * ops / peak / share : 0);
}

static bool is_too_long(const fr_prober *p, const fr_model *model, const fr_probe_run *run) {
    double left = fr_prober_left_s(p), ops = 0;
    fr_cost cost;
    if (fr_model_cost(model, run->batch, 4, 0, &cost) == FR_OK) {
        ops = cost.ops_per_image * (double)run->batch;
        fr_cost_free(&cost);
    }
    double expected = fr_prober_run_s(p, run->precision, ops);
    if (expected > left)
        fr_log(FR_LOG_DEBUG, "a run that needs %.2g s waits: %.2g s are left", expected, left);
    return expected > left;
}

static fr_status measure(fr_prober *p, fr_probe_run *run, const fr_model *model, const char *name) {
    const uint64_t fill_ns = p->options.quick ? 250000000 : 600000000;
    fr_session_options o = FR_OPTIONS(fr_session_options);
    run_times times;
    double slower, apart;
    o.device = p->device;
    o.precision = (fr_precision)run->precision;
    o.schedule = (fr_schedule)run->schedule;
    o.batch = (int32_t)run->batch;
    o.tune_ms = p->options.quick ? QUICK_TUNE_MS : TUNE_MS;
    FR_TRY(fr_drift_before_run(p));
    fr_status status = open_and_time(p, model, &o, fill_ns, &times);
    if (status == FR_DEVICE_LOST)
        return status;
    if (status != FR_OK) {
        fr_log(status == FR_UNSUPPORTED ? FR_LOG_INFO : FR_LOG_WARNING, "'%s' is not measured: %s", name,
               fr_error_sentence());
        run->refused = status == FR_UNSUPPORTED;
        return FR_OK;
    }
    note_opening(p, times.opening * 1e-9);
    FR_TRY(fr_drift_after_run(p, &slower, &apart));
    /* as it was seen: a reference that says how much faster it might have been would, where the faster of two counts, be believed
     * when it is wrong */
    run->images_per_s = 1e9 * (double)run->batch / times.median;
    run->spread = fmax(times.median / times.least - 1, fmax(apart, slower - 1));
    p->n_new++;
    return FR_OK;
}

bool fr_prober_wants_run(const fr_prober *p, int32_t run) {
    const fr_probe_run *at = &p->probe.runs[run];
    return at->images_per_s <= 0 && !at->refused && p->precisions >> at->precision & 1u;
}

fr_status fr_prober_run(fr_prober *p, int32_t index) {
    fr_probe_run *run = &p->probe.runs[index];
    char name[160];
    fr_model *model;
    snprintf(name, sizeof name, "%s: whole CNN of %d channels, fold %d, %s, %lld images",
             fr_precision_name((fr_precision)run->precision), run->width, run->fold > 0 ? run->fold : 1,
             run->schedule == FR_SCHEDULE_CHAIN ? "depth first" : "layer by layer", (long long)run->batch);
    FR_TRY(make_net(run, &model));
    fr_status status = FR_OK;
    if (!is_too_long(p, model, run)) {
        status = fr_prober_says(p, name);
        if (status == FR_OK)
            status = measure(p, run, model, name);
    }
    fr_model_free(model);
    return status;
}
