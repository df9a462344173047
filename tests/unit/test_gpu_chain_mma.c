/* Chains by tensor cores without a device: which operations they become, where maps and weights lie, what is refused. */
#include "check.h"

#include "base/status.h"
#include "cases.h"
#include "gpu/chain_mma.h"

static const chain_mma_shape shapes[] = {
    {1, 8, 1, 70, 96 << 10},  {1, 8, 1, 75, 64 << 10}, {2, 8, 1, 80, 163 << 10}, {3, 8, 1, 90, 227 << 10},
    {4, 8, 2, 90, 112 << 10}, {1, 8, 1, 80, 16 << 10}, {1, 8, 1, 90, 10 << 10},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static const chain_mma_map *memory_of(const chain_mma_plan *plan, int32_t map) {
    const chain_mma_map *m = &plan->maps[map];
    return m->shares >= 0 ? &plan->maps[m->shares] : m;
}

static bool overlap(const chain_mma_map *a, const chain_mma_map *b) {
    return a->at < b->at + b->bytes && b->at < a->at + a->bytes;
}

static void check_places(const chain_mma_plan *plan, const chain_mma_shape *shape) {
    int64_t first = plan->resident_bytes;
    CHECK(plan->shared_bytes <= shape->most_bytes);
    CHECK(plan->stream.bytes == plan->slots * (int64_t)plan->stream_bytes);
    CHECK(plan->stream.bytes == 0 || (plan->stream.at >= first && plan->stream.dies >= 0));
    for (int32_t i = 0; i < plan->n_maps; i++) {
        const chain_mma_map *m = memory_of(plan, i);
        CHECK(m->at >= first && m->at + m->bytes <= plan->shared_bytes);
        CHECK(m->at % 16 == 0 && m->image % 16 == 0);
        CHECK(plan->maps[i].bytes <= m->bytes);
        for (int32_t k = 0; k <= i; k++) {
            const chain_mma_map *other = k < i ? memory_of(plan, k) : &plan->stream;
            bool at_once = m->born <= other->dies && other->born <= m->dies;
            CHECK(m == other || !at_once || !overlap(m, other));
        }
    }
}

/* Rows, in the buffer of what it reads, of the first and last tap of row `y` of what a convolution or pool writes. */
static void check_reads(const chain_mma_plan *plan, const chain_mma_op *op, int32_t bands) {
    const chain_mma_map *from = &plan->maps[op->src], *to = &plan->maps[op->dst];
    const fr_window *k = &op->win;
    bool is_conv = op->kind == CHAIN_CONV;
    for (int32_t band = 0; band < bands; band++)
        for (int32_t r = 0; r < op->rows; r++) {
            int32_t y = op->y0 + op->y1 * band + r;
            int32_t written = y - to->y0 - to->y1 * band;
            if (y < 0 || y >= to->h) {
                CHECK(!op->fills || (written >= 0 && written < to->rows));
                continue;
            }
            int32_t top = y * k->sh - k->pad_top, bottom = top + (k->kh - 1) * k->dh;
            if (!is_conv) { /* a pool looks at no place outside of the map */
                top = top < 0 ? 0 : top;
                bottom = bottom >= from->h ? from->h - 1 : bottom;
            }
            CHECK(written >= 0 && written < to->rows);
            CHECK(top - from->y0 - from->y1 * band >= 0);
            CHECK(bottom - from->y0 - from->y1 * band < from->rows);
        }
    int32_t right = (to->w - 1) * k->sw - k->pad_left + (k->kw - 1) * k->dw + from->left;
    CHECK(!is_conv || (from->left >= k->pad_left && right < from->left + from->w + from->right));
}

/* Each weight is in exactly one place of k. */
static void check_taps(const chain_mma_plan *plan, const chain_mma_op *op) {
    const chain_mma_map *from = &plan->maps[op->src];
    int32_t found = 0, c, y, x, weights = from->c * op->win.kh * op->win.kw;
    unsigned char *seen = calloc((size_t)weights, 1);
    CHECK(seen != NULL);
    for (int32_t run = 0; run < op->runs; run++)
        for (int32_t k = 0; k < op->steps * 16; k++)
            if (chain_mma_tap(plan, op, run, k / 8, k % 8, &c, &y, &x)) {
                int32_t at = (c * op->win.kh + y) * op->win.kw + x;
                CHECK(at < weights && !seen[at]);
                seen[at] = 1;
                found++;
            }
    CHECK_INT(found, weights);
    free(seen);
}

static void check_jobs(const chain_mma_plan *plan, const chain_mma_op *op, const chain_mma_shape *shape) {
    const chain_mma_map *to = &plan->maps[op->dst];
    int32_t tiles = gpu_ceil_div(op->inputs * op->rows * to->w, 16);
    int32_t jobs = gpu_ceil_div(tiles, op->m_tiles) * (op->columns / (8 * op->n_tiles));
    CHECK(op->columns >= to->chunks * 8 && op->columns % (8 * op->n_tiles) == 0);
    CHECK(jobs <= op->rounds * shape->warps && jobs > (op->rounds - 1) * shape->warps);
    CHECK(to->shares < 0 || op->rounds == 1);
    CHECK(op->run_bytes % 16 == 0 && op->weight_at % 16 == 0);
    CHECK(op->is_resident ? op->resident_at + op->weights <= plan->resident_bytes
                          : op->run_bytes <= plan->stream_bytes);
}

static void check_plan(const chain_mma_plan *plan, const chain_mma_shape *shape) {
    int32_t next = 0;
    check_places(plan, shape);
    for (int32_t s = 0; s < plan->n_segments; s++) {
        const chain_mma_segment *segment = &plan->segments[s];
        CHECK_INT(segment->first, next);
        next = segment->last + 1;
        for (int32_t i = segment->first; i <= segment->last; i++) {
            const chain_mma_op *op = &plan->ops[i];
            CHECK(op->inputs * segment->passes == shape->inputs);
            if (op->kind == CHAIN_CONV || op->kind == CHAIN_POOL)
                check_reads(plan, op, segment->bands);
            if (op->kind != CHAIN_CONV)
                continue;
            check_taps(plan, op);
            check_jobs(plan, op, shape);
        }
    }
    CHECK_INT(next, plan->n_ops);
}

TEST(no_operation_touches_what_is_not_its_own) {
    conf_list list;
    int planned = 0, in_bands = 0, streamed = 0, too_large = 0;
    CHECK_OK(conf_cases_build(&list));
    for (size_t i = 0; i < list.count; i++)
        for (int k = 0; k < SHAPES; k++) {
            const fr_step *step = &list.items[i].step;
            chain_mma_plan plan;
            bool is_half = step->compute == FR_PRECISION_F16 || step->compute == FR_PRECISION_BF16;
            if (step->kind != FR_STEP_CHAIN)
                continue;
            fr_reason why = chain_mma_plan_make(step, &shapes[k], &plan);
            if (!is_half || (step->compute == FR_PRECISION_BF16 && shapes[k].generation < 80)) {
                CHECK(why == FR_WHY_DTYPE || why == FR_WHY_ISA);
                continue;
            }
            CHECK(why == FR_WHY_NOT || why == FR_WHY_MEMORY);
            too_large += why == FR_WHY_MEMORY;
            if (why)
                continue;
            planned++;
            for (int32_t s = 0; s < plan.n_segments; s++)
                in_bands += plan.segments[s].bands > 1;
            streamed += plan.stream_bytes > 0;
            check_plan(&plan, &shapes[k]);
        }
    conf_cases_free(&list);
    CHECK(planned > 300 && in_bands > 20 && streamed > 20 && too_large > 0);
}

/* ---- the models that this is for --------------------------------------------------------------------------------------- */

typedef struct model {
    fr_step chain, sub[12];
} model;

static void add(model *m, fr_step sub) {
    sub.compute = FR_PRECISION_F16;
    sub.src[0].dtype = sub.kind == FR_STEP_INGEST ? FR_U8 : FR_F16;
    sub.dst.dtype = FR_F16;
    m->sub[m->chain.n_sub++] = sub;
}

static void add_conv(model *m, int32_t c_out, int32_t pool, int32_t stride) {
    const fr_tensor *at = &m->sub[m->chain.n_sub - 1].dst;
    fr_step sub = fr_make_conv(64, at->c, at->h, at->w, c_out, fr_make_window(3, 1, 1), 1);
    if (pool)
        fr_make_pooled(&sub, FR_POOL_MAX, fr_make_window(pool, stride, 0), false);
    add(m, sub);
}

static void begin(model *m, int32_t h, int32_t w) {
    memset(m, 0, sizeof *m);
    fr_step ingest = fr_make_step(FR_STEP_INGEST, 64, 3, h, w);
    ingest.images = 1;
    ingest.image_c = 3;
    ingest.src[0].layout = FR_LAYOUT_USER_HWC;
    add(m, ingest);
}

static const fr_step *end(model *m) {
    int32_t count = m->chain.n_sub;
    m->chain = fr_make_step(FR_STEP_CHAIN, 64, 3, m->sub[0].src[0].h, m->sub[0].src[0].w);
    m->chain.sub = m->sub;
    m->chain.n_sub = count;
    m->chain.images = 1;
    m->chain.compute = FR_PRECISION_F16;
    m->chain.src[0] = m->sub[0].src[0];
    m->chain.dst = m->sub[count - 1].dst;
    return &m->chain;
}

static const fr_step *game(model *m) { /* V1 up to its logits */
    begin(m, 22, 52);
    add_conv(m, 32, 3, 2);
    add_conv(m, 32, 0, 0);
    add_conv(m, 32, 0, 0);
    add_conv(m, 32, 3, 1);
    add_conv(m, 8, 3, 2);
    return end(m);
}

TEST(a_game_model_fits_each_device_whole) {
    model m;
    const fr_step *step = game(&m);
    for (int k = 0; k < 4; k++) {
        chain_mma_plan plan;
        CHECK(chain_mma_plan_make(step, &shapes[k], &plan) == FR_WHY_NOT);
        check_plan(&plan, &shapes[k]);
        const chain_mma_op *third = &plan.ops[4]; /* 10 x 25 places: of two inputs all sums are in registers */
        CHECK(third->kind == CHAIN_CONV && third->runs == 3 && third->steps == 6);
        CHECK(plan.maps[third->dst].shares >= 0 || shapes[k].inputs > 2);
        CHECK(plan.maps[0].is_paired && plan.ops[1].runs * plan.ops[1].steps == 3);
        CHECK(plan.flops > 16.0e6 && plan.flops < 16.8e6);
    }
}

TEST(large_maps_go_through_in_bands_of_rows) {
    model m;
    begin(&m, 50, 50); /* N4 */
    add_conv(&m, 64, 0, 0);
    add_conv(&m, 64, 2, 2);
    const fr_step *step = end(&m);
    chain_mma_plan plan;
    const chain_mma_shape one = {1, 8, 1, 90, 227 << 10};
    CHECK(chain_mma_plan_make(step, &one, &plan) == FR_WHY_NOT);
    CHECK(plan.n_segments == 1 && plan.segments[0].bands > 1);
    check_plan(&plan, &one);
    CHECK(chain_mma_plan_make(step, &shapes[6], &plan) == FR_WHY_MEMORY);
}

TEST(what_it_cannot_do_is_refused_with_its_reason) {
    model m;
    const fr_step *step = game(&m);
    chain_mma_shape shape = shapes[3];
    chain_mma_plan plan;
    shape.generation = 0;
    CHECK(chain_mma_plan_make(step, &shape, &plan) == FR_WHY_ISA);
    shape.generation = 75;
    m.chain.compute = FR_PRECISION_BF16;
    CHECK(chain_mma_plan_make(step, &shape, &plan) == FR_WHY_ISA);
    m.chain.compute = FR_PRECISION_F32;
    CHECK(chain_mma_plan_make(step, &shape, &plan) == FR_WHY_DTYPE);
    m.chain.compute = FR_PRECISION_F16;
    m.sub[2].groups = 2;
    CHECK(chain_mma_plan_make(step, &shape, &plan) == FR_WHY_GROUPS);
    m.sub[2].groups = 1;
    m.sub[2].dst.dtype = m.sub[3].src[0].dtype = FR_F32; /* f32 between maps would lose digits */
    CHECK(chain_mma_plan_make(step, &shape, &plan) == FR_WHY_DTYPE);
}

CHECK_MAIN
