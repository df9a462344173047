/* Writing a comparison's file: docs/compare.md. */
#include "cli/compare.h"
#include "cli/output.h"

const char *cmp_check_word(cmp_check check) {
    return check == CMP_RIGHT ? "right" : check == CMP_WRONG ? "wrong" : "unchecked";
}

/* What is empty or 0 is left out. */
static void put_text(fr_json_writer *w, const char *key, const char *text) {
    if (text[0])
        fr_json_string_member(w, key, text);
}

static void put_real(fr_json_writer *w, const char *key, double value) {
    if (value > 0)
        fr_json_number_member(w, key, value);
}

static void put_count(fr_json_writer *w, const char *key, int64_t value) {
    if (value > 0)
        fr_json_int_member(w, key, value);
}

static void put_by_precision(fr_json_writer *w, const char *key, const double values[FR_PRECISIONS]) {
    fr_json_key(w, key);
    fr_json_begin_object(w);
    for (int p = 0; p < FR_PRECISIONS; p++)
        put_real(w, fr_precision_name((fr_precision)p), values[p]);
    fr_json_end_object(w);
}

static void put_machine(fr_json_writer *w, const cmp_machine *machine) {
    fr_json_string_member(w, "id", machine->id);
    put_text(w, "name", machine->name);
    put_text(w, "cpu", machine->host.cpu);
    put_count(w, "cores", machine->host.cores);
    put_text(w, "os", machine->host.os);
    put_count(w, "memory_bytes", machine->host.memory_bytes);
}

static void put_device(fr_json_writer *w, const cmp_device *d) {
    fr_json_string_member(w, "machine", d->machine);
    fr_json_string_member(w, "id", d->id);
    put_text(w, "backend", d->backend);
    put_text(w, "title", d->title);
    put_text(w, "name", d->name);
    put_text(w, "driver", d->driver);
    put_text(w, "features", d->features);
    put_count(w, "units", d->units);
    put_count(w, "memory_bytes", d->memory_bytes);
    put_by_precision(w, "peak", d->peak);
    put_real(w, "bandwidth", d->bandwidth);
    put_by_precision(w, "quantum", d->staircase_quantum);
    put_text(w, "clocks", d->clocks);
    if (d->profile_root) {
        fr_json_key(w, "profile");
        fr_json_put_value(w, d->profile_root);
    }
}

static void put_visits(fr_json_writer *w, const cmp_row *row) {
    fr_json_key(w, "images_per_s");
    if (row->rate.median > 0 && !row->failed) {
        fr_json_begin_object(w);
        fr_json_number_member(w, "median", row->rate.median);
        fr_json_number_member(w, "low", row->rate.low);
        fr_json_number_member(w, "high", row->rate.high);
        fr_json_end_object(w);
    } else {
        fr_json_put_null(w);
    }
    fr_json_key(w, "visits");
    fr_json_begin_array(w);
    for (size_t i = 0; i < row->n_visits; i++) {
        fr_json_begin_object(w);
        fr_json_number_member(w, "images_per_s", row->visits[i].images_per_s);
        fr_json_number_member(w, "at_s", row->visits[i].at_s);
        fr_json_end_object(w);
    }
    fr_json_end_array(w);
}

static void put_layers(fr_json_writer *w, const cmp_row *row) {
    if (row->n_layers == 0)
        return;
    fr_json_key(w, "layers");
    fr_json_begin_array(w);
    for (size_t i = 0; i < row->n_layers; i++) {
        const cmp_layer *layer = &row->layers[i];
        fr_json_begin_object(w);
        put_text(w, "name", layer->name);
        put_text(w, "kernel", layer->kernel);
        put_real(w, "ns", layer->ns);
        put_real(w, "ops", layer->ops);
        put_real(w, "bytes", layer->bytes);
        fr_json_end_object(w);
    }
    fr_json_end_array(w);
}

static void put_row(fr_json_writer *w, const cmp_row *row) {
    fr_json_string_member(w, "machine", row->machine);
    fr_json_string_member(w, "device", row->device);
    fr_json_string_member(w, "engine", row->engine);
    put_text(w, "version", row->version);
    fr_json_string_member(w, "model", row->model);
    fr_json_int_member(w, "fold", row->fold);
    fr_json_string_member(w, "round", row->round);
    fr_json_int_member(w, "batch", row->batch);
    fr_json_string_member(w, "precision", row->precision);
    put_text(w, "schedule", row->schedule);
    fr_json_bool_member(w, "copies", row->copies);
    put_visits(w, row);
    put_count(w, "runs", row->runs);
    fr_json_string_member(w, "check", cmp_check_word(row->check));
    put_real(w, "max_error", row->max_error);
    fr_json_bool_member(w, "failed", row->failed);
    put_text(w, "reason", row->reason);
    put_real(w, "ops_per_image", row->ops_per_image);
    put_real(w, "planned_bytes", row->planned_bytes);
    put_real(w, "peak_bytes", row->peak_bytes);
    put_real(w, "weight_bytes", row->weight_bytes);
    put_real(w, "open_ms", row->open_ms);
    put_real(w, "first_ms", row->first_ms);
    put_layers(w, row);
    put_text(w, "command", row->command);
}

/* Each item of a list on a line of its own, so that lines can be compared and searched. */
static void begin_line(fr_json_writer *w, int *out_indent) {
    fr_json_begin_object(w);
    *out_indent = w->indent;
    w->indent = 0;
}

static void end_line(fr_json_writer *w, int indent) {
    fr_json_end_object(w);
    w->indent = indent;
}

static void begin_list(fr_json_writer *w, const char *key) {
    fr_json_key(w, key);
    fr_json_begin_array(w);
}

void cmp_set_put(const cmp_set *set, fr_json_writer *w) {
    int indent;
    fr_json_begin_object(w);
    fr_json_int_member(w, "format", CMP_FORMAT);
    fr_json_string_member(w, "what", CMP_KIND);
    fr_json_string_member(w, "foldrun", fr_version());
    fr_json_string_member(w, "command", set->command);
    fr_json_number_member(w, "seconds", set->seconds);
    fr_json_bool_member(w, "interrupted", set->interrupted);
    begin_list(w, "machines");
    for (size_t i = 0; i < set->n_machines; i++) {
        begin_line(w, &indent);
        put_machine(w, &set->machines[i]);
        end_line(w, indent);
    }
    fr_json_end_array(w);
    begin_list(w, "devices");
    for (size_t i = 0; i < set->n_devices; i++) {
        begin_line(w, &indent);
        put_device(w, &set->devices[i]);
        end_line(w, indent);
    }
    fr_json_end_array(w);
    begin_list(w, "rows");
    for (size_t i = 0; i < set->n_rows; i++) {
        begin_line(w, &indent);
        put_row(w, &set->rows[i]);
        end_line(w, indent);
    }
    fr_json_end_array(w);
    fr_json_end_object(w);
}

int cmp_set_write(const char *path, const cmp_set *set) {
    fr_json_writer w = {.indent = 2};
    cmp_set_put(set, &w);
    return cli_write_json(path, &w);
}
