/* A plan's rows in words and figures. Pure. */
#include <stdio.h>
#include <string.h>

#include "cli/plan_common.h"
#include "cli/table.h"

const char *cli_file_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool cli_plan_rounds(const fr_plan_row *row) {
    return row->quantum > 1 && row->round != FR_ROUND_FLOOR;
}

bool cli_plan_is_shape(const cli_planned *plan, const fr_plan_row *row) {
    const cli_variants *v = &plan->variants;
    bool known = row->model >= 0 && (size_t)row->model < v->count;
    return known && (row->fold != v->infos[row->model].fold || cli_plan_rounds(row));
}

cli_widths cli_widths_word(const fr_plan_row *row) {
    cli_widths out = {""};
    if (cli_plan_rounds(row))
        snprintf(out.text, sizeof out.text, "%s:%d", fr_round_name(row->round), row->quantum);
    else
        snprintf(out.text, sizeof out.text, "%s", row->fold > 1 ? "floor" : "-");
    return out;
}

double cli_plan_rate(const fr_plan_row *row) {
    return row->measured > 0 ? row->measured : row->predicted;
}

double cli_plan_ms(const fr_plan_row *row) {
    return row->measured > 0 ? row->measured_ms : row->predicted_ms;
}

double cli_plan_bytes(const fr_plan_row *row) {
    return (double)(row->measured > 0 ? row->measured_bytes : row->predicted_bytes);
}

const fr_plan_row *cli_plan_choice(const fr_plan_result *result) {
    return result->choice >= 0 && (size_t)result->choice < result->n_rows ? &result->rows[result->choice] : NULL;
}

const fr_plan_row *cli_plan_best_plain(const fr_plan_result *result) {
    for (size_t i = 0; i < result->n_rows; i++)
        if (result->rows[i].fold == 1 && !result->rows[i].broken && !result->rows[i].why[0])
            return &result->rows[i];
    return NULL;
}

double cli_plan_ratio(const fr_plan_row *a, const fr_plan_row *b) {
    bool both = a->measured > 0 && b->measured > 0;
    double over = both ? b->measured : b->predicted;
    return over > 0 ? (both ? a->measured : a->predicted) / over : 0;
}

double cli_plan_distance(const fr_plan_result *result, const fr_plan_row *row) {
    const fr_plan_row *choice = cli_plan_choice(result);
    return 1 - cli_plan_ratio(row, choice ? choice : &result->rows[0]);
}

void cli_plan_add_path(const char *folder, const char *label, fr_text *out) {
    size_t length = folder ? strlen(folder) : 0;
    while (length > 1 && folder[length - 1] == '/')
        length--;
    if (length > 0)
        fr_text_add(out, "%.*s/", (int)length, folder);
    fr_text_add(out, "%s", label);
}

void cli_plan_name(const cli_planned *plan, const fr_plan_row *row, fr_text *out) {
    if (plan->variants.folder)
        fr_text_add(out, "%s: ", row->label);
    fr_text_add(out, "fold %d, ", row->fold);
    if (cli_plan_rounds(row))
        fr_text_add(out, "widths %s, ", cli_widths_word(row).text);
    fr_text_add(out, "%s, %s, batch %s", fr_precision_name(row->precision), fr_schedule_name(row->schedule),
                cli_integer(row->batch).text);
}

void cli_plan_sentence(const cli_planned *plan, const fr_plan_row *row, fr_text *out) {
    cli_plan_name(plan, row, out);
    if (row->measured > 0)
        fr_text_add(out, ": %s images/s measured (predicted %s)", cli_real(row->measured).text,
                    cli_real(row->predicted).text);
    else
        fr_text_add(out, ": %s images/s predicted, not measured", cli_real(row->predicted).text);
}

/* ---- when nothing keeps the limits ---- */

/* How many times as much as the limit allows. */
static double excess(const cli_planned *plan, const fr_plan_row *row) {
    const fr_plan_options *o = &plan->options;
    if (strcmp(row->broken, "latency") == 0)
        return cli_plan_ms(row) / o->max_latency_ms;
    if (strcmp(row->broken, "memory") == 0)
        return cli_plan_bytes(row) / (double)o->max_memory;
    return 1 + (plan->result.plain_accuracy - row->accuracy - o->max_drop) / 100;
}

static void add_miss(const cli_planned *plan, const fr_plan_row *row, fr_text *out) {
    const fr_plan_options *o = &plan->options;
    if (strcmp(row->broken, "latency") == 0)
        fr_text_add(out, "takes %s ms a batch (--max-latency %g)", cli_real(cli_plan_ms(row)).text, o->max_latency_ms);
    else if (strcmp(row->broken, "memory") == 0)
        fr_text_add(out, "needs %s (--max-memory %s)", cli_bytes(cli_plan_bytes(row)).text,
                    cli_bytes((double)o->max_memory).text);
    else
        fr_text_add(out, "loses %s points of accuracy (--max-drop %g)",
                    cli_real(plan->result.plain_accuracy - row->accuracy).text, o->max_drop);
}

void cli_plan_miss(const cli_planned *plan, fr_text *out) {
    const fr_plan_result *result = &plan->result;
    const fr_plan_row *nearest = NULL;
    for (size_t i = 0; i < result->n_rows; i++) {
        const fr_plan_row *row = &result->rows[i];
        if (row->broken && (!nearest || excess(plan, row) < excess(plan, nearest)))
            nearest = row;
    }
    if (nearest) {
        fr_text_add(out, "no option keeps the limits: the nearest, ");
        cli_plan_name(plan, nearest, out);
        fr_text_add(out, ", ");
        add_miss(plan, nearest, out);
    } else {
        fr_text_add(out, "no option is left to choose from%s%s",
                    result->n_rows > 0 && result->rows[0].why[0] ? ": " : "",
                    result->n_rows > 0 ? result->rows[0].why : "");
    }
}

void cli_plan_tell_miss(const cli_planned *plan) {
    fr_text text = {0};
    cli_plan_miss(plan, &text);
    cli_complain("%s", text.data ? text.data : "no option keeps the limits");
    fr_text_free(&text);
}
