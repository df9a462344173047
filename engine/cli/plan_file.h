/* Plans as JSON: what --json prints, and the files that --save writes and run, bench and explain take. */
#ifndef FR_CLI_PLAN_FILE_H
#define FR_CLI_PLAN_FILE_H

#include "cli/output.h"
#include "cli/plan_common.h"

void cli_plan_put(const cli_planned *plan, fr_json_writer *w);         /* an object of its own */
void cli_plan_put_members(const cli_planned *plan, fr_json_writer *w); /* into one that was begun */
void cli_plan_put_row(const cli_planned *plan, const fr_plan_row *row, bool alternative, fr_json_writer *w);
void cli_plan_put_options(const fr_plan_options *options, fr_json_writer *w);

/* Lines as an array of strings; NULL is none. */
void cli_put_lines(fr_json_writer *w, const char *key, const char *lines);

enum { CLI_PLAN_FORMAT = 1 };

/* All answer an exit code; a failure has been told. Saving needs a choice. */
int cli_plan_save(const cli_planned *plan, cli_output *file);
/* Everything but the networks. Free with cli_plan_free, whatever it answers. */
int cli_plan_read(const char *path, cli_planned *out_plan);
void cli_plan_file_free(cli_planned *plan); /* what reading made; cli_plan_free does it */

#endif
