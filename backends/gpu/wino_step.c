#include "gpu/wino_step.h"

enum { MOST_INPUTS = 65535 }; /* in lockstep: groups of a grid's third dimension */

static bool is_float(const fr_tensor *t) {
    return t->dtype == FR_F32 || t->dtype == FR_F16 || t->dtype == FR_BF16;
}

/* Kernels count elements in 32 bits; 64 = channels that a layout or a panel may add. */
static bool is_huge(const fr_step *step) {
    const double most = 0x1p31 - 1, in = step->src[0].c + 64.0, out = step->dst.c + 64.0;
    int32_t map_h, map_w;
    fr_conv_map(step, &map_h, &map_w);
    return in * step->src[0].h * step->src[0].w * step->n > most || out * map_h * map_w * step->n > most ||
           out * step->dst.h * step->dst.w * step->n > most || 36 * in * out > most;
}

static fr_reason step_refusal(const fr_step *step) {
    const fr_window *k = &step->win;
    if (!gpu_sums_floats(step->compute))
        return FR_WHY_DTYPE;
    if (!is_float(&step->src[0]) || !is_float(&step->dst))
        return FR_WHY_DTYPE;
    if (step->residual && step->src[1].dtype != step->src[0].dtype)
        return FR_WHY_DTYPE;
    if (step->groups != 1)
        return FR_WHY_GROUPS;
    if (k->kh != 3 || k->kw != 3 || k->sh != 1 || k->sw != 1)
        return FR_WHY_SHAPE;
    if (k->dh != 1 || k->dw != 1)
        return FR_WHY_DILATION;
    const int32_t pads[] = {k->pad_top, k->pad_left, k->pad_bottom, k->pad_right};
    for (int i = 0; i < 4; i++)
        if (pads[i] < 0 || pads[i] > 2)
            return FR_WHY_PADDING;
    return is_huge(step) ? FR_WHY_MEMORY : FR_WHY_NOT;
}

fr_reason wino_refusal(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                       fr_candidate *candidate) {
    int32_t items = variant->tile[WINO_TILE_LX] * variant->tile[WINO_TILE_LY];
    fr_reason why = step_refusal(step);
    if (why)
        return why;
    /* a lone item with wide vectors is a waste of a GPU */
    if ((items == 1 && !traits->is_cpu) || (uint32_t)items > traits->max_items)
        return FR_WHY_ISA;
    if (traits->lockstep && step->n > MOST_INPUTS)
        return FR_WHY_MEMORY;
    uint16_t layout = gpu_block_layout(variant->vec);
    for (int32_t s = 0; s < step->n_src; s++) {
        if (!gpu_layout_fits(step->src[s].layout, layout))
            return FR_WHY_LAYOUT;
        candidate->src_layout[s] = layout;
    }
    if (!gpu_layout_fits(step->dst.layout, layout))
        return FR_WHY_LAYOUT;
    candidate->dst_layout = layout;
    candidate->flags = FR_CANDIDATE_INEXACT;
    candidate->granule = variant->vec * variant->tile[WINO_TILE_VECTORS] * variant->tile[WINO_TILE_LX];
    return FR_WHY_NOT;
}

static bool clamps(uint16_t act) {
    return act == FR_ACT_NONE || act == FR_ACT_RELU || act == FR_ACT_CLIP;
}

wino_shape wino_shape_of(const fr_step *step, const gpu_variant *v) {
    wino_shape s = {.step = step,
                    .out = v->tile[WINO_TILE_OUT],
                    .block = v->tile[WINO_TILE_BLOCK],
                    .vectors = v->tile[WINO_TILE_VECTORS],
                    .lx = v->tile[WINO_TILE_LX],
                    .ly = v->tile[WINO_TILE_LY],
                    .vec = v->vec};
    fr_conv_map(step, &s.map_h, &s.map_w);
    s.c_blocks = gpu_ceil_div(step->src[0].c, s.vec);
    s.panel = s.lx * s.vectors * s.vec;
    s.panels = gpu_ceil_div(step->dst.c, s.panel);
    s.down = gpu_ceil_div(s.map_h, s.out);
    s.across = gpu_ceil_div(s.map_w, s.out);
    s.weights = (wino_weights){.out = s.out, .c_in = step->src[0].c, .c_out = step->dst.c, .panel = s.panel};
    return s;
}

double wino_misfit(const gpu_traits *traits, const wino_shape *s) {
    double barriers = traits->is_cpu && s->lx * s->ly > 1 ? 4 : 1;
    return s->vec < traits->vec ? barriers * traits->vec / s->vec : barriers;
}

uint64_t wino_local_floats(const gpu_traits *traits) { /* a driver may want some for itself */
    return traits->local_bytes < 2048 ? 0 : (traits->local_bytes - 1024) / sizeof(float);
}

/* Sizes of local arrays are constants of the build: few different ones. A CPU's local memory is no scarce thing. */
static int32_t room_define(const gpu_traits *traits, uint64_t floats) {
    uint64_t size = 1024, most = wino_local_floats(traits);
    while (size < floats)
        size *= 2;
    if (size / 4 * 3 >= floats)
        size = size / 4 * 3;
    return (int32_t)(traits->is_cpu || size > most ? most : size);
}

void wino_defines(gpu_dispatch *d, const gpu_traits *traits, const wino_shape *s, const wino_room *room, int32_t stages,
                  uint16_t dst_dtype) {
    gpu_define_int(d, "SRC_DTYPE", s->step->src[0].dtype);
    gpu_define_int(d, "DST_DTYPE", dst_dtype);
    gpu_define_int(d, "VW", s->vec);
    gpu_define_int(d, "STAGES", stages);
    gpu_define_int(d, "WINO_OUT", s->out);
    gpu_define_int(d, "TB", s->block);
    gpu_define_int(d, "CB", s->vectors);
    gpu_define_int(d, "CLAMPS", clamps(s->step->act));
    gpu_define_int(d, "ROOM", room_define(traits, room->floats));
}

void wino_params(gpu_dispatch *d, const wino_shape *s, const wino_room *room, bool pooled) {
    const fr_step *step = s->step;
    const int32_t words[] = {step->n,
                             step->src[0].h,
                             step->src[0].w,
                             step->win.pad_top,
                             step->win.pad_left,
                             s->c_blocks,
                             wino_depth(step->src[0].c),
                             step->dst.c,
                             gpu_ceil_div(step->dst.c, s->vec),
                             s->panels,
                             (int32_t)wino_bias_at(&s->weights),
                             s->map_h,
                             s->map_w,
                             pooled ? step->dst.h : s->map_h,
                             pooled ? step->dst.w : s->map_w,
                             room->strip_h,
                             room->strip_w,
                             room->images,
                             room->stage_blocks,
                             room->v_at,
                             room->m_at,
                             room->map_at,
                             room->v_step,
                             room->m_step,
                             room->m_tile,
                             s->down,
                             s->across,
                             room->blocks,
                             room->chunk,
                             step->residual,
                             pooled ? step->pool : FR_POOL_NONE};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_window(d, &step->pool_win);
    gpu_param(d, step->pool_win.pad_bottom);
    gpu_param(d, step->pool_win.pad_right);
    gpu_param_act(d, step);
}
