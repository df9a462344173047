/*
 * A small writer of SVG pictures: charts with axes, lines, markers, bars and words, as a figure in a paper has them.
 *
 *     svg s;
 *     svg_begin(&s, 420, 260, "Time of a convolution", "what a listener should hear");
 *     svg_chart c = {.x = 56, .y = 40, .width = 348, .height = 160, .across = {.label = "channels"}, .up = {.label = "µs"}};
 *     svg_reach(&c.across, xs, n);  svg_reach(&c.up, ys, n);
 *     svg_axes(&s, &c);
 *     svg_curve(&s, &c, xs, ys, n, 0);
 *     return svg_end(&s, path);
 *
 * Lengths are units of the picture, y from the top. It has a viewBox and no size of its own: it is as wide as its place, at
 * most 760 pixels. One inside a page is begun by svg_begin_inline and ended by svg_end_inline. Its colours are classes of one
 * style sheet, light, and dark where the reader prefers that; print is light. Words are escaped; what is no UTF-8 or no character
 * of XML becomes '?'.
 */
#ifndef FR_CLI_SVG_H
#define FR_CLI_SVG_H

#include <stdbool.h>

#include "base/text.h"

typedef struct svg {
    fr_text text;
    double width, height;
} svg;

/* Colours, with a marker each; bytes of a text; a picture inside a page that is wider than that is of the class "wide". */
enum { SVG_SERIES = 6, SVG_WORDS = 512, SVG_WIDE = 760 };

typedef enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END } svg_anchor;

/* Classes of words: "title" (17 units high), "heading" (14), "words" (12), "muted" (12, grey), "tick" (11, grey). */
void svg_begin(svg *s, double width, double height, const char *title, const char *description);
/* To a file, or to standard output (path NULL); answers an exit code. Frees the picture. */
int svg_end(svg *s, const char *path);

/* The same inside a page: its height and words are known when it is drawn. No style sheet, and no ids, of which a page has each
 * but once. `out` gets the picture, which is freed. */
void svg_begin_inline(svg *s, double width);
void svg_end_inline(svg *s, double height, const char *title, const char *description, fr_text *out);
/* One that was begun inline as a file of its own after all, as wide as it was drawn, with a margin. */
void svg_end_alone(svg *s, double height, const char *title, const char *description, fr_text *out);

/* The style sheet, for a page that has it once and holds many pictures. */
const char *svg_style(void);
/* Words for XML and HTML, in text and between double quotes. */
void svg_escape(fr_text *text, const char *words);

/* A part of the picture, named for those who hear it. */
void svg_group(svg *s, const char *name);
void svg_group_end(svg *s);

void svg_words(svg *s, double x, double y, const char *class, svg_anchor anchor, const char *fmt, ...) FR_PRINTF(6, 7);
/* In lines no wider than `width`, `line` apart; returns the y behind the last. */
double svg_lines(svg *s, double x, double y, double width, double line, const char *class, const char *words);
double svg_words_width(const char *class, const char *words); /* about */
/* Classes of strokes: "axis", "grid", "mark" (dashed), "rule", "limit" (thick, grey), "range" (in the colour of words). */
void svg_stroke(svg *s, double x1, double y1, double x2, double y2, const char *class);
/* Through points x, y, x, y, ... Classes beside those: "line s0" to "line s5", "band s0" (filled). */
void svg_path(svg *s, const double *points, size_t count, const char *class);
/* The marker of a series, 0 to 5; `tip` (NULL = none) is shown under a pointer. */
void svg_marker(svg *s, double x, double y, int series, bool hollow, const char *tip);
void svg_box(svg *s, double x, double y, double width, double height, int series, const char *tip);

/* ---- charts (svg_chart.c) ---- */

typedef struct svg_axis {
    double low, high; /* of the data; svg_axes widens them to round numbers where `loose` */
    bool log, loose;
    int ticks;         /* about that many; 0 = 5 */
    const char *label; /* with its unit; NULL = none */
    bool bare;         /* ticks without numbers: another chart beneath has them */
    const double *at;  /* with n_at > 0: ticks there, and nowhere else */
    size_t n_at;
} svg_axis;

typedef struct svg_chart {
    double x, y, width, height; /* of the plotted area; axes and labels lie outside */
    svg_axis across, up;
} svg_chart;

/* Widens low and high (both 0: nothing yet) to hold the values. For an axis from zero set low = 0 behind it. */
void svg_reach(svg_axis *axis, const double *values, size_t count);
/* Round numbers in [low, high], ascending, 1, 2 or 5 times a power of ten; returns how many, at most `most`. */
size_t svg_ticks(double low, double high, bool log, int about, double *out, size_t most);
void svg_axes(svg *s, svg_chart *chart);
double svg_across(const svg_chart *chart, double value); /* in units of the picture */
double svg_up(const svg_chart *chart, double value);
void svg_curve(svg *s, const svg_chart *chart, const double *xs, const double *ys, size_t count, int series);
void svg_band(svg *s, const svg_chart *chart, const double *xs, const double *low, const double *high, size_t count,
              int series);
void svg_bar(svg *s, const svg_chart *chart, double from, double to, double value, int series, const char *tip);
void svg_vertical(svg *s, const svg_chart *chart, double value);   /* a mark through the chart */
void svg_horizontal(svg *s, const svg_chart *chart, double value); /* a limit */
/* A line and a marker for each name, from (x, y) on to the right, in as many lines as `width` asks for; returns the y behind.
 * A NULL name is a series without an entry. */
double svg_legend(svg *s, double x, double y, double width, const char *const *names, size_t count);

#endif
