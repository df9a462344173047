/* First layers: see wino_rows.h. For bf16 steps too: their products are formed in f32, which is more than the step asks for. */
#include <string.h>

#include "conv.h"

/* With more channels the sums no longer hide what lies around them. */
enum { MOST_CHANNELS = 16 };

static bool reads(const fr_step *step, uint16_t dtype) {
    (void)step;
    return dtype == FR_F32 || dtype == FR_BF16;
}

static bool writes(const fr_step *step, uint16_t dtype) {
    (void)step;
    return dtype == FR_F32 || dtype == FR_BF16 || dtype == FR_U8 || dtype == FR_S8;
}

/* Maxima of what comes before act, which then has to keep their order. Windows lie on the map wholly. */
static bool pools(const fr_step *step) {
    const fr_window *k = &step->pool_win;
    int32_t h, w;
    fr_conv_map(step, &h, &w);
    bool usual = k->kh == k->kw && (k->kh == 2 || k->kh == 3) && k->sh == k->sw && (k->sh == 1 || k->sh == 2) &&
                 k->dh == 1 && k->dw == 1;
    bool inside = k->pad_top == 0 && k->pad_left == 0 && (step->dst.h - 1) * k->sh + k->kh <= h &&
                  (step->dst.w - 1) * k->sw + k->kw <= w;
    bool rises = step->act != FR_ACT_LEAKY || step->act_a >= 0.0f;
    return step->pool == FR_POOL_MAX && usual && inside && rises;
}

static fr_reason plan_rows(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_own_use *use) {
    const cpu_wino_rows_kernels *kernels = device->kernels->wino_rows;
    if (kernels == NULL)
        return FR_WHY_ISA;
    int32_t lanes = kernels->lanes;
    bool interleaved = plan->out.layout == FR_LAYOUT_NHWC;
    fr_reason why = cpu_own_winograd_trouble(step, interleaved ? 1 : lanes);
    if (why != FR_WHY_NOT)
        return why;
    if (step->compute == FR_PRECISION_INT8)
        return FR_WHY_DTYPE;
    if (step->residual)
        return FR_WHY_EPILOGUE;
    if (plan->in.c > MOST_CHANNELS)
        return FR_WHY_SHAPE;
    uint64_t map = (uint64_t)plan->out.h * (uint64_t)plan->out.w;
    const fr_window *k = &step->pool_win;
    cpu_wino_rows *w = &use->is.rows.of;
    *w = (cpu_wino_rows){.h = plan->in.h,
                         .w = plan->in.w,
                         .pad_top = step->win.pad_top,
                         .pad_left = step->win.pad_left,
                         .c_in = plan->in.c,
                         .c_out = plan->out.c,
                         .out_h = plan->pools ? (plan->out.h - 1) * k->sh + k->kh : plan->out.h,
                         .out_w = plan->pools ? (plan->out.w - 1) * k->sw + k->kw : plan->out.w,
                         .side = plan->pools ? k->kh : 0,
                         .stride = plan->pools ? k->sh : 0,
                         .dst_h = plan->out.h,
                         .dst_w = plan->out.w,
                         .out_blocks = cpu_own_blocks(plan->out.c, lanes),
                         .interleaved = interleaved,
                         .place_step = (uint64_t)(interleaved ? plan->out.c : lanes),
                         .block_step = (interleaved ? 1 : map) * (uint64_t)lanes,
                         .from = plan->in.dtype,
                         .dtype = plan->out.dtype,
                         .per_unit = 1.0f / plan->unit,
                         .act = step->act,
                         .act_a = step->act_a,
                         .act_b = step->act_b};
    use->kernels = kernels;
    use->share_bytes = cpu_wino_rows_scratch_bytes(w, lanes);
    use->is.rows.u_bytes = cpu_wino_rows_weight_count(w, lanes) * sizeof(float);
    use->weight_bytes = use->is.rows.u_bytes + (uint64_t)w->out_blocks * (uint64_t)lanes * sizeof(float);
    return FR_WHY_NOT;
}

static void pack(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_wino_rows_kernels *kernels = use->kernels;
    kernels->weights(&use->is.rows.of, weights->weight, to);
    if (step->has_bias)
        memcpy((char *)to + use->is.rows.u_bytes, weights->bias, (size_t)step->dst.c * sizeof(float));
}

static void run(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_wino_rows_kernels *kernels = use->kernels;
    const char *weights = run->weights, *src = run->src;
    char *dst = run->dst;
    for (int32_t i = 0; i < run->images; i++, src += use->src_step, dst += use->dst_step)
        kernels->run(&use->is.rows.of, src, (const float *)(const void *)weights,
                     (const float *)(const void *)(weights + use->is.rows.u_bytes), dst, run->scratch);
}

const cpu_own cpu_own_wino_rows = {.word = "first",
                                   .is_inexact = true,
                                   .pairs = {{FR_LAYOUT_NCHW, CPU_OWN_BLOCKS}, {FR_LAYOUT_NCHW, FR_LAYOUT_NHWC}},
                                   .reads = reads,
                                   .writes = writes,
                                   .pools = pools,
                                   .plan = plan_rows,
                                   .pack = pack,
                                   .run = run};
