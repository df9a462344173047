/*
 * Winograd in one kernel for devices whose items are lanes and whose registers are memory: the sums of eight tiles by
 * eight vectors of outputs, all their places, stay with one subgroup of eight. No scratch, no local memory.
 */
#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/wino_step.h"

enum { LANES = 8 }; /* of a subgroup; tiles of a group, and vectors of a panel */

/* Windows of 2x2 side by side: each is inside of one tile. */
static bool pool_is_in_tiles(const fr_step *step) {
    const fr_window *k = &step->pool_win;
    return gpu_conv_pool_is_inside(step) && k->kh == 2 && k->kw == 2 && k->sh == 2 && k->sw == 2;
}

static fr_reason refusal(const gpu_traits *traits, const fr_step *step) {
    bool keeps_sums = traits->texels && traits->spread && traits->subgroup == LANES && !traits->real_local;
    if (!traits->lockstep || !keeps_sums)
        return FR_WHY_ISA;
    return step->act > FR_ACT_LEAKY ? FR_WHY_EPILOGUE : FR_WHY_NOT;
}

static int64_t groups_of(const wino_shape *s) {
    return ((int64_t)s->step->n * s->down * s->across + LANES - 1) / LANES;
}

static double guess_ns(const gpu_traits *traits, const wino_shape *s) {
    double tiles = (double)groups_of(s) * LANES, depth = wino_depth(s->step->src[0].c);
    double width = (double)s->panels * s->panel, places = wino_places(s->out), outputs = s->out * s->out;
    double products = 2 * places * tiles * depth * width, stores = 16 * tiles * width * outputs;
    return gpu_guess_ns(traits, products + 2 * stores, 0, 0.3);
}

void wino_lanes_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                    double *out_ns) {
    candidate->refused = (uint16_t)wino_refusal(traits, step, variant, candidate);
    if (!candidate->refused)
        candidate->refused = (uint16_t)refusal(traits, step);
    if (candidate->refused)
        return;
    wino_shape shape = wino_shape_of(step, variant);
    if (!pool_is_in_tiles(step))
        candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
    *out_ns = guess_ns(traits, &shape);
}

fr_status wino_lanes_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                          const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    wino_shape s = wino_shape_of(step, variant);
    wino_room none = {.images = 1};
    bool pools = pool_is_in_tiles(step);
    fr_tensor out = pools ? step->dst : gpu_conv_out(step);
    uint32_t src_bytes = (uint32_t)fr_dtype_bytes((fr_dtype)step->src[0].dtype);
    s.weights.places_inside = true;
    HOST_TRY(wino_pack(host, &s.weights, weights, step->has_bias, out_recipe));
    gpu_dispatch *d = gpu_add(out_recipe, "wino_lanes", s.out == 4 ? "wino_lanes4" : "wino_lanes2");
    gpu_define_int(d, "DST_DTYPE", out.dtype);
    gpu_define_int(d, "SUBGROUP", LANES);
    gpu_define_int(d, "RESIDUAL", step->residual);
    gpu_bind_buffer(d, 0, 0, src_bytes);
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, step->residual ? 1 : 0, 0, src_bytes);
    gpu_bind_buffer(d, step->pool && !pools ? GPU_SCRATCH : GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)out.dtype));
    d->texels = 1u << 0 | 1u << 1 | 1u << 2;
    wino_params(d, &s, &none, pools);
    gpu_grid(d, (uint32_t)groups_of(&s), (uint32_t)s.panels, 1, LANES, 1, 1);
    return pools ? FR_OK : gpu_conv_add_pool(out_recipe, traits, step);
}
