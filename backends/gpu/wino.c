/*
 * Winograd in one kernel: V and M never leave local memory. A work-group takes a rectangle of the output of one
 * image, or the whole output of several images; with a pool epilogue the rectangle is one of pooled outputs, the
 * tiles cover what its windows need, and the maps are pooled from local memory. On a CPU a group is one item with
 * wide vectors.
 */
#include "gpu/wino_step.h"

/* ---- what a group takes ----------------------------------------------------------------------------------- */

/* Outputs along one side whose windows fit into `places` of the map, at most all; 0 = not even one. */
static int32_t outputs_in(int32_t places, bool pooled, int32_t window, int32_t stride, int32_t all) {
    int32_t count = !pooled ? places : places < window ? 0 : (places - window) / stride + 1;
    return count < all ? count : all;
}

/* Places of the map that so many outputs need. */
static int32_t places_for(int32_t outputs, bool pooled, int32_t window, int32_t stride, int32_t all) {
    int32_t count = pooled ? (outputs - 1) * stride + window : outputs;
    return count < all ? count : all;
}

/* On a CPU, in cycles of vector operations, 512 bits a cycle. On a GPU only the proportions count. */
static double group_cycles(const wino_shape *s, const wino_room *room, double staged, double outputs) {
    double places = wino_places(s->out), per_vector = s->vec / 16.0;
    double line = s->out == 4 ? 12 : 4, out_line = s->out == 4 ? 10 : 4, in = s->out + 2;
    double tiles = room->tiles, whole = gpu_round_up(room->tiles, s->block);
    double input = tiles * s->c_blocks * (2 * in * line + 1.5 * places),
           output = tiles * s->panels * s->lx * s->vectors * ((in + s->out) * out_line + 1.5 * places);
    double sums = s->block * s->vectors, overhead = 1.2 * s->block * s->vectors + 12; /* of one register tile */
    double fill = sums < 8 ? 8 / sums : 1;
    double product = places * s->panels * (whole / s->block) *
                     (wino_depth(s->step->src[0].c) * (sums * fill * 1.1) + overhead) * s->lx;
    double weights = places * s->panels * (double)s->panel * wino_depth(s->step->src[0].c);
    weights /= weights * 4 > 700e3 ? 3.5 : 8; /* past a core's second cache they come slower */
    double pool = 0;
    if (s->step->pool)
        pool = outputs * s->panels * s->lx * s->vectors * (4 + 2.0 * s->step->pool_win.kh * s->step->pool_win.kw);
    double spill = (double)room->floats * 4 > 600e3 ? 1.1 : 1; /* a core's second cache holds V, M and the weights */
    return ((input + output + product + pool + 2 * staged) * per_vector + weights) * spill + 800;
}

static void place_in_room(const wino_shape *s, wino_room *room, int32_t map_places, int32_t staged_places) {
    int32_t whole = gpu_round_up(room->tiles, s->block);
    int64_t at = (int64_t)staged_places * room->stage_blocks * s->vec;
    room->v_step = (int32_t)wino_odd_vectors(whole * s->c_blocks * s->vec, s->vec);
    room->m_step = (int32_t)wino_odd_vectors(whole * s->panel, s->vec);
    room->m_tile = s->panel;
    room->v_at = (int32_t)at;
    at += (int64_t)room->v_step * wino_places(s->out);
    room->m_at = (int32_t)at;
    at += (int64_t)room->m_step * wino_places(s->out);
    room->map_at = (int32_t)at;
    if (s->step->pool)
        at += (int64_t)map_places * room->images * s->panel;
    room->floats = (uint64_t)at;
}

/* A rectangle of down x across tiles of `images` images; false when it does not fit. */
static bool try_room(const gpu_traits *traits, const wino_shape *s, int32_t down, int32_t across, int32_t images,
                     wino_room *out_room) {
    const fr_step *step = s->step;
    const fr_window *k = &step->pool_win;
    bool pooled = step->pool != FR_POOL_NONE;
    wino_room room = {.images = images};
    room.strip_h = outputs_in(down * s->out, pooled, k->kh, k->sh, step->dst.h);
    room.strip_w = outputs_in(across * s->out, pooled, k->kw, k->sw, step->dst.w);
    /* the last rectangle of tiles is all of the map, whatever padding its windows have */
    if (down == s->down)
        room.strip_h = step->dst.h;
    if (across == s->across)
        room.strip_w = step->dst.w;
    if (room.strip_h < 1 || room.strip_w < 1)
        return false;
    int32_t rows = places_for(room.strip_h, pooled, k->kh, k->sh, s->map_h),
            cols = places_for(room.strip_w, pooled, k->kw, k->sw, s->map_w);
    int32_t tall = gpu_ceil_div(rows, s->out), wide = gpu_ceil_div(cols, s->out);
    if ((int64_t)tall * wide * images * s->c_blocks * s->vec > 1 << 20)
        return false;
    room.tiles = tall * wide * images;
    int32_t staged = (tall * s->out + 2) * (wide * s->out + 2);
    room.stage_blocks = 1;
    if (s->lx * s->ly > 1) /* fewer barriers */
        room.stage_blocks = s->c_blocks < 8 ? s->c_blocks : 8;
    place_in_room(s, &room, rows * cols, staged);
    if (room.floats > wino_local_floats(traits))
        return false;
    double groups = (double)gpu_ceil_div(step->dst.h, room.strip_h) * gpu_ceil_div(step->dst.w, room.strip_w) *
                    gpu_ceil_div(step->n, images);
    double units = traits->units ? traits->units : 1, turns = groups < units ? units : groups;
    room.cycles = turns * group_cycles(s, &room, (double)staged * images * s->c_blocks,
                                       (double)room.strip_h * room.strip_w * images);
    *out_room = room;
    return true;
}

static bool choose_room(const gpu_traits *traits, const wino_shape *s, wino_room *out_room) {
    int32_t most_down = s->down, most_across = s->across;
    wino_room room;
    bool found = false;
    for (int32_t down = 1; down <= most_down; down++)
        for (int32_t across = most_across; across >= 1; across = across > 16 ? across / 2 : across - 1) {
            if (!try_room(traits, s, down, across, 1, &room))
                continue;
            if (!found || room.cycles < out_room->cycles)
                *out_room = room;
            found = true;
        }
    for (int32_t images = 2; images <= 16 && images <= s->step->n; images++)
        if (try_room(traits, s, most_down, most_across, images, &room) && (!found || room.cycles < out_room->cycles)) {
            *out_room = room;
            found = true;
        }
    return found;
}

/* ---- the table's calls -------------------------------------------------------------------------------------- */

static fr_reason pool_refusal(const fr_step *step) {
    const fr_window *k = &step->pool_win;
    int32_t map_h, map_w;
    if (step->pool == FR_POOL_NONE)
        return FR_WHY_NOT;
    fr_conv_map(step, &map_h, &map_w);
    bool touches = k->pad_top < k->kh && k->pad_left < k->kw && (step->dst.h - 1) * k->sh - k->pad_top < map_h &&
                   (step->dst.w - 1) * k->sw - k->pad_left < map_w;
    return k->dh == 1 && k->dw == 1 && touches ? FR_WHY_NOT : FR_WHY_EPILOGUE;
}

static void wino_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                     double *out_ns) {
    wino_room room;
    fr_reason why = wino_refusal(traits, step, variant, candidate);
    wino_shape shape = wino_shape_of(step, variant);
    if (!why && traits->glsl) /* the three kernels share the work better among lanes */
        why = FR_WHY_ISA;
    if (!why)
        why = pool_refusal(step);
    if (!why && !choose_room(traits, &shape, &room))
        why = FR_WHY_MEMORY;
    candidate->refused = (uint16_t)why;
    if (why)
        return;
    double units = traits->units ? traits->units : 1;
    bool is_first = step->src[0].c <= 4; /* most of a vector of input channels is padding */
    *out_ns = (10000 + room.cycles / (units * 3.5)) * wino_misfit(traits, &shape) * (is_first ? 1.5 : 1);
}

static fr_status wino_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                           const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    wino_shape s = wino_shape_of(step, variant);
    wino_room room;
    if (!choose_room(traits, &s, &room))
        return FR_UNSUPPORTED;
    gpu_dispatch *d = gpu_add(out_recipe, "wino", "wino");
    uint32_t src_bytes = (uint32_t)fr_dtype_bytes((fr_dtype)step->src[0].dtype),
             dst_bytes = (uint32_t)fr_dtype_bytes((fr_dtype)step->dst.dtype);
    wino_defines(d, traits, &s, &room, 1, step->dst.dtype);
    gpu_bind_buffer(d, 0, 0, src_bytes);
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, step->residual ? 1 : 0, 0, src_bytes);
    gpu_bind_buffer(d, GPU_DST, 0, dst_bytes);
    wino_params(d, &s, &room, true);
    gpu_grid(d, (uint32_t)gpu_ceil_div(step->dst.w, room.strip_w), (uint32_t)gpu_ceil_div(step->dst.h, room.strip_h),
             (uint32_t)gpu_ceil_div(step->n, room.images), (uint32_t)s.lx, (uint32_t)s.ly, 1);
    return wino_pack(host, &s.weights, weights, step->has_bias, out_recipe);
}

#define VARIANT(...) WINO_VARIANT(wino_fit, wino_make, __VA_ARGS__)
#define LANES(...)   WINO_VARIANT(wino_lanes_fit, wino_lanes_make, __VA_ARGS__)

static const gpu_variant variants[] = {
    VARIANT("wino4.v16.t7x2", 16, 4, 7, 2, 1, 1),  VARIANT("wino4.v16.t13x2", 16, 4, 13, 2, 1, 1),
    VARIANT("wino4.v16.t6x2", 16, 4, 6, 2, 1, 1),  VARIANT("wino4.v16.t13x1", 16, 4, 13, 1, 1, 1),
    VARIANT("wino4.v16.t7x3", 16, 4, 7, 3, 1, 1),  VARIANT("wino2.v16.t7x2", 16, 2, 7, 2, 1, 1),
    VARIANT("wino4.v8.t6x2", 8, 4, 6, 2, 1, 1),    VARIANT("wino4.v4.t4.i8x12", 4, 4, 4, 1, 8, 12),
    VARIANT("wino2.v4.t8.i8x8", 4, 2, 8, 1, 8, 8), VARIANT("wino2.v4.t4.i8x8", 4, 2, 4, 1, 8, 8),
    LANES("wino4.lanes.t8x8", 4, 4, 8, 1, 8, 1),   LANES("wino2.lanes.t8x8", 4, 2, 8, 1, 8, 1),
};

const gpu_family gpu_family_conv_wino = {variants, (int32_t)(sizeof variants / sizeof variants[0])};
