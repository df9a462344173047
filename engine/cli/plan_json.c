#include "cli/plan_file.h"

#include <string.h>

static void put_number_or_null(fr_json_writer *w, const char *key, double value, bool known) {
    fr_json_key(w, key);
    if (known)
        fr_json_put_number(w, value);
    else
        fr_json_put_null(w);
}

static void put_speed(const fr_plan_row *row, fr_json_writer *w) {
    fr_json_key(w, "predicted");
    fr_json_begin_object(w);
    fr_json_number_member(w, "images_per_s", row->predicted);
    fr_json_number_member(w, "ms", row->predicted_ms);
    fr_json_int_member(w, "bytes", (int64_t)row->predicted_bytes);
    fr_json_int_member(w, "guessed_steps", row->guessed_steps);
    fr_json_int_member(w, "steps", row->n_steps);
    fr_json_end_object(w);
    fr_json_key(w, "measured");
    if (!(row->measured > 0)) {
        fr_json_put_null(w);
        return;
    }
    fr_json_begin_object(w);
    fr_json_number_member(w, "images_per_s", row->measured);
    fr_json_number_member(w, "low", row->measured_low);
    fr_json_number_member(w, "high", row->measured_high);
    fr_json_number_member(w, "ms", row->measured_ms);
    fr_json_int_member(w, "bytes", (int64_t)row->measured_bytes);
    fr_json_end_object(w);
}

void cli_plan_put_row(const cli_planned *plan, const fr_plan_row *row, bool alternative, fr_json_writer *w) {
    fr_json_begin_object(w);
    fr_json_int_member(w, "row", row - plan->result.rows + 1);
    fr_json_string_member(w, "label", row->label);
    fr_json_int_member(w, "fold", row->fold);
    fr_json_string_member(w, "round", fr_round_name(row->round));
    fr_json_int_member(w, "quantum", row->quantum);
    fr_json_string_member(w, "precision", fr_precision_name(row->precision));
    fr_json_string_member(w, "schedule", fr_schedule_name(row->schedule));
    fr_json_int_member(w, "batch", row->batch);
    put_speed(row, w);
    put_number_or_null(w, "accuracy", row->accuracy, row->accuracy >= 0);
    fr_json_bool_member(w, "trained", row->trained);
    if (alternative) {
        fr_json_string_member(w, "broken", row->broken);
        fr_json_string_member(w, "why", row->why[0] ? row->why : NULL);
        fr_json_number_member(w, "distance", cli_plan_distance(&plan->result, row));
    }
    fr_json_end_object(w);
}

void cli_plan_put_options(const fr_plan_options *o, fr_json_writer *w) {
    fr_json_key(w, "options");
    fr_json_begin_object(w);
    fr_json_string_member(w, "profile", o->profile);
    put_number_or_null(w, "max_latency_ms", o->max_latency_ms, o->max_latency_ms > 0);
    put_number_or_null(w, "max_memory_bytes", (double)o->max_memory, o->max_memory > 0);
    put_number_or_null(w, "max_drop", o->max_drop, o->has_max_drop);
    fr_json_int_member(w, "threads", o->threads);
    fr_json_string_member(w, "pin", fr_pinning_name(o->pin));
    fr_json_bool_member(w, "exact", o->exact);
    fr_json_end_object(w);
}

void cli_put_lines(fr_json_writer *w, const char *key, const char *lines) {
    const char *at;
    size_t length;
    fr_json_key(w, key);
    fr_json_begin_array(w);
    while (fr_next_line(&lines, &at, &length)) {
        fr_text line = {0};
        fr_text_add_bytes(&line, at, length);
        if (length > 0 && line.data)
            fr_json_put_string(w, line.data);
        w->text.failed |= line.failed;
        fr_text_free(&line);
    }
    fr_json_end_array(w);
}

void cli_plan_put_members(const cli_planned *plan, fr_json_writer *w) {
    const fr_plan_result *r = &plan->result;
    const fr_plan_row *choice = cli_plan_choice(r);
    fr_json_string_member(w, "version", fr_version());
    fr_json_string_member(w, "model", plan->model);
    fr_json_string_member(w, "device", r->device);
    fr_json_string_member(w, "name", r->name);
    fr_json_string_member(w, "driver", r->driver);
    fr_json_string_member(w, "profile", r->profile);
    fr_json_bool_member(w, "quick_profile", r->quick_profile);
    fr_json_bool_member(w, "stale_profile", r->stale_profile);
    fr_json_bool_member(w, "from_cache", r->from_cache);
    fr_json_bool_member(w, "drop_unjudged", r->drop_unjudged);
    put_number_or_null(w, "plain_accuracy", r->plain_accuracy, r->plain_accuracy >= 0);
    cli_plan_put_options(&plan->options, w);
    fr_json_key(w, "choice");
    if (choice)
        cli_plan_put_row(plan, choice, false, w);
    else
        fr_json_put_null(w);
    fr_json_key(w, "alternatives");
    fr_json_begin_array(w);
    for (size_t i = 0; i < r->n_rows; i++)
        if (&r->rows[i] != choice)
            cli_plan_put_row(plan, &r->rows[i], true, w);
    fr_json_end_array(w);
    cli_put_lines(w, "notes", r->notes);
    fr_json_number_member(w, "choose_ms", r->choose_ms);
    fr_json_number_member(w, "measure_s", r->measure_s);
}

void cli_plan_put(const cli_planned *plan, fr_json_writer *w) {
    fr_json_begin_object(w);
    cli_plan_put_members(plan, w);
    fr_json_end_object(w);
}
