/* A plan as constants of C++: what chain_mma.cu is compiled behind. */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/host_device.h"
#include "gpu/chain_mma.h"

enum { OP_BYTES = 2048, HEAD_BYTES = 1024 };

typedef struct writer {
    char *text;
    size_t bytes, used;
    bool is_full;
} writer;

static void say(writer *to, const char *fmt, ...) FR_PRINTF(2, 3);
static void say(writer *to, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(to->text + to->used, to->bytes - to->used, fmt, args);
    va_end(args);
    if (length < 0 || (size_t)length >= to->bytes - to->used)
        to->is_full = true;
    else
        to->used += (size_t)length;
}

static double bounded(float number) {
    return isinf(number) ? copysign((double)FLT_MAX, (double)number) : (double)number;
}

static void say_source(writer *to, const chain_mma_map *m) {
    say(to, "c = %d, h = %d, w = %d, src = %d, src_row = %d, src_place = %d, src_image = %d, src_copy = %d, ", m->c,
        m->h, m->w, m->at, m->row, m->place, m->image, m->copy);
    say(to, "src_chunks = %d, src_left = %d, sy0 = %d, sy1 = %d, src_is_words = %d, src_is_paired = %d,\n", m->chunks,
        m->left, m->y0, m->y1, m->is_words, m->is_paired);
}

static void say_target(writer *to, const chain_mma_map *m) {
    say(to, "oc = %d, oh = %d, ow = %d, dst = %d, dst_row = %d, dst_place = %d, dst_image = %d, dst_copy = %d, ", m->c,
        m->h, m->w, m->at, m->row, m->place, m->image, m->copy);
    say(to, "dst_chunks = %d, dst_rows = %d, dst_left = %d, dst_right = %d, dy0 = %d, dy1 = %d, dst_is_paired = %d,\n",
        m->chunks, m->rows, m->left, m->right, m->y0, m->y1, m->is_paired);
    /* rows of a band that lie past the map are written as zeros with the others */
    say(to, "dst_top = %d, dst_bottom = %d, clears = %d,\n", m->is_banded ? 0 : m->top, m->is_banded ? 0 : m->bottom,
        m->shares < 0 && !m->is_words);
}

static void say_window(writer *to, const chain_mma_op *op, const chain_mma_map *from, const chain_mma_map *map) {
    const fr_window *k = &op->win;
    bool is_whole = k->pad_top == 0 && k->pad_left == 0 && (map->h - 1) * k->sh + (k->kh - 1) * k->dh < from->h &&
                    (map->w - 1) * k->sw + (k->kw - 1) * k->dw < from->w;
    say(to, "kh = %d, kw = %d, sh = %d, sw = %d, dh = %d, dw = %d, pt = %d, pl = %d, is_whole = %d,\n", k->kh, k->kw,
        k->sh, k->sw, k->dh, k->dw, k->pad_top, k->pad_left, is_whole);
}

/* Whether some band has rows past the map. */
static bool cuts_rows(const chain_mma_plan *plan, int32_t index) {
    const chain_mma_op *op = &plan->ops[index];
    const chain_mma_map *map = &plan->maps[op->dst >= 0 ? op->dst : op->src];
    int32_t bands = 1;
    for (int32_t i = 0; i < plan->n_segments; i++)
        if (index >= plan->segments[i].first && index <= plan->segments[i].last)
            bands = plan->segments[i].bands;
    return op->y0 < 0 || op->y0 + op->y1 * (bands - 1) + op->rows > map->h;
}

static void say_op(writer *to, const chain_mma_plan *plan, const fr_step *chain, int32_t index) {
    const chain_mma_op *op = &plan->ops[index];
    const chain_mma_map *from = op->src >= 0 ? &plan->maps[op->src] : NULL,
                        *map = op->dst >= 0 ? &plan->maps[op->dst] : NULL;
    say(to, "struct chain_op%d { enum {\n", index);
    if (from)
        say_source(to, from);
    if (map)
        say_target(to, map);
    if (op->kind == CHAIN_CONV || op->kind == CHAIN_POOL)
        say_window(to, op, from, map);
    if (op->kind == CHAIN_CONV)
        say(to,
            "runs = %d, steps = %d, m_tiles = %d, n_tiles = %d, rounds = %d, columns = %d, is_resident = %d, "
            "run_bytes = %d, resident_at = %d, takes_over = %d,\n",
            op->runs, op->steps, op->m_tiles, op->n_tiles, op->rounds, op->columns, op->is_resident, op->run_bytes,
            op->resident_at, map->shares >= 0);
    if (op->kind == CHAIN_FC)
        say(to, "fc_chunks = %d,\n", from->is_words ? gpu_ceil_div(from->c, 8) : from->h * from->w * from->chunks);
    if (op->kind == CHAIN_STORE)
        say(to, "stored = %d,\n", fr_layout_channels(chain->dst.layout, from->c));
    say(to, "cuts = %d,\n", cuts_rows(plan, index));
    say(to, "inputs = %d, rows = %d, y0 = %d, y1 = %d, fills = %d, act = %d, pool = %d, limit_y = %d, limit_x = %d,\n",
        op->inputs, op->rows, op->y0, op->y1, op->fills, op->act, op->pool, op->limit_y, op->limit_x);
    say(to, "is_ingest = %d, images = %d, image_c = %d, softmax = %d, weight_at = %lld, bias_at = %lld };\n",
        op->kind == CHAIN_INGEST, chain->images ? chain->images : 1, op->image_c ? op->image_c : 1, op->softmax,
        (long long)op->weight_at, (long long)op->bias_at);
    say(to,
        "static inline float act_a() { return (float)%.9e; }\nstatic inline float act_b() { return (float)%.9e; "
        "}\n};\n",
        bounded(op->act_a), bounded(op->act_b));
}

static const char *function_of(chain_kind kind) {
    switch (kind) {
    case CHAIN_LOAD:
    case CHAIN_INGEST: return "fill";
    case CHAIN_CONV: return "conv";
    case CHAIN_POOL: return "pool";
    case CHAIN_FC: return "fc";
    case CHAIN_ACT: return "act";
    case CHAIN_STORE: return "store";
    default: return "emit";
    }
}

static void say_run(writer *to, const chain_mma_plan *plan) {
    say(to, "#define CHAIN_RUN(k)");
    for (int32_t i = 0; i < plan->n_segments; i++) {
        const chain_mma_segment *s = &plan->segments[i];
        say(to, " \\\n    _Pragma(\"unroll 1\") for (int input = 0; input < %d; input++)", s->passes);
        say(to, " \\\n    _Pragma(\"unroll 1\") for (int band = 0; band < %d; band++) {", s->bands);
        for (int32_t o = s->first; o <= s->last; o++)
            say(to, " \\\n        chain_%s<chain_op%d>(k, input, band); \\\n        __syncthreads();",
                function_of(plan->ops[o].kind), o);
        say(to, " \\\n    }");
    }
    say(to, "\n");
}

fr_status chain_mma_text(const fr_host *host, const chain_mma_plan *plan, const fr_step *chain, char **out_text) {
    size_t bytes = HEAD_BYTES + (size_t)plan->n_ops * OP_BYTES;
    void *block;
    *out_text = NULL;
    HOST_TRY(host_alloc(host, bytes, "a kernel's constants", &block));
    writer to = {.text = block, .bytes = bytes};
    for (int32_t i = 0; i < plan->n_ops; i++)
        say_op(&to, plan, chain, i);
    say_run(&to, plan);
    if (to.is_full) {
        host->free(block);
        return host_fail(host, FR_INTERNAL, "a chain's constants have no room");
    }
    *out_text = block;
    return FR_OK;
}
