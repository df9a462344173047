/* What a command gives: to standard output, or to the file of -o (written beside it, then renamed). Every write is checked. */
#ifndef FR_CLI_OUTPUT_H
#define FR_CLI_OUTPUT_H

#include <stdbool.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

typedef struct cli_output {
    fr_file_writer *file;
    const char *path;
} cli_output; /* path NULL = standard output */

/* All answer an exit code; a failure has been told. */
int cli_output_begin(const char *path, cli_output *out);
int cli_output_put(cli_output *out, const void *data, size_t bytes);
int cli_output_commit(cli_output *out);
void cli_output_abandon(cli_output *out);

/* The whole of an answer at once; frees the text. */
int cli_print(fr_text *text);
int cli_write_text(const char *path, fr_text *text);
/* The same for finished JSON, with a newline behind it. */
int cli_write_json(const char *path, fr_json_writer *json);
/* Into a file that was begun before the work, if there is one (path not NULL), and with `print` to standard output. */
int cli_share_json(cli_output *file, bool print, fr_json_writer *json);

#endif
