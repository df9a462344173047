/*
 * Winograd over tiles, in f32: see wino.h. For bf16 steps too: their products are formed in f32, which is more than the step asks
 * for, and a quarter of the products can beat bf16's twice as fast ones.
 */
#include <string.h>

#include "conv.h"

static fr_reason plan_tiles(const cpu_wino_kernels *kernels, int32_t side, const fr_step *step,
                            const cpu_conv_plan *plan, cpu_own_use *use) {
    if (kernels == NULL)
        return FR_WHY_ISA;
    int32_t lanes = kernels->lanes;
    fr_reason why = cpu_own_winograd_trouble(step, lanes);
    if (why != FR_WHY_NOT)
        return why;
    if (step->compute == FR_PRECISION_INT8 || (step->residual && step->src[1].dtype != FR_F32))
        return FR_WHY_DTYPE;
    cpu_wino *w = &use->is.tiles.of;
    *w = (cpu_wino){.side = side,
                    .n = (plan->inner + (int32_t)use->shares - 1) / (int32_t)use->shares,
                    .h = plan->in.h,
                    .w = plan->in.w,
                    .out_h = plan->out.h,
                    .out_w = plan->out.w,
                    .pad_top = step->win.pad_top,
                    .pad_left = step->win.pad_left,
                    .in_blocks = cpu_own_blocks(plan->in.c, lanes),
                    .out_blocks = cpu_own_blocks(plan->out.c, lanes),
                    .c_in = plan->in.c,
                    .c_out = plan->out.c,
                    .act = step->act,
                    .act_a = step->act_a,
                    .act_b = step->act_b};
    use->kernels = kernels;
    use->share_bytes = cpu_wino_scratch_bytes(w, kernels);
    use->is.tiles.u_bytes = cpu_wino_weight_count(w, lanes) * sizeof(float);
    use->weight_bytes = use->is.tiles.u_bytes + (uint64_t)w->out_blocks * (uint64_t)lanes * sizeof(float);
    return FR_WHY_NOT;
}

static fr_reason plan4(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_own_use *use) {
    return plan_tiles(device->kernels->wino4, 4, step, plan, use);
}

static fr_reason plan5(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_own_use *use) {
    return plan_tiles(device->kernels->wino5, 5, step, plan, use);
}

static void pack(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_wino_kernels *kernels = use->kernels;
    kernels->weights(&use->is.tiles.of, weights->weight, to);
    if (step->has_bias)
        memcpy((char *)to + use->is.tiles.u_bytes, weights->bias, (size_t)step->dst.c * sizeof(float));
}

static void run(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_wino_kernels *kernels = use->kernels;
    const char *weights = run->weights;
    cpu_wino share = use->is.tiles.of;
    share.n = run->images;
    kernels->run(&share, run->src, (const float *)(const void *)weights,
                 (const float *)(const void *)(weights + use->is.tiles.u_bytes), run->residual, run->dst, run->scratch);
}

#define TILES(side)                                                                                                \
    {                                                                                                              \
        .word = "wino" #side, .is_inexact = true, .pairs = {{CPU_OWN_BLOCKS, CPU_OWN_BLOCKS}}, .plan = plan##side, \
        .pack = pack, .run = run                                                                                   \
    }
const cpu_own cpu_own_wino4 = TILES(4);
const cpu_own cpu_own_wino5 = TILES(5);
