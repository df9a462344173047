/* Where the maps and weights of a chain lie in shared memory, and how its products are cut into jobs of warps. */
#include <stdlib.h>

#include "gpu/chain_mma.h"

enum { ALIGN = 128, MOST_UNROLLED = 10, PASS_CYCLES = 300 };

static int64_t up(int64_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- maps -------------------------------------------------------------------------------------------------------------- */

static const chain_mma_op *reader_of(const chain_mma_plan *plan, int32_t map) {
    for (int32_t i = 0; i < plan->n_ops; i++)
        if (plan->ops[i].src == map && plan->ops[i].kind != CHAIN_ACT)
            return &plan->ops[i];
    return NULL;
}

static bool is_pairable(const chain_mma_plan *plan, int32_t map, const chain_mma_op *writer) {
    const chain_mma_op *reader = reader_of(plan, map);
    bool is_first = writer->kind == CHAIN_INGEST || writer->kind == CHAIN_LOAD;
    return is_first && plan->maps[map].c <= 4 && reader && reader->kind == CHAIN_CONV && reader->win.dw == 1 &&
           reader->win.kw > 1 && reader - plan->ops == 1;
}

static void size_map(chain_mma_plan *plan, const chain_mma_shape *shape, chain_mma_op *op) {
    chain_mma_map *m = &plan->maps[op->dst];
    int32_t inputs = m->is_banded ? 1 : shape->inputs, across = m->left + m->w + m->right;
    m->copy = 0;
    m->is_paired = is_pairable(plan, op->dst, op);
    m->chunks = m->is_paired ? 1 : gpu_ceil_div(m->c, 8);
    if (m->is_words) {
        m->image = gpu_round_up(m->c, 8) * 4;
        m->place = m->row = m->image;
        m->bytes = (int64_t)inputs * m->image;
        return;
    }
    m->place = m->is_paired ? 8 : 16 * (m->chunks | 1);
    m->row = m->is_paired ? gpu_round_up((across + 3) * 8, 16) : across * m->place;
    m->image = m->rows * m->row;
    m->bytes = (int64_t)inputs * m->image;
    if (m->is_paired) { /* the copies begin in different banks */
        m->copy = (int32_t)up(m->bytes) + ALIGN / 2;
        m->bytes += m->copy;
    }
    if (m->is_banded)
        m->image = 0;
}

/* When all sums of a layer are in registers at once, they may take the place of what they were made from. */
static bool can_take_over(const chain_mma_plan *plan, const chain_mma_op *op) {
    const chain_mma_map *from = &plan->maps[op->src], *to = &plan->maps[op->dst];
    const chain_mma_op *reader = reader_of(plan, op->dst);
    bool is_same_size = from->h == to->h && from->w == to->w;
    bool needs_border = to->top + to->left + to->bottom + to->right > 0;
    bool has_border = from->top == to->top && from->left == to->left && from->bottom == to->bottom &&
                      from->right == to->right && is_same_size;
    return op->kind == CHAIN_CONV && op->rounds == 1 && !from->is_banded && !to->is_banded && !from->is_paired &&
           from->chunks == to->chunks && to->h <= from->h && to->w <= from->w && reader &&
           (has_border || !needs_border);
}

static void take_over(chain_mma_plan *plan, const chain_mma_op *op) {
    chain_mma_map *from = &plan->maps[op->src], *to = &plan->maps[op->dst];
    to->shares = from->shares >= 0 ? from->shares : op->src;
    to->top = from->top;
    to->left = from->left;
    to->bottom = from->bottom;
    to->right = from->right;
    to->rows = from->rows;
    to->y0 = from->y0;
    to->row = from->row;
    to->image = from->image;
    to->bytes = from->bytes;
}

/* ---- jobs -------------------------------------------------------------------------------------------------------------- */

/* Cycles of a multiprocessor: one product of 16x8x16, as its matrix units and as shared memory (128 bytes each) see it. */
static double step_cycles(const chain_mma_shape *shape, int32_t m, int32_t n) {
    double products = m * n * (shape->generation >= 80 ? 2.0 : 4.0), loads = (m * 512.0 + n * 256.0) / 128.0;
    return products > loads ? products + 0.25 * loads : loads + 0.25 * products;
}

static void cut_jobs(const chain_mma_plan *plan, const chain_mma_shape *shape, chain_mma_op *op) {
    const chain_mma_map *to = &plan->maps[op->dst];
    int32_t places = gpu_ceil_div(op->inputs * op->rows * to->w, 16), outputs = gpu_ceil_div(to->c, 8);
    int32_t most = shape->generation >= 75 ? 16 : 8; /* sums in registers; sm_70 keeps two halves of each */
    if (shape->warps * shape->blocks > 8)
        most /= 2;
    double best = 0;
    for (int32_t n = 1; n <= outputs && n <= 8; n++)
        for (int32_t m = 1; m <= 4 && m * n <= most; m++) {
            int32_t jobs = gpu_ceil_div(places, m) * gpu_ceil_div(outputs, n);
            int32_t rounds = gpu_ceil_div(jobs, shape->warps);
            double cycles = rounds * shape->warps * step_cycles(shape, m, n) + 4.0 * rounds;
            if (best > 0 && cycles >= best)
                continue;
            best = cycles;
            op->m_tiles = m;
            op->n_tiles = n;
            op->rounds = rounds;
            op->columns = gpu_round_up(outputs, n) * 8;
        }
}

/* Runs of k: a row of the window each, if its chunks are even in number (a step is two); else all at once, if they are few. */
static void cut_sum(const chain_mma_plan *plan, chain_mma_op *op) {
    const chain_mma_map *from = &plan->maps[op->src];
    int32_t kh = op->win.kh, row = from->is_paired ? gpu_ceil_div(op->win.kw, 2) : op->win.kw * from->chunks;
    bool is_whole = kh == 1 || (row % 2 == 1 && gpu_ceil_div(row * kh, 2) <= MOST_UNROLLED);
    op->runs = is_whole ? 1 : kh;
    op->steps = gpu_ceil_div(is_whole ? row * kh : row, 2);
    op->run_bytes = op->columns * (op->steps * 16 + 8) * 2;
}

bool chain_mma_tap(const chain_mma_plan *plan, const chain_mma_op *op, int32_t run, int32_t chunk, int32_t k,
                   int32_t *out_c, int32_t *out_y, int32_t *out_x) {
    const chain_mma_map *from = &plan->maps[op->src];
    int32_t row = from->is_paired ? gpu_ceil_div(op->win.kw, 2) : op->win.kw * from->chunks;
    int32_t y = op->runs > 1 ? run : chunk / row, at = op->runs > 1 ? chunk : chunk % row;
    *out_y = y;
    *out_x = from->is_paired ? at * 2 + k / 4 : at / from->chunks;
    *out_c = from->is_paired ? k % 4 : at % from->chunks * 8 + k;
    return y < op->win.kh && at < row && *out_x < op->win.kw && *out_c < from->c;
}

/* ---- weights ----------------------------------------------------------------------------------------------------------- */

/* Answers how many bytes stay in shared memory. */
static int64_t place_weights(chain_mma_plan *plan) {
    int64_t packed = 0;
    plan->stream_bytes = 0;
    for (int pass = 0; pass < 2; pass++) { /* resident ones first */
        for (int32_t i = 0; i < plan->n_ops; i++) {
            chain_mma_op *op = &plan->ops[i];
            if (op->kind != CHAIN_CONV || op->is_resident == (pass == 1))
                continue;
            op->weights = (int64_t)op->runs * op->run_bytes;
            op->weight_at = packed;
            op->resident_at = (int32_t)packed;
            packed += up(op->weights);
            if (!op->is_resident && op->run_bytes > plan->stream_bytes)
                plan->stream_bytes = (int32_t)up(op->run_bytes);
        }
        if (pass == 0)
            plan->resident_bytes = (int32_t)packed;
    }
    for (int32_t i = 0; i < plan->n_ops; i++) {
        chain_mma_op *op = &plan->ops[i];
        if (op->kind == CHAIN_FC) {
            const chain_mma_map *from = &plan->maps[op->src];
            int64_t row = from->is_words ? gpu_round_up(from->c, 8) : (int64_t)from->h * from->w * from->chunks * 8;
            op->weights = row * 2 * plan->maps[op->dst].c;
            op->weight_at = packed;
            packed += up(op->weights);
        }
        if (op->kind == CHAIN_CONV || op->kind == CHAIN_FC || op->kind == CHAIN_INGEST) {
            op->bias_at = packed; /* or mean, then scale */
            packed += up(4 * (int64_t)(op->kind == CHAIN_CONV ? op->columns
                                       : op->kind == CHAIN_FC ? plan->maps[op->dst].c
                                                              : 2 * op->image_c));
        }
    }
    plan->packed_bytes = packed;
    return plan->resident_bytes;
}

static chain_mma_op *largest_resident(chain_mma_plan *plan) {
    chain_mma_op *most = NULL;
    for (int32_t i = 0; i < plan->n_ops; i++) {
        chain_mma_op *op = &plan->ops[i];
        if (op->kind == CHAIN_CONV && op->is_resident && (!most || op->weights > most->weights))
            most = op;
    }
    return most;
}

/* ---- places ------------------------------------------------------------------------------------------------------------ */

static const chain_mma_segment *segment_of(const chain_mma_plan *plan, int32_t op) {
    for (int32_t i = 0; i < plan->n_segments; i++)
        if (op <= plan->segments[i].last)
            return &plan->segments[i];
    return &plan->segments[0];
}

static bool is_banded(const chain_mma_segment *s) {
    return s->bands > 1 || s->passes > 1;
}

/* Everything that a banded segment touches lives as long as it runs. */
static void set_lives(chain_mma_plan *plan) {
    for (int32_t i = 0; i < plan->n_maps; i++) {
        plan->maps[i].born = plan->n_ops;
        plan->maps[i].dies = -1;
    }
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const chain_mma_segment *s = segment_of(plan, i);
        int32_t begin = is_banded(s) ? s->first : i, end = is_banded(s) ? s->last : i;
        const int32_t touched[] = {plan->ops[i].src, plan->ops[i].dst};
        for (int k = 0; k < 2; k++) {
            if (touched[k] < 0)
                continue;
            chain_mma_map *m = &plan->maps[touched[k]];
            if (m->shares >= 0)
                m = &plan->maps[m->shares];
            m->born = begin < m->born ? begin : m->born;
            m->dies = end > m->dies ? end : m->dies;
        }
    }
}

/* The buffers of the stream live from the first operation that reads them to the last. Copies that nothing waits for go to
 * the second one; hardware without such copies has one. */
static void set_stream(chain_mma_plan *plan, const chain_mma_shape *shape) {
    plan->slots = shape->generation >= 80 ? 2 : 1;
    plan->stream = (chain_mma_map){
        .bytes = plan->slots * (int64_t)plan->stream_bytes, .born = plan->n_ops, .dies = -1, .shares = -1};
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const chain_mma_segment *s = segment_of(plan, i);
        if (plan->ops[i].kind != CHAIN_CONV || plan->ops[i].is_resident)
            continue;
        int32_t begin = is_banded(s) ? s->first : i;
        plan->stream.born = begin < plan->stream.born ? begin : plan->stream.born;
        plan->stream.dies = is_banded(s) ? s->last : i;
    }
}

static bool meets(const chain_mma_map *a, const chain_mma_map *b) {
    return a->born <= b->dies && b->born <= a->dies && a->at < b->at + b->bytes && b->at < a->at + a->bytes;
}

/* Each map at the lowest place where nothing lives at the same time, the large ones first. Answers where they end. */
static int64_t place_maps(chain_mma_plan *plan, int64_t base) {
    chain_mma_map *order[CHAIN_MMA_OPS + 1];
    int32_t count = 0;
    int64_t end = base;
    for (int32_t i = 0; i <= plan->n_maps; i++) {
        chain_mma_map *m = i < plan->n_maps ? &plan->maps[i] : &plan->stream;
        if (m->shares >= 0)
            continue;
        int32_t k = count++;
        for (; k > 0 && order[k - 1]->bytes < m->bytes; k--)
            order[k] = order[k - 1];
        order[k] = m;
    }
    for (int32_t i = 0; i < count; i++) {
        chain_mma_map *m = order[i];
        int64_t at = base;
        for (int32_t k = 0; k < i;) {
            m->at = (int32_t)at;
            const chain_mma_map *other = order[k++];
            if (meets(m, other)) {
                at = up(other->at + other->bytes);
                k = 0;
            }
        }
        m->at = (int32_t)at;
        end = at + m->bytes > end ? at + m->bytes : end;
    }
    for (int32_t i = 0; i < plan->n_maps; i++)
        if (plan->maps[i].shares >= 0)
            plan->maps[i].at = plan->maps[plan->maps[i].shares].at;
    return up(end);
}

/* ---- what it takes ------------------------------------------------------------------------------------------------------ */

static double cycles_of(const chain_mma_plan *plan, const chain_mma_shape *shape) {
    double products = 0, rest = 0;
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const chain_mma_op *op = &plan->ops[i];
        const chain_mma_segment *s = segment_of(plan, i);
        const chain_mma_map *to = &plan->maps[op->dst >= 0 ? op->dst : op->src];
        double times = s->passes * s->bands, places = (double)op->inputs * op->rows * to->w * to->chunks;
        rest += times * PASS_CYCLES;
        if (op->kind == CHAIN_CONV) {
            products +=
                times * op->rounds * op->runs * op->steps * shape->warps * step_cycles(shape, op->m_tiles, op->n_tiles);
            double chunks = times * op->rounds * op->runs;
            if (!op->is_resident) /* from L2 at about 24 bytes a cycle; later hardware computes meanwhile */
                rest += chunks * (op->run_bytes / 24.0 * (shape->generation >= 80 ? 0.3 : 1.0) + PASS_CYCLES);
        } else if (op->kind == CHAIN_POOL)
            rest += times * places * op->win.kh * op->win.kw * (shape->generation >= 80 ? 6.0 : 16.0) / 128.0;
        else
            rest += times * places * 0.25;
    }
    return (products + rest / shape->blocks) / shape->inputs;
}

static int64_t place_all(chain_mma_plan *plan, const chain_mma_shape *shape) {
    int64_t resident = place_weights(plan);
    set_stream(plan, shape);
    return place_maps(plan, resident);
}

bool chain_mma_place(const chain_mma_shape *shape, chain_mma_plan *plan) {
    for (int32_t i = 0; i < plan->n_ops; i++) {
        chain_mma_op *op = &plan->ops[i];
        if (op->dst >= 0 && op->kind != CHAIN_ACT)
            size_map(plan, shape, op);
        if (op->kind != CHAIN_CONV)
            continue;
        cut_jobs(plan, shape, op);
        cut_sum(plan, op);
        op->is_resident = true;
        if (can_take_over(plan, op))
            take_over(plan, op);
    }
    set_lives(plan);
    int64_t end = place_all(plan, shape);
    for (chain_mma_op *op; end > shape->most_bytes && (op = largest_resident(plan)) != NULL;) {
        op->is_resident = false;
        end = place_all(plan, shape);
    }
    plan->shared_bytes = end;
    plan->cycles = cycles_of(plan, shape);
    return end <= shape->most_bytes;
}
