#include "cli/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cli_table_cell(cli_table *table, const char *fmt, ...) {
    char cell[256];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(cell, sizeof cell, fmt, args) < 0)
        cell[0] = '\0';
    va_end(args);
    fr_text_add_bytes(&table->cells, cell, strlen(cell) + 1);
    table->n_cells++;
}

void cli_table_cells(cli_table *table, const char *const *cells) {
    for (size_t i = 0; table->columns[i]; i++)
        cli_table_cell(table, "%s", cells[i]);
}

static size_t shown_width(const char *cell) { /* characters, not bytes */
    size_t width = 0;
    for (; *cell; cell++)
        width += ((unsigned char)*cell & 0xc0) != 0x80;
    return width;
}

void cli_table_print(cli_table *table, fr_text *out) {
    size_t width[32] = {0}, columns = strlen(table->columns);
    const char *cell = table->cells.data;
    if (table->cells.failed || columns > 32)
        out->failed = true;
    if (out->failed || !cell) {
        fr_text_free(&table->cells);
        return;
    }
    for (size_t i = 0; i < table->n_cells; i++, cell += strlen(cell) + 1)
        if (shown_width(cell) > width[i % columns])
            width[i % columns] = shown_width(cell);
    cell = table->cells.data;
    for (size_t i = 0; i < table->n_cells; i++, cell += strlen(cell) + 1) {
        size_t column = i % columns;
        int pad = (int)(width[column] - shown_width(cell));
        bool last = column + 1 == columns;
        if (table->columns[column] == 'r')
            fr_text_add(out, "%*s%s", pad, "", cell);
        else
            fr_text_add(out, "%s%*s", cell, last ? 0 : pad, "");
        fr_text_add(out, last ? "\n" : "  ");
    }
    fr_text_free(&table->cells);
}

void cli_csv_text(fr_text *out, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        fr_text_add(out, "%s", text);
        return;
    }
    fr_text_add(out, "\"");
    for (; *text; text++)
        fr_text_add(out, *text == '"' ? "\"\"" : "%c", *text);
    fr_text_add(out, "\"");
}

void cli_markdown_text(fr_text *out, const char *text) {
    for (; *text; text++)
        fr_text_add(out, strchr("\\|<>&`*[]_", *text) ? "\\%c" : "%c", *text);
}

void cli_table_markdown(cli_table *table, fr_text *out) {
    size_t columns = strlen(table->columns);
    const char *cell = table->cells.data;
    out->failed |= table->cells.failed;
    for (size_t i = 0; !out->failed && cell && i < table->n_cells; i++, cell += strlen(cell) + 1) {
        bool last = (i + 1) % columns == 0;
        fr_text_add(out, i % columns == 0 ? "| " : " ");
        cli_markdown_text(out, cell);
        fr_text_add(out, last ? " |\n" : " |");
        if (i + 1 == columns) { /* the head's */
            for (size_t c = 0; c < columns; c++)
                fr_text_add(out, table->columns[c] == 'r' ? "|---:" : "|---");
            fr_text_add(out, "|\n");
        }
    }
    fr_text_free(&table->cells);
}

cli_number cli_integer(int64_t value) {
    char digits[24];
    cli_number out = {""};
    int length = snprintf(digits, sizeof digits, "%lld", (long long)(value < 0 ? -value : value)), at = 0;
    if (value < 0)
        out.text[at++] = '-';
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out.text[at++] = ',';
        out.text[at++] = digits[i];
    }
    out.text[at] = '\0';
    return out;
}

cli_number cli_real(double value) {
    cli_number out;
    double magnitude = fabs(value);
    if (!isfinite(value))
        snprintf(out.text, sizeof out.text, "-");
    else if (magnitude >= 99.95 && magnitude < 9e18)
        return cli_integer((int64_t)llround(value));
    else if (magnitude < 0.01 && magnitude > 0)
        snprintf(out.text, sizeof out.text, "%.2g", value);
    else
        snprintf(out.text, sizeof out.text, "%.*f", magnitude >= 9.995 ? 1 : 2, value);
    return out;
}

cli_number cli_bytes(double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    cli_number out;
    size_t unit = 0;
    while (unit + 1 < sizeof units / sizeof units[0] && bytes >= 999.995) {
        bytes /= 1000;
        unit++;
    }
    snprintf(out.text, sizeof out.text, unit ? "%.2f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}
