/*
 * How the direct kernel over bytes walks a step, and which steps it takes. A tile of outputs reads only the source's
 * blocks that its groups need, so grouped and depthwise CONVs are the same kernel with zeros among the weights.
 */
#include "gpu/int8.h"

bool int8_is_dense(const fr_tensor *t) {
    return t->layout == FR_LAYOUT_NHWC || (t->layout == FR_LAYOUT_NCHW && t->h == 1 && t->w == 1);
}

/* A layout of one place is named as its channels lie. */
static void name_dense(fr_tensor *t) {
    if (int8_is_dense(t))
        t->layout = FR_LAYOUT_NHWC;
}

static fr_step as_conv(const fr_step *step) {
    fr_step conv = *step;
    if (step->kind == FR_STEP_FC) {
        conv.kind = FR_STEP_CONV;
        conv.src[0].c = (int32_t)fr_tensor_elements(&step->src[0]);
        conv.src[0].h = conv.src[0].w = 1;
        conv.src[0].layout = FR_LAYOUT_NHWC;
        conv.win = (fr_window){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
        conv.groups = 1;
        conv.pool = FR_POOL_NONE;
    }
    name_dense(&conv.src[0]);
    name_dense(&conv.dst);
    return conv;
}

/* ---- the source's blocks ---- */

static int32_t side_by_side(const gpu_traits *traits, const fr_tensor *src) {
    if (!int8_is_dense(src))
        return fr_layout_block(src->layout);
    return src->c % 16 == 0 && !traits->lockstep ? 16 : src->c % INT8_DEPTH == 0 ? INT8_DEPTH : 0;
}

/* The blocks [*out_first, *out_end) whose channels the outputs of a tile read. */
static void blocks_of_tile(const int8_walk *walk, int32_t tile, int32_t *out_first, int32_t *out_end) {
    const fr_step *conv = &walk->conv;
    int32_t group_out = conv->dst.c / conv->groups, group_in = conv->src[0].c / conv->groups;
    int32_t width = walk->outs * walk->vec, last = (tile + 1) * width;
    last = (last < conv->dst.c ? last : conv->dst.c) - 1;
    *out_first = tile * width / group_out * group_in / walk->block;
    *out_end = gpu_ceil_div((last / group_out + 1) * group_in, walk->block);
}

int32_t int8_first_block(const int8_walk *walk, int32_t tile) { /* all tiles read walk->blocks of them */
    int32_t first, end, most = walk->all_blocks - walk->blocks;
    blocks_of_tile(walk, tile, &first, &end);
    return first < most ? first : most;
}

static void count_blocks(int8_walk *walk) {
    walk->all_blocks = gpu_ceil_div(walk->conv.src[0].c, walk->block);
    walk->blocks = 0;
    for (int32_t tile = 0; tile < walk->tiles; tile++) {
        int32_t first, end;
        blocks_of_tile(walk, tile, &first, &end);
        walk->blocks = end - first > walk->blocks ? end - first : walk->blocks;
    }
}

/* ---- the walk ---- */

static bool writes_layout(const fr_tensor *dst, int32_t vec) {
    int32_t block = fr_layout_block(dst->layout);
    return dst->layout == FR_LAYOUT_NCHW || dst->layout == FR_LAYOUT_NHWC || (block > 1 && block % vec == 0);
}

/* An item makes a band of the pooled rows of one input; there are enough bands for all units. */
static void plan_bands(const gpu_traits *traits, int8_walk *walk) {
    const fr_step *conv = &walk->conv;
    int64_t wanted = 2 * (int64_t)(traits->units ? traits->units : 1), given = (int64_t)conv->n * walk->tiles;
    int64_t bands = given >= wanted ? 1 : (wanted + given - 1) / given;
    bands = bands < conv->dst.h ? bands : conv->dst.h;
    walk->band_rows = gpu_ceil_div(conv->dst.h, (int32_t)bands);
    walk->bands = gpu_ceil_div(conv->dst.h, walk->band_rows);
    int64_t rows =
        (int64_t)(walk->band_rows - 1) * conv->pool_win.sh + (int64_t)(conv->pool_win.kh - 1) * conv->pool_win.dh + 1;
    rows = rows < walk->out_h ? rows : walk->out_h;
    walk->band_bytes = (int32_t)rows * walk->out_w * walk->outs * walk->vec;
    walk->scratch_bytes =
        (uint64_t)walk->band_bytes * (uint64_t)conv->n * (uint64_t)walk->tiles * (uint64_t)walk->bands;
}

/* Places an item: many where threads take items one by one, as long as all units have some. */
static void plan_span(const gpu_traits *traits, int8_walk *walk) {
    enum { ITEMS_A_UNIT = 16, MOST_TILES = 32 };
    int32_t tile = walk->places * walk->items;
    int64_t all = (int64_t)walk->conv.n * walk->out_h * walk->out_w * walk->tiles / tile;
    int64_t tiles = all / (ITEMS_A_UNIT * (int64_t)(traits->units ? traits->units : 1));
    tiles = walk->items > 1 || tiles < 1 ? 1 : tiles < MOST_TILES ? tiles : MOST_TILES;
    walk->span = (int32_t)tiles * tile;
}

fr_reason int8_walk_make(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                         int8_walk *out_walk) {
    int8_walk walk = {.conv = as_conv(step), .vec = variant->vec};
    const fr_step *conv = &walk.conv;
    walk.places = variant->tile[0];
    walk.outs = variant->tile[1];
    walk.items = variant->tile[2];
    walk.block = side_by_side(traits, &conv->src[0]);
    if (walk.block == 0)
        return FR_WHY_SHAPE;
    if (walk.block < INT8_DEPTH || walk.block > (traits->lockstep ? INT8_DEPTH : 16) ||
        !writes_layout(&conv->dst, walk.vec) || (step->residual && step->src[1].layout != step->dst.layout))
        return FR_WHY_LAYOUT;
    if ((uint32_t)walk.items > traits->max_items)
        return FR_WHY_DRIVER;
    double length = (double)(conv->src[0].c / conv->groups) * conv->win.kh * conv->win.kw;
    if (length * 255 * 128 > 2147483647.0)
        return FR_WHY_SHAPE;
    fr_conv_map(conv, &walk.out_h, &walk.out_w);
    walk.is_pooled = conv->pool == FR_POOL_MAX && walk.items == 1 && fr_dtype_bytes((fr_dtype)conv->dst.dtype) == 1;
    walk.target = int8_target_of(conv, walk.is_pooled);
    walk.tiles = gpu_ceil_div(fr_layout_channels(conv->dst.layout, conv->dst.c), walk.outs * walk.vec);
    count_blocks(&walk);
    walk.weights_step = (uint64_t)walk.blocks * (uint64_t)(walk.block / INT8_DEPTH) * (uint64_t)(walk.outs * walk.vec) *
                        (uint64_t)conv->win.kh * (uint64_t)conv->win.kw;
    walk.constants_step = 2 * (uint64_t)(walk.outs * walk.vec) + 16;
    if (walk.is_pooled)
        plan_bands(traits, &walk);
    else
        walk.scratch_bytes = int8_map_bytes(conv, &walk.target);
    plan_span(traits, &walk);
    if (!int8_is_counted(step) || walk.weights_step * (uint64_t)walk.tiles > INT32_MAX / INT8_WORD ||
        walk.scratch_bytes > INT32_MAX)
        return FR_WHY_MEMORY;
    *out_walk = walk;
    return FR_WHY_NOT;
}

static double guess_ns(const gpu_traits *traits, const int8_walk *walk) {
    bool is_thread = walk->items == 1;
    double ops = 2.0 * INT8_DEPTH * (double)walk->weights_step * walk->tiles *
                 gpu_round_up(walk->conv.n * walk->out_h * walk->out_w, walk->places);
    double bytes = (double)fr_tensor_bytes(&walk->conv.src[0], walk->conv.n) +
                   (double)fr_tensor_bytes(&walk->conv.dst, walk->conv.n) + (double)walk->scratch_bytes;
    double efficiency = traits->is_cpu != is_thread ? 0.05 : traits->vec == walk->vec ? 1.0 : 0.4;
    return gpu_guess_ns(traits, ops, bytes, efficiency * (traits->dot8 ? 3.0 : 1.0));
}

/* ---- the variants' answers ---- */

static void settle_layouts(fr_step *step, uint16_t layout) {
    if (step->src[0].layout == FR_LAYOUT_ANY)
        step->src[0].layout = layout;
    if (step->dst.layout == FR_LAYOUT_ANY)
        step->dst.layout = step->kind == FR_STEP_FC ? FR_LAYOUT_NCHW : layout;
    if (step->residual && step->src[1].layout == FR_LAYOUT_ANY)
        step->src[1].layout = step->dst.layout;
}

static fr_reason fit(const gpu_traits *traits, fr_step *step, const gpu_variant *variant, int8_walk *out_walk) {
    fr_reason why = int8_check(step);
    if (why)
        return why;
    if (step->kind == FR_STEP_CONV && !gpu_layout_fits(step->src[0].layout, variant->layout))
        return FR_WHY_LAYOUT;
    settle_layouts(step, variant->layout);
    return int8_walk_make(traits, step, variant, out_walk);
}

void int8_direct_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                     double *out_ns) {
    fr_step settled = *step;
    int8_walk walk;
    candidate->refused = (uint16_t)fit(traits, &settled, variant, &walk);
    if (candidate->refused)
        return;
    for (int32_t s = 0; s < step->n_src; s++)
        candidate->src_layout[s] = settled.src[s].layout;
    candidate->dst_layout = settled.dst.layout;
    candidate->scratch_bytes = walk.scratch_bytes;
    candidate->granule = walk.outs * walk.vec;
    *out_ns = guess_ns(traits, &walk);
}
