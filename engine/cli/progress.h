/* One line on stderr that is written over; nothing at all when stderr is no terminal. One line at a time in the program. */
#ifndef FR_CLI_PROGRESS_H
#define FR_CLI_PROGRESS_H

#include <stdint.h>

#include "foldrun/types.h"

typedef struct cli_progress {
    const char *what; /* "images" */
    int64_t total;    /* -1: not known */
    uint64_t start_ns, shown_ns;
} cli_progress;

void cli_progress_start(cli_progress *progress, const char *what, int64_t total);
void cli_progress_show(cli_progress *progress, int64_t done); /* a few times a second at most */
/* Any words at all, with the same restraint. */
void cli_progress_say(cli_progress *progress, const char *fmt, ...) FR_PRINTF(2, 3);
void cli_progress_clear(void);

/* fr_session_options.progress: what the session is doing; user is a cli_progress. */
void cli_session_progress(void *user, const char *what, double fraction);

#endif
