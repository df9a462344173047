/*
 * Convolutions and fully connected layers by a warp's matrix instructions (CUDA: kernels/conv_mma.cu): implicit GEMM from patches
 * in shared memory, the pool in the epilogue. Channels that do not fill runs of 16 bytes are packed: K stays dense for 3, 6, 9
 * or 45 of them.
 */
#include <math.h>

#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/conv_mma.h"
#include "gpu/families.h"

enum { MT, WARPS };                 /* of a variant's tile */
enum { MOST_BYTES_SUMMED = 65536 }; /* of products that fit 32 bits */
enum { WIDEST_POOL = 8, MOST_STRIDE = 255, MOST_GROUPS = 65535, FEW_CHANNELS = 16 };

/* Channels of a run of 16 bytes: the block of the blocked layout that these kernels know. */
static int32_t run_of(uint16_t dtype) {
    return GPU_MMA_RUN_BYTES / (int32_t)fr_dtype_bytes((fr_dtype)dtype);
}

static bool knows_layout(uint16_t layout, uint16_t dtype) {
    return layout == FR_LAYOUT_NHWC || layout == gpu_block_layout(run_of(dtype));
}

/* Are a group's channels whole runs? */
static bool has_runs(const fr_tensor *t, uint16_t layout, int32_t groups) {
    int32_t run = run_of(t->dtype), c = t->c / groups;
    return layout == FR_LAYOUT_NHWC ? c % run == 0 : groups == 1 || c % run == 0;
}

/* ---- what a step is asked as ------------------------------------------------------------------------------------------ */

/* A fully connected layer is a convolution of one place; stored numbers of an input, its layout's padding included, are its
 * channels. */
static fr_step as_conv(const fr_step *step, const fr_candidate *candidate) {
    fr_step conv = *step;
    conv.src[0].layout = candidate->src_layout[0];
    conv.src[1].layout = candidate->src_layout[1];
    conv.dst.layout = candidate->dst_layout;
    if (step->kind == FR_STEP_CONV)
        return conv;
    conv.kind = FR_STEP_CONV;
    conv.groups = 1;
    conv.win = (fr_window){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    conv.src[0].c = (int32_t)fr_tensor_elements(&conv.src[0]);
    conv.src[0].h = conv.src[0].w = 1;
    conv.src[0].layout = FR_LAYOUT_NHWC;
    if (conv.dst.layout == FR_LAYOUT_NCHW) /* the same, of one place */
        conv.dst.layout = FR_LAYOUT_NHWC;
    if (conv.src[1].layout == FR_LAYOUT_NCHW)
        conv.src[1].layout = FR_LAYOUT_NHWC;
    return conv;
}

static uint16_t pick(uint16_t asked, uint16_t own) {
    return asked ? asked : own;
}

static void pick_layouts(const fr_step *step, const gpu_variant *v, fr_candidate *candidate) {
    uint16_t own = v->layout, from = own, to = own;
    if (step->kind == FR_STEP_CONV && own != FR_LAYOUT_NHWC) {
        bool is_first = step->src[0].c % run_of(step->src[0].dtype) && step->src[0].c <= FEW_CHANNELS;
        from = is_first ? FR_LAYOUT_NHWC : gpu_block_layout(run_of(step->src[0].dtype));
        to = gpu_block_layout(run_of(step->dst.dtype));
    }
    candidate->src_layout[0] = pick(step->src[0].layout, from);
    candidate->dst_layout = pick(step->dst.layout, to);
    if (step->residual)
        candidate->src_layout[1] =
            pick(step->src[1].layout, candidate->dst_layout == FR_LAYOUT_NHWC || step->kind == FR_STEP_FC
                                          ? candidate->dst_layout
                                          : gpu_block_layout(run_of(step->src[1].dtype)));
}

/* Indices are 32 bits wide. */
static bool is_small(const fr_step *conv) {
    fr_tensor map = gpu_conv_out(conv);
    uint64_t most = fr_tensor_elements(&conv->src[0]), out = fr_tensor_elements(&map);
    most = most > out ? most : out;
    return most * (uint64_t)conv->n < INT32_MAX / 2;
}

static gpu_mma_shape shape_of(const fr_step *conv, const gpu_variant *v) {
    static const int32_t few[] = {1, 2, 3, 4}, even[] = {2, 4, 6, 8};
    int32_t co = conv->dst.c / conv->groups;
    gpu_mma_shape s = {.mt = v->tile[MT], .warps = v->tile[WARPS], .number_bytes = gpu_mma_number_bytes(conv)};
    bool is_tall = s.mt > 2; /* then with few outputs: sums stay in registers */
    if (is_tall && !gpu_mma_is_int8(conv))
        s.nt = gpu_mma_best_width(co, few, 4);
    else /* bytes: runs of 16 outputs */
        s.nt = gpu_mma_best_width(co, even, is_tall ? 2 : 4);
    s.cell_bytes = conv->dst.dtype == FR_F32 || conv->pool >= FR_POOL_AVG || gpu_mma_is_int8(conv) ? 4 : 2;
    s.packed = !has_runs(&conv->src[0], conv->src[0].layout, conv->groups);
    return s;
}

static fr_reason check_pool(const fr_step *step) {
    const fr_window *w = &step->pool_win;
    if (step->pool && (w->dh != 1 || w->dw != 1 || w->kh > WIDEST_POOL || w->kw > WIDEST_POOL || w->sh > MOST_STRIDE ||
                       w->sw > MOST_STRIDE))
        return FR_WHY_EPILOGUE;
    return FR_WHY_NOT;
}

static fr_reason check_device(const gpu_traits *traits, uint16_t dtype) {
    bool has_type = dtype == FR_BF16         ? traits->bf16 && traits->mma >= 80
                    : dtype == FR_F32        ? traits->tf32 && traits->mma >= 80
                    : gpu_mma_is_byte(dtype) ? traits->mma >= 75
                                             : true;
    return traits->mma > 0 && traits->subgroup == 32 && has_type ? FR_WHY_NOT : FR_WHY_ISA;
}

/* Bytes mix with each other and with f32; what was computed in a narrow type may be stored as f32. */
static fr_reason check_types(const fr_step *step, uint16_t dtype) {
    uint16_t to = step->dst.dtype, added = step->residual ? step->src[1].dtype : dtype;
    bool is_bytes = gpu_mma_is_byte(dtype);
    if (dtype == FR_DTYPE_NONE || step->src[0].dtype != dtype)
        return FR_WHY_DTYPE;
    bool fits_to = to == dtype || to == FR_F32 || (is_bytes && gpu_mma_is_byte(to));
    bool fits_added = added == dtype || (is_bytes && (gpu_mma_is_byte(added) || added == FR_F32));
    if (!fits_to || !fits_added)
        return FR_WHY_DTYPE;
    int64_t depth = (int64_t)step->src[0].c * step->win.kh * step->win.kw;
    if (step->kind == FR_STEP_FC)
        depth = (int64_t)step->src[0].c * step->src[0].h * step->src[0].w;
    return is_bytes && depth > MOST_BYTES_SUMMED ? FR_WHY_SHAPE : FR_WHY_NOT;
}

static fr_reason check(const gpu_traits *traits, const fr_step *step, const fr_candidate *candidate) {
    uint16_t dtype = gpu_mma_dtype(step), to = step->dst.dtype;
    fr_reason why = check_types(step, dtype);
    if (!why)
        why = check_device(traits, dtype);
    if (why)
        return why;
    fr_step conv = as_conv(step, candidate);
    if (!knows_layout(conv.src[0].layout, dtype) || !knows_layout(conv.dst.layout, to) ||
        (step->residual && !knows_layout(conv.src[1].layout, conv.src[1].dtype)))
        return FR_WHY_LAYOUT;
    bool has_whole_runs = has_runs(&conv.src[0], conv.src[0].layout, conv.groups);
    if (!has_whole_runs && (conv.groups > 1 || conv.src[0].layout != FR_LAYOUT_NHWC || gpu_mma_is_int8(step)))
        return gpu_mma_is_int8(step) ? FR_WHY_SHAPE : FR_WHY_GROUPS;
    /* words of two halves may not begin at odd ones but at a row's beginning */
    if (!has_whole_runs && conv.win.dw > 1 && conv.src[0].c * gpu_mma_number_bytes(step) % 4)
        return FR_WHY_DILATION;
    if (conv.dst.layout != FR_LAYOUT_NHWC && !has_runs(&conv.dst, conv.dst.layout, conv.groups))
        return FR_WHY_GROUPS;
    return is_small(&conv) ? check_pool(&conv) : FR_WHY_MEMORY;
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    gpu_mma_plan plan;
    pick_layouts(step, v, candidate);
    candidate->refused = (uint16_t)check(traits, step, candidate);
    if (candidate->refused)
        return;
    fr_step conv = as_conv(step, candidate);
    gpu_mma_shape shape = shape_of(&conv, v);
    if (!gpu_mma_plan_make(traits, &conv, &shape, &plan)) {
        candidate->refused = FR_WHY_MEMORY;
        return;
    }
    if (plan.n_tiles * conv.groups > MOST_GROUPS) {
        candidate->refused = FR_WHY_GROUPS;
        return;
    }
    candidate->granule = shape.nt * 8;
    *out_ns = 8000 + plan.cycles / 1.4;
}

/* ---- the dispatch --------------------------------------------------------------------------------------------------------- */

static void add_strides(gpu_dispatch *d, const fr_tensor *t) {
    int32_t run = run_of(t->dtype), place = t->layout == FR_LAYOUT_NHWC ? t->c : run;
    gpu_param(d, (int32_t)fr_tensor_elements(t));
    gpu_param(d, t->w * place);
    gpu_param(d, place);
    gpu_param(d, t->layout == FR_LAYOUT_NHWC ? run : t->h * t->w * run);
}

/* Window and strides of the pool, and whether its mean counts the padding, in one word. */
static int32_t pool_word(const fr_step *conv) {
    const fr_window *w = &conv->pool_win;
    return conv->pool ? w->kh | w->kw << 4 | w->sh << 8 | w->sw << 16 | (conv->pool > FR_POOL_AVG) << 24 : 0;
}

static bool is_straight(const fr_step *step) {
    return step->act == FR_ACT_NONE || step->act == FR_ACT_RELU || step->act == FR_ACT_CLIP ||
           step->act == FR_ACT_LEAKY;
}

/* ACT_PARAMS; where the activation is made of lines, a and b are what the result is limited to. */
static void add_activation(gpu_dispatch *d, const fr_step *step) {
    bool has_floor = step->act == FR_ACT_RELU || step->act == FR_ACT_LEAKY;
    if (!is_straight(step) || step->act == FR_ACT_CLIP) {
        gpu_param_act(d, step);
        return;
    }
    gpu_param(d, step->act);
    gpu_param_f(d, has_floor ? 0.0f : -INFINITY);
    gpu_param_f(d, INFINITY);
}

static void add_params(gpu_dispatch *d, const fr_step *conv, const gpu_mma_shape *shape, const gpu_mma_plan *p) {
    gpu_conv_dims dims = gpu_conv_dims_of(conv);
    bool src_by_run = conv->src[0].layout != FR_LAYOUT_NHWC, dst_by_run = conv->dst.layout != FR_LAYOUT_NHWC;
    int32_t unit = p->twin ? shape->number_bytes : 4; /* what a packed line is copied by */
    int32_t line = shape->packed ? p->patch_row / unit : p->patch_w * (src_by_run ? 1 : p->slice_runs);
    add_strides(d, &conv->src[0]);
    add_strides(d, &conv->dst);
    add_strides(d, conv->residual ? &conv->src[1] : &conv->src[0]);
    gpu_param_window(d, &conv->win);
    add_activation(d, conv);
    const int32_t words[] = {
        conv->n,
        conv->src[0].h,
        conv->src[0].w,
        dims.map_h,
        dims.map_w,
        dims.c,
        gpu_ceil_div(dims.c * shape->number_bytes, GPU_MMA_RUN_BYTES),
        dims.co,
        p->n_tiles,
        p->images,
        p->tile_h,
        p->tile_w,
        p->tiles_y,
        p->tiles_x,
        p->jobs,
        p->pixels,
        p->chunks,
        p->patch_h,
        p->patch_w,
        p->patch_pixel,
        p->patch_row,
        p->patch_image,
        p->patch_bytes,
        p->twin,
        p->slices,
        p->slice_runs,
        p->k_steps,
        p->w_pitch,
        p->w_bytes,
        p->stages,
        p->map_pitch,
        p->at_table,
        p->at_weights,
        p->at_patch,
        p->at_map,
        src_by_run,
        dst_by_run,
        dst_by_run || has_runs(&conv->dst, conv->dst.layout, conv->groups),
        conv->residual,
        gpu_mma_magic(p->tile_w),
        gpu_mma_magic(p->tile_h * p->tile_w),
        gpu_mma_magic(line),
        gpu_mma_magic(p->slice_runs),
        gpu_mma_magic(p->patch_h),
        conv->pool_win.pad_top,
        conv->pool_win.pad_left,
        conv->pool_win.pad_bottom,
        conv->pool_win.pad_right,
        conv->dst.h,
        conv->dst.w,
        p->part_h,
        p->part_w,
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, conv->act == FR_ACT_LEAKY ? conv->act_a : 0.0f);
    gpu_param_f(d, conv->residual && gpu_mma_is_byte(conv->src[1].dtype) ? conv->src[1].scale : 1.0f);
    gpu_param_f(d, gpu_mma_is_byte(conv->dst.dtype) ? 1.0f / conv->dst.scale : 1.0f);
    gpu_param(d, pool_word(conv));
}

static void add_dispatch(gpu_recipe *recipe, const fr_step *conv, const gpu_mma_shape *shape,
                         const gpu_mma_plan *plan) {
    gpu_dispatch *d = gpu_add(recipe, "conv_mma", "conv_mma");
    const fr_window *pool = &conv->pool_win;
    gpu_define_int(d, "NUMBERS", gpu_mma_dtype(conv));
    gpu_define_int(d, "STORED", conv->dst.dtype);
    gpu_define_int(d, "ADDED", conv->residual ? conv->src[1].dtype : gpu_mma_dtype(conv));
    gpu_define_int(d, "MT", shape->mt);
    gpu_define_int(d, "NT", shape->nt);
    gpu_define_int(d, "PACKED", shape->packed);
    gpu_define_int(d, "STRAIGHT", is_straight(conv));
    gpu_define_int(d, "CURVED", !is_straight(conv));
    gpu_define_int(d, "POOL", conv->pool > FR_POOL_AVG ? FR_POOL_AVG : conv->pool);
    gpu_define_int(d, "POOL_K", conv->pool && pool->kh == pool->kw && (pool->kh == 2 || pool->kh == 3) ? pool->kh : 0);
    /* without a residual its buffer is the source, never read; the first run of a source is 16 bytes aligned */
    gpu_bind_buffer(d, 0, 0, (uint32_t)shape->number_bytes);
    gpu_bind_buffer(d, conv->residual ? 1 : 0, 0,
                    (uint32_t)fr_dtype_bytes((fr_dtype)conv->src[conv->residual ? 1 : 0].dtype));
    gpu_bind_buffer(d, GPU_WEIGHT, 0, 1);
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)conv->dst.dtype));
    add_params(d, conv, shape, plan);
    d->shared_bytes = plan->shared_bytes;
    gpu_grid(d, plan->blocks, (uint32_t)(plan->n_tiles * conv->groups), 1, (uint32_t)shape->warps * 32, 1, 1);
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *out_recipe) {
    fr_candidate settled = {.dst_layout = step->dst.layout};
    for (int32_t s = 0; s < 2; s++)
        settled.src_layout[s] = step->src[s].layout;
    fr_step conv = as_conv(step, &settled);
    gpu_mma_shape shape = shape_of(&conv, v);
    gpu_mma_plan plan;
    if (!gpu_mma_plan_make(traits, &conv, &shape, &plan))
        return host_fail(host, FR_INTERNAL, "kernel %s is made for a step that it refused", v->name);
    if (step->kind == FR_STEP_FC)
        HOST_TRY(gpu_mma_pack_fc(host, step, &conv, &shape, &plan, weights, out_recipe));
    else
        HOST_TRY(gpu_mma_pack(host, &conv, &shape, &plan, weights, out_recipe));
    add_dispatch(out_recipe, &conv, &shape, &plan);
    return FR_OK;
}

#define MMA(text, step_kind, layout_, mt, warps)                                                                       \
    {                                                                                                                  \
        .name = text, .kinds = GPU_KIND(FR_STEP_##step_kind), .fit = fit, .make = make, .layout = FR_LAYOUT_##layout_, \
        .vec = 1, .tile = {mt, warps},                                                                                 \
    }

/* Blocked: of 16 bytes, eight halves or four words. */
static const gpu_variant variants[] = {
    MMA("mma.nhwc.m64", CONV, NHWC, 4, 4),      MMA("mma.nhwc.m32", CONV, NHWC, 2, 8),
    MMA("mma.blocked.m64", CONV, NCHW8C, 4, 4), MMA("mma.blocked.m32", CONV, NCHW8C, 2, 8),
    MMA("fc.mma.m64", FC, NHWC, 4, 4),          MMA("fc.mma.m32", FC, NHWC, 2, 8),
};

const gpu_family gpu_family_conv_mma = {variants, sizeof variants / sizeof variants[0]};
