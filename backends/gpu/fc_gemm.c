/* Fully connected layers by a library's matrix product (GPU_CALL_GEMM) into scratch, and our kernel for what comes after. */
#include "common/host_device.h"
#include "gpu/families.h"
#include "gpu/fc.h"

/* Vectors of the last kernel must not read past a row of sums. */
static int32_t sum_row_of(const gpu_traits *traits, const gpu_fc_shape *shape) {
    return gpu_round_up(shape->n_out, traits->vec);
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    gpu_fc_shape shape;
    fr_reason why = !traits->gemm_library          ? FR_WHY_DRIVER
                    : step->src[0].dtype != FR_F32 ? FR_WHY_DTYPE
                                                   : gpu_fc_open(traits, step, v->layout, candidate, &shape);
    candidate->refused = (uint16_t)why;
    if (why)
        return;
    candidate->scratch_bytes = (uint64_t)shape.n * (uint64_t)sum_row_of(traits, &shape) * sizeof(float);
    candidate->granule = 1;
    if (candidate->scratch_bytes > 1u << 30)
        candidate->refused = FR_WHY_MEMORY;
    double flops = 2.0 * shape.n * shape.k * shape.n_out;
    double bytes = 4.0 * ((double)shape.k * (shape.n + shape.n_out)) + 2.0 * (double)candidate->scratch_bytes;
    *out_ns = gpu_guess_ns(traits, flops, bytes, traits->is_cpu ? 0.1 : 0.6) + (traits->is_cpu ? 50e3 : 100e3);
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *recipe) {
    gpu_fc_shape shape;
    fr_candidate unused = {0};
    uint64_t bias_at;
    if (gpu_fc_open(traits, step, v->layout, &unused, &shape))
        return host_fail(host, FR_INTERNAL, "kernel %s is made for a step that it refused", v->name);
    int32_t sum_row = sum_row_of(traits, &shape);
    /* fc_sum reads whole vectors of biases where dst has columns, a block's padding included */
    HOST_TRY(gpu_fc_pack(host, step, weights, FR_F32, sum_row, gpu_round_up(shape.dst_row, sum_row), recipe, &bias_at));
    gpu_dispatch *d = gpu_add(recipe, "gemm", "gemm");
    if (!d)
        return host_fail(host, FR_INTERNAL, "a fully connected step has too many dispatches");
    d->call = GPU_CALL_GEMM;
    d->gemm = (gpu_gemm){
        .m = shape.n, .n = shape.n_out, .k = shape.k, .lda = shape.k, .ldb = sum_row, .ldc = sum_row, .batch = 1};
    gpu_bind_buffer(d, 0, 0, sizeof(float));
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, GPU_SCRATCH, 0, sizeof(float));
    return gpu_fc_add_sum(host, recipe, traits, step, &shape, 1, sum_row, bias_at);
}

#define FC_GEMM(name_, layout_) \
    { .name = (name_), .kinds = GPU_KIND(FR_STEP_FC), .fit = fit, .make = make, .layout = (layout_) }

static const gpu_variant variants[] = {
    FC_GEMM("fc.gemm", FR_LAYOUT_ANY),
    FC_GEMM("fc.gemm.nhwc", FR_LAYOUT_NHWC),
    FC_GEMM("fc.gemm.nchw", FR_LAYOUT_NCHW),
};

const gpu_family gpu_family_fc_gemm = {variants, (int32_t)(sizeof variants / sizeof variants[0])};
