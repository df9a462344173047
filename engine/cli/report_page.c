/* The page: what stands in it, and in which order. */
#include <stdio.h>
#include <string.h>

#include "cli/report.h"
#include "cli/svg.h"
#include "cli/table.h"

/* Well-formed as XML too, which a test can see. */
static void put_head(fr_text *out, const char *title) {
    fr_text_add(out,
                "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
                "script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\"/>\n"
                "<link rel=\"icon\" href=\"data:,\"/>\n<title>");
    svg_escape(out, title);
    fr_text_add(out, "</title>\n<style>\n%s", svg_style());
    report_style(out);
    fr_text_add(
        out, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the figures</a>\n<div class=\"page\">\n");
}

static size_t count_failed(const cmp_set *set) {
    size_t count = 0;
    for (size_t i = 0; i < set->n_rows; i++)
        count += !cmp_row_worked(&set->rows[i]);
    return count;
}

static size_t count_unchecked(const cmp_set *set) {
    size_t count = 0;
    for (size_t i = 0; i < set->n_rows; i++)
        count += cmp_row_worked(&set->rows[i]) && set->rows[i].check == CMP_UNCHECKED;
    return count;
}

/* "12 models", "1 model" */
static void put_count(fr_text *out, size_t count, const char *what) {
    fr_text_add(out, "%s %s%s", cli_integer((int64_t)count).text, what, count == 1 ? "" : "s");
}

static void put_summary(report_page *page, const report_models *models) {
    const cmp_set *set = page->set;
    fr_text *out = page->out;
    size_t failed = count_failed(set), unchecked = count_unchecked(set);
    fr_text_add(
        out,
        "<p class=\"lede\">Small CNNs, plain and folded (f images in the channels of one input): images a second on ");
    put_count(out, set->n_devices, "device");
    fr_text_add(out, " of ");
    put_count(out, set->n_machines, "machine");
    fr_text_add(out, ". ");
    put_count(out, set->n_rows, "configuration");
    fr_text_add(out, " of ");
    put_count(out, models->count, "model");
    fr_text_add(out, "%s", failed || unchecked ? ": " : ".");
    if (failed)
        fr_text_add(out, "%s without a figure%s", cli_integer((int64_t)failed).text, unchecked ? ", " : ".");
    if (unchecked)
        fr_text_add(out, "%s with answers that were not checked.", cli_integer((int64_t)unchecked).text);
    fr_text_add(out, "</p>\n");
    if (set->interrupted)
        fr_text_add(
            out,
            "<p class=\"note\">Not all that was asked for has been measured: where rows have too few visits, nothing "
            "is said of their order. The same command goes on with the rest.</p>\n");
    if (set->n_rows == 0)
        fr_text_add(out,
                    "<p class=\"note\">There are no rows yet: <code>foldrun compare -o results.json</code> measures "
                    "some.</p>\n");
}

/* Sections are written before the list of them, which has those alone that hold something. */
typedef struct section {
    const char *id, *name;
    fr_text text;
} section;

static void put_section(fr_text *out, section *s) {
    out->failed |= s->text.failed;
    if (s->text.length > 0) {
        fr_text_add(out, "<section id=\"%s\" aria-labelledby=\"%s-head\"><h2 id=\"%s-head\">%s</h2>\n", s->id, s->id,
                    s->id, s->name);
        fr_text_add_bytes(out, s->text.data, s->text.length);
        fr_text_add(out, "</section>\n");
    }
    fr_text_free(&s->text);
}

static void put_link(fr_text *out, const section *s) {
    if (s->text.length > 0)
        fr_text_add(out, "<li><a href=\"#%s\">%s</a></li>\n", s->id, s->name);
}

static void put_nav(fr_text *out, const section *sections, size_t count, const report_models *models) {
    fr_text_add(out, "<nav aria-label=\"Sections\"><ul>\n");
    for (size_t i = 0; i < count; i++) {
        put_link(out, &sections[i]);
        for (size_t k = 0; i == 1 && k < models->count; k++) { /* behind what is said of all of them */
            fr_text_add(out, "<li><a href=\"#model-%zu\">", k + 1);
            svg_escape(out, models->at[k].rows[0].model);
            fr_text_add(out, "</a></li>\n");
        }
    }
    fr_text_add(out, "</ul></nav>\n");
}

static void put_model(report_page *page, const cmp_set *model, size_t number) {
    const char *name = model->rows[0].model;
    fr_text *out = page->out, chart = {0};
    fr_text_add(out, "<section id=\"model-%zu\" aria-labelledby=\"model-%zu-head\"><h2 id=\"model-%zu-head\">", number,
                number, number);
    svg_escape(out, name);
    fr_text_add(out, "</h2>\n");
    cmp_chart_rates(model, name, &chart);
    report_figure(page, &chart,
                  "Images a second at the best batch, with the interval; the commands stand in the table.", NULL);
    report_ranking(page, model);
    cmp_chart_batches(model, name, &chart);
    report_figure(page, &chart, "Images a second by batch; the commands stand in the tables.", NULL);
    fr_text_add(out, "</section>\n");
}

static void write_speedups(report_page *page, const report_models *models) {
    fr_text chart = {0};
    report_short(page, models);
    cmp_chart_speedups(page->set, &chart);
    report_figure(page, &chart,
                  "Speed-up of each fold over the best f = 1, with its interval; the commands stand in the table.",
                  NULL);
    report_speedups(page, models);
}

static void write_devices(report_page *page, const report_models *models) {
    for (size_t i = 0; i < page->set->n_devices; i++)
        report_device(page, &page->set->devices[i], models);
}

static void write_method(report_page *page, const report_models *models) {
    (void)models;
    report_method(page);
    report_machines(page);
}

static void write_downloads(report_page *page, const report_models *models) {
    (void)models;
    report_downloads(page);
}

static void put_main(report_page *page, const report_models *models) {
    static void (*const writers[])(report_page *, const report_models *) = {
        write_speedups, report_overview, write_devices, write_method, write_downloads};
    section sections[] = {{.id = "speed-ups", .name = "What folding brings"},
                          {.id = "fastest", .name = "What is fastest"},
                          {.id = "devices", .name = "The devices"},
                          {.id = "method", .name = "How it was measured"},
                          {.id = "rows", .name = "The raw rows"}};
    enum { SECTIONS = sizeof sections / sizeof sections[0], BEFORE_MODELS = 2 };
    fr_text *out = page->out;
    for (size_t i = 0; i < SECTIONS; i++) {
        page->out = &sections[i].text;
        writers[i](page, models);
    }
    page->out = out;
    put_nav(out, sections, SECTIONS, models);
    fr_text_add(out, "</header>\n<main id=\"main\">\n");
    for (size_t i = 0; i < BEFORE_MODELS; i++)
        put_section(out, &sections[i]);
    for (size_t i = 0; i < models->count; i++)
        put_model(page, &models->at[i], i + 1);
    for (size_t i = BEFORE_MODELS; i < SECTIONS; i++)
        put_section(out, &sections[i]);
    fr_text_add(out, "</main>\n");
}

void cmp_report(const cmp_set *set, const char *title, fr_text *out) {
    report_page page = {.set = set, .out = out};
    report_models models;
    if (!report_models_of(set, &models)) {
        out->failed = true;
        return;
    }
    put_head(out, title);
    fr_text_add(out, "<header>\n<h1>");
    svg_escape(out, title);
    fr_text_add(out, "</h1>\n");
    put_summary(&page, &models);
    put_main(&page, &models);
    fr_text_add(out,
                "<footer>Made by foldrun %s. This page is one file: it asks nothing of any network.</footer>\n</div>\n",
                fr_version());
    fr_text_add(out, "<script>\n");
    report_script(out);
    fr_text_add(out, "</script>\n</body>\n</html>\n");
    report_models_free(&models);
}
