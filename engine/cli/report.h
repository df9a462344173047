/*
 * Between the files of the report: report_command.c (the command), report_page.c (the order of things), report_lists.c (which
 * rows stand where), report_tables.c (tables and their cells), report_rows.c, report_folds.c and report_facts.c (what stands in
 * them), report_style.c (the style sheet and the script), report_charts.c and its neighbours (pictures).
 *
 * The page has svg_style() once, in its head, and colours of its own beside; pictures bring no style and carry their title and
 * description. The classes of the pictures ("title", "words", "muted", ...) belong to them alone.
 */
#ifndef FR_CLI_REPORT_H
#define FR_CLI_REPORT_H

#include "cli/compare.h"

typedef struct report_page {
    const cmp_set *set;
    fr_text *out;
    size_t boxes;   /* tables and pictures so far: their ids */
    size_t columns; /* of the table that was begun */
} report_page;

/* Words, escaped. */
void report_words(fr_text *out, const char *fmt, ...) FR_PRINTF(2, 3);

/* ---- report_lists.c ---- */

/* Sets that share all but their rows with the set they are of. */
typedef struct report_models {
    cmp_set *at; /* one a model, by their names: a file has its rows in any order */
    size_t count;
    cmp_row *rows; /* of all of them */
} report_models;
bool report_models_of(const cmp_set *set, report_models *out); /* false: out of memory */
void report_models_free(report_models *models);

typedef enum report_pick {
    REPORT_BATCHES, /* the best batch of what else is the same */
    REPORT_FOLDS    /* the best of each device, engine, fold and accuracy class */
} report_pick;
/* The best of the rows that worked, the fastest first, and the others. */
typedef struct report_lists {
    cmp_set best, others;
    cmp_row *rows;
} report_lists;
bool report_lists_of(const cmp_set *model, report_pick pick, report_lists *out);
void report_lists_free(report_lists *lists);

/* ---- report_tables.c ---- */

/* A head that ends in '<' holds numbers of which the least are looked for, '>' the largest; others hold words. */
void report_table(report_page *page, const char *const *heads, size_t count, const char *caption_fmt, ...)
    FR_PRINTF(4, 5);
void report_table_end(report_page *page);
void report_row(report_page *page);                                                   /* begins one; ended by: */
void report_row_end(report_page *page, const char *command, const char *and_command); /* NULL or "": none */
/* `small` (NULL = none) stands beneath, in small letters; a line break in it begins another line. */
void report_head_cell(report_page *page, const char *small, const char *fmt, ...) FR_PRINTF(3, 4);
void report_cell(report_page *page, const char *small, const char *fmt, ...) FR_PRINTF(3, 4);
/* A dash where the key is no positive number. */
void report_number(report_page *page, double key, const char *small, const char *fmt, ...) FR_PRINTF(4, 5);
/* What a narrow screen shows without scrolling comes first in a row: its name, the fold and the figure. */
void report_engine_cell(report_page *page, const cmp_row *row, bool head); /* `head`: it names the row */
void report_device_cell(report_page *page, const cmp_row *row);
void report_fold_cell(report_page *page, const cmp_row *row);
void report_mode_cells(report_page *page, const cmp_row *row); /* precision, batch */
void report_rate_cell(report_page *page, const cmp_row *row);
void report_ratio_cell(report_page *page, const cmp_row *row, const cmp_row *base);

/* ---- report_rows.c ---- */

void report_overview(report_page *page, const report_models *models);
void report_ranking(report_page *page, const cmp_set *model);

/* ---- report_folds.c ---- */

void report_short(report_page *page, const report_models *models); /* which fold wins where, and by how much */
void report_speedups(report_page *page, const report_models *models);

/* ---- report_facts.c ---- */

/* In a box that scrolls, with the command that gives its figures (NULL: none). Nothing of an empty picture; frees it. */
void report_figure(report_page *page, fr_text *chart, const char *caption, const char *command);
void report_machines(report_page *page);
void report_device(report_page *page, const cmp_device *device, const report_models *models);
void report_method(report_page *page);
void report_downloads(report_page *page);

/* ---- report_published.c ---- */

/* The paper's throughput of a fold over fold 1 of this model, by its id or its name; 0: none was published. */
double cmp_published_speedup(const char *model, int32_t fold);

/* ---- report_style.c ---- */

void report_style(fr_text *out);  /* what stands in <style> beside svg_style() */
void report_script(fr_text *out); /* what stands in <script>: sorts tables; the page is whole without it */

#endif
