/* Our own Winograd where the step allows it: see wino.h. */
#include <string.h>

#include "conv.h"

static bool zero_stays(const fr_step *step) { return step->act != FR_ACT_CLIP || (step->act_a <= 0.0f && step->act_b >= 0.0f); }

fr_reason cpu_conv_wino_shape(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_wino *out_shape) {
    const cpu_wino_kernels *kernels = device->kernels->wino;
    const fr_window *k = &step->win;
    memset(out_shape, 0, sizeof *out_shape);
    if (kernels == NULL)
        return FR_WHY_ISA;
    if (step->kind != FR_STEP_CONV || step->compute != FR_PRECISION_F32 || (step->residual && step->src[1].dtype != FR_F32))
        return FR_WHY_DTYPE;
    if (k->kh != 3 || k->kw != 3 || k->sh != 1 || k->sw != 1)
        return FR_WHY_SHAPE;
    if (k->dh != 1 || k->dw != 1)
        return FR_WHY_DILATION;
    if (step->groups != 1)
        return FR_WHY_GROUPS;
    if (k->pad_top < 0 || k->pad_top > 2 || k->pad_left < 0 || k->pad_left > 2 || k->pad_bottom > 2 || k->pad_right > 2)
        return FR_WHY_PADDING;
    if (!cpu_act_scales(step->act) || (!zero_stays(step) && step->dst.c % kernels->lanes != 0))
        return FR_WHY_ACTIVATION;
    int32_t lanes = kernels->lanes;
    *out_shape = (cpu_wino){.n = plan->inner, .h = plan->in.h, .w = plan->in.w, .out_h = plan->out.h, .out_w = plan->out.w,
        .pad_top = k->pad_top, .pad_left = k->pad_left, .in_blocks = (plan->in.c + lanes - 1) / lanes, .out_blocks = (plan->out.c + lanes - 1) / lanes,
        .c_in = plan->in.c, .c_out = plan->out.c, .act = step->act, .act_a = step->act_a, .act_b = step->act_b};
    return FR_WHY_NOT;
}

/* Images are shared out among threads; each has scratch of its own. */
static uint64_t share_bytes(const cpu_wino_kernels *kernels, const cpu_wino *shape, uint32_t threads) {
    cpu_wino share = *shape;
    share.n = (shape->n + (int32_t)threads - 1) / (int32_t)threads;
    return (cpu_wino_scratch_bytes(&share, kernels) + 63) / 64 * 64;
}

uint64_t cpu_conv_wino_scratch(const fr_device *device, const cpu_wino *shape, uint32_t threads) {
    return share_bytes(device->kernels->wino, shape, threads) * threads;
}

fr_status cpu_conv_wino_make(fr_device *device, const cpu_wino *shape, const fr_weights *weights, bool has_bias, cpu_conv_wino *out_wino) {
    const cpu_wino_kernels *kernels = device->kernels->wino;
    *out_wino = (cpu_conv_wino){{0}, {0}};
    HOST_TRY(cpu_block_new(device, cpu_wino_weight_count(shape, kernels->lanes) * sizeof(float), "transformed weights", &out_wino->u));
    fr_status status = cpu_block_new(device, (uint64_t)shape->out_blocks * (uint64_t)kernels->lanes * sizeof(float), "bias", &out_wino->bias);
    if (status != FR_OK) {
        cpu_block_free(device, &out_wino->u);
        return status;
    }
    kernels->weights(shape, weights->weight, out_wino->u.at);
    if (has_bias)
        memcpy(out_wino->bias.at, weights->bias, (size_t)shape->c_out * sizeof(float));
    return FR_OK;
}

void cpu_conv_wino_drop(fr_device *device, cpu_conv_wino *wino) {
    cpu_block_free(device, &wino->u);
    cpu_block_free(device, &wino->bias);
}

typedef struct wino_job {
    const cpu_wino_kernels *kernels;
    const cpu_wino *shape;
    const cpu_conv_wino *wino;
    const float *src, *residual;
    float *dst;
    char *scratch;
    uint64_t scratch_step, src_step, dst_step; /* of a share in bytes, of an image in floats */
    uint32_t shares;
} wino_job;

static void run_share(void *ctx, int64_t index) {
    const wino_job *j = ctx;
    int64_t first = j->shape->n * index / j->shares, end = j->shape->n * (index + 1) / j->shares;
    if (first == end)
        return;
    cpu_wino share = *j->shape;
    share.n = (int32_t)(end - first);
    uint64_t out = (uint64_t)first * j->dst_step;
    j->kernels->run(&share, j->src + (uint64_t)first * j->src_step, j->wino->u.at, j->wino->bias.at, j->residual == NULL ? NULL : j->residual + out,
        j->dst + out, (float *)(void *)(j->scratch + (uint64_t)index * j->scratch_step));
}

void cpu_conv_wino_run(const fr_queue *queue, uint32_t shares, const cpu_wino *shape, const cpu_conv_wino *wino, const void *src, const void *residual, void *dst, void *scratch) {
    const cpu_wino_kernels *kernels = queue->device->kernels->wino;
    uint64_t lanes = (uint64_t)kernels->lanes;
    wino_job job = {kernels, shape, wino, src, residual, dst, scratch, share_bytes(kernels, shape, shares),
        (uint64_t)shape->in_blocks * lanes * (uint64_t)shape->h * (uint64_t)shape->w,
        (uint64_t)shape->out_blocks * lanes * (uint64_t)shape->out_h * (uint64_t)shape->out_w, shares};
    cpu_parallel(queue, shares, run_share, &job);
}
