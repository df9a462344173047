#include "cli/budget.h"

#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "cli/cli.h"

int cli_read_budget(const char *word, double *out_seconds) {
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
    size_t length = strlen(word);
    double factor = 1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (length > 1 && word[length - 1] == units[i].unit) {
            factor = units[i].seconds;
            length--;
            break;
        }
    if (!fr_number_parse(word, length, out_seconds) || *out_seconds * factor < 0.01 || *out_seconds * factor > 1e6)
        return cli_usage_error("--budget: '%s' is not a time like 60s, 5m or 1h", word);
    *out_seconds *= factor;
    return CLI_DONE;
}

void cli_watch_start(cli_watch *watch, const char *what, double budget_s) {
    *watch = (cli_watch){.what = what, .budget_s = budget_s};
    cli_watch_signals();
    cli_progress_start(&watch->line, what, -1);
}

/* The work that is left, or the time that is: what ends first. */
bool cli_watch_progress(void *user, const char *what, double fraction) {
    cli_watch *w = user;
    double spent = (double)(fr_clock_ns() - w->line.start_ns) / 1e9;
    double left = fraction > 0.01 ? spent / fraction - spent : w->budget_s;
    if (w->budget_s > 0 && left > w->budget_s - spent)
        left = w->budget_s > spent ? w->budget_s - spent : 0;
    if (fraction > 0.01 || w->budget_s > 0)
        cli_progress_say(&w->line, "%s: %.0f%%, %.0f s left (%s)", w->what, 100 * fraction, left, what);
    else
        cli_progress_say(&w->line, "%s (%s)", w->what, what);
    return !cli_interrupted();
}
