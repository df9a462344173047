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

static bool same_line(const fr_probe_point *a, const fr_probe_point *b) {
    return a->line == b->line && a->kind == b->kind && a->precision == b->precision && a->n == b->n && a->h == b->h &&
           a->w == b->w && a->kernel == b->kernel && a->groups == b->groups && a->pool_kernel == b->pool_kernel &&
           a->pool_stride == b->pool_stride && (a->line != FR_LINE_IN || a->c_out == b->c_out) &&
           (a->line != FR_LINE_OUT || a->c_in == b->c_in);
}

int32_t fr_stairs_channels(const fr_stairs *stairs, size_t point) {
    return grows_in(stairs->points[point]);
}

static int by_channels(const void *a, const void *b) {
    int32_t x = grows_in(*(const fr_probe_point *const *)a), y = grows_in(*(const fr_probe_point *const *)b);
    return (x > y) - (x < y);
}

void fr_stairs_free(fr_stairs_list *list) {
    for (size_t i = 0; i < list->count; i++)
        fr_free(list->at[i].points);
    fr_free(list->at);
    memset(list, 0, sizeof *list);
}

/* Of the points from `first` on, those of its line: sorted, fitted. Nothing when it has no company. */
static fr_status read_line(const fr_probe *probe, size_t first, fr_stairs *out) {
    const fr_probe_point *like = &probe->points[first];
    size_t noisy = 0;
    out->points = fr_alloc_array(probe->n_points - first, sizeof(fr_probe_point *));
    if (!out->points)
        return fr_no_memory((probe->n_points - first) * sizeof *out->points, "a staircase");
    for (size_t i = first; i < probe->n_points; i++)
        if (probe->points[i].ns > 0 && same_line(&probe->points[i], like)) {
            out->points[out->count++] = &probe->points[i];
            noisy += probe->points[i].noisy;
        }
    qsort(out->points, out->count, sizeof(fr_probe_point *), by_channels);
    out->like = *out->points[0];
    out->noisy = 5 * noisy > out->count;
    return FR_OK;
}

/* The number of the first point with the same kernel. */
static int32_t kernel_number(const fr_stairs *stairs, size_t point) {
    size_t first = 0;
    while (strcmp(stairs->points[first]->candidate, stairs->points[point]->candidate) != 0)
        first++;
    return (int32_t)first;
}

static fr_status fit_line(fr_stairs *stairs) {
    size_t count = 0, quiet = 0;
    int32_t *channels = fr_alloc_array(stairs->count, sizeof *channels);
    int32_t *kernels = fr_alloc_array(stairs->count, sizeof *kernels);
    double *ns = fr_alloc_array(stairs->count, sizeof *ns);
    fr_status status = FR_OK;
    if (!channels || !kernels || !ns)
        FR_GO(done, fr_no_memory(stairs->count * sizeof *ns, "a staircase"));
    for (size_t i = 0; i < stairs->count; i++)
        quiet += !stairs->points[i]->noisy;
    for (size_t i = 0; i < stairs->count; i++) {
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

fr_status fr_stairs_read(const fr_probe *probe, fr_stairs_list *out_list) {
    fr_status status = FR_OK;
    size_t capacity = 0;
    memset(out_list, 0, sizeof *out_list);
    for (size_t i = 0; i < probe->n_points && status == FR_OK; i++) {
        const fr_probe_point *p = &probe->points[i];
        bool known = !is_stair(p) || !(p->ns > 0);
        for (size_t k = 0; k < out_list->count && !known; k++)
            known = same_line(&out_list->at[k].like, p);
        if (known)
            continue;
        if (out_list->count == capacity) {
            fr_stairs *more = fr_grow_array(out_list->at, capacity, capacity + 32, sizeof *more);
            if (!more) {
                status = fr_no_memory((capacity + 32) * sizeof *more, "the staircases");
                break;
            }
            out_list->at = more;
            capacity += 32;
        }
        status = read_line(probe, i, &out_list->at[out_list->count++]);
    }
    size_t kept = 0;
    for (size_t k = 0; k < out_list->count; k++) {
        fr_stairs *stairs = &out_list->at[k];
        if (stairs->count >= 2 && status == FR_OK) {
            status = fit_line(stairs);
            out_list->at[kept++] = *stairs;
        } else {
            fr_free(stairs->points);
        }
    }
    out_list->count = kept;
    if (status != FR_OK)
        fr_stairs_free(out_list);
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
