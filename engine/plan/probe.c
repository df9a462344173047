#include "plan/probe.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

void fr_probe_free(fr_probe *probe) {
    fr_free(probe->points);
    fr_free(probe->runs);
    memset(probe, 0, sizeof *probe);
}

/* The channels first: there two points differ most often. */
bool fr_probe_same_point(const fr_probe_point *a, const fr_probe_point *b) {
    return a->c_in == b->c_in && a->c_out == b->c_out && a->h == b->h && a->w == b->w && a->n == b->n &&
           a->line == b->line && a->kind == b->kind && a->precision == b->precision && a->kernel == b->kernel &&
           a->groups == b->groups && a->pool_kernel == b->pool_kernel && a->pool_stride == b->pool_stride &&
           a->images == b->images;
}

static bool same_run(const fr_probe_run *a, const fr_probe_run *b) {
    return a->net == b->net && a->width == b->width && a->fold == b->fold && a->h == b->h && a->w == b->w &&
           a->precision == b->precision && a->schedule == b->schedule && a->batch == b->batch;
}

/* Room for one item more; the block it has been moved to, or NULL. */
static void *with_room(void *block, size_t count, size_t *capacity, size_t item_bytes) {
    if (count < *capacity)
        return block;
    size_t more = *capacity ? 2 * *capacity : 64;
    void *grown = fr_grow_array(block, *capacity, more, item_bytes);
    if (grown)
        *capacity = more;
    return grown;
}

fr_status fr_probe_add_point(fr_probe *probe, const fr_probe_point *point) {
    for (size_t i = 0; i < probe->n_points; i++)
        if (fr_probe_same_point(&probe->points[i], point))
            return FR_OK;
    fr_probe_point *points = with_room(probe->points, probe->n_points, &probe->cap_points, sizeof *points);
    if (!points)
        return fr_no_memory(2 * probe->n_points * sizeof *points, "the points of a device's profile");
    probe->points = points;
    points[probe->n_points++] = *point;
    return FR_OK;
}

fr_status fr_probe_add_run(fr_probe *probe, const fr_probe_run *run) {
    for (size_t i = 0; i < probe->n_runs; i++)
        if (same_run(&probe->runs[i], run))
            return FR_OK;
    fr_probe_run *runs = with_room(probe->runs, probe->n_runs, &probe->cap_runs, sizeof *runs);
    if (!runs)
        return fr_no_memory(2 * probe->n_runs * sizeof *runs, "the runs of a device's profile");
    probe->runs = runs;
    runs[probe->n_runs++] = *run;
    return FR_OK;
}

/* ---- what a launch does ----------------------------------------------------------------------------------------- */

static double places(const fr_probe_point *p) {
    return (double)p->h * p->w;
}

/* The models' pools are not padded. */
static double places_after_pool(const fr_probe_point *p) {
    if (p->pool_kernel < 1 || p->pool_stride < 1 || p->h < p->pool_kernel || p->w < p->pool_kernel)
        return places(p);
    return (double)((p->h - p->pool_kernel) / p->pool_stride + 1) * ((p->w - p->pool_kernel) / p->pool_stride + 1);
}

/* Of one number that a convolution or a fully connected layer makes. */
static double products(const fr_probe_point *p) {
    if (p->kind == FR_STEP_FC)
        return p->c_in * places(p);
    return (double)p->kernel * p->kernel * p->c_in / (p->groups > 0 ? p->groups : 1);
}

/* The counting rule of the cost figures: a product and its sum are two operations, a convolution's bias one more such pair. */
double fr_probe_ops(const fr_probe_point *p) {
    if (p->kind == FR_STEP_FC)
        return 2.0 * p->n * p->c_out * products(p);
    if (p->kind != FR_STEP_CONV)
        return 0;
    int32_t k = p->kernel, pad = 2 * (k / 2);
    double made = (double)(p->h + pad - k + 1) * (p->w + pad - k + 1);
    return 2.0 * p->n * made * p->c_out * (products(p) + 1);
}

double fr_precision_bytes(fr_precision precision) {
    switch (precision) {
    case FR_PRECISION_F64: return 8;
    case FR_PRECISION_F16:
    case FR_PRECISION_BF16: return 2;
    case FR_PRECISION_INT8: return 1;
    default: return 4;
    }
}

double fr_probe_bytes(const fr_probe_point *p) {
    double number = fr_precision_bytes((fr_precision)p->precision), n = p->n, in = n * p->c_in * places(p) * number;
    switch (p->kind) {
    case FR_STEP_CONV:
    case FR_STEP_FC: {
        double out = n * p->c_out * (p->kind == FR_STEP_FC ? 1 : places_after_pool(p)) * number;
        return in + out + p->c_out * (products(p) * number + 4);
    }
    case FR_STEP_POOL: return in + n * p->c_out * places_after_pool(p) * number;
    case FR_STEP_BINARY: return 3 * in;
    case FR_STEP_INGEST: return n * p->c_out * places(p) * (1 + number); /* a byte a pixel comes in */
    case FR_STEP_EMIT: return n * p->c_in * places(p) * (number + 4);    /* f32 goes out */
    default: return in + n * p->c_out * places(p) * number;
    }
}
