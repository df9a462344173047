/* Work that measures for a given time: reading the time, and the line that says how much of it is left. */
#ifndef FR_CLI_BUDGET_H
#define FR_CLI_BUDGET_H

#include <stdbool.h>

#include "cli/progress.h"

/* "90", "90s", "1.5m", "1h"; answers an exit code. */
int cli_read_budget(const char *word, double *out_seconds);

typedef struct cli_watch {
    cli_progress line;
    const char *what; /* "tuning" */
    double budget_s;  /* 0 = none */
} cli_watch;

/* From here on signals are watched too: cli_watch_progress answers false after one. */
void cli_watch_start(cli_watch *watch, const char *what, double budget_s);
/* The progress callback of long calls of the library; user is a cli_watch. */
bool cli_watch_progress(void *user, const char *what, double fraction);

#endif
