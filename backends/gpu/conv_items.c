/* Direct convolution by work-items beside each other, with nothing staged; a pool is taken from local memory. */
#include "gpu/conv_direct.h"

#include "common/host_device.h"

enum { LX = 64 };

typedef struct parts {          /* of dst, for one group of items */
    int32_t h, w, down, across; /* a part's dims, and how many an input has */
    int32_t pitch, pixels;      /* of the unpooled map */
} parts;

static int32_t span(int32_t outputs, int32_t stride, int32_t kernel, int32_t dilation) {
    return (outputs - 1) * stride + (kernel - 1) * dilation + 1;
}

/* The parts for which the fewest pixels are computed, those of no use included. False: not even one output fits. */
static bool choose_parts(const fr_step *step, int32_t most, parts *out) {
    const fr_window *w = &step->pool_win;
    int64_t best = INT64_MAX;
    for (int32_t h = 1; h <= step->dst.h; h++) {
        int32_t rows = span(h, w->sh, w->kh, w->dh), columns = most / rows;
        if (columns < span(1, w->sw, w->kw, w->dw))
            break;
        int32_t wide = (columns - (w->kw - 1) * w->dw - 1) / w->sw + 1;
        wide = wide < step->dst.w ? wide : step->dst.w;
        int32_t down = gpu_ceil_div(step->dst.h, h), across = gpu_ceil_div(step->dst.w, wide);
        if ((int64_t)down * across >= best)
            continue;
        best = (int64_t)down * across;
        int32_t pitch = span(wide, w->sw, w->kw, w->dw);
        *out = (parts){h, wide, down, across, pitch, rows * pitch};
    }
    return best != INT64_MAX;
}

static bool pools_here(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, parts *out) {
    int32_t most = LX * v->tile[GPU_DIRECT_PX], wide = v->tile[GPU_DIRECT_CB] * v->vec;
    bool fits = (uint64_t)most * (uint64_t)wide * sizeof(float) <= traits->local_bytes;
    return step->pool && fits && choose_parts(step, most, out);
}

void gpu_conv_items_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                        double *out_ns) {
    gpu_conv_dims dims;
    parts part;
    uint16_t from = (uint16_t)v->tile[GPU_DIRECT_FROM], to = (uint16_t)v->tile[GPU_DIRECT_TO];
    if (!gpu_conv_begin(traits, step, from, to, candidate, &dims))
        return;
    bool is_one_of_two = traits->lockstep && v->tile[GPU_DIRECT_PX] < v->tile[GPU_DIRECT_CB]; /* one build is enough */
    if (traits->max_items < LX || is_one_of_two) {
        candidate->refused = is_one_of_two ? FR_WHY_ISA : FR_WHY_DRIVER;
        return;
    }
    int32_t wide = v->tile[GPU_DIRECT_CB] * v->vec;
    double useful = (double)dims.co / gpu_round_up(dims.co, wide);
    if (pools_here(traits, step, v, &part))
        useful *= (double)dims.map_h * dims.map_w / ((double)part.down * part.across * LX * v->tile[GPU_DIRECT_PX]);
    else
        candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
    bool is_lanes_of_cpu = traits->lockstep && !traits->real_local;
    double efficiency = traits->is_cpu ? 0.05 : is_lanes_of_cpu ? 0.016 : 0.25;
    *out_ns = gpu_guess_ns(traits, dims.flops / (useful < 1 ? useful : 1), dims.bytes, efficiency);
}

static void add_part_params(gpu_dispatch *d, const fr_step *step, const parts *part) {
    const int32_t words[] = {part->h, part->w, part->down, part->across, part->pitch};
    gpu_param(d, part->pixels);
    gpu_param(d, gpu_conv_pool_is_inside(step));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
}

fr_status gpu_conv_items_make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                              const fr_weights *weights, gpu_recipe *out_recipe) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    int32_t px = v->tile[GPU_DIRECT_PX], wide = v->tile[GPU_DIRECT_CB] * v->vec, tiles = gpu_ceil_div(dims.co, wide);
    parts part = {1, 1, 1, 1, 1, step->n * dims.map_h * dims.map_w};
    bool pools = pools_here(traits, step, v, &part);
    fr_tensor out = pools ? step->dst : gpu_conv_out(step);
    HOST_TRY(gpu_conv_pack(host, step, weights, wide, out_recipe));
    gpu_dispatch *d = gpu_conv_add(out_recipe, "conv_items", "conv_items", step, v->vec, &out,
                                   step->pool && !pools ? GPU_SCRATCH : GPU_DST);
    gpu_define_int(d, "ROLLED", traits->is_cpu);
    gpu_define_int(d, "TILE_PX", px);
    gpu_define_int(d, "TILE_CB", v->tile[GPU_DIRECT_CB]);
    gpu_define_int(d, "POOLED", pools);
    gpu_conv_pool_params(d, step);
    gpu_param(d, tiles);
    gpu_param(d, gpu_conv_zeros_from(step, &out, v->vec));
    add_part_params(d, step, &part);
    int32_t groups = pools ? step->n * part.down * part.across : gpu_ceil_div(part.pixels, LX * px);
    gpu_grid(d, (uint32_t)groups, (uint32_t)(tiles * step->groups), 1, LX, 1, 1);
    return pools ? FR_OK : gpu_conv_add_pool(out_recipe, traits, step);
}
