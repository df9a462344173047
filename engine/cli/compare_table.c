/* A comparison for a terminal or a document: by model, each row beside the fastest one and beside its own fold 1. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/compare_view.h"
#include "cli/table.h"

enum { WIDTH = 100, COLUMNS_MAX = 24 };

/* ---- words ---- */

typedef struct words {
    char text[96];
} words;

static words engine_of(const cmp_row *row) {
    words out;
    snprintf(out.text, sizeof out.text, "%s%s%s", row->engine, row->version[0] ? " " : "", row->version);
    return out;
}

static words fold_of(const cmp_row *row) {
    words out;
    bool floor = row->round[0] == '\0' || strcmp(row->round, "floor") == 0;
    snprintf(out.text, sizeof out.text, "%d%s%s", row->fold, floor ? "" : " ", floor ? "" : row->round);
    return out;
}

const char *cmp_machine_name(const cmp_set *set, const char *id) {
    const cmp_machine *machine = cmp_machine_of(set, id);
    return machine && machine->name[0] ? machine->name : id;
}

static bool is_document(const cmp_view *v) {
    return v->format == CMP_MARKDOWN;
}

/* In Markdown, names are words and not markup. */
static void say(const cmp_view *v, const char *text) {
    if (is_document(v))
        cli_markdown_text(v->out, text);
    else
        fr_text_add(v->out, "%s", text);
}

/* For a terminal: no line is wider than it, but of words that are. */
static void say_wrapped(fr_text *out, const char *text, size_t indent) {
    size_t at = indent;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (at > indent && at + 1 + word > WIDTH) {
            fr_text_add(out, "\n%*s", (int)indent + 2, "");
            at = indent + 2;
        } else if (at > indent) {
            fr_text_add(out, " ");
            at++;
        }
        fr_text_add(out, "%.*s", (int)word, text);
        at += word;
        text += word;
        text += strspn(text, " ");
    }
}

/* A line of its own, in Markdown an item; frees it. */
static void say_line(const cmp_view *v, size_t indent, fr_text *line) {
    const char *text = line->data ? line->data : "";
    fr_text_add(v->out, "%*s%s", (int)indent, "", is_document(v) ? "- " : "");
    if (is_document(v))
        say(v, text);
    else
        say_wrapped(v->out, text, indent);
    fr_text_add(v->out, "\n");
    v->out->failed |= line->failed;
    fr_text_free(line);
}

/* The width of its lines. */
static size_t print_table(const cmp_view *v, cli_table *table) {
    size_t before = v->out->length;
    if (is_document(v))
        cli_table_markdown(table, v->out);
    else
        cli_table_print(table, v->out);
    return v->out->length > before ? strcspn(v->out->data + before, "\n") : 0;
}

/* ---- what the rows are of ---- */

static void tell_machine(const cmp_view *v, const cmp_machine *m) {
    fr_text line = {0};
    bool named = m->host.cpu[0] && strcmp(m->name, m->host.cpu) != 0;
    fr_text_add(&line, "%s%s%s", m->name, named ? ": " : "", named ? m->host.cpu : "");
    if (m->host.cores > 0)
        fr_text_add(&line, ", %d core%s", m->host.cores, m->host.cores == 1 ? "" : "s");
    if (m->host.memory_bytes > 0)
        fr_text_add(&line, ", %s", cli_bytes((double)m->host.memory_bytes).text);
    if (m->host.os[0])
        fr_text_add(&line, ", %s", m->host.os);
    say_line(v, 0, &line);
}

static void tell_device(const cmp_view *v, const cmp_device *d) {
    fr_text line = {0};
    fr_text_add(&line, "%s", d->id);
    if (d->name[0])
        fr_text_add(&line, ": %s", d->name);
    if (d->driver[0])
        fr_text_add(&line, "; %s", d->driver);
    if (d->clocks[0])
        fr_text_add(&line, "; %s", d->clocks);
    say_line(v, 2, &line);
}

static void tell_machines(const cmp_view *v) {
    const cmp_set *set = v->set;
    for (size_t i = 0; i < set->n_machines; i++) {
        tell_machine(v, &set->machines[i]);
        for (size_t k = 0; k < set->n_devices; k++)
            if (strcmp(set->devices[k].machine, set->machines[i].id) == 0)
                tell_device(v, &set->devices[k]);
    }
    if (set->n_machines > 0)
        fr_text_add(v->out, "\n");
}

/* ---- the rows of a model ---- */

static void find_leaders(cmp_view *v) {
    v->leaders[0] = v->leaders[1] = NULL;
    for (size_t i = v->count; i-- > 0;) {
        const cmp_row *row = &v->set->rows[v->order[i]];
        if (cmp_row_settled(row))
            v->leaders[row->copies] = row;
    }
}

const cmp_row *cmp_plain_of(const cmp_view *v, const cmp_row *row) {
    const cmp_row *base = cmp_best_plain(&v->folds.best, row);
    return base && cmp_same_key(base, row) ? row : base; /* the list's rows are copies */
}

const char *cmp_verdict_word(const cmp_row *row, const cmp_row *base, const cmp_ratio *ratio) {
    if (!cmp_row_settled(row) || !cmp_row_settled(base))
        return "too few visits";
    return ratio->verdict == CMP_NO_DIFFERENCE ? "no difference" : ratio->verdict == CMP_FASTER ? "faster" : "slower";
}

static void ratio_cell(cli_table *table, bool with_interval, const cmp_row *row, const cmp_row *base) {
    if (!base || base == row) {
        cli_table_cell(table, "-");
        return;
    }
    cmp_ratio r = cmp_ratio_of(row, base);
    if (r.verdict == CMP_NO_DIFFERENCE)
        cli_table_cell(table, "%s", cmp_verdict_word(row, base, &r));
    else if (with_interval)
        cli_table_cell(table, "%sx (%s-%s)", cli_real(r.ratio).text, cli_real(r.low).text, cli_real(r.high).text);
    else
        cli_table_cell(table, "%sx", cli_real(r.ratio).text);
}

/* A terminal has room for what differs; a document has all. */
typedef struct columns {
    bool machine, engine, precision, schedule, copies, costs, answers;
    char letters[COLUMNS_MAX];
} columns;

static columns columns_of(const cmp_view *v) {
    bool all = is_document(v), right = true;
    for (size_t i = 0; i < v->count; i++)
        right &= v->set->rows[v->order[i]].check == CMP_RIGHT;
    return (columns){.machine = v->machines,
                     .engine = all || v->engines,
                     .precision = all || v->precisions,
                     .schedule = v->schedules,
                     .copies = v->copies,
                     .costs = v->costs,
                     .answers = all || !right};
}

static void head(cli_table *table, columns *c, bool shown, char letter, const char *title) {
    size_t at = strlen(c->letters);
    if (!shown || at + 1 >= sizeof c->letters)
        return;
    c->letters[at] = letter;
    table->columns = c->letters;
    cli_table_cell(table, "%s", title);
}

static void key_heads(cli_table *table, columns *c) {
    head(table, c, c->machine, 'l', "MACHINE");
    head(table, c, true, 'l', "DEVICE");
    head(table, c, c->engine, 'l', "ENGINE");
    head(table, c, true, 'l', "FOLD");
    head(table, c, c->precision, 'l', "PRECISION");
    head(table, c, true, 'r', "BATCH");
    head(table, c, c->schedule, 'l', "SCHEDULE");
    head(table, c, c->copies, 'l', "COPIES");
}

static void key_cells(const cmp_view *v, cli_table *table, const columns *c, const cmp_row *row) {
    if (c->machine)
        cli_table_cell(table, "%s", cmp_machine_name(v->set, row->machine));
    cli_table_cell(table, "%s", row->device);
    if (c->engine)
        cli_table_cell(table, "%s", engine_of(row).text);
    cli_table_cell(table, "%s", fold_of(row).text);
    if (c->precision)
        cli_table_cell(table, "%s", row->precision);
    cli_table_cell(table, "%s", cli_integer(row->batch).text);
    if (c->schedule)
        cli_table_cell(table, "%s", row->schedule[0] ? row->schedule : "-");
    if (c->copies)
        cli_table_cell(table, "%s", row->copies ? "yes" : "no");
}

static void row_heads(const cmp_view *v, cli_table *table, columns *c) {
    bool all = is_document(v);
    head(table, c, true, 'r', "RANK");
    key_heads(table, c);
    head(table, c, true, 'r', "IMAGES/S");
    head(table, c, true, 'r', "INTERVAL");
    head(table, c, true, 'l', all ? "TO THE FASTEST" : "TO FASTEST");
    head(table, c, true, 'l', all ? "TO ITS FOLD 1" : "TO FOLD 1");
    head(table, c, c->costs, 'r', all ? "FIRST ANSWER" : "FIRST MS");
    head(table, c, c->costs, 'r', "PEAK");
    head(table, c, c->answers, 'l', "ANSWERS");
}

static void row_cells(const cmp_view *v, cli_table *table, const columns *c, size_t at) {
    const cmp_row *row = &v->set->rows[v->order[at]];
    if (v->rank[at] > 0)
        cli_table_cell(table, "%d", v->rank[at]);
    else
        cli_table_cell(table, "-");
    key_cells(v, table, c, row);
    cli_table_cell(table, "%s", cli_real(row->rate.median).text);
    cli_table_cell(table, "%s-%s", cli_real(row->rate.low).text, cli_real(row->rate.high).text);
    ratio_cell(table, is_document(v), row, v->leaders[row->copies]);
    ratio_cell(table, v->ratio_intervals, row, row->fold > 1 ? cmp_plain_of(v, row) : NULL);
    if (c->costs) {
        cli_table_cell(table, "%s", row->open_ms > 0 ? cli_real(row->open_ms + row->first_ms).text : "-");
        cli_table_cell(table, "%s", row->peak_bytes > 0 ? cli_bytes(row->peak_bytes).text : "-");
    }
    if (c->answers)
        cli_table_cell(table, "%s", cmp_check_word(row->check));
}

/* One sentence: which is the fastest, and how many may be as fast. */
static void tell_fastest(const cmp_view *v, bool copies) {
    const cmp_row *best = v->leaders[copies];
    size_t others = 0;
    if (!best)
        return;
    for (size_t i = 0; i < v->count; i++) {
        const cmp_row *row = &v->set->rows[v->order[i]];
        others += row != best && row->copies == copies && cmp_row_settled(row) &&
                  cmp_ratio_of(row, best).verdict == CMP_NO_DIFFERENCE;
    }
    fr_text line = {0};
    fr_text_add(&line, "%s%s: fold %s in %s at batch %s with %s on %s, %s images/s", copies ? "" : "without copies, ",
                others ? "the highest median" : "the fastest", fold_of(best).text, best->precision,
                cli_integer(best->batch).text, engine_of(best).text, best->device, cli_real(best->rate.median).text);
    if (v->machines)
        fr_text_add(&line, " (%s)", cmp_machine_name(v->set, best->machine));
    if (others)
        fr_text_add(&line, "; no difference to %s other%s", cli_integer((int64_t)others).text, others == 1 ? "" : "s");
    say_line(v, 0, &line);
}

static const char *reason_of(const cmp_row *row) {
    return row->reason[0]            ? row->reason
           : row->check == CMP_WRONG ? "its answers are wrong"
           : row->failed             ? "it failed"
                                     : "it was not measured";
}

static void tell_failures(const cmp_view *v) {
    cli_table table = {0};
    columns c = columns_of(v);
    const char *before = NULL;
    for (size_t i = 0; i < v->set->n_rows; i++) {
        const cmp_row *row = &v->set->rows[i];
        if (cmp_row_worked(row))
            continue;
        if (!before) {
            key_heads(&table, &c);
            head(&table, &c, true, 'l', "NO FIGURE, FOR");
        }
        key_cells(v, &table, &c, row);
        bool same = !is_document(v) && before && strcmp(before, reason_of(row)) == 0;
        before = reason_of(row);
        cli_table_cell(&table, "%s", same ? "the same reason" : before);
    }
    if (before) {
        fr_text_add(v->out, "%s", v->count > 0 ? "\n" : "");
        (void)print_table(v, &table);
    }
}

/* "v1 (f32, foldrun 0.1.0)": what its rows have in common, and no column says. */
static void tell_name(const cmp_view *v) {
    const cmp_row *first = &v->set->rows[0];
    fr_text_add(v->out, "%s", is_document(v) ? "## " : "");
    say(v, first->model);
    if (!is_document(v) && !(v->precisions && v->engines))
        fr_text_add(v->out, " (%s%s%s)", v->precisions ? "" : first->precision, v->precisions || v->engines ? "" : ", ",
                    v->engines ? "" : engine_of(first).text);
    fr_text_add(v->out, "\n\n");
}

static void tell_model(cmp_view *v) {
    cli_table table = {0};
    size_t width;
    columns c = columns_of(v);
    tell_name(v);
    if (v->count > 0) {
        row_heads(v, &table, &c);
        for (size_t i = 0; i < v->count; i++)
            row_cells(v, &table, &c, i);
        width = print_table(v, &table);
        v->widest = width > v->widest ? width : v->widest;
        fr_text_add(v->out, "\n");
        tell_fastest(v, true);
        tell_fastest(v, false);
    }
    tell_failures(v);
    fr_text_add(v->out, "\n");
}

static void tell_rule(const cmp_view *v, bool applies, const char *rule) {
    fr_text line = {0};
    if (!applies)
        return;
    fr_text_add(&line, "%s", rule);
    say_line(v, 0, &line);
}

static void tell_rules(const cmp_view *v) {
    columns c = columns_of(v);
    bool merged = strcmp(v->set->command, "merged") == 0;
    tell_rule(v, true,
              "images/s: the median of visits, each the median of the runs of a session of its own; interval: what it "
              "lies between, by the order of the visits");
    tell_rule(v, true,
              "rank: 1 and how many are shown to be faster (-: too few visits); no difference: the intervals overlap, "
              "and no more may be "
              "said");
    tell_rule(v, true,
              "to fold 1: to the best fold 1 of the same engine and device, at its best batch, in a precision as "
              "accurate");
    tell_rule(v, c.costs,
              "first answer: milliseconds from opening a session, whose kernels were chosen before, to its first "
              "answers");
    tell_rule(v, !c.costs, "first answers, memory and commands: in --format csv");
    tell_rule(v, !c.answers, "answers were checked beside the reference's, and are right, unless a column says else");
    tell_rule(v, v->set->interrupted && merged, "not all that was asked for is here");
    tell_rule(v, v->set->interrupted && !merged,
              "not all that was asked for is here: with -o FILE the same command goes on with it");
}

/* ---- all ---- */

static void see_columns(cmp_view *v) {
    const cmp_set *set = v->set;
    v->machines = set->n_machines > 1;
    for (size_t i = 0; i < set->n_rows; i++) {
        const cmp_row *row = &set->rows[i], *first = &set->rows[0];
        v->copies |= !row->copies;
        v->schedules |= row->schedule[0] && strcmp(row->schedule, "auto") != 0;
        v->precisions |= strcmp(row->precision, first->precision) != 0;
        v->engines |= strcmp(row->engine, first->engine) != 0 || strcmp(row->version, first->version) != 0;
    }
}

static void show_model(cmp_view *v) {
    bool any = false;
    for (size_t i = 0; i < v->set->n_rows; i++)
        any |= cmp_row_worked(&v->set->rows[i]);
    v->count = cmp_rank(v->set, NULL, v->order, v->rank);
    bool fine =
        report_lists_of(v->set, REPORT_FOLDS, &v->folds) && (v->count > 0) == any && (v->folds.best.n_rows > 0) == any;
    v->out->failed |= !fine; /* no memory to rank them */
    find_leaders(v);
    if (fine && v->format == CMP_CSV)
        cmp_csv_model(v);
    else if (fine)
        tell_model(v);
    report_lists_free(&v->folds);
}

static void show_all(cmp_view *v, const report_models *models) {
    const cmp_set *set = v->set;
    v->widest = 0;
    if (v->format == CMP_CSV)
        cmp_csv_begin(v->out);
    else
        tell_machines(v);
    for (size_t i = 0; i < models->count && !v->out->failed; i++) {
        v->set = &models->at[i];
        show_model(v);
    }
    v->set = set;
    v->count = 0;
    if (v->format != CMP_CSV && set->n_rows > 0)
        tell_rules(v);
    else if (v->format != CMP_CSV)
        fr_text_add(v->out, "Nothing has been measured.\n");
}

/* What a terminal has no room for is left out, the least first; a document and a spreadsheet have room. */
void cmp_print(const cmp_set *set, cmp_format format, fr_text *out) {
    cmp_view v = {.set = set, .format = format, .out = out};
    size_t before = out->length;
    report_models models;
    v.order = fr_alloc_array(set->n_rows, sizeof *v.order);
    v.rank = fr_alloc_array(set->n_rows, sizeof *v.rank);
    out->failed |= !report_models_of(set, &models) || !v.order || !v.rank;
    see_columns(&v);
    for (int less = 0; less < 4; less++) {
        v.ratio_intervals = less % 2 == 0;
        v.costs = less < 2;
        show_all(&v, &models);
        if (out->failed || format != CMP_TABLE || v.widest <= WIDTH || less == 3)
            break;
        out->length = before; /* once more, with less in it */
    }
    report_models_free(&models);
    fr_free(v.rank);
    fr_free(v.order);
}
