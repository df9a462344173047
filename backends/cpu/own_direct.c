/* Direct convs by register tiles, exactly: see direct.h. */
#include <string.h>

#include "base/convert.h"
#include "conv.h"

/* Images of a fully connected layer that go together: what two register tiles take. */
enum { FC_IMAGES = 28 };

/* Planes of many channels are better interleaved by whoever writes them. */
enum { MOST_PLANES = 16 };

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

/* The kinds of products that a dtype goes into as it is. */
static bool reads(const fr_step *step, uint16_t dtype) {
    return step->compute == FR_PRECISION_INT8 ? is_byte(dtype) : dtype == FR_BF16 && step->compute == FR_PRECISION_BF16;
}

static bool writes(const fr_step *step, uint16_t dtype) {
    (void)step;
    return dtype == FR_F32 || dtype == FR_BF16 || is_byte(dtype);
}

static bool pools(const fr_step *step) {
    const fr_window *k = &step->pool_win;
    if (step->pool != FR_POOL_MAX || k->kh != k->kw || k->sh != k->sw || k->dh != 1 || k->dw != 1 || k->pad_top != 0 ||
        k->pad_left != 0)
        return false;
    int32_t h, w;
    fr_conv_map(step, &h, &w);
    bool covered = (step->dst.h - 1) * k->sh + k->kh <= h && (step->dst.w - 1) * k->sw + k->kw <= w;
    return covered && (k->kh == 2 || k->kh == 3) && (k->sh == 1 || k->sh == 2);
}

static bool zero_stays(const fr_step *step) {
    return step->act != FR_ACT_CLIP || (step->act_a <= 0.0f && step->act_b >= 0.0f);
}

static fr_reason trouble(const cpu_direct_kernels *kernels, const fr_step *step, const cpu_conv_plan *plan) {
    const fr_window *k = &step->win;
    if (kernels == NULL)
        return FR_WHY_ISA;
    if (step->kind == FR_STEP_FC)
        return cpu_act_scales(step->act) ? FR_WHY_NOT : FR_WHY_ACTIVATION;
    if (step->kind != FR_STEP_CONV)
        return FR_WHY_KIND;
    if (step->groups != 1)
        return FR_WHY_GROUPS;
    if (k->kh > CPU_DIRECT_ROWS)
        return FR_WHY_SHAPE;
    if (k->pad_top < 0 || k->pad_left < 0)
        return FR_WHY_PADDING;
    bool padded = plan->out.layout != FR_LAYOUT_NHWC && plan->out.c % kernels->lanes != 0;
    return !cpu_act_scales(step->act) || (padded && !zero_stays(step)) ? FR_WHY_ACTIVATION : FR_WHY_NOT;
}

static void describe_map(const cpu_direct_kernels *kernels, const fr_step *step, const cpu_conv_plan *plan,
                         cpu_direct *d) {
    const fr_window *k = &step->win;
    int32_t lanes = kernels->lanes, map_h;
    d->planar = plan->in.layout == FR_LAYOUT_NCHW;
    d->src_lanes = plan->in.layout == FR_LAYOUT_NHWC ? plan->in.c : fr_layout_block(plan->in.layout);
    d->blocked = plan->out.layout != FR_LAYOUT_NHWC;
    d->place_step = (uint64_t)(d->blocked ? lanes : plan->out.c);
    d->h = plan->in.h, d->w = plan->in.w;
    d->out_h = plan->out.h, d->out_w = plan->out.w;
    d->kh = k->kh, d->kw = k->kw, d->sh = k->sh, d->sw = k->sw, d->dh = k->dh, d->dw = k->dw;
    d->pad_top = k->pad_top, d->pad_left = k->pad_left;
    fr_conv_map(step, &map_h, &d->map_w);
    d->rows = map_h;
    d->columns = d->map_w;
    if (plan->pools) {
        d->pool_side = step->pool_win.kh;
        d->pool_stride = step->pool_win.sh;
        d->rows = (plan->out.h - 1) * d->pool_stride + d->pool_side;
        d->columns = (plan->out.w - 1) * d->pool_stride + d->pool_side;
    }
    d->phase = cpu_direct_phase(d);
    uint64_t out_map = (uint64_t)d->out_h * (uint64_t)d->out_w, map = (uint64_t)map_h * (uint64_t)d->map_w;
    d->block_step = (uint64_t)lanes * (d->blocked ? out_map : 1);
    d->residual_block_step = (uint64_t)lanes * (d->blocked ? map : 1);
}

/* A product: images are the places of a map of one row, and their numbers its channels. */
static void describe_product(const cpu_direct_kernels *kernels, const cpu_conv_plan *plan, cpu_direct *d) {
    d->src_lanes = plan->in.c;
    d->place_step = (uint64_t)plan->out.c;
    d->kh = d->kw = d->sh = d->sw = d->dh = d->dw = 1;
    d->rows = d->h = d->out_h = 1;
    d->columns = d->w = d->map_w = d->out_w = d->phase = FC_IMAGES;
    d->block_step = d->residual_block_step = (uint64_t)kernels->lanes;
}

/* Sums of integers are scaled anyway: to what dst counts in. */
static void count_in_units(const cpu_conv_plan *plan, cpu_direct *d) {
    d->unit = plan->unit;
    d->per_unit = 1.0f;
    d->residual_scale /= plan->unit;
    if (d->act == FR_ACT_CLIP) {
        d->act_a /= plan->unit;
        d->act_b /= plan->unit;
    }
}

static fr_reason plan_direct(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan,
                             cpu_own_use *use) {
    const cpu_direct_kernels *kernels = device->kernels->direct;
    fr_reason why = trouble(kernels, step, plan);
    if (why != FR_WHY_NOT)
        return why;
    bool int8 = step->compute == FR_PRECISION_INT8;
    if (int8 && !is_byte(plan->in.dtype))
        return FR_WHY_DTYPE;
    if (step->kind == FR_STEP_CONV && plan->in.layout == FR_LAYOUT_NCHW && plan->in.c > MOST_PLANES)
        return FR_WHY_LAYOUT;
    cpu_direct_kind kind = int8 ? CPU_DIRECT_BYTES : plan->in.dtype == FR_BF16 ? CPU_DIRECT_BF16 : CPU_DIRECT_F32;
    if (!kernels->has[kind])
        return FR_WHY_ISA;
    cpu_direct *d = &use->is.direct;
    *d = (cpu_direct){.kind = (uint8_t)kind,
                      .is_signed = plan->in.dtype == FR_S8,
                      .c_in = plan->in.c,
                      .c_out = plan->out.c,
                      .dtype = plan->out.dtype,
                      .per_unit = 1.0f / plan->unit,
                      .act = step->act,
                      .act_a = step->act_a,
                      .act_b = step->act_b,
                      .residual_dtype = step->residual ? step->src[1].dtype : FR_F32,
                      .residual_scale = step->residual && is_byte(step->src[1].dtype) ? step->src[1].scale : 1.0f};
    if (step->kind == FR_STEP_FC)
        describe_product(kernels, plan, d);
    else
        describe_map(kernels, step, plan, d);
    if (kind == CPU_DIRECT_BYTES)
        count_in_units(plan, d);
    use->kernels = kernels;
    use->is_product = step->kind == FR_STEP_FC;
    use->share_bytes = cpu_direct_scratch_bytes(d, kernels->lanes);
    use->weight_bytes = cpu_direct_weight_bytes(d, kernels->lanes);
    return FR_WHY_NOT;
}

/* ---- weights --------------------------------------------------------------------------------------------------------- */

/* Where an output's words lie. */
typedef struct output_place {
    int32_t first, lane, copies; /* first: output of its panel */
    int64_t step;                /* from word to word */
} output_place;

static output_place place_of(const cpu_direct *d, const cpu_direct_kernels *kernels, int32_t o) {
    const int32_t lanes = kernels->lanes, block = o / lanes * lanes, left = d->c_out % lanes;
    const bool ends_half = left > 0 && left <= kernels->half;
    if (ends_half && block + left == d->c_out)
        return (output_place){block, 2 * (o - block), 2, lanes};
    int32_t pair = o / (2 * lanes) * (2 * lanes), whole = cpu_direct_blocks(d, lanes) * lanes - (ends_half ? lanes : 0);
    bool paired = whole - pair >= 2 * lanes;
    return (output_place){paired ? pair : block, o - (paired ? pair : block), 1, paired ? 2 * lanes : lanes};
}

static void put_weight(const cpu_direct *d, const fr_weights *weights, uint64_t at, int32_t part, uint32_t *word) {
    if (d->kind == CPU_DIRECT_BYTES) {
        ((int8_t *)word)[part] = weights->weight_s8[at];
    } else if (d->kind == CPU_DIRECT_BF16) {
        ((uint16_t *)word)[part] = fr_f32_to_bf16(weights->weight[at]);
    } else {
        memcpy(word, &weights->weight[at], sizeof *word);
    }
}

static void pack_output(const cpu_direct *d, const fr_weights *weights, int32_t o, uint32_t *to, int64_t step) {
    const int32_t each = cpu_direct_per_word(d);
    for (int32_t ky = 0; ky < d->kh; ky++)
        for (int32_t c = 0; c < d->c_in; c += each)
            for (int32_t kx = 0; kx < d->kw; kx++, to += step)
                for (int32_t part = 0; part < each && c + part < d->c_in; part++) {
                    uint64_t filter = (uint64_t)o * (uint64_t)d->c_in + (uint64_t)(c + part);
                    put_weight(d, weights, (filter * (uint64_t)d->kh + (uint64_t)ky) * (uint64_t)d->kw + (uint64_t)kx,
                               part, to);
                }
}

static int32_t sum_of(const cpu_direct *d, const int8_t *weights, int32_t o) {
    int32_t sum = 0;
    int64_t count = (int64_t)d->c_in * d->kh * d->kw;
    for (int64_t i = 0; i < count; i++)
        sum += weights[(int64_t)o * count + i];
    return sum;
}

static void pack_vectors(const cpu_direct *d, const fr_step *step, const fr_weights *weights, int32_t o, uint32_t *to,
                         int64_t row) {
    float bias = step->has_bias ? weights->bias[o] : 0.0f;
    if (d->kind != CPU_DIRECT_BYTES) {
        memcpy(to + CPU_DIRECT_START * row, &bias, sizeof bias);
        return;
    }
    int32_t start = d->is_signed ? -128 * sum_of(d, weights->weight_s8, o) : 0;
    float scale = step->src[0].scale * weights->weight_scale[o] / d->unit;
    bias /= d->unit;
    memcpy(to + CPU_DIRECT_START * row, &start, sizeof start);
    memcpy(to + CPU_DIRECT_SCALE * row, &scale, sizeof scale);
    memcpy(to + CPU_DIRECT_BIAS * row, &bias, sizeof bias);
}

static void pack(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_direct *d = &use->is.direct;
    const cpu_direct_kernels *kernels = use->kernels;
    const int64_t row = (int64_t)cpu_direct_blocks(d, kernels->lanes) * kernels->lanes;
    uint32_t *words = to, *vectors = words + cpu_direct_vectors(d, kernels->lanes);
    for (int32_t o = 0; o < d->c_out; o++) {
        output_place place = place_of(d, kernels, o);
        for (int32_t copy = 0; copy < place.copies; copy++) {
            int32_t lane = place.lane + copy;
            pack_output(d, weights, o, words + cpu_direct_taps(d) * d->kh * place.first + lane, place.step);
            pack_vectors(d, step, weights, o, vectors + place.first + lane, row);
        }
    }
    int32_t *offsets = (int32_t *)words + cpu_direct_offsets(d, kernels->lanes);
    const int32_t phase = d->phase, plane = (int32_t)cpu_direct_plane(d);
    for (int32_t word = 0; word < cpu_direct_words(d); word++)
        for (int32_t kx = 0; kx < d->kw; kx++)
            *offsets++ = word * plane + kx * d->dw % d->sw * phase + kx * d->dw / d->sw;
}

static void run_images(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_direct_kernels *kernels = use->kernels;
    const char *src = run->src, *residual = run->residual;
    char *dst = run->dst;
    kernels->ready(&use->is.direct, run->scratch);
    for (int32_t i = 0; i < run->images; i++) {
        kernels->run(&use->is.direct, src, run->weights, residual, dst, run->scratch);
        src += use->src_step;
        dst += use->dst_step;
        residual = residual == NULL ? NULL : residual + use->residual_step;
    }
}

/* There is no padding, and so nothing to ready. */
static void run_product(const cpu_own_use *use, const cpu_own_run *run) {
    const cpu_direct_kernels *kernels = use->kernels;
    cpu_direct d = use->is.direct;
    for (int32_t i = 0; i < run->images; i += FC_IMAGES) {
        const char *residual = run->residual;
        d.columns = d.w = d.map_w = d.out_w = run->images - i < FC_IMAGES ? run->images - i : FC_IMAGES;
        kernels->run(&d, (const char *)run->src + (uint64_t)i * use->src_step, run->weights,
                     residual == NULL ? NULL : residual + (uint64_t)i * use->residual_step,
                     (char *)run->dst + (uint64_t)i * use->dst_step, run->scratch);
    }
}

static void run(const cpu_own_use *use, const cpu_own_run *run) {
    (use->is_product ? run_product : run_images)(use, run);
}

const cpu_own cpu_own_direct = {.word = "tile",
                                .multiplies = true,
                                .pairs = {{CPU_OWN_BLOCKS, CPU_OWN_BLOCKS},
                                          {FR_LAYOUT_NHWC, FR_LAYOUT_NHWC},
                                          {FR_LAYOUT_NCHW, CPU_OWN_BLOCKS},
                                          {FR_LAYOUT_NCHW, FR_LAYOUT_NHWC}},
                                .reads = reads,
                                .writes = writes,
                                .pools = pools,
                                .plan = plan_direct,
                                .pack = pack,
                                .run = run};
