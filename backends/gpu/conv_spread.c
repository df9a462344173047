/*
 * Direct convolution for devices whose items are lanes: sums in registers, nothing staged, weights handed round a subgroup
 * (or, where subgroups cannot, read by every item). The pool of an epilogue is a dispatch of its own.
 */
#include <math.h>

#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/families.h"

enum { PX, CB, FORM };    /* of a variant's tile: pixels x vec4 of outputs an item */
enum { ANY_WINDOW, ROW }; /* ROW: windows three wide, an item's pixels side by side */
enum { MOST_GROUPS = 65535, LX = 64 };

static bool is_float(uint16_t dtype) {
    return dtype == FR_F32 || dtype == FR_F16;
}

/* Four channels of a place side by side, at multiples of four. */
static bool has_fours(const fr_tensor *t, uint16_t layout) {
    return layout == FR_LAYOUT_NCHW4C || (layout == FR_LAYOUT_NHWC && t->c % 4 == 0);
}

/* Elements from four channels to the next. */
static int32_t fours_step(const fr_tensor *t) {
    return t->layout == FR_LAYOUT_NHWC ? 4 : t->h * t->w * 4;
}

static bool spreads(const gpu_traits *traits) {
    uint32_t size = traits->subgroup;
    return traits->spread && size >= 4 && size <= LX && LX % size == 0;
}

/* Is a place's left and right neighbour the one before and after it, and each column of the map one of the source? */
static bool is_row(const fr_step *step, const gpu_conv_dims *dims) {
    const fr_window *w = &step->win;
    return w->kw == 3 && w->sh == 1 && w->sw == 1 && w->dw == 1 && w->pad_left == 1 && dims->map_w == step->src[0].w;
}

typedef struct work {
    int32_t tiles, strips; /* strips: of an input; each pixel is one of its own in ANY_WINDOW */
    int32_t items, groups; /* of one tile */
} work;

static work work_of(const fr_step *step, const gpu_variant *v, const gpu_conv_dims *dims) {
    int32_t map = dims->map_h * dims->map_w, px = v->tile[PX];
    work w = {.tiles = gpu_ceil_div(dims->co, v->tile[CB] * 4), .strips = gpu_ceil_div(map, px)};
    w.items = v->tile[FORM] == ROW ? w.strips * step->n : gpu_ceil_div(map * step->n, px);
    w.groups = gpu_ceil_div(w.items, LX);
    return w;
}

/* The part of the peak that the inner loop reaches. A multiplication costs 1, what hands a weight round 2, a read of four
 * numbers 24. */
static double efficiency_of(const gpu_traits *traits, const gpu_variant *v) {
    double px = v->tile[PX], cb = v->tile[CB], products = px * cb * 16;
    double reads = v->tile[FORM] == ROW ? (px + 2) / 3 : px, sums = px * cb > 16 ? 0.15 : 0; /* more than registers */
    double shared = spreads(traits) ? 2 * cb * 16 + 24 * cb / 2 : 24 * 4 * cb;
    double peak = traits->real_local ? 0.7 : 0.3; /* without memory of its own for groups it is a CPU */
    return peak * products / (products * (1 + sums) + 24 * reads + shared);
}

static fr_reason refusal(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, const gpu_conv_dims *dims,
                         const fr_candidate *candidate) {
    if (!traits->glsl)
        return FR_WHY_ISA;
    if (step->groups != 1)
        return FR_WHY_GROUPS;
    if (!is_float(step->src[0].dtype) || !is_float(step->dst.dtype) ||
        (step->residual && !is_float(step->src[1].dtype)))
        return FR_WHY_DTYPE;
    if (!has_fours(&step->src[0], candidate->src_layout[0]) || !has_fours(&step->dst, candidate->dst_layout) ||
        (step->residual && !has_fours(&step->src[1], candidate->src_layout[1])))
        return FR_WHY_LAYOUT;
    if (v->tile[FORM] == ROW && !is_row(step, dims))
        return FR_WHY_SHAPE;
    if (traits->max_items < LX)
        return FR_WHY_DRIVER;
    return work_of(step, v, dims).groups > MOST_GROUPS ? FR_WHY_MEMORY : FR_WHY_NOT;
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    gpu_conv_dims dims;
    if (!gpu_conv_begin(traits, step, v->layout, v->layout, candidate, &dims))
        return;
    candidate->refused = (uint16_t)refusal(traits, step, v, &dims, candidate);
    if (candidate->refused)
        return;
    work w = work_of(step, v, &dims);
    int32_t wide = v->tile[CB] * 4, px = v->tile[PX];
    double pixels = (double)dims.map_h * dims.map_w * step->n, of_tiles = (double)dims.co / (w.tiles * wide);
    double useful = of_tiles * pixels / ((double)w.groups * LX * px);
    candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
    candidate->granule = wide;
    *out_ns = gpu_guess_ns(traits, dims.flops / (useful < 1 ? useful : 1), dims.bytes, efficiency_of(traits, v));
}

/* All tiles' biases, then for each tile [tap][four channels][channel][output], zeros where there is none. */
static fr_status pack(const fr_host *host, const fr_step *step, const fr_weights *weights, int32_t wide,
                      gpu_recipe *recipe) {
    int32_t taps = step->win.kh * step->win.kw, c_all = step->src[0].c, tiles = gpu_ceil_div(step->dst.c, wide);
    size_t biases = (size_t)tiles * (size_t)wide, depth = (size_t)gpu_round_up(c_all, 4);
    HOST_TRY(gpu_pack_new(host, recipe, biases * (1 + (size_t)taps * depth) * sizeof(float)));
    float *packed = recipe->packed;
    for (int32_t o = 0; o < step->dst.c; o++) {
        const float *from = weights->weight + (size_t)o * (size_t)c_all * (size_t)taps;
        float *to = packed + biases + (size_t)(o / wide) * (size_t)taps * depth * (size_t)wide + o % wide;
        packed[o] = gpu_conv_bias(step, weights, o);
        for (int32_t c = 0; c < c_all; c++)
            for (int32_t tap = 0; tap < taps; tap++)
                to[((size_t)tap * depth + (size_t)c) * (size_t)wide] = from[(size_t)c * (size_t)taps + (size_t)tap];
    }
    return FR_OK;
}

static const char *kernel_of(const gpu_traits *traits, const gpu_variant *v, bool is_viewed) {
    static const char *const kernels[2][2][2] = {
        {{"conv_spread_alone", "conv_spread_alone_texels"}, {"conv_spread", "conv_spread_texels"}},
        {{"conv_spread_row_alone", "conv_spread_row_alone_texels"}, {"conv_spread_row", "conv_spread_row_texels"}}};
    return kernels[v->tile[FORM]][spreads(traits)][is_viewed];
}

static void add_activation(gpu_dispatch *d, const fr_step *step) {
    bool is_leaky = step->act == FR_ACT_LEAKY, is_clip = step->act == FR_ACT_CLIP;
    gpu_param_f(d, is_clip ? step->act_a : step->act == FR_ACT_RELU || is_leaky ? 0.0f : -INFINITY);
    gpu_param_f(d, is_clip ? step->act_b : INFINITY);
    gpu_param_f(d, is_leaky ? step->act_a : 0.0f);
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *out_recipe) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    work w = work_of(step, v, &dims);
    fr_tensor out = gpu_conv_out(step);
    bool is_viewed = traits->texels && !traits->real_local; /* where views are faster than buffers */
    HOST_TRY(pack(host, step, weights, v->tile[CB] * 4, out_recipe));
    const char *kernel = kernel_of(traits, v, is_viewed);
    gpu_dispatch *d =
        gpu_conv_add(out_recipe, "conv_spread", kernel, step, 4, &out, step->pool ? GPU_SCRATCH : GPU_DST);
    gpu_define_int(d, "TILE_PX", v->tile[PX]);
    gpu_define_int(d, "TILE_CB", v->tile[CB]);
    gpu_define_int(d, "SUBGROUP", spreads(traits) ? (int32_t)traits->subgroup : 1);
    gpu_define_int(d, "DEPTH", dims.c == 3 ? 3 : 4); /* a picture's */
    gpu_define_int(d, "CURVED", step->act > FR_ACT_LEAKY);
    gpu_define_int(d, "RESIDUAL", step->residual);
    d->texels = is_viewed ? 1u << 0 | 1u << 2 : 0;
    const int32_t words[] = {w.tiles,
                             v->tile[FORM] == ROW ? w.items : dims.map_h * dims.map_w * step->n,
                             w.strips,
                             gpu_ceil_div(dims.c, 4),
                             fours_step(&step->src[0]),
                             fours_step(&out),
                             step->residual ? fours_step(&step->src[1]) : 0};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    add_activation(d, step);
    gpu_grid(d, (uint32_t)w.tiles, (uint32_t)w.groups, 1, LX, 1, 1);
    return gpu_conv_add_pool(out_recipe, traits, step);
}

#define SPREAD(its_name, form, px, cb, its_layout)                                                                   \
    {                                                                                                                \
        .name = its_name, .kinds = GPU_KIND(FR_STEP_CONV), .fit = fit, .make = make, .layout = its_layout, .vec = 4, \
        .tile = {                                                                                                    \
            px,                                                                                                      \
            cb,                                                                                                      \
            form                                                                                                     \
        }                                                                                                            \
    }

static const gpu_variant variants[] = {
    SPREAD("spread.row.t8x2", ROW, 8, 2, FR_LAYOUT_NCHW4C),
    SPREAD("spread.row.t4x4", ROW, 4, 4, FR_LAYOUT_NCHW4C),
    SPREAD("spread.t8x4", ANY_WINDOW, 8, 4, FR_LAYOUT_NCHW4C),
    SPREAD("spread.t8x2", ANY_WINDOW, 8, 2, FR_LAYOUT_NCHW4C),
    SPREAD("spread.nhwc.t8x4", ANY_WINDOW, 8, 4, FR_LAYOUT_NHWC),
};
const gpu_family gpu_family_conv_spread = {variants, sizeof variants / sizeof variants[0]};
