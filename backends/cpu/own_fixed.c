/* Winograd with products of 16-bit integers: see fixed.h. */
#include "conv.h"
#include "fixed.h"

/* With more, weights leave the cache, and oneDNN's direct convs are near their peak. */
enum { MOST_CHANNELS = 256 };

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static bool reads(const fr_step *step, uint16_t dtype) {
    return step->compute == FR_PRECISION_INT8 ? is_byte(dtype) : dtype == FR_BF16;
}

static bool writes(const fr_step *step, uint16_t dtype) {
    (void)step;
    return dtype == FR_F32 || dtype == FR_BF16 || is_byte(dtype);
}

static cpu_fixed_map map_of(const fr_tensor *t, int32_t lanes) {
    bool interleaved = t->layout == FR_LAYOUT_NHWC;
    return (cpu_fixed_map){.dtype = t->dtype,
                           .image_step = (int64_t)fr_tensor_elements(t),
                           .place_step = interleaved ? t->c : lanes,
                           .block_step = (interleaved ? 1 : (int64_t)t->h * t->w) * lanes};
}

static fr_reason plan_fixed(const cpu_fixed_kernels *kernels, const fr_step *step, const cpu_conv_plan *plan,
                            cpu_own_use *use) {
    if (kernels == NULL)
        return FR_WHY_ISA;
    int32_t lanes = kernels->lanes;
    fr_reason why = cpu_own_winograd_trouble(step, lanes);
    if (why != FR_WHY_NOT)
        return why;
    bool is_int8 = step->compute == FR_PRECISION_INT8;
    if (is_int8 ? !is_byte(plan->in.dtype) : step->compute != FR_PRECISION_BF16)
        return FR_WHY_DTYPE;
    if (plan->in.c > MOST_CHANNELS)
        return FR_WHY_SHAPE;
    float unit = plan->unit;
    const fr_tensor *residual = &step->src[1];
    cpu_fixed *f = &use->is.fixed.of;
    *f = (cpu_fixed){.n = (plan->inner + (int32_t)use->shares - 1) / (int32_t)use->shares,
                     .h = plan->in.h,
                     .w = plan->in.w,
                     .out_h = plan->out.h,
                     .out_w = plan->out.w,
                     .pad_top = step->win.pad_top,
                     .pad_left = step->win.pad_left,
                     .c_in = plan->in.c,
                     .c_out = plan->out.c,
                     .src = map_of(&plan->in, lanes),
                     .dst = map_of(&plan->out, lanes),
                     .is_blocked = plan->out.layout != FR_LAYOUT_NHWC,
                     .act = step->act,
                     .act_a = step->act == FR_ACT_CLIP ? step->act_a / unit : step->act_a,
                     .act_b = step->act == FR_ACT_CLIP ? step->act_b / unit : step->act_b};
    f->residual = f->dst;
    f->residual.dtype = step->residual ? residual->dtype : plan->out.dtype;
    f->residual_unit = (is_byte(f->residual.dtype) ? residual->scale : 1.0f) / unit;
    use->is.fixed.unit = unit;
    use->kernels = kernels;
    use->share_bytes = cpu_fixed_scratch_bytes(f, kernels);
    use->weight_bytes = cpu_fixed_parts_of(f, kernels).end;
    return FR_WHY_NOT;
}

static void pack(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_fixed_kernels *kernels = use->kernels;
    bool is_int8 = step->compute == FR_PRECISION_INT8;
    cpu_fixed_weights from = {.weight = is_int8 ? NULL : weights->weight,
                              .weight_s8 = is_int8 ? weights->weight_s8 : NULL,
                              .weight_scale = is_int8 ? weights->weight_scale : NULL,
                              .bias = step->has_bias ? weights->bias : NULL,
                              .unit = is_int8 ? step->src[0].scale / use->is.fixed.unit : 1.0f / use->is.fixed.unit,
                              .bias_unit = 1.0f / use->is.fixed.unit};
    kernels->pack(&use->is.fixed.of, &from, to);
}

static void run(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_fixed_kernels *kernels = use->kernels;
    cpu_fixed share = use->is.fixed.of;
    share.n = run->images;
    kernels->run(&share, run->weights, run->src, run->residual, run->dst, run->scratch);
}

/* A table's line: word, tiles of the device's kernels. */
#define FIXED(name, kernels_of)                                                                                 \
    static fr_reason plan_##kernels_of(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, \
                                       cpu_own_use *use) {                                                      \
        return plan_fixed(device->kernels->kernels_of, step, plan, use);                                        \
    }                                                                                                           \
    const cpu_own cpu_own_##kernels_of = {                                                                      \
        .word = name,                                                                                           \
        .is_inexact = true,                                                                                     \
        .pairs = {{CPU_OWN_BLOCKS, CPU_OWN_BLOCKS}, {FR_LAYOUT_NHWC, FR_LAYOUT_NHWC}},                          \
        .reads = reads,                                                                                         \
        .writes = writes,                                                                                       \
        .plan = plan_##kernels_of,                                                                              \
        .pack = pack,                                                                                           \
        .run = run}

FIXED("wino4s16", fixed44);
FIXED("wino5s16", fixed55);
