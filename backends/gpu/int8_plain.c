/* Any int8 CONV or FC: one item an output, strides instead of layouts. The kernel of last resort. */
#include <string.h>

#include "common/host_device.h"
#include "gpu/int8.h"

enum { MOST_DOWN = 65000 }; /* in lockstep: groups of a grid's second and third dimension, a block's padding left out */

/* An FC is a CONV whose window is the whole map: its weights are in that order already. */
static fr_step as_conv(const fr_step *step) {
    fr_step conv = *step;
    if (step->kind == FR_STEP_FC) {
        conv.kind = FR_STEP_CONV;
        conv.win = (fr_window){.kh = step->src[0].h, .kw = step->src[0].w, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
        conv.groups = 1;
        conv.pool = FR_POOL_NONE;
    }
    return conv;
}

static int32_t weights_of_output(const fr_step *conv) {
    return conv->src[0].c / conv->groups * conv->win.kh * conv->win.kw;
}

static uint16_t settle(uint16_t asked, uint16_t otherwise) {
    return asked == FR_LAYOUT_ANY ? otherwise : asked;
}

void int8_plain_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                    double *out_ns) {
    fr_step conv = as_conv(step);
    uint16_t native = gpu_block_layout(traits->vec);
    candidate->refused = (uint16_t)int8_check(step);
    if (candidate->refused)
        return;
    if ((uint32_t)variant->tile[0] > traits->max_items) {
        candidate->refused = FR_WHY_DRIVER;
        return;
    }
    for (int32_t s = 0; s < step->n_src; s++)
        candidate->src_layout[s] = conv.src[s].layout = settle(step->src[s].layout, native);
    candidate->dst_layout = conv.dst.layout =
        settle(step->dst.layout, step->kind == FR_STEP_FC ? FR_LAYOUT_NCHW : native);
    int8_target target = int8_target_of(&conv, false);
    candidate->scratch_bytes = int8_map_bytes(&conv, &target);
    uint64_t weights = (uint64_t)conv.dst.c * (uint64_t)weights_of_output(&conv);
    bool has_grid = !traits->lockstep || (step->n <= MOST_DOWN && conv.dst.c <= MOST_DOWN);
    if (!has_grid || !int8_is_counted(&conv) || weights > INT32_MAX || candidate->scratch_bytes > INT32_MAX) {
        candidate->refused = FR_WHY_MEMORY;
        return;
    }
    double outputs = (double)fr_tensor_elements(&target.tensor) * step->n;
    *out_ns = gpu_guess_ns(traits, 2.0 * outputs * weights_of_output(&conv), outputs, 0.01);
}

static fr_status pack(const fr_host *host, const fr_step *conv, const fr_weights *weights, uint64_t *out_constants,
                      gpu_recipe *recipe) {
    uint64_t count = (uint64_t)conv->dst.c * (uint64_t)weights_of_output(conv), at = (count + 63) / 64 * 64;
    HOST_TRY(int8_check_weights(host, conv, weights));
    HOST_TRY(gpu_pack_new(host, recipe, at + 2 * sizeof(float) * (uint64_t)conv->dst.c));
    memcpy(recipe->packed, weights->weight_s8, (size_t)count);
    for (int32_t o = 0; o < conv->dst.c; o++)
        int8_put_factor(recipe, at, conv, weights, o, (uint64_t)o, (uint64_t)(conv->dst.c + o));
    *out_constants = at;
    return FR_OK;
}

static void add_params(gpu_dispatch *d, const fr_step *conv, const int8_target *target) {
    const fr_tensor *src = &conv->src[0], *out = &target->tensor;
    gpu_param_strides(d, src);
    gpu_param_strides(d, out);
    gpu_param_strides(d, conv->residual ? &conv->src[1] : out);
    gpu_param_window(d, &conv->win);
    gpu_param_act(d, conv);
    const int32_t words[] = {src->h,
                             src->w,
                             out->h,
                             out->w,
                             src->c / conv->groups,
                             conv->dst.c / conv->groups,
                             conv->dst.c,
                             weights_of_output(conv)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, target->inverse_scale);
    gpu_param_f(d, int8_residual_scale(conv));
}

fr_status int8_plain_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                          const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    fr_step conv = as_conv(step);
    int8_target target = int8_target_of(&conv, false);
    int32_t items = variant->tile[0];
    uint64_t constants;
    HOST_TRY(pack(host, &conv, weights, &constants, out_recipe));
    gpu_dispatch *d = gpu_add(out_recipe, "int8_plain", "int8_plain");
    if (!d)
        return host_fail(host, FR_INTERNAL, "an int8 kernel has too many dispatches");
    int8_define_types(d, &conv, &target);
    gpu_define_int(d, "WIDE", 255.0 * 128.0 * weights_of_output(&conv) > 2147483647.0);
    gpu_bind_buffer(d, 0, 0, 1);
    int8_bind_target(d, &target);
    gpu_bind_buffer(d, GPU_WEIGHT, 0, 1);
    gpu_bind_buffer(d, GPU_WEIGHT, constants, sizeof(float));
    int8_bind_residual(d, traits, &conv);
    add_params(d, &conv, &target);
    int32_t places = target.tensor.h * target.tensor.w;
    gpu_grid(d, (uint32_t)gpu_ceil_div(places, items),
             (uint32_t)fr_layout_channels(target.tensor.layout, target.tensor.c), (uint32_t)step->n, (uint32_t)items, 1,
             1);
    return int8_finish(out_recipe, traits, &conv, &target);
}
