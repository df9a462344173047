/* What the families of fully connected layers have in common. */
#include "common/host_device.h"
#include "gpu/fc.h"

static bool is_float(uint16_t dtype) {
    return dtype == FR_F32 || dtype == FR_F16 || dtype == FR_BF16;
}

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static fr_reason check_dtypes(const fr_step *step) {
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    bool is_f32 = step->compute == FR_PRECISION_F32 || step->compute == FR_PRECISION_TF32;
    bool computes = (is_f32 && src->dtype == FR_F32) || (step->compute == FR_PRECISION_F16 && src->dtype == FR_F16) ||
                    (step->compute == FR_PRECISION_BF16 && src->dtype == FR_BF16);
    if (!computes || (!is_float(dst->dtype) && !is_byte(dst->dtype)))
        return FR_WHY_DTYPE;
    bool reads_residual = !step->residual || (step->src[1].dtype == dst->dtype && is_float(dst->dtype));
    return reads_residual ? FR_WHY_NOT : FR_WHY_DTYPE;
}

fr_reason gpu_fc_open(const gpu_traits *traits, const fr_step *step, uint16_t layout, fr_candidate *candidate,
                      gpu_fc_shape *out_shape) {
    fr_reason why = check_dtypes(step);
    if (why)
        return why;
    fr_tensor src = step->src[0], dst = step->dst;
    bool is_map = src.h * src.w > 1;
    uint16_t own = gpu_block_layout(traits->vec);
    if (layout && (layout == own || !is_map)) /* another name for what is offered anyway */
        return FR_WHY_LAYOUT;
    /* one place a channel: without padding all layouts are the same */
    uint16_t wanted = layout ? layout : is_map ? own : FR_LAYOUT_NCHW;
    if (layout && !gpu_layout_fits(src.layout, layout))
        return FR_WHY_LAYOUT;
    src.layout = src.layout == FR_LAYOUT_ANY ? wanted : src.layout;
    dst.layout = dst.layout == FR_LAYOUT_ANY ? FR_LAYOUT_NCHW : dst.layout;
    candidate->src_layout[0] = src.layout;
    candidate->dst_layout = dst.layout;
    *out_shape = (gpu_fc_shape){.n = step->n, .n_out = dst.c, .dst_row = fr_layout_channels(dst.layout, dst.c)};
    if (step->residual) {
        uint16_t residual = step->src[1].layout == FR_LAYOUT_ANY ? dst.layout : step->src[1].layout;
        candidate->src_layout[1] = residual;
        out_shape->res_row = fr_layout_channels(residual, dst.c);
    }
    uint64_t k = fr_tensor_elements(&src), n = (uint64_t)step->n, widest = 1u << 30;
    if (k > widest || n > widest || n * k > widest || k * (uint64_t)gpu_round_up(out_shape->dst_row, 512) > widest ||
        n * (uint64_t)gpu_round_up(out_shape->dst_row, 512) > widest)
        return FR_WHY_MEMORY; /* indices are 32 bits wide */
    out_shape->k = (int32_t)k;
    return FR_WHY_NOT;
}

fr_status gpu_fc_pack(const fr_host *host, const fr_step *step, const fr_weights *weights, uint16_t dtype,
                      int32_t columns, int32_t n_columns, gpu_recipe *recipe, uint64_t *out_bias_at) {
    const fr_tensor *src = &step->src[0];
    uint64_t k = fr_tensor_elements(src), width = (uint64_t)columns;
    uint64_t bytes = (k * (uint64_t)n_columns * fr_dtype_bytes((fr_dtype)dtype) + 63) / 64 * 64;
    *out_bias_at = bytes;
    if (!weights->weight || (step->has_bias && !weights->bias))
        return host_fail(host, FR_INVALID, "a fully connected step comes without its %s",
                         weights->weight ? "bias" : "weights");
    HOST_TRY(gpu_pack_new(host, recipe, bytes + (uint64_t)n_columns * sizeof(float)));
    const float *from = weights->weight;
    for (int32_t o = 0; o < step->dst.c; o++) {
        uint64_t first = (uint64_t)o / width * k * width + (uint64_t)o % width;
        for (int32_t c = 0; c < src->c; c++)
            for (int32_t y = 0; y < src->h; y++)
                for (int32_t x = 0; x < src->w; x++)
                    gpu_pack_put(recipe, 0, dtype, first + fr_tensor_index(src, 0, c, y, x) * width, *from++);
        if (step->has_bias)
            gpu_pack_put(recipe, bytes, FR_F32, (uint64_t)o, weights->bias[o]);
    }
    return FR_OK;
}

void gpu_fc_params(gpu_dispatch *d, const fr_step *step, const gpu_fc_shape *shape, const gpu_fc_work *work) {
    bool ends = !work->is_partial;
    const int32_t words[] = {shape->n,
                             shape->k,
                             ends ? shape->n_out : work->sum_row,
                             ends ? shape->dst_row : work->sum_row,
                             shape->res_row,
                             ends && step->has_bias,
                             ends && step->residual,
                             work->item_rows,
                             work->k_part,
                             shape->n * work->sum_row,
                             work->parts,
                             work->sum_row};
    const fr_step plain = {.act = FR_ACT_NONE};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_act(d, ends ? step : &plain);
    gpu_param_f(d, is_byte(step->dst.dtype) ? step->dst.scale : 1.0f);
}

fr_status gpu_fc_add_sum(const fr_host *host, gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step,
                         const gpu_fc_shape *shape, int32_t parts, int32_t sum_row, uint64_t bias_at) {
    enum { LANES = 64 };
    const fr_tensor *dst = &step->dst;
    uint32_t item = (uint32_t)fr_dtype_bytes((fr_dtype)dst->dtype), lanes = traits->is_cpu ? 1 : LANES;
    int32_t vectors = gpu_ceil_div(shape->dst_row, traits->vec) * shape->n;
    /* a core takes a run of vectors at once: groups of one item are not free */
    int32_t each = traits->is_cpu ? gpu_ceil_div(vectors, 8 * (int32_t)traits->units) : 1;
    gpu_dispatch *d = gpu_add(recipe, "fc", "fc_sum");
    if (!d)
        return host_fail(host, FR_INTERNAL, "a fully connected step has too many dispatches");
    gpu_define_int(d, "FC_FORM", 4);
    gpu_define_int(d, "DST_DTYPE", dst->dtype);
    gpu_define_int(d, "VW", traits->vec);
    gpu_bind_buffer(d, GPU_SCRATCH, 0, sizeof(float));
    gpu_bind_buffer(d, GPU_WEIGHT, bias_at, sizeof(float));
    gpu_bind_buffer(d, step->residual ? 1 : GPU_DST, 0, item);
    gpu_bind_buffer(d, GPU_DST, 0, item);
    gpu_fc_params(d, step, shape, &(gpu_fc_work){.item_rows = each, .parts = parts, .sum_row = sum_row});
    gpu_grid(d, (uint32_t)gpu_ceil_div(gpu_ceil_div(vectors, each), (int32_t)lanes), 1, 1, lanes, 1, 1);
    return FR_OK;
}
