/* A comparison while it is shown: between compare_table.c (for readers) and compare_csv.c (for spreadsheets). */
#ifndef FR_CLI_COMPARE_VIEW_H
#define FR_CLI_COMPARE_VIEW_H

#include "cli/compare.h"
#include "cli/report.h"

typedef struct cmp_view {
    const cmp_set *set; /* of one model */
    cmp_format format;
    fr_text *out;
    size_t *order; /* of the model's rows, by cmp_rank */
    int32_t *rank;
    size_t count;
    const cmp_row
        *leaders[2]; /* of the rows without copies, and of those with them: the fastest that may be compared, or NULL */
    report_lists folds;
    bool machines, engines, precisions, copies, schedules; /* not the same in each row of the whole set */
    bool ratio_intervals, costs;                           /* there is room for them */
    size_t widest;                                         /* of the rankings' lines */
} cmp_view;

const char *cmp_machine_name(const cmp_set *set, const char *id);
/* What a row's fold is compared with, which may be the row itself; NULL = nothing. */
const cmp_row *cmp_plain_of(const cmp_view *v, const cmp_row *row);
/* "faster", "no difference", "too few visits" */
const char *cmp_verdict_word(const cmp_row *row, const cmp_row *base, const cmp_ratio *ratio);

void cmp_csv_begin(fr_text *out);
void cmp_csv_model(const cmp_view *v);

#endif
