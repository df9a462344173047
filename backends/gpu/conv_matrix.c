/*
 * Convolutions and fully connected layers of halves by cooperative matrices: tiles of both sides go through shared memory, sums
 * are f32. One kernel serves both: a fully connected layer is a convolution of one place with a window of one.
 */
#include <string.h>

#include "base/convert.h"
#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/families.h"
#include "gpu/fc.h"

enum {
    TILE = 64, /* pixels and outputs of a group of SUBGROUPS subgroups */
    SUBGROUPS = 4,
    LOCAL_BYTES = 15 << 10,
    LEAST_SUBGROUP = 4,
    MOST_DOWN = 65535, /* groups of a grid's second dimension */
    WEIGHT_BUFFER = 2,
    VEC = 4
};

static fr_reason check_device(const gpu_traits *traits) {
    if (!traits->matrix || !traits->half_math || !traits->spread || traits->subgroup < LEAST_SUBGROUP)
        return FR_WHY_ISA;
    if (traits->max_items < SUBGROUPS * traits->subgroup)
        return FR_WHY_DRIVER;
    return traits->local_bytes < LOCAL_BYTES ? FR_WHY_MEMORY : FR_WHY_NOT;
}

/* Matrices are full even where pixels and outputs are few. */
static double guess(const gpu_traits *traits, double pixels, int32_t co, double flops, double bytes) {
    double useful = (double)co / gpu_round_up(co, TILE) * (pixels < TILE ? pixels / TILE : 1);
    return gpu_guess_ns(traits, flops / useful, bytes, 1);
}

/* Adds the dispatch for a convolution whose weights, [tile][depth][TILE] halves, and biases are packed at those bytes. */
static void add(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *conv, uint64_t weights_at,
                uint64_t bias_at) {
    gpu_conv_dims dims = gpu_conv_dims_of(conv);
    fr_tensor out = gpu_conv_out(conv);
    int32_t tiles = gpu_ceil_div(dims.co, TILE), pixels = conv->n * dims.map_h * dims.map_w;
    gpu_dispatch *d =
        gpu_conv_add(recipe, "conv_matrix", "conv_matrix", conv, VEC, &out, conv->pool ? GPU_SCRATCH : GPU_DST);
    d->buffers[WEIGHT_BUFFER] = (gpu_bind){.role = GPU_WEIGHT, .elem_bytes = sizeof(uint16_t), .at = weights_at};
    gpu_bind_buffer(d, GPU_WEIGHT, bias_at, sizeof(float));
    gpu_define_int(d, "SUBGROUP", (int32_t)traits->subgroup);
    gpu_param(d, tiles);
    gpu_param(d, gpu_conv_zeros_from(conv, &out, VEC));
    gpu_param(d, pixels);
    gpu_param(d, dims.c * conv->win.kh * conv->win.kw);
    /* fours of channels, and of inputs as they lie */
    gpu_param(d, dims.c % VEC == 0 && gpu_conv_side(conv, &conv->src[0], VEC) != 0);
    gpu_grid(d, (uint32_t)gpu_ceil_div(pixels, TILE), (uint32_t)(tiles * conv->groups), 1, SUBGROUPS * traits->subgroup,
             1, 1);
}

/* ---- convolutions ---------------------------------------------------------------------------------------------------- */

static void fit_conv(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                     double *out_ns) {
    gpu_conv_dims dims;
    candidate->refused = (uint16_t)check_device(traits);
    if (candidate->refused || !gpu_conv_begin(traits, step, v->layout, v->layout, candidate, &dims))
        return;
    if (step->compute != FR_PRECISION_F16 || step->src[0].dtype != FR_F16)
        candidate->refused = FR_WHY_DTYPE;
    else if (gpu_ceil_div(dims.co, TILE) * step->groups > MOST_DOWN)
        candidate->refused = FR_WHY_MEMORY;
    if (candidate->refused)
        return;
    candidate->scratch_bytes = gpu_conv_map_bytes(step, candidate->dst_layout);
    candidate->granule = TILE;
    *out_ns = guess(traits, (double)step->n * dims.map_h * dims.map_w, dims.co, dims.flops, dims.bytes);
}

static fr_status make_conv(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                           const fr_weights *weights, gpu_recipe *recipe) {
    (void)v;
    HOST_TRY(gpu_conv_pack(host, step, weights, TILE, recipe));
    uint64_t tiles = (uint64_t)gpu_ceil_div(step->dst.c / step->groups, TILE) * (uint64_t)step->groups;
    uint64_t biases = tiles * TILE * sizeof(float), count = (recipe->packed_bytes - biases) / sizeof(float);
    char *at = (char *)recipe->packed + biases;
    for (uint64_t i = 0; i < count; i++) { /* in place: a half is never behind the number it is made of */
        float number;
        memcpy(&number, at + i * sizeof number, sizeof number);
        uint16_t half = fr_f32_to_f16(number);
        memcpy(at + i * sizeof half, &half, sizeof half);
    }
    recipe->packed_bytes = biases + count * sizeof(uint16_t);
    add(recipe, traits, step, biases, 0);
    return gpu_conv_add_pool(recipe, traits, step);
}

/* ---- fully connected layers ------------------------------------------------------------------------------------------ */

static void fit_fc(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                   double *out_ns) {
    gpu_fc_shape shape;
    fr_reason why = check_device(traits);
    if (!why)
        why = gpu_fc_open(traits, step, v->layout, candidate, &shape);
    if (!why && (step->compute != FR_PRECISION_F16 || step->src[0].dtype != FR_F16))
        why = FR_WHY_DTYPE;
    if (!why && gpu_ceil_div(shape.n_out, TILE) > MOST_DOWN)
        why = FR_WHY_MEMORY;
    candidate->refused = (uint16_t)why;
    if (why)
        return;
    double numbers = (double)shape.k * (shape.n + shape.n_out), products = (double)shape.n * shape.k * shape.n_out;
    candidate->granule = TILE;
    *out_ns = guess(traits, shape.n, shape.n_out, 2 * products, 2 * numbers);
}

static fr_status make_fc(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                         const fr_weights *weights, gpu_recipe *recipe) {
    gpu_fc_shape shape;
    fr_candidate unused = {0};
    uint64_t bias_at;
    if (gpu_fc_open(traits, step, v->layout, &unused, &shape))
        return host_fail(host, FR_INTERNAL, "kernel %s is made for a step that it refused", v->name);
    HOST_TRY(gpu_fc_pack(host, step, weights, FR_F16, TILE, gpu_round_up(shape.n_out, TILE), recipe, &bias_at));
    fr_step conv = *step;
    conv.kind = FR_STEP_CONV;
    conv.groups = 1;
    conv.win = (fr_window){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    conv.src[0] = (fr_tensor){.c = shape.k, .h = 1, .w = 1, .dtype = FR_F16, .layout = FR_LAYOUT_NHWC};
    add(recipe, traits, &conv, 0, bias_at);
    return FR_OK;
}

static const gpu_variant variants[] = {
    {.name = "matrix.64x64",
     .kinds = GPU_KIND(FR_STEP_CONV),
     .fit = fit_conv,
     .make = make_conv,
     .layout = FR_LAYOUT_NCHW4C,
     .vec = VEC},
    {.name = "matrix.nhwc.64x64",
     .kinds = GPU_KIND(FR_STEP_CONV),
     .fit = fit_conv,
     .make = make_conv,
     .layout = FR_LAYOUT_NHWC,
     .vec = VEC},
    {.name = "fc.matrix64x64", .kinds = GPU_KIND(FR_STEP_FC), .fit = fit_fc, .make = make_fc, .vec = VEC},
};

const gpu_family gpu_family_conv_matrix = {variants, sizeof variants / sizeof variants[0]};
