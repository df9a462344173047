/* Rates by batch: a panel for each engine, device and precision, a line for each fold. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/report_charts.h"

enum {
    MOST_PANELS = 12,
    MOST_POINTS = 1024,
    MOST_TICKS = 8,
    LEFT = 46,
    RIGHT = 12,
    HEIGHT = 132,
    ABOVE = 24,
    BELOW = 44
};

typedef struct point {
    const cmp_row *row;
    size_t panel;
} point;

typedef struct panels {
    const cmp_row *like[MOST_PANELS];
    size_t count;
    point *points;
    size_t n_points;
    uint32_t folds; /* series in use */
} panels;

static bool same_panel(const cmp_row *a, const cmp_row *b) {
    return chart_same_who(a, b) && strcmp(a->precision, b->precision) == 0;
}

static size_t panel_of(panels *p, const cmp_row *row) {
    size_t i = 0;
    while (i < p->count && !same_panel(p->like[i], row))
        i++;
    if (i == p->count && i < MOST_PANELS)
        p->like[p->count++] = row;
    return i;
}

/* The rows come fastest first: the first of a batch is the best of its schedules and roundings. */
static void pick_points(const chart_rows *rows, panels *p) {
    for (size_t i = 0; i < rows->count && p->n_points < MOST_POINTS; i++) {
        const cmp_row *row = rows->at[i];
        size_t panel = panel_of(p, row), at = 0;
        while (at < p->n_points && (p->points[at].panel != panel || p->points[at].row->fold != row->fold ||
                                    p->points[at].row->batch != row->batch))
            at++;
        if (panel < MOST_PANELS && row->batch > 0 && at == p->n_points)
            p->points[p->n_points++] = (point){row, panel};
    }
}

static int by_place(const void *left, const void *right) {
    const point *a = left, *b = right;
    if (a->panel != b->panel)
        return a->panel < b->panel ? -1 : 1;
    if (a->row->fold != b->row->fold)
        return a->row->fold < b->row->fold ? -1 : 1;
    return (a->row->batch > b->row->batch) - (a->row->batch < b->row->batch);
}

/* Panels where no fold has two batches say nothing here. Numbers the others anew. */
static void drop_dull(panels *p) {
    bool tells[MOST_PANELS] = {false};
    size_t moved[MOST_PANELS] = {0}, panels_kept = 0, kept = 0;
    for (size_t i = 1; i < p->n_points; i++)
        if (p->points[i].panel == p->points[i - 1].panel && p->points[i].row->fold == p->points[i - 1].row->fold)
            tells[p->points[i].panel] = true;
    for (size_t i = 0; i < p->count; i++) {
        moved[i] = panels_kept;
        if (tells[i])
            p->like[panels_kept++] = p->like[i];
    }
    for (size_t i = 0; i < p->n_points; i++)
        if (tells[p->points[i].panel]) {
            p->points[kept] = p->points[i];
            p->points[kept].panel = moved[p->points[i].panel];
            p->folds |= 1u << chart_series(p->points[kept++].row->fold);
        }
    p->count = panels_kept;
    p->n_points = kept;
}

/* A line with its intervals, of `count` points of one fold. */
static void draw_fold(svg *s, const svg_chart *chart, const point *points, size_t count) {
    int series = chart_series(points[0].row->fold);
    double *numbers = fr_alloc_array(count, 4 * sizeof *numbers);
    if (!numbers) {
        s->text.failed = true;
        return;
    }
    double *batches = numbers, *rates = numbers + count, *lows = numbers + 2 * count, *highs = numbers + 3 * count;
    for (size_t i = 0; i < count; i++) {
        cmp_rate rate = chart_rate(points[i].row);
        batches[i] = (double)points[i].row->batch;
        rates[i] = rate.median;
        lows[i] = rate.low;
        highs[i] = rate.high;
    }
    if (count > 1) {
        svg_band(s, chart, batches, lows, highs, count, series);
        svg_curve(s, chart, batches, rates, count, series);
    }
    for (size_t i = 0; i < count; i++) {
        char tip[CHART_WORDS];
        chart_tip(points[i].row, tip, sizeof tip);
        svg_marker(s, svg_across(chart, batches[i]), svg_up(chart, rates[i]), series, false, tip);
    }
    fr_free(numbers);
}

/* The batches themselves, where they are few and far enough from each other for their numbers; returns how many, 0 = none. */
static size_t own_ticks(const point *points, size_t n_points, const svg_chart *chart, double *out) {
    size_t count = 0;
    double span = log(chart->across.high / chart->across.low) + log(1.3);
    for (size_t i = 0; i < n_points; i++) {
        double batch = (double)points[i].row->batch;
        size_t place = 0;
        while (place < count && out[place] < batch)
            place++;
        if (place < count && out[place] == batch)
            continue;
        if (count == MOST_TICKS)
            return 0;
        for (size_t k = count++; k > place; k--)
            out[k] = out[k - 1];
        out[place] = batch;
    }
    for (size_t i = 1; i < count; i++)
        if (!(chart->width * log(out[i] / out[i - 1]) / span > 36))
            return 0;
    return count;
}

static void draw_panel(svg *s, const cmp_set *set, const panels *p, size_t panel, double y) {
    chart_place place = chart_place_of(panel, p->count);
    size_t begin = 0, end;
    double ticks[MOST_TICKS];
    while (p->points[begin].panel != panel)
        begin++;
    for (end = begin; end < p->n_points && p->points[end].panel == panel;)
        end++;
    svg_chart chart = {.x = place.x + LEFT,
                       .width = place.width - LEFT - RIGHT,
                       .height = HEIGHT,
                       .across = {.log = true, .loose = true, .ticks = 5, .label = "images a batch"},
                       .up = {.loose = true, .ticks = 4, .label = "images/s"}};
    chart.y = chart_head(s, set, p->like[panel], p->like[panel]->precision, place.x, y, place.width) + ABOVE;
    for (size_t i = begin; i < end; i++) {
        double batch = (double)p->points[i].row->batch, high = chart_rate(p->points[i].row).high;
        svg_reach(&chart.across, &batch, 1);
        svg_reach(&chart.up, &high, 1);
    }
    chart.up.low = 0;
    chart.across.n_at = own_ticks(p->points + begin, end - begin, &chart, ticks);
    chart.across.at = ticks;
    svg_axes(s, &chart);
    for (size_t i = begin, next; i < end; i = next) {
        for (next = i; next < end && p->points[next].row->fold == p->points[i].row->fold;)
            next++;
        draw_fold(s, &chart, p->points + i, next - i);
    }
}

static double draw(svg *s, const cmp_set *set, const panels *p) {
    double y = chart_legend(s, 14, p->folds);
    for (size_t i = 0; i < p->count; i++) {
        draw_panel(s, set, p, i, y);
        if (chart_place_of(i, p->count).last)
            y += CHART_HEAD + ABOVE + HEIGHT + BELOW;
    }
    return y;
}

void cmp_chart_batches(const cmp_set *set, const char *model, fr_text *out) {
    char title[CHART_WORDS], about[CHART_WORDS];
    panels p = {.points = fr_alloc_array(MOST_POINTS, sizeof *p.points)};
    chart_rows rows;
    svg s;
    if (!p.points || !chart_rows_of(set, model, &rows)) {
        fr_free(p.points);
        out->failed = true;
        return;
    }
    pick_points(&rows, &p);
    chart_rows_free(&rows);
    if (p.n_points > 0)
        qsort(p.points, p.n_points, sizeof *p.points, by_place);
    drop_dull(&p);
    if (p.count > 0) {
        snprintf(title, sizeof title, "Images a second by batch%s%s", model ? ", " : "", model ? model : "");
        snprintf(about, sizeof about,
                 "%zu chart%s, one for each engine, device and precision: images a second against images a batch, a "
                 "line for each fold, with the intervals as bands.",
                 p.count, p.count == 1 ? "" : "s");
        svg_begin_inline(&s, chart_width(p.count));
        double height = draw(&s, set, &p);
        svg_end_inline(&s, height, title, about, out);
    }
    fr_free(p.points);
}
