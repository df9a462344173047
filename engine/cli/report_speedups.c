/* What folding brings: for each engine, device and accuracy class the models one under another, a marker for each fold. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/report.h"
#include "cli/report_charts.h"

enum {
    MOST_PANELS = 12,
    PICTURE_PANELS = 6, /* of a picture by itself */
    MOST_MODELS = 24,   /* of a panel */
    MOST_DOTS = 1024,
    NAMES = 76, /* wide, at the left */
    RIGHT = 14,
    LANE = 7, /* of a fold in the line of its model */
    ABOVE = 8,
    BELOW = 46,
    HEAD = CHART_HEAD
};

typedef struct dot {
    const cmp_row *row;
    cmp_ratio ratio;
    size_t panel, line;
} dot;

typedef struct panel {
    const cmp_row *like;
    const char *models[MOST_MODELS];
    size_t n_models;
} panel;

typedef struct chart_data {
    panel panels[MOST_PANELS];
    size_t count, most;
    bool alone; /* no page around it */
    dot *dots;
    size_t n_dots;
    bool more;            /* than are shown */
    uint32_t folds;       /* series in use */
    int lane[SVG_SERIES]; /* of each series in use */
    int lanes;
    bool has_published;
    svg_axis axis;
} chart_data;

static bool same_panel(const cmp_row *a, const cmp_row *b) {
    return chart_same_who(a, b) && cmp_accuracy_class(a->precision) == cmp_accuracy_class(b->precision);
}

static size_t find_panel(const chart_data *c, const cmp_row *row) {
    size_t i = 0;
    while (i < c->count && !same_panel(c->panels[i].like, row))
        i++;
    return i;
}

static size_t find_line(const panel *p, const char *model) {
    size_t i = 0;
    while (i < p->n_models && strcmp(p->models[i], model) != 0)
        i++;
    return i;
}

static bool has_dot(const chart_data *c, size_t at, size_t line, int32_t fold) {
    for (size_t i = 0; i < c->n_dots; i++)
        if (c->dots[i].panel == at && c->dots[i].line == line && c->dots[i].row->fold == fold)
            return true;
    return false;
}

static void add_dot(chart_data *c, const cmp_row *row, const cmp_ratio *ratio) {
    size_t at = find_panel(c, row);
    panel *p = &c->panels[at];
    if (at == c->count)
        c->panels[c->count++].like = row;
    size_t line = find_line(p, row->model);
    if (line == p->n_models)
        p->models[p->n_models++] = row->model;
    c->dots[c->n_dots++] = (dot){row, *ratio, at, line};
    c->folds |= 1u << chart_series(row->fold);
}

/* The rows come fastest first: the first of a fold is its best batch and precision. */
static void pick_dots(const cmp_set *set, const chart_rows *rows, bool own, chart_data *c) {
    bool any_plain = false;
    for (size_t i = 0; i < rows->count && !any_plain; i++)
        any_plain = rows->at[i]->fold == 1;
    for (size_t i = 0; any_plain && i < rows->count; i++) {
        const cmp_row *row = rows->at[i];
        if (row->fold <= 1 || chart_is_own(row) != own)
            continue;
        size_t at = find_panel(c, row);
        size_t line = at < c->count ? find_line(&c->panels[at], row->model) : 0;
        if (at < c->count && has_dot(c, at, line, row->fold))
            continue;
        if (at == c->most || line == MOST_MODELS || c->n_dots == MOST_DOTS) {
            c->more = true;
            continue;
        }
        const cmp_row *base = cmp_best_plain(set, row);
        cmp_ratio ratio = base ? cmp_ratio_of(row, base) : (cmp_ratio){0};
        if (ratio.ratio > 0 && isfinite(ratio.high))
            add_dot(c, row, &ratio);
    }
}

static int by_name(const void *left, const void *right) {
    const char *const *a = left, *const *b = right;
    return fr_natural_compare(*a, *b);
}

static void sort_models(chart_data *c) {
    for (size_t i = 0; i < c->count; i++)
        qsort(c->panels[i].models, c->panels[i].n_models, sizeof c->panels[i].models[0], by_name);
    for (size_t i = 0; i < c->n_dots; i++)
        c->dots[i].line = find_line(&c->panels[c->dots[i].panel], c->dots[i].row->model);
}

/* All panels have one axis and the same lanes: they are compared with each other. */
static void set_scales(chart_data *c) {
    double one = 1;
    c->axis = (svg_axis){.loose = true, .ticks = 4, .label = "times the best f = 1"};
    svg_reach(&c->axis, &one, 1);
    for (size_t i = 0; i < c->n_dots; i++)
        svg_reach(&c->axis, (double[]){c->dots[i].ratio.low, c->dots[i].ratio.high}, 2);
    for (size_t i = 0; i < c->count; i++)
        for (size_t m = 0; m < c->panels[i].n_models; m++)
            for (int32_t fold = 2; fold <= SVG_SERIES; fold++) {
                double published = cmp_published_speedup(c->panels[i].models[m], fold);
                if (!(published > 0))
                    continue;
                svg_reach(&c->axis, &published, 1);
                c->folds |= 1u << chart_series(fold);
                c->has_published = true;
            }
    for (int i = 0; i < SVG_SERIES; i++)
        if (c->folds >> i & 1)
            c->lane[i] = c->lanes++;
}

static double line_height(const chart_data *c) {
    return c->lanes * LANE + 9;
}

static double lane_y(const chart_data *c, double top, size_t line, int32_t fold) {
    return top + (double)line * line_height(c) + 8 + c->lane[chart_series(fold)] * LANE;
}

static void draw_dot(svg *s, const svg_chart *chart, const dot *d, double y) {
    static const char *const verdicts[] = {"", "", "; no difference is shown"};
    char tip[2 * CHART_WORDS], figure[CHART_WORDS];
    bool few = !cmp_row_settled(d->row);
    chart_tip(d->row, figure, sizeof figure);
    snprintf(tip, sizeof tip, "%s: %.2f times (%.2f to %.2f)%s; %s", d->row->model, d->ratio.ratio, d->ratio.low,
             d->ratio.high, few ? "; too few visits" : verdicts[d->ratio.verdict], figure);
    if (d->ratio.low < d->ratio.high)
        chart_range(s, svg_across(chart, d->ratio.low), svg_across(chart, d->ratio.high), y, 1.5);
    svg_marker(s, svg_across(chart, d->ratio.ratio), y, chart_series(d->row->fold), false, tip);
}

static void draw_published(svg *s, const svg_chart *chart, const char *model, int32_t fold, double y) {
    double published = cmp_published_speedup(model, fold);
    char tip[CHART_WORDS];
    if (!(published > 0))
        return;
    snprintf(tip, sizeof tip, "%s, f = %d: %.2f times in the paper", model, fold, published);
    svg_marker(s, svg_across(chart, published), y, chart_series(fold), true, tip);
}

/* Returns how high it is. */
static double draw_panel(svg *s, const cmp_set *set, chart_data *c, size_t at, double y) {
    panel *p = &c->panels[at];
    chart_place place = chart_place_of(at, c->count);
    svg_chart chart = {.x = place.x + NAMES,
                       .y = y + HEAD + ABOVE,
                       .width = place.width - NAMES - RIGHT,
                       .height = (double)p->n_models * line_height(c),
                       .across = c->axis,
                       .up = {.high = 1, .bare = true, .ticks = 1}};
    double ticks[12];
    chart_head(s, set, p->like, chart_class_name(p->like), place.x, y, place.width);
    svg_axes(s, &chart);
    size_t n_ticks = svg_ticks(chart.across.low, chart.across.high, false, 4, ticks, 12);
    for (size_t i = 0; i < n_ticks; i++)
        svg_stroke(s, svg_across(&chart, ticks[i]), chart.y, svg_across(&chart, ticks[i]), chart.y + chart.height,
                   "grid");
    for (size_t m = 0; m < p->n_models; m++) {
        double top = chart.y + (double)m * line_height(c);
        char name[CMP_NAME];
        snprintf(name, sizeof name, "%s", p->models[m]);
        chart_cut(name, "tick", NAMES - 10);
        svg_words(s, chart.x - 8, top + line_height(c) / 2 + 4, "tick", SVG_END, "%s", name);
        if (m > 0)
            svg_stroke(s, place.x, top, chart.x + chart.width, top, "grid");
    }
    svg_vertical(s, &chart, 1);
    for (size_t i = 0; i < c->n_dots; i++)
        if (c->dots[i].panel == at)
            draw_dot(s, &chart, &c->dots[i], lane_y(c, chart.y, c->dots[i].line, c->dots[i].row->fold));
    for (size_t m = 0; m < p->n_models; m++)
        for (int32_t fold = 2; fold <= SVG_SERIES; fold++)
            draw_published(s, &chart, p->models[m], fold, lane_y(c, chart.y, m, fold));
    return HEAD + ABOVE + chart.height + BELOW;
}

static double draw(svg *s, const cmp_set *set, chart_data *c, double y) {
    double highest = 0;
    y = chart_legend(s, y + 14, c->folds);
    if (c->has_published) {
        svg_marker(s, 10, y - 4, 0, true, NULL);
        svg_words(s, 26, y, "words", SVG_START, "hollow: the paper's (V100, half precision, batch 1,024)");
        y += 18;
    }
    for (size_t i = 0; i < c->count; i++) {
        highest = fmax(highest, draw_panel(s, set, c, i, y));
        if (chart_place_of(i, c->count).last) {
            y += highest;
            highest = 0;
        }
    }
    if (c->more) {
        svg_words(s, 0, y + 12, "muted", SVG_START, "Of the fastest rows; %s.",
                  c->alone ? "there are more" : "the table has the others");
        y += 18;
    }
    return y;
}

static const dot *largest(const chart_data *c) {
    const dot *best = &c->dots[0];
    for (size_t i = 1; i < c->n_dots; i++)
        if (c->dots[i].ratio.ratio > best->ratio.ratio)
            best = &c->dots[i];
    return best;
}

/* `title`: of a picture by itself, or NULL. */
static void put(const cmp_set *set, chart_data *c, const char *title, fr_text *out) {
    char about[3 * CHART_WORDS];
    svg s;
    sort_models(c);
    set_scales(c);
    const dot *best = largest(c);
    snprintf(
        about, sizeof about,
        "%zu chart%s, one for each engine, device and accuracy class: for each model how many times as fast each fold "
        "is as the best at fold 1, with its interval%s. The largest is %.2f times: %s, f = %d, %s on %s.",
        c->count, c->count == 1 ? "" : "s", c->has_published ? "; hollow markers are the paper's" : "",
        best->ratio.ratio, best->row->model, best->row->fold, best->row->engine, best->row->device);
    double y = 0;
    svg_begin_inline(&s, chart_width(c->count));
    if (c->alone) {
        y = svg_lines(&s, 0, 16, s.width, 22, "title", title);
        y = svg_lines(
            &s, 0, y - 2, s.width, 17, "muted",
            "Images a second with f images in the channels of one input, over the best without folding on the "
            "same device: its best batch, its best precision of the same class.");
    }
    y = draw(&s, set, c, y);
    if (c->alone)
        svg_end_alone(&s, y, title, about, out);
    else
        svg_end_inline(&s, y, "Speed-up of each fold", about, out);
}

static void speedups(const cmp_set *set, const char *title, fr_text *out) {
    chart_data *c = fr_alloc(sizeof *c);
    dot *dots = fr_alloc_array(MOST_DOTS, sizeof *dots);
    chart_rows rows;
    if (c && dots && chart_rows_of(set, NULL, &rows)) {
        *c = (chart_data){.dots = dots, .alone = title != NULL, .most = title ? PICTURE_PANELS : MOST_PANELS};
        pick_dots(set, &rows, true, c);
        if (!title || c->n_dots == 0) /* a picture is of the project's own where there are any */
            pick_dots(set, &rows, false, c);
        chart_rows_free(&rows);
        if (c->n_dots > 0)
            put(set, c, title, out);
    } else {
        out->failed = true;
    }
    fr_free(dots);
    fr_free(c);
}

void cmp_chart_speedups(const cmp_set *set, fr_text *out) {
    speedups(set, NULL, out);
}

void cmp_picture(const cmp_set *set, const char *title, fr_text *out) {
    speedups(set, title, out);
}
