/* What folding brings: the answer in short, then each fold over the best plain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/report.h"
#include "cli/report_charts.h"
#include "cli/svg.h"
#include "cli/table.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The project's own engine first, then by names; of an engine on a device the accuracy classes one after the other. */
static int by_side(const cmp_row *a, const cmp_row *b) {
    bool own = chart_is_own(a);
    const char *const words[][2] = {
        {a->engine, b->engine}, {a->version, b->version}, {a->machine, b->machine}, {a->device, b->device}};
    if (own != chart_is_own(b))
        return own ? -1 : 1;
    for (size_t i = 0; i < COUNT(words); i++) {
        int order = fr_natural_compare(words[i][0], words[i][1]);
        order = order != 0 ? order : strcmp(words[i][0], words[i][1]);
        if (order != 0)
            return order;
    }
    int32_t class_a = cmp_accuracy_class(a->precision), class_b = cmp_accuracy_class(b->precision);
    if (class_a != class_b)
        return class_a < class_b ? -1 : 1;
    return a->copies == b->copies ? 0 : a->copies ? -1 : 1;
}

static int by_side_and_fold(const void *left, const void *right) {
    const cmp_row *a = left, *b = right;
    int order = by_side(a, b);
    return order != 0 ? order : (a->fold > b->fold) - (a->fold < b->fold);
}

/* The best of each fold, those of an engine on a device one after the other. */
static bool folds_of(const cmp_set *model, report_lists *out) {
    bool fine = report_lists_of(model, REPORT_FOLDS, out);
    if (fine && out->best.n_rows > 0)
        qsort(out->best.rows, out->best.n_rows, sizeof *out->best.rows, by_side_and_fold);
    return fine;
}

/* ---- in short ---- */

typedef enum outcome { FASTER, EQUAL, SLOWER, UNSURE, OUTCOMES } outcome;

/* The best fold of a model. */
typedef struct answer {
    cmp_row row;
    cmp_ratio ratio;
    outcome outcome;
} answer;

static outcome outcome_of(const cmp_row *row, const cmp_row *base, const cmp_ratio *ratio) {
    if (!cmp_row_settled(row) || !cmp_row_settled(base))
        return UNSURE;
    return ratio->verdict == CMP_FASTER ? FASTER : ratio->verdict == CMP_SLOWER ? SLOWER : EQUAL;
}

/* What is known goes before what is not, then the fastest. */
static bool is_better(const answer *a, const answer *b) {
    if ((a->outcome == UNSURE) != (b->outcome == UNSURE))
        return b->outcome == UNSURE;
    return a->ratio.ratio > b->ratio.ratio;
}

static size_t add_answers(const cmp_set *best, answer *out) {
    size_t count = 0;
    for (size_t i = 0; i < best->n_rows; i++) {
        const cmp_row *row = &best->rows[i], *base = row->fold > 1 ? cmp_best_plain(best, row) : NULL;
        if (!base)
            continue;
        answer next = {.row = *row, .ratio = cmp_ratio_of(row, base)};
        next.outcome = outcome_of(row, base, &next.ratio);
        bool same = count > 0 && by_side(&out[count - 1].row, row) == 0;
        if (!same)
            out[count++] = next;
        else if (is_better(&next, &out[count - 1]))
            out[count - 1] = next;
    }
    return count;
}

static int by_answer(const void *left, const void *right) {
    const answer *a = left, *b = right;
    int order = by_side(&a->row, &b->row);
    if (order != 0)
        return order;
    if (a->outcome != b->outcome)
        return a->outcome < b->outcome ? -1 : 1;
    if (a->ratio.ratio != b->ratio.ratio)
        return a->ratio.ratio > b->ratio.ratio ? -1 : 1;
    return fr_natural_compare(a->row.model, b->row.model);
}

/* "v1 1.19× (f = 4), n2 1.05× (f = 2) and 3 more" of the answers that are so. */
static void say_answers(fr_text *out, const answer *answers, size_t count, outcome which) {
    enum { MOST = 6 };
    size_t said = 0, all = 0;
    for (size_t i = 0; i < count; i++)
        all += answers[i].outcome == which;
    for (size_t i = 0; i < count && said < MOST; i++) {
        const answer *a = &answers[i];
        if (a->outcome != which)
            continue;
        report_words(out, "%s%s", said++ ? ", " : "", a->row.model);
        if (which == FASTER || which == SLOWER)
            report_words(out, " %.2f\u00d7 (f\u00a0=\u00a0%d)", a->ratio.ratio, a->row.fold);
    }
    if (all > said)
        fr_text_add(out, " and %s more", cli_integer((int64_t)(all - said)).text);
}

/* Of an engine on a device, in a precision of one class. */
static void put_side(report_page *page, const answer *answers, size_t count) {
    static const char *const heads[OUTCOMES] = {
        NULL, "No difference: ", "Slower, at the best fold: ", "Too few visits to tell: "};
    const cmp_row *row = &answers[0].row;
    const cmp_device *device = cmp_device_of(page->set, row);
    const char *whose = chart_whose(page->set, row);
    fr_text *out = page->out;
    size_t of[OUTCOMES] = {0};
    for (size_t i = 0; i < count; i++)
        of[answers[i].outcome]++;
    fr_text_add(out, "<li><p class=\"big\">");
    if (of[FASTER] > 0)
        report_words(out, "%s%.2f\u00d7", of[FASTER] > 1 ? "up to " : "", answers[0].ratio.ratio);
    else
        fr_text_add(out, of[EQUAL] > 0 ? "no difference" : of[SLOWER] > 0 ? "slower" : "not known yet");
    fr_text_add(out, "</p>\n<p><strong>");
    report_words(out, "%s on %s", row->engine, row->device);
    fr_text_add(out, "</strong>");
    report_words(out, ", %s%s", chart_class_name(row), row->copies ? "" : ", without transfers");
    if (device && device->name[0])
        report_words(out, "; %s", device->name);
    if (whose[0])
        report_words(out, " of %s", whose);
    fr_text_add(out, "</p>\n<p>");
    if (of[FASTER] > 0) {
        report_words(out, "Folding is faster for %s of %s model%s: ", cli_integer((int64_t)of[FASTER]).text,
                     cli_integer((int64_t)count).text, count == 1 ? "" : "s");
        say_answers(out, answers, count, FASTER);
        fr_text_add(out, ".");
    } else if (of[UNSURE] < count) {
        fr_text_add(out, "No fold is shown to be faster than f = 1.");
    }
    for (outcome which = EQUAL; which < OUTCOMES; which++) {
        if (of[which] == 0)
            continue;
        fr_text_add(out, " %s", heads[which]);
        say_answers(out, answers, count, which);
        fr_text_add(out, ".");
    }
    fr_text_add(out, "</p></li>\n");
}

/* Where the project's own engine has folds, peers have theirs in the table alone. */
static void put_sides(report_page *page, const answer *answers, size_t count) {
    enum { MOST = 12 };
    size_t shown = 0, next;
    bool own = chart_is_own(&answers[0].row);
    fr_text_add(page->out, "<p>How many times as fast as the same engine on the same device without folding, at its "
                           "best batch and its best precision of the same class; only what the intervals show.</p>\n"
                           "<ul class=\"short\">\n");
    for (size_t i = 0; i < count && shown < MOST && chart_is_own(&answers[i].row) == own; i = next, shown++) {
        for (next = i; next < count && by_side(&answers[i].row, &answers[next].row) == 0;)
            next++;
        put_side(page, answers + i, next - i);
    }
    fr_text_add(page->out, "</ul>\n");
}

void report_short(report_page *page, const report_models *models) {
    size_t count = 0, room = page->set->n_rows ? page->set->n_rows : 1;
    answer *answers = fr_alloc_array(room, sizeof *answers);
    page->out->failed |= !answers;
    for (size_t i = 0; i < models->count && !page->out->failed; i++) {
        report_lists folds;
        page->out->failed |= !folds_of(&models->at[i], &folds);
        count += add_answers(&folds.best, answers + count);
        report_lists_free(&folds);
    }
    if (count > 0) {
        qsort(answers, count, sizeof *answers, by_answer);
        put_sides(page, answers, count);
    }
    fr_free(answers);
}

/* ---- each fold ---- */

static void speedup_row(report_page *page, const cmp_row *row, const cmp_row *base) {
    char how[96];
    double published = cmp_published_speedup(row->model, row->fold);
    report_row(page);
    report_head_cell(page, NULL, "%s", row->model);
    report_fold_cell(page, row);
    report_ratio_cell(page, row, base);
    report_number(page, published, NULL, "%.2f\u00d7", published);
    report_engine_cell(page, row, false);
    report_rate_cell(page, row);
    snprintf(how, sizeof how, "%s, batch %s", base->precision, cli_integer(base->batch).text);
    report_number(page, base->rate.median, how, "%s", cli_real(base->rate.median).text);
    report_device_cell(page, row);
    report_mode_cells(page, row);
    report_row_end(page, base->command, row->command);
}

static void speedups_of(report_page *page, const cmp_set *best, size_t *shown) {
    static const char *const heads[] = {"Model",     "f<",          "Speed-up>", "The paper>", "Engine",
                                        "Images/s>", "Best f = 1>", "Device",    "Precision",  "Batch<"};
    for (size_t i = 0; i < best->n_rows; i++) {
        const cmp_row *row = &best->rows[i], *base = row->fold > 1 ? cmp_best_plain(best, row) : NULL;
        if (!base)
            continue;
        if ((*shown)++ == 0)
            report_table(page, heads, COUNT(heads),
                         "Each fold over the best f = 1. The first command measures f = 1, the second the fold.");
        speedup_row(page, row, base);
    }
}

/* A long table waits behind a line: it stands between the answer and the next question. */
void report_speedups(report_page *page, const report_models *models) {
    enum { LONG = 12 };
    fr_text *out = page->out, table = {0};
    size_t shown = 0;
    page->out = &table;
    for (size_t i = 0; i < models->count && !table.failed; i++) {
        report_lists folds;
        table.failed |= !folds_of(&models->at[i], &folds);
        speedups_of(page, &folds.best, &shown);
        report_lists_free(&folds);
    }
    if (shown > 0)
        report_table_end(page);
    page->out = out;
    out->failed |= table.failed;
    if (shown > 0) {
        fr_text_add(out, "<details class=\"told\"%s><summary>Every fold, with the commands: %s row%s</summary>\n",
                    shown > LONG ? "" : " open=\"open\"", cli_integer((int64_t)shown).text, shown == 1 ? "" : "s");
        fr_text_add_bytes(out, table.data, table.length);
        fr_text_add(
            out,
            "</details>\n<p>The paper is \u201cBoosting the Throughput and Accelerator Utilization of Specialized CNN "
            "Inference Beyond Increasing Batch Size\u201d: fold f over fold 1 on a V100 with TensorRT, in half "
            "precision, with 1,024 images a batch. A dash stands where it gives no number. It also found n4 slower "
            "with f = 2, for 90 channels do not fill tiles of 64, and gains that grow with the batch.</p>\n");
    }
    fr_text_free(&table);
}
