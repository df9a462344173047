/* Which operations a chain is, and in which segments they run. chain_plan reads the sub-steps. */
#include <string.h>

#include "gpu/chain_mma.h"

/* ---- what a chain may be made of --------------------------------------------------------------------------------- */

static bool is_word(const fr_tensor *t) {
    return t->dtype == FR_F32;
}

/* Between steps lie numbers of the compute type; what fully connected layers write may be f32. */
static fr_reason check(const fr_step *chain, const chain_mma_shape *shape) {
    uint16_t own = chain->compute == FR_PRECISION_BF16 ? FR_BF16 : FR_F16;
    if (chain->compute != FR_PRECISION_F16 && chain->compute != FR_PRECISION_BF16)
        return FR_WHY_DTYPE;
    if (shape->generation < (own == FR_BF16 ? 80 : 70))
        return FR_WHY_ISA;
    bool has_products = false, is_flat = false;
    for (int32_t i = 0; i < chain->n_sub; i++) {
        const fr_step *sub = &chain->sub[i];
        bool ends = i + 1 == chain->n_sub;
        bool reads_images = sub->kind == FR_STEP_INGEST, reads_words = i > 0 && is_flat && is_word(&sub->src[0]);
        if (!reads_images && !reads_words && sub->src[0].dtype != own)
            return FR_WHY_DTYPE;
        if (is_flat && sub->kind != FR_STEP_FC && sub->kind != FR_STEP_EMIT)
            return FR_WHY_SHAPE; /* maps after a vector */
        is_flat = sub->kind == FR_STEP_FC;
        has_products |= sub->kind == FR_STEP_CONV || is_flat;
        bool writes_words = (is_flat || ends) && is_word(&sub->dst);
        if (!writes_words && sub->dst.dtype != own)
            return FR_WHY_DTYPE;
    }
    return has_products ? FR_WHY_NOT : FR_WHY_KIND;
}

/* The plan of the same chain in f16, f32 nowhere: which records it is made of does not depend on dtypes. */
static fr_reason read_records(const fr_step *chain, chain_plan *out_plan) {
    enum { MOST_SUBS = 24 };
    fr_step subs[MOST_SUBS], same = *chain;
    const chain_tiles tiles = {.vec = 8, .pair_pixels = 4, .single_pixels = 4, .most_floats = INT32_MAX};
    if (chain->n_sub > MOST_SUBS)
        return FR_WHY_MEMORY;
    same.compute = FR_PRECISION_F16;
    same.sub = subs;
    for (int32_t i = 0; i < chain->n_sub; i++) {
        subs[i] = chain->sub[i];
        if (subs[i].kind != FR_STEP_INGEST)
            subs[i].src[0].dtype = FR_F16;
        subs[i].dst.dtype = FR_F16;
        subs[i].compute = FR_PRECISION_F16;
    }
    return chain_plan_make(&same, &tiles, out_plan);
}

/* ---- operations ------------------------------------------------------------------------------------------------------ */

static chain_mma_map *new_map(chain_mma_plan *plan, const chain_layer *l) {
    chain_mma_map *m = &plan->maps[plan->n_maps++];
    *m = (chain_mma_map){.c = l->oc,
                         .h = l->oh,
                         .w = l->ow,
                         .top = l->border_t,
                         .left = l->border_l,
                         .bottom = l->border_b,
                         .right = l->border_r,
                         .shares = -1};
    return m;
}

/* An activation behind products is done where their sums are stored. */
static bool joins(chain_mma_plan *plan, const chain_layer *l) {
    if (l->kind != CHAIN_ACT || plan->n_ops == 0)
        return false;
    chain_mma_op *before = &plan->ops[plan->n_ops - 1];
    if ((before->kind != CHAIN_CONV && before->kind != CHAIN_FC) || before->act != FR_ACT_NONE)
        return false;
    before->act = l->act;
    before->act_a = l->act_a;
    before->act_b = l->act_b;
    return true;
}

static void add_op(const fr_step *chain, const chain_layer *l, int32_t index, chain_mma_plan *plan) {
    const fr_step *sub = &chain->sub[index];
    chain_mma_op *op = &plan->ops[plan->n_ops++];
    *op = (chain_mma_op){.kind = (chain_kind)l->kind, .sub = index, .src = plan->n_maps - 1, .dst = -1};
    if (l->kind == CHAIN_LOAD || l->kind == CHAIN_INGEST)
        op->src = -1;
    if (l->kind == CHAIN_ACT)
        op->dst = op->src;
    else if (l->kind != CHAIN_STORE && l->kind != CHAIN_EMIT) {
        op->dst = plan->n_maps;
        new_map(plan, l)->is_words = l->kind == CHAIN_FC;
    }
    op->pool = l->pool;
    op->limit_y = l->limit_y;
    op->limit_x = l->limit_x;
    op->softmax = l->softmax;
    op->image_c = l->image_c;
    bool is_sum = l->kind == CHAIN_CONV || l->kind == CHAIN_FC;
    if (l->kind == CHAIN_ACT || (is_sum && (sub->act == FR_ACT_RELU || sub->act == FR_ACT_CLIP))) {
        op->act = sub->act; /* clamps come with the sums, anything else behind them */
        op->act_a = sub->act_a;
        op->act_b = sub->act_b;
    }
    if (l->kind == CHAIN_CONV)
        op->win = sub->win;
    if (l->kind == CHAIN_POOL)
        op->win = sub->pool_win;
    if (is_sum) {
        const chain_mma_map *from = &plan->maps[op->src], *to = &plan->maps[op->dst];
        double taps = l->kind == CHAIN_CONV ? sub->win.kh * sub->win.kw : from->h * from->w;
        plan->flops += 2.0 * taps * from->c * to->c * to->h * to->w;
    }
}

static fr_reason read_ops(const fr_step *chain, chain_mma_plan *plan) {
    chain_plan records;
    fr_reason why = read_records(chain, &records);
    if (why)
        return why;
    for (int32_t i = 0; i < records.n_layers; i++) {
        const chain_layer *l = &records.layers[i];
        if (joins(plan, l))
            continue;
        if (plan->n_ops == CHAIN_MMA_OPS)
            return FR_WHY_MEMORY;
        add_op(chain, l, records.sub[i], plan);
    }
    return FR_WHY_NOT;
}

/* ---- segments -------------------------------------------------------------------------------------------------------- */

/* Rows that each operation of a banded segment computes: what those behind it read. */
static void set_band_rows(chain_mma_plan *plan, const chain_mma_segment *s) {
    int32_t end_rows = plan->ops[s->last].rows;
    int32_t y0 = 0, y1 = end_rows, rows = end_rows;
    for (int32_t i = s->last; i >= s->first; i--) {
        chain_mma_op *op = &plan->ops[i];
        op->inputs = 1;
        op->rows = rows;
        op->y0 = y0;
        op->y1 = y1;
        op->fills = i != s->last;
        chain_mma_map *to = op->dst >= 0 ? &plan->maps[op->dst] : NULL;
        if (to && i != s->last && op->kind != CHAIN_ACT) {
            to->is_banded = true;
            to->rows = rows;
            to->y0 = y0;
            to->y1 = y1;
        }
        if (op->kind == CHAIN_CONV || op->kind == CHAIN_POOL) {
            const fr_window *k = &op->win;
            rows = (rows - 1) * k->sh + (k->kh - 1) * k->dh + 1;
            y0 = y0 * k->sh - k->pad_top;
            y1 *= k->sh;
        }
    }
}

static int32_t rows_of(const chain_mma_plan *plan, const chain_mma_op *op) {
    return op->dst >= 0 ? plan->maps[op->dst].h : plan->maps[op->src].h;
}

/* Segments end at the operations `ends`, banded or not; the rest is one by one. */
static void set_segments(chain_mma_plan *plan, const chain_mma_shape *shape, const int32_t *ends, const int32_t *bands,
                         int32_t n_ends) {
    int32_t first = 0;
    plan->n_segments = 0;
    for (int32_t i = 0; i < plan->n_maps; i++) {
        chain_mma_map *m = &plan->maps[i];
        m->is_banded = false;
        m->rows = m->top + m->h + m->bottom;
        m->y0 = -m->top;
        m->y1 = 0;
        m->shares = -1;
    }
    for (int32_t i = 0; i < n_ends; i++) {
        chain_mma_segment *s = &plan->segments[plan->n_segments++];
        *s = (chain_mma_segment){.first = first, .last = ends[i], .passes = shape->inputs};
        int32_t height = rows_of(plan, &plan->ops[s->last]), rows = gpu_ceil_div(height, bands[i]);
        s->bands = gpu_ceil_div(height, rows);
        plan->ops[s->last].rows = rows;
        set_band_rows(plan, s);
        first = ends[i] + 1;
    }
    if (first == plan->n_ops)
        return;
    plan->segments[plan->n_segments++] =
        (chain_mma_segment){.first = first, .last = plan->n_ops - 1, .passes = 1, .bands = 1};
    for (int32_t i = first; i < plan->n_ops; i++) {
        chain_mma_op *op = &plan->ops[i];
        op->inputs = shape->inputs;
        op->rows = rows_of(plan, op);
        op->y0 = op->y1 = 0;
        op->fills = false;
    }
}

/* Where a banded segment may end: behind a pool, and with what is stored at once. */
static int32_t find_ends(const chain_mma_plan *plan, int32_t most, int32_t *ends) {
    int32_t count = 0;
    for (int32_t i = 0; i < plan->n_ops && count < most; i++) {
        bool is_next_stored = i + 1 < plan->n_ops && plan->ops[i + 1].kind == CHAIN_STORE;
        if (plan->ops[i].kind == CHAIN_FC)
            break;
        if (plan->ops[i].kind == CHAIN_STORE || (plan->ops[i].kind == CHAIN_POOL && !is_next_stored))
            ends[count++] = i;
    }
    return count;
}

static bool is_better(const chain_mma_plan *plan, const chain_mma_plan *best) {
    return best->n_ops == 0 || plan->cycles < best->cycles;
}

/* On a copy: maps that take over others' memory take their borders too. */
static void try_segments(const chain_mma_shape *shape, const chain_mma_plan *plan, const int32_t *ends,
                         const int32_t *bands, int32_t n_ends, chain_mma_plan *best) {
    chain_mma_plan made = *plan;
    set_segments(&made, shape, ends, bands, n_ends);
    if (chain_mma_place(shape, &made) && is_better(&made, best))
        *best = made;
}

/* All at once; the first ends in bands, each a segment or all one; in as few bands as fit. */
fr_reason chain_mma_plan_make(const fr_step *chain, const chain_mma_shape *shape, chain_mma_plan *out_plan) {
    static const int32_t counts[] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 50};
    enum { COUNTS = sizeof counts / sizeof counts[0], ENDS = 3 };
    chain_mma_plan plan;
    int32_t ends[ENDS], bands[2];
    memset(&plan, 0, sizeof plan);
    memset(out_plan, 0, sizeof *out_plan);
    fr_reason why = check(chain, shape);
    if (!why)
        why = read_ops(chain, &plan);
    if (why)
        return why;
    int32_t n_ends = find_ends(&plan, ENDS, ends);
    try_segments(shape, &plan, NULL, NULL, 0, out_plan);
    for (int32_t e = 0; e < n_ends; e++)
        for (int32_t i = 0; i < COUNTS; i++)
            try_segments(shape, &plan, &ends[e], &counts[i], 1, out_plan);
    for (int32_t i = 0; n_ends > 1 && i < COUNTS; i++)
        for (int32_t k = 0; k < COUNTS; k++) {
            bands[0] = counts[i];
            bands[1] = counts[k];
            try_segments(shape, &plan, ends, bands, 2, out_plan);
        }
    return out_plan->n_ops ? FR_WHY_NOT : FR_WHY_MEMORY;
}
