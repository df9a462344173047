/* A plan as a page of text. */
#ifndef FR_CLI_PLAN_REPORT_H
#define FR_CLI_PLAN_REPORT_H

#include "cli/plan_common.h"

void cli_plan_report(const cli_planned *plan, fr_text *out); /* the choice, the ranked table, the notes */
/* What the planner noted of its choice, behind how to get the file of a shape (of `row`; NULL = of none). */
void cli_plan_add_notes(const cli_planned *plan, const fr_plan_row *row, fr_text *out);

#endif
