/* Steps that look at one number of each source at a time, or only move numbers: binary, unary, concat, pad, reorder.
 * Kernels: map.cl, reorder.cl. */
#include "gpu/maps.h"

#include "common/host_device.h"
#include "gpu/families.h"

/* ---- reorder: the same numbers in CHW order, so a dense tensor may be seen with the dims of the other side ------- */

static bool is_dense_chw(const fr_tensor *t) {
    bool one_place = t->h == 1 && t->w == 1;
    return t->layout == FR_LAYOUT_NCHW || (one_place && t->c % fr_layout_block(t->layout) == 0);
}

static void see_as(fr_tensor *t, int32_t c, int32_t h, int32_t w) {
    t->c = c;
    t->h = h;
    t->w = w;
    t->layout = FR_LAYOUT_NCHW;
}

static bool has_same_dims(const fr_tensor *a, const fr_tensor *b) {
    return a->c == b->c && a->h == b->h && a->w == b->w;
}

/* Makes the dims of both sides alike where that needs no other order in memory. */
static void make_alike(fr_step *settled) {
    fr_tensor *src = &settled->src[0], *dst = &settled->dst;
    if (settled->kind != FR_STEP_REORDER)
        return;
    if (is_dense_chw(src) && is_dense_chw(dst)) {
        see_as(src, 1, dst->c * dst->h, dst->w);
        see_as(dst, 1, src->h, src->w);
    } else if (!has_same_dims(src, dst) && is_dense_chw(src)) {
        see_as(src, dst->c, dst->h, dst->w);
    } else if (!has_same_dims(src, dst) && is_dense_chw(dst)) {
        see_as(dst, src->c, src->h, src->w);
    }
}

/* ---- which variants run a step ----------------------------------------------------------------------------------- */

static bool are_nchw(const fr_step *settled) {
    bool all = settled->dst.layout == FR_LAYOUT_NCHW;
    for (int32_t i = 0; i < settled->n_src; i++)
        all &= settled->src[i].layout == FR_LAYOUT_NCHW;
    return all;
}

static bool begins_with_groups(const fr_step *step, int32_t vec) { /* CONCAT: each source begins a group of dst */
    for (int32_t i = 0; step->kind == FR_STEP_CONCAT && i + 1 < step->n_src; i++)
        if (step->src[i].c % vec)
            return false;
    return true;
}

/* Bytes to anything and back are many pairs, each a build of its own: few variants are offered for them. */
static bool is_for_bytes(const fr_step *step, const gpu_variant *variant) {
    uint16_t from = step->src[0].dtype, to = step->dst.dtype;
    int16_t style = variant->tile[MAPS_STYLE];
    bool has_bytes = fr_dtype_bytes((fr_dtype)from) == 1 || fr_dtype_bytes((fr_dtype)to) == 1;
    bool is_widest = variant->vec == 16 && style != MAPS_PLACES, is_gpu = variant->vec == 4 && style == MAPS_ITEM;
    return step->kind != FR_STEP_REORDER || !has_bytes || style == MAPS_ANY || is_widest ||
           (is_gpu && variant->layout == FR_LAYOUT_NCHW4C);
}

static fr_reason why_not(const gpu_traits *traits, const gpu_variant *variant, const fr_step *alike) {
    const fr_tensor *src = &alike->src[0], *dst = &alike->dst;
    bool same_dims = alike->kind != FR_STEP_REORDER || has_same_dims(src, dst);
    if (!gpu_maps_runs(traits, variant->tile[MAPS_STYLE]))
        return FR_WHY_ISA;
    if (!is_for_bytes(alike, variant))
        return FR_WHY_DTYPE;
    switch (variant->tile[MAPS_STYLE]) {
    case MAPS_ANY: return !traits->is_cpu && traits->max_items < GPU_MAPS_ITEMS ? FR_WHY_SHAPE : FR_WHY_NOT;
    case MAPS_PLACES: return !same_dims ? FR_WHY_SHAPE : are_nchw(alike) ? FR_WHY_NOT : FR_WHY_LAYOUT;
    case MAPS_WEAVE:
        return !same_dims                                                           ? FR_WHY_SHAPE
               : src->layout == FR_LAYOUT_NCHW && gpu_maps_lanes(dst, variant->vec) ? FR_WHY_NOT
                                                                                    : FR_WHY_LAYOUT;
    case MAPS_UNWEAVE:
        return !same_dims                                                           ? FR_WHY_SHAPE
               : dst->layout == FR_LAYOUT_NCHW && gpu_maps_lanes(src, variant->vec) ? FR_WHY_NOT
                                                                                    : FR_WHY_LAYOUT;
    case MAPS_ITEM:
        if (traits->max_items < GPU_MAPS_ITEMS)
            return FR_WHY_SHAPE;
        break;
    default: break;
    }
    if (!same_dims || !begins_with_groups(alike, variant->vec))
        return FR_WHY_SHAPE;
    return gpu_maps_walks(alike, variant) ? FR_WHY_NOT : FR_WHY_LAYOUT;
}

static void maps_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                     double *out_ns) {
    fr_step settled;
    fr_reason why = gpu_maps_layouts(step, variant, &settled);
    fr_step alike = settled;
    make_alike(&alike);
    candidate->refused = (uint16_t)(why ? why : why_not(traits, variant, &alike));
    gpu_maps_answer(&settled, variant, candidate);
    *out_ns = gpu_maps_guess(traits, variant, &settled);
}

/* ---- dispatches -------------------------------------------------------------------------------------------------- */

typedef struct map_part { /* what one dispatch does: a source, and where its channels begin in dst */
    const fr_step *step;
    int32_t source, first;
    int32_t groups; /* written for each input */
} map_part;

static void put_params(gpu_dispatch *d, const map_part *part, const gpu_share *share) {
    const fr_step *step = part->step;
    const fr_tensor *src = &step->src[part->source], *dst = &step->dst;
    bool is_binary = step->kind == FR_STEP_BINARY, acts = is_binary || step->kind == FR_STEP_UNARY;
    bool is_pad = step->kind == FR_STEP_PAD;
    const fr_tensor *other = is_binary ? &step->src[1] : src;
    gpu_param_strides(d, src);
    gpu_param_strides(d, other);
    if (is_binary && other->h == 1 && other->w == 1)
        d->params[d->n_params - 3].i = d->params[d->n_params - 2].i = 0; /* its one place is everywhere */
    gpu_param_strides(d, dst);
    const int32_t words[] = {src->h,
                             src->w,
                             dst->h,
                             dst->w,
                             is_pad ? step->win.pad_top : 0,
                             is_pad ? step->win.pad_left : 0,
                             step->n * part->groups,
                             part->groups,
                             src->c,
                             part->first,
                             is_binary ? step->binary : 0,
                             share->planes_each,
                             share->rows_each,
                             dst->layout == FR_LAYOUT_NHWC};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    const fr_step none = {.act = FR_ACT_NONE};
    gpu_param_act(d, acts ? step : &none);
    gpu_param_f(d, step->pad_value);
    gpu_param_f(d, gpu_maps_scale(src));
    gpu_param_f(d, gpu_maps_scale(other));
    gpu_param_f(d, gpu_maps_scale(dst));
}

static fr_status add_part(const gpu_traits *traits, const gpu_variant *variant, const map_part *part,
                          gpu_recipe *recipe) {
    static const char *const kernels[] = {[MAPS_WALK] = "map_walk",
                                          [MAPS_ITEM] = "map_item",
                                          [MAPS_PLACES] = "map_places",
                                          [MAPS_WEAVE] = "map_weave",
                                          [MAPS_UNWEAVE] = "map_unweave"};
    const fr_step *step = part->step;
    const fr_tensor *src = &step->src[part->source], *dst = &step->dst;
    int32_t style = variant->tile[MAPS_STYLE], lanes = style == MAPS_PLACES ? 1 : variant->vec;
    gpu_dispatch *d;
    HOST_TRY(gpu_maps_begin(recipe, "map", kernels[style], dst, variant->vec, &d));
    gpu_maps_source(d, part->source, 0, "SRC_DTYPE", src);
    if (step->kind == FR_STEP_BINARY)
        gpu_maps_source(d, 1, 0, "SRC1_DTYPE", &step->src[1]);
    else /* the kernel's second source is not read */
        gpu_bind_buffer(d, part->source, 0, (uint32_t)fr_dtype_bytes((fr_dtype)src->dtype));
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)dst->dtype));
    int64_t planes = (int64_t)step->n * part->groups, widths = 0;
    for (int32_t i = 0; i < step->n_src; i++)
        widths += (int64_t)fr_dtype_bytes((fr_dtype)step->src[i].dtype);
    widths =
        (step->kind == FR_STEP_CONCAT ? widths / step->n_src : widths) + (int64_t)fr_dtype_bytes((fr_dtype)dst->dtype);
    gpu_share share = gpu_maps_share(traits, planes, dst->h, widths * lanes * dst->w);
    put_params(d, part, &share);
    if (style == MAPS_ITEM || traits->lockstep)
        gpu_maps_items(traits, d, planes * dst->h * dst->w);
    else
        gpu_grid(d, share.items, share.chunks, 1, 1, 1, 1);
    return FR_OK;
}

static fr_status add_reorder(const gpu_traits *traits, const fr_step *step, gpu_recipe *recipe) {
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    gpu_dispatch *d;
    HOST_TRY(gpu_maps_begin(recipe, "reorder", "reorder_any", dst, 1, &d));
    gpu_maps_source(d, 0, 0, "SRC_DTYPE", src);
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)dst->dtype));
    int32_t stored = fr_layout_channels(dst->layout, dst->c);
    int32_t size = stored * dst->h * dst->w, each = traits->is_cpu ? 1024 : 1;
    const int32_t words[] = {step->n, src->h, src->w, dst->h, dst->w, dst->c, stored, each};
    gpu_param_strides(d, src);
    gpu_param_strides(d, dst);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, gpu_maps_scale(src));
    gpu_param_f(d, gpu_maps_scale(dst));
    int32_t items = traits->is_cpu ? 1 : GPU_MAPS_ITEMS;
    int64_t parts = (int64_t)step->n * gpu_ceil_div(size, each);
    gpu_maps_grid(traits, d, (parts + items - 1) / items, items);
    return FR_OK;
}

static fr_status maps_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                           const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    (void)host;
    (void)weights;
    fr_step alike = *step;
    make_alike(&alike);
    if (variant->tile[MAPS_STYLE] == MAPS_ANY)
        return add_reorder(traits, &alike, out_recipe);
    int32_t lanes = variant->tile[MAPS_STYLE] == MAPS_PLACES ? 1 : variant->vec;
    bool is_unweave = variant->tile[MAPS_STYLE] == MAPS_UNWEAVE, is_concat = step->kind == FR_STEP_CONCAT;
    int32_t stored = fr_layout_channels(alike.dst.layout, alike.dst.c), parts = is_concat ? step->n_src : 1;
    for (int32_t i = 0, first = 0; i < parts; i++) { /* the last one also writes the padding */
        map_part part = {&alike, i, first, gpu_ceil_div(alike.src[i].c, lanes)};
        if (i + 1 == parts && !is_unweave)
            part.groups = gpu_ceil_div(stored - first, lanes);
        HOST_TRY(add_part(traits, variant, &part, out_recipe));
        first += alike.src[i].c;
    }
    return FR_OK;
}

/* ---- the variants ------------------------------------------------------------------------------------------------ */

#define MOVES     (GPU_KIND(FR_STEP_CONCAT) | GPU_KIND(FR_STEP_REORDER))
#define POINTWISE (GPU_KIND(FR_STEP_BINARY) | GPU_KIND(FR_STEP_UNARY))
#define ALL       (MOVES | POINTWISE | GPU_KIND(FR_STEP_PAD))
#define MAP(text, kinds, layout_, lanes, style)                                \
    {                                                                          \
        "map." text, kinds, maps_fit, maps_make, FR_LAYOUT_##layout_, lanes, { \
            style                                                              \
        }                                                                      \
    }

static const gpu_variant maps[] = {
    MAP("walk.n16c", ALL, NCHW16C, 16, MAPS_WALK),
    MAP("walk.n8c", ALL, NCHW8C, 8, MAPS_WALK),
    MAP("walk.n4c", ALL, NCHW4C, 4, MAPS_WALK),
    MAP("walk.nhwc.v16", ALL, NHWC, 16, MAPS_WALK),
    MAP("walk.nchw", ALL, NCHW, 1, MAPS_WALK),
    MAP("item.n4c", ALL, NCHW4C, 4, MAPS_ITEM),
    MAP("item.nhwc.v4", ALL, NHWC, 4, MAPS_ITEM),
    MAP("item.nchw", ALL, NCHW, 1, MAPS_ITEM),
    MAP("places.nchw", MOVES | POINTWISE, NCHW, 16, MAPS_PLACES),
    MAP("weave.v16", GPU_KIND(FR_STEP_REORDER), NCHW, 16, MAPS_WEAVE),
    MAP("unweave.v16", GPU_KIND(FR_STEP_REORDER), NCHW, 16, MAPS_UNWEAVE),
    MAP("weave.v8", GPU_KIND(FR_STEP_REORDER), NCHW, 8, MAPS_WEAVE),
    MAP("unweave.v8", GPU_KIND(FR_STEP_REORDER), NCHW, 8, MAPS_UNWEAVE),
    MAP("weave.v4", GPU_KIND(FR_STEP_REORDER), NCHW, 4, MAPS_WEAVE),
    MAP("unweave.v4", GPU_KIND(FR_STEP_REORDER), NCHW, 4, MAPS_UNWEAVE),
    MAP("any", GPU_KIND(FR_STEP_REORDER), NCHW, 1, MAPS_ANY),
};

const gpu_family gpu_family_maps = {maps, (int32_t)(sizeof maps / sizeof maps[0])};
