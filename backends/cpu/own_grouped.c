/* Convs in groups, and depthwise ones: see grouped.h. */
#include <string.h>

#include "base/convert.h"
#include "conv.h"

static bool any_dtype(const fr_step *step, uint16_t dtype) {
    (void)step;
    return dtype == FR_F32 || dtype == FR_BF16 || dtype == FR_U8 || dtype == FR_S8;
}

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static cpu_grouped_map map_of(const fr_tensor *t, int32_t lanes) {
    bool interleaved = t->layout == FR_LAYOUT_NHWC;
    uint64_t map = (uint64_t)t->h * (uint64_t)t->w, block = (uint64_t)lanes;
    return (cpu_grouped_map){.dtype = t->dtype,
                             .scale = is_byte(t->dtype) ? t->scale : 1.0f,
                             .place_step = interleaved ? (uint64_t)t->c : block,
                             .block_step = interleaved ? block : map * block};
}

/* The residual lies as the output does. */
static cpu_grouped_map residual_of(const fr_step *step, const cpu_conv_plan *plan, int32_t lanes) {
    fr_tensor residual = plan->out;
    residual.dtype = step->residual ? step->src[1].dtype : FR_F32;
    residual.scale = step->residual ? step->src[1].scale : 0.0f;
    return map_of(&residual, lanes);
}

static bool is_padded(const fr_tensor *t) {
    return fr_layout_channels(t->layout, t->c) != t->c;
}

static fr_reason trouble(const fr_step *step, const cpu_conv_plan *plan) {
    const fr_window *k = &step->win;
    if (step->kind != FR_STEP_CONV)
        return FR_WHY_KIND;
    if (step->groups == 1)
        return FR_WHY_GROUPS;
    if (k->pad_top < 0 || k->pad_left < 0)
        return FR_WHY_PADDING;
    if (step->compute == FR_PRECISION_INT8 && !is_byte(plan->in.dtype))
        return FR_WHY_DTYPE;
    bool zero_stays = step->act != FR_ACT_CLIP || (step->act_a <= 0.0f && step->act_b >= 0.0f);
    return !cpu_act_scales(step->act) || (!zero_stays && is_padded(&plan->out)) ? FR_WHY_ACTIVATION : FR_WHY_NOT;
}

/* Sums of so many products of bytes are whole numbers below 2^24: exact in f32. */
static bool exact_in_floats(const fr_step *step) {
    int64_t products = (int64_t)(step->src[0].c / step->groups) * step->win.kh * step->win.kw;
    return step->compute != FR_PRECISION_INT8 || products * 255 * 128 <= 1 << 24;
}

static float weight_at(const fr_step *step, const fr_weights *weights, int64_t at) {
    return step->compute == FR_PRECISION_INT8 ? (float)weights->weight_s8[at] : weights->weight[at];
}

/* number = sum * scale + bias */
static float scale_of(const fr_step *step, const fr_weights *weights, int32_t o) {
    return step->compute == FR_PRECISION_INT8 ? step->src[0].scale * weights->weight_scale[o] : 1.0f;
}

/* ---- depthwise ------------------------------------------------------------------------------------------------------- */

static fr_reason plan_depthwise(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan,
                                cpu_own_use *use) {
    const cpu_depthwise_kernels *kernels = device->kernels->depthwise;
    const fr_window *k = &step->win;
    if (kernels == NULL)
        return FR_WHY_ISA;
    fr_reason why = trouble(step, plan);
    if (why != FR_WHY_NOT)
        return why;
    if (step->groups != plan->in.c || step->groups != plan->out.c)
        return FR_WHY_GROUPS;
    if (k->dh != 1 || k->dw != 1)
        return FR_WHY_DILATION;
    if (k->kh != k->kw || (k->kh != 3 && k->kh != 5) || k->sh != k->sw || (k->sh != 1 && k->sh != 2))
        return FR_WHY_SHAPE;
    if (k->pad_top >= k->kh || k->pad_left >= k->kh || k->pad_bottom >= k->kh || k->pad_right >= k->kh)
        return FR_WHY_PADDING;
    cpu_depthwise *d = &use->is.depthwise;
    *d = (cpu_depthwise){.h = plan->in.h,
                         .w = plan->in.w,
                         .out_h = plan->out.h,
                         .out_w = plan->out.w,
                         .channels = plan->in.c,
                         .side = k->kh,
                         .stride = k->sh,
                         .pad_top = k->pad_top,
                         .pad_left = k->pad_left,
                         .src = map_of(&plan->in, kernels->lanes),
                         .dst = map_of(&plan->out, kernels->lanes),
                         .residual = residual_of(step, plan, kernels->lanes),
                         .has_residual = step->residual,
                         .is_interleaved = plan->in.layout == FR_LAYOUT_NHWC,
                         .act = step->act,
                         .act_a = step->act_a,
                         .act_b = step->act_b};
    use->kernels = kernels;
    d->by_bytes = kernels->bytes != NULL && step->compute == FR_PRECISION_INT8 && d->is_interleaved && d->side == 3 &&
                  is_byte(d->dst.dtype) && !d->has_residual && d->act != FR_ACT_LEAKY;
    if (d->by_bytes)
        use->weight_bytes = (uint64_t)cpu_own_blocks(d->channels, CPU_DEPTHWISE_BYTES) * sizeof(cpu_depthwise_bytes);
    else
        use->weight_bytes = (uint64_t)cpu_own_blocks(d->channels, kernels->lanes) *
                            cpu_depthwise_block(d, kernels->lanes) * sizeof(float);
    return FR_WHY_NOT;
}

/* 64 channels' bytes, woven from four rows, lie as words of 4 x 16 channels: each 4 channels of 16 in a vector of their own. */
static void pack_bytes(const cpu_depthwise *d, const fr_step *step, const fr_weights *weights,
                       cpu_depthwise_bytes *to) {
    for (int32_t c = 0; c < d->channels; c++) {
        cpu_depthwise_bytes *block = to + c / CPU_DEPTHWISE_BYTES;
        const int32_t of_block = c % CPU_DEPTHWISE_BYTES, vector = of_block % 16 / 4,
                      word = of_block / 16 * 4 + of_block % 4;
        int32_t sum = 0;
        for (int32_t ky = 0; ky < 3; ky++)
            for (int32_t kx = 0; kx < 3; kx++) {
                int8_t weight = weights->weight_s8[(c * 3 + ky) * 3 + kx];
                for (int32_t second = 0; second < 2; second++)
                    block->taps[second][kx][vector][word * 4 + ky + second] = weight;
                sum += weight;
            }
        block->start[vector][word] = d->src.dtype == FR_S8 ? -128 * sum : 0;
        block->scale[vector][word] = scale_of(step, weights, c) / d->dst.scale;
        block->bias[vector][word] = step->has_bias ? weights->bias[c] / d->dst.scale : 0.0f;
    }
}

static void pack_depthwise(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_depthwise *d = &use->is.depthwise;
    const int32_t lanes = ((const cpu_depthwise_kernels *)use->kernels)->lanes, taps = d->side * d->side;
    bool int8 = step->compute == FR_PRECISION_INT8;
    if (d->by_bytes) {
        pack_bytes(d, step, weights, to);
        return;
    }
    for (int32_t c = 0; c < d->channels; c++) {
        float *block = (float *)to + (uint64_t)(c / lanes) * cpu_depthwise_block(d, lanes) + c % lanes;
        float unit = int8 || !is_byte(d->src.dtype) ? 1.0f : d->src.scale;
        for (int32_t k = 0; k < taps; k++)
            block[k * lanes] = weight_at(step, weights, (int64_t)c * taps + k);
        block[taps * lanes] = scale_of(step, weights, c) * unit;
        block[(taps + 1) * lanes] = step->has_bias ? weights->bias[c] : 0.0f;
    }
}

static void run_depthwise(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_depthwise_kernels *kernels = use->kernels;
    const char *src = run->src, *residual = run->residual;
    char *dst = run->dst;
    for (int32_t i = 0; i < run->images; i++, src += use->src_step, dst += use->dst_step) {
        if (use->is.depthwise.by_bytes)
            kernels->bytes(&use->is.depthwise, src, run->weights, dst);
        else
            kernels->run(&use->is.depthwise, src, run->weights, residual, dst);
        residual = residual == NULL ? NULL : residual + use->residual_step;
    }
}

/* ---- groups ---------------------------------------------------------------------------------------------------------- */

static cpu_grouped_sums sums_for(const cpu_grouped_kernels *kernels, const fr_step *step, const cpu_conv_plan *plan) {
    if (step->compute == FR_PRECISION_INT8 && kernels->has[CPU_GROUPED_INT8])
        return CPU_GROUPED_INT8;
    return step->compute == FR_PRECISION_BF16 && plan->in.dtype == FR_BF16 && kernels->has[CPU_GROUPED_BF16]
               ? CPU_GROUPED_BF16
               : CPU_GROUPED_F32;
}

static int32_t numbers_of_word(cpu_grouped_sums sums) {
    return sums == CPU_GROUPED_INT8 ? 4 : sums == CPU_GROUPED_BF16 ? 2 : 1;
}

/* A vector of outputs lies in one block, and no block has channels that no vector writes. */
static bool lies_in_blocks(const cpu_grouped *g, const fr_tensor *out, int32_t block) {
    if (out->layout == FR_LAYOUT_NHWC)
        return true;
    for (int32_t o = 0; o < out->c; o += g->out_each)
        for (int32_t at = 0; at < g->out_each; at += g->lanes) {
            int32_t end = at + g->lanes < g->out_each ? at + g->lanes : g->out_each;
            if ((o + at) / block != (o + end - 1) / block)
                return false;
        }
    return out->c % block == 0;
}

static fr_reason plan_with(const cpu_grouped_kernels *kernels, int32_t points, const fr_step *step,
                           const cpu_conv_plan *plan, cpu_own_use *use) {
    if (kernels == NULL)
        return FR_WHY_ISA;
    fr_reason why = trouble(step, plan);
    if (why != FR_WHY_NOT)
        return why;
    if (step->groups == plan->in.c && step->groups == plan->out.c)
        return FR_WHY_GROUPS;
    cpu_grouped *g = &use->is.grouped;
    *g = (cpu_grouped){.h = plan->in.h,
                       .w = plan->in.w,
                       .out_h = plan->out.h,
                       .out_w = plan->out.w,
                       .win = step->win,
                       .groups = step->groups,
                       .in_each = plan->in.c / step->groups,
                       .out_each = plan->out.c / step->groups,
                       .sums = sums_for(kernels, step, plan),
                       .points = points,
                       .src = map_of(&plan->in, kernels->lanes),
                       .dst = map_of(&plan->out, kernels->lanes),
                       .residual = residual_of(step, plan, kernels->lanes),
                       .has_residual = step->residual,
                       .is_scaled = step->compute == FR_PRECISION_INT8,
                       .act = step->act,
                       .act_a = step->act_a,
                       .act_b = step->act_b};
    g->words = cpu_own_blocks(g->in_each, numbers_of_word(g->sums));
    g->lanes = g->out_each <= 8 ? 8 : kernels->lanes;
    g->out_blocks = cpu_own_blocks(g->out_each, g->lanes);
    if (step->compute == FR_PRECISION_INT8)
        g->src.scale = 1.0f; /* sums are of what is stored */
    if (g->win.kh > CPU_GROUPED_ROWS || (g->sums == CPU_GROUPED_F32 && !exact_in_floats(step)))
        return FR_WHY_SHAPE;
    if (!lies_in_blocks(g, &plan->out, kernels->lanes))
        return FR_WHY_LAYOUT;
    use->kernels = kernels;
    use->share_bytes = cpu_grouped_scratch_bytes(g);
    use->weight_bytes = cpu_grouped_weight_words(g) * sizeof(uint32_t);
    return FR_WHY_NOT;
}

static fr_reason plan_group(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_own_use *use) {
    return plan_with(device->kernels->grouped, 0, step, plan, use);
}

static fr_reason plan_group_wino(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan,
                                 cpu_own_use *use) {
    const fr_window *k = &step->win;
    if (step->kind != FR_STEP_CONV)
        return FR_WHY_KIND;
    if (step->compute == FR_PRECISION_INT8)
        return FR_WHY_DTYPE;
    if ((k->kw != 3 && k->kw != 5) || k->sw != 1)
        return FR_WHY_SHAPE;
    if (k->dw != 1)
        return FR_WHY_DILATION;
    return plan_with(device->kernels->grouped_wino, k->kw + 3, step, plan, use);
}

/* A weight as the word's number `at` of its lane. */
static void put_number(cpu_grouped_sums sums, uint32_t *word, int32_t at, float weight) {
    if (sums == CPU_GROUPED_INT8)
        ((int8_t *)word)[at] = (int8_t)weight;
    else if (sums == CPU_GROUPED_BF16)
        ((uint16_t *)word)[at] = fr_f32_to_bf16(weight);
    else
        memcpy(word, &weight, sizeof weight);
}

/* A row of 3 or 5 weights at a point of Winograd's: c * (w[0] + p w[1] + p^2 w[2] ...), at the last the row's end. */
static float weight_at_point(const float *row, int32_t width, int32_t point) {
    static const double at[7] = {0, 1, -1, 2, -2, 0.5, -0.5};
    static const double factors[2][7] = {{1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24, 0, 0},
                                         {1, -2.0 / 9, -2.0 / 9, 1.0 / 90, 1.0 / 90, 32.0 / 45, 32.0 / 45}};
    if (point == width + 2)
        return row[width - 1];
    double sum = 0;
    for (int32_t i = width - 1; i >= 0; i--)
        sum = sum * at[point] + (double)row[i];
    return (float)(factors[width == 5][point] * sum);
}

static void pack_points(const cpu_grouped *g, const fr_weights *weights, int32_t o, uint32_t *lane) {
    for (int32_t c = 0; c < g->in_each; c++)
        for (int32_t ky = 0; ky < g->win.kh; ky++) {
            const float *row = weights->weight + (((int64_t)o * g->in_each + c) * g->win.kh + ky) * g->win.kw;
            for (int32_t p = 0; p < g->points; p++) {
                float weight = weight_at_point(row, g->win.kw, p);
                memcpy(lane + (((int64_t)ky * g->words + c) * g->points + p) * g->lanes, &weight, sizeof weight);
            }
        }
}

/* One output's weights into its lane; what its sum begins with where bytes are shifted by 128. */
static int32_t pack_output(const cpu_grouped *g, const fr_step *step, const fr_weights *weights, int32_t o,
                           uint32_t *lane) {
    const int32_t taps = g->win.kh * g->win.kw, each = numbers_of_word(g->sums);
    int32_t sum = 0;
    if (g->points > 0) {
        pack_points(g, weights, o, lane);
        return 0;
    }
    for (int32_t c = 0; c < g->in_each; c++)
        for (int32_t k = 0; k < taps; k++) {
            float weight = weight_at(step, weights, ((int64_t)o * g->in_each + c) * taps + k);
            put_number(g->sums, lane + ((int64_t)k * g->words + c / each) * g->lanes, c % each, weight);
            sum += g->sums == CPU_GROUPED_INT8 ? (int32_t)weight : 0;
        }
    return g->src.dtype == FR_S8 ? -128 * sum : 0;
}

static void pack_group(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_grouped *g = &use->is.grouped;
    const uint64_t blocks = (uint64_t)g->groups * (uint64_t)g->out_blocks, row = cpu_grouped_row(g);
    uint32_t *words = to, *rows = words + blocks * cpu_grouped_block_words(g);
    for (int32_t o = 0; o < step->dst.c; o++) {
        int32_t of_group = o % g->out_each;
        uint64_t block = (uint64_t)(o / g->out_each * g->out_blocks + of_group / g->lanes),
                 lane = (uint64_t)(of_group % g->lanes);
        int32_t start = pack_output(g, step, weights, o, words + block * cpu_grouped_block_words(g) + lane);
        float scale = scale_of(step, weights, o), bias = step->has_bias ? weights->bias[o] : 0.0f;
        uint32_t *at = rows + block * (uint64_t)g->lanes + lane;
        if (g->is_scaled)
            memcpy(at, &start, sizeof start);
        else
            memcpy(at, &bias, sizeof bias);
        memcpy(at + row, &scale, sizeof scale);
        memcpy(at + 2 * row, &bias, sizeof bias);
    }
}

static void run_group(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_grouped_kernels *kernels = use->kernels;
    const char *src = run->src, *residual = run->residual;
    char *dst = run->dst;
    for (int32_t i = 0; i < run->images; i++, src += use->src_step, dst += use->dst_step) {
        kernels->run(&use->is.grouped, src, run->weights, residual, dst, run->scratch);
        residual = residual == NULL ? NULL : residual + use->residual_step;
    }
}

const cpu_own cpu_own_depthwise = {.word = "depthwise",
                                   .pairs = {{CPU_OWN_BLOCKS, CPU_OWN_BLOCKS}, {FR_LAYOUT_NHWC, FR_LAYOUT_NHWC}},
                                   .reads = any_dtype,
                                   .writes = any_dtype,
                                   .plan = plan_depthwise,
                                   .pack = pack_depthwise,
                                   .run = run_depthwise};
#define GROUP(name, rounds, how)                                                                   \
    {                                                                                              \
        .word = name, .is_inexact = rounds,                                                        \
        .pairs = {{CPU_OWN_BLOCKS, CPU_OWN_BLOCKS},                                                \
                  {FR_LAYOUT_NHWC, FR_LAYOUT_NHWC},                                                \
                  {FR_LAYOUT_NHWC, CPU_OWN_BLOCKS}},                                               \
        .reads = any_dtype, .writes = any_dtype, .plan = how, .pack = pack_group, .run = run_group \
    }
const cpu_own cpu_own_group = GROUP("group", false, plan_group);
const cpu_own cpu_own_group_wino = GROUP("group4x1", true, plan_group_wino);
