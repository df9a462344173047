/*
 * Our own Winograds where the step allows them: see wino.h and wino_rows.h. For bf16 steps too: their products are formed
 * in f32, which is more than the step asks for, and a quarter of the products can beat bf16's twice as fast ones.
 */
#include <string.h>

#include "conv.h"

static bool zero_stays(const fr_step *step) {
    return step->act != FR_ACT_CLIP || (step->act_a <= 0.0f && step->act_b >= 0.0f);
}

static int32_t lanes_of(const fr_device *device) {
    return device->kernels->wino4->lanes;
}

static int32_t blocks(int32_t channels, int32_t lanes) {
    return (channels + lanes - 1) / lanes;
}

static fr_reason common_trouble(const fr_device *device, const fr_step *step) {
    const fr_window *k = &step->win;
    if (device->kernels->wino4 == NULL || device->kernels->wino5 == NULL || device->kernels->wino_rows == NULL)
        return FR_WHY_ISA;
    if (step->kind != FR_STEP_CONV)
        return FR_WHY_KIND;
    if (step->compute == FR_PRECISION_INT8)
        return FR_WHY_DTYPE;
    if (k->kh != 3 || k->kw != 3 || k->sh != 1 || k->sw != 1)
        return FR_WHY_SHAPE;
    if (k->dh != 1 || k->dw != 1)
        return FR_WHY_DILATION;
    if (step->groups != 1)
        return FR_WHY_GROUPS;
    if (k->pad_top < 0 || k->pad_top > 2 || k->pad_left < 0 || k->pad_left > 2 || k->pad_bottom > 2 || k->pad_right > 2)
        return FR_WHY_PADDING;
    bool padded = step->dst.c % lanes_of(device) != 0;
    return !cpu_act_scales(step->act) || (!zero_stays(step) && padded) ? FR_WHY_ACTIVATION : FR_WHY_NOT;
}

static fr_reason plan_tiles(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan,
                            cpu_conv_wino *wino) {
    int32_t lanes = lanes_of(device);
    if (step->residual && step->src[1].dtype != FR_F32)
        return FR_WHY_DTYPE;
    wino->kernels = plan->way == CPU_WAY_WINO4 ? device->kernels->wino4 : device->kernels->wino5;
    wino->tiles = (cpu_wino){.side = plan->way == CPU_WAY_WINO4 ? 4 : 5,
                             .n = (plan->inner + (int32_t)wino->shares - 1) / (int32_t)wino->shares,
                             .h = plan->in.h,
                             .w = plan->in.w,
                             .out_h = plan->out.h,
                             .out_w = plan->out.w,
                             .pad_top = step->win.pad_top,
                             .pad_left = step->win.pad_left,
                             .in_blocks = blocks(plan->in.c, lanes),
                             .out_blocks = blocks(plan->out.c, lanes),
                             .c_in = plan->in.c,
                             .c_out = plan->out.c,
                             .act = step->act,
                             .act_a = step->act_a,
                             .act_b = step->act_b};
    wino->share_bytes = cpu_wino_scratch_bytes(&wino->tiles, wino->kernels);
    return FR_WHY_NOT;
}

/* With more channels the two-dimensional transform is ahead. */
enum { MOST_CHANNELS_FOR_ROWS = 16 };

static fr_reason plan_rows(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan,
                           cpu_conv_wino *wino) {
    int32_t lanes = lanes_of(device);
    bool interleaved = plan->out.layout == FR_LAYOUT_NHWC;
    if (step->residual)
        return FR_WHY_EPILOGUE;
    if (plan->in.c > MOST_CHANNELS_FOR_ROWS || (interleaved && plan->out.c % lanes != 0))
        return FR_WHY_SHAPE;
    uint64_t map = (uint64_t)plan->out.h * (uint64_t)plan->out.w;
    wino->rows = (cpu_wino_rows){.h = plan->in.h,
                                 .w = plan->in.w,
                                 .out_h = plan->out.h,
                                 .out_w = plan->out.w,
                                 .pad_top = step->win.pad_top,
                                 .pad_left = step->win.pad_left,
                                 .c_in = plan->in.c,
                                 .c_out = plan->out.c,
                                 .out_blocks = blocks(plan->out.c, lanes),
                                 .place_step = (uint64_t)(interleaved ? plan->out.c : lanes),
                                 .block_step = (interleaved ? 1 : map) * (uint64_t)lanes,
                                 .dtype = plan->out.dtype,
                                 .per_unit = 1.0f / plan->unit,
                                 .act = step->act,
                                 .act_a = step->act_a,
                                 .act_b = step->act_b};
    wino->share_bytes = cpu_wino_rows_scratch_bytes(&wino->rows);
    return FR_WHY_NOT;
}

fr_reason cpu_conv_wino_plan(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, uint32_t threads,
                             cpu_conv_wino *out_wino) {
    *out_wino = (cpu_conv_wino){.way = plan->way, .images = plan->inner, .shares = threads};
    fr_reason why = common_trouble(device, step);
    if (why != FR_WHY_NOT)
        return why;
    why = plan->way == CPU_WAY_WINO_ROWS ? plan_rows(device, step, plan, out_wino)
                                         : plan_tiles(device, step, plan, out_wino);
    out_wino->share_bytes = (out_wino->share_bytes + 63) / 64 * 64;
    out_wino->src_step = fr_tensor_bytes(&plan->in, 1);
    out_wino->dst_step = fr_tensor_bytes(&plan->out, 1);
    return why;
}

/* ---- weights ---------------------------------------------------------------------------------------------------------- */

fr_status cpu_wino_weights_make(fr_device *device, const cpu_conv_wino *wino, const fr_weights *weights, bool has_bias,
                                cpu_wino_weights *out_weights) {
    const cpu_kernels *kernels = device->kernels;
    bool tiles = wino->way != CPU_WAY_WINO_ROWS;
    int32_t lanes = lanes_of(device), out_blocks = tiles ? wino->tiles.out_blocks : wino->rows.out_blocks,
            c_out = tiles ? wino->tiles.c_out : wino->rows.c_out;
    uint64_t count =
        tiles ? cpu_wino_weight_count(&wino->tiles, lanes) : cpu_wino_rows_weight_count(&wino->rows, lanes);
    *out_weights = (cpu_wino_weights){{0}, {0}};
    HOST_TRY(cpu_block_new(device, count * sizeof(float), "transformed weights", &out_weights->u));
    fr_status status =
        cpu_block_new(device, (uint64_t)out_blocks * (uint64_t)lanes * sizeof(float), "bias", &out_weights->bias);
    if (status != FR_OK) {
        cpu_block_free(device, &out_weights->u);
        return status;
    }
    if (tiles)
        wino->kernels->weights(&wino->tiles, weights->weight, out_weights->u.at);
    else
        kernels->wino_rows->weights(&wino->rows, weights->weight, out_weights->u.at);
    if (has_bias)
        memcpy(out_weights->bias.at, weights->bias, (size_t)c_out * sizeof(float));
    return FR_OK;
}

void cpu_wino_weights_drop(fr_device *device, cpu_wino_weights *weights) {
    cpu_block_free(device, &weights->u);
    cpu_block_free(device, &weights->bias);
}

/* ---- running: images are shared out among threads, each with scratch of its own ---------------------------------------- */

typedef struct wino_job {
    const cpu_kernels *kernels;
    const cpu_conv_wino *wino;
    const cpu_wino_weights *weights;
    const char *src, *residual;
    char *dst, *scratch;
} wino_job;

static void run_share(void *ctx, int64_t index) {
    const wino_job *j = ctx;
    const cpu_conv_wino *wino = j->wino;
    uint64_t first = (uint64_t)wino->images * (uint64_t)index / wino->shares,
             end = (uint64_t)wino->images * ((uint64_t)index + 1) / wino->shares;
    const float *u = j->weights->u.at, *bias = j->weights->bias.at;
    float *scratch = (float *)(void *)(j->scratch + (uint64_t)index * wino->share_bytes);
    if (wino->way == CPU_WAY_WINO_ROWS) {
        for (uint64_t i = first; i < end; i++)
            j->kernels->wino_rows->run(&wino->rows, (const float *)(const void *)(j->src + i * wino->src_step), u, bias,
                                       j->dst + i * wino->dst_step, scratch);
    } else if (first < end) {
        cpu_wino share = wino->tiles;
        share.n = (int32_t)(end - first);
        const char *residual = j->residual == NULL ? NULL : j->residual + first * wino->dst_step;
        wino->kernels->run(&share, (const float *)(const void *)(j->src + first * wino->src_step), u, bias,
                           (const float *)(const void *)residual, (float *)(void *)(j->dst + first * wino->dst_step),
                           scratch);
    }
}

void cpu_conv_wino_run(const fr_queue *queue, const cpu_conv_wino *wino, const cpu_wino_weights *weights,
                       const void *src, const void *residual, void *dst, void *scratch) {
    wino_job job = {queue->device->kernels, wino, weights, src, residual, dst, scratch};
    cpu_parallel(queue, wino->shares, run_share, &job);
}
