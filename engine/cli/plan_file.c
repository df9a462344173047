#include "cli/plan_file.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"

enum { FILE_LIMIT = 64 << 20 };

/* ---- writing ---- */

static fr_status put_kernels(const char *kernels, fr_json_writer *w) {
    fr_json_doc *doc;
    fr_json_key(w, "kernels");
    if (!kernels) {
        fr_json_put_null(w);
        return FR_OK;
    }
    FR_TRY(fr_json_parse(kernels, strlen(kernels), &doc));
    fr_json_put_value(w, fr_json_root(doc));
    fr_json_free(doc);
    return FR_OK;
}

int cli_plan_save(const cli_planned *plan, cli_output *file) {
    fr_json_writer w = {.indent = 2};
    fr_json_begin_object(&w);
    fr_json_int_member(&w, "format", CLI_PLAN_FORMAT);
    cli_plan_put_members(plan, &w);
    fr_status status = put_kernels(plan->result.kernels, &w);
    fr_json_end_object(&w);
    if (status == FR_OK)
        return cli_share_json(file, false, &w);
    fr_text_free(&w.text);
    return cli_failed_here(status);
}

/* ---- reading ---- */

static fr_status bad(const char *what) {
    return fr_fail(FR_INVALID, "%s", what);
}

static bool copy(char *out, size_t bytes, const char *text) {
    int length = snprintf(out, bytes, "%s", text);
    return length >= 0 && (size_t)length < bytes;
}

/* A whole number within [low, high], as a plan has them; low - 1 when it is none. */
static int64_t whole(const fr_json *object, const char *key, int64_t low, int64_t high) {
    double value = fr_json_number(object, key, (double)low - 1);
    return value >= (double)low && value <= (double)high && value - floor(value) <= 0 ? (int64_t)value : low - 1;
}

/* 0 where there is none. */
static int64_t count_of(const fr_json *object, const char *key, int64_t high) {
    int64_t value = whole(object, key, 0, high);
    return value > 0 ? value : 0;
}

static bool round_from_word(const char *word, fr_round *out) {
    for (int round = FR_ROUND_FLOOR; round <= FR_ROUND_NEAREST; round++) {
        *out = (fr_round)round;
        if (strcmp(word, fr_round_name(*out)) == 0)
            return true;
    }
    return false;
}

static void read_speed(const fr_json *from, fr_plan_row *row) {
    const fr_json *predicted = fr_json_get(from, "predicted"), *measured = fr_json_get(from, "measured");
    row->predicted = fr_json_number(predicted, "images_per_s", 0);
    row->predicted_ms = fr_json_number(predicted, "ms", 0);
    row->predicted_bytes = (uint64_t)count_of(predicted, "bytes", 1LL << 52);
    row->guessed_steps = (int32_t)count_of(predicted, "guessed_steps", 1 << 20);
    row->n_steps = (int32_t)count_of(predicted, "steps", 1 << 20);
    row->measured = fr_json_number(measured, "images_per_s", 0);
    row->measured_low = fr_json_number(measured, "low", 0);
    row->measured_high = fr_json_number(measured, "high", 0);
    row->measured_ms = fr_json_number(measured, "ms", 0);
    row->measured_bytes = (uint64_t)count_of(measured, "bytes", 1LL << 52);
}

static fr_status read_row(const fr_json *from, fr_plan_row *row) {
    static const char *const limits[] = {"latency", "memory", "accuracy"};
    const char *broken = fr_json_string(from, "broken", NULL);
    const char *label = fr_json_string(from, "label", "");
    row->fold = (int32_t)whole(from, "fold", 1, CLI_FOLD_MAX);
    row->quantum = (int32_t)whole(from, "quantum", 0, 65536);
    row->batch = whole(from, "batch", 1, 1 << 24);
    if (label[0] == '\0' || !copy(row->label, sizeof row->label, label))
        return bad("a row has no label");
    if (row->fold < 1 || row->quantum < 0 || row->batch < 1)
        return bad("a row's fold, quantum or batch is no number that can be");
    if (!round_from_word(fr_json_string(from, "round", ""), &row->round))
        return bad("a row's rounding is not known");
    if (!fr_precision_from_name(fr_json_string(from, "precision", ""), &row->precision))
        return bad("a row's precision is not known");
    if (!fr_schedule_from_name(fr_json_string(from, "schedule", ""), &row->schedule))
        return bad("a row's schedule is not known");
    read_speed(from, row);
    row->accuracy = fr_json_number(from, "accuracy", -1);
    row->trained = fr_json_bool(from, "trained", false);
    for (size_t i = 0; broken && i < sizeof limits / sizeof limits[0]; i++)
        if (strcmp(broken, limits[i]) == 0)
            row->broken = limits[i];
    (void)copy(row->why, sizeof row->why, fr_json_string(from, "why", ""));
    return FR_OK;
}

/* Every row goes where it was ranked. */
static fr_status read_rows(const fr_json *root, fr_plan_result *r) {
    const fr_json *choice = fr_json_get(root, "choice"), *others = fr_json_get(root, "alternatives");
    if (!choice || choice->kind != FR_JSON_OBJECT)
        return bad("it holds no choice");
    if (!others || others->kind != FR_JSON_ARRAY)
        return bad("it holds no list of alternatives");
    r->n_rows = others->count + 1;
    r->rows = fr_alloc_array(r->n_rows, sizeof *r->rows);
    if (!r->rows)
        return fr_no_memory(r->n_rows * sizeof *r->rows, "a plan");
    r->choice = (int32_t)whole(choice, "row", 1, (int64_t)r->n_rows) - 1;
    if (r->choice < 0)
        return bad("the choice's place among the alternatives is wrong");
    FR_TRY(read_row(choice, &r->rows[r->choice]));
    int32_t at = 0;
    for (const fr_json *item = others->child; item; item = item->next) {
        at += at == r->choice;
        FR_TRY(read_row(item, &r->rows[at++]));
    }
    return FR_OK;
}

static fr_status read_notes(const fr_json *root, fr_plan_result *r) {
    const fr_json *notes = fr_json_get(root, "notes");
    fr_text text = {0};
    for (const fr_json *item = notes ? notes->child : NULL; item; item = item->next)
        if (item->kind == FR_JSON_STRING)
            fr_text_add(&text, "%s\n", item->string);
    r->notes = text.data;
    return text.failed ? fr_no_memory(text.length, "a plan's notes") : FR_OK;
}

static fr_status read_kernels(const fr_json *root, fr_plan_result *r) {
    const fr_json *kernels = fr_json_get(root, "kernels");
    fr_json_writer w = {0};
    if (!kernels || kernels->kind == FR_JSON_NULL)
        return FR_OK;
    fr_json_put_value(&w, kernels);
    r->kernels = w.text.data;
    return w.text.failed ? fr_no_memory(w.text.length, "a plan's kernels") : FR_OK;
}

static void read_options(const fr_json *root, fr_plan_options *o) {
    const fr_json *from = fr_json_get(root, "options");
    o->profile = fr_json_string(from, "profile", NULL);
    o->max_latency_ms = fr_json_number(from, "max_latency_ms", 0);
    o->max_memory = (uint64_t)count_of(from, "max_memory_bytes", 1LL << 52);
    o->max_drop = fr_json_number(from, "max_drop", -1);
    o->has_max_drop = o->max_drop >= 0;
    o->threads = (int32_t)count_of(from, "threads", 4096);
    (void)fr_pinning_from_name(fr_json_string(from, "pin", "auto"), &o->pin); /* else auto */
    o->exact = fr_json_bool(from, "exact", false);
}

static fr_status read_plan(const fr_json *root, cli_planned *plan) {
    fr_plan_result *r = &plan->result;
    if (root->kind != FR_JSON_OBJECT || whole(root, "format", 1, 1 << 20) < 1)
        return bad("it is not what 'foldrun plan --save' writes");
    if (whole(root, "format", 1, 1 << 20) != CLI_PLAN_FORMAT)
        return bad("it is of another version of foldrun; make it anew with 'foldrun plan --save'");
    plan->model = fr_json_string(root, "model", NULL);
    if (!plan->model || !copy(r->device, sizeof r->device, fr_json_string(root, "device", "")) || !r->device[0])
        return bad("it does not say what it is of");
    if (!copy(r->name, sizeof r->name, fr_json_string(root, "name", "")) ||
        !copy(r->driver, sizeof r->driver, fr_json_string(root, "driver", "")) ||
        !copy(r->profile, sizeof r->profile, fr_json_string(root, "profile", "")))
        return bad("a name in it is too long");
    r->quick_profile = fr_json_bool(root, "quick_profile", false);
    r->stale_profile = fr_json_bool(root, "stale_profile", false);
    r->drop_unjudged = fr_json_bool(root, "drop_unjudged", false);
    r->plain_accuracy = fr_json_number(root, "plain_accuracy", -1);
    r->from_cache = true;
    r->choose_ms = fr_json_number(root, "choose_ms", 0);
    r->measure_s = fr_json_number(root, "measure_s", 0);
    read_options(root, &plan->options);
    FR_TRY(read_rows(root, r));
    FR_TRY(read_notes(root, r));
    return read_kernels(root, r);
}

int cli_plan_read(const char *path, cli_planned *out) {
    char *text;
    size_t bytes;
    *out = (cli_planned){.options = FR_OPTIONS(fr_plan_options), .result = {.choice = -1}};
    fr_status status = fr_file_read(path, FILE_LIMIT, &text, &bytes);
    if (status != FR_OK) {
        cli_failed_here(status);
        return CLI_BAD_INPUT;
    }
    status = fr_json_parse(text, bytes, &out->file);
    fr_free(text);
    if (status == FR_OK)
        status = read_plan(fr_json_root(out->file), out);
    if (status == FR_OK)
        return CLI_DONE;
    cli_complain("'%s' is no plan that can be used: %s", path, fr_error_sentence());
    return cli_exit_code(status);
}

void cli_plan_file_free(cli_planned *plan) {
    fr_free(plan->result.rows);
    fr_free(plan->result.notes);
    fr_free(plan->result.kernels);
    fr_json_free(plan->file);
}
