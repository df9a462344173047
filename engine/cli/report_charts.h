/*
 * Between the pictures of the report: report_charts.c (what they share, and the rates), report_batches.c, report_speedups.c,
 * report_roofline.c and report_stairs.c. A set may hold anything: each picture says how many of its things it shows at most, and
 * takes those of the fastest rows.
 */
#ifndef FR_CLI_REPORT_CHARTS_H
#define FR_CLI_REPORT_CHARTS_H

#include "cli/compare.h"
#include "cli/svg.h"

enum {
    CHART_WIDTH = 640, /* of a picture; its small letters are 9 pixels high where it is 520 wide */
    CHART_GAP = 24,    /* between two panels beside each other */
    CHART_HEAD = 32,
    CHART_WORDS = 288
};

/* The rows that worked, the fastest first; before that those with copies, and of them those that have visits enough. */
typedef struct chart_rows {
    const cmp_row **at;
    size_t count;
} chart_rows;
bool chart_rows_of(const cmp_set *set, const char *model, chart_rows *out); /* false: out of memory */
void chart_rows_free(chart_rows *rows);

/* A fold has the same colour and marker in every picture. */
int chart_series(int32_t fold);
/* An entry for each of the series in `used` (bits); returns the y behind it. */
double chart_legend(svg *s, double y, uint32_t used);

/* Of this project, not of a peer. */
bool chart_is_own(const cmp_row *row);
/* The name of the row's machine where that tells more than the device's; "" where there is one machine. */
const char *chart_whose(const cmp_set *set, const cmp_row *row);
/* The same engine on the same device, with or without copies. */
bool chart_same_who(const cmp_row *a, const cmp_row *b);
/* Two lines, CHART_HEAD high: "foldrun 0.1.0 on cpu:0, f32" (`what` NULL: no precision) and the device's name; returns the y behind. */
double chart_head(svg *s, const cmp_set *set, const cmp_row *row, const char *what, double x, double y, double width);
/* Cut with an ellipsis where they are wider. */
void chart_cut(char *words, const char *class, double width);
/* The row's interval; both ends its median where it has none. */
cmp_rate chart_rate(const cmp_row *row);
/* Its figure in words: "1,234 images/s (1,200 to 1,260), f = 4, bf16, batch 1024". */
void chart_tip(const cmp_row *row, char *out, size_t bytes);
/* A whisker from x1 to x2. */
void chart_range(svg *s, double x1, double x2, double y, double half);

/* "half precision": of the row's accuracy class. */
const char *chart_class_name(const cmp_row *row);

/* Panels beside each other where there are more than one: two fill a picture, three or more than four make a wide one of three. */
typedef struct chart_place {
    double x, width;
    bool last; /* of its line */
} chart_place;
chart_place chart_place_of(size_t panel, size_t panels);
/* Of a picture of that many panels. */
double chart_width(size_t panels);

#endif
