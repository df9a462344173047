#include "cli/bench.h"
#include "cli/host.h"
#include "cli/table.h"

/* ---- text ---- */

static void speed_cells(cli_table *table, const bench_figures *f) {
    if (!f->have) {
        cli_table_cell(table, "-");
        cli_table_cell(table, "-");
        return;
    }
    cli_table_cell(table, "%s", cli_real(f->images_per_s.median).text);
    cli_table_cell(table, "%s-%s", cli_real(f->images_per_s.p5).text, cli_real(f->images_per_s.p95).text);
}

static void name_cells(cli_table *table, const bench_row *row) {
    cli_table_cell(table, "%s", row->model);
    cli_table_cell(table, "%d", row->model_info.fold);
    cli_table_cell(table, "%s", fr_precision_name(row->precision));
    cli_table_cell(table, "%s", cli_integer(row->batch).text);
}

static void speed_table(const bench_result *result, fr_text *out) {
    static const char *const head[] = {"MODEL",  "FOLD",      "PRECISION", "BATCH",        "IMAGES/S",
                                       "P5-P95", "NO COPIES", "P5-P95",    "BATCH MS P50", "P90",
                                       "P95",    "P99",       "GFLOP/S",   "% PEAK"};
    cli_table table = {.columns = "lrlrrrrrrrrrrr"};
    cli_table_cells(&table, head);
    for (size_t i = 0; i < result->n_rows; i++) {
        const bench_row *row = &result->rows[i];
        const bench_figures *f = bench_main_figures(row);
        name_cells(&table, row);
        speed_cells(&table, &row->with_copies);
        speed_cells(&table, &row->resident);
        cli_table_cell(&table, "%s", cli_real(f->latency_ms.p50).text);
        cli_table_cell(&table, "%s", cli_real(f->latency_ms.p90).text);
        cli_table_cell(&table, "%s", cli_real(f->latency_ms.p95).text);
        cli_table_cell(&table, "%s", cli_real(f->latency_ms.p99).text);
        cli_table_cell(&table, "%s", cli_real(f->gflops).text);
        if (f->percent_of_peak >= 0)
            cli_table_cell(&table, "%.1f", f->percent_of_peak);
        else
            cli_table_cell(&table, "-");
    }
    cli_table_print(&table, out);
}

static void plan_table(const bench_result *result, fr_text *out) {
    static const char *const head[] = {"MODEL",    "FOLD",    "PRECISION", "BATCH", "OPEN MS",
                                       "FIRST MS", "PLANNED", "WEIGHTS",   "PEAK",  "SCHEDULE"};
    cli_table table = {.columns = "lrlrrrrrrl"};
    cli_table_cells(&table, head);
    for (size_t i = 0; i < result->n_rows; i++) {
        const bench_row *row = &result->rows[i];
        name_cells(&table, row);
        cli_table_cell(&table, "%s", cli_real((double)row->session.open_ns / 1e6).text);
        cli_table_cell(&table, "%s", cli_real(row->first_run_ms).text);
        cli_table_cell(&table, "%s", cli_bytes((double)row->session.planned_bytes).text);
        cli_table_cell(&table, "%s", cli_bytes((double)row->session.weight_bytes).text);
        cli_table_cell(&table, "%s", cli_bytes((double)row->session.peak_bytes).text);
        cli_table_cell(&table, "%s", row->session.schedule);
    }
    cli_table_print(&table, out);
}

static void layer_table(const bench_row *row, fr_text *out) {
    static const char *const head[] = {"LAYER", "KERNEL", "GROUP", "NS/IMAGE", "GFLOP/S", "OPERATIONS"};
    cli_table table = {.columns = "llrrrr"};
    double total = 0;
    cli_table_cells(&table, head);
    for (size_t i = 0; i < row->n_layers; i++) {
        const fr_layer_time *l = &row->layers[i];
        total += l->ns_per_image;
        cli_table_cell(&table, "%s", l->name);
        cli_table_cell(&table, "%s", l->candidate);
        cli_table_cell(&table, "%d", l->group);
        cli_table_cell(&table, "%s", cli_real(l->ns_per_image).text);
        cli_table_cell(&table, "%s", l->gflops > 0 ? cli_real(l->gflops).text : "-");
        cli_table_cell(&table, "%s", cli_integer(l->ops_per_input).text);
    }
    fr_text_add(out, "\n%s, fold %d, %s, batch %s, layer by layer on one lane (%s ns an image in all):\n", row->model,
                row->model_info.fold, fr_precision_name(row->precision), cli_integer(row->batch).text,
                cli_real(total).text);
    cli_table_print(&table, out);
}

void bench_tables(const bench_result *result, fr_text *out) {
    const fr_device_entry *d = &result->device;
    fr_text_add(out, "%s: %s, %s\n", d->id, d->facts.name, d->title);
    for (int p = 0; p < 8; p++) {
        const bench_peak *peak = &result->peaks[p];
        if (peak->measured)
            fr_text_add(out, "peak in %s: %s GFLOP/s\n", fr_precision_name((fr_precision)p),
                        cli_real(peak->ops_per_s / 1e9).text);
        else if (peak->known)
            fr_text_add(out, "peak in %s: not measured (%s)\n", fr_precision_name((fr_precision)p), peak->why);
    }
    fr_text_add(out, "\n");
    speed_table(result, out);
    fr_text_add(out, "%s",
                result->n_rows > 0 && result->rows[0].with_copies.have
                    ? "images/s: with transfers, from the host's memory to answers in it; no copies: without "
                      "transfers, on images that lie on the device\n\n"
                    : "no copies: without transfers, on images that lie on the device\n\n");
    plan_table(result, out);
    for (size_t i = 0; i < result->n_rows; i++)
        if (result->rows[i].n_layers > 0)
            layer_table(&result->rows[i], out);
}

/* ---- JSON ---- */

static void put_spread(fr_json_writer *w, const bench_figures *f) {
    fr_json_key(w, "images_per_s");
    fr_json_begin_object(w);
    fr_json_number_member(w, "median", f->images_per_s.median);
    fr_json_number_member(w, "p5", f->images_per_s.p5);
    fr_json_number_member(w, "p95", f->images_per_s.p95);
    fr_json_end_object(w);
    fr_json_key(w, "latency_ms");
    fr_json_begin_object(w);
    fr_json_number_member(w, "p50", f->latency_ms.p50);
    fr_json_number_member(w, "p90", f->latency_ms.p90);
    fr_json_number_member(w, "p95", f->latency_ms.p95);
    fr_json_number_member(w, "p99", f->latency_ms.p99);
    fr_json_end_object(w);
    fr_json_int_member(w, "repeats", (int64_t)f->repeats);
    fr_json_number_member(w, "gflops", f->gflops);
    fr_json_key(w, "percent_of_peak");
    if (f->percent_of_peak >= 0)
        fr_json_put_number(w, f->percent_of_peak);
    else
        fr_json_put_null(w);
}

static void put_layers(fr_json_writer *w, const bench_row *row) {
    fr_json_key(w, "layers");
    fr_json_begin_array(w);
    for (size_t i = 0; i < row->n_layers; i++) {
        const fr_layer_time *l = &row->layers[i];
        fr_json_begin_object(w);
        fr_json_string_member(w, "name", l->name);
        fr_json_string_member(w, "kernel", l->candidate);
        fr_json_int_member(w, "group", l->group);
        fr_json_number_member(w, "ns_per_image", l->ns_per_image);
        fr_json_number_member(w, "gflops", l->gflops);
        fr_json_int_member(w, "ops_per_input", l->ops_per_input);
        fr_json_end_object(w);
    }
    fr_json_end_array(w);
}

/* The pair in plain words: images a second with the images coming from the host's memory and the answers going back to it,
 * and on images that lie on the device. */
static void put_transfers(fr_json_writer *w, const bench_row *row) {
    fr_json_key(w, "images_per_s_with_transfers");
    if (row->with_copies.have)
        fr_json_put_number(w, row->with_copies.images_per_s.median);
    else
        fr_json_put_null(w);
    fr_json_number_member(w, "images_per_s_without_transfers", row->resident.images_per_s.median);
}

static void put_row(fr_json_writer *w, const bench_result *result, const bench_row *row) {
    const fr_session_info *s = &row->session;
    fr_json_begin_object(w);
    fr_json_string_member(w, "model", row->model);
    fr_json_int_member(w, "fold", row->model_info.fold);
    fr_json_int_member(w, "batch", row->batch);
    fr_json_string_member(w, "precision", fr_precision_name(row->precision));
    fr_json_string_member(w, "device", s->device);
    fr_json_bool_member(w, "copies", row->with_copies.have);
    put_spread(w, bench_main_figures(row));
    fr_json_key(w, "resident");
    fr_json_begin_object(w);
    put_spread(w, &row->resident);
    fr_json_end_object(w);
    put_transfers(w, row);
    bench_speedup speedup;
    bool has_base = bench_speedup_of(result, row, &speedup);
    fr_json_key(w, "speedup");
    if (has_base) {
        fr_json_begin_object(w);
        fr_json_number_member(w, "over_fold_1", speedup.factor);
        fr_json_bool_member(w, "spreads_overlap", !speedup.differs);
        fr_json_end_object(w);
    } else {
        fr_json_put_null(w);
    }
    fr_json_number_member(w, "ops_per_image", row->ops_per_image);
    fr_json_int_member(w, "params", row->params);
    fr_json_number_member(w, "arithmetic_intensity", row->arithmetic_intensity);
    fr_json_number_member(w, "traffic_weight_bytes", row->weight_bytes);
    fr_json_number_member(w, "traffic_activation_bytes", row->activation_bytes);
    fr_json_int_member(w, "planned_bytes", (int64_t)s->planned_bytes);
    fr_json_int_member(w, "weight_bytes", (int64_t)s->weight_bytes);
    fr_json_int_member(w, "peak_bytes", (int64_t)s->peak_bytes);
    fr_json_number_member(w, "open_ms", (double)s->open_ns / 1e6);
    fr_json_number_member(w, "tune_ms", (double)s->tune_ns / 1e6);
    fr_json_number_member(w, "first_run_ms", row->first_run_ms);
    fr_json_bool_member(w, "tuned", s->tuned);
    fr_json_bool_member(w, "from_cache", s->from_cache);
    fr_json_int_member(w, "lanes", s->lanes);
    fr_json_int_member(w, "lane_threads", s->lane_threads);
    fr_json_int_member(w, "pinned_lanes", s->pinned_lanes);
    fr_json_string_member(w, "schedule", s->schedule);
    fr_json_string_member(w, "schedule_kind", fr_schedule_name(s->plan_schedule));
    fr_json_bool_member(w, "plan_refused", s->plan_refused);
    if (row->n_layers > 0)
        put_layers(w, row);
    fr_json_end_object(w);
}

static void put_host(fr_json_writer *w) {
    cli_host host = cli_read_host();
    fr_json_key(w, "host");
    fr_json_begin_object(w);
    fr_json_string_member(w, "cpu", host.cpu);
    fr_json_int_member(w, "cores", host.cores);
    fr_json_string_member(w, "os", host.os);
    fr_json_int_member(w, "memory_bytes", host.memory_bytes);
    fr_json_end_object(w);
}

static void put_device(fr_json_writer *w, const bench_result *result) {
    const fr_device_entry *d = &result->device;
    fr_json_key(w, "device");
    fr_json_begin_object(w);
    fr_json_string_member(w, "id", d->id);
    fr_json_string_member(w, "backend", d->backend);
    fr_json_string_member(w, "title", d->title);
    fr_json_string_member(w, "name", d->facts.name);
    fr_json_string_member(w, "driver", d->facts.driver);
    fr_json_string_member(w, "features", d->facts.features);
    fr_json_int_member(w, "units", d->facts.units);
    fr_json_int_member(w, "memory_bytes", (int64_t)d->facts.memory_bytes);
    fr_json_key(w, "peak_gflops");
    fr_json_begin_object(w);
    for (int p = 0; p < 8; p++)
        if (result->peaks[p].measured)
            fr_json_number_member(w, fr_precision_name((fr_precision)p), result->peaks[p].ops_per_s / 1e9);
    fr_json_end_object(w);
    fr_json_end_object(w);
}

void bench_json(const bench_request *request, const bench_result *result, fr_json_writer *w) {
    w->indent = 2;
    fr_json_begin_object(w);
    fr_json_string_member(w, "version", fr_version());
    fr_json_string_member(w, "command", cli_command_line());
    put_host(w);
    put_device(w, result);
    fr_json_number_member(w, "duration_s", request->duration);
    fr_json_number_member(w, "warmup_s", request->warmup);
    fr_json_string_member(w, "input_dtype", fr_dtype_name(request->input_dtype));
    fr_json_bool_member(w, "exact", request->exact);
    if (request->kernels)
        fr_json_string_member(w, "kernels", request->kernels);
    fr_json_string_member(w, "bundles", request->bundles_word ? request->bundles_word : "auto");
    fr_json_int_member(w, "threads", request->threads);
    fr_json_string_member(w, "pin", fr_pinning_name(request->pin));
    fr_json_string_member(w, "plan", request->plan);
    fr_json_bool_member(w, "interrupted", result->stopped);
    fr_json_key(w, "results");
    fr_json_begin_array(w);
    for (size_t i = 0; i < result->n_rows; i++)
        put_row(w, result, &result->rows[i]);
    fr_json_end_array(w);
    fr_json_key(w, "verdict");
    fr_json_begin_array(w);
    for (size_t i = 0; i < result->n_rows; i++) {
        fr_text text = {0};
        bench_verdict(result, i, &text);
        if (text.data)
            fr_json_put_string(w, text.data);
        w->text.failed |= text.failed;
        fr_text_free(&text);
    }
    fr_json_end_array(w);
    fr_json_end_object(w);
}
