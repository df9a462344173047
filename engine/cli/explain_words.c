/* What the rows of a plan say of one of them. Pure. */
#include <string.h>

#include "cli/explain.h"
#include "cli/table.h"

enum { NEXT_ROWS = 3 };

static bool counts(const fr_plan_row *row) {
    return !row->broken && !row->why[0];
}

/* "1.31 times the best of fold 1: ..." */
static void add_plain(const explain_page *page, fr_text *out) {
    const fr_plan_row *plain = cli_plan_best_plain(&page->plan.result);
    if (!plain) {
        fr_text_add(out, "no option of fold 1 keeps the limits\n");
    } else if (plain == page->row) {
        fr_text_add(
            out, "it is the best of fold 1: no folded network has to be trained, and no accuracy is lost to folding\n");
    } else {
        fr_text_add(out, "%.2f times the best of fold 1: ", cli_plan_ratio(page->row, plain));
        cli_plan_sentence(&page->plan, plain, out);
        fr_text_add(out, "\n");
    }
}

static void add_next(const explain_page *page, fr_text *out) {
    const fr_plan_result *r = &page->plan.result;
    int told = 0;
    for (size_t i = 0; i < r->n_rows && told < NEXT_ROWS; i++) {
        const fr_plan_row *row = &r->rows[i];
        if (row == page->row || !counts(row))
            continue;
        double behind = 1 - cli_plan_ratio(row, page->row);
        fr_text_add(out, "%.1f%% %s: ", 100 * (behind < 0 ? -behind : behind), behind < 0 ? "faster" : "behind");
        cli_plan_sentence(&page->plan, row, out);
        fr_text_add(out, "\n");
        told++;
    }
}

void explain_why(const explain_page *page, fr_text *out) {
    const fr_plan_row *row = page->row;
    if (row->broken)
        fr_text_add(out, "it breaks the limit on %s\n", row->broken);
    if (row->why[0])
        fr_text_add(out, "measuring it failed: %s\n", row->why);
    add_plain(page, out);
    add_next(page, out);
}

/* ---- what would change it ---- */

/* The fastest that a limit holds back, for each limit. */
static void add_limits(const cli_planned *plan, const fr_plan_row *base, fr_text *out) {
    static const struct {
        const char *broken, *option;
    } limits[] = {{"latency", "--max-latency"}, {"memory", "--max-memory"}, {"accuracy", "--max-drop"}};
    const fr_plan_result *r = &plan->result;
    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
        const fr_plan_row *best = NULL;
        for (size_t i = 0; i < r->n_rows; i++) {
            const fr_plan_row *row = &r->rows[i];
            if (row->broken && strcmp(row->broken, limits[l].broken) == 0 && row != base &&
                cli_plan_ratio(row, base) > 1 && (!best || cli_plan_rate(row) > cli_plan_rate(best)))
                best = row;
        }
        if (!best)
            continue;
        fr_text_add(out, "a wider %s: %.2f times as fast would be ", limits[l].option, cli_plan_ratio(best, base));
        cli_plan_sentence(plan, best, out);
        fr_text_add(out, "\n");
    }
}

/* For every other fold, how much faster it would have to be. */
static void add_folds(const cli_planned *plan, const fr_plan_row *base, fr_text *out) {
    const fr_plan_result *r = &plan->result;
    for (size_t i = 0; i < r->n_rows; i++) {
        const fr_plan_row *row = &r->rows[i];
        bool first = counts(row) && row->fold != base->fold;
        for (size_t k = 0; k < i && first; k++)
            first = r->rows[k].fold != row->fold || !counts(&r->rows[k]);
        double ratio = first ? cli_plan_ratio(row, base) : 0;
        if (!(ratio > 0))
            continue;
        if (ratio > 1 && ratio <= 1 + FR_PLAN_TIE)
            fr_text_add(out, "fold %d is %.1f%% faster, which counts as equal (within %.0f%%): the simpler one wins\n",
                        row->fold, 100 * (ratio - 1), 100 * FR_PLAN_TIE);
        else if (ratio < 1)
            fr_text_add(out, "fold %d would have to be %.0f%% faster than its best (row %zu)\n", row->fold,
                        100 * ((row->fold > base->fold ? 1 + FR_PLAN_TIE : 1) / ratio - 1), i + 1);
    }
}

static void add_doubts(const cli_planned *plan, const fr_plan_row *base, fr_text *out) {
    const fr_plan_result *r = &plan->result;
    int unmeasured = 0;
    for (size_t i = 0; i < r->n_rows; i++)
        unmeasured += counts(&r->rows[i]) && !(r->rows[i].measured > 0) && &r->rows[i] != base &&
                      r->rows[i].predicted > cli_plan_rate(base);
    if (unmeasured > 0 && base->measured > 0)
        fr_text_add(out,
                    "%d more predicted to be faster than what was measured here, but not measured: "
                    "--measure takes more\n",
                    unmeasured);
    if (!(base->measured > 0))
        fr_text_add(out, "nothing was measured: without --no-measure, on the device itself, the best few are\n");
    const fr_plan_row *plain = cli_plan_best_plain(r);
    if (base->fold > 1 && !base->trained && plain) {
        fr_text_add(out, "should the folded network, once trained, be too inaccurate: ");
        cli_plan_sentence(plan, plain, out);
        fr_text_add(out, "\n");
    }
}

void explain_changes(const explain_page *page, fr_text *out) {
    const fr_plan_row *choice = cli_plan_choice(&page->plan.result);
    if (!choice)
        return;
    add_limits(&page->plan, choice, out);
    add_folds(&page->plan, choice, out);
    add_doubts(&page->plan, choice, out);
}

/* ---- kernels ---- */

bool explain_same_kernels(const fr_explanation *e, size_t a, size_t b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const fr_explained_kernel *x = &e->kernels[a + i], *y = &e->kernels[b + i];
        if (x->chosen != y->chosen || strcmp(x->kernel, y->kernel) != 0 || strcmp(x->why, y->why) != 0)
            return false;
    }
    return true;
}

size_t explain_step_kernels(const fr_explanation *e, size_t at) {
    size_t end = at;
    while (end < e->n_kernels && strcmp(e->kernels[end].step, e->kernels[at].step) == 0)
        end++;
    return end - at;
}

bool explain_new_reason(const fr_explanation *e, size_t first, size_t at) {
    for (size_t i = first; i < at; i++)
        if (strcmp(e->kernels[i].why, e->kernels[at].why) == 0)
            return false;
    return e->kernels[at].why[0] != '\0';
}
