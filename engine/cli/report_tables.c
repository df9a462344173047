/* Tables of the page: heads that sort, an entry of two rows, its figures and the command that gives them. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "cli/report.h"
#include "cli/report_charts.h"
#include "cli/svg.h"
#include "cli/table.h"

static void put_words(fr_text *out, const char *fmt, va_list args) {
    char words[1024];
    if (vsnprintf(words, sizeof words, fmt, args) < 0)
        words[0] = '\0';
    svg_escape(out, words);
}

void report_words(fr_text *out, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    put_words(out, fmt, args);
    va_end(args);
}

static void put_head(fr_text *out, const char *head) {
    size_t length = strlen(head);
    char last = length > 0 ? head[length - 1] : '\0';
    const char *kind = last == '<' ? "least" : last == '>' ? "most" : "words";
    bool words = kind[0] == 'w';
    fr_text_add(out, "<th scope=\"col\" data-kind=\"%s\"%s>", kind, words ? "" : " class=\"n\"");
    report_words(out, "%.*s", (int)(words ? length : length - 1), head);
    fr_text_add(out, "</th>");
}

void report_table(report_page *page, const char *const *heads, size_t count, const char *caption_fmt, ...) {
    fr_text *out = page->out;
    va_list args;
    page->columns = count;
    page->boxes++;
    fr_text_add(out,
                "<div class=\"box\" role=\"region\" tabindex=\"0\" aria-labelledby=\"b%zu\"><table class=\"sorts\">\n"
                "<caption id=\"b%zu\"><span>",
                page->boxes, page->boxes);
    va_start(args, caption_fmt);
    put_words(out, caption_fmt, args);
    va_end(args);
    fr_text_add(out, "</span></caption>\n<thead><tr>");
    for (size_t i = 0; i < count; i++)
        put_head(out, heads[i]);
    fr_text_add(out, "</tr></thead>\n");
}

void report_table_end(report_page *page) {
    fr_text_add(page->out, "</table></div>\n");
}

void report_row(report_page *page) {
    fr_text_add(page->out, "<tbody><tr>");
}

void report_row_end(report_page *page, const char *command, const char *and_command) {
    const char *commands[] = {command, and_command};
    bool open = false;
    fr_text_add(page->out, "</tr>");
    for (size_t i = 0; i < 2; i++) {
        if (!commands[i] || !commands[i][0])
            continue;
        if (!open)
            fr_text_add(page->out, "\n<tr class=\"how\"><td colspan=\"%zu\">", page->columns);
        open = true;
        fr_text_add(page->out, "<code>");
        svg_escape(page->out, commands[i]);
        fr_text_add(page->out, "</code>");
    }
    fr_text_add(page->out, open ? "</td></tr></tbody>\n" : "</tbody>\n");
}

static void put_small(fr_text *out, const char *small) {
    const char *line;
    size_t length;
    while (small && fr_next_line(&small, &line, &length)) {
        fr_text_add(out, "<small>");
        report_words(out, "%.*s", (int)length, line);
        fr_text_add(out, "</small>");
    }
}

/* What the tag holds, and its end. */
static void put_cell(fr_text *out, const char *end, const char *small, const char *fmt, va_list args) {
    put_words(out, fmt, args);
    put_small(out, small);
    fr_text_add(out, "%s", end);
}

void report_head_cell(report_page *page, const char *small, const char *fmt, ...) {
    va_list args;
    fr_text_add(page->out, "<th scope=\"row\">");
    va_start(args, fmt);
    put_cell(page->out, "</th>", small, fmt, args);
    va_end(args);
}

void report_cell(report_page *page, const char *small, const char *fmt, ...) {
    va_list args;
    fr_text_add(page->out, "<td>");
    va_start(args, fmt);
    put_cell(page->out, "</td>", small, fmt, args);
    va_end(args);
}

void report_number(report_page *page, double key, const char *small, const char *fmt, ...) {
    char number[FR_NUMBER_TEXT];
    va_list args;
    if (!(isfinite(key) && key > 0)) {
        fr_text_add(page->out, "<td class=\"n\">\u2013</td>");
        return;
    }
    fr_number_text(key, number);
    fr_text_add(page->out, "<td class=\"n\" data-v=\"%s\">", number);
    va_start(args, fmt);
    put_cell(page->out, "</td>", small, fmt, args);
    va_end(args);
}

/* ---- cells that many tables have ---- */

void report_engine_cell(report_page *page, const cmp_row *row, bool head) {
    if (head)
        report_head_cell(page, row->version, "%s", row->engine);
    else
        report_cell(page, row->version, "%s", row->engine);
}

void report_device_cell(report_page *page, const cmp_row *row) {
    const cmp_device *device = cmp_device_of(page->set, row);
    const char *whose = chart_whose(page->set, row);
    fr_text *out = page->out;
    fr_text_add(out, "<td class=\"w\">");
    svg_escape(out, row->device);
    if (device && (device->name[0] || device->title[0]))
        put_small(out, device->name[0] ? device->name : device->title);
    if (whose[0]) {
        fr_text_add(out, "<small>");
        report_words(out, "on %s", whose);
        fr_text_add(out, "</small>");
    }
    fr_text_add(out, "</td>");
}

void report_fold_cell(report_page *page, const cmp_row *row) {
    bool plain = row->round[0] == '\0' || strcmp(row->round, "floor") == 0;
    report_number(page, row->fold, plain ? NULL : row->round, "%d", row->fold);
}

void report_mode_cells(report_page *page, const cmp_row *row) {
    bool any = strcmp(row->schedule, "auto") == 0;
    report_cell(page, NULL, "%s", row->precision);
    report_number(page, (double)row->batch, any ? NULL : row->schedule, "%s", cli_integer(row->batch).text);
}

void report_rate_cell(report_page *page, const cmp_row *row) {
    char interval[2 * CLI_NUMBER + 8] = "";
    bool wide = row->rate.low > 0 && row->rate.high >= row->rate.low;
    if (!cmp_row_settled(row))
        snprintf(interval, sizeof interval, "too few visits");
    else if (wide)
        snprintf(interval, sizeof interval, "%s\u2013%s", cli_real(row->rate.low).text, cli_real(row->rate.high).text);
    report_number(page, row->rate.median, interval, "%s", cli_real(row->rate.median).text);
}

void report_ratio_cell(report_page *page, const cmp_row *row, const cmp_row *base) {
    char interval[96];
    if (!base) {
        report_number(page, 0, NULL, "%s", "");
        return;
    }
    cmp_ratio ratio = cmp_ratio_of(row, base);
    bool itself = cmp_same_key(row, base);
    bool settled = cmp_row_settled(row) && cmp_row_settled(base);
    if (itself)
        snprintf(interval, sizeof interval, "is its best f = 1");
    else
        snprintf(interval, sizeof interval, "%.2f\u2013%.2f%s", ratio.low, ratio.high,
                 !settled                             ? "\ntoo few visits"
                 : ratio.verdict == CMP_NO_DIFFERENCE ? "\nno difference"
                                                      : "");
    report_number(page, ratio.ratio, interval, "%.2f\u00d7", ratio.ratio);
}
