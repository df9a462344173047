/* The table of our own ways, and what is the same for all of them. */
#include "own.h"

#include "conv.h"

static const cpu_own *const table[] = {
    &cpu_own_wino[0], &cpu_own_wino[1], &cpu_own_wino[2],   &cpu_own_wino[3], &cpu_own_wino[4],    &cpu_own_wino[5],
    &cpu_own_wino[6], &cpu_own_wino[7], &cpu_own_wino[8],   &cpu_own_fixed44, &cpu_own_fixed55,    &cpu_own_wino_rows,
    &cpu_own_direct,  &cpu_own_amx,     &cpu_own_depthwise, &cpu_own_group,   &cpu_own_group_wino,
};

uint32_t cpu_own_count(void) {
    return (uint32_t)(sizeof table / sizeof table[0]);
}

const cpu_own *cpu_own_at(uint32_t index) {
    return table[index];
}

uint16_t cpu_own_layout(const fr_device *device, uint16_t layout) {
    if (layout != CPU_OWN_BLOCKS)
        return layout;
    return cpu_level_is_avx512(device->isa.level) ? FR_LAYOUT_NCHW16C : FR_LAYOUT_NCHW8C;
}

static uint64_t round_up_64(uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
}

fr_reason cpu_own_plan(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, uint32_t threads,
                       cpu_own_use *out_use) {
    *out_use = (cpu_own_use){.own = cpu_own_of(plan->way),
                             .images = plan->inner,
                             .shares = threads,
                             .src_step = fr_tensor_bytes(&plan->in, 1),
                             .dst_step = fr_tensor_bytes(&plan->out, 1),
                             .residual_step = step->residual ? fr_tensor_bytes(&step->src[1], 1) : 0};
    fr_reason why = out_use->own->plan(device, step, plan, out_use);
    out_use->share_bytes = round_up_64(out_use->share_bytes);
    out_use->weight_bytes = round_up_64(out_use->weight_bytes);
    return why;
}

fr_status cpu_own_pack(fr_device *device, const cpu_own_use *use, const fr_step *step, const fr_weights *weights,
                       cpu_block *out_block) {
    HOST_TRY(cpu_block_new(device, use->weight_bytes, "weights in a kernel's order", out_block));
    use->own->pack(use, step, weights, out_block->at);
    return FR_OK;
}

/* ---- running: images are shared out among threads, each with scratch of its own ---------------------------------------- */

typedef struct own_job {
    const cpu_own_use *use;
    const char *weights, *src, *residual;
    char *dst, *scratch;
} own_job;

static void run_share(void *ctx, int64_t index) {
    const own_job *j = ctx;
    const cpu_own_use *use = j->use;
    uint64_t first = (uint64_t)use->images * (uint64_t)index / use->shares,
             end = (uint64_t)use->images * ((uint64_t)index + 1) / use->shares;
    if (first == end)
        return;
    cpu_own_run run = {.weights = j->weights,
                       .src = j->src + first * use->src_step,
                       .residual = j->residual == NULL ? NULL : j->residual + first * use->residual_step,
                       .dst = j->dst + first * use->dst_step,
                       .scratch = j->scratch + (uint64_t)index * use->share_bytes,
                       .images = (int32_t)(end - first)};
    use->own->run(use, &run);
}

void cpu_own_launch(const fr_queue *queue, const cpu_own_use *use, const void *weights, const void *src,
                    const void *residual, void *dst, void *scratch) {
    own_job job = {use, weights, src, residual, dst, scratch};
    cpu_parallel(queue, use->shares, run_share, &job);
}

/* ---- for rows ---------------------------------------------------------------------------------------------------- */

static bool zero_stays(const fr_step *step) {
    return step->act != FR_ACT_CLIP || (step->act_a <= 0.0f && step->act_b >= 0.0f);
}

fr_reason cpu_own_winograd_trouble(const fr_step *step, int32_t lanes) {
    const fr_window *k = &step->win;
    if (step->kind != FR_STEP_CONV)
        return FR_WHY_KIND;
    if (k->kh != 3 || k->kw != 3 || k->sh != 1 || k->sw != 1)
        return FR_WHY_SHAPE;
    if (k->dh != 1 || k->dw != 1)
        return FR_WHY_DILATION;
    if (step->groups != 1)
        return FR_WHY_GROUPS;
    if (k->pad_top < 0 || k->pad_top > 2 || k->pad_left < 0 || k->pad_left > 2 || k->pad_bottom > 2 || k->pad_right > 2)
        return FR_WHY_PADDING;
    bool padded = step->dst.c % lanes != 0;
    return !cpu_act_scales(step->act) || (!zero_stays(step) && padded) ? FR_WHY_ACTIVATION : FR_WHY_NOT;
}
