/* Convolution as a matrix product through local memory, its left side made on the way. */
#include "gpu/conv_direct.h"

#include "common/host_device.h"

enum {
    STEP = 16,           /* of the sum, between two barriers */
    MOST_DOWN = 65535,   /* in lockstep: groups of a grid's second dimension */
    MOST_DEPTH = 1 << 15 /* there: some software devices end an item's loops after 65535 turns in all */
};

static int32_t wide_of(const gpu_variant *v) {
    return v->tile[GPU_IGEMM_LY] * v->tile[GPU_DIRECT_CB] * v->vec;
}

static int32_t rows_of(const gpu_variant *v) {
    return v->tile[GPU_IGEMM_LX] * v->tile[GPU_DIRECT_PX];
}

void gpu_conv_igemm_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                        double *out_ns) {
    gpu_conv_dims dims;
    uint16_t from = (uint16_t)v->tile[GPU_DIRECT_FROM], to = (uint16_t)v->tile[GPU_DIRECT_TO];
    if (!gpu_conv_begin(traits, step, from, to, candidate, &dims))
        return;
    uint64_t local = (uint64_t)STEP * (uint64_t)(rows_of(v) + wide_of(v)) * 4 + (uint64_t)rows_of(v) * 12;
    if (traits->max_items < (uint32_t)(v->tile[GPU_IGEMM_LX] * v->tile[GPU_IGEMM_LY]))
        candidate->refused = FR_WHY_DRIVER;
    else if (traits->local_bytes < local ||
             (traits->lockstep && gpu_ceil_div(dims.co, wide_of(v)) * step->groups > MOST_DOWN))
        candidate->refused = FR_WHY_MEMORY;
    else if (traits->glsl && (int64_t)dims.c * step->win.kh * step->win.kw > MOST_DEPTH)
        candidate->refused = FR_WHY_SHAPE;
    if (candidate->refused)
        return;
    double pixels = (double)step->n * dims.map_h * dims.map_w, rows = rows_of(v);
    double useful = (double)dims.co / gpu_round_up(dims.co, wide_of(v)) * pixels /
                    (rows * (double)gpu_ceil_div((int32_t)pixels, rows_of(v)));
    candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
    double large = rows * wide_of(v) / (64 * 64); /* larger tiles fetch less for each product */
    *out_ns =
        gpu_guess_ns(traits, dims.flops / useful, dims.bytes, (traits->is_cpu ? 0.03 : 0.3) * (0.7 + 0.3 * large));
}

fr_status gpu_conv_igemm_make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                              const fr_weights *weights, gpu_recipe *out_recipe) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    int32_t wide = wide_of(v), tiles = gpu_ceil_div(dims.co, wide), pixels = step->n * dims.map_h * dims.map_w;
    fr_tensor out = gpu_conv_out(step);
    HOST_TRY(gpu_conv_pack(host, step, weights, wide, out_recipe));
    gpu_dispatch *d =
        gpu_conv_add(out_recipe, "conv_igemm", "conv_igemm", step, v->vec, &out, step->pool ? GPU_SCRATCH : GPU_DST);
    gpu_define_int(d, "ROLLED", traits->is_cpu);
    gpu_define_int(d, "TILE_PX", v->tile[GPU_DIRECT_PX]);
    gpu_define_int(d, "TILE_CB", v->tile[GPU_DIRECT_CB]);
    gpu_define_int(d, "STEP", STEP);
    gpu_param(d, tiles);
    gpu_param(d, gpu_conv_zeros_from(step, &out, v->vec));
    gpu_param(d, pixels);
    gpu_param(d, dims.c * step->win.kh * step->win.kw);
    gpu_param(d, dims.c % STEP == 0 && gpu_conv_side(step, &step->src[0], v->vec) != 0);
    gpu_grid(d, (uint32_t)gpu_ceil_div(pixels, rows_of(v)), (uint32_t)(tiles * step->groups), 1,
             (uint32_t)v->tile[GPU_IGEMM_LX], (uint32_t)v->tile[GPU_IGEMM_LY], 1);
    return gpu_conv_add_pool(out_recipe, traits, step);
}
