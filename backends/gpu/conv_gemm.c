/*
 * Convolutions as matrix products of a library (GPU_CALL_GEMM): the windows of all inputs are laid out as a matrix in scratch
 * (shaders: im2col), the product goes straight into the result's place, and one more kernel does the rest there.
 * `im2col.nhwc`: one product over all places of all inputs, or one a group; `im2col.nchw.batched`: one an input. A 1x1 window
 * of stride 1 needs no matrix of its own. Pools work on a whole map in scratch.
 */
#include <string.h>

#include "common/host_device.h"
#include "gpu/families.h"

enum { LANES = 64, SCRATCH_LIMIT = 1 << 30 };

typedef struct conv_shape {
    int32_t n, c, c_out, groups, taps, oh, ow;
    int32_t k;     /* products in a sum */
    int32_t rows;  /* places of all inputs */
    bool is_plain; /* the source is the matrix */
    bool is_nhwc;
    uint64_t columns_bytes, map_bytes; /* in scratch, in this order */
} conv_shape;

static fr_reason measure(const fr_step *step, const gpu_variant *v, conv_shape *out) {
    const fr_window *w = &step->win;
    conv_shape s = {.n = step->n,
                    .c = step->src[0].c,
                    .c_out = step->dst.c,
                    .groups = step->groups,
                    .taps = w->kh * w->kw,
                    .is_nhwc = v->layout == FR_LAYOUT_NHWC};
    fr_conv_map(step, &s.oh, &s.ow);
    s.k = s.c / s.groups * s.taps;
    s.is_plain = s.taps == 1 && w->sh == 1 && w->sw == 1 && w->pad_top == 0 && w->pad_left == 0 && w->pad_bottom == 0 &&
                 w->pad_right == 0;
    double places = (double)s.n * s.oh * s.ow, most = (double)SCRATCH_LIMIT / sizeof(float);
    if (places * s.c * s.taps > most || places * s.c_out > most || (double)s.k * s.c_out > most ||
        (double)s.n * (double)fr_tensor_elements(&step->src[0]) > most)
        return FR_WHY_MEMORY;
    s.rows = (int32_t)places;
    s.columns_bytes = s.is_plain ? 0 : ((uint64_t)places * (uint64_t)(s.c * s.taps) * sizeof(float) + 63) / 64 * 64;
    s.map_bytes = step->pool ? (uint64_t)places * (uint64_t)s.c_out * sizeof(float) : 0;
    *out = s;
    return s.columns_bytes + s.map_bytes > SCRATCH_LIMIT ? FR_WHY_MEMORY : FR_WHY_NOT;
}

static fr_reason check(const gpu_traits *traits, const fr_step *step, const gpu_variant *v) {
    if (!traits->gemm_library)
        return FR_WHY_DRIVER;
    bool is_f32 = step->compute == FR_PRECISION_F32 || step->compute == FR_PRECISION_TF32;
    if (!is_f32 || step->dst.dtype != FR_F32)
        return FR_WHY_DTYPE;
    for (int32_t i = 0; i < step->n_src; i++)
        if (step->src[i].dtype != FR_F32)
            return FR_WHY_DTYPE;
    bool fits = gpu_layout_fits(step->dst.layout, v->layout);
    for (int32_t i = 0; i < step->n_src; i++)
        fits = fits && gpu_layout_fits(step->src[i].layout, v->layout);
    if (!fits)
        return FR_WHY_LAYOUT;
    return step->groups > 1 && v->layout == FR_LAYOUT_NCHW ? FR_WHY_GROUPS : FR_WHY_NOT;
}

static double guess(const gpu_traits *traits, const conv_shape *s) {
    double flops = 2.0 * s->rows * s->k * s->c_out;
    double bytes = 2.0 * (double)(s->columns_bytes + s->map_bytes) + 12.0 * s->rows * s->c_out;
    double calls = traits->is_cpu ? 50e3 : 100e3; /* of the library */
    return gpu_guess_ns(traits, flops, bytes, traits->is_cpu ? 0.1 : 0.6) + calls * (s->is_nhwc ? s->groups : 1);
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    conv_shape s;
    fr_reason why = check(traits, step, v);
    if (!why)
        why = measure(step, v, &s);
    candidate->refused = (uint16_t)why;
    if (why)
        return;
    candidate->src_layout[0] = candidate->src_layout[1] = candidate->dst_layout = v->layout;
    candidate->scratch_bytes = s.columns_bytes + s.map_bytes;
    candidate->granule = 1;
    *out_ns = guess(traits, &s);
}

/* NHWC: matrix[group][tap][channel][output], the right-hand side; NCHW: as it comes, the left-hand side. Then the bias. */
static fr_status pack(const fr_host *host, const fr_step *step, const conv_shape *s, const fr_weights *weights,
                      gpu_recipe *recipe, uint64_t *out_bias_at) {
    int32_t few = s->c / s->groups, outs = s->c_out / s->groups;
    uint64_t count = (uint64_t)s->k * (uint64_t)s->c_out;
    *out_bias_at = (count * sizeof(float) + 63) / 64 * 64;
    if (!weights->weight || (step->has_bias && !weights->bias))
        return host_fail(host, FR_INVALID, "a convolution comes without its %s", weights->weight ? "bias" : "weights");
    HOST_TRY(gpu_pack_new(host, recipe, *out_bias_at + (uint64_t)s->c_out * sizeof(float)));
    float *to = recipe->packed;
    if (step->has_bias)
        memcpy((char *)recipe->packed + *out_bias_at, weights->bias, (size_t)s->c_out * sizeof(float));
    if (!s->is_nhwc) {
        memcpy(to, weights->weight, count * sizeof(float));
        return FR_OK;
    }
    for (int32_t o = 0; o < s->c_out; o++)
        for (int32_t i = 0; i < few; i++)
            for (int32_t tap = 0; tap < s->taps; tap++) {
                size_t row = ((size_t)(o / outs) * (size_t)s->taps + (size_t)tap) * (size_t)few + (size_t)i;
                to[row * (size_t)outs + (size_t)(o % outs)] =
                    weights->weight[((size_t)o * (size_t)few + (size_t)i) * (size_t)s->taps + (size_t)tap];
            }
    return FR_OK;
}

/* Work of `count` pieces that neighbours on a GPU take one by one, and a core in runs. */
static void spread(gpu_dispatch *d, const gpu_traits *traits, int64_t count, int32_t *out_each) {
    uint32_t lanes = traits->is_cpu ? 1 : LANES;
    int64_t runs = 8 * (int64_t)(traits->units ? traits->units : 1);
    int64_t each = traits->is_cpu ? (count + runs - 1) / runs : 1;
    int64_t items = (count + each - 1) / each;
    gpu_define_int(d, "VW", traits->vec);
    gpu_grid(d, (uint32_t)((items + lanes - 1) / lanes), 1, 1, lanes, 1, 1);
    *out_each = (int32_t)each;
}

static fr_status add_im2col(const fr_host *host, const gpu_traits *traits, const fr_step *step, const conv_shape *s,
                            gpu_recipe *recipe) {
    gpu_dispatch *d = gpu_add(recipe, "im2col", s->is_nhwc ? "im2col_rows" : "im2col_maps");
    if (!d)
        return host_fail(host, FR_INTERNAL, "a convolution has too many dispatches");
    int64_t numbers = (int64_t)s->rows * s->c * s->taps;
    int64_t lines = s->is_nhwc ? s->rows : (int64_t)s->n * s->c * s->taps * s->oh;
    int32_t each;
    spread(d, traits, traits->is_cpu ? lines : numbers, &each);
    gpu_bind_buffer(d, 0, 0, sizeof(float));
    gpu_bind_buffer(d, GPU_SCRATCH, 0, sizeof(float));
    const int32_t words[] = {s->n, s->c, step->src[0].h, step->src[0].w, s->oh, s->ow, s->groups, each};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_window(d, &step->win);
    return FR_OK;
}

static gpu_gemm product(const conv_shape *s) {
    int32_t outs = s->c_out / s->groups, places = s->oh * s->ow, width = s->c * s->taps;
    if (s->is_nhwc)
        return (gpu_gemm){.m = s->rows,
                          .n = outs,
                          .k = s->k,
                          .lda = width,
                          .ldb = outs,
                          .ldc = s->c_out,
                          .batch = s->groups,
                          .a_stride = (uint64_t)s->k,
                          .b_stride = (uint64_t)s->k * (uint64_t)outs,
                          .c_stride = (uint64_t)outs};
    return (gpu_gemm){.m = s->c_out,
                      .n = places,
                      .k = s->k,
                      .lda = s->k,
                      .ldb = places,
                      .ldc = places,
                      .batch = s->n,
                      .b_stride = (uint64_t)s->k * (uint64_t)places,
                      .c_stride = (uint64_t)s->c_out * (uint64_t)places};
}

static fr_status add_product(const fr_host *host, const fr_step *step, const conv_shape *s, gpu_recipe *recipe) {
    gpu_dispatch *d = gpu_add(recipe, "gemm", "gemm");
    if (!d)
        return host_fail(host, FR_INTERNAL, "a convolution has too many dispatches");
    d->call = GPU_CALL_GEMM;
    d->gemm = product(s);
    int32_t source = s->is_plain ? 0 : GPU_SCRATCH;
    gpu_bind_buffer(d, s->is_nhwc ? source : GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, s->is_nhwc ? GPU_WEIGHT : source, 0, sizeof(float));
    gpu_bind_buffer(d, step->pool ? GPU_SCRATCH : GPU_DST, step->pool ? s->columns_bytes : 0, sizeof(float));
    return FR_OK;
}

static fr_status add_end(const fr_host *host, const gpu_traits *traits, const fr_step *step, const conv_shape *s,
                         uint64_t bias_at, gpu_recipe *recipe) {
    if (!step->has_bias && !step->residual && !step->act)
        return FR_OK;
    gpu_dispatch *d = gpu_add(recipe, "im2col", "gemm_end");
    if (!d)
        return host_fail(host, FR_INTERNAL, "a convolution has too many dispatches");
    int32_t lines = s->is_nhwc ? s->rows : s->n * s->c_out, line = s->is_nhwc ? s->c_out : s->oh * s->ow, each;
    spread(d, traits, (int64_t)lines * gpu_ceil_div(line, traits->vec), &each);
    int32_t out = step->pool ? GPU_SCRATCH : GPU_DST;
    uint64_t out_at = step->pool ? s->columns_bytes : 0;
    gpu_bind_buffer(d, out, out_at, sizeof(float));
    gpu_bind_buffer(d, GPU_WEIGHT, bias_at, sizeof(float));
    gpu_bind_buffer(d, step->residual ? 1 : out, step->residual ? 0 : out_at, sizeof(float));
    const int32_t words[] = {lines, line, s->is_nhwc ? 0 : s->c_out, step->has_bias, step->residual, each};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_act(d, step);
    return FR_OK;
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *recipe) {
    conv_shape s;
    uint64_t bias_at;
    if (check(traits, step, v) || measure(step, v, &s))
        return host_fail(host, FR_INTERNAL, "kernel %s is made for a step that it refused", v->name);
    HOST_TRY(pack(host, step, &s, weights, recipe, &bias_at));
    if (!s.is_plain)
        HOST_TRY(add_im2col(host, traits, step, &s, recipe));
    HOST_TRY(add_product(host, step, &s, recipe));
    HOST_TRY(add_end(host, traits, step, &s, bias_at, recipe));
    if (!step->pool)
        return FR_OK;
    const fr_tensor map = {.c = s.c_out, .h = s.oh, .w = s.ow, .dtype = FR_F32, .layout = v->layout};
    return gpu_add_pool(recipe, traits, step, &map, s.columns_bytes);
}

static const gpu_variant variants[] = {
    {.name = "im2col.nhwc", .kinds = GPU_KIND(FR_STEP_CONV), .fit = fit, .make = make, .layout = FR_LAYOUT_NHWC},
    {.name = "im2col.nchw.batched",
     .kinds = GPU_KIND(FR_STEP_CONV),
     .fit = fit,
     .make = make,
     .layout = FR_LAYOUT_NCHW},
};

const gpu_family gpu_family_conv_gemm = {variants, (int32_t)(sizeof variants / sizeof variants[0])};
