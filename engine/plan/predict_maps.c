/*
 * How a map fits a kernel's tiles. A kernel that makes tiles of th x tw places at a time takes as long for a part of one: 11x26 maps
 * cost a Winograd kernel of 5x5 half as much again as 10x25. The line of maps betrays each kernel's tile, and at any map the best
 * kernel is the one whose tiles fit; so the lines are freed of what their own maps waste, and a prediction gets what its map does.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/predict_parts.h"

enum {
    LEAST_POINTS = 4,
    LEAST_PLACES = 49,
    MOST_POINTS = 64,
    MOST_MAPS = 128 /* lines of maps; a profile of ours has a handful for each precision */
};                  /* on the smallest maps other things cost more than tiles */

static const double clear_fit =
    0.06; /* in the logarithm: how far a kernel's points lie from the middle one, in the mean */

static double tiles_in(double h, double w, int32_t th, int32_t tw) {
    return ceil(h / th - 1e-9) * ceil(w / tw - 1e-9);
}

/* Plain convolutions of the same channels: the line of maps, and what other lines have of them. */
static bool is_of(const fr_probe_point *p, const fr_map_tiles *maps) {
    return p->ns > 0 && !p->noisy && p->kind == FR_STEP_CONV && p->groups <= 1 && p->pool_kernel == 0 &&
           p->line != FR_LINE_INPUTS && p->precision == maps->precision && p->kernel == maps->kernel &&
           p->c_in == maps->c_in && p->c_out == maps->c_out;
}

typedef struct sample {
    const fr_probe_point *point;
    double ns; /* of an input */
} sample;

/* How far the cost of a tile lies from the middle one, in the mean and in the logarithm; *out_ns: the middle one. */
static double spread_of(const sample *samples, int32_t count, int32_t th, int32_t tw, double *out_ns) {
    double costs[MOST_POINTS] = {0}, apart = 0;
    for (int32_t i = 0; i < count; i++) {
        double cost = log(samples[i].ns / tiles_in(samples[i].point->h, samples[i].point->w, th, tw));
        int32_t at = i;
        for (; at > 0 && costs[at - 1] > cost; at--)
            costs[at] = costs[at - 1];
        costs[at] = cost;
    }
    double middle = (costs[(count - 1) / 2] + costs[count / 2]) / 2;
    for (int32_t i = 0; i < count; i++)
        apart += fabs(costs[i] - middle) / count;
    *out_ns = exp(middle);
    return apart;
}

/* The tile that explains a kernel's points best; single places when none does, or they do as well. */
static fr_map_way way_of(const sample *samples, int32_t count) {
    static const struct {
        int8_t h, w;
    } tiles[] = {{2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 8},
                 {1, 2}, {1, 4}, {1, 8}, {4, 1}, {2, 4}, {4, 8}};
    fr_map_way way = {1, 1, 0};
    double least = spread_of(samples, count, 1, 1, &way.ns);
    if (count < 3)
        return way;
    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        double ns, spread = spread_of(samples, count, tiles[i].h, tiles[i].w, &ns);
        if (spread < 0.8 * least && spread < clear_fit) {
            way = (fr_map_way){tiles[i].h, tiles[i].w, ns};
            least = spread;
        }
    }
    return way;
}

static void add_ways(const fr_probe *probe, fr_map_tiles *maps) {
    const fr_probe_point *of[MOST_POINTS];
    int32_t count = 0;
    for (size_t i = 0; i < probe->n_points && count < MOST_POINTS; i++) {
        const fr_probe_point *p = &probe->points[i];
        if (is_of(p, maps) && fr_point_places(p) >= LEAST_PLACES)
            of[count++] = p;
    }
    for (int32_t i = 0; i < count && maps->n_ways < FR_MAP_WAYS; i++) {
        sample samples[MOST_POINTS];
        int32_t n = 0;
        bool seen = false;
        for (int32_t k = 0; k < count; k++) {
            if (strcmp(of[k]->candidate, of[i]->candidate) != 0)
                continue;
            seen |= k < i;
            samples[n++] = (sample){of[k], fr_point_alone(probe, of[k])};
        }
        if (!seen && n > 0)
            maps->ways[maps->n_ways++] = way_of(samples, n);
    }
}

/* Nanoseconds of the best way at a map, and of its best rate were nothing wasted. */
static double ways_at(const fr_map_tiles *maps, double h, double w) {
    double best = 0, rate = 0;
    for (int32_t i = 0; i < maps->n_ways; i++) {
        const fr_map_way *way = &maps->ways[i];
        double ns = way->ns * tiles_in(h, w, way->h, way->w), at_best = way->ns / (way->h * way->w);
        best = i == 0 || ns < best ? ns : best;
        rate = i == 0 || at_best < rate ? at_best : rate;
    }
    return best / (rate * h * w);
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

/* NULL: there are too many. */
static fr_map_tiles *tiles_for(fr_lines *l, const fr_probe_point *p) {
    for (int32_t i = 0; i < l->n_maps; i++)
        if (l->maps[i].precision == p->precision && l->maps[i].kernel == p->kernel && l->maps[i].c_in == p->c_in &&
            l->maps[i].c_out == p->c_out)
            return &l->maps[i];
    if (l->n_maps == MOST_MAPS)
        return NULL;
    fr_map_tiles *maps = &l->maps[l->n_maps++];
    *maps = (fr_map_tiles){.precision = p->precision, .kernel = p->kernel, .c_in = p->c_in, .c_out = p->c_out};
    return maps;
}

double fr_lines_waste(const fr_lines *l, const fr_line_question *q) {
    const fr_map_tiles *best = NULL;
    double least = 0;
    for (int32_t i = 0; i < l->n_maps; i++) {
        const fr_map_tiles *m = &l->maps[i];
        if (m->precision != q->precision || m->kernel != q->kernel || m->n_points < LEAST_POINTS || m->n_ways == 0)
            continue;
        double far = fabs(log((double)q->c_in / m->c_in)) + fabs(log((double)q->c_out / m->c_out));
        if (!best || far < least) {
            best = m;
            least = far;
        }
    }
    return best && q->groups <= 1 && q->h > 0 && q->w > 0 ? ways_at(best, q->h, q->w) : 1;
}

/* Copies the probe, its lines' points freed of what their maps waste. */
fr_status fr_lines_flatten(fr_lines *l, const fr_probe *probe) {
    l->flat = *probe;
    l->flat.points = fr_alloc_array(probe->n_points + 1, sizeof *l->flat.points);
    l->maps = fr_alloc_array(MOST_MAPS, sizeof *l->maps);
    if (!l->flat.points || !l->maps)
        return fr_no_memory(probe->n_points * sizeof *l->flat.points, "a prediction");
    if (probe->n_points > 0)
        memcpy(l->flat.points, probe->points, probe->n_points * sizeof *l->flat.points);
    for (size_t i = 0; i < probe->n_points; i++) {
        const fr_probe_point *p = &probe->points[i];
        fr_map_tiles *maps =
            p->line == FR_LINE_MAP && p->ns > 0 && p->kind == FR_STEP_CONV && p->groups <= 1 ? tiles_for(l, p) : NULL;
        if (maps)
            maps->n_points++;
    }
    for (int32_t i = 0; i < l->n_maps; i++)
        add_ways(probe, &l->maps[i]);
    for (size_t i = 0; i < probe->n_points; i++) {
        fr_probe_point *p = &l->flat.points[i];
        fr_line_question q = {p->kind, p->precision, p->c_in, p->c_out, p->h, p->w, p->kernel, p->groups};
        if (p->ns > 0 && p->kind == FR_STEP_CONV && p->pool_kernel == 0)
            p->ns /= fr_lines_waste(l, &q);
    }
    return FR_OK;
}
