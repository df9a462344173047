#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/progress.h"

static void complain_args(const char *fmt, va_list args) {
    char line[2048];
    if (vsnprintf(line, sizeof line, fmt, args) < 0)
        line[0] = '\0';
    cli_progress_clear();
    fprintf(stderr, "foldrun: %s\n", line);
}

void cli_complain(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    complain_args(fmt, args);
    va_end(args);
}

int cli_usage_error(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    complain_args(fmt, args);
    va_end(args);
    return CLI_USAGE;
}

int cli_exit_code(fr_status status) {
    switch (status) {
    case FR_OK: return CLI_DONE;
    case FR_INVALID: return CLI_BAD_INPUT;
    case FR_UNSUPPORTED: return CLI_UNSUPPORTED;
    case FR_UNAVAILABLE: return CLI_UNAVAILABLE;
    default: return CLI_FAILED;
    }
}

int cli_failed(fr_status status) {
    cli_complain("%s", fr_error_message());
    return cli_exit_code(status);
}

int cli_failed_here(fr_status status) {
    cli_complain("%s", fr_error_sentence());
    return cli_exit_code(status);
}

int cli_input_failed(fr_status status) {
    int code = cli_failed(status);
    return status == FR_IO ? CLI_BAD_INPUT : code;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    (void)number;
    interrupted = 1;
}

bool cli_interrupted(void) {
    return interrupted != 0;
}

void cli_watch_signals(void) {
    /* No SA_RESTART: a read of standard input that waits ends too. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static fr_text command_line;

void cli_remember_command(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        bool plain = argv[i][0] != '\0' && strpbrk(argv[i], " \t\n'\"\\$*?&|;<>()#`") == NULL;
        fr_text_add(&command_line, plain ? "%s%s" : "%s'%s'", i ? " " : "", argv[i]);
    }
}

const char *cli_command_line(void) {
    return command_line.data ? command_line.data : "";
}
