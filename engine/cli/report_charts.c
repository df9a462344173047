/* Pictures of the report: what they share, and rates as bars. */
#include "cli/report_charts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/table.h"

/* ---- what they share ---- */

bool chart_rows_of(const cmp_set *set, const char *model, chart_rows *out) {
    size_t room = set->n_rows ? set->n_rows : 1, ranked = 0;
    size_t *order = fr_alloc_array(room, sizeof *order);
    int32_t *rank = fr_alloc_array(room, sizeof *rank);
    *out = (chart_rows){.at = fr_alloc_array(room, sizeof *out->at)};
    bool fine = order && rank && out->at;
    if (fine)
        ranked = cmp_rank(set, model, order, rank);
    for (int kind = 0; kind < 4; kind++)
        for (size_t i = 0; fine && i < ranked; i++) {
            const cmp_row *row = &set->rows[order[i]];
            if (row->copies == (kind < 2) && cmp_row_settled(row) == (kind % 2 == 0))
                out->at[out->count++] = row;
        }
    fr_free(order);
    fr_free(rank);
    if (!fine)
        chart_rows_free(out);
    return fine;
}

void chart_rows_free(chart_rows *rows) {
    fr_free(rows->at);
    *rows = (chart_rows){0};
}

int chart_series(int32_t fold) {
    return fold < 1 ? 0 : fold > SVG_SERIES ? SVG_SERIES - 1 : fold - 1;
}

double chart_legend(svg *s, double y, uint32_t used) {
    char words[SVG_SERIES][24];
    const char *names[SVG_SERIES];
    for (int i = 0; i < SVG_SERIES; i++) {
        snprintf(words[i], sizeof words[i], i + 1 < SVG_SERIES ? "f = %d" : "f = %d or more", i + 1);
        names[i] = used >> i & 1 ? words[i] : NULL;
    }
    return svg_legend(s, 0, y, CHART_WIDTH, names, SVG_SERIES);
}

bool chart_is_own(const cmp_row *row) {
    return strcmp(row->engine, "foldrun") == 0;
}

const char *chart_whose(const cmp_set *set, const cmp_row *row) {
    const cmp_device *device = cmp_device_of(set, row);
    const cmp_machine *machine = set->n_machines > 1 ? cmp_machine_of(set, row->machine) : NULL;
    return machine && !(device && strcmp(device->name, machine->name) == 0) ? machine->name : "";
}

bool chart_same_who(const cmp_row *a, const cmp_row *b) {
    return a->copies == b->copies && strcmp(a->device, b->device) == 0 && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->version, b->version) == 0 && strcmp(a->machine, b->machine) == 0;
}

void chart_cut(char *words, const char *class, double width) {
    static const char ellipsis[] = "\u2026";
    size_t length = strlen(words), room = length + 1;
    if (length == 0 || svg_words_width(class, words) <= width)
        return;
    do { /* a character less, until the ellipsis has a place on paper and in the array */
        do
            length--;
        while (length > 0 && ((unsigned char)words[length] & 0xc0) == 0x80);
        words[length] = '\0';
    } while (length > 0 && (length + sizeof ellipsis > room ||
                            svg_words_width(class, words) + svg_words_width(class, ellipsis) > width));
    while (length > 0 && words[length - 1] == ' ')
        words[--length] = '\0';
    if (length + sizeof ellipsis <= room)
        memcpy(words + length, ellipsis, sizeof ellipsis);
}

double chart_head(svg *s, const cmp_set *set, const cmp_row *row, const char *what, double x, double y, double width) {
    char words[CHART_WORDS];
    const cmp_device *device = cmp_device_of(set, row);
    const char *name = device ? device->name : "", *whose = chart_whose(set, row);
    snprintf(words, sizeof words, "%s%s%s on %s%s%s%s", row->engine, row->version[0] ? " " : "", row->version,
             row->device, what ? ", " : "", what ? what : "", row->copies ? "" : ", without copies");
    bool one = !name[0] && !whose[0]; /* stands next to what it is of */
    chart_cut(words, "words", width);
    svg_words(s, x, y + (one ? 27 : 12), "words", SVG_START, "%s", words);
    snprintf(words, sizeof words, "%s%s%s", name, name[0] && whose[0] ? ", " : "", whose);
    chart_cut(words, "tick", width);
    if (!one)
        svg_words(s, x, y + 27, "tick", SVG_START, "%s", words);
    return y + CHART_HEAD;
}

cmp_rate chart_rate(const cmp_row *row) {
    cmp_rate rate = row->rate;
    if (!(rate.low > 0 && rate.low <= rate.median && rate.median <= rate.high && isfinite(rate.high)))
        rate.low = rate.high = rate.median;
    return rate;
}

void chart_tip(const cmp_row *row, char *out, size_t bytes) {
    cmp_rate rate = chart_rate(row);
    char between[2 * CLI_NUMBER + 16] = "";
    if (rate.low < rate.high)
        snprintf(between, sizeof between, " (%s to %s)", cli_real(rate.low).text, cli_real(rate.high).text);
    snprintf(out, bytes, "%s images/s%s, f = %d%s%s, %s, batch %lld", cli_real(rate.median).text, between, row->fold,
             row->round[0] ? " " : "", row->round, row->precision, (long long)row->batch);
}

void chart_range(svg *s, double x1, double x2, double y, double half) {
    double points[] = {x1, y - half, x1, y + half, x1, y, x2, y, x2, y - half, x2, y + half};
    svg_path(s, points, sizeof points / sizeof points[0] / 2, "range");
}

const char *chart_class_name(const cmp_row *row) {
    static const char *const names[] = {"full precision", "half precision", "int8"};
    return names[cmp_accuracy_class(row->precision)];
}

static size_t columns_of(size_t panels) {
    return panels < 2 ? 1 : panels == 3 || panels > 4 ? 3 : 2;
}

chart_place chart_place_of(size_t panel, size_t panels) {
    double width = panels < 2 ? CHART_WIDTH : (CHART_WIDTH - CHART_GAP) / 2.0;
    size_t columns = columns_of(panels), column = panel % columns;
    return (chart_place){.x = (double)column * (width + CHART_GAP),
                         .width = width,
                         .last = column + 1 == columns || panel + 1 == panels};
}

double chart_width(size_t panels) {
    size_t columns = columns_of(panels);
    chart_place last = chart_place_of(columns - 1, panels);
    return last.x + last.width;
}

/* ---- rates ---- */

enum {
    MOST_BARS = 48,
    LABELS = 160, /* wide, at the left */
    VALUES = 192, /* at the right */
    BAR = 11,
    LINE = 16,                     /* from bar to bar */
    SPACE = 10,                    /* above it */
    HEAD = SPACE + CHART_HEAD + 6, /* above the bars of one device */
    BOTTOM = 36,                   /* numbers and the label of the axis */
    TOP = -SPACE + 4
};

typedef struct bar {
    const cmp_row *row;
    size_t group; /* place of the first bar of its engine and device */
} bar;

typedef struct bars {
    bar at[MOST_BARS];
    size_t count, groups;
    double most;
    bool more; /* than are shown */
} bars;

/* The best of each engine, device, fold and accuracy class: rows of other work (without copies) only where there are no others. */
static void pick_bars(const chart_rows *rows, bars *out) {
    for (size_t i = 0; i < rows->count; i++) {
        const cmp_row *row = rows->at[i];
        size_t group = out->count, same = 0;
        if (row->copies != rows->at[0]->copies)
            break;
        for (; same < out->count; same++) {
            const cmp_row *other = out->at[same].row;
            if (!chart_same_who(other, row))
                continue;
            group = group < out->count ? group : same;
            if (other->fold == row->fold && cmp_accuracy_class(other->precision) == cmp_accuracy_class(row->precision))
                break;
        }
        if (same < out->count)
            continue;
        if (out->count == MOST_BARS) {
            out->more = true;
            continue;
        }
        out->groups += group == out->count;
        out->most = fmax(out->most, chart_rate(row).high);
        out->at[out->count++] = (bar){row, group};
    }
}

static int by_group(const void *left, const void *right) {
    const bar *a = left, *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    if (a->row->fold != b->row->fold)
        return a->row->fold < b->row->fold ? -1 : 1;
    return cmp_accuracy_class(a->row->precision) - cmp_accuracy_class(b->row->precision);
}

static void draw_bar(svg *s, const svg_chart *chart, const cmp_row *row, double y) {
    char words[CHART_WORDS], tip[CHART_WORDS];
    const char *unchecked = row->check == CMP_UNCHECKED ? "unchecked" : "";
    cmp_rate rate = chart_rate(row);
    double end = svg_across(chart, rate.median);
    chart_tip(row, tip, sizeof tip);
    snprintf(words, sizeof words, "f = %d, %s, batch %lld", row->fold, row->precision, (long long)row->batch);
    chart_cut(words, "tick", LABELS - 10);
    svg_words(s, LABELS - 8, y + BAR - 1, "tick", SVG_END, "%s", words);
    svg_box(s, chart->x, y, end - chart->x, BAR, chart_series(row->fold), tip);
    if (rate.low < rate.high)
        chart_range(s, svg_across(chart, rate.low), svg_across(chart, rate.high), y + BAR / 2.0, 3);
    if (cmp_row_settled(row))
        snprintf(words, sizeof words, "%s%s%s", cli_real(rate.median).text, unchecked[0] ? ", " : "", unchecked);
    else
        snprintf(words, sizeof words, "%s (%zu visit%s)%s%s", cli_real(rate.median).text, row->n_visits,
                 row->n_visits == 1 ? "" : "s", unchecked[0] ? ", " : "", unchecked);
    chart_cut(words, "tick", VALUES - 16);
    svg_words(s, svg_across(chart, rate.high) + 8, y + BAR - 1, "tick", SVG_START, "%s", words);
}

static void draw_grid(svg *s, const svg_chart *chart, double from, double to) {
    double ticks[12];
    size_t count = svg_ticks(chart->across.low, chart->across.high, false, chart->across.ticks, ticks, 12);
    for (size_t i = 0; i < count; i++)
        svg_stroke(s, svg_across(chart, ticks[i]), from, svg_across(chart, ticks[i]), to, "grid");
}

static double draw_bars(svg *s, const cmp_set *set, bars *b) {
    svg_chart chart = {.x = LABELS,
                       .y = TOP,
                       .width = CHART_WIDTH - LABELS - VALUES,
                       .height = (double)(b->groups * HEAD + b->count * LINE),
                       .across = {.high = b->most, .loose = true, .ticks = 4, .label = "images/s"},
                       .up = {.low = 0.1, .high = 0.9, .bare = true, .ticks = 1} /* without lines */};
    double y = TOP;
    svg_axes(s, &chart);
    for (size_t i = 0; i < b->count; i++) {
        size_t end = i;
        bool first = i == 0 || b->at[i].group != b->at[i - 1].group;
        while (first && end < b->count && b->at[end].group == b->at[i].group)
            end++;
        if (first) {
            chart_head(s, set, b->at[i].row, NULL, 0, y + SPACE, CHART_WIDTH);
            y += HEAD;
            draw_grid(s, &chart, y - 2, y + (double)(end - i) * LINE - 2);
        }
        draw_bar(s, &chart, b->at[i].row, y);
        y += LINE;
    }
    y += BOTTOM;
    if (b->more) {
        svg_words(s, 0, y + 12, "muted", SVG_START, "The fastest %d; the tables have the others.", MOST_BARS);
        y += 18;
    }
    return y;
}

void cmp_chart_rates(const cmp_set *set, const char *model, fr_text *out) {
    char title[CHART_WORDS], about[2 * CHART_WORDS], best[CHART_WORDS];
    bars b = {.count = 0};
    chart_rows rows;
    svg s;
    if (!chart_rows_of(set, model, &rows)) {
        out->failed = true;
        return;
    }
    pick_bars(&rows, &b);
    chart_rows_free(&rows);
    if (b.count == 0)
        return;
    const cmp_row *first = b.at[0].row; /* the fastest */
    chart_tip(first, best, sizeof best);
    snprintf(title, sizeof title, "Images a second%s%s", model ? ", " : "", model ? model : "");
    snprintf(about, sizeof about,
             "%zu bars: the best of each engine, device, fold and accuracy class, with the interval of its median. The "
             "fastest is %s on %s: %s.",
             b.count, first->engine, first->device, best);
    qsort(b.at, b.count, sizeof b.at[0], by_group);
    svg_begin_inline(&s, CHART_WIDTH);
    double height = draw_bars(&s, set, &b);
    svg_end_inline(&s, height, title, about, out);
}
