/* Pools, as steps and as what follows a convolution that left its map in scratch. Kernels: pool.cl. */
#include "gpu/families.h"
#include "gpu/maps.h"

typedef struct pool_job {
    const fr_tensor *src, *dst; /* layouts settled */
    const fr_window *win;
    int32_t n, kind;
    int32_t src_role;
    uint64_t src_at;
} pool_job;

/* Does each window hold a place of the map? Then a place outside may be read as the nearest one inside. */
static bool windows_touch(const pool_job *job) {
    const fr_window *win = job->win;
    return win->pad_top < win->kh && win->pad_left < win->kw &&
           (job->dst->h - 1) * win->sh - win->pad_top < job->src->h &&
           (job->dst->w - 1) * win->sw - win->pad_left < job->src->w;
}

/* The windows that have kernels of their own. */
static bool can_slide(const pool_job *job) {
    const fr_window *win = job->win;
    bool is_square = win->kh == win->kw && win->sh == win->sw && win->dh == 1 && win->dw == 1;
    bool is_known = (win->kh == 3 && (win->sh == 1 || win->sh == 2)) || (win->kh == 2 && win->sh == 2);
    return job->kind == FR_POOL_MAX && is_square && is_known && windows_touch(job);
}

static bool is_global(const pool_job *job) {
    const fr_window *win = job->win;
    bool is_padded = win->pad_top || win->pad_left || win->pad_bottom || win->pad_right;
    return job->dst->h == 1 && job->dst->w == 1 && win->kh == job->src->h && win->kw == job->src->w && win->dh == 1 &&
           win->dw == 1 && !is_padded;
}

static int32_t groups_of(const fr_tensor *tensor, int32_t vec) {
    return gpu_ceil_div(fr_layout_channels(tensor->layout, tensor->c), vec);
}

static void put_params(gpu_dispatch *d, const pool_job *job, int32_t vec, int32_t planes_each, int32_t rows_each) {
    const fr_tensor *src = job->src, *dst = job->dst;
    const int32_t words[] = {src->h,
                             src->w,
                             dst->h,
                             dst->w,
                             src->h + job->win->pad_bottom,
                             src->w + job->win->pad_right,
                             job->n * groups_of(dst, vec),
                             groups_of(dst, vec),
                             dst->c,
                             job->kind,
                             planes_each,
                             rows_each,
                             dst->layout == FR_LAYOUT_NHWC};
    gpu_param_strides(d, src);
    gpu_param_strides(d, dst);
    gpu_param_window(d, job->win);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, gpu_maps_scale(src));
    gpu_param_f(d, gpu_maps_scale(dst));
}

/* A window's vectors come faster through a view of texels. */
static bool is_by_texels(const gpu_traits *traits, const pool_job *job, int32_t vec, int32_t style) {
    return traits->texels && style == MAPS_ITEM && vec == 4 && (job->src->dtype == FR_F32 || job->src->dtype == FR_F16);
}

static fr_status add_pool(gpu_recipe *recipe, const gpu_traits *traits, const pool_job *job, int32_t vec,
                          int32_t style) {
    bool by_texels = is_by_texels(traits, job, vec, style);
    bool slides = style == MAPS_SLIDE || (by_texels && can_slide(job));
    const char *const kernels[] = {[MAPS_WALK] = "pool_walk",
                                   [MAPS_ITEM] = !by_texels ? "pool_item"
                                                 : slides   ? "pool_slide"
                                                            : "pool_texels",
                                   [MAPS_SLIDE] = "pool_slide",
                                   [MAPS_GROUP] = "pool_group"};
    gpu_dispatch *d;
    fr_status status = gpu_maps_begin(recipe, "pool", kernels[style], job->dst, vec, &d);
    if (status != FR_OK)
        return status;
    gpu_maps_source(d, job->src_role, job->src_at, "SRC_DTYPE", job->src);
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)job->dst->dtype));
    int64_t planes = (int64_t)job->n * groups_of(job->dst, vec);
    int64_t row_bytes = (int64_t)job->win->sh * job->src->w * vec * (int64_t)fr_dtype_bytes((fr_dtype)job->src->dtype);
    gpu_share share = gpu_maps_share(traits, planes, job->dst->h, row_bytes);
    put_params(d, job, vec, share.planes_each, share.rows_each);
    d->texels = by_texels ? 1 : 0;
    if (slides) {
        gpu_define_int(d, "SLIDE_K", job->win->kh);
        gpu_define_int(d, "SLIDE_S", job->win->sw);
    }
    if (style == MAPS_GROUP)
        gpu_grid(d, (uint32_t)planes, 1, 1, GPU_MAPS_ITEMS, 1, 1);
    else if (style == MAPS_ITEM && slides) /* two by two vectors an item */
        gpu_maps_items(traits, d, planes * gpu_ceil_div(job->dst->h, 2) * gpu_ceil_div(job->dst->w, 2));
    else if (style == MAPS_ITEM)
        gpu_maps_items(traits, d, planes * job->dst->h * job->dst->w);
    else
        gpu_grid(d, share.items, share.chunks, 1, 1, 1, 1);
    return FR_OK;
}

fr_status gpu_add_pool(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step, const fr_tensor *map,
                       uint64_t at) {
    pool_job job = {.src = map,
                    .dst = &step->dst,
                    .win = &step->pool_win,
                    .n = step->n,
                    .kind = step->pool,
                    .src_role = GPU_SCRATCH,
                    .src_at = at};
    int32_t vec = traits->vec;
    while (vec > 1 && !(gpu_maps_lanes(map, vec) && gpu_maps_lanes(&step->dst, vec)))
        vec = traits->lockstep ? 1 : vec / 2; /* there kernels know vectors of four, and single numbers */
    if (!traits->is_cpu && traits->max_items >= GPU_MAPS_ITEMS)
        return add_pool(recipe, traits, &job, vec, is_global(&job) && !traits->glsl ? MAPS_GROUP : MAPS_ITEM);
    return add_pool(recipe, traits, &job, vec, can_slide(&job) ? MAPS_SLIDE : MAPS_WALK);
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

static pool_job job_of(const fr_step *step) {
    return (pool_job){.src = &step->src[0],
                      .dst = &step->dst,
                      .win = &step->pool_win,
                      .n = step->n,
                      .kind = step->pool,
                      .src_role = 0};
}

static void pool_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, fr_candidate *candidate,
                     double *out_ns) {
    int32_t style = variant->tile[MAPS_STYLE];
    pool_job job = job_of(step);
    fr_step settled;
    fr_reason why = gpu_maps_layouts(step, variant, &settled);
    if (!why && (!gpu_maps_runs(traits, style) || (traits->glsl && style == MAPS_GROUP)))
        why = FR_WHY_ISA;
    if (!why && !gpu_maps_walks(&settled, variant))
        why = FR_WHY_LAYOUT;
    if (!why && style == MAPS_SLIDE && variant->vec < 16 && fr_dtype_bytes((fr_dtype)step->src[0].dtype) == 1)
        why = FR_WHY_DTYPE; /* few builds for bytes */
    if (!why && ((style == MAPS_SLIDE && !can_slide(&job)) || (style == MAPS_GROUP && !is_global(&job)) ||
                 traits->max_items < (style == MAPS_ITEM || style == MAPS_GROUP ? GPU_MAPS_ITEMS : 1)))
        why = FR_WHY_SHAPE;
    candidate->refused = (uint16_t)why;
    gpu_maps_answer(&settled, variant, candidate);
    *out_ns = gpu_maps_guess(traits, variant, &settled);
}

static fr_status pool_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                           const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    (void)host;
    (void)weights;
    pool_job job = job_of(step);
    return add_pool(out_recipe, traits, &job, variant->vec, variant->tile[MAPS_STYLE]);
}

#define POOL(text, layout_, lanes, style)                                                \
    {                                                                                    \
        text, GPU_KIND(FR_STEP_POOL), pool_fit, pool_make, FR_LAYOUT_##layout_, lanes, { \
            style                                                                        \
        }                                                                                \
    }

static const gpu_variant pools[] = {
    POOL("pool.slide.n16c", NCHW16C, 16, MAPS_SLIDE),  POOL("pool.walk.n16c", NCHW16C, 16, MAPS_WALK),
    POOL("pool.slide.n8c", NCHW8C, 8, MAPS_SLIDE),     POOL("pool.walk.n8c", NCHW8C, 8, MAPS_WALK),
    POOL("pool.slide.n4c", NCHW4C, 4, MAPS_SLIDE),     POOL("pool.walk.n4c", NCHW4C, 4, MAPS_WALK),
    POOL("pool.slide.nhwc.v16", NHWC, 16, MAPS_SLIDE), POOL("pool.walk.nhwc.v16", NHWC, 16, MAPS_WALK),
    POOL("pool.item.n4c", NCHW4C, 4, MAPS_ITEM),       POOL("pool.item.nhwc.v4", NHWC, 4, MAPS_ITEM),
    POOL("pool.group.n4c", NCHW4C, 4, MAPS_GROUP),     POOL("pool.walk.nchw", NCHW, 1, MAPS_WALK),
    POOL("pool.item.nchw", NCHW, 1, MAPS_ITEM),        POOL("pool.group.nchw", NCHW, 1, MAPS_GROUP),
};

const gpu_family gpu_family_pool = {pools, (int32_t)(sizeof pools / sizeof pools[0])};
