/* Answers, one row an image: CSV, JSON lines, or a .npy array of all scores. */
#ifndef FR_CLI_ROWS_H
#define FR_CLI_ROWS_H

#include "cli/output.h"

typedef enum cli_format { CLI_CSV, CLI_JSONL, CLI_NPY } cli_format;

typedef struct cli_rows {
    cli_format format;
    int32_t top, classes; /* top: best classes a row; npy has all */
    int64_t count;
    bool begun; /* the head is written: with the first row, so that a failure before it leaves nothing behind */
    cli_output out;
    float *all;      /* npy: the header says how many rows there are, so they are kept until the end */
    size_t capacity; /* rows of `all` */
} cli_rows;

/* All answer an exit code; a failure has been told. */
int cli_rows_begin(cli_rows *rows, const char *path, cli_format format, int32_t top, int32_t classes);
int cli_rows_add(cli_rows *rows, const char *name, const float *scores);
int cli_rows_flush(cli_rows *rows); /* what stands so far can be read by who waits for it */
int cli_rows_end(cli_rows *rows);
void cli_rows_abandon(cli_rows *rows);

#endif
