/* The tables of rows: what is fastest, and each model's ranking. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "cli/report.h"
#include "cli/report_charts.h"
#include "cli/svg.h"
#include "cli/table.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Rows in the order of their ranks; what is best at each fold, to compare them with. */
typedef struct ranking {
    const cmp_set *rows;
    const cmp_set *plains;
    size_t *order;
    int32_t *rank;
    size_t count;
} ranking;

static bool rank_rows(const cmp_set *rows, const cmp_set *plains, ranking *out) {
    size_t room = rows->n_rows ? rows->n_rows : 1;
    *out = (ranking){.rows = rows,
                     .plains = plains,
                     .order = fr_alloc_array(room, sizeof *out->order),
                     .rank = fr_alloc_array(room, sizeof *out->rank)};
    bool fine = out->order && out->rank;
    if (fine)
        out->count = cmp_rank(rows, NULL, out->order, out->rank);
    return fine;
}

static void free_ranking(ranking *r) {
    fr_free(r->order);
    fr_free(r->rank);
}

static const cmp_row *ranked_at(const ranking *r, size_t i) {
    return &r->rows->rows[r->order[i]];
}

/* Of those that did the same work. */
static bool share_rank(const ranking *r, size_t a, size_t b) {
    return a < r->count && b < r->count && r->rank[a] > 0 && r->rank[a] == r->rank[b] &&
           ranked_at(r, a)->copies == ranked_at(r, b)->copies;
}

/* ---- what is fastest ---- */

/* Those of which it cannot be said that they are slower than the first; at most two, then their number. */
static void say_equals(const ranking *r, size_t first, fr_text *out) {
    size_t equals = 0;
    for (size_t i = 0; i < r->count; i++) {
        const cmp_row *row = ranked_at(r, i);
        if (!(i != first && share_rank(r, first, i) && equals++ < 2))
            continue;
        const char *whose = chart_whose(r->rows, row);
        report_words(out, "%s%s on %s%s%s, f = %d, %s", equals > 1 ? "; " : "", row->engine, row->device,
                     whose[0] ? " of " : "", whose, row->fold, row->precision);
    }
    if (equals == 0)
        fr_text_add(out, "\u2013");
    if (equals > 2)
        fr_text_add(out, " and %s more", cli_integer((int64_t)(equals - 2)).text);
}

static void overview_row(report_page *page, const ranking *r, size_t section) {
    size_t first = 0;
    while (first + 1 < r->count && r->rank[first] == 0)
        first++;
    first = r->rank[first] == 0 ? 0 : first; /* none has visits enough */
    const cmp_row *row = ranked_at(r, first);
    report_row(page);
    fr_text_add(page->out, "<th scope=\"row\"><a href=\"#model-%zu\">", section);
    svg_escape(page->out, row->model);
    fr_text_add(page->out, "</a></th>");
    report_engine_cell(page, row, false);
    report_fold_cell(page, row);
    report_rate_cell(page, row);
    report_ratio_cell(page, row, cmp_best_plain(r->plains, row));
    report_device_cell(page, row);
    report_mode_cells(page, row);
    fr_text_add(page->out, "<td class=\"w\">");
    say_equals(r, first, page->out);
    fr_text_add(page->out, "</td>");
    report_row_end(page, row->command, NULL);
}

void report_overview(report_page *page, const report_models *models) {
    static const char *const heads[] = {"Model",  "Engine",    "f<",     "Images/s>",         "Over its f = 1>",
                                        "Device", "Precision", "Batch<", "No difference from"};
    size_t shown = 0;
    for (size_t i = 0; i < models->count && !page->out->failed; i++) {
        report_lists batches = {0}, folds = {0};
        ranking r = {0};
        bool fine = report_lists_of(&models->at[i], REPORT_BATCHES, &batches) &&
                    report_lists_of(&models->at[i], REPORT_FOLDS, &folds) && rank_rows(&batches.best, &folds.best, &r);
        if (r.count > 0 && shown++ == 0)
            report_table(
                page, heads, COUNT(heads),
                "The fastest of each model. Over its f = 1: how many times as fast as the same engine on the same "
                "device without folding, at its best. No difference from: those whose intervals overlap its own.");
        if (r.count > 0)
            overview_row(page, &r, i + 1);
        page->out->failed |= !fine;
        free_ranking(&r);
        report_lists_free(&batches);
        report_lists_free(&folds);
    }
    if (shown > 0)
        report_table_end(page);
}

/* ---- the ranking of a model ---- */

static void memory_cell(report_page *page, const cmp_row *row) {
    char small[3 * CLI_NUMBER] = "";
    double bytes = row->peak_bytes > 0 ? row->peak_bytes : row->planned_bytes;
    int length = 0;
    if (row->planned_bytes > 0)
        length = snprintf(small, sizeof small, "planned %s\n", cli_bytes(row->planned_bytes).text);
    if (row->weight_bytes > 0)
        snprintf(small + length, sizeof small - (size_t)length, "weights %s", cli_bytes(row->weight_bytes).text);
    report_number(page, bytes, small, "%s", cli_bytes(bytes).text);
}

static void first_cell(report_page *page, const cmp_row *row) {
    char small[3 * CLI_NUMBER] = "";
    if (row->open_ms > 0 && row->first_ms > 0)
        snprintf(small, sizeof small, "open %s\nrun %s", cli_real(row->open_ms).text, cli_real(row->first_ms).text);
    report_number(page, row->open_ms + row->first_ms, small, "%s ms", cli_real(row->open_ms + row->first_ms).text);
}

static void check_cell(report_page *page, const cmp_row *row) {
    char error[64] = "";
    if (row->check == CMP_RIGHT && isfinite(row->max_error) && row->max_error > 0)
        snprintf(error, sizeof error, "off by %.1g", row->max_error);
    report_cell(page, error, "%s", row->check == CMP_RIGHT ? "right" : "not checked");
}

static bool is_shared(const ranking *r, size_t which) {
    for (size_t i = 0; i < r->count; i++)
        if (i != which && share_rank(r, which, i))
            return true;
    return false;
}

static void ranked_row(report_page *page, const ranking *r, size_t i) {
    const cmp_row *row = ranked_at(r, i);
    report_row(page);
    report_number(page, r->rank[i], is_shared(r, i) ? "shared" : NULL, "%d", r->rank[i]);
    report_engine_cell(page, row, true);
    report_fold_cell(page, row);
    report_rate_cell(page, row);
    report_ratio_cell(page, row, cmp_best_plain(r->plains, row));
    report_device_cell(page, row);
    report_mode_cells(page, row);
    memory_cell(page, row);
    first_cell(page, row);
    check_cell(page, row);
    report_row_end(page, row->command, NULL);
}

/* Rows that did the same work: with copies, or without. */
static void ranking_table(report_page *page, const ranking *r, bool copies, const char *caption) {
    static const char *const heads[] = {"Rank<",     "Engine", "f<",      "Images/s>",     "Over its f = 1>", "Device",
                                        "Precision", "Batch<", "Memory<", "First answer<", "Answers"};
    size_t shown = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (ranked_at(r, i)->copies != copies)
            continue;
        if (shown++ == 0)
            report_table(page, heads, COUNT(heads), "%s %s", ranked_at(r, i)->model, caption);
        ranked_row(page, r, i);
    }
    if (shown > 0)
        report_table_end(page);
}

static void best_batches(report_page *page, const ranking *r) {
    ranking_table(
        page, r, true,
        "from the host's memory to answers in it; the best batch of each. Where intervals overlap, no row is said to "
        "be faster.");
    ranking_table(page, r, false, "without transfers, on images that lie on the device; the best batch of each.");
}

static void other_batches(report_page *page, const ranking *r) {
    if (r->count == 0)
        return;
    fr_text_add(page->out, "<details><summary>Other batches: %s row%s</summary>\n", cli_integer((int64_t)r->count).text,
                r->count == 1 ? "" : "s");
    ranking_table(page, r, true, "in other batches; ranks are among these.");
    ranking_table(page, r, false, "in other batches, without transfers; ranks are among these.");
    fr_text_add(page->out, "</details>\n");
}

static void failures(report_page *page, const cmp_set *model) {
    static const char *const heads[] = {"Engine", "f<", "Device", "Precision", "Batch<", "Why there is no figure"};
    size_t shown = 0;
    for (size_t i = 0; i < model->n_rows; i++) {
        const cmp_row *row = &model->rows[i];
        const char *why = row->reason[0]            ? row->reason
                          : row->check == CMP_WRONG ? "its answers are wrong"
                          : row->failed             ? "it failed"
                                                    : "it was not measured yet";
        if (cmp_row_worked(row))
            continue;
        if (shown++ == 0)
            report_table(page, heads, COUNT(heads), "%s: without a figure", row->model);
        report_row(page);
        report_engine_cell(page, row, true);
        report_fold_cell(page, row);
        report_device_cell(page, row);
        report_mode_cells(page, row);
        fr_text_add(page->out, "<td class=\"w\">");
        svg_escape(page->out, why);
        fr_text_add(page->out, "</td>");
        report_row_end(page, row->command, NULL);
    }
    if (shown > 0)
        report_table_end(page);
}

void report_ranking(report_page *page, const cmp_set *model) {
    report_lists batches = {0}, folds = {0};
    ranking best = {0}, others = {0};
    if (report_lists_of(model, REPORT_BATCHES, &batches) && report_lists_of(model, REPORT_FOLDS, &folds) &&
        rank_rows(&batches.best, &folds.best, &best) && rank_rows(&batches.others, &folds.best, &others)) {
        best_batches(page, &best);
        other_batches(page, &others);
        failures(page, model);
    } else {
        page->out->failed = true;
    }
    free_ranking(&best);
    free_ranking(&others);
    report_lists_free(&batches);
    report_lists_free(&folds);
}
