#include <string.h>

#include "cli/profile.h"
#include "cli/table.h"

double profile_ops(const fr_staircase *s, int32_t channels) {
    double in = strcmp(s->line, "out") == 0 ? s->fixed : channels,
           out = strcmp(s->line, "in") == 0 ? s->fixed : channels;
    if (strcmp(s->kind, "fc") == 0)
        return 2.0 * s->n * out * (in + 1); /* the bias counts */
    double groups = s->groups > 0 ? s->groups : 1;
    return 2.0 * s->n * s->h * s->w * out * (in / groups * s->kernel * s->kernel + 1);
}

const char *profile_state(const fr_device_report *r) {
    if (r->quick)
        return r->complete ? "quick, complete" : "quick, not complete";
    return r->complete ? "complete" : "not complete";
}

static void add_head(const fr_device_report *r, fr_text *out) {
    fr_text_add(out, "%s: %s%s%s\n", r->device, r->name, r->driver[0] ? ", " : "", r->driver);
    fr_text_add(out, "profile: %s (%s%s%s)\n", r->path, profile_state(r), r->foldrun[0] ? ", foldrun " : "",
                r->foldrun);
    fr_text_add(out, "measured: %s points and %s whole runs", cli_integer((int64_t)r->n_points).text,
                cli_integer((int64_t)r->n_runs).text);
    if (r->n_new > 0)
        fr_text_add(out, ", %s of them now, in %s s", cli_integer((int64_t)r->n_new).text, cli_real(r->seconds).text);
    fr_text_add(out, "; noisy points: %s; drift of the clock: %.1f%% at worst\n", cli_integer((int64_t)r->n_noisy).text,
                100 * r->worst_drift);
}

static void add_peaks(const profile_view *view, fr_text *out) {
    static const char *const head[] = {"PRECISION", "PEAK GFLOP/S", "ALL LANES"};
    const fr_device_report *r = view->report;
    cli_table table = {.columns = "lrr"};
    size_t rows = 0;
    cli_table_cells(&table, head);
    for (int p = 0; p < FR_PRECISIONS; p++) {
        if (r->peak[p] <= 0 || !profile_shows(view, (fr_precision)p))
            continue;
        cli_table_cell(&table, "%s", fr_precision_name((fr_precision)p));
        cli_table_cell(&table, "%s", cli_real(r->peak[p] / 1e9).text);
        cli_table_cell(&table, r->lane_scaling[p] > 0 ? "%.2fx" : "-", r->lane_scaling[p]);
        rows++;
    }
    if (rows == 0) {
        fr_text_free(&table.cells);
        return;
    }
    fr_text_add(out, "\n");
    cli_table_print(&table, out);
    fr_text_add(out, "ALL LANES: the time of a step with all lanes at work, over its time alone\n");
}

static void add_moves(const fr_device_report *r, fr_text *out) {
    static const char *const head[] = {"MEMORY", "GB/S"};
    const struct {
        const char *what;
        double bytes_per_s;
    } rows[] = {{"maps that no cache holds", r->bandwidth},
                {"maps in the last cache", r->cache_bandwidth},
                {"to the device", r->write_bandwidth},
                {"from the device", r->read_bandwidth}};
    cli_table table = {.columns = "lr"};
    fr_text_add(out, "\n");
    cli_table_cells(&table, head);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cli_table_cell(&table, "%s", rows[i].what);
        cli_table_cell(&table, "%s", rows[i].bytes_per_s > 0 ? cli_real(rows[i].bytes_per_s / 1e9).text : "-");
    }
    cli_table_print(&table, out);
    if (r->launch_ns > 0)
        fr_text_add(out, "a launch costs %s us", cli_real(r->launch_ns / 1e3).text);
    if (r->run_ns > 0)
        fr_text_add(out, "%s run %s%s us", r->launch_ns > 0 ? ", a whole" : "a whole", r->launch_ns > 0 ? "" : "costs ",
                    cli_real(r->run_ns / 1e3).text);
    if (r->launch_ns > 0 || r->run_ns > 0)
        fr_text_add(out, "\n");
}

static void add_stairs(const profile_view *view, fr_text *out) {
    static const char *const head[] = {"STAIRCASE", "POINTS", "QUANTUM", "WASTE", "CONFIDENCE", "NOISE"};
    const fr_device_report *r = view->report;
    cli_table table = {.columns = "lrrrrl"};
    size_t rows = 0;
    cli_table_cells(&table, head);
    for (size_t i = 0; i < r->n_stairs; i++) {
        const fr_staircase *s = &r->stairs[i];
        if (!profile_shows(view, s->precision))
            continue;
        cli_table_cell(&table, "%s", s->title);
        cli_table_cell(&table, "%zu", s->n_points);
        if (s->quantum > 1) {
            cli_table_cell(&table, "%d", s->quantum);
            cli_table_cell(&table, "%.0f%%", 100 * s->waste);
            cli_table_cell(&table, "%.2f", s->confidence);
        } else {
            cli_table_cell(&table, s->n_points < PROFILE_TELLS ? "too few" : "no steps");
            cli_table_cell(&table, "-");
            cli_table_cell(&table, "-");
        }
        cli_table_cell(&table, "%s", s->noisy ? "noisy" : "-");
        rows++;
    }
    if (rows == 0) {
        fr_text_free(&table.cells);
        fr_text_add(out, "\nno staircases have been measured yet\n");
        return;
    }
    fr_text_add(out, "\n");
    cli_table_print(&table, out);
    fr_text_add(out, "QUANTUM: channels of a tile; WASTE: what a partly filled tile costs of what it lacks\n");
}

void profile_tables(const profile_view *view, fr_text *out) {
    const fr_device_report *r = view->report;
    add_head(r, out);
    add_peaks(view, out);
    add_moves(r, out);
    add_stairs(view, out);
    if (r->stale)
        fr_text_add(out, "\nThe profile was made by %s%s, and this is foldrun %s: measure it again on its device.\n",
                    r->foldrun[0] ? "foldrun " : "another foldrun", r->foldrun, fr_version());
    else if (!r->complete)
        fr_text_add(out, "\nThe profile is not complete: run it again to go on.\n");
}
