#include <string.h>

#include "cli/plan_report.h"
#include "cli/table.h"

enum { MOST_ROWS = 24, MOST_COLUMNS = 16 };

/* What a plan's table shows: columns that would say nothing are left out. */
typedef struct columns {
    bool label, widths, measured, accuracy, broken;
} columns;

static columns columns_of(const cli_planned *plan) {
    columns c = {.label = plan->variants.folder};
    for (size_t i = 0; i < plan->result.n_rows; i++) {
        const fr_plan_row *row = &plan->result.rows[i];
        c.widths |= cli_plan_rounds(row);
        c.measured |= row->measured > 0;
        c.accuracy |= row->accuracy >= 0;
        c.broken |= row->broken != NULL;
    }
    return c;
}

static void add_head(const columns *c, cli_table *table, char letters[MOST_COLUMNS]) {
    const struct {
        const char *head;
        char letter;
        bool shown;
    } all[] = {{"", 'l', true},
               {"ROW", 'r', true},
               {"NETWORK", 'l', c->label},
               {"FOLD", 'r', true},
               {"WIDTHS", 'l', c->widths},
               {"PRECISION", 'l', true},
               {"SCHEDULE", 'l', true},
               {"BATCH", 'r', true},
               {"PREDICTED", 'r', true},
               {"MEASURED", 'r', c->measured},
               {"LOW-HIGH", 'r', c->measured},
               {"BATCH MS", 'r', true},
               {"MEMORY", 'r', true},
               {"ACCURACY", 'r', c->accuracy},
               {"BEHIND", 'r', true},
               {"LIMIT", 'l', c->broken}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].shown)
            letters[n++] = all[i].letter;
    letters[n] = '\0';
    table->columns = letters;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].shown)
            cli_table_cell(table, "%s", all[i].head);
}

static void add_measured(const fr_plan_row *row, cli_table *table) {
    bool have = row->measured > 0;
    cli_table_cell(table, "%s", have ? cli_real(row->measured).text : row->why[0] ? "failed" : "-");
    if (have)
        cli_table_cell(table, "%s-%s", cli_real(row->measured_low).text, cli_real(row->measured_high).text);
    else
        cli_table_cell(table, "-");
}

static void add_row(const cli_planned *plan, const columns *c, size_t at, cli_table *table) {
    const fr_plan_row *row = &plan->result.rows[at];
    cli_table_cell(table, "%s", plan->result.choice == (int32_t)at ? "*" : "");
    cli_table_cell(table, "%zu", at + 1);
    if (c->label)
        cli_table_cell(table, "%s", row->label);
    cli_table_cell(table, "%d", row->fold);
    if (c->widths)
        cli_table_cell(table, "%s", cli_widths_word(row).text);
    cli_table_cell(table, "%s", fr_precision_name(row->precision));
    cli_table_cell(table, "%s", fr_schedule_name(row->schedule));
    cli_table_cell(table, "%s", cli_integer(row->batch).text);
    cli_table_cell(table, "%s%s", row->guessed_steps > 0 ? "~" : "", cli_real(row->predicted).text);
    if (c->measured)
        add_measured(row, table);
    cli_table_cell(table, "%s", cli_real(cli_plan_ms(row)).text);
    cli_table_cell(table, "%s", cli_bytes(cli_plan_bytes(row)).text);
    if (c->accuracy && row->accuracy >= 0)
        cli_table_cell(table, "%.2f%%", row->accuracy);
    else if (c->accuracy)
        cli_table_cell(table, "-");
    if (plan->result.choice == (int32_t)at)
        cli_table_cell(table, "-");
    else
        cli_table_cell(table, "%.1f%%", 100 * cli_plan_distance(&plan->result, row));
    if (c->broken)
        cli_table_cell(table, "%s", row->broken ? row->broken : "-");
}

/* The first rows; the choice and the best of fold 1 wherever they stand. */
static bool is_shown(const fr_plan_result *r, size_t at) {
    return at < MOST_ROWS || r->choice == (int32_t)at || &r->rows[at] == cli_plan_best_plain(r);
}

static void add_table(const cli_planned *plan, fr_text *out) {
    const fr_plan_result *r = &plan->result;
    char letters[MOST_COLUMNS + 1];
    cli_table table = {.columns = letters};
    columns c = columns_of(plan);
    size_t shown = 0;
    bool guessed = false, behind = false;
    add_head(&c, &table, letters);
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!is_shown(r, i))
            continue;
        add_row(plan, &c, i, &table);
        shown++;
        guessed |= r->rows[i].guessed_steps > 0;
        behind |= r->choice != (int32_t)i && cli_plan_distance(&plan->result, &r->rows[i]) < 0;
    }
    cli_table_print(&table, out);
    if (shown < r->n_rows)
        fr_text_add(out, "%zu more rows: --json has them all\n", r->n_rows - shown);
    fr_text_add(out, "\nimages/s; BEHIND: the choice, by what was measured of both, else by what is predicted%s\n",
                behind ? " (below 0: faster)" : "");
    if (guessed)
        fr_text_add(out, "~: some steps lie beyond what was measured of the device\n");
}

/* How to get the file of a shape that is to be trained. */
static void add_shape(const cli_planned *plan, const fr_plan_row *row, fr_text *out) {
    const char *part = cli_file_part(row->label), *dot = strrchr(part, '.');
    int stem = dot && dot != part ? (int)(dot - part) : (int)strlen(part);
    if (!cli_plan_is_shape(plan, row))
        return;
    fr_text_add(out, "'foldrun export ");
    cli_plan_add_path(plan->variants.folder ? plan->model : NULL, row->label, out);
    fr_text_add(out, " --fold %d", row->fold);
    if (cli_plan_rounds(row))
        fr_text_add(out, " --round %s", cli_widths_word(row).text);
    fr_text_add(out, " -o %.*s-by-%d.onnx' writes the shape that is to be trained\n", stem, part, row->fold);
}

void cli_plan_add_notes(const cli_planned *plan, const fr_plan_row *row, fr_text *out) {
    if (row)
        add_shape(plan, row, out);
    const char *rest = plan->result.notes, *at;
    size_t length;
    while (fr_next_line(&rest, &at, &length))
        if (length > 0)
            fr_text_add(out, "note: %.*s\n", (int)length, at);
}

void cli_plan_report(const cli_planned *plan, fr_text *out) {
    const fr_plan_result *r = &plan->result;
    const fr_plan_row *choice = cli_plan_choice(r);
    fr_text_add(out, "%s on %s (%s)\n", plan->model, r->device, r->name);
    if (choice) {
        cli_plan_sentence(plan, choice, out);
        fr_text_add(out, "\n");
    }
    fr_text_add(out, "\n");
    if (r->n_rows > 0)
        add_table(plan, out);
    cli_plan_add_notes(plan, choice, out);
    fr_text_add(out, "chosen in %s ms%s", cli_real(r->choose_ms).text,
                r->from_cache ? ", nothing was measured now" : "");
    if (!r->from_cache)
        fr_text_add(out, ", measured in %s s", cli_real(r->measure_s).text);
    fr_text_add(out, "; the device's profile is %s\n", r->profile);
}
