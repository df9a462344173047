/* Direct convs on AMX tiles, int8 and bf16: see amx.h. */
#include "conv.h"

static bool reads(const fr_step *step, uint16_t dtype) {
    if (step->compute == FR_PRECISION_INT8)
        return dtype == FR_U8 || dtype == FR_S8;
    return dtype == FR_BF16;
}

static bool writes(const fr_step *step, uint16_t dtype) {
    (void)step;
    return dtype == FR_F32 || dtype == FR_BF16 || dtype == FR_U8 || dtype == FR_S8;
}

static fr_reason trouble(const fr_step *step, const cpu_conv_plan *plan) {
    const fr_window *k = &step->win;
    bool int8 = step->compute == FR_PRECISION_INT8;
    if (step->kind != FR_STEP_CONV)
        return FR_WHY_KIND;
    if (step->compute == FR_PRECISION_F32 || (int8 && plan->in.dtype == FR_F32))
        return FR_WHY_DTYPE;
    if (k->dh != 1 || k->dw != 1)
        return FR_WHY_DILATION;
    if (step->groups != 1)
        return FR_WHY_GROUPS;
    if (k->sh > 2 || k->sw > 2 || k->kh > CPU_AMX_MOST_HIGH)
        return FR_WHY_SHAPE;
    if (step->residual)
        return FR_WHY_EPILOGUE;
    return cpu_act_scales(step->act) ? FR_WHY_NOT : FR_WHY_ACTIVATION;
}

static fr_reason plan_amx(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_own_use *use) {
    const cpu_amx_kernels *kernels = device->kernels->amx;
    if (kernels == NULL)
        return FR_WHY_ISA;
    fr_reason why = trouble(step, plan);
    if (why != FR_WHY_NOT)
        return why;
    cpu_amx *a = &use->is.amx;
    *a = (cpu_amx){.h = plan->in.h,
                   .w = plan->in.w,
                   .out_h = plan->out.h,
                   .out_w = plan->out.w,
                   .c_in = plan->in.c,
                   .c_out = plan->out.c,
                   .kh = step->win.kh,
                   .kw = step->win.kw,
                   .sh = step->win.sh,
                   .sw = step->win.sw,
                   .pad_top = step->win.pad_top,
                   .pad_left = step->win.pad_left,
                   .from = plan->in.dtype,
                   .dtype = plan->out.dtype,
                   .from_blocks = plan->in.layout == FR_LAYOUT_NCHW16C,
                   .to_blocks = plan->out.layout == FR_LAYOUT_NCHW16C,
                   .per_unit = 1.0f / plan->unit,
                   .act = step->act,
                   .act_a = step->act_a,
                   .act_b = step->act_b};
    cpu_amx_shape(a);
    use->kernels = kernels;
    use->share_bytes = a->scratch_bytes;
    use->weight_bytes = a->weight_bytes;
    return FR_WHY_NOT;
}

static void pack(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_amx_kernels *kernels = use->kernels;
    const cpu_amx *a = &use->is.amx;
    bool int8 = cpu_amx_is_int8(a);
    kernels->pack(a, int8 ? (const void *)weights->weight_s8 : weights->weight, int8 ? weights->weight_scale : NULL,
                  int8 ? step->src[0].scale : 1.0f, step->has_bias ? weights->bias : NULL, to);
}

static void run(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_amx_kernels *kernels = use->kernels;
    kernels->run(&use->is.amx, run->images, run->src, run->weights, run->dst, run->scratch);
}

const cpu_own cpu_own_amx = {.word = "amx",
                             .pairs = {{FR_LAYOUT_NHWC, FR_LAYOUT_NHWC}, {FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW16C}},
                             .reads = reads,
                             .writes = writes,
                             .plan = plan_amx,
                             .pack = pack,
                             .run = run};
