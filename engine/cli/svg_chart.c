/* Charts: round numbers on axes, and data between them. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "cli/svg.h"
#include "cli/table.h"

enum { MOST_TICKS = 16 };

void svg_reach(svg_axis *axis, const double *values, size_t count) {
    bool empty = !(axis->low < axis->high || axis->low > 0);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]) || (axis->log && values[i] <= 0))
            continue;
        if (empty)
            axis->low = axis->high = values[i];
        empty = false;
        axis->low = fmin(axis->low, values[i]);
        axis->high = fmax(axis->high, values[i]);
    }
}

/* The distance of linear ticks: 1, 2 or 5 times a power of ten. */
static double round_step(double span, int about) {
    double rough = span / about, power = pow(10, floor(log10(rough))), mantissa = rough / power;
    return power * (mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 5 ? 5 : 10);
}

static size_t linear_ticks(double low, double high, int about, double *out, size_t most) {
    double step = round_step(high - low, about);
    size_t count = 0;
    for (double i = ceil(low / step - 1e-9); i * step <= high + 1e-9 * step && count < most; i++)
        out[count++] = i * step;
    return count;
}

/* Powers of ten; with their double and fivefold where there are few. */
static size_t log_ticks(double low, double high, int about, double *out, size_t most) {
    double decades = log10(high / low);
    int per_decade = decades * 3 <= about + 2 ? 3 : 1;
    double stride = per_decade == 1 && decades > about ? ceil(decades / about) : 1;
    static const double steps[] = {1, 2, 5};
    size_t count = 0;
    for (double power = floor(log10(low)); power <= ceil(log10(high)); power += stride)
        for (int i = 0; i < per_decade && count < most; i++) {
            double tick = steps[i] * pow(10, power);
            if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9))
                out[count++] = tick;
        }
    return count;
}

size_t svg_ticks(double low, double high, bool log, int about, double *out, size_t most) {
    about = about > 0 ? about : 5;
    if (!(high > low) || !isfinite(high - low) || (log && low <= 0))
        return 0;
    return log ? log_ticks(low, high, about, out, most) : linear_ticks(low, high, about, out, most);
}

/* A range that can be drawn, out of any: some width, no zero under a logarithm, round ends where they may move. */
static void settle(svg_axis *axis) {
    if (!isfinite(axis->low) || !isfinite(axis->high) || (axis->log && axis->low <= 0)) {
        axis->low = axis->log ? 1 : 0;
        axis->high = axis->log ? 10 : 1;
    }
    if (axis->high <= axis->low) {
        axis->high = axis->low > 0 ? axis->low * 1.1 : axis->low + 1;
        axis->low = axis->low > 0 ? axis->low * 0.9 : axis->low - 1;
    }
    if (!axis->loose)
        return;
    if (axis->log) {
        double step = pow(10, 0.05);
        axis->low /= step;
        axis->high *= step;
    } else {
        double step = round_step(axis->high - axis->low, axis->ticks > 0 ? axis->ticks : 5);
        axis->low = floor(axis->low / step + 1e-9) * step;
        axis->high = ceil(axis->high / step - 1e-9) * step;
    }
}

static double place(const svg_axis *axis, double value) {
    double share = axis->log ? log(fmax(value, axis->low * 1e-3) / axis->low) / log(axis->high / axis->low)
                             : (value - axis->low) / (axis->high - axis->low);
    return isfinite(share) ? fmin(fmax(share, -0.02), 1.02) : 0;
}

double svg_across(const svg_chart *chart, double value) {
    return chart->x + chart->width * place(&chart->across, value);
}

double svg_up(const svg_chart *chart, double value) {
    return chart->y + chart->height * (1 - place(&chart->up, value));
}

/* "1,000", "0.5", "20k": short, exact for round numbers, in the unit that the largest of the axis asks for. */
static cli_number tick_text(double value, const svg_axis *axis) {
    static const struct {
        double from, unit;
        const char *letter;
    } large[] = {{1e13, 1e12, "T"}, {1e10, 1e9, "G"}, {1e7, 1e6, "M"}, {1e4, 1e3, "k"}};
    cli_number out;
    double magnitude = fabs(value), most = axis->log ? magnitude : fmax(fabs(axis->low), fabs(axis->high));
    bool zero = magnitude < 1e-9 * most;
    for (size_t i = 0; i < sizeof large / sizeof large[0] && !zero; i++)
        if (most >= large[i].from * (1 - 1e-9)) {
            snprintf(out.text, sizeof out.text, "%.4g%s", value / large[i].unit, large[i].letter);
            return out;
        }
    if (magnitude >= 1000 * (1 - 1e-9))
        return cli_integer((int64_t)llround(value));
    snprintf(out.text, sizeof out.text, "%.4g", zero ? 0 : value);
    return out;
}

void svg_axes(svg *s, svg_chart *c) {
    double ticks[MOST_TICKS], bottom = c->y + c->height, right = c->x + c->width;
    settle(&c->across);
    settle(&c->up);
    size_t count = svg_ticks(c->up.low, c->up.high, c->up.log, c->up.ticks, ticks, MOST_TICKS);
    for (size_t i = 0; i < count; i++) {
        double y = svg_up(c, ticks[i]);
        svg_stroke(s, c->x, y, right, y, "grid");
        if (!c->up.bare)
            svg_words(s, c->x - 6, y + 4, "tick", SVG_END, "%s", tick_text(ticks[i], &c->up).text);
    }
    if (c->up.label)
        svg_words(s, c->x, c->y - 7, "muted", SVG_START, "%s", c->up.label);
    svg_stroke(s, c->x, bottom, right, bottom, "axis");
    const double *across = c->across.n_at > 0 ? c->across.at : ticks;
    count = c->across.n_at;
    if (count == 0)
        count = svg_ticks(c->across.low, c->across.high, c->across.log, c->across.ticks, ticks, MOST_TICKS);
    for (size_t i = 0; i < count; i++) {
        double x = svg_across(c, across[i]);
        svg_stroke(s, x, bottom, x, bottom + 4, "axis");
        if (!c->across.bare)
            svg_words(s, x, bottom + 16, "tick", SVG_MIDDLE, "%s", tick_text(across[i], &c->across).text);
    }
    if (c->across.label)
        svg_words(s, right, bottom + 29, "muted", SVG_END, "%s", c->across.label);
}

/* Points in units of the picture, then drawn as one path: `there` along xs and ys, and `back` the other way where it is given. */
static void draw(svg *s, const svg_chart *c, const double *xs, const double *there, const double *back, size_t count,
                 const char *class, int series) {
    char classes[32];
    size_t all = back ? 2 * count : count;
    double *points = fr_alloc_array(all ? all : 1, 2 * sizeof *points);
    if (!points) {
        s->text.failed = true;
        return;
    }
    for (size_t i = 0; i < all; i++) {
        size_t from = i < count ? i : 2 * count - 1 - i;
        points[2 * i] = svg_across(c, xs[from]);
        points[2 * i + 1] = svg_up(c, i < count ? there[from] : back[from]);
    }
    snprintf(classes, sizeof classes, "%s s%d", class, series);
    svg_path(s, points, all, classes);
    fr_free(points);
}

void svg_curve(svg *s, const svg_chart *chart, const double *xs, const double *ys, size_t count, int series) {
    draw(s, chart, xs, ys, NULL, count, "line", series);
}

void svg_band(svg *s, const svg_chart *chart, const double *xs, const double *low, const double *high, size_t count,
              int series) {
    draw(s, chart, xs, low, high, count, "band", series);
}

void svg_bar(svg *s, const svg_chart *c, double from, double to, double value, int series, const char *tip) {
    double left = svg_across(c, from), top = svg_up(c, value);
    svg_box(s, left, top, svg_across(c, to) - left, c->y + c->height - top, series, tip);
}

void svg_vertical(svg *s, const svg_chart *c, double value) {
    double x = svg_across(c, value);
    svg_stroke(s, x, c->y, x, c->y + c->height, "mark");
}

void svg_horizontal(svg *s, const svg_chart *c, double value) {
    double y = svg_up(c, value);
    svg_stroke(s, c->x, y, c->x + c->width, y, "mark");
}

double svg_legend(svg *s, double x, double y, double width, const char *const *names, size_t count) {
    double at = x;
    for (size_t i = 0; i < count; i++) {
        int series = (int)(i % SVG_SERIES);
        if (!names[i])
            continue;
        double wide = 30 + svg_words_width("words", names[i]);
        char class[] = "line s0";
        if (at > x && at + wide > x + width) {
            at = x;
            y += 18;
        }
        class[6] = (char)('0' + series);
        svg_path(s, (double[]){at, y - 4, at + 20, y - 4}, 2, class);
        svg_marker(s, at + 10, y - 4, series, false, NULL);
        svg_words(s, at + 26, y, "words", SVG_START, "%s", names[i]);
        at += wide + 14;
    }
    return y + 18;
}
