/*
 * The command's own frame: commands, exit codes, how failures are told. It uses the public header and base/ alone.
 *
 * Failures of the library leave their sentence in fr_error_message(); failures of base/, which the command links a copy of
 * its own, in fr_error_sentence(). cli_failed() and cli_failed_here() print the right one.
 */
#ifndef FR_CLI_CLI_H
#define FR_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "foldrun/foldrun.h"

enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_UNAVAILABLE = 3,
    CLI_UNSUPPORTED = 4,
    CLI_BAD_INPUT = 5,
    CLI_INTERRUPTED = 130
};

typedef struct cli_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; answers an exit code */
} cli_command;

extern const cli_command cli_commands[]; /* ends with an empty one */

int cli_devices(int argc, char **argv);
int cli_models(int argc, char **argv);
int cli_show(int argc, char **argv);
int cli_export(int argc, char **argv);
int cli_fold(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_compare(int argc, char **argv);
int cli_report(int argc, char **argv);
int cli_selftest(int argc, char **argv);
int cli_tune(int argc, char **argv);
int cli_profile(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_tradeoff(int argc, char **argv);

/* "foldrun: sentence" on stderr. */
void cli_complain(const char *fmt, ...) FR_PRINTF(1, 2);
int cli_usage_error(const char *fmt, ...) FR_PRINTF(1, 2); /* complains and answers CLI_USAGE */
int cli_exit_code(fr_status status);
int cli_failed(fr_status status);      /* complains with the library's sentence and answers the exit code */
int cli_failed_here(fr_status status); /* with this program's */
/* For what the user brought: a file that cannot be read is bad input. */
int cli_input_failed(fr_status status);

/* From the first SIGINT or SIGTERM on; the second one kills. cli_watch_signals is for commands that run long. */
bool cli_interrupted(void);
void cli_watch_signals(void);

/* The whole command line, as JSON and reports carry it. */
void cli_remember_command(int argc, char **argv);
const char *cli_command_line(void);

#endif
