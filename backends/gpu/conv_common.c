#include "gpu/conv_common.h"

#include "common/host_device.h"

static bool is_number(uint16_t dtype) { /* what the kernels load and store */
    return dtype == FR_F32 || dtype == FR_F16 || dtype == FR_BF16 || dtype == FR_U8 || dtype == FR_S8;
}

static fr_reason check(const fr_step *step) {
    if (step->kind != FR_STEP_CONV)
        return FR_WHY_KIND;
    if (!gpu_sums_floats(step->compute))
        return FR_WHY_DTYPE;
    bool fits = is_number(step->src[0].dtype) && is_number(step->dst.dtype);
    if (step->residual)
        fits &= is_number(step->src[1].dtype);
    return fits ? FR_WHY_NOT : FR_WHY_DTYPE;
}

static uint16_t layout_of(const gpu_traits *traits, uint16_t asked, uint16_t own) {
    if (asked != FR_LAYOUT_ANY)
        return asked;
    return own == GPU_LAYOUT_NATIVE ? gpu_block_layout(traits->vec) : own;
}

gpu_conv_dims gpu_conv_dims_of(const fr_step *step) {
    gpu_conv_dims d = {.c = step->src[0].c / step->groups, .co = step->dst.c / step->groups};
    fr_conv_map(step, &d.map_h, &d.map_w);
    double places = (double)d.map_h * d.map_w * step->n, taps = (double)d.c * step->win.kh * step->win.kw;
    d.flops = 2.0 * places * step->dst.c * taps;
    d.bytes = (double)fr_tensor_bytes(&step->src[0], step->n) + (double)fr_tensor_bytes(&step->dst, step->n) +
              4.0 * taps * step->dst.c;
    return d;
}

bool gpu_conv_begin(const gpu_traits *traits, const fr_step *step, uint16_t src, uint16_t dst, fr_candidate *candidate,
                    gpu_conv_dims *out_dims) {
    candidate->refused = (uint16_t)check(step);
    if (candidate->refused)
        return false;
    candidate->dst_layout = layout_of(traits, step->dst.layout, dst);
    candidate->src_layout[0] = layout_of(traits, step->src[0].layout, src);
    if (step->residual)
        candidate->src_layout[1] = step->src[1].layout ? step->src[1].layout : candidate->dst_layout;
    candidate->granule = fr_layout_block(candidate->dst_layout);
    *out_dims = gpu_conv_dims_of(step);
    fr_tensor from = step->src[0], out = gpu_conv_out(step);
    from.layout = candidate->src_layout[0];
    out.layout = candidate->dst_layout;
    uint64_t most = fr_tensor_elements(&from), other = fr_tensor_elements(&out);
    most = most > other ? most : other;
    if (step->residual) {
        fr_tensor added = step->src[1];
        added.layout = candidate->src_layout[1];
        other = fr_tensor_elements(&added);
        most = most > other ? most : other;
    }
    most *= (uint64_t)step->n;
    if (most >= INT32_MAX / 2)
        candidate->refused = FR_WHY_MEMORY;
    return !candidate->refused;
}

fr_tensor gpu_conv_out(const fr_step *step) {
    fr_tensor out = step->dst;
    if (step->pool) {
        fr_conv_map(step, &out.h, &out.w);
        out.dtype = FR_F32;
        out.scale = 0;
    }
    return out;
}

uint64_t gpu_conv_map_bytes(const fr_step *step, uint16_t layout) {
    fr_tensor out = gpu_conv_out(step);
    out.layout = layout;
    return step->pool ? fr_tensor_bytes(&out, step->n) : 0;
}

fr_status gpu_conv_add_pool(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step) {
    fr_tensor map = gpu_conv_out(step);
    return step->pool ? gpu_add_pool(recipe, traits, step, &map, 0) : FR_OK;
}

int32_t gpu_conv_side(const fr_step *step, const fr_tensor *t, int32_t vec) {
    if (t->layout == FR_LAYOUT_NHWC)
        return 2;
    bool begins_at_vectors = step->groups == 1 || t->c / step->groups % vec == 0;
    return fr_layout_block(t->layout) % vec == 0 && begins_at_vectors;
}

int32_t gpu_conv_zeros_from(const fr_step *step, const fr_tensor *out, int32_t vec) {
    return gpu_conv_side(step, out, vec) == 1 ? gpu_round_up(out->c, vec) : out->c;
}

gpu_dispatch *gpu_conv_add(gpu_recipe *recipe, const char *file, const char *kernel, const fr_step *step, int32_t vec,
                           const fr_tensor *out, int32_t role) {
    gpu_dispatch *d = gpu_add(recipe, file, kernel);
    if (!d)
        return NULL;
    /* without a residual its buffer is the source, never read */
    const fr_tensor *src = &step->src[0], *res = step->residual ? &step->src[1] : src;
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    gpu_define_int(d, "VW", vec);
    gpu_define_int(d, "SRC_DTYPE", src->dtype);
    gpu_define_int(d, "RES_DTYPE", res->dtype);
    gpu_define_int(d, "DST_DTYPE", out->dtype);
    gpu_bind_buffer(d, 0, 0, (uint32_t)fr_dtype_bytes((fr_dtype)src->dtype));
    gpu_bind_buffer(d, step->residual ? 1 : 0, 0, (uint32_t)fr_dtype_bytes((fr_dtype)res->dtype));
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, role, 0, (uint32_t)fr_dtype_bytes((fr_dtype)out->dtype));
    gpu_param_strides(d, src);
    gpu_param_strides(d, out);
    gpu_param_strides(d, res);
    gpu_param_window(d, &step->win);
    gpu_param_act(d, step);
    const int32_t words[] = {step->groups,
                             dims.c,
                             dims.co,
                             fr_layout_channels(out->layout, out->c),
                             src->h,
                             src->w,
                             dims.map_h,
                             dims.map_w,
                             step->residual,
                             gpu_conv_side(step, src, vec),
                             gpu_conv_side(step, out, vec),
                             gpu_conv_side(step, res, vec)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, src->scale);
    gpu_param_f(d, res->scale);
    gpu_param_f(d, out->scale);
    return d;
}

bool gpu_conv_pool_is_inside(const fr_step *step) {
    const fr_window *w = &step->pool_win;
    int32_t map_h, map_w;
    fr_conv_map(step, &map_h, &map_w);
    return step->pool == FR_POOL_MAX && w->dh == 1 && w->dw == 1 && w->pad_top == 0 && w->pad_left == 0 &&
           (step->dst.h - 1) * w->sh + w->kh <= map_h && (step->dst.w - 1) * w->sw + w->kw <= map_w;
}

void gpu_conv_pool_params(gpu_dispatch *d, const fr_step *step) {
    gpu_param(d, step->pool);
    gpu_param_window(d, &step->pool_win);
    gpu_param(d, step->pool_win.pad_bottom);
    gpu_param(d, step->pool_win.pad_right);
    gpu_param(d, step->dst.h);
    gpu_param(d, step->dst.w);
}

static void pack_tile(const fr_step *step, const fr_weights *weights, int32_t group, int32_t tile, int32_t wide,
                      gpu_conv_dims dims, float *to_bias, float *to) {
    int32_t kh = step->win.kh, kw = step->win.kw, taps = kh * kw, first = tile * wide;
    for (int32_t lane = 0; lane < wide && first + lane < dims.co; lane++) {
        int32_t o = group * dims.co + first + lane;
        const float *from = weights->weight + (size_t)o * (size_t)dims.c * (size_t)taps;
        to_bias[lane] = gpu_conv_bias(step, weights, o);
        for (int32_t c = 0; c < dims.c; c++)
            for (int32_t tap = 0; tap < taps; tap++)
                to[((size_t)tap * (size_t)dims.c + (size_t)c) * (size_t)wide + (size_t)lane] =
                    from[(size_t)c * (size_t)taps + (size_t)tap];
    }
}

fr_status gpu_conv_pack(const fr_host *host, const fr_step *step, const fr_weights *weights, int32_t wide,
                        gpu_recipe *recipe) {
    gpu_conv_dims dims = gpu_conv_dims_of(step);
    int32_t tiles = gpu_ceil_div(dims.co, wide);
    size_t all = (size_t)tiles * (size_t)step->groups, biases = all * (size_t)wide;
    size_t each = (size_t)step->win.kh * (size_t)step->win.kw * (size_t)dims.c * (size_t)wide;
    HOST_TRY(gpu_pack_new(host, recipe, (biases + all * each) * sizeof(float)));
    float *packed = recipe->packed;
    for (int32_t g = 0; g < step->groups; g++)
        for (int32_t t = 0; t < tiles; t++) {
            size_t at = (size_t)(g * tiles + t);
            pack_tile(step, weights, g, t, wide, dims, packed + at * (size_t)wide, packed + biases + at * each);
        }
    return FR_OK;
}
