/* Chains by tensor cores: one persistent kernel takes whole small models from pixels to logits. Kernel: chain_mma.cu. */
#include <string.h>

#include "base/convert.h"
#include "common/host_device.h"
#include "gpu/chain_mma.h"
#include "gpu/families.h"

enum { INPUTS, WARPS, BLOCKS }; /* of gpu_variant.tile */
enum { RESERVED = 1024 };       /* bytes that a block takes beside what it asks for */

static chain_mma_shape shape_of(const gpu_traits *traits, const gpu_variant *v) {
    int64_t all = (int64_t)traits->shared_bytes + RESERVED;
    return (chain_mma_shape){.inputs = v->tile[INPUTS],
                             .warps = v->tile[WARPS],
                             .blocks = v->tile[BLOCKS],
                             .generation = traits->mma,
                             .most_bytes = all / v->tile[BLOCKS] / 128 * 128 - RESERVED};
}

/* Whether any operation takes the inputs of a group together. */
static bool is_joint(const chain_mma_plan *plan) {
    for (int32_t i = 0; i < plan->n_segments; i++)
        if (plan->segments[i].passes == 1 && plan->segments[i].bands == 1)
            return true;
    return false;
}

/* A block reads the weights of fully connected layers for its few inputs: these must be few, or sums many. */
static bool reads_too_much(const chain_mma_plan *plan, const chain_mma_shape *shape) {
    double bytes = 0;
    for (int32_t i = 0; i < plan->n_ops; i++)
        bytes += plan->ops[i].kind == CHAIN_FC ? (double)plan->ops[i].weights : 0.0;
    return bytes > 256 * 1024 && bytes * 64 > plan->flops * shape->inputs;
}

static uint16_t settle(uint16_t asked) {
    return asked == FR_LAYOUT_ANY ? FR_LAYOUT_NHWC : asked;
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *out,
                double *out_ns) {
    chain_mma_shape shape = shape_of(traits, v);
    chain_mma_plan plan;
    if (!traits->mma || 32u * (uint32_t)shape.warps > traits->max_items) {
        out->refused = FR_WHY_ISA;
        return;
    }
    out->refused = (uint16_t)chain_mma_plan_make(step, &shape, &plan);
    if (!out->refused && shape.inputs > 1 && (!is_joint(&plan) || step->n < shape.inputs))
        out->refused = FR_WHY_SHAPE; /* nothing that one input at a time does not do */
    if (!out->refused && reads_too_much(&plan, &shape))
        out->refused = FR_WHY_SHAPE;
    if (out->refused)
        return;
    bool has_rows = step->sub[step->n_sub - 1].kind == FR_STEP_EMIT;
    out->src_layout[0] = settle(step->src[0].layout);
    out->dst_layout = has_rows && step->dst.layout == FR_LAYOUT_ANY ? FR_LAYOUT_NCHW : settle(step->dst.layout);
    out->granule = 8;
    double units = traits->units ? traits->units : 1, cycle_ns = 0.7;
    double passes = gpu_ceil_div(step->n, (int32_t)units * shape.blocks * shape.inputs);
    *out_ns = 5000 + passes * plan.cycles * shape.inputs * shape.blocks * cycle_ns;
}

/* ---- packing ------------------------------------------------------------------------------------------------------- */

static void put(gpu_recipe *recipe, int64_t at, bool is_bf16, float value) {
    uint16_t bits = is_bf16 ? fr_f32_to_bf16(value) : fr_f32_to_f16(value);
    memcpy((char *)recipe->packed + at, &bits, sizeof bits);
}

static void put_conv(gpu_recipe *recipe, const chain_mma_plan *plan, const chain_mma_op *op, const float *weight,
                     bool is_bf16) {
    const chain_mma_map *from = &plan->maps[op->src];
    int32_t pitch = (op->steps * 16 + 8) * 2, window = op->win.kh * op->win.kw, c, y, x;
    for (int32_t o = 0; o < plan->maps[op->dst].c; o++)
        for (int32_t run = 0; run < op->runs; run++)
            for (int32_t k = 0; k < op->steps * 16; k++)
                if (chain_mma_tap(plan, op, run, k / 8, k % 8, &c, &y, &x))
                    put(recipe, op->weight_at + (int64_t)run * op->run_bytes + (int64_t)o * pitch + 2 * k, is_bf16,
                        weight[((int64_t)o * from->c + c) * window + y * op->win.kw + x]);
}

/* A row of weights for each output, in the order in which its source lies: [row][place][channel by eights], or words. */
static void put_fc(gpu_recipe *recipe, const chain_mma_plan *plan, const chain_mma_op *op, const float *weight,
                   bool is_bf16) {
    const chain_mma_map *from = &plan->maps[op->src];
    int64_t places = (int64_t)from->h * from->w, channels = gpu_round_up(from->c, 8);
    for (int64_t o = 0; o < plan->maps[op->dst].c; o++)
        for (int64_t c = 0; c < from->c; c++)
            for (int64_t p = 0; p < places; p++)
                put(recipe, op->weight_at + 2 * ((o * places + p) * channels + c), is_bf16,
                    weight[(o * from->c + c) * places + p]);
}

static void put_floats(gpu_recipe *recipe, int64_t at, const float *from, int32_t count, float otherwise) {
    float *to = (float *)(void *)((char *)recipe->packed + at);
    for (int32_t i = 0; i < count; i++)
        to[i] = from ? from[i] : otherwise;
}

static fr_status pack(const fr_host *host, const fr_step *step, const chain_mma_plan *plan, const fr_weights *weights,
                      gpu_recipe *recipe) {
    bool is_bf16 = step->compute == FR_PRECISION_BF16;
    if (!weights || !weights->sub)
        return host_fail(host, FR_INVALID, "the chain's weights are missing");
    HOST_TRY(gpu_pack_new(host, recipe, plan->packed_bytes > 0 ? (uint64_t)plan->packed_bytes : 16));
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const chain_mma_op *op = &plan->ops[i];
        const fr_weights *from = &weights->sub[op->sub];
        if (op->kind == CHAIN_INGEST) {
            put_floats(recipe, op->bias_at, from->mean, op->image_c, 0.0f);
            put_floats(recipe, op->bias_at + 4 * op->image_c, from->scale, op->image_c, 1.0f);
        }
        if (op->kind != CHAIN_CONV && op->kind != CHAIN_FC)
            continue;
        bool has_bias = step->sub[op->sub].has_bias;
        if (!from->weight || (has_bias && !from->bias))
            return host_fail(host, FR_INVALID, "weights or bias of step %d of the chain are missing", op->sub);
        if (has_bias)
            put_floats(recipe, op->bias_at, from->bias, plan->maps[op->dst].c, 0.0f);
        if (op->kind == CHAIN_CONV)
            put_conv(recipe, plan, op, from->weight, is_bf16);
        else
            put_fc(recipe, plan, op, from->weight, is_bf16);
    }
    return FR_OK;
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *out) {
    chain_mma_shape shape = shape_of(traits, v);
    chain_mma_plan plan;
    if (chain_mma_plan_make(step, &shape, &plan) != FR_WHY_NOT)
        return host_fail(host, FR_INTERNAL, "a chain that fits has no plan");
    HOST_TRY(pack(host, step, &plan, weights, out));
    gpu_dispatch *d = gpu_add(out, "chain_mma", "chain_mma");
    HOST_TRY(chain_mma_text(host, &plan, step, &d->text));
    fr_tensor from = step->src[0];
    if (step->sub[0].kind == FR_STEP_INGEST)
        from.c = step->sub[0].image_c;
    gpu_define_int(d, "SRC_DTYPE", from.dtype);
    gpu_define_int(d, "DST_DTYPE", step->dst.dtype);
    gpu_define_int(d, "CHAIN_TYPE", step->compute == FR_PRECISION_BF16 ? FR_BF16 : FR_F16);
    gpu_define_int(d, "CHAIN_BLOCKS", shape.blocks);
    gpu_define_int(d, "CHAIN_INPUTS", shape.inputs);
    gpu_define_int(d, "CHAIN_RESIDENT", plan.resident_bytes);
    gpu_define_int(d, "CHAIN_STREAM_AT", plan.stream.at);
    gpu_define_int(d, "CHAIN_STREAM", plan.stream_bytes);
    gpu_define_int(d, "CHAIN_SLOTS", plan.slots);
    gpu_define_int(d, "CHAIN_FROM_USER", step->sub[0].kind == FR_STEP_INGEST);
    gpu_define_int(d, "CHAIN_SKIPS", step->sub[step->n_sub - 1].kind == FR_STEP_EMIT);
    gpu_bind_buffer(d, 0, 0, (uint32_t)fr_dtype_bytes((fr_dtype)from.dtype));
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)step->dst.dtype));
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_param(d, step->n);
    gpu_param(d, plan.n_ops);
    gpu_param(d, step->images);
    gpu_param_strides(d, &from);
    gpu_param_strides(d, &step->dst);
    int32_t groups = gpu_ceil_div(step->n, shape.inputs),
            most = (int32_t)(traits->units ? traits->units : 1) * shape.blocks;
    gpu_grid(d, (uint32_t)(groups < most ? groups : most), 1, 1, 32u * (uint32_t)shape.warps, 1, 1);
    d->shared_bytes = (uint32_t)plan.shared_bytes;
    return FR_OK;
}

#define CHAIN(name_, ...)                                                                                  \
    {                                                                                                      \
        .name = name_, .kinds = GPU_KIND(FR_STEP_CHAIN), .fit = fit, .make = make, .tile = { __VA_ARGS__ } \
    }

/* Inputs of a group, warps of a block, blocks that share a multiprocessor. */
static const gpu_variant variants[] = {
    CHAIN("chain.mma.g1", 1, 8, 1), CHAIN("chain.mma.g1.x2", 1, 8, 2), CHAIN("chain.mma.g2", 2, 8, 1),
    CHAIN("chain.mma.g3", 3, 8, 1), CHAIN("chain.mma.g4", 4, 8, 1),    CHAIN("chain.mma.g2.x2", 2, 8, 2),
};

const gpu_family gpu_family_chain_mma = {variants, (int32_t)(sizeof variants / sizeof variants[0])};
