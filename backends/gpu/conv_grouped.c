/* Depthwise convolutions. (Groups of several channels are taken by conv_direct's kernels, a group at a time.) */
#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/families.h"

enum { TILE_PX = 8, STRIPS_A_UNIT = 4, COLUMN_ROWS = 4 };
enum { ITEMS, LAYOUT }; /* of a variant's tile */

/* A convolution of one group of all channels, as far as tensors and epilogue go. */
static fr_step flattened(const fr_step *step) {
    fr_step flat = *step;
    flat.groups = 1;
    return flat;
}

static bool begin(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                  gpu_conv_dims *out_dims) {
    if (!gpu_conv_begin(traits, step, (uint16_t)v->tile[LAYOUT], (uint16_t)v->tile[LAYOUT], candidate, out_dims))
        return false;
    fr_step flat = flattened(step);
    fr_tensor from = step->src[0];
    from.layout = candidate->src_layout[0];
    if (out_dims->c != 1 || out_dims->co != 1)
        candidate->refused = FR_WHY_GROUPS;
    else if (gpu_conv_side(&flat, &from, v->vec) == 0)
        candidate->refused = FR_WHY_LAYOUT;
    else if (traits->max_items < (uint32_t)v->tile[ITEMS])
        candidate->refused = FR_WHY_DRIVER;
    candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
    return !candidate->refused;
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    gpu_conv_dims dims;
    if (traits->glsl) {
        candidate->refused = FR_WHY_ISA;
        return;
    }
    if (!begin(traits, step, v, candidate, &dims))
        return;
    bool suits = traits->is_cpu == (v->tile[ITEMS] == 1);
    double lanes = v->vec < traits->vec ? (double)v->vec / traits->vec : 1;
    *out_ns = gpu_guess_ns(traits, dims.flops, dims.bytes, (suits ? 0.3 : 0.02) * lanes);
}

static fr_status pack(const fr_host *host, const fr_step *step, const fr_weights *weights, int32_t stored,
                      gpu_recipe *recipe) {
    int32_t taps = step->win.kh * step->win.kw;
    HOST_TRY(gpu_pack_new(host, recipe, (uint64_t)stored * (uint64_t)(taps + 1) * sizeof(float)));
    float *packed = recipe->packed;
    for (int32_t c = 0; c < step->dst.c; c++) {
        packed[c] = gpu_conv_bias(step, weights, c);
        for (int32_t tap = 0; tap < taps; tap++)
            packed[(tap + 1) * stored + c] = weights->weight[c * taps + tap];
    }
    return FR_OK;
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *out_recipe) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    fr_step flat = flattened(step);
    fr_tensor out = gpu_conv_out(step);
    int32_t stored = gpu_round_up(step->dst.c, v->vec), groups = step->n * (stored / v->vec);
    HOST_TRY(pack(host, step, weights, stored, out_recipe));
    gpu_dispatch *d = gpu_conv_add(out_recipe, "conv_depthwise", "conv_depthwise", &flat, v->vec, &out,
                                   step->pool ? GPU_SCRATCH : GPU_DST);
    int32_t wanted = STRIPS_A_UNIT * (int32_t)(traits->units ? traits->units : 1), rows = dims.map_h;
    if (groups < wanted) /* too few maps for all units: in strips */
        rows = gpu_ceil_div(dims.map_h, gpu_ceil_div(wanted, groups));
    gpu_define_int(d, "ROLLED", traits->is_cpu);
    gpu_define_int(d, "TILE_PX", TILE_PX);
    gpu_param(d, stored);
    gpu_param(d, gpu_conv_zeros_from(&flat, &out, v->vec));
    gpu_param(d, rows);
    gpu_grid(d, (uint32_t)groups, (uint32_t)gpu_ceil_div(dims.map_h, rows), 1, (uint32_t)v->tile[ITEMS], 1, 1);
    return gpu_conv_add_pool(out_recipe, traits, step);
}

/* ---- items side by side in a row ---------------------------------------------------------------------------------- */

/* 3 where the kernel may read each number of a column once for all of its rows. */
static int32_t small_window(const fr_window *w) {
    bool is_small = w->kh == 3 && w->kw == 3 && w->sh == w->sw && w->sh <= 2 && w->dh == 1 && w->dw == 1;
    return is_small ? 3 : 0;
}

/* Four channels of a place side by side, at multiples of four. */
static bool has_fours(const fr_tensor *t, uint16_t layout) {
    bool is_number = t->dtype == FR_F32 || t->dtype == FR_F16;
    return is_number && (layout == FR_LAYOUT_NCHW4C || (layout == FR_LAYOUT_NHWC && t->c % 4 == 0));
}

static int32_t four_step(const fr_tensor *t) {
    return t->layout == FR_LAYOUT_NHWC ? 1 : t->h * t->w;
}

static void columns_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                        double *out_ns) {
    gpu_conv_dims dims;
    if (!traits->glsl) {
        candidate->refused = FR_WHY_ISA;
        return;
    }
    if (!begin(traits, step, v, candidate, &dims))
        return;
    bool fits = has_fours(&step->src[0], candidate->src_layout[0]) && has_fours(&step->dst, candidate->dst_layout);
    if (step->residual)
        fits &= has_fours(&step->src[1], candidate->src_layout[1]);
    if (!fits)
        candidate->refused = FR_WHY_LAYOUT;
    *out_ns = gpu_guess_ns(traits, dims.flops, dims.bytes, 0.3);
}

static fr_status columns_make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                              const fr_weights *weights, gpu_recipe *out_recipe) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    fr_step flat = flattened(step);
    fr_tensor out = gpu_conv_out(step);
    int32_t stored = gpu_round_up(step->dst.c, v->vec), items = v->tile[ITEMS], window = small_window(&step->win);
    int32_t total = step->n * (stored / v->vec) * gpu_ceil_div(dims.map_h, COLUMN_ROWS) * dims.map_w;
    bool is_viewed = traits->texels && !traits->real_local; /* where views are faster than buffers */
    HOST_TRY(pack(host, step, weights, stored, out_recipe));
    gpu_dispatch *d = gpu_conv_add(out_recipe, "conv_columns", is_viewed ? "conv_columns_texels" : "conv_columns",
                                   &flat, v->vec, &out, step->pool ? GPU_SCRATCH : GPU_DST);
    d->texels = is_viewed ? 1u << 0 | 1u << 2 : 0;
    gpu_define_int(d, "TILE_PX", COLUMN_ROWS);
    gpu_define_int(d, "WINDOW", window);
    gpu_define_int(d, "STEP", window ? step->win.sh : 1);
    gpu_define_int(d, "RESIDUAL", step->residual);
    gpu_param(d, stored);
    gpu_param(d, four_step(&step->src[0]));
    gpu_param(d, four_step(&out));
    gpu_param(d, step->residual ? four_step(&step->src[1]) : 0);
    gpu_param(d, total);
    gpu_grid(d, (uint32_t)gpu_ceil_div(total, items), 1, 1, (uint32_t)items, 1, 1);
    return gpu_conv_add_pool(out_recipe, traits, step);
}

#define DEPTHWISE(its_name, vw, items, its_layout)                                                                    \
    {                                                                                                                 \
        .name = its_name, .kinds = GPU_KIND(FR_STEP_CONV), .fit = fit, .make = make, .layout = its_layout, .vec = vw, \
        .tile = {                                                                                                     \
            items,                                                                                                    \
            its_layout                                                                                                \
        }                                                                                                             \
    }
#define COLUMNS(its_name, its_layout)                                                                \
    {                                                                                                \
        .name = its_name, .kinds = GPU_KIND(FR_STEP_CONV), .fit = columns_fit, .make = columns_make, \
        .layout = its_layout, .vec = 4, .tile = {                                                    \
            64,                                                                                      \
            its_layout                                                                               \
        }                                                                                            \
    }

static const gpu_variant variants[] = {
    DEPTHWISE("depthwise.v16", 16, 1, GPU_LAYOUT_NATIVE),        DEPTHWISE("depthwise.v8", 8, 1, GPU_LAYOUT_NATIVE),
    DEPTHWISE("depthwise.v4.items", 4, 64, GPU_LAYOUT_NATIVE),   DEPTHWISE("depthwise.nhwc.v8", 8, 1, FR_LAYOUT_NHWC),
    DEPTHWISE("depthwise.nhwc.v4.items", 4, 64, FR_LAYOUT_NHWC), COLUMNS("depthwise.columns", GPU_LAYOUT_NATIVE),
    COLUMNS("depthwise.nhwc.columns", FR_LAYOUT_NHWC),
};
const gpu_family gpu_family_conv_grouped = {variants, sizeof variants / sizeof variants[0]};
