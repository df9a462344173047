/* Depthwise convolutions. (Groups of several channels are taken by conv_direct's kernels, a group at a time.) */
#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/families.h"

enum { TILE_PX = 8, STRIPS_A_UNIT = 4 };
enum { ITEMS, LAYOUT }; /* of a variant's tile */

/* A convolution of one group of all channels, as far as tensors and epilogue go. */
static fr_step flattened(const fr_step *step) {
    fr_step flat = *step;
    flat.groups = 1;
    return flat;
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    gpu_conv_dims dims;
    if (!gpu_conv_begin(traits, step, (uint16_t)v->tile[LAYOUT], (uint16_t)v->tile[LAYOUT], candidate, &dims))
        return;
    fr_step flat = flattened(step);
    fr_tensor from = step->src[0];
    from.layout = candidate->src_layout[0];
    if (dims.c != 1 || dims.co != 1)
        candidate->refused = FR_WHY_GROUPS;
    else if (gpu_conv_side(&flat, &from, v->vec) == 0)
        candidate->refused = FR_WHY_LAYOUT;
    else if (traits->max_items < (uint32_t)v->tile[ITEMS])
        candidate->refused = FR_WHY_DRIVER;
    if (candidate->refused)
        return;
    candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
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

#define DEPTHWISE(its_name, vw, items, its_layout)                                                                    \
    {                                                                                                                 \
        .name = its_name, .kinds = GPU_KIND(FR_STEP_CONV), .fit = fit, .make = make, .layout = its_layout, .vec = vw, \
        .tile = {                                                                                                     \
            items,                                                                                                    \
            its_layout                                                                                                \
        }                                                                                                             \
    }

static const gpu_variant variants[] = {
    DEPTHWISE("depthwise.v16", 16, 1, GPU_LAYOUT_NATIVE),        DEPTHWISE("depthwise.v8", 8, 1, GPU_LAYOUT_NATIVE),
    DEPTHWISE("depthwise.v4.items", 4, 64, GPU_LAYOUT_NATIVE),   DEPTHWISE("depthwise.nhwc.v8", 8, 1, FR_LAYOUT_NHWC),
    DEPTHWISE("depthwise.nhwc.v4.items", 4, 64, FR_LAYOUT_NHWC),
};
const gpu_family gpu_family_conv_grouped = {variants, sizeof variants / sizeof variants[0]};
