/* One visit to a configuration: a session is opened, warmed up, timed, judged and closed again. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/bench.h"
#include "cli/compare_run.h"

enum { LEAST_RUNS = 3 };

typedef struct visit {
    cmp_run *run;
    cmp_config *config;
    fr_model *model;
    fr_model_info info;
    fr_session *session;
    fr_session_info about;
    const cmp_answers *answers;
    fr_images images;
    uint8_t *pixels;
    float *scores;
    bench_samples samples;
    double first_ms, error;
    bool is_wrong;
} visit;

fr_status cmp_told(cmp_run *run, fr_status status) {
    if (status != FR_OK)
        cmp_copy_text(run->why, sizeof run->why, fr_error_message());
    return status;
}

static fr_status out_of_memory(cmp_run *run) {
    snprintf(run->why, sizeof run->why, "out of memory for the images and answers of a batch");
    return FR_NO_MEMORY;
}

/* ---- opening ---- */

static fr_status fold_model(visit *v) {
    const cmp_model *m = &v->run->models[v->config->model];
    const cli_round *round = &v->run->request->round;
    bool as_it_is = v->config->fold == m->info.fold && round->quantum <= 1;
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    options.fold = as_it_is ? 1 : v->config->fold; /* folding by 1 copies, also what is folded already */
    options.round = round->round;
    options.quantum = round->quantum;
    fr_status status = fr_model_fold(m->model, &options, &v->model);
    v->info = FR_OPTIONS(fr_model_info);
    return cmp_told(v->run, status == FR_OK ? fr_model_describe(v->model, &v->info) : status);
}

static fr_status open_session(visit *v) {
    cmp_run *run = v->run;
    const cmp_request *r = run->request;
    fr_session_options options = FR_OPTIONS(fr_session_options);
    options.device = run->targets[v->config->target].entry->id;
    options.precision = v->config->precision;
    options.batch = (int32_t)v->config->batch;
    options.input_dtype = FR_U8;
    options.schedule = r->schedule;
    options.tuning = FR_TUNING_CACHED;
    options.tune_ms = r->tune_s > 0.001 ? (int32_t)(r->tune_s * 1000) : 1; /* 0 would be the library's choice */
    options.plan = v->config->plan; /* the same kernels at every visit, also where nothing is cached */
    options.progress = cmp_say;
    options.progress_user = run;
    fr_status status = fr_session_open(run->context, v->model, &options, &v->session);
    v->about = FR_OPTIONS(fr_session_info);
    return cmp_told(run, status == FR_OK ? fr_session_describe(v->session, &v->about) : status);
}

static void end_visit(visit *v) {
    fr_session_close(v->session);
    fr_model_free(v->model);
    fr_free(v->pixels);
    fr_free(v->scores);
    fr_free(v->samples.ns);
}

fr_status cmp_make_ready(cmp_run *run, cmp_config *config) {
    visit v = {.run = run, .config = config};
    fr_status status = fold_model(&v);
    if (status == FR_OK)
        status = open_session(&v);
    if (status == FR_OK)
        status = cmp_told(run, fr_session_plan_text(v.session, &config->plan));
    end_visit(&v);
    return status;
}

/* ---- running ---- */

/* A batch of the images that the reference has answered, again and again. */
static fr_status make_batch(visit *v) {
    int64_t batch = v->config->batch;
    size_t bytes;
    v->answers = cmp_answers_of(v->run, v->config, v->model, &v->info);
    if (!v->answers)
        return FR_NO_MEMORY;
    if (v->answers->status != FR_OK) { /* a figure whose answers nobody has checked is none */
        snprintf(v->run->why, sizeof v->run->why, "%s", v->answers->why);
        return v->answers->status;
    }
    if (!fr_size_mul((size_t)batch, v->answers->image_bytes, &bytes) || !(v->pixels = fr_alloc(bytes)))
        return out_of_memory(v->run);
    v->scores = fr_alloc_array((size_t)batch, (size_t)v->info.classes * sizeof *v->scores);
    if (!v->scores)
        return out_of_memory(v->run);
    for (int64_t i = 0; i < batch; i += v->answers->images) {
        int64_t left = batch - i, count = left < v->answers->images ? left : v->answers->images;
        memcpy(v->pixels + (size_t)i * v->answers->image_bytes, v->answers->pixels,
               (size_t)count * v->answers->image_bytes);
    }
    v->images = (fr_images){.data = v->pixels, .dtype = FR_U8, .count = batch};
    return FR_OK;
}

/* What a run does not write is no answer. */
static void forget_scores(visit *v) {
    size_t count = (size_t)v->config->batch * (size_t)v->info.classes;
    for (size_t i = 0; i < count; i++)
        v->scores[i] = NAN;
}

static fr_status run_once(visit *v, double *out_ns) {
    uint64_t start = fr_clock_ns();
    fr_status status = fr_session_run(v->session, &v->images, v->scores);
    *out_ns = (double)(fr_clock_ns() - start);
    if (status == FR_OK && cli_interrupted())
        return FR_CANCELLED;
    return cmp_told(v->run, status);
}

/* FR_INTERNAL when they are wrong; v->error has by how much. */
static fr_status judge(visit *v) {
    double error, limit = cmp_tolerance(v->config->precision);
    if (!v->answers->scores)
        return FR_OK;
    error = cmp_error_of(v->answers, v->scores, v->config->batch);
    v->error = error <= v->error ? v->error : error;
    if (error <= limit)
        return FR_OK;
    v->is_wrong = true;
    if (isnan(error))
        snprintf(v->run->why, sizeof v->run->why, "wrong answers: some are no numbers");
    else
        snprintf(v->run->why, sizeof v->run->why,
                 "wrong answers: up to %.3g%% of the largest away from the reference's, where %.3g%% is right in %s",
                 100 * error, 100 * limit, fr_precision_name(v->config->precision));
    return FR_INTERNAL;
}

static fr_status first_run(visit *v) {
    double ns;
    forget_scores(v);
    fr_status status = run_once(v, &ns);
    v->first_ms = ns / 1e6;
    return status == FR_OK ? judge(v) : status;
}

/* A quarter of a slice; a run that is longer than a slice has warmed up by its first. */
static fr_status warm_up(visit *v) {
    double slice_ns = v->run->request->slice_s * 1e9, total = 0, ns;
    fr_status status = FR_OK;
    if (v->first_ms * 1e6 > slice_ns)
        return FR_OK;
    do {
        status = run_once(v, &ns);
        total += ns;
    } while (status == FR_OK && total < slice_ns / 4);
    return status;
}

/* For a slice, and for a few runs where they are not too long for that. */
static fr_status timed_runs(visit *v) {
    bench_samples *s = &v->samples;
    double slice_ns = v->run->request->slice_s * 1e9, ns;
    forget_scores(v);
    do {
        fr_status status = run_once(v, &ns);
        if (status != FR_OK)
            return status;
        if (!bench_add_sample(s, ns))
            return out_of_memory(v->run);
    } while (s->total_ns < slice_ns || (s->count < LEAST_RUNS && s->total_ns < LEAST_RUNS * slice_ns));
    cmp_clocks_look(&v->run->clocks);
    return judge(v);
}

/* ---- the row ---- */

static fr_status read_cost(const visit *v, cmp_row *row) {
    fr_cost cost;
    fr_status status = fr_model_cost(v->model, v->config->batch, cli_precision_bytes(v->config->precision), 0, &cost);
    if (status != FR_OK)
        return cmp_told(v->run, status);
    row->ops_per_image = cost.ops_per_image;
    fr_cost_free(&cost);
    return FR_OK;
}

/* Once for a row, when it has its figure: it takes a while. A figure does not need them. */
static fr_status add_layers(visit *v, cmp_row *row) {
    const fr_device_facts *facts = &v->run->targets[v->config->target].entry->facts;
    int32_t lanes = facts->kind == FR_DEVICE_CPU && v->about.lanes > 1 ? v->about.lanes : 1;
    cmp_layer *layers;
    size_t count;
    if (!v->run->request->layers || row->n_layers > 0 || row->n_visits + 1 < CMP_LEAST_VISITS)
        return FR_OK;
    fr_status status = cmp_time_layers(v->session, v->model, v->config, lanes, &layers, &count);
    if (status != FR_OK)
        return status == FR_DEVICE_LOST ? cmp_told(v->run, status) : FR_OK;
    fr_free(row->layers);
    row->layers = layers;
    row->n_layers = count;
    return FR_OK;
}

static fr_status keep(visit *v) {
    cmp_run *run = v->run;
    cmp_row *row = cmp_row_of(run, v->config);
    size_t runs = v->samples.count;
    if (!row)
        return out_of_memory(run);
    fr_status status = read_cost(v, row);
    if (status == FR_OK)
        status = cmp_told(run, fr_session_describe(v->session, &v->about)); /* the peak is known now */
    if (status == FR_OK)
        status = add_layers(v, row);
    if (status != FR_OK)
        return status;
    bench_figures figures = bench_figures_of(&v->samples, row->batch, row->ops_per_image, 0);
    row->failed = false;
    row->reason[0] = '\0';
    row->planned_bytes = (double)v->about.planned_bytes;
    row->weight_bytes = (double)v->about.weight_bytes;
    row->peak_bytes = (double)v->about.peak_bytes;
    row->open_ms = (double)v->about.open_ns / 1e6;
    row->first_ms = v->first_ms;
    if (v->answers->scores) {
        row->check = CMP_RIGHT;
        row->max_error = fmax(row->max_error, v->error);
    }
    if (!cmp_row_visit(row, figures.images_per_s.median, run->seconds_before + cmp_elapsed(run)))
        return out_of_memory(run);
    row->runs += (int64_t)runs;
    return FR_OK;
}

/* By the row's check a wrong answer is told apart from other failures. */
static void note_wrong(visit *v) {
    cmp_row *row = cmp_row_of(v->run, v->config);
    if (!row)
        return;
    row->check = CMP_WRONG;
    row->max_error = isfinite(v->error) ? v->error : 0;
}

/* What another call found wrong is judged afresh. */
static void forget_verdict(const cmp_run *run, const cmp_config *config) {
    cmp_row *row = config->row >= 0 ? &run->set->rows[config->row] : NULL;
    if (row && row->failed) {
        row->check = CMP_UNCHECKED;
        row->max_error = 0;
    }
}

fr_status cmp_visit_once(cmp_run *run, cmp_config *config) {
    visit v = {.run = run, .config = config};
    forget_verdict(run, config);
    fr_status status = fold_model(&v);
    if (status == FR_OK)
        status = make_batch(&v);
    if (status == FR_OK)
        status = open_session(&v);
    if (status == FR_OK)
        status = first_run(&v);
    if (status == FR_OK)
        status = warm_up(&v);
    if (status == FR_OK)
        status = timed_runs(&v);
    if (status == FR_OK)
        status = keep(&v);
    if (v.is_wrong)
        note_wrong(&v);
    end_visit(&v);
    return status;
}
