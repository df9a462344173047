/* Rooflines of a device: a panel for each precision, with what arithmetic and memory allow, and each layer beneath. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/report_charts.h"
#include "cli/table.h"

enum { MOST_ROWS = 128, MOST_LAYERS = 1024, LEFT = 58, RIGHT = 16, HEIGHT = 240, ABOVE = 26, BELOW = 46 };

typedef struct spot {
    const cmp_row *row;
    const cmp_layer *layer;
    double intensity, rate; /* operations a byte, and a second */
} spot;

typedef struct roof {
    const cmp_device *device;
    fr_precision precision;
    double peak, bandwidth; /* 0 = not known */
    spot *spots;
    size_t n_spots;
    bool more; /* than are shown */
} roof;

static bool is_real(double value) {
    return isfinite(value) && value > 0;
}

static void add_layers(roof *r, const cmp_row *row) {
    for (size_t i = 0; i < row->n_layers; i++) {
        const cmp_layer *l = &row->layers[i];
        if (!is_real(l->ns) || !is_real(l->ops) || !is_real(l->bytes)) /* what only moves numbers has no place here */
            continue;
        spot next = {row, l, l->ops / l->bytes, l->ops / l->ns * 1e9};
        if (!is_real(next.intensity) || !is_real(next.rate))
            continue;
        r->more |= r->n_spots == MOST_LAYERS;
        if (r->n_spots < MOST_LAYERS)
            r->spots[r->n_spots++] = next;
    }
}

/* The layers of the fastest row of each model and fold. */
static void pick(const chart_rows *rows, roof *r) {
    const cmp_row *taken[MOST_ROWS];
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const cmp_row *row = rows->at[i];
        size_t same = 0;
        if (row->n_layers == 0 || strcmp(row->device, r->device->id) != 0 ||
            strcmp(row->machine, r->device->machine) != 0 ||
            strcmp(row->precision, fr_precision_name(r->precision)) != 0)
            continue;
        while (same < count && (taken[same]->fold != row->fold || strcmp(taken[same]->model, row->model) != 0))
            same++;
        r->more |= same == MOST_ROWS;
        if (same < count || same == MOST_ROWS)
            continue;
        taken[count++] = row;
        add_layers(r, row);
    }
}

/* What is possible at an intensity; 0 = not known. */
static double limit_at(const roof *r, double intensity) {
    double slope = r->bandwidth * intensity;
    return r->peak > 0 && slope > 0 ? fmin(r->peak, slope) : r->peak > 0 ? r->peak : slope;
}

/* As far as it lies in the chart. */
static void draw_limit(svg *s, const svg_chart *chart, const roof *r) {
    double from = chart->across.low, to = chart->across.high, points[6];
    double bottom = chart->up.low * 1e9, top = chart->up.high * 1e9, peak = r->peak > 0 ? r->peak : INFINITY;
    double ridge = r->bandwidth > 0 ? peak / r->bandwidth : 0;
    if (r->bandwidth > 0) {
        from = fmax(from, bottom / r->bandwidth);
        to = peak > top ? fmin(to, top / r->bandwidth) : to;
    }
    if (peak < bottom || (r->bandwidth <= 0 && peak > top) || !(from < to))
        return;
    double at[] = {from, ridge, to};
    size_t count = 0;
    for (int i = 0; i < 3; i++) {
        if (i == 1 && !(ridge > from && ridge < to))
            continue;
        points[2 * count] = svg_across(chart, at[i]);
        points[2 * count++ + 1] = svg_up(chart, limit_at(r, at[i]) / 1e9);
    }
    svg_path(s, points, count, "limit");
}

static void set_axes(const roof *r, svg_chart *chart) {
    for (size_t i = 0; i < r->n_spots; i++) {
        double rate = r->spots[i].rate / 1e9;
        svg_reach(&chart->across, &r->spots[i].intensity, 1);
        svg_reach(&chart->up, &rate, 1);
    }
    /* the ridge too, where it is near enough for the layers to stay apart */
    double ridge = r->bandwidth > 0 ? r->peak / r->bandwidth : 0, top = r->peak / 1e9, some = chart->up.high / 3;
    if (ridge > chart->across.low / 100 && ridge < chart->across.high * 100)
        svg_reach(&chart->across, (double[]){ridge / 1.5, ridge * 1.5}, 2);
    if (top > chart->up.low / 100 && top < chart->up.high * 1000)
        svg_reach(&chart->up, &top, 1);
    svg_reach(&chart->up, &some, 1);
}

static void draw_spot(svg *s, const svg_chart *chart, const roof *r, const spot *at) {
    char tip[2 * CHART_WORDS], share[48] = "";
    double limit = limit_at(r, at->intensity);
    if (limit > 0)
        snprintf(share, sizeof share, ", %.0f%% of the roof", 100 * at->rate / limit);
    snprintf(tip, sizeof tip, "%s, f = %d, %s by %s: %s operations a byte, %s GFLOP/s%s", at->row->model, at->row->fold,
             at->layer->name, at->layer->kernel, cli_real(at->intensity).text, cli_real(at->rate / 1e9).text, share);
    svg_marker(s, svg_across(chart, at->intensity), svg_up(chart, at->rate / 1e9), chart_series(at->row->fold), false,
               tip);
}

/* Of the layers of a series, by operations: all of them over all of their bytes, and over all of their time. */
static bool sum_series(const roof *r, int series, double *intensity, double *rate) {
    double ops = 0, bytes = 0, ns = 0;
    for (size_t i = 0; i < r->n_spots; i++) {
        const spot *p = &r->spots[i];
        if (chart_series(p->row->fold) != series)
            continue;
        ops += p->layer->ops;
        bytes += p->layer->bytes;
        ns += p->layer->ns;
    }
    *intensity = bytes > 0 ? ops / bytes : 0;
    *rate = ns > 0 ? ops / ns * 1e9 : 0;
    return is_real(*intensity) && is_real(*rate);
}

static double draw_series_words(svg *s, const roof *r, double y) {
    char words[SVG_SERIES][CHART_WORDS];
    const char *names[SVG_SERIES] = {NULL};
    for (int i = 0; i < SVG_SERIES; i++) {
        double intensity, rate;
        if (!sum_series(r, i, &intensity, &rate))
            continue;
        snprintf(words[i], sizeof words[i], "f = %d%s: %s op/byte, %s GFLOP/s in all", i + 1,
                 i + 1 < SVG_SERIES ? "" : " or more", cli_real(intensity).text, cli_real(rate / 1e9).text);
        names[i] = words[i];
    }
    return svg_legend(s, 0, y, CHART_WIDTH, names, SVG_SERIES);
}

/* Returns the y behind it. */
static double draw_roof(svg *s, const roof *r, double y) {
    svg_chart chart = {.x = LEFT,
                       .width = CHART_WIDTH - LEFT - RIGHT,
                       .height = HEIGHT,
                       .across = {.log = true, .loose = true, .ticks = 8, .label = "operations a byte"},
                       .up = {.log = true, .loose = true, .ticks = 6, .label = "GFLOP/s"}};
    char limits[CHART_WORDS], memory[64] = "";
    if (r->bandwidth > 0)
        snprintf(memory, sizeof memory, "%smemory %s GB/s", r->peak > 0 ? ", " : "", cli_real(r->bandwidth / 1e9).text);
    snprintf(limits, sizeof limits, "%s: %s%s%s%s", fr_precision_name(r->precision), r->peak > 0 ? "peak " : "",
             r->peak > 0 ? cli_real(r->peak / 1e9).text : "", r->peak > 0 ? " GFLOP/s" : "",
             r->bandwidth > 0 ? memory
             : r->peak > 0    ? ""
                              : "neither peak nor bandwidth are known");
    svg_words(s, 0, y + 13, "words", SVG_START, "%s", limits);
    y = draw_series_words(s, r, y + 34);
    chart.y = y + ABOVE - 14;
    set_axes(r, &chart);
    svg_group(s, fr_precision_name(r->precision));
    svg_axes(s, &chart);
    draw_limit(s, &chart, r);
    for (size_t i = 0; i < r->n_spots; i++)
        draw_spot(s, &chart, r, &r->spots[i]);
    svg_group_end(s);
    y = chart.y + HEIGHT + BELOW;
    if (r->more) {
        svg_words(s, 0, y, "muted", SVG_START, "Layers of the fastest rows; there are more.");
        y += 18;
    }
    return y;
}

void cmp_chart_roofline(const cmp_set *set, const cmp_device *device, fr_text *out) {
    char title[CHART_WORDS];
    spot *spots = fr_alloc_array(MOST_LAYERS, sizeof *spots);
    double y = 0;
    chart_rows rows;
    svg s;
    if (!spots || !chart_rows_of(set, NULL, &rows)) {
        fr_free(spots);
        out->failed = true;
        return;
    }
    svg_begin_inline(&s, CHART_WIDTH);
    for (int p = 0; p < FR_PRECISIONS; p++) {
        roof r = {.device = device,
                  .precision = (fr_precision)p,
                  .peak = is_real(device->peak[p]) ? device->peak[p] : 0,
                  .bandwidth = is_real(device->bandwidth) ? device->bandwidth : 0,
                  .spots = spots};
        pick(&rows, &r);
        if (r.n_spots > 0)
            y = draw_roof(&s, &r, y);
    }
    snprintf(title, sizeof title, "Roofline of %s", device->name[0] ? device->name : device->id);
    if (y > 0)
        svg_end_inline(
            &s, y, title,
            "A chart for each precision, both axes logarithmic: operations a second against operations a byte, "
            "a marker for each layer, by fold, under the limits of memory and arithmetic. A layer above the "
            "slope has its maps in a cache.",
            out);
    else
        fr_text_free(&s.text);
    chart_rows_free(&rows);
    fr_free(spots);
}
