/* What is worth measuring on a device: lines of steps like those of small CNNs, and whole runs of some. */
#include "base/status.h"
#include "plan/probe.h"

/* Numbers along a line, ended by 0. Channels hold what folding makes of 8, 16, 32 and 64 (11, 13; 22, 27; 45, 55; 90, 110):
 * the widths that are asked for most. Single channels where they are few: there a tile of 4 shows, or nowhere. */
static const int16_t both_quick[] = {8, 16, 22, 27, 32, 45, 48, 55, 64, 90, 96, 110, 128, 0};
static const int16_t both_main[] = {
    1,  2,  3,  4,  5,  6,  7,  8,   9,   10,  11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  26,
    27, 28, 30, 32, 34, 36, 38, 40,  42,  44,  45,  46,  48,  50,  52,  54,  55,  56,  58,  60,  62,  64,  68,  72,  76,
    80, 84, 88, 90, 92, 96, 98, 100, 104, 108, 110, 112, 116, 120, 124, 128, 144, 160, 176, 192, 208, 224, 240, 256, 0};
static const int16_t both_second_quick[] = {16, 32, 45, 64, 90, 96, 0};
static const int16_t both_second[] = {8,  11,  12,  14,  16,  18,  20,  22,  24,  26,  27,  28,  30,  32,  34, 36,
                                      40, 44,  45,  48,  52,  55,  56,  60,  64,  68,  72,  76,  80,  84,  88, 90,
                                      96, 100, 104, 110, 112, 116, 120, 128, 144, 160, 176, 192, 224, 256, 0};
static const int16_t both_large_quick[] = {16, 32, 64, 0};
static const int16_t both_large[] = {8,  12, 16, 20, 22, 24, 27, 28, 32,  36,  40,  45,  48,  52, 55,
                                     56, 60, 64, 72, 80, 88, 90, 96, 104, 110, 112, 120, 128, 0};
static const int16_t in_quick[] = {3, 6, 12, 0}, out_quick[] = {8, 11, 16, 0};
static const int16_t one_side[] = {2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 18, 20,  22,  24,
                                   27, 28, 32, 36, 40, 45, 48, 52, 55, 56, 60, 64, 72, 80, 90, 96, 112, 128, 0};
static const int16_t in_second[] = {3, 6, 9, 12, 16, 24, 32, 40, 45, 48, 55, 64, 80, 90, 96, 110, 128, 0};
static const int16_t out_second[] = {8,  10, 11, 12, 13, 14, 16, 20, 24,  28,  32, 40,
                                     45, 48, 55, 56, 64, 80, 90, 96, 112, 128, 0};
static const int16_t single_quick[] = {32, 64, 128, 0};
static const int16_t single[] = {8, 16, 24, 32, 40, 45, 48, 56, 64, 72, 80, 90, 96, 112, 128, 160, 192, 256, 0};
static const int16_t grouped_quick[] = {32, 64, 0},
                     grouped[] = {16, 24, 32, 40, 44, 48, 52, 64, 80, 88, 96, 108, 128, 0};
static const int16_t fc_out_quick[] = {8, 128, 0};
static const int16_t fc_out[] = {2, 4, 8, 11, 16, 22, 32, 44, 64, 90, 111, 128, 192, 256, 512, 0};
static const int16_t fc_in_quick[] = {256, 9000, 0};
static const int16_t fc_in[] = {64, 128, 256, 512, 1000, 2000, 4000, 9000, 20000, 0};
static const int16_t map_quick[] = {7, 14, 28, 56, 0};
static const int16_t map[] = {5, 7, 8, 10, 13, 14, 17, 20, 24, 25, 28, 32, 40, 48, 50, 56, 0},
                     map_second[] = {5, 8, 10, 13, 14, 17, 20, 25, 28, 40, 56, 0};
/* Beyond what the device fills with, or its memory holds, they are left out. */
static const int16_t inputs_quick[] = {1, 4, 16, 256, 0},
                     inputs[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 0};
static const int16_t inputs_heavy_quick[] = {1, 0}, inputs_heavy[] = {1, 4, 16, 64, 0};
static const int16_t one_width[] = {32, 0}, two_widths[] = {32, 64, 0};
static const int16_t one_image[] = {1, 0};
static const int16_t images_quick[] = {1, 4, 0}, images[] = {1, 2, 3, 4, 0};
static const int16_t megabytes_quick[] = {1, 8, 64, 0}, megabytes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 0};

enum { ALL = 0, QUICK_F32 = 1, ONLY_F32 = 2 }; /* precisions: a quick profile has the line in f32 alone; so has any */

typedef struct line_spec {
    uint16_t line, kind;
    int16_t c_in, c_out, h, w; /* 0: grows */
    int16_t kernel, groups, pool_kernel, pool_stride;
    int16_t precisions;
    const int16_t *quick, *full; /* NULL: none */
} line_spec;

enum { BOTH = FR_LINE_BOTH, IN = FR_LINE_IN, OUT = FR_LINE_OUT, CONV = FR_STEP_CONV, FC = FR_STEP_FC };

/* The maps are like the zoo's, and not the same: the zoo is there to judge the predictions by. Without the first lines there is
 * nothing to predict from: every precision has them before any has more. */
static const line_spec specs[] = {
    {BOTH, CONV, 0, 0, 24, 50, 3, 1, 0, 0, ALL, both_quick, both_main},
    {BOTH, CONV, 0, 0, 11, 26, 3, 1, 0, 0, ALL, both_second_quick, both_second},
    {BOTH, CONV, 0, 0, 50, 50, 3, 1, 0, 0, ALL, both_large_quick, both_large},
    {IN, CONV, 0, 32, 24, 50, 3, 1, 0, 0, ALL, in_quick, one_side},
    {OUT, CONV, 64, 0, 11, 26, 3, 1, 0, 0, ALL, out_quick, out_second},
    {OUT, FC, 1000, 0, 1, 1, 0, 0, 0, 0, ALL, fc_out_quick, fc_out},
    {IN, FC, 0, 128, 1, 1, 0, 0, 0, 0, ALL, fc_in_quick, fc_in},
    {FR_LINE_INPUTS, CONV, 32, 32, 24, 50, 3, 1, 0, 0, ALL, inputs_quick, inputs},
    {FR_LINE_MEMORY, FR_STEP_UNARY, 64, 64, 64, 64, 0, 0, 0, 0, ONLY_F32, megabytes_quick, megabytes},
    {FR_LINE_ENDS, FR_STEP_INGEST, 3, 3, 24, 50, 0, 0, 0, 0, ALL, images_quick, images},
    {FR_LINE_ENDS, FR_STEP_INGEST, 32, 32, 24, 50, 0, 0, 0, 0, QUICK_F32, one_image, images_quick},
    {FR_LINE_ENDS, FR_STEP_EMIT, 20000, 20000, 1, 1, 0, 0, 0, 0, QUICK_F32, NULL, one_image},
    {FR_LINE_ENDS, FR_STEP_EMIT, 20, 20, 1, 1, 0, 0, 0, 0, QUICK_F32, images_quick, images},
    {FR_LINE_INPUTS, FC, 1000, 128, 1, 1, 0, 0, 0, 0, QUICK_F32, inputs_quick, inputs},
    {FR_LINE_INPUTS, FC, 20000, 256, 1, 1, 0, 0, 0, 0, QUICK_F32, inputs_heavy_quick, inputs_heavy},
    {FR_LINE_INPUTS, FC, 6000, 256, 1, 1, 0, 0, 0, 0, QUICK_F32, NULL, inputs_heavy},
    {FR_LINE_MAP, CONV, 32, 32, 0, 0, 3, 1, 0, 0, ALL, map_quick, map},
    {FR_LINE_POOL, CONV, 0, 0, 24, 50, 3, 1, 3, 2, ALL, one_width, two_widths},
    {FR_LINE_POOL, CONV, 0, 0, 24, 50, 3, 1, 3, 1, ALL, one_width, two_widths},
    {FR_LINE_POOL, CONV, 0, 0, 24, 50, 3, 1, 2, 2, ALL, one_width, two_widths},
    {FR_LINE_POOL, FR_STEP_POOL, 0, 0, 24, 50, 0, 0, 3, 2, QUICK_F32, one_width, two_widths},
    {BOTH, FR_STEP_BINARY, 0, 0, 24, 50, 0, 0, 0, 0, QUICK_F32, one_width, two_widths},
    {BOTH, CONV, 0, 0, 24, 50, 1, 1, 0, 0, ALL, single_quick, single},
    {BOTH, CONV, 0, 0, 50, 50, 3, 4, 0, 0, ALL, grouped_quick, grouped},
    {BOTH, CONV, 0, 0, 50, 50, 5, 4, 0, 0, QUICK_F32, grouped_quick, grouped},
    {OUT, CONV, 32, 0, 24, 50, 3, 1, 0, 0, ALL, NULL, one_side},
    {IN, CONV, 0, 64, 11, 26, 3, 1, 0, 0, ALL, NULL, in_second},
    {FR_LINE_INPUTS, CONV, 64, 64, 11, 26, 3, 1, 0, 0, ALL, NULL, inputs},
    {FR_LINE_MAP, CONV, 64, 64, 0, 0, 3, 1, 0, 0, ALL, NULL, map_second},
    {FR_LINE_MAP, CONV, 3, 32, 0, 0, 3, 1, 0, 0, ALL, NULL, map_second},
    {FR_LINE_POOL, CONV, 0, 0, 11, 26, 3, 1, 3, 2, ALL, NULL, two_widths},
    {FR_LINE_POOL, CONV, 0, 0, 11, 26, 3, 1, 3, 1, ALL, NULL, two_widths},
    {FR_LINE_POOL, CONV, 0, 0, 11, 26, 3, 1, 2, 2, ALL, NULL, two_widths},
};

static const fr_precision precision_order[] = {FR_PRECISION_F32,  FR_PRECISION_F16,  FR_PRECISION_BF16,
                                               FR_PRECISION_INT8, FR_PRECISION_TF32, FR_PRECISION_F64};
enum {
    N_CORE = 8,
    N_SPECS = sizeof specs / sizeof specs[0],
    N_ORDER = sizeof precision_order / sizeof precision_order[0]
};

/* ---- how many inputs a launch ------------------------------------------------------------------------------------- */

static bool is_cpu(const fr_probe *probe) {
    return probe->kind == FR_DEVICE_CPU && !(probe->flags & FR_DEVICE_SOFTWARE);
}

static bool is_software(const fr_probe *probe) {
    return (probe->flags & FR_DEVICE_SOFTWARE) != 0;
}

/* Operations that such a device does in a few milliseconds: more a launch tells nothing more. */
static double patience(const fr_probe *probe) {
    double units = probe->units > 0 ? probe->units : 1;
    if (probe->flags & FR_DEVICE_ORACLE)
        return 5e6;
    if (is_cpu(probe))
        return 4e8; /* of one lane, which is a core */
    return is_software(probe) ? 2e8 * units : 1e9 * units;
}

/* A power of two, the same for all points of a line and whatever the level: as many as keep the maps of 64 channels in a core's
 * cache on a CPU, as fill the device elsewhere. */
static int32_t inputs_for(const fr_probe *probe, const fr_probe_point *point, const line_spec *spec) {
    fr_probe_point one = *point;
    double most = is_cpu(probe) ? 8 : is_software(probe) ? 64 : 1024, room;
    one.n = 1;
    one.c_in = one.c_out = 64;
    if (spec->h == 0)
        one.h = one.w = 40;
    if (spec->kind == FR_STEP_FC || spec->kind == FR_STEP_EMIT)
        return is_cpu(probe) || is_software(probe) ? 64 : 1024;
    if (is_cpu(probe))
        room = 0.75 * (double)(probe->cache_bytes[1] > 0 ? probe->cache_bytes[1] : 512 << 10);
    else /* four times the channels fit as well */
        room = probe->memory_bytes > 0 ? (double)probe->memory_bytes / 8 / 4 : 64 << 20;
    one.kind = FR_STEP_CONV;
    one.kernel = 3;
    one.groups = 1;
    one.pool_kernel = one.pool_stride = 0;
    double by_room = room / fr_probe_bytes(&one), by_work = patience(probe) / fr_probe_ops(&one);
    int32_t n = 1;
    while (2 * n <= by_room && 2 * n <= by_work && 2 * n <= most)
        n *= 2;
    return n;
}

/* ---- points ---------------------------------------------------------------------------------------------------- */

/* A step of the line, `value` along it. */
static fr_probe_point point_at(const fr_probe *probe, const line_spec *spec, fr_precision precision, int32_t value) {
    fr_probe_point p = {.line = spec->line,
                        .kind = spec->kind,
                        .precision = (uint16_t)precision,
                        .c_in = spec->c_in ? spec->c_in : value,
                        .c_out = spec->c_out ? spec->c_out : value,
                        .h = spec->h ? spec->h : value,
                        .w = spec->w ? spec->w : value,
                        .kernel = spec->kernel,
                        .groups = spec->groups,
                        .pool_kernel = spec->pool_kernel,
                        .pool_stride = spec->pool_stride};
    p.n = inputs_for(probe, &p, spec);
    if (spec->line == FR_LINE_INPUTS || spec->line == FR_LINE_MEMORY)
        p.n = value;
    if (spec->line == FR_LINE_ENDS) {
        p.images = value;
        p.c_in *= spec->kind == FR_STEP_EMIT ? value : 1; /* logits of all images */
        p.c_out *= spec->kind == FR_STEP_INGEST ? value : 1;
    }
    return p;
}

static bool is_worth_it(const fr_probe *probe, const fr_probe_point *p, int32_t level) {
    bool has_products = p->kind == FR_STEP_CONV || p->kind == FR_STEP_FC;
    double memory = probe->memory_bytes > 0 ? (double)probe->memory_bytes / 8 : 1e9;
    if (probe->flags & FR_DEVICE_ORACLE)
        memory = 2 << 20;
    if (p->precision == FR_PRECISION_TF32 && !has_products) /* stored as f32 is */
        return false;
    double launches = level > 0 && !is_software(probe) ? 12 : 4; /* of a launch of patience, that one may be worth */
    return fr_probe_ops(p) <= launches * patience(probe) && fr_probe_bytes(p) <= memory;
}

/* A GPU's API on a CPU computes narrow numbers no faster than f32: there the time is better spent on f32. */
static int32_t level_of(const fr_probe *probe, fr_precision precision) {
    return is_software(probe) && precision != FR_PRECISION_F32 ? 0 : probe->level;
}

/* Every stride-th value of the line and the last one; the others come in a later round. */
static fr_status add_line(fr_probe *probe, const line_spec *spec, fr_precision precision, int32_t level, int stride) {
    const int16_t *values = level > 0 ? spec->full : spec->quick;
    bool f32_alone = spec->precisions == ONLY_F32 || (spec->precisions == QUICK_F32 && level == 0);
    if (!values || (f32_alone && precision != FR_PRECISION_F32))
        return FR_OK;
    for (int i = 0; values[i]; i++) {
        fr_probe_point p = point_at(probe, spec, precision, values[i]);
        p.level = (uint16_t)level;
        if ((i % stride == 0 || !values[i + 1]) && is_worth_it(probe, &p, level))
            FR_TRY(fr_probe_add_point(probe, &p));
    }
    return FR_OK;
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

typedef struct run_spec {
    int16_t level, net, width, fold;
    int16_t batch;
    int16_t precisions;
} run_spec;

static const run_spec run_specs[] = {
    {0, 0, 32, 1, 1024, ALL}, {0, 1, 16, 1, 1024, ONLY_F32}, {0, 0, 32, 1, 64, ONLY_F32}, {1, 0, 32, 1, 64, ALL},
    {1, 1, 16, 1, 1024, ALL}, {1, 0, 32, 4, 1024, ALL},      {1, 1, 64, 1, 64, ALL},      {1, 1, 16, 1, 64, ALL},
    {1, 0, 32, 2, 1024, ALL}, {1, 1, 32, 2, 64, ALL},        {1, 0, 64, 1, 1024, ALL},    {1, 0, 32, 4, 64, ALL},
    {1, 1, 32, 1, 1024, ALL}, {1, 0, 16, 1, 1024, ALL},      {1, 0, 64, 1, 64, ALL},      {1, 1, 64, 1, 1024, ALL},
    {1, 1, 16, 4, 1024, ALL}, {1, 0, 96, 1, 64, ALL},        {1, 1, 96, 1, 64, ALL},      {1, 0, 96, 1, 1024, ALL},
    {1, 1, 96, 1, 1024, ALL},
};
enum { N_RUNS = sizeof run_specs / sizeof run_specs[0], NET0_H = 24, NET0_W = 48, NET1 = 44 };

/* Operations of a run, nearly: its widest convolutions. Folding leaves them as they are. */
static double run_ops(const run_spec *spec) {
    double c = spec->width, places = spec->net == 0 ? 3 * (NET0_H / 2 - 1) * (NET0_W / 2 - 1) : NET1 * NET1 * 5 / 4;
    return 18 * c * c * places * spec->batch;
}

/* A run is opened, raced and repeated: a dozen times its work. That a GPU's API on a CPU must do in about three seconds; of the
 * first ones, in f32, each may take some more: without them nothing is known of large batches. */
static double most_run_ops(const fr_probe *probe, const run_spec *spec, fr_precision precision) {
    if (is_cpu(probe))
        return 3e10 * (probe->lanes > 0 ? probe->lanes : 1);
    if (!is_software(probe))
        return 75 * patience(probe);
    return (spec->level == 0 && precision == FR_PRECISION_F32 ? 30 : 20) * patience(probe);
}

static fr_status add_run(fr_probe *probe, const run_spec *spec, fr_precision precision) {
    if ((spec->precisions == ONLY_F32 && precision != FR_PRECISION_F32) ||
        run_ops(spec) > most_run_ops(probe, spec, precision))
        return FR_OK;
    for (uint16_t schedule = FR_SCHEDULE_LAYERS; schedule <= FR_SCHEDULE_CHAIN; schedule++) {
        fr_probe_run run = {.net = spec->net,
                            .width = spec->width,
                            .fold = spec->fold,
                            .h = spec->net == 0 ? NET0_H : NET1,
                            .w = spec->net == 0 ? NET0_W : NET1,
                            .precision = (uint16_t)precision,
                            .schedule = schedule,
                            .batch = spec->batch};
        FR_TRY(fr_probe_add_run(probe, &run));
    }
    return FR_OK;
}

/* Where all is slow, the small batches come first: some of them are had for one large one. */
static fr_status add_runs(fr_probe *probe, uint32_t precisions) {
    enum { SMALL = 64 };
    for (int turn = 0; turn < (is_software(probe) ? 2 : 1); turn++)
        for (size_t r = 0; r < N_RUNS; r++) {
            bool in_turn = !is_software(probe) || (run_specs[r].batch <= SMALL) == (turn == 0);
            for (size_t p = 0; p < N_ORDER && in_turn; p++)
                if (precisions >> precision_order[p] & 1 && run_specs[r].level <= level_of(probe, precision_order[p]))
                    FR_TRY(add_run(probe, &run_specs[r], precision_order[p]));
        }
    return FR_OK;
}

/* ---- the list ------------------------------------------------------------------------------------------------------ */

fr_status fr_probe_list(fr_probe *probe, uint32_t precisions) {
    static const struct {
        int32_t level;
        int stride;
        size_t lines; /* the first ones */
    } rounds[] = {{0, 2, N_CORE},  {0, 2, N_SPECS}, {0, 1, N_SPECS}, {1, 4, N_CORE},
                  {1, 4, N_SPECS}, {1, 2, N_SPECS}, {1, 1, N_SPECS}};
    uint32_t all = probe->precisions & ~(1u << FR_PRECISION_F64), wanted = precisions ? precisions : all;
    wanted &= probe->precisions;
    if (wanted == 0)
        return fr_fail(FR_UNSUPPORTED, "the device has none of the precisions that its profile is asked for");
    size_t n_rounds = sizeof rounds / sizeof rounds[0];
    if (is_software(probe)) /* a slow one comes to an end without the fine ones, and looks closer where lines jump */
        n_rounds -= 2;
    for (size_t r = 0; r < n_rounds; r++)
        for (size_t p = 0; p < N_ORDER; p++) {
            if (!(wanted >> precision_order[p] & 1) || rounds[r].level > level_of(probe, precision_order[p]))
                continue;
            for (size_t s = 0; s < rounds[r].lines; s++)
                FR_TRY(add_line(probe, &specs[s], precision_order[p], rounds[r].level, rounds[r].stride));
        }
    return add_runs(probe, wanted);
}
