/* Steps that look along the channels at each place: LRN, softmax, argmax. Kernels: channels.cl, rows.cl. */
#include "common/host_device.h"
#include "gpu/families.h"
#include "gpu/maps.h"

static bool is_one_place(const fr_tensor *t) {
    return t->h == 1 && t->w == 1;
}

enum { LRN_SQUARES = 4096 }; /* numbers of local memory */

/* LRN's window must not reach further than a group, and a place must fit into local memory. */
static bool fits_squares(const fr_step *settled, int32_t vec) {
    int32_t row = fr_layout_channels(settled->dst.layout, settled->dst.c) + 2 * vec;
    return settled->lrn_size / 2 <= vec && row <= LRN_SQUARES;
}

static fr_reason why_not(const gpu_traits *traits, const gpu_variant *variant, const fr_step *settled) {
    const fr_tensor *src = &settled->src[0], *dst = &settled->dst;
    if (!gpu_maps_runs(traits, variant->tile[MAPS_STYLE]))
        return FR_WHY_ISA;
    switch (variant->tile[MAPS_STYLE]) {
    case MAPS_WALK:
        return !gpu_maps_walks(settled, variant) ? FR_WHY_LAYOUT
               : traits->local_bytes < LRN_SQUARES * sizeof(float) || !fits_squares(settled, variant->vec)
                   ? FR_WHY_SHAPE
                   : FR_WHY_NOT;
    case MAPS_PLACES:
        return src->layout == FR_LAYOUT_NCHW && dst->layout == FR_LAYOUT_NCHW ? FR_WHY_NOT : FR_WHY_LAYOUT;
    case MAPS_ROWS:
        if ((fr_layout_block(dst->layout) > 1) != (fr_layout_block(variant->layout) > 1))
            return FR_WHY_LAYOUT; /* the other variant of rows */
        return is_one_place(src) ? FR_WHY_NOT : FR_WHY_SHAPE;
    case MAPS_GROUP: return is_one_place(src) && gpu_maps_groups(traits, src->c) ? FR_WHY_NOT : FR_WHY_SHAPE;
    default: return traits->max_items >= GPU_MAPS_ITEMS ? FR_WHY_NOT : FR_WHY_SHAPE;
    }
}

static void channels_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                         fr_candidate *candidate, double *out_ns) {
    fr_step settled;
    fr_reason why = gpu_maps_layouts(step, variant, &settled);
    candidate->refused = (uint16_t)(why ? why : why_not(traits, variant, &settled));
    gpu_maps_answer(&settled, variant, candidate);
    *out_ns = gpu_maps_guess(traits, variant, &settled);
}

static fr_status add_rows(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                          gpu_recipe *recipe) {
    gpu_rows rows = {.count = step->n,
                     .length = step->src[0].c,
                     .dst_row = (int32_t)fr_tensor_elements(&step->dst),
                     .vec = variant->vec,
                     .by_group = variant->tile[MAPS_STYLE] == MAPS_GROUP,
                     .is_softmax = true,
                     .uses_valid = false};
    return gpu_maps_rows(recipe, traits, step, &rows);
}

static const char *kernel_of(const fr_step *step, int32_t style) {
    if (style == MAPS_WALK)
        return "lrn_lanes";
    if (style == MAPS_PLACES)
        return "lrn_places";
    return step->kind == FR_STEP_LRN ? "lrn_any" : step->kind == FR_STEP_SOFTMAX ? "softmax_any" : "argmax_any";
}

static fr_status channels_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                               const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    (void)host;
    (void)weights;
    int32_t style = variant->tile[MAPS_STYLE];
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    if (style == MAPS_ROWS || style == MAPS_GROUP)
        return add_rows(traits, step, variant, out_recipe);
    gpu_dispatch *d;
    HOST_TRY(gpu_maps_begin(out_recipe, "channels", kernel_of(step, style), dst, variant->vec, &d));
    gpu_maps_source(d, 0, 0, "SRC_DTYPE", src);
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)dst->dtype));
    if (style != MAPS_ITEM)
        gpu_define_int(d, "LRN_SQUARES", LRN_SQUARES);
    gpu_share share = gpu_maps_share(traits, step->n, dst->h, (int64_t)dst->w * dst->c * 8);
    const int32_t words[] = {step->n,
                             src->h,
                             src->w,
                             src->c,
                             fr_layout_channels(dst->layout, dst->c),
                             step->pick_last,
                             (step->lrn_size - 1) / 2,
                             step->lrn_size / 2,
                             share.rows_each};
    gpu_param_strides(d, src);
    gpu_param_strides(d, dst);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, step->lrn_size > 0 ? step->lrn_alpha / (float)step->lrn_size : 0.0f);
    gpu_param_f(d, step->lrn_beta);
    gpu_param_f(d, step->lrn_k);
    gpu_param_f(d, gpu_maps_scale(src));
    gpu_param_f(d, gpu_maps_scale(dst));
    int64_t places = (int64_t)step->n * src->h * src->w;
    if (style == MAPS_ITEM)
        gpu_maps_items(traits, d, places);
    else
        gpu_grid(d, (uint32_t)step->n, share.chunks, 1, 1, 1, 1);
    return FR_OK;
}

#define CHANNELS(text, kind, layout_, lanes, style)                                                \
    {                                                                                              \
        text, GPU_KIND(FR_STEP_##kind), channels_fit, channels_make, FR_LAYOUT_##layout_, lanes, { \
            style                                                                                  \
        }                                                                                          \
    }

static const gpu_variant channels[] = {
    CHANNELS("lrn.lanes.n16c", LRN, NCHW16C, 16, MAPS_WALK),
    CHANNELS("lrn.lanes.n8c", LRN, NCHW8C, 8, MAPS_WALK),
    CHANNELS("lrn.lanes.n4c", LRN, NCHW4C, 4, MAPS_WALK),
    CHANNELS("lrn.lanes.nhwc.v16", LRN, NHWC, 16, MAPS_WALK),
    CHANNELS("lrn.places.nchw", LRN, NCHW, 16, MAPS_PLACES),
    CHANNELS("lrn.any.n4c", LRN, NCHW4C, 1, MAPS_ITEM),
    CHANNELS("softmax.rows.n16c", SOFTMAX, NCHW16C, 16, MAPS_ROWS),
    CHANNELS("softmax.rows.nchw", SOFTMAX, NCHW, 16, MAPS_ROWS),
    CHANNELS("softmax.group.nchw", SOFTMAX, NCHW, 1, MAPS_GROUP),
    CHANNELS("softmax.any.nchw", SOFTMAX, NCHW, 1, MAPS_ITEM),
    CHANNELS("argmax.any.nchw", ARGMAX, NCHW, 1, MAPS_ITEM),
};

const gpu_family gpu_family_channels = {channels, (int32_t)(sizeof channels / sizeof channels[0])};
