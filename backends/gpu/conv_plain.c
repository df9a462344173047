/* Any float convolution in any layouts: what is left when nothing faster takes a step. */
#include <string.h>

#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/families.h"

enum { ITEMS = 64 };

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    gpu_conv_dims dims;
    if (!gpu_conv_begin(traits, step, v->layout, v->layout, candidate, &dims))
        return;
    candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
    *out_ns = gpu_guess_ns(traits, dims.flops, dims.bytes, 0.02);
}

static fr_status pack(const fr_host *host, const fr_step *step, const fr_weights *weights, gpu_recipe *recipe) {
    size_t outputs = (size_t)step->dst.c;
    size_t taps = (size_t)(step->src[0].c / step->groups) * (size_t)step->win.kh * (size_t)step->win.kw;
    HOST_TRY(gpu_pack_new(host, recipe, outputs * (taps + 1) * sizeof(float)));
    float *packed = recipe->packed;
    for (int32_t o = 0; o < step->dst.c; o++)
        packed[o] = gpu_conv_bias(step, weights, o);
    memcpy(packed + outputs, weights->weight, outputs * taps * sizeof(float));
    return FR_OK;
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *out_recipe) {
    (void)v;
    fr_tensor out = gpu_conv_out(step);
    HOST_TRY(pack(host, step, weights, out_recipe));
    gpu_dispatch *d =
        gpu_conv_add(out_recipe, "conv_plain", "conv_plain", step, 1, &out, step->pool ? GPU_SCRATCH : GPU_DST);
    int32_t total = (int32_t)fr_tensor_elements(&out) * step->n;
    gpu_param(d, total);
    gpu_grid(d, (uint32_t)gpu_ceil_div(total, ITEMS), 1, 1, ITEMS, 1, 1);
    return gpu_conv_add_pool(out_recipe, traits, step);
}

#define PLAIN(word, its_layout) \
    { .name = "plain." word, .kinds = GPU_KIND(FR_STEP_CONV), .fit = fit, .make = make, .layout = its_layout, .vec = 1 }

static const gpu_variant variants[] = {
    PLAIN("block", GPU_LAYOUT_NATIVE),
    PLAIN("nhwc", FR_LAYOUT_NHWC),
    PLAIN("nchw", FR_LAYOUT_NCHW),
};
const gpu_family gpu_family_conv_plain = {variants, sizeof variants / sizeof variants[0]};
