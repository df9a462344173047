/* Between bench.c (what to measure), bench_measure.c, bench_verdict.c and bench_report.c. */
#ifndef FR_CLI_BENCH_H
#define FR_CLI_BENCH_H

#include "base/json.h"
#include "cli/models_common.h"
#include "cli/progress.h"
#include "foldrun/foldrun.h"

typedef struct bench_spread {
    double median, p5, p95;
} bench_spread;
typedef struct bench_latency {
    double p50, p90, p95, p99;
} bench_latency;

/* Runs of one batch, timed one by one; a sample is the time of a run. */
typedef struct bench_samples {
    double *ns;
    size_t count, capacity;
    double total_ns;
} bench_samples;

typedef struct bench_figures {
    bool have;
    size_t repeats;
    bench_spread images_per_s;
    bench_latency latency_ms; /* of a batch */
    double gflops;            /* operations an image * images a second, at the median */
    double percent_of_peak;   /* negative: the peak could not be measured */
} bench_figures;

/* A configuration and what was found. */
typedef struct bench_row {
    char model[256]; /* its name, or the file it came from */
    fr_precision precision;
    int64_t batch;
    fr_model_info model_info;
    fr_session_info session;
    double ops_per_image, arithmetic_intensity, weight_bytes, activation_bytes;
    int64_t params;
    double first_run_ms;
    bench_figures with_copies, resident;
    fr_layer_time *layers; /* --layers */
    size_t n_layers;
} bench_row;

typedef struct bench_request {
    cli_ints folds, batches;
    bool folds_given, folds_auto; /* auto: by the planner */
    cli_folding folding;          /* rounding and seed; the fold is a row's */
    cli_precisions precisions;
    const char *device, *output, *dtype_word, *tuning_word;
    fr_tuning tuning;
    fr_dtype input_dtype;
    double duration, warmup;
    int64_t threads;
    const char *bundles_word, *pin_word;
    fr_bundling bundles;
    fr_pinning pin;
    const char *schedule_word;
    fr_schedule schedule;
    bool layers, no_transfers, exact, json;
    double tune_budget; /* seconds; 0 = the library's choice */
    const char *kernels;
    uint64_t memory_limit; /* bytes, a plan's; 0 = none */
    const char *plan;      /* --plan: its file */
    const char *plan_text; /* the kernels that a plan says; NULL = none */
} bench_request;

typedef struct bench_peak {
    bool known, measured;
    double ops_per_s;
    char why[256];
} bench_peak;

typedef struct bench_result {
    bench_row *rows;
    size_t n_rows, capacity;
    bench_peak peaks[8]; /* by fr_precision */
    fr_device_entry device;
    bool stopped; /* by the user: the rows are what was finished */
} bench_result;

/* The figure a row is judged by: with copies, unless they were not asked for. */
static inline const bench_figures *bench_main_figures(const bench_row *row) {
    return row->with_copies.have ? &row->with_copies : &row->resident;
}

/* All folds of one model, precision and batch, opened together and measured by turns, so that a clock that drifts or a
 * neighbour's noise meets them all alike. Adds a row for each fold. Answers an exit code; a failure has been told. */
int bench_measure_group(fr_context *context, const char *name, const fr_model *model, const bench_request *request,
                        fr_precision precision, int64_t batch, const cli_ints *folds, cli_progress *progress,
                        bench_result *result);

bool bench_add_sample(bench_samples *samples, double ns); /* false when out of memory */
/* Sorts the samples. peak_ops_per_s 0 = not measured. */
bench_figures bench_figures_of(bench_samples *samples, int64_t batch, double ops_per_image, double peak_ops_per_s);

/* The speed-up of a row over fold 1 of the same model, precision and batch; `differs` when their p5 to p95 do not overlap. */
typedef struct bench_speedup {
    const bench_row *row, *base;
    double factor;
    bool differs;
} bench_speedup;
bool bench_speedup_of(const bench_result *result, const bench_row *row, bench_speedup *out);

/* Which configuration of a row's model wins, and why; a few sentences, a line each. Nothing when an earlier row has the same
 * model: called for every row, it tells of each model once. */
void bench_verdict(const bench_result *result, size_t row, fr_text *out);

void bench_tables(const bench_result *result, fr_text *out);
void bench_json(const bench_request *request, const bench_result *result, fr_json_writer *w);

#endif
