/* For the tests of the planner: steps of models without a device, and probes of devices that are a formula. */
#ifndef FR_TESTS_PLANNER_KIT_H
#define FR_TESTS_PLANNER_KIT_H

#include <math.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "graph/passes.h"
#include "plan/choose.h"
#include "zoo_models.h"

/* ---- steps ---------------------------------------------------------------------------------------------------------- */

typedef struct lowered {
    fr_graph *graph;
    fr_steps steps;
    int32_t width; /* sum of hidden widths */
} lowered;

static inline void lowered_free(lowered *l) {
    fr_steps_free(&l->steps);
    fr_graph_free(l->graph);
    memset(l, 0, sizeof *l);
}

/* As the planner does: in f32, the weights not made. */
static inline fr_status lowered_make(const char *name, int32_t fold, fr_round round, int32_t quantum, lowered *out) {
    fr_fold_options options = {.struct_bytes = sizeof options, .fold = fold, .round = round, .quantum = quantum};
    fr_lowering how = {.input_dtype = FR_U8, .fuse_pool = true, .fuse_act = true, .fuse_residual = true};
    fr_graph *plain = zoo_graph(name);
    fr_status status;
    memset(out, 0, sizeof *out);
    if (name[0] == 'g' && round == FR_ROUND_FLOOR) { /* its groups and images must divide the channels */
        options.round = FR_ROUND_UP;
        options.quantum = fold == 3 ? 12 : 4;
    }
    FR_GO(cleanup, fr_graph_sort(plain));
    FR_GO(cleanup, fr_graph_infer(plain, 1));
    FR_GO(cleanup, fr_fold_graph(plain, &options, &out->graph));
    FR_GO(cleanup, fr_graph_simplify(out->graph));
    FR_GO(cleanup, fr_graph_infer(out->graph, 1));
    FR_GO(cleanup, fr_steps_lower(out->graph, &how, &out->steps));
    for (int32_t i = 0; i < out->steps.n_items; i++)
        out->width += out->steps.items[i].step.kind == FR_STEP_CONV ? out->steps.items[i].step.dst.c : 0;
cleanup:
    fr_graph_free(plain);
    return status;
}

/* ---- a device that is a formula -------------------------------------------------------------------------------------- */

typedef struct formula {
    double peak; /* operations a second of a lane, f32; twice as many in two bytes, four times in one */
    int32_t in_tile, out_tile;
    double waste;     /* of a partly filled tile of outputs */
    double place_ns;  /* for each place of a map, whatever is computed there */
    double bandwidth; /* bytes a second of a lane, in the cache */
    double launch_ns;
    double noise;   /* of each time */
    double pool_ns; /* for each number that a pool reads */
    uint64_t seed;
} formula;

static inline double kit_tiled(double c, int32_t tile, double waste) {
    return tile <= 1 ? c : (1 - waste) * c + waste * ceil(c / tile) * tile;
}

static inline double kit_speed(fr_precision precision) {
    return precision == FR_PRECISION_INT8 ? 4 : precision == FR_PRECISION_F16 || precision == FR_PRECISION_BF16 ? 2 : 1;
}

/* Of n inputs, without the launch and the pool. h, w: of the output. */
static inline double kit_conv_ns(const formula *f, fr_precision precision, int32_t n, int32_t c_in, int32_t c_out,
                                 int32_t h, int32_t w, int32_t kernel, int32_t groups) {
    double in = kit_tiled((double)c_in / groups, groups > 1 ? 1 : f->in_tile, 1),
           out = kit_tiled((double)c_out / groups, groups > 1 ? 1 : f->out_tile, f->waste);
    double ops = 2.0 * h * w * kernel * kernel * in * out * groups;
    return n * (ops / (f->peak * kit_speed(precision)) * 1e9 + h * w * f->place_ns);
}

static inline double kit_pool_ns(const formula *f, int32_t n, int32_t c, int32_t h, int32_t w, int32_t k, int32_t s) {
    if (k <= 0)
        return 0;
    return f->pool_ns * n * c * (double)((h - k) / s + 1) * ((w - k) / s + 1) * k * k;
}

static inline double kit_point_ns(const formula *f, const fr_probe_point *p) {
    switch (p->kind) {
    case FR_STEP_CONV:
        return f->launch_ns +
               kit_conv_ns(f, (fr_precision)p->precision, p->n, p->c_in, p->c_out, p->h, p->w, p->kernel,
                           p->groups > 0 ? p->groups : 1) +
               kit_pool_ns(f, p->n, p->c_out, p->h, p->w, p->pool_kernel, p->pool_stride);
    case FR_STEP_FC:
        return f->launch_ns + kit_conv_ns(f, (fr_precision)p->precision, p->n, p->c_in, p->c_out, 1, 1, 1, 1);
    case FR_STEP_POOL: return f->launch_ns + kit_pool_ns(f, p->n, p->c_in, p->h, p->w, p->pool_kernel, p->pool_stride);
    default: return f->launch_ns + fr_probe_bytes(p) / f->bandwidth * 1e9;
    }
}

/* The real list of points, with the formula's times. kind and lanes as of a CPU, unless set before. */
static inline fr_status kit_probe(const formula *f, int32_t level, uint32_t precisions, fr_probe *probe) {
    fr_random random = {f->seed + 1};
    if (!probe->kind)
        probe->kind = FR_DEVICE_CPU;
    probe->units = probe->lanes = probe->lanes ? probe->lanes : 2;
    probe->precisions = precisions;
    probe->level = level;
    snprintf(probe->device, sizeof probe->device, "kit:0");
    snprintf(probe->name, sizeof probe->name, "a device that is a formula");
    probe->memory_bytes = 8ull << 30;
    probe->cache_bytes[0] = 32 << 10;
    probe->cache_bytes[1] = 2 << 20;
    probe->cache_bytes[2] = 32 << 20;
    for (int p = 0; p < FR_PRECISIONS; p++) {
        probe->peak[p] = precisions >> p & 1u ? f->peak * kit_speed((fr_precision)p) * probe->lanes : 0;
        probe->lane_scaling[p] = 1;
    }
    probe->bandwidth = f->bandwidth * probe->lanes;
    probe->cache_bandwidth = 100 * probe->bandwidth;
    probe->launch_ns = f->launch_ns;
    FR_TRY(fr_probe_list(probe, 0));
    for (size_t i = 0; i < probe->n_points; i++)
        probe->points[i].ns =
            kit_point_ns(f, &probe->points[i]) * (1 + f->noise * (2 * fr_random_uniform(&random) - 1));
    return FR_OK;
}

/* What the formula says of a lowered step for one input; *out_known false where it says nothing. */
static inline double kit_step_ns(const formula *f, const fr_step *s, fr_precision precision, bool *out_known) {
    *out_known = s->kind == FR_STEP_CONV || s->kind == FR_STEP_FC;
    if (s->kind == FR_STEP_FC)
        return kit_conv_ns(f, precision, 1, s->src[0].c * s->src[0].h * s->src[0].w, s->dst.c, 1, 1, 1, 1);
    if (s->kind != FR_STEP_CONV)
        return 0;
    int32_t h, w;
    fr_conv_map(s, &h, &w);
    return kit_conv_ns(f, precision, 1, s->src[0].c, s->dst.c, h, w, s->win.kh, s->groups > 0 ? s->groups : 1) +
           kit_pool_ns(f, 1, s->dst.c, h, w, s->pool ? s->pool_win.kh : 0, s->pool ? s->pool_win.sh : 1);
}

#endif
