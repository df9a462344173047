/* The picture of a profile: a panel for each staircase, time above and rate below, one under the other, so that it is read on a
 * telephone as on paper. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "cli/svg.h"
#include "cli/table.h"

enum {
    WIDTH = 420,
    LEFT = 52,
    MARGIN = 16,
    TIME_HEIGHT = 116,
    RATE_HEIGHT = 64,
    SECTION_HEIGHT = 44,
    PANEL_SPACE = 18, /* between panels */
    MOST_MARKS = 40,
    LEAST_POINTS = 3 /* of a panel */
};

typedef struct panel_data {
    double *channels, *us, *gflops;
    size_t count;
} panel_data;

static bool read_data(const fr_staircase *s, panel_data *out) {
    double *block = fr_alloc_array(s->n_points ? s->n_points : 1, 3 * sizeof *block);
    *out = (panel_data){.channels = block, .count = s->n_points};
    if (!block)
        return false;
    out->us = block + s->n_points;
    out->gflops = out->us + s->n_points;
    for (size_t i = 0; i < s->n_points; i++) {
        const fr_stair_point *point = &s->points[i];
        out->channels[i] = point->channels;
        out->us[i] = point->ns / 1e3;
        out->gflops[i] = point->ns > 0 ? profile_ops(s, point->channels) / point->ns : 0;
    }
    return true;
}

static void say_steps(const fr_staircase *s, char *out, size_t bytes) {
    if (s->quantum > 1)
        snprintf(out, bytes, "Quantum %d channels, waste %.0f%%, confidence %.2f%s", s->quantum, 100 * s->waste,
                 s->confidence, s->noisy ? "; noisy" : "");
    else
        snprintf(out, bytes, "%s%s", s->n_points < PROFILE_TELLS ? "Too few points to see steps" : "No steps were seen",
                 s->noisy ? "; noisy" : "");
}

/* Multiples of the quantum: through the chart, or as notches where they are many. */
static void draw_marks(svg *s, const svg_chart *chart, const fr_staircase *stair) {
    double low = chart->across.low, high = chart->across.high;
    if (stair->quantum <= 1 || chart->across.log || (high - low) / stair->quantum > 4 * MOST_MARKS)
        return;
    bool many = (high - low) / stair->quantum > MOST_MARKS;
    double bottom = chart->y + chart->height;
    for (double at = ceil(low / stair->quantum) * stair->quantum; at <= high; at += stair->quantum) {
        double x = svg_across(chart, at);
        if (many)
            svg_stroke(s, x, bottom - 4, x, bottom, "rule");
        else
            svg_vertical(s, chart, at);
    }
}

static void draw_series(svg *s, const svg_chart *chart, const fr_staircase *stair, const panel_data *d,
                        const double *values, int series) {
    draw_marks(s, chart, stair);
    svg_curve(s, chart, d->channels, values, d->count, series);
    for (size_t i = 0; i < d->count; i++) {
        char tip[128];
        snprintf(tip, sizeof tip, "%d: %s \u00b5s, %s GFLOP/s%s", stair->points[i].channels, cli_real(d->us[i]).text,
                 cli_real(d->gflops[i]).text, stair->points[i].noisy ? ", noisy" : "");
        svg_marker(s, svg_across(chart, d->channels[i]), svg_up(chart, values[i]), series, stair->points[i].noisy, tip);
    }
}

double profile_panel(svg *s, const fr_staircase *stair, double x, double y, double width) {
    char steps[160], label[64];
    panel_data d;
    bool is_fc = strcmp(stair->kind, "fc") == 0;
    if (!read_data(stair, &d)) {
        s->text.failed = true;
        return y;
    }
    say_steps(stair, steps, sizeof steps);
    snprintf(label, sizeof label, "\u00b5s a launch of %d input%s", stair->n, stair->n == 1 ? "" : "s");
    svg_group(s, stair->title);
    y = svg_lines(s, x + MARGIN, y + 18, width - 2 * MARGIN, 18, "heading", stair->title);
    y = svg_lines(s, x + MARGIN, y, width - 2 * MARGIN, 17, "muted", steps);
    svg_chart time = {.x = x + LEFT,
                      .y = y + 14,
                      .width = width - LEFT - MARGIN,
                      .height = TIME_HEIGHT,
                      .across = {.log = is_fc, .bare = true, .ticks = 8},
                      .up = {.label = label, .loose = true, .ticks = 4}};
    svg_chart rate = time;
    svg_reach(&time.across, d.channels, d.count);
    rate.across = time.across;
    rate.across.bare = false;
    rate.across.label = is_fc ? "numbers" : "channels";
    svg_reach(&time.up, d.us, d.count);
    time.up.low = 0;
    rate.y = time.y + TIME_HEIGHT + 26;
    rate.height = RATE_HEIGHT;
    rate.up = (svg_axis){.label = "GFLOP/s of one lane", .loose = true, .ticks = 3};
    svg_reach(&rate.up, d.gflops, d.count);
    rate.up.low = 0;
    svg_axes(s, &time);
    draw_series(s, &time, stair, &d, d.us, 0);
    svg_axes(s, &rate);
    draw_series(s, &rate, stair, &d, d.gflops, 1);
    svg_group_end(s);
    fr_free(d.channels);
    return rate.y + rate.height + 34; /* its numbers and label */
}

/* Lines "Peaks: f32 123, bf16 456 GFLOP/s" and "Memory: 12.3 GB/s"; returns the y behind them. */
static double draw_facts(svg *s, const profile_view *view, double y) {
    const fr_device_report *r = view->report;
    fr_text peaks = {0};
    for (int p = 0; p < FR_PRECISIONS; p++)
        if (r->peak[p] > 0 && profile_shows(view, (fr_precision)p))
            fr_text_add(&peaks, "%s%s %s", peaks.length ? ", " : "Peaks: ", fr_precision_name((fr_precision)p),
                        cli_real(r->peak[p] / 1e9).text);
    if (peaks.length > 0) {
        fr_text_add(&peaks, " GFLOP/s");
        if (!peaks.failed)
            y = svg_lines(s, 16, y, WIDTH - 32, 17, "muted", peaks.data);
    }
    s->text.failed |= peaks.failed;
    fr_text_free(&peaks);
    if (r->bandwidth > 0) {
        svg_words(s, 16, y, "muted", SVG_START, "Memory: %s GB/s", cli_real(r->bandwidth / 1e9).text);
        y += 17;
    }
    return y;
}

static double draw_head(svg *s, const profile_view *view) {
    const fr_device_report *r = view->report;
    char driver[320];
    double wide = WIDTH - 32, y = svg_lines(s, 16, 30, wide, 22, "title", r->name[0] ? r->name : r->device);
    snprintf(driver, sizeof driver, "%s%s%s, foldrun %s, profile %s", r->device, r->driver[0] ? ", " : "", r->driver,
             r->foldrun, profile_state(r));
    y = svg_lines(s, 16, y - 2, wide, 17, "muted", driver);
    y = draw_facts(s, view, y);
    svg_marker(s, 20, y - 3, 0, false, NULL);
    svg_words(s, 28, y + 1, "muted", SVG_START, "measured");
    svg_marker(s, 96, y - 3, 0, true, NULL);
    svg_words(s, 104, y + 1, "muted", SVG_START, "noisy");
    svg_stroke(s, 152, y - 10, 152, y + 4, "mark");
    svg_words(s, 159, y + 1, "muted", SVG_START, "multiples of the quantum");
    return y + 16;
}

static size_t count_panels(const profile_view *view, fr_precision precision) {
    size_t count = 0;
    for (size_t i = 0; i < view->report->n_stairs && profile_shows(view, precision); i++)
        count += view->report->stairs[i].precision == precision && view->report->stairs[i].n_points >= LEAST_POINTS;
    return count;
}

static size_t count_all(const profile_view *view) {
    size_t panels = 0;
    for (int p = 0; p < FR_PRECISIONS; p++)
        panels += count_panels(view, (fr_precision)p);
    return panels;
}

static double draw_all(svg *s, const profile_view *view, double height, const char *title, const char *about) {
    const fr_device_report *r = view->report;
    svg_begin(s, WIDTH, height, title, about);
    double y = draw_head(s, view);
    for (int p = 0; p < FR_PRECISIONS; p++) {
        if (count_panels(view, (fr_precision)p) == 0)
            continue;
        svg_stroke(s, 16, y + 6, WIDTH - 16, y + 6, "rule");
        svg_words(s, 16, y + 30, "title", SVG_START, "%s", fr_precision_name((fr_precision)p));
        y += SECTION_HEIGHT;
        for (size_t i = 0; i < r->n_stairs; i++) {
            if (r->stairs[i].precision != (fr_precision)p || r->stairs[i].n_points < LEAST_POINTS)
                continue;
            y = profile_panel(s, &r->stairs[i], 0, y, WIDTH) + PANEL_SPACE;
        }
    }
    if (count_all(view) == 0) {
        svg_words(s, 16, y + 18, "words", SVG_START, "No staircases have been measured yet.");
        y += 34;
    }
    return y;
}

int profile_picture(const profile_view *view, const char *path) {
    const fr_device_report *r = view->report;
    svg s, measure;
    char title[192], about[512];
    snprintf(title, sizeof title, "Staircases of %s", r->name[0] ? r->name : r->device);
    snprintf(about, sizeof about,
             "%zu charts of what a launch takes, in microseconds, and its rate, in GFLOP/s, as channels grow; measured "
             "by foldrun on %s (%s).",
             count_all(view), r->device, r->driver);
    double height = draw_all(&measure, view, 1, title, about); /* how high it is, shows when it is drawn */
    fr_text_free(&measure.text);
    draw_all(&s, view, height, title, about);
    return svg_end(&s, path);
}
