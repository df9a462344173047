/* Aligned text tables. Cells are given row by row; the first row is the head. */
#ifndef FR_CLI_TABLE_H
#define FR_CLI_TABLE_H

#include "base/text.h"

typedef struct cli_table {
    const char *columns; /* a letter each: l or r, where it is aligned */
    fr_text cells;       /* each with its NUL */
    size_t n_cells;
} cli_table; /* {.columns = "lrr"} */

void cli_table_cell(cli_table *table, const char *fmt, ...) FR_PRINTF(2, 3);
void cli_table_cells(cli_table *table, const char *const *cells); /* a whole row */
void cli_table_print(cli_table *table, fr_text *out);             /* and frees the table */
void cli_table_markdown(cli_table *table, fr_text *out);          /* the same, as Markdown has tables */

/* Text that a spreadsheet reads as one cell, and text that Markdown reads as words. */
void cli_csv_text(fr_text *out, const char *text);
void cli_markdown_text(fr_text *out, const char *text);

/* Numbers as people read them: "16,778,672", "37.51 MB" (powers of ten), "28,600" (three or more digits, none behind the point). */
enum { CLI_NUMBER = 40 };
typedef struct cli_number {
    char text[CLI_NUMBER];
} cli_number;
cli_number cli_integer(int64_t value);
cli_number cli_real(double value);
cli_number cli_bytes(double bytes);

#endif
