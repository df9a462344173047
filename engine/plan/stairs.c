#include "plan/stairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

static const double confident = 0.5, worth_it = 0.25;

static bool is_stair(const fr_probe_point *p) {
    return (p->line == FR_LINE_BOTH || p->line == FR_LINE_IN || p->line == FR_LINE_OUT) &&
           (p->kind == FR_STEP_CONV || p->kind == FR_STEP_FC);
}

static int32_t grows_in(const fr_probe_point *p) {
    return p->line == FR_LINE_IN ? p->c_in : p->c_out;
}

static int sign(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* 0 for points of one line. Lines in any order, but always the same one. */
static int by_line(const fr_probe_point *a, const fr_probe_point *b) {
    int by = sign(a->line, b->line);
    by = by ? by : sign(a->kind, b->kind);
    by = by ? by : sign(a->precision, b->precision);
    by = by ? by : sign(a->n, b->n);
    by = by ? by : sign(a->h, b->h);
    by = by ? by : sign(a->w, b->w);
    by = by ? by : sign(a->kernel, b->kernel);
    by = by ? by : sign(a->groups, b->groups);
    by = by ? by : sign(a->pool_kernel, b->pool_kernel);
    by = by ? by : sign(a->pool_stride, b->pool_stride);
    by = by || a->line != FR_LINE_IN ? by : sign(a->c_out, b->c_out);
    return by || a->line != FR_LINE_OUT ? by : sign(a->c_in, b->c_in);
}

static int by_place(const fr_probe_point *a, const fr_probe_point *b) {
    return (a > b) - (a < b);
}

/* Line after line, each by its channels. */
static int by_line_and_channels(const void *a, const void *b) {
    const fr_probe_point *x = *(const fr_probe_point *const *)a, *y = *(const fr_probe_point *const *)b;
    int by = by_line(x, y);
    by = by ? by : sign(grows_in(x), grows_in(y));
    return by ? by : by_place(x, y);
}

/* As the probe has them: by the first of their points. */
static int by_first(const void *a, const void *b) {
    return by_place(((const fr_stairs *)a)->first, ((const fr_stairs *)b)->first);
}

void fr_stairs_free(fr_stairs_list *list) {
    fr_free(list->at);
    fr_free(list->points);
    memset(list, 0, sizeof *list);
}

int32_t fr_stairs_channels(const fr_stairs *stairs, size_t point) {
    return grows_in(stairs->points[point]);
}

/* The number of the first point with the same kernel. */
static int32_t kernel_number(const fr_stairs *stairs, size_t point) {
    size_t first = 0;
    while (strcmp(stairs->points[first]->candidate, stairs->points[point]->candidate) != 0)
        first++;
    return (int32_t)first;
}

static fr_status fit_line(fr_stairs *stairs) {
    size_t count = 0, quiet = 0, most = stairs->count < FR_STAIR_POINTS ? stairs->count : FR_STAIR_POINTS;
    int32_t *channels = fr_alloc_array(most, sizeof *channels);
    int32_t *kernels = fr_alloc_array(most, sizeof *kernels);
    double *ns = fr_alloc_array(most, sizeof *ns);
    fr_status status = FR_OK;
    if (!channels || !kernels || !ns)
        FR_GO(done, fr_no_memory(most * sizeof *ns, "a staircase"));
    for (size_t i = 0; i < stairs->count; i++)
        quiet += !stairs->points[i]->noisy;
    for (size_t i = 0; i < stairs->count && count < FR_STAIR_POINTS; i++) {
        if (stairs->points[i]->noisy && 2 * quiet >= stairs->count)
            continue; /* the quiet ones say enough */
        channels[count] = fr_stairs_channels(stairs, i);
        kernels[count] = kernel_number(stairs, i);
        ns[count++] = stairs->points[i]->ns;
    }
    fr_stairs_fit_line(&(fr_stair_line){.channels = channels,
                                        .ns = ns,
                                        .kernels = kernels,
                                        .count = count,
                                        .both = stairs->like.line == FR_LINE_BOTH},
                       &stairs->fit);
    if (stairs->noisy)
        stairs->fit.confidence *= 0.5;
done:
    fr_free(channels);
    fr_free(kernels);
    fr_free(ns);
    return status;
}

/* Of points of one line, by their channels. */
static fr_stairs line_of(const fr_probe_point **points, size_t count) {
    fr_stairs line = {.points = points, .count = count, .like = *points[0], .first = points[0]};
    size_t noisy = 0;
    for (size_t i = 0; i < count; i++) {
        noisy += points[i]->noisy;
        line.first = points[i] < line.first ? points[i] : line.first;
    }
    line.noisy = 5 * noisy > count;
    return line;
}

/* Sorted once and cut: a profile may hold as many lines as points. */
fr_status fr_stairs_read(const fr_probe *probe, fr_stairs_list *out) {
    fr_status status = FR_OK;
    size_t count = 0;
    memset(out, 0, sizeof *out);
    out->points = fr_alloc_array(probe->n_points + 1, sizeof(fr_probe_point *));
    if (!out->points)
        return fr_no_memory(probe->n_points * sizeof *out->points, "the staircases");
    for (size_t i = 0; i < probe->n_points; i++)
        if (is_stair(&probe->points[i]) && probe->points[i].ns > 0)
            out->points[count++] = &probe->points[i];
    qsort(out->points, count, sizeof(fr_probe_point *), by_line_and_channels);
    out->at = fr_alloc_array(count / 2 + 1, sizeof *out->at); /* a line has two points at least */
    if (!out->at)
        FR_GO(done, fr_no_memory(count / 2 * sizeof *out->at, "the staircases"));
    for (size_t first = 0, end = 1; first < count; first = end++) {
        while (end < count && by_line(out->points[first], out->points[end]) == 0)
            end++;
        if (end - first >= 2)
            out->at[out->count++] = line_of(out->points + first, end - first);
    }
    qsort(out->at, out->count, sizeof *out->at, by_first);
    for (size_t i = 0; i < out->count; i++)
        FR_GO(done, fit_line(&out->at[i]));
done:
    if (status != FR_OK)
        fr_stairs_free(out);
    return status;
}

int32_t fr_stairs_quanta(const fr_stairs_list *list, fr_precision precision, int32_t *out, int32_t most) {
    int32_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const fr_stairs *s = &list->at[i];
        const fr_stair_fit *fit = &s->fit;
        int32_t at = 0;
        if (s->like.kind != FR_STEP_CONV || s->like.kernel != 3 || s->like.groups != 1 ||
            s->like.precision != precision || fit->quantum <= 1 || fit->confidence < confident || fit->waste < worth_it)
            continue;
        while (at < count && out[at] < fit->quantum)
            at++;
        if ((at < count && out[at] == fit->quantum) || count >= most)
            continue;
        memmove(out + at + 1, out + at, (size_t)(count - at) * sizeof *out);
        out[at] = fit->quantum;
        count++;
    }
    return count;
}
