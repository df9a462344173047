/*
 * Winograd over tiles, in f32: see wino.h. For bf16 steps too: their products are formed in f32, which is more than the step asks
 * for, and a quarter of the products can beat bf16's twice as fast ones.
 */
#include <string.h>

#include "conv.h"

/* Of nine tiles a step is offered the few that promise most: tuning takes time. In NHWC, which takes as long, only the first. */
enum { OFFERED = 3, OFFERED_NHWC = 1 };

/* Cycles of an image on vectors of 512 bits: products, and transforms of 6 and 5 cycles for each place of a block's tile, as
 * measured on Zen 4. Other processors have the same order. */
static int64_t cycles(const cpu_wino *w, int32_t lanes, int32_t side_y, int32_t side_x) {
    int64_t tiles = (int64_t)((w->out_h + side_y - 1) / side_y) * ((w->out_w + side_x - 1) / side_x);
    return tiles * (side_y + 2) * (side_x + 2) *
           (w->c_in * cpu_wino_wide(w, lanes) / lanes + 6 * w->in_blocks + 5 * w->out_blocks);
}

/* How many tiles are better than w's; of equal ones the first. */
static int32_t rank_of(const cpu_wino *w, int32_t lanes) {
    int64_t own = cycles(w, lanes, w->side_y, w->side_x);
    int32_t better = 0;
    for (int32_t y = CPU_WINO_LEAST_SIDE; y <= CPU_WINO_MOST_SIDE; y++)
        for (int32_t x = CPU_WINO_LEAST_SIDE; x <= CPU_WINO_MOST_SIDE; x++) {
            int64_t other = cycles(w, lanes, y, x);
            better += other < own || (other == own && (y < w->side_y || (y == w->side_y && x < w->side_x)));
        }
    return better;
}

static cpu_wino_map map_of(const fr_tensor *t, int32_t lanes) {
    int64_t blocks = cpu_own_blocks(t->c, lanes), place = lanes, block = (int64_t)t->h * t->w * lanes;
    if (t->layout == FR_LAYOUT_NHWC) {
        place = t->c;
        block = lanes;
    }
    return (cpu_wino_map){t->dtype, blocks * t->h * t->w * lanes, block, t->w * place, place};
}

static bool floats(const fr_step *step, uint16_t dtype) {
    (void)step;
    return dtype == FR_F32 || dtype == FR_BF16;
}

static fr_reason plan_tiles(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_own_use *use) {
    const cpu_wino_kernels *kernels = device->kernels->wino;
    if (kernels == NULL)
        return FR_WHY_ISA;
    int32_t lanes = kernels->lanes, row = (int32_t)(use->own - cpu_own_wino);
    fr_reason why = cpu_own_winograd_trouble(step, lanes);
    if (why != FR_WHY_NOT)
        return why;
    if (step->compute == FR_PRECISION_INT8 || (step->residual && !floats(step, step->src[1].dtype)))
        return FR_WHY_DTYPE;
    bool interleaved = plan->in.layout == FR_LAYOUT_NHWC;
    if (interleaved && (plan->in.c % lanes != 0 || plan->out.c % lanes != 0))
        return FR_WHY_SHAPE;
    cpu_wino *w = &use->is.tiles.of;
    *w = (cpu_wino){.side_y = CPU_WINO_LEAST_SIDE + row / CPU_WINO_SIDES,
                    .side_x = CPU_WINO_LEAST_SIDE + row % CPU_WINO_SIDES,
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
                    .src = map_of(&plan->in, lanes),
                    .dst = map_of(&plan->out, lanes),
                    .residual_dtype = step->src[1].dtype,
                    .act = step->act,
                    .act_a = step->act_a,
                    .act_b = step->act_b};
    if (rank_of(w, lanes) >= (interleaved ? OFFERED_NHWC : OFFERED))
        return FR_WHY_SHAPE;
    use->kernels = kernels;
    use->share_bytes = cpu_wino_scratch_bytes(w, kernels);
    use->is.tiles.u_bytes = cpu_wino_weight_count(w, lanes) * sizeof(float);
    use->weight_bytes = use->is.tiles.u_bytes + (uint64_t)w->out_blocks * (uint64_t)lanes * sizeof(float);
    return FR_WHY_NOT;
}

static void pack(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to) {
    const cpu_wino_kernels *kernels = use->kernels;
    cpu_wino_weights(&use->is.tiles.of, kernels->lanes, weights->weight, to);
    if (step->has_bias)
        memcpy((char *)to + use->is.tiles.u_bytes, weights->bias, (size_t)step->dst.c * sizeof(float));
}

static void run(const cpu_own_use *use, const cpu_own_run *run) {
    const char *weights = run->weights;
    cpu_wino share = use->is.tiles.of;
    share.n = run->images;
    cpu_wino_run(&share, use->kernels, run->src, (const float *)(const void *)weights,
                 (const float *)(const void *)(weights + use->is.tiles.u_bytes), run->residual, run->dst, run->scratch);
}

#define TILES(sides)                                                                                    \
    {                                                                                                   \
        .word = "wino" sides, .is_inexact = true,                                                       \
        .pairs = {{CPU_OWN_BLOCKS, CPU_OWN_BLOCKS}, {FR_LAYOUT_NHWC, FR_LAYOUT_NHWC}}, .reads = floats, \
        .writes = floats, .plan = plan_tiles, .pack = pack, .run = run                                  \
    }
/* Rows by columns of outputs, in the order of cpu_wino_kernels. */
const cpu_own cpu_own_wino[CPU_WINO_SIDES * CPU_WINO_SIDES] = {TILES("4"),   TILES("4x5"), TILES("4x6"),
                                                               TILES("5x4"), TILES("5"),   TILES("5x6"),
                                                               TILES("6x4"), TILES("6x5"), TILES("6")};
