/* Reading and computing at once: while one batch is on the device, the next is read. */
#ifndef FR_CLI_PIPELINE_H
#define FR_CLI_PIPELINE_H

#include "cli/progress.h"
#include "cli/rows.h"
#include "foldrun/foldrun.h"

typedef struct cli_job {
    fr_source *source;
    fr_session *session;
    cli_rows *rows;
    cli_progress *progress;
    int64_t batch; /* images */
    size_t image_bytes;
    bool skip_bad;   /* tell of a file that cannot be read, and go on */
    int64_t skipped; /* out: how many were */
} cli_job;

/* Every image of the source becomes a row, in order. Answers an exit code; a failure has been told. */
int cli_pipeline(cli_job *job);

#endif
