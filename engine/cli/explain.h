/* Between explain.c (which row), explain_words.c, explain_report.c and explain_json.c. */
#ifndef FR_CLI_EXPLAIN_H
#define FR_CLI_EXPLAIN_H

#include "cli/plan_common.h"

typedef struct explain_page {
    cli_planned plan;
    const fr_plan_row *row; /* of the plan's */
    fr_explanation explanation;
} explain_page;

/* Why this row, and what would make another the choice: a sentence a line. Both by the rows alone. */
void explain_why(const explain_page *page, fr_text *out);
void explain_changes(const explain_page *page, fr_text *out);

/* The kernels of a step, as the explanation lists them one behind the other: how many there are from `at` on. */
size_t explain_step_kernels(const fr_explanation *e, size_t at);
/* Whether the `count` kernels from `a` and from `b` on are the same, with the same words. */
bool explain_same_kernels(const fr_explanation *e, size_t a, size_t b, size_t count);
/* Whether no kernel before it, from `first` on, was refused with the same words. */
bool explain_new_reason(const fr_explanation *e, size_t first, size_t at);

void explain_text(const explain_page *page, fr_text *out);
void explain_json(const explain_page *page, fr_json_writer *w);

#endif
