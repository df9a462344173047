#include "cli/progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/table.h"

enum { SHOW_EVERY_NS = 200000000 };

static bool line_is_shown;

static bool is_terminal(void) {
    static int answer = -1;
    if (answer < 0)
        answer = isatty(STDERR_FILENO) == 1;
    return answer == 1;
}

void cli_progress_clear(void) {
    if (line_is_shown)
        fputs("\r\033[K", stderr);
    line_is_shown = false;
}

void cli_progress_start(cli_progress *progress, const char *what, int64_t total) {
    *progress = (cli_progress){.what = what, .total = total, .start_ns = fr_clock_ns()};
}

static bool is_time(cli_progress *progress) {
    if (!is_terminal())
        return false;
    uint64_t now = fr_clock_ns();
    if (progress->shown_ns != 0 && now - progress->shown_ns < SHOW_EVERY_NS)
        return false;
    progress->shown_ns = now;
    return true;
}

void cli_progress_say(cli_progress *progress, const char *fmt, ...) {
    if (!is_time(progress))
        return;
    va_list args;
    cli_progress_clear();
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fflush(stderr);
    line_is_shown = true;
}

void cli_progress_show(cli_progress *progress, int64_t done) {
    double seconds = (double)(fr_clock_ns() - progress->start_ns) / 1e9,
           rate = seconds > 0 ? (double)done / seconds : 0;
    if (progress->total > 0 && rate > 0)
        cli_progress_say(progress, "%s of %s %s, %s a second, %s s left", cli_integer(done).text,
                         cli_integer(progress->total).text, progress->what, cli_real(rate).text,
                         cli_integer((int64_t)((double)(progress->total - done) / rate + 0.5)).text);
    else
        cli_progress_say(progress, "%s %s, %s a second", cli_integer(done).text, progress->what, cli_real(rate).text);
}

void cli_session_progress(void *user, const char *what, double fraction) {
    cli_progress_say(user, "%s: %.0f%%", what, 100 * fraction);
}
