/* The two ends of a plan: the user's images in, the user's rows out. Kernels: ingest.cl, rows.cl, emit.cl. */
#include "common/host_device.h"
#include "gpu/families.h"
#include "gpu/maps.h"

/* ---- images in --------------------------------------------------------------------------------------------------- */

enum {
    INGEST_PLANES = 16,
    INGEST_BLOCK,
    INGEST_ANY,
    INGEST_ITEM,
    INGEST_PIXELS,
    INGEST_RUN,
    EMIT_ROWS,
    EMIT_GROUP,
    EMIT_ANY
};
enum { PIXELS_EACH = 4 }; /* places of an item of INGEST_PIXELS */

static bool is_interleaved(const fr_step *step) { /* more than one channel a pixel, beside each other */
    return step->src[0].layout == FR_LAYOUT_USER_HWC && step->image_c > 1;
}

/* In lockstep an item makes few numbers; pixels of three bytes are read as words, and the table as texels. */
static fr_reason lockstep_why_not(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                                  const fr_tensor *dst) {
    int32_t style = variant->tile[MAPS_STYLE];
    if (style == INGEST_PIXELS ? !traits->lockstep || !traits->texels
                               : traits->lockstep && style != INGEST_ITEM && style != INGEST_RUN)
        return FR_WHY_ISA;
    if (style == INGEST_PIXELS && step->src[0].dtype != FR_U8)
        return FR_WHY_DTYPE;
    if (style == INGEST_PIXELS && (!is_interleaved(step) || step->image_c != 3))
        return FR_WHY_SHAPE;
    if (style == INGEST_ITEM && variant->layout == FR_LAYOUT_NHWC && !traits->lockstep)
        return FR_WHY_ISA;
    if (style == INGEST_RUN && (!traits->lockstep || traits->glsl))
        return FR_WHY_ISA;
    if (style == INGEST_RUN && step->src[0].layout != FR_LAYOUT_USER_HWC)
        return FR_WHY_SHAPE;
    bool is_own = (dst->layout == FR_LAYOUT_NHWC) == (variant->layout == FR_LAYOUT_NHWC);
    return traits->lockstep && !is_own ? FR_WHY_LAYOUT : FR_WHY_NOT;
}

static fr_reason ingest_why_not(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                                const fr_tensor *dst) {
    int32_t style = variant->tile[MAPS_STYLE];
    bool is_by_number = style == INGEST_PLANES || style == INGEST_RUN;
    const fr_tensor *src = &step->src[0];
    if ((src->dtype != FR_U8 && src->dtype != FR_F32) || !gpu_maps_dtype(dst->dtype))
        return FR_WHY_DTYPE;
    if (dst->layout > FR_LAYOUT_NCHW32C || !gpu_maps_lanes(dst, is_by_number ? 1 : variant->vec) ||
        (style == INGEST_PLANES && dst->layout != FR_LAYOUT_NCHW))
        return FR_WHY_LAYOUT;
    if ((style == INGEST_PLANES && is_interleaved(step) && step->image_c != 3) ||
        (style == INGEST_BLOCK && src->layout == FR_LAYOUT_USER_CHW && step->image_c > 1))
        return FR_WHY_SHAPE;
    uint64_t most = INT32_MAX / 2; /* item numbers are rounded up */
    if (fr_tensor_elements(dst) * (uint64_t)step->n >= most || fr_tensor_elements(src) * (uint64_t)step->n >= most)
        return FR_WHY_MEMORY;
    if ((style == INGEST_ITEM || style == INGEST_PIXELS || style == INGEST_RUN) && traits->max_items < GPU_MAPS_ITEMS)
        return FR_WHY_SHAPE;
    return lockstep_why_not(traits, step, variant, dst);
}

static void ingest_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                       fr_candidate *candidate, double *out_ns) {
    fr_tensor dst = step->dst;
    dst.layout = dst.layout == FR_LAYOUT_ANY ? variant->layout : dst.layout;
    candidate->refused = (uint16_t)ingest_why_not(traits, step, variant, &dst);
    candidate->src_layout[0] = step->src[0].layout;
    candidate->dst_layout = dst.layout;
    candidate->granule = fr_layout_block(dst.layout);
    int32_t style = variant->tile[MAPS_STYLE];
    double bytes = (double)fr_tensor_bytes(&step->src[0], step->n) + (double)fr_tensor_bytes(&dst, step->n);
    bool is_gpu_style = style == INGEST_ITEM || style == INGEST_PIXELS || style == INGEST_RUN;
    double slower = style != INGEST_ANY && style != INGEST_ITEM ? 1 : variant->vec > 1 ? 2 : 3;
    *out_ns = gpu_guess_ns(traits, 0, bytes, 1) * (is_gpu_style != traits->is_cpu ? 1 : 4) * slower;
}

static fr_status pack_table(const fr_host *host, const fr_step *step, const fr_weights *weights,
                            gpu_recipe *out_recipe) {
    int32_t stored = fr_layout_channels(step->dst.layout, step->dst.c);
    HOST_TRY(gpu_pack_new(host, out_recipe, (uint64_t)stored * 2 * sizeof(float)));
    for (int32_t channel = 0; channel < step->dst.c; channel++) {
        int32_t c = channel % step->image_c;
        gpu_pack_put(out_recipe, 0, FR_F32, (uint64_t)channel, weights && weights->mean ? weights->mean[c] : 0.0f);
        gpu_pack_put(out_recipe, 0, FR_F32, (uint64_t)(stored + channel),
                     weights && weights->scale ? weights->scale[c] : 1.0f);
    }
    return FR_OK;
}

/* Places in 16s are what is shared out. */
static gpu_share share_places(const gpu_traits *traits, int64_t planes, int32_t places, int64_t place_bytes) {
    gpu_share share = gpu_maps_share(traits, planes, gpu_ceil_div(places, 16), 16 * place_bytes);
    share.rows_each *= 16;
    return share;
}

static fr_status ingest_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                             const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    int32_t style = variant->tile[MAPS_STYLE], vec = variant->vec;
    static const char *const kernels[] = {"ingest_planes", "ingest_block",  "ingest_any",
                                          "ingest_item",   "ingest_pixels", "ingest_run"};
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    int32_t places = dst->h * dst->w, stored = fr_layout_channels(dst->layout, dst->c), images = step->n * step->images;
    int64_t width = (int64_t)(fr_dtype_bytes((fr_dtype)src->dtype) + fr_dtype_bytes((fr_dtype)dst->dtype));
    gpu_dispatch *d;
    HOST_TRY(pack_table(host, step, weights, out_recipe));
    HOST_TRY(gpu_maps_begin(out_recipe, "ingest", kernels[style - INGEST_PLANES], dst, vec, &d));
    gpu_maps_source(d, 0, 0, "SRC_DTYPE", src);
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)dst->dtype));
    gpu_share share = {.planes_each = 1, .rows_each = places, .chunks = 1};
    if (style == INGEST_PLANES) {
        if (is_interleaved(step))
            gpu_define_int(d, "SPLIT_3", 1);
        share = share_places(traits, images, places, width * step->image_c);
        gpu_grid(d, share.items, share.chunks, 1, 1, 1, 1);
    } else if (style == INGEST_ITEM) {
        gpu_maps_items(traits, d, (int64_t)step->n * (stored / vec) * places);
    } else if (style == INGEST_RUN) {
        gpu_maps_items(traits, d, ((int64_t)step->n * dst->c * places + vec - 1) / vec);
    } else if (style == INGEST_PIXELS) {
        d->texels = 1 << 1; /* the table */
        gpu_maps_items(traits, d, (int64_t)step->n * (stored / vec) * gpu_ceil_div(places, PIXELS_EACH));
    } else {
        int64_t planes = (int64_t)step->n * (stored / vec);
        share = share_places(traits, planes, places, width * vec);
        gpu_grid(d, (uint32_t)planes, share.chunks, 1, 1, 1, 1);
    }
    const int32_t words[] = {step->n,
                             step->images,
                             step->image_c,
                             places * step->image_c,
                             places,
                             dst->c,
                             stored,
                             src->layout == FR_LAYOUT_USER_CHW,
                             share.planes_each,
                             share.rows_each};
    gpu_param_strides(d, dst);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, gpu_maps_scale(dst));
    return FR_OK;
}

/* ---- rows out ---------------------------------------------------------------------------------------------------- */

/* Do the numbers of a row lie beside each other, in the row's order? Softmax also wants one place. */
static bool has_rows(const fr_tensor *src, bool is_softmax) {
    bool one_place = src->h == 1 && src->w == 1;
    return one_place || (src->layout == FR_LAYOUT_NCHW && !is_softmax);
}

/* One variant of rows a block, so that each layout is offered once. */
static bool is_own_layout(uint16_t layout, const gpu_variant *variant) {
    int32_t block = fr_layout_block(layout), own = fr_layout_block(variant->layout);
    if (variant->tile[MAPS_STYLE] == EMIT_ANY)
        return layout <= FR_LAYOUT_NCHW32C;
    if (own == 1 || variant->tile[MAPS_STYLE] == EMIT_GROUP)
        return layout <= FR_LAYOUT_NCHW32C && (block > 1) == (own > 1);
    return block == own || (block == 32 && own == 16);
}

static void emit_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                     double *out_ns) {
    int32_t style = variant->tile[MAPS_STYLE];
    fr_tensor src = step->src[0];
    src.layout = src.layout == FR_LAYOUT_ANY ? variant->layout : src.layout;
    fr_reason why = FR_WHY_NOT;
    if (traits->lockstep && style == EMIT_ROWS)
        why = FR_WHY_ISA;
    else if (!gpu_maps_dtype(src.dtype) ||
             (step->dst.dtype != FR_F32 && step->dst.dtype != FR_F16 && step->dst.dtype != FR_BF16))
        why = FR_WHY_DTYPE;
    else if (!is_own_layout(src.layout, variant))
        why = FR_WHY_LAYOUT;
    else if ((style != EMIT_ANY && !has_rows(&src, step->softmax)) ||
             (style == EMIT_GROUP && !gpu_maps_groups(traits, (int64_t)src.c * src.h * src.w / step->images)))
        why = FR_WHY_SHAPE;
    else if (fr_tensor_elements(&src) * (uint64_t)step->n >= INT32_MAX / 2)
        why = FR_WHY_MEMORY;
    candidate->refused = (uint16_t)why;
    candidate->src_layout[0] = src.layout;
    candidate->dst_layout = step->dst.layout == FR_LAYOUT_ANY ? FR_LAYOUT_NCHW : step->dst.layout;
    candidate->granule = fr_layout_block(src.layout);
    double slower = style == EMIT_ANY ? 6 : style == EMIT_GROUP && traits->is_cpu ? 4 : 1;
    if (style == EMIT_ROWS && !traits->is_cpu)
        slower = 3;
    /* the device's own layout first: what comes before need not be reordered */
    *out_ns = gpu_guess_ns(traits, 0, (double)fr_tensor_bytes(&src, step->n), 1) * slower +
              (fr_layout_block(src.layout) == traits->vec ? 0 : 1);
}

fr_status gpu_maps_rows(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step, const gpu_rows *rows) {
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    gpu_dispatch *d;
    HOST_TRY(gpu_maps_begin(recipe, "rows", rows->by_group ? "rows_group" : "rows_walk", dst, rows->vec, &d));
    gpu_maps_source(d, 0, 0, "SRC_DTYPE", src);
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)dst->dtype));
    gpu_share share = gpu_maps_share(traits, rows->count, 1, (int64_t)rows->length * (rows->is_softmax ? 64 : 8));
    const int32_t words[] = {rows->count,
                             step->images > 0 ? step->images : 1,
                             (int32_t)fr_tensor_elements(src),
                             rows->length,
                             rows->dst_row,
                             rows->is_softmax,
                             rows->uses_valid,
                             share.planes_each};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, gpu_maps_scale(src));
    gpu_param_f(d, gpu_maps_scale(dst));
    if (rows->by_group)
        gpu_maps_grid(traits, d, rows->count, GPU_MAPS_ITEMS);
    else
        gpu_grid(d, share.items, 1, 1, 1, 1, 1);
    return FR_OK;
}

static fr_status emit_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                           const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    (void)host;
    (void)weights;
    const fr_tensor *src = &step->src[0];
    int32_t style = variant->tile[MAPS_STYLE], classes = src->c / step->images, count = step->n * step->images;
    if (style != EMIT_ANY) {
        int32_t length = classes * src->h * src->w;
        gpu_rows rows = {count, length, length, variant->vec, style == EMIT_GROUP, step->softmax, true};
        return gpu_maps_rows(out_recipe, traits, step, &rows);
    }
    gpu_dispatch *d;
    HOST_TRY(gpu_maps_begin(out_recipe, "emit", "emit_any", &step->dst, 1, &d));
    gpu_maps_source(d, 0, 0, "SRC_DTYPE", src);
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)step->dst.dtype));
    const int32_t words[] = {count, step->images, classes, src->h, src->w, step->softmax};
    gpu_param_strides(d, src);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, gpu_maps_scale(src));
    int32_t items = traits->max_items < GPU_MAPS_ITEMS ? 1 : GPU_MAPS_ITEMS;
    int64_t all = (int64_t)count * src->h * src->w;
    gpu_maps_grid(traits, d, (all + items - 1) / items, items);
    return FR_OK;
}

#define INGEST(text, layout_, lanes, style)                                                              \
    {                                                                                                    \
        "ingest." text, GPU_KIND(FR_STEP_INGEST), ingest_fit, ingest_make, FR_LAYOUT_##layout_, lanes, { \
            style                                                                                        \
        }                                                                                                \
    }
#define EMIT(text, layout_, lanes, style)                                                        \
    {                                                                                            \
        "emit." text, GPU_KIND(FR_STEP_EMIT), emit_fit, emit_make, FR_LAYOUT_##layout_, lanes, { \
            style                                                                                \
        }                                                                                        \
    }

static const gpu_variant ends[] = {
    INGEST("planes.nchw", NCHW, 16, INGEST_PLANES),
    INGEST("block.n16c", NCHW16C, 16, INGEST_BLOCK),
    INGEST("block.n8c", NCHW8C, 8, INGEST_BLOCK),
    INGEST("block.n4c", NCHW4C, 4, INGEST_BLOCK),
    INGEST("any.nchw", NCHW, 1, INGEST_ANY),
    INGEST("any.nhwc", NHWC, 1, INGEST_ANY),
    INGEST("item.nchw", NCHW, 1, INGEST_ITEM),
    INGEST("item.n4c", NCHW4C, 4, INGEST_ITEM),
    INGEST("item.nhwc", NHWC, 1, INGEST_ITEM),
    INGEST("pixels.n4c", NCHW4C, 4, INGEST_PIXELS),
    INGEST("pixels.nhwc", NHWC, 4, INGEST_PIXELS),
    INGEST("run.nhwc", NHWC, 4, INGEST_RUN),
    EMIT("rows.n16c", NCHW16C, 16, EMIT_ROWS),
    EMIT("rows.nchw", NCHW, 16, EMIT_ROWS),
    EMIT("rows.n8c", NCHW8C, 8, EMIT_ROWS),
    EMIT("rows.n4c", NCHW4C, 4, EMIT_ROWS),
    EMIT("group.nchw", NCHW, 1, EMIT_GROUP),
    EMIT("group.n4c", NCHW4C, 1, EMIT_GROUP),
    EMIT("any.nchw", NCHW, 1, EMIT_ANY),
};

const gpu_family gpu_family_ends = {ends, (int32_t)(sizeof ends / sizeof ends[0])};
