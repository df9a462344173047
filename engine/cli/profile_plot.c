/* Staircases as characters: dots of braille where the terminal shows them, else stars. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/profile.h"
#include "cli/svg.h" /* its round numbers */
#include "cli/table.h"

enum { COLUMNS = 60, ROWS = 12, LABEL = 8 };

typedef struct canvas {
    bool fine;
    int across, down;                  /* dots of a character */
    unsigned char dots[ROWS][COLUMNS]; /* of braille; in plain text: 1 = a line, 2 = a point */
    bool noisy[ROWS][COLUMNS];
    double low, high;   /* channels */
    double bottom, top; /* logarithms of times */
} canvas;

static int column_of(const canvas *c, double channels) {
    double dots = COLUMNS * c->across - 1;
    return (int)lround((channels - c->low) / (c->high - c->low) * dots);
}

static int row_of(const canvas *c, double time) {
    double dots = ROWS * c->down - 1;
    return (int)lround((c->top - log(time)) / (c->top - c->bottom) * dots);
}

static void set_dot(canvas *c, int x, int y, bool point) {
    static const unsigned char braille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x < 0 || y < 0 || x >= COLUMNS * c->across || y >= ROWS * c->down)
        return;
    unsigned char *cell = &c->dots[y / c->down][x / c->across];
    *cell |= c->fine ? braille[y % 4][x % 2] : point ? 2 : 1;
}

/* Dots from one point to the next. */
static void join(canvas *c, int x1, int y1, int x2, int y2) {
    int steps = abs(x2 - x1) > abs(y2 - y1) ? abs(x2 - x1) : abs(y2 - y1);
    for (int i = 1; i < steps; i++)
        set_dot(c, x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps, false);
}

/* Picoseconds an operation. */
static double time_of(const fr_staircase *s, size_t point) {
    double ops = profile_ops(s, s->points[point].channels);
    return ops > 0 ? s->points[point].ns * 1e3 / ops : 0;
}

static bool reach(canvas *c, const fr_staircase *s) {
    double least = INFINITY, most = 0;
    c->low = INFINITY;
    for (size_t i = 0; i < s->n_points; i++) {
        double time = time_of(s, i), channels = s->points[i].channels;
        if (!(time > 0))
            continue;
        least = fmin(least, time);
        most = fmax(most, time);
        c->low = fmin(c->low, channels);
        c->high = fmax(c->high, channels);
    }
    if (!(c->high > c->low) || !isfinite(most))
        return false;
    double margin = fmax(0.02 * log(most / least), 0.01);
    c->bottom = log(least) - margin;
    c->top = log(most) + margin;
    return true;
}

static void draw(canvas *c, const fr_staircase *s) {
    int before_x = -1, before_y = 0;
    for (size_t i = 0; i < s->n_points; i++) {
        double time = time_of(s, i);
        if (!(time > 0))
            continue;
        int x = column_of(c, s->points[i].channels), y = row_of(c, time);
        if (before_x >= 0)
            join(c, before_x, before_y, x, y);
        set_dot(c, x, y, true);
        if (s->points[i].noisy && y >= 0 && y < ROWS * c->down)
            c->noisy[y / c->down][x / c->across] = true;
        before_x = x;
        before_y = y;
    }
}

static void add_cell(const canvas *c, int row, int column, fr_text *out) {
    unsigned char dots = c->dots[row][column];
    if (c->noisy[row][column])
        fr_text_add(out, c->fine ? "\u25cb" : "o");
    else if (!dots)
        fr_text_add(out, " ");
    else if (c->fine)
        fr_text_add(out, "%c%c%c", 0xe2, 0xa0 | dots >> 6, 0x80 | (dots & 0x3f)); /* U+2800 and its dots, as UTF-8 */
    else
        fr_text_add(out, dots & 2 ? "*" : ".");
}

/* The axis has a notch at each multiple of the quantum, where they are far enough apart to be told. */
static void add_axis(const canvas *c, const fr_staircase *s, fr_text *out) {
    bool notch[COLUMNS] = {false};
    char labels[COLUMNS + 16];
    double ticks[8];
    double apart = s->quantum > 1 ? s->quantum / (c->high - c->low) * COLUMNS : 0;
    if (apart >= 2)
        for (double at = ceil(c->low / s->quantum) * s->quantum; at <= c->high; at += s->quantum)
            notch[column_of(c, at) / c->across] = true;
    fr_text_add(out, "%*s%s", LABEL, "", c->fine ? "\u2514" : "+");
    for (int i = 0; i < COLUMNS; i++)
        fr_text_add(out, "%s", c->fine ? (notch[i] ? "\u2534" : "\u2500") : notch[i] ? "+" : "-");
    memset(labels, ' ', sizeof labels);
    size_t count = svg_ticks(c->low, c->high, false, 6, ticks, 8);
    for (size_t i = 0; i < count; i++) {
        char number[16];
        int length = snprintf(number, sizeof number, "%.0f", ticks[i]);
        int at = column_of(c, ticks[i]) / c->across - length / 2;
        if (at >= 0 && length > 0 && at + length < (int)sizeof labels)
            memcpy(labels + at, number, (size_t)length);
    }
    size_t used = sizeof labels;
    while (used > 0 && labels[used - 1] == ' ')
        used--;
    fr_text_add(out, "\n%*s %.*s channels\n", LABEL, "", (int)used, labels);
}

static void add_plot(const fr_staircase *s, bool fine, fr_text *out) {
    canvas c = {.fine = fine, .across = fine ? 2 : 1, .down = fine ? 4 : 1};
    if (!reach(&c, s))
        return;
    draw(&c, s);
    fr_text_add(out, "\n%s\ntime an operation, ps", s->title);
    if (s->quantum > 1)
        fr_text_add(out, "; notches: multiples of %d channels", s->quantum);
    fr_text_add(out, "\n");
    for (int row = 0; row < ROWS; row++) {
        double middle = c.top - (c.top - c.bottom) * (row + 0.5) / ROWS;
        bool labelled = row % 4 == 0 || row == ROWS - 1;
        fr_text_add(out, "%*s%s", LABEL - 1, labelled ? cli_real(exp(middle)).text : "",
                    fine ? (labelled ? " \u2524" : " \u2502") : " |");
        int last = COLUMNS - 1;
        while (last >= 0 && !c.dots[row][last])
            last--;
        for (int column = 0; column <= last; column++)
            add_cell(&c, row, column, out);
        fr_text_add(out, "\n");
    }
    add_axis(&c, s, out);
}

const fr_staircase *profile_main_stair(const fr_device_report *r, fr_precision precision) {
    const fr_staircase *best = NULL;
    for (size_t i = 0; i < r->n_stairs; i++) {
        const fr_staircase *s = &r->stairs[i];
        if (s->precision == precision && strcmp(s->kind, "conv") == 0 && strcmp(s->line, "both") == 0 &&
            s->kernel == 3 && s->groups <= 1 && s->n_points > 2 && (!best || s->n_points > best->n_points))
            best = s;
    }
    return best;
}

void profile_plots(const profile_view *view, bool few, bool fine, fr_text *out) {
    for (int p = 0; p < FR_PRECISIONS; p++) {
        const fr_staircase *s =
            profile_shows(view, (fr_precision)p) ? profile_main_stair(view->report, (fr_precision)p) : NULL;
        if (!s)
            continue;
        add_plot(s, fine, out);
        if (few)
            return;
    }
}
