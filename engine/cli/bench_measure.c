#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "cli/bench.h"

enum { ROUNDS = 5, LEAST_SAMPLES = 3, PEAK_MS = 400, LAYERS_MS = 1500 };

/* One fold of the group, while it is measured. */
typedef struct bench_case {
    fr_model *model;
    fr_session *session;
    bench_row row;
    bench_samples with_copies, resident;
    float *scores;
} bench_case;

typedef struct bench_group {
    const bench_request *request;
    cli_progress *progress;
    bench_case *cases;
    size_t n_cases;
    void *images;
    fr_images input;
} bench_group;

static int out_of_memory(void) {
    cli_complain("out of memory");
    return CLI_FAILED;
}

/* ---- opening ---- */

/* Seeded images, the same for every fold: any bytes, or numbers in [0, 1). */
static int make_images(bench_group *g, const fr_model_info *info, int64_t batch) {
    fr_random random = {1};
    size_t item = fr_dtype_bytes(g->request->input_dtype), count;
    if (!fr_size_mul((size_t)batch, (size_t)info->channels * (size_t)info->height * (size_t)info->width, &count) ||
        !(g->images = fr_alloc_array(count, item)))
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        if (item == 1)
            ((uint8_t *)g->images)[i] = (uint8_t)(fr_random_next(&random) >> 56);
        else
            ((float *)g->images)[i] = (float)fr_random_uniform(&random);
    }
    g->input = (fr_images){.data = g->images, .dtype = g->request->input_dtype, .count = batch};
    return CLI_DONE;
}

static int first_run(bench_case *c, const fr_images *input) {
    uint64_t start = fr_clock_ns();
    fr_status status = fr_session_run(c->session, input, c->scores);
    c->row.first_run_ms = (double)(fr_clock_ns() - start) / 1e6;
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

static int read_cost(bench_case *c) {
    fr_cost cost;
    bench_row *row = &c->row;
    fr_status status = fr_model_cost(c->model, row->batch, cli_precision_bytes(row->precision), 0, &cost);
    if (status != FR_OK)
        return cli_failed(status);
    row->ops_per_image = cost.ops_per_image;
    row->arithmetic_intensity = cost.arithmetic_intensity;
    row->weight_bytes = cost.weight_bytes;
    row->activation_bytes = cost.activation_bytes;
    row->params = cost.params;
    fr_cost_free(&cost);
    return CLI_DONE;
}

static int open_case(fr_context *context, const fr_model *model, bench_group *g, int64_t fold, bench_case *c) {
    const bench_request *r = g->request;
    fr_model_info *info = &c->row.model_info;
    fr_status status = fr_model_describe(model, info);
    if (status != FR_OK)
        return cli_failed(status);
    cli_folding folding = r->folding;
    bool as_it_is = fold == info->fold && folding.round.quantum <= 1;
    folding.fold = as_it_is ? 1 : fold; /* folding by 1 copies, also what is folded already */
    int code = cli_fold_model(model, &folding, &c->model);
    if (code != CLI_DONE)
        return code;
    status = fr_model_describe(c->model, info);
    if (status != FR_OK)
        return cli_failed(status);
    code = read_cost(c);
    if (code == CLI_DONE && !g->images)
        code = make_images(g, info, c->row.batch);
    if (code != CLI_DONE)
        return code;
    fr_session_options options = FR_OPTIONS(fr_session_options);
    options.device = r->device;
    options.precision = c->row.precision;
    options.exact = r->exact;
    options.memory_limit = r->memory_limit;
    options.kernels = r->kernels;
    options.bundles = r->bundles;
    options.schedule = r->schedule;
    options.plan = r->plan_text;
    options.tune_ms = (int32_t)(r->tune_budget * 1000);
    options.batch = (int32_t)c->row.batch;
    options.threads = (int32_t)r->threads;
    options.pin = r->pin;
    options.input_dtype = r->input_dtype;
    options.tuning = r->tuning;
    options.progress = cli_session_progress;
    options.progress_user = g->progress;
    status = fr_session_open(context, c->model, &options, &c->session);
    if (status != FR_OK)
        return cli_failed(status);
    c->scores = fr_alloc_array((size_t)c->row.batch, (size_t)info->classes * sizeof *c->scores);
    return c->scores ? first_run(c, &g->input) : out_of_memory();
}

/* ---- timing ---- */

static int time_run(bench_case *c, const fr_images *input, bool resident, double *out_ns) {
    uint64_t start = fr_clock_ns();
    fr_status status =
        resident ? fr_session_run_resident(c->session, input->count) : fr_session_run(c->session, input, c->scores);
    *out_ns = (double)(fr_clock_ns() - start);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

static int warm_up(bench_case *c, const fr_images *input, bool resident, double seconds) {
    double total = 0, ns;
    while (total < seconds * 1e9 && !cli_interrupted()) {
        int code = time_run(c, input, resident, &ns);
        if (code != CLI_DONE)
            return code;
        total += ns;
    }
    return CLI_DONE;
}

/* Up to its share of the whole time; at least one run while there are too few. */
static int time_slice(bench_case *c, const fr_images *input, bool resident, double until_ns) {
    bench_samples *samples = resident ? &c->resident : &c->with_copies;
    size_t before = samples->count;
    while (!cli_interrupted() &&
           (samples->total_ns < until_ns || (samples->count < LEAST_SAMPLES && samples->count == before))) {
        double ns;
        int code = time_run(c, input, resident, &ns);
        if (code == CLI_DONE && !bench_add_sample(samples, ns))
            code = out_of_memory();
        if (code != CLI_DONE)
            return code;
    }
    return CLI_DONE;
}

static int time_all(bench_group *g) {
    int code = CLI_DONE;
    double round_ns = g->request->duration * 1e9 / ROUNDS;
    for (size_t i = 0; i < g->n_cases && code == CLI_DONE; i++)
        code = warm_up(&g->cases[i], &g->input, g->request->no_transfers, g->request->warmup);
    for (int round = 1; round <= ROUNDS; round++) {
        for (size_t i = 0; i < g->n_cases && code == CLI_DONE; i++) {
            bench_case *c = &g->cases[i];
            cli_progress_say(g->progress, "%s, fold %d, batch %lld, %s: round %d of %d", c->row.model,
                             c->row.model_info.fold, (long long)c->row.batch, fr_precision_name(c->row.precision),
                             round, (int)ROUNDS);
            if (!g->request->no_transfers)
                code = time_slice(c, &g->input, false, round * round_ns);
            if (code == CLI_DONE)
                code = time_slice(c, &g->input, true, round * round_ns);
        }
    }
    return code;
}

static int time_layers(bench_case *c) {
    fr_status status = fr_session_time_layers(c->session, LAYERS_MS, &c->row.layers, &c->row.n_layers);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

/* Once for each precision; a device without a step that tells has no peak, and no percentage. */
static void measure_peak(fr_context *context, const bench_request *r, fr_precision precision, cli_progress *progress,
                         bench_peak *peak) {
    if (peak->known)
        return;
    peak->known = true;
    cli_progress_say(progress, "measuring the peak in %s", fr_precision_name(precision));
    fr_status status = fr_measure_peak(context, r->device, precision, (int32_t)r->threads, PEAK_MS, &peak->ops_per_s);
    peak->measured = status == FR_OK && peak->ops_per_s > 0;
    if (!peak->measured)
        snprintf(peak->why, sizeof peak->why, "%.255s", fr_error_message());
}

static int keep_row(bench_case *c, const bench_peak *peak, bench_result *result) {
    double ops_per_s = peak->measured ? peak->ops_per_s : 0;
    bench_row *row = &c->row;
    if (result->n_rows == result->capacity) {
        size_t capacity = result->capacity ? 2 * result->capacity : 16;
        bench_row *grown = fr_grow_array(result->rows, result->n_rows, capacity, sizeof *grown);
        if (!grown)
            return out_of_memory();
        result->rows = grown;
        result->capacity = capacity;
    }
    row->session = FR_OPTIONS(fr_session_info);
    fr_status status = fr_session_describe(c->session, &row->session);
    if (status != FR_OK)
        return cli_failed(status);
    row->with_copies = bench_figures_of(&c->with_copies, row->batch, row->ops_per_image, ops_per_s);
    row->resident = bench_figures_of(&c->resident, row->batch, row->ops_per_image, ops_per_s);
    result->rows[result->n_rows++] = *row;
    row->layers = NULL; /* the result has them now */
    return CLI_DONE;
}

static void free_case(bench_case *c) {
    fr_session_close(c->session);
    fr_model_free(c->model);
    fr_layers_free(c->row.layers);
    fr_free(c->with_copies.ns);
    fr_free(c->resident.ns);
    fr_free(c->scores);
}

int bench_measure_group(fr_context *context, const char *name, const fr_model *model, const bench_request *request,
                        fr_precision precision, int64_t batch, const cli_ints *folds, cli_progress *progress,
                        bench_result *result) {
    bench_group g = {.request = request, .progress = progress, .n_cases = folds->count};
    bench_peak *peak = &result->peaks[precision];
    int code = CLI_DONE;
    g.cases = fr_alloc_array(folds->count, sizeof *g.cases);
    if (!g.cases)
        return out_of_memory();
    for (size_t i = 0; i < folds->count && code == CLI_DONE && !cli_interrupted(); i++) {
        g.cases[i].row = (bench_row){.precision = precision, .batch = batch, .model_info = FR_OPTIONS(fr_model_info)};
        snprintf(g.cases[i].row.model, sizeof g.cases[i].row.model, "%s", name);
        code = open_case(context, model, &g, folds->at[i], &g.cases[i]);
    }
    if (code == CLI_DONE && !cli_interrupted())
        measure_peak(context, request, precision, progress, peak);
    if (code == CLI_DONE && !cli_interrupted())
        code = time_all(&g);
    bool timed = code == CLI_DONE && !cli_interrupted(); /* a round that was cut short would not be a fair one */
    for (size_t i = 0; i < g.n_cases && code == CLI_DONE && timed; i++) {
        if (request->layers && !cli_interrupted())
            code = time_layers(&g.cases[i]);
        if (code == CLI_DONE)
            code = keep_row(&g.cases[i], peak, result);
    }
    if (cli_interrupted())
        result->stopped = true;
    for (size_t i = 0; i < g.n_cases; i++)
        free_case(&g.cases[i]);
    fr_free(g.cases);
    fr_free(g.images);
    return code;
}
