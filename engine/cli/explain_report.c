#include <string.h>

#include "cli/explain.h"
#include "cli/plan_report.h"
#include "cli/table.h"

static void add_step(const fr_explained_step *s, bool kernels, cli_table *table) {
    cli_table_cell(table, "%s", s->name);
    cli_table_cell(table, "%s", s->ops > 0 ? cli_real(s->ops).text : "-");
    cli_table_cell(table, "%s", s->bytes > 0 ? cli_real(s->bytes).text : "-");
    cli_table_cell(table, "%s", s->intensity > 0 ? cli_real(s->intensity).text : "-");
    if (s->ops > 0)
        cli_table_cell(table, "%.0f%%", 100 * s->fill);
    else
        cli_table_cell(table, "-");
    cli_table_cell(table, "%s", s->limit_ns > 0 ? cli_real(s->limit_ns).text : "-");
    cli_table_cell(table, "%s", s->predicted_ns > 0 ? cli_real(s->predicted_ns).text : "-");
    cli_table_cell(table, "%s", s->measured_ns > 0 ? cli_real(s->measured_ns).text : "-");
    cli_table_cell(table, "%s", s->basis[0] ? s->basis : "-");
    if (kernels)
        cli_table_cell(table, "%s", s->kernel[0] ? s->kernel : "-");
}

static void add_steps(const fr_explained_step *steps, size_t count, fr_text *out) {
    static const char *const head[] = {"LAYER",    "OPERATIONS",   "BYTES",       "FLOP/B", "FILL",
                                       "LIMIT NS", "PREDICTED NS", "MEASURED NS", "BASIS",  "KERNEL"};
    fr_explained_step sum = {.name = "in all"};
    bool kernels = false, measured = count > 0, as_one = false;
    double filled = 0;
    for (size_t i = 0; i < count; i++) {
        sum.ops += steps[i].ops;
        sum.bytes += steps[i].bytes;
        sum.limit_ns += steps[i].limit_ns;
        sum.predicted_ns += steps[i].predicted_ns;
        sum.measured_ns += steps[i].measured_ns;
        filled += steps[i].fill > 0 ? steps[i].ops / steps[i].fill : 0;
        kernels |= steps[i].kernel[0] != '\0';
        measured &= steps[i].measured_ns > 0;
        as_one |=
            steps[i].measured_ns > 0 && !(steps[i].predicted_ns > 0); /* a program of several steps, measured as one */
    }
    sum.intensity = sum.bytes > 0 ? sum.ops / sum.bytes : 0;
    sum.fill = filled > 0 ? sum.ops / filled : 1;
    if (!measured && !as_one)
        sum.measured_ns = 0;
    cli_table table = {.columns = kernels ? "lrrrrrrrll" : "lrrrrrrrl"};
    for (size_t i = 0; i < sizeof head / sizeof head[0] - !kernels; i++)
        cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < count; i++)
        add_step(&steps[i], kernels, &table);
    add_step(&sum, kernels, &table);
    cli_table_print(&table, out);
}

static void add_layers(const explain_page *page, fr_text *out) {
    const fr_explanation *e = &page->explanation;
    const fr_plan_row *row = page->row;
    if (row->fold > 1 || cli_plan_rounds(row)) {
        fr_text_add(out, "\nat fold 1:\n");
        add_steps(e->plain, e->n_plain, out);
        fr_text_add(out, "\nat fold %d, widths %s:\n", row->fold, cli_widths_word(row).text);
    } else {
        fr_text_add(out, "\nlayer by layer:\n");
    }
    add_steps(e->chosen, e->n_chosen, out);
    fr_text_add(out,
                "for one image, on one lane. FILL: of the tiles that the layer's channels take; LIMIT: operations at "
                "the device's peak, or bytes at its bandwidth\n");
    if (e->schedule[0])
        fr_text_add(out, "schedule: %s\n", e->schedule);
}

/* Those of a step that were refused with these words, or offered for "", and are not the chosen one. */
static void add_names(const fr_explanation *e, size_t first, size_t count, const char *why, fr_text *out) {
    const char *between = "";
    for (size_t i = first; i < first + count; i++) {
        if (e->kernels[i].chosen || strcmp(e->kernels[i].why, why) != 0)
            continue;
        fr_text_add(out, "%s%s", between, e->kernels[i].kernel);
        between = ", ";
    }
}

/* The `count` kernels of a step; answers how many are told of with them, those of steps with the same list too. */
static size_t add_step_kernels(const fr_explanation *e, size_t at, size_t count, fr_text *out) {
    const char *chosen = NULL;
    bool offered = false;
    size_t end = at + count;
    for (size_t i = at; i < at + count; i++) {
        chosen = e->kernels[i].chosen ? e->kernels[i].kernel : chosen;
        offered |= !e->kernels[i].chosen && !e->kernels[i].why[0];
    }
    fr_text_add(out, "  %s", e->kernels[at].step);
    for (; end < e->n_kernels && explain_step_kernels(e, end) == count && explain_same_kernels(e, at, end, count);
         end += count)
        fr_text_add(out, ", %s", e->kernels[end].step);
    fr_text_add(out, ": %s\n", chosen ? chosen : "runs within another program");
    if (offered) {
        fr_text_add(out, "    offered too: ");
        add_names(e, at, count, "", out);
        fr_text_add(out, "\n");
    }
    for (size_t i = at; i < at + count; i++) {
        if (e->kernels[i].chosen || !explain_new_reason(e, at, i))
            continue;
        fr_text_add(out, "    refused (%s): ", e->kernels[i].why);
        add_names(e, at, count, e->kernels[i].why, out);
        fr_text_add(out, "\n");
    }
    return end - at;
}

static void add_kernels(const fr_explanation *e, fr_text *out) {
    if (e->n_kernels > 0)
        fr_text_add(out, "\nkernels:\n");
    for (size_t at = 0; at < e->n_kernels;)
        at += add_step_kernels(e, at, explain_step_kernels(e, at), out);
}

static void add_list(const char *title, const fr_text *lines, fr_text *out) {
    if (!lines->data)
        return;
    fr_text_add(out, "\n%s:\n", title);
    const char *rest = lines->data, *at;
    size_t length;
    while (fr_next_line(&rest, &at, &length))
        fr_text_add(out, "  %.*s\n", (int)length, at);
}

void explain_text(const explain_page *page, fr_text *out) {
    const fr_plan_result *r = &page->plan.result;
    fr_text why = {0}, changes = {0};
    fr_text_add(out, "%s on %s (%s)\n", page->plan.model, r->device, r->name);
    cli_plan_sentence(&page->plan, page->row, out);
    fr_text_add(out, "\n");
    if (page->row != cli_plan_choice(r))
        fr_text_add(out, "that is row %td, and not the choice\n", page->row - r->rows + 1);
    explain_why(page, &why);
    explain_changes(page, &changes);
    add_list("why", &why, out);
    add_layers(page, out);
    add_kernels(&page->explanation, out);
    add_list("what would change the decision", &changes, out);
    fr_text_add(out, "\n");
    cli_plan_add_notes(&page->plan, page->row, out);
    out->failed |= why.failed || changes.failed;
    fr_text_free(&why);
    fr_text_free(&changes);
}
