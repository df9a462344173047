/*
 * Direct convolution, a strip of rows a work-item, its source staged in local memory: the way of CPUs. Takes any window, any
 * groups, layouts and epilogue whose rows fit in local memory.
 */
#include "gpu/conv_direct.h"

#include "common/host_device.h"
#include "gpu/families.h"

enum {
    MOST_ROOM = 512 * 1024, /* bytes of local memory: what a private cache holds, weights beside it */
    GOOD_ROOM = 192 * 1024, /* strips that are larger are cut, where they can be */
    LEAST_ROOM = 16 * 1024,
    LEAST_ROWS = 4,
    ITEMS_A_UNIT = 2 /* fewer, and strips are cut further, and outputs shared out */
};

typedef struct strips {
    int32_t rows, count; /* rows of dst in a strip, strips of an input */
    int32_t staged;      /* numbers */
    int32_t tiles, tiles_each;
} strips;

static int32_t room_of(const gpu_traits *traits) { /* numbers of local memory that the kernel declares */
    uint64_t room = traits->local_bytes < MOST_ROOM ? traits->local_bytes : MOST_ROOM;
    return (int32_t)(room / sizeof(float));
}

/* Numbers in local memory for strips of `rows`; *out_staged of them are the source's. */
static int64_t strip_room(const fr_step *step, const gpu_conv_dims *dims, int32_t wide, int32_t rows,
                          int64_t *out_staged) {
    const fr_window *win = &step->win, *pool = &step->pool_win;
    int64_t of_map = rows;
    if (step->pool) {
        of_map = (int64_t)(rows - 1) * pool->sh + (int64_t)(pool->kh - 1) * pool->dh + 1;
        of_map = of_map < dims->map_h ? of_map : dims->map_h;
    }
    int64_t source_rows = (of_map - 1) * win->sh + (int64_t)(win->kh - 1) * win->dh + 1;
    int64_t pitch = (int64_t)(dims->map_w - 1) * win->sw + (int64_t)(win->kw - 1) * win->dw + 1;
    *out_staged = source_rows * pitch * dims->c;
    return *out_staged + (step->pool ? of_map * dims->map_w * wide : 0);
}

static bool cut(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, const gpu_conv_dims *dims,
                strips *out_strips) {
    int32_t wide = v->tile[GPU_DIRECT_CB] * v->vec, room = room_of(traits), rows = step->dst.h;
    int64_t staged, units = traits->units ? traits->units : 1;
    int64_t good = room < GOOD_ROOM / (int32_t)sizeof(float) ? room : GOOD_ROOM / (int32_t)sizeof(float);
    while (rows > 1 && strip_room(step, dims, wide, rows, &staged) > good)
        rows = rows / 2;
    if (room < LEAST_ROOM / (int32_t)sizeof(float) || strip_room(step, dims, wide, rows, &staged) > room)
        return false;
    while (rows < step->dst.h && strip_room(step, dims, wide, rows + 1, &staged) <= good)
        rows++;
    int64_t tiles = gpu_ceil_div(dims->co, wide), wanted = units * ITEMS_A_UNIT;
    while (rows > LEAST_ROWS && step->n * gpu_ceil_div(step->dst.h, rows) * tiles * step->groups < wanted)
        rows = gpu_ceil_div(rows, 2);
    rows = gpu_ceil_div(step->dst.h, gpu_ceil_div(step->dst.h, rows)); /* as many strips, of about the same size */
    (void)strip_room(step, dims, wide, rows, &staged);
    int32_t count = gpu_ceil_div(step->dst.h, rows);
    int64_t items = (int64_t)step->n * count, shares = items < wanted ? (wanted + items - 1) / items : 1;
    *out_strips = (strips){.rows = rows, .count = count, .staged = (int32_t)staged, .tiles = (int32_t)tiles};
    out_strips->tiles_each = (int32_t)((tiles * step->groups + shares - 1) / shares);
    return true;
}

/* The part of a tile's lanes and pixels that is of use. */
static double used(const gpu_conv_dims *dims, const gpu_variant *v, int32_t rows) {
    int32_t px = v->tile[GPU_DIRECT_PX], wide = v->tile[GPU_DIRECT_CB] * v->vec;
    int64_t pixels = (int64_t)rows * dims->map_w, rounded = (pixels + px - 1) / px * px;
    return (double)dims->co / gpu_round_up(dims->co, wide) * (double)pixels / (double)rounded;
}

/* Of a CPU whose vectors are traits->vec wide; sums of `depth` products. */
static double efficiency_of(const gpu_traits *traits, const gpu_variant *v, int32_t depth) {
    double lanes = (double)v->vec / traits->vec, fixed = 12; /* products in whose time a vector is stored */
    double of_width = lanes > 1 ? 0.4 : lanes == 1 ? 1 : lanes >= 0.5 ? 0.95 : 0.48;
    if (lanes < 1 && v->tile[GPU_DIRECT_CB] == 1) /* as many loads as products */
        of_width *= 0.8;
    return 0.85 * of_width * depth / (depth + fixed);
}

void gpu_conv_direct_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                         double *out_ns) {
    gpu_conv_dims dims;
    strips s;
    uint16_t from = (uint16_t)v->tile[GPU_DIRECT_FROM], to = (uint16_t)v->tile[GPU_DIRECT_TO];
    if (!gpu_conv_begin(traits, step, from, to, candidate, &dims))
        return;
    if (traits->lockstep || !cut(traits, step, v, &dims, &s)) {
        candidate->refused = traits->lockstep ? FR_WHY_ISA : FR_WHY_MEMORY; /* one item a group */
        return;
    }
    double efficiency = traits->is_cpu ? efficiency_of(traits, v, dims.c * step->win.kh * step->win.kw) : 0.01;
    if (candidate->dst_layout == FR_LAYOUT_NCHW) /* stores number by number */
        efficiency *= 0.6;
    *out_ns = gpu_guess_ns(traits, dims.flops / used(&dims, v, s.rows), dims.bytes, efficiency);
}

fr_status gpu_conv_direct_make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                               const fr_weights *weights, gpu_recipe *out_recipe) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    strips s;
    if (!cut(traits, step, v, &dims, &s))
        return host_fail(host, FR_INTERNAL, "a strip of the map does not fit in local memory");
    HOST_TRY(gpu_conv_pack(host, step, weights, v->tile[GPU_DIRECT_CB] * v->vec, out_recipe));
    gpu_dispatch *d = gpu_conv_add(out_recipe, "conv_direct", "conv_direct", step, v->vec, &step->dst, GPU_DST);
    gpu_define_int(d, "TILE_PX", v->tile[GPU_DIRECT_PX]);
    gpu_define_int(d, "TILE_CB", v->tile[GPU_DIRECT_CB]);
    gpu_define_int(d, "LOCAL_FLOATS", room_of(traits));
    gpu_conv_pool_params(d, step);
    bool is_one_run = step->win.dw == 1 || step->win.kw == 1;
    const int32_t words[] = {s.count,
                             s.rows,
                             s.tiles,
                             s.tiles_each,
                             is_one_run ? 1 : step->win.kw,
                             step->win.dw * dims.c,
                             is_one_run ? step->win.kw * dims.c : dims.c,
                             s.staged,
                             gpu_conv_zeros_from(step, &step->dst, v->vec),
                             gpu_conv_pool_is_inside(step)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_grid(d, (uint32_t)(step->n * s.count), (uint32_t)gpu_ceil_div(s.tiles * step->groups, s.tiles_each), 1, 1, 1,
             1);
    return FR_OK;
}

#define NATIVE GPU_LAYOUT_NATIVE
#define NHWC   FR_LAYOUT_NHWC
#define NCHW   FR_LAYOUT_NCHW
static const gpu_variant variants[] = {
    GPU_CONV_DIRECT("direct.v16.t6x2", 16, 6, 2, NATIVE, NATIVE),
    GPU_CONV_DIRECT("direct.v16.t12x1", 16, 12, 1, NATIVE, NATIVE),
    GPU_CONV_DIRECT("direct.v8.t6x2", 8, 6, 2, NATIVE, NATIVE),
    GPU_CONV_DIRECT("direct.v8.t12x1", 8, 12, 1, NATIVE, NATIVE),
    GPU_CONV_DIRECT("direct.v4.t6x2", 4, 6, 2, NATIVE, NATIVE),
    GPU_CONV_DIRECT("direct.nhwc.v16.t6x2", 16, 6, 2, NHWC, NHWC),
    GPU_CONV_DIRECT("direct.nhwc.v8.t12x1", 8, 12, 1, NHWC, NHWC),
    GPU_CONV_DIRECT("direct.nchw.v16.t6x2", 16, 6, 2, NCHW, NCHW),
    GPU_CONV_DIRECT("direct.nchw.v8.t12x1", 8, 12, 1, NCHW, NCHW),
    GPU_CONV_ITEMS("items.v4.t4x2", 4, 4, 2, NATIVE, NATIVE),
    GPU_CONV_ITEMS("items.v4.t2x4", 4, 2, 4, NATIVE, NATIVE),
    GPU_CONV_ITEMS("items.nhwc.v4.t4x2", 4, 4, 2, NHWC, NHWC),
    GPU_CONV_ITEMS("items.nchw.v4.t4x2", 4, 4, 2, NCHW, NCHW),
    GPU_CONV_IGEMM("igemm.v4.32x32", 4, 4, 1, NATIVE, 8, 8),
    GPU_CONV_IGEMM("igemm.v4.64x32", 4, 4, 1, NATIVE, 16, 8),
    GPU_CONV_IGEMM("igemm.v4.64x64", 4, 4, 2, NATIVE, 16, 8),
};
const gpu_family gpu_family_conv_direct = {variants, sizeof variants / sizeof variants[0]};
