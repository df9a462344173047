#include "gpu/conv_mma_plan.h"

#include <string.h>

#include "gpu/conv_common.h"

enum {
    STEP_BYTES = 32,   /* of K, in one step */
    MOST_TABLE = 4096, /* entries */
    MOST_PIXELS = 4096,
    MOST_IMAGES = 256,
    MOST_BLOCKS = 8,    /* at once on a unit */
    BLOCK_BYTES = 1024, /* that the driver takes of each block's */
    REGISTERS = 65536,  /* of a unit, and a lane's beside its sums, as the compiler reports them */
    OTHER_REGISTERS = 64
};

/* Neighbouring pixels begin in different banks: an odd count of 16 bytes. */
static int32_t odd_runs(int32_t bytes) {
    return (gpu_ceil_div(bytes, GPU_MMA_RUN_BYTES) | 1) * GPU_MMA_RUN_BYTES;
}

static int32_t span(int32_t outputs, int32_t stride, int32_t kernel, int32_t dilation) {
    return (outputs - 1) * stride + (kernel - 1) * dilation + 1;
}

int32_t gpu_mma_best_width(int32_t co, const int32_t *widths, int32_t count) {
    int32_t best = widths[0], least = INT32_MAX;
    for (int32_t i = 0; i < count; i++) {
        int32_t padded = gpu_round_up(co, widths[i] * 8);
        if (padded < least || (padded == least && widths[i] > best)) {
            least = padded;
            best = widths[i];
        }
    }
    return best;
}

int32_t gpu_mma_packed_run(const fr_step *step, int32_t *out_runs) {
    bool is_row = step->win.dw == 1;
    int32_t c = step->src[0].c / step->groups;
    *out_runs = step->win.kh * (is_row ? 1 : step->win.kw);
    return is_row ? step->win.kw * c : c;
}

/* What does not depend on the tile of pixels. */
static bool cut_depth(const fr_step *step, const gpu_mma_shape *shape, int32_t slice_runs, gpu_mma_plan *p) {
    int32_t c = step->src[0].c / step->groups, taps = step->win.kh * step->win.kw, bytes;
    p->slice_runs = slice_runs;
    p->slices = 1;
    if (shape->packed) {
        int32_t runs, length = gpu_mma_packed_run(step, &runs);
        bytes = runs * gpu_round_up(length * shape->number_bytes, 4);
    } else {
        p->slices = gpu_ceil_div(gpu_ceil_div(c * shape->number_bytes, GPU_MMA_RUN_BYTES), slice_runs);
        bytes = taps * slice_runs * GPU_MMA_RUN_BYTES;
    }
    p->k_steps = gpu_ceil_div(bytes, STEP_BYTES);
    p->w_pitch = odd_runs(p->k_steps * STEP_BYTES);
    p->w_bytes = shape->nt * 8 * p->w_pitch;
    p->n_tiles = gpu_ceil_div(step->dst.c / step->groups, shape->nt * 8);
    return p->k_steps * (shape->packed ? 8 : 2) <= MOST_TABLE && p->w_bytes <= 1 << 20;
}

static void cut_patch(const fr_step *step, const gpu_mma_shape *shape, gpu_mma_plan *p) {
    const fr_window *win = &step->win;
    p->patch_h = span(p->tile_h, win->sh, win->kh, win->dh);
    p->patch_w = span(p->tile_w, win->sw, win->kw, win->dw);
    p->twin = 0;
    if (shape->packed) {
        int32_t c = step->src[0].c;
        p->patch_pixel = c * shape->number_bytes;
        /* a number after the last may be read; whole words */
        p->patch_row = gpu_round_up(p->patch_w * p->patch_pixel + 2 * shape->number_bytes, 4);
        p->patch_image = p->patch_h * p->patch_row;
        p->patch_bytes = gpu_round_up(p->images * p->patch_image, GPU_MMA_RUN_BYTES);
        if (p->patch_pixel % 4) {
            p->twin = p->patch_bytes;
            p->patch_bytes = 2 * p->patch_bytes + GPU_MMA_RUN_BYTES; /* the second copy ends one number later */
        }
        return;
    }
    p->patch_pixel = odd_runs(p->slice_runs * GPU_MMA_RUN_BYTES);
    p->patch_row = p->patch_w * p->patch_pixel;
    p->patch_image = p->patch_h * p->patch_row;
    p->patch_bytes = p->images * p->patch_image;
}

/* False when it does not fit. */
static bool lay_out(const gpu_traits *traits, const gpu_mma_shape *shape, bool pooled, gpu_mma_plan *p) {
    int32_t rows = (pooled ? p->chunks : shape->warps) * shape->mt * 16;
    p->map_pitch = odd_runs(shape->nt * 8 * shape->cell_bytes);
    p->at_table = shape->nt * 8 * (int32_t)sizeof(float) * (shape->number_bytes == 1 ? 2 : 1); /* biases; factors */
    p->at_weights =
        p->at_table + gpu_round_up(p->k_steps * (shape->packed ? 8 : 2) * (int32_t)sizeof(int32_t), GPU_MMA_RUN_BYTES);
    int64_t patch = (int64_t)p->at_weights + (int64_t)p->w_bytes * (p->slices > 1 ? p->stages : 1);
    int64_t map = patch + (int64_t)p->patch_bytes * p->stages, all = map + (int64_t)rows * p->map_pitch;
    if (all > (int64_t)traits->shared_bytes)
        return false;
    p->at_patch = (int32_t)patch;
    p->at_map = (int32_t)map;
    p->shared_bytes = (uint32_t)all;
    return true;
}

/* Kernels divide by these with a multiplication. */
static bool divides(const gpu_mma_shape *shape, const gpu_mma_plan *p) {
    int64_t line = shape->packed ? p->patch_row / shape->number_bytes : (int64_t)p->patch_w * p->slice_runs;
    int64_t lines = (int64_t)p->images * p->patch_h * (shape->packed ? 1 : p->slice_runs);
    int64_t pixels = (int64_t)p->chunks * shape->mt * 16;
    return lines * line * line < INT64_C(1) << 32 && pixels * p->tile_h * p->tile_w < INT64_C(1) << 32;
}

static void guess(const gpu_traits *traits, const fr_step *step, const gpu_mma_shape *shape, gpu_mma_plan *p) {
    double product = traits->mma >= 90 ? 1 : traits->mma >= 80 ? 2 : traits->mma >= 75 ? 4 : 2;
    if (shape->number_bytes == 4)
        product *= 1; /* half as many operations in a step */
    double reads = shape->packed ? shape->mt * 4.0 + 4 : shape->mt * 4.0 + 1,
           products = shape->mt * shape->nt * product;
    reads += shape->nt * 2.0;
    double of_chunk = p->k_steps * (reads > products ? reads : products);
    double cells =
        3.0 * shape->mt * shape->nt * (shape->cell_bytes / 2.0) + 16.0 * shape->mt; /* sums, on their way out */
    double rounds = gpu_ceil_div(p->chunks, shape->warps) * shape->warps;
    double staged = p->patch_bytes / (p->twin ? 1.5 : shape->packed ? 8.0 : 24.0); /* packed: numbers, or words */
    double weights = p->slices > 1 ? p->w_bytes / 24.0 : 0;
    double of_job = rounds * (of_chunk * p->slices + cells) + p->slices * (staged + weights + 60) + 200;
    if (step->pool)
        of_job += (double)p->images * p->part_h * p->part_w * shape->nt * step->pool_win.kh * step->pool_win.kw / 8;
    double fits = (double)traits->shared_bytes / (p->shared_bytes + BLOCK_BYTES);
    double held = (double)REGISTERS / ((shape->mt * shape->nt * 4 + OTHER_REGISTERS) * shape->warps * 32);
    fits = fits < held ? fits : held;
    double at_once = fits < 1 ? 1 : fits > MOST_BLOCKS ? MOST_BLOCKS : (double)(int)fits;
    double units = traits->units ? traits->units : 1, warps = at_once * shape->warps;
    double busy = warps / (warps + (p->stages > 1 ? 3 : 6)); /* what hides the waits */
    double jobs = (double)p->jobs * p->n_tiles * step->groups, turns = jobs / units;
    if (turns < at_once) /* fewer blocks than there is room for */
        turns = turns < 1 ? 1 : turns, busy = turns * shape->warps / (turns * shape->warps + (p->stages > 1 ? 3 : 6));
    p->cycles = of_job * turns / busy + p->w_bytes / 24.0;
    double most = units * at_once / (p->n_tiles * step->groups);
    p->blocks = (uint32_t)(p->jobs < most ? p->jobs : most < 1 ? 1 : most);
}

static bool cut_tile(const gpu_traits *traits, const fr_step *step, const gpu_mma_shape *shape, gpu_mma_plan *p) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    const fr_window *pool = &step->pool_win;
    int32_t out_h = step->pool ? step->dst.h : dims.map_h, out_w = step->pool ? step->dst.w : dims.map_w;
    p->tile_h = step->pool ? span(p->part_h, pool->sh, pool->kh, 1) : p->part_h;
    p->tile_w = step->pool ? span(p->part_w, pool->sw, pool->kw, 1) : p->part_w;
    p->tiles_y = gpu_ceil_div(out_h, p->part_h);
    p->tiles_x = gpu_ceil_div(out_w, p->part_w);
    int64_t pixels = (int64_t)p->images * p->tile_h * p->tile_w;
    int64_t jobs = (int64_t)gpu_ceil_div(step->n, p->images) * p->tiles_y * p->tiles_x;
    if (pixels > MOST_PIXELS || jobs > INT32_MAX / 64)
        return false;
    p->pixels = (int32_t)pixels;
    p->jobs = (int32_t)jobs;
    p->chunks = gpu_ceil_div(p->pixels, shape->mt * 16);
    if (p->slices > 1 && p->chunks > shape->warps)
        return false; /* sums stay in registers */
    cut_patch(step, shape, p);
    if (!divides(shape, p) || !lay_out(traits, shape, step->pool != 0, p))
        return false;
    guess(traits, step, shape, p);
    return true;
}

/* The next smaller part of `all` that makes more of them; 0 after 1. */
static int32_t next_part(int32_t all, int32_t part) {
    int32_t smaller = gpu_ceil_div(all, gpu_ceil_div(all, part) + 1);
    return part == 1 ? 0 : smaller < part ? smaller : part - 1;
}

static void keep_best(const gpu_mma_plan *p, bool *found, gpu_mma_plan *best) {
    if (!*found || p->cycles < best->cycles)
        *best = *p;
    *found = true;
}

/* All tiles for one depth of a slice. */
static void try_tiles(const gpu_traits *traits, const fr_step *step, const gpu_mma_shape *shape, gpu_mma_plan *p,
                      bool *found, gpu_mma_plan *best) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    int32_t out_h = step->pool ? step->dst.h : dims.map_h, out_w = step->pool ? step->dst.w : dims.map_w;
    for (p->part_h = out_h; p->part_h; p->part_h = next_part(out_h, p->part_h))
        for (p->part_w = out_w; p->part_w; p->part_w = next_part(out_w, p->part_w)) {
            bool is_whole = p->part_h == out_h && p->part_w == out_w;
            int32_t most = is_whole ? (step->n < MOST_IMAGES ? step->n : MOST_IMAGES) : 1;
            for (p->images = 1; p->images <= most; p->images += p->images < 8 ? 1 : p->images / 4)
                if (cut_tile(traits, step, shape, p))
                    keep_best(p, found, best);
                else
                    break; /* more do not fit either */
            if (p->part_h * (int64_t)p->part_w < 8 && *found)
                break;
        }
}

bool gpu_mma_plan_make(const gpu_traits *traits, const fr_step *step, const gpu_mma_shape *shape,
                       gpu_mma_plan *out_plan) {
    int32_t all = gpu_ceil_div(step->src[0].c / step->groups * shape->number_bytes, GPU_MMA_RUN_BYTES);
    bool found = false;
    gpu_mma_plan plan;
    memset(&plan, 0, sizeof plan);
    /* older ones copy through registers: a second patch gains nothing */
    for (plan.stages = traits->mma >= 80 ? 2 : 1; plan.stages > 0; plan.stages--)
        for (int32_t runs = all; runs > 0; runs = shape->packed ? 0
                                                  : runs > 8    ? 8
                                                  : runs > 4    ? 4
                                                  : runs > 2    ? 2
                                                  : runs > 1    ? 1
                                                                : 0)
            if (cut_depth(step, shape, runs, &plan))
                try_tiles(traits, step, shape, &plan, &found, out_plan);
    return found;
}
