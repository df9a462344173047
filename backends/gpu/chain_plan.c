#include "gpu/chain_plan.h"

#include <math.h>
#include <string.h>

typedef struct map { /* in local memory, with a border of zeros that its reader wants */
    int32_t c, h, w, place, row, top, left, bottom, right;
    int64_t floats, at;
} map;

typedef struct link { /* a layer to be; one by Winograd becomes several records */
    chain_layer layer;
    int32_t sub, reads, writes; /* maps; -1 = the memory of the chain's ends */
    bool is_wino;
    int32_t block;       /* Winograd: tiles that V and M hold at a time */
    int64_t work_floats; /* beside the maps */
} link;

typedef struct builder {
    const fr_step *chain;
    const chain_tiles *tiles;
    chain_plan *plan;
    link links[CHAIN_MOST_LAYERS];
    int32_t n_links;
    map maps[CHAIN_MOST_LAYERS];
    int32_t n_maps;
} builder;

/* ---- what a chain may be made of -------------------------------------------------------------------------------- */

static bool is_float(const fr_tensor *t) {
    return t->dtype == FR_F32 || t->dtype == FR_F16 || t->dtype == FR_BF16;
}

static fr_reason check_conv(const fr_step *sub) {
    if (sub->groups != 1)
        return FR_WHY_GROUPS;
    if (sub->win.pad_top < 0 || sub->win.pad_left < 0 || sub->win.pad_bottom < 0 || sub->win.pad_right < 0)
        return FR_WHY_PADDING;
    return sub->residual ? FR_WHY_EPILOGUE : FR_WHY_NOT;
}

static fr_reason check_sub(const fr_step *sub) {
    bool is_ingest = sub->kind == FR_STEP_INGEST;
    if (is_ingest ? sub->src[0].dtype != FR_U8 && sub->src[0].dtype != FR_F32 : !is_float(&sub->src[0]))
        return FR_WHY_DTYPE;
    if (!is_float(&sub->dst))
        return FR_WHY_DTYPE;
    switch (sub->kind) {
    case FR_STEP_CONV: return check_conv(sub);
    case FR_STEP_FC: return sub->residual ? FR_WHY_EPILOGUE : FR_WHY_NOT;
    case FR_STEP_INGEST:
    case FR_STEP_EMIT:
    case FR_STEP_POOL:
    case FR_STEP_UNARY: return FR_WHY_NOT;
    default: return FR_WHY_KIND;
    }
}

static fr_reason check(const fr_step *chain) {
    if (!gpu_sums_floats(chain->compute))
        return FR_WHY_DTYPE;
    for (int32_t i = 0; i < chain->n_sub; i++) {
        fr_reason why = check_sub(&chain->sub[i]);
        if (why)
            return why;
    }
    return FR_WHY_NOT;
}

/* ---- layers and maps ---------------------------------------------------------------------------------------------- */

/* A layer that reads the newest map and writes a new one of these dims (c = 0: writes none, or in place). */
static chain_layer *add_layer(builder *b, chain_kind kind, int32_t sub, int32_t c, int32_t h, int32_t w) {
    link *made = &b->links[b->n_links++];
    *made = (link){.layer = {.kind = (int32_t)kind},
                   .sub = sub,
                   .reads = kind == CHAIN_LOAD || kind == CHAIN_INGEST ? -1 : b->n_maps - 1,
                   .writes = kind == CHAIN_STORE || kind == CHAIN_EMIT ? -1 : b->n_maps - 1};
    if (c > 0) {
        made->writes = b->n_maps;
        b->maps[b->n_maps++] = (map){.c = c, .h = h, .w = w};
    }
    return &made->layer;
}

/* A clamp is done where sums are stored; anything else in a layer of its own. */
static void add_act(builder *b, int32_t index, chain_layer *sums) {
    const fr_step *sub = &b->chain->sub[index];
    if (sums) {
        sums->low = sub->act == FR_ACT_RELU ? 0.0f : sub->act == FR_ACT_CLIP ? sub->act_a : -INFINITY;
        sums->high = sub->act == FR_ACT_CLIP ? sub->act_b : INFINITY;
        if (sub->act == FR_ACT_NONE || sub->act == FR_ACT_RELU || sub->act == FR_ACT_CLIP)
            return;
    }
    chain_layer *l = add_layer(b, CHAIN_ACT, index, 0, 0, 0);
    l->act = sub->act;
    l->act_a = sub->act_a;
    l->act_b = sub->act_b;
}

static void add_pool(builder *b, int32_t index, int32_t h, int32_t w) {
    const fr_step *sub = &b->chain->sub[index];
    const fr_window *k = &sub->pool_win;
    chain_layer *l = add_layer(b, CHAIN_POOL, index, sub->dst.c, sub->dst.h, sub->dst.w);
    l->pool = sub->pool;
    l->k_kh = k->kh;
    l->k_kw = k->kw;
    l->k_sh = k->sh;
    l->k_sw = k->sw;
    l->k_dh = k->dh;
    l->k_dw = k->dw;
    l->k_pt = k->pad_top;
    l->k_pl = k->pad_left;
    l->limit_y = h + k->pad_bottom;
    l->limit_x = w + k->pad_right;
}

static void add_conv(builder *b, int32_t index) {
    const fr_step *sub = &b->chain->sub[index];
    map *from = &b->maps[b->n_maps - 1];
    int32_t h, w;
    fr_conv_map(sub, &h, &w);
    from->top = sub->win.pad_top;
    from->left = sub->win.pad_left;
    from->bottom = sub->win.pad_bottom;
    from->right = sub->win.pad_right;
    b->plan->flops += 2.0 * h * w * sub->dst.c * sub->src[0].c * sub->win.kh * sub->win.kw;
    add_act(b, index, add_layer(b, CHAIN_CONV, index, sub->dst.c, h, w));
    if (sub->pool)
        add_pool(b, index, h, w);
}

static void add_sub(builder *b, int32_t index) {
    const fr_step *sub = &b->chain->sub[index];
    const fr_tensor *src = &sub->src[0], *dst = &sub->dst;
    switch (sub->kind) {
    case FR_STEP_INGEST: add_layer(b, CHAIN_INGEST, index, dst->c, dst->h, dst->w)->image_c = sub->image_c; break;
    case FR_STEP_CONV: add_conv(b, index); break;
    case FR_STEP_FC:
        b->plan->flops += 2.0 * dst->c * src->c * src->h * src->w;
        add_act(b, index, add_layer(b, CHAIN_FC, index, dst->c, 1, 1));
        break;
    case FR_STEP_POOL: add_pool(b, index, src->h, src->w); break;
    case FR_STEP_EMIT: add_layer(b, CHAIN_EMIT, index, 0, 0, 0)->softmax = sub->softmax; break;
    default: add_act(b, index, NULL); break;
    }
}

static int32_t reach(int32_t count, int32_t stride, int32_t pad, int32_t k, int32_t dilation) { /* last tap, and one */
    return (count - 1) * stride - pad + (k - 1) * dilation + 1;
}

static int32_t cropped(int32_t size, int32_t needed) {
    return needed < 1 ? 1 : needed < size ? needed : size;
}

/* Places that the pool after a conv never looks at need not be computed. */
static void crop(builder *b) {
    for (int32_t i = 0, conv_map = -1; i < b->n_links; i++) {
        const link *it = &b->links[i];
        const chain_layer *l = &it->layer;
        if (l->kind == CHAIN_CONV)
            conv_map = it->writes;
        if (l->kind != CHAIN_POOL || it->reads != conv_map)
            continue;
        map *from = &b->maps[it->reads];
        const map *to = &b->maps[it->writes];
        from->h = cropped(from->h, reach(to->h, l->k_sh, l->k_pt, l->k_kh, l->k_dh));
        from->w = cropped(from->w, reach(to->w, l->k_sw, l->k_pl, l->k_kw, l->k_dw));
    }
}

/* ---- Winograd ----------------------------------------------------------------------------------------------------------- */

/* In vector operations: products, and the transforms beside them. */
static bool is_worth_it(const map *from, const map *to, int32_t vec) {
    double in = gpu_ceil_div(from->c, vec), out = gpu_ceil_div(to->c, vec);
    double tiles = (double)gpu_ceil_div(to->h, 4) * gpu_ceil_div(to->w, 4);
    double direct = 9.0 * from->c * out * to->h * to->w;
    return tiles * (36.0 * from->c * out + 200.0 * in + 150.0 * out) * 1.2 < direct;
}

/* The border of what it reads grows to whole tiles. */
static void choose_wino(builder *b, link *it) {
    const fr_window *k = &b->chain->sub[it->sub].win;
    map *from = &b->maps[it->reads];
    const map *to = &b->maps[it->writes];
    int32_t vec = b->tiles->vec, rows = gpu_ceil_div(to->h, 4), columns = gpu_ceil_div(to->w, 4);
    bool is_3x3 = k->kh == 3 && k->kw == 3 && k->sh == 1 && k->sw == 1 && k->dh == 1 && k->dw == 1;
    if (b->tiles->wino_floats == 0 || !is_3x3 || !is_worth_it(from, to, vec))
        return;
    int32_t below = 4 * rows + 2 - from->top - from->h, beside = 4 * columns + 2 - from->left - from->w;
    from->bottom = below > 0 ? below : 0;
    from->right = beside > 0 ? beside : 0;
    it->is_wino = b->plan->has_wino = true;
    it->layer.tiles_x = columns;
    it->layer.v_tile = gpu_round_up(from->c, vec);
    it->layer.m_tile = gpu_round_up(to->c, vec);
    int32_t each = 36 * (it->layer.v_tile + it->layer.m_tile), most = b->tiles->wino_floats / each;
    int32_t blocks = gpu_ceil_div(rows * columns, most > 1 ? most : 1);
    it->block = gpu_ceil_div(rows * columns, blocks);
    if (blocks > 1 && gpu_round_up(it->block, b->tiles->pair_pixels) <= most)
        it->block = gpu_round_up(it->block, b->tiles->pair_pixels);
    it->work_floats = (int64_t)it->block * each;
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

/*
 * Maps in turn at the two ends of the array: a layer's source and destination are all that lives at a time. What a layer works
 * with lies between.
 */
static void place_maps(builder *b) {
    int64_t most = 0;
    for (int32_t i = 0; i < b->n_maps; i++) {
        map *m = &b->maps[i];
        m->place = b->tiles->is_spread ? m->c | 1 : m->c;
        m->row = (m->w + m->left + m->right) * m->place;
        m->floats = (int64_t)(m->h + m->top + m->bottom) * m->row;
    }
    for (int32_t i = 0; i < b->n_links; i++) {
        const link *it = &b->links[i];
        int64_t floats = it->work_floats;
        floats += it->reads >= 0 ? b->maps[it->reads].floats : 0;
        floats += it->writes >= 0 && it->writes != it->reads ? b->maps[it->writes].floats : 0;
        most = floats > most ? floats : most;
    }
    for (int32_t i = 0; i < b->n_maps; i++)
        b->maps[i].at = i % 2 ? most - b->maps[i].floats : 0;
    b->plan->map_floats = most + b->tiles->vec; /* the last vector read may go past the last channel */
}

static int32_t inner(const map *m) { /* the first place that is not border */
    return (int32_t)m->at + m->top * m->row + m->left * m->place;
}

static void link_source(chain_layer *l, const map *m) {
    l->src = l->kind == CHAIN_CONV ? (int32_t)m->at : inner(m);
    l->src_y = m->row;
    l->src_x = m->place;
    l->c = m->c;
    l->h = m->h;
    l->w = m->w;
}

static void link_target(chain_layer *l, const map *m) {
    l->dst = inner(m);
    l->dst_y = m->row;
    l->dst_x = m->place;
    l->oc = m->c;
    l->oh = m->h;
    l->ow = m->w;
    l->border_t = m->top;
    l->border_l = m->left;
    l->border_b = m->bottom;
    l->border_r = m->right;
}

/* ---- sums ------------------------------------------------------------------------------------------------------------- */

/* Taps side by side in the map are one run: a row of the window, if no place has floats to spare. */
static void set_runs(chain_layer *l, const fr_window *k) {
    bool is_dense = l->src_x == l->c && (k->dw == 1 || k->kw == 1);
    l->step_y = k->sh * l->src_y;
    l->step_x = k->sw * l->src_x;
    l->runs_y = k->kh;
    l->run_y = k->dh * l->src_y;
    l->runs_x = is_dense ? 1 : k->kw;
    l->run_x = k->dw * l->src_x;
    l->run = is_dense ? k->kw * l->c : l->c;
    if (is_dense && l->run_y == l->run) { /* and so are rows */
        l->run *= k->kh;
        l->runs_y = 1;
    }
}

static void set_sums(builder *b, link *it) {
    static const fr_window unit = {.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    chain_layer *l = &it->layer;
    fr_window k = l->kind == CHAIN_FC ? unit : b->chain->sub[it->sub].win;
    if (l->kind == CHAIN_FC) {
        k.kh = l->h;
        k.kw = l->w;
    }
    set_runs(l, &k);
    int32_t vectors = gpu_ceil_div(l->oc, b->tiles->vec), places = it->is_wino ? it->block : l->oh * l->ow;
    l->pairs = l->kind == CHAIN_CONV ? vectors / 2 : 0;
    l->singles = vectors - 2 * l->pairs;
    l->pair_tiles = gpu_ceil_div(places, b->tiles->pair_pixels);
    l->single_tiles = gpu_ceil_div(places, b->tiles->single_pixels);
    int64_t outputs = (int64_t)vectors * b->tiles->vec;
    l->bias = (int32_t)b->plan->packed_floats;
    l->weight = (int32_t)(b->plan->packed_floats + outputs);
    b->plan->packed_floats += outputs * ((it->is_wino ? 36 : (int64_t)k.kh * k.kw) * l->c + 1);
}

/* ---- records ------------------------------------------------------------------------------------------------------------ */

static bool put(builder *b, const chain_layer *layer, int32_t sub) {
    chain_plan *plan = b->plan;
    if (plan->n_layers == CHAIN_MOST_LAYERS)
        return false;
    plan->sub[plan->n_layers] = sub;
    plan->layers[plan->n_layers++] = *layer;
    return true;
}

static bool put_wino(builder *b, const link *it) {
    chain_layer l = it->layer;
    int32_t tiles = gpu_ceil_div(l.oh, 4) * l.tiles_x;
    int32_t low = it->reads % 2 ? it->writes : it->reads; /* the map at the beginning of the array */
    for (l.tile_first = 0; l.tile_first < tiles; l.tile_first += it->block) {
        int32_t left = tiles - l.tile_first;
        l.tile_count = left < it->block ? left : it->block;
        l.pair_tiles = gpu_ceil_div(l.tile_count, b->tiles->pair_pixels);
        l.single_tiles = gpu_ceil_div(l.tile_count, b->tiles->single_pixels);
        l.v_at = (int32_t)b->maps[low].floats;
        l.m_at = l.v_at + 36 * l.tile_count * l.v_tile;
        static const chain_kind stages[] = {CHAIN_WINO_IN, CHAIN_WINO_MUL, CHAIN_WINO_OUT};
        for (int s = 0; s < 3; s++) {
            l.kind = (int32_t)stages[s];
            if (!put(b, &l, it->sub))
                return false;
        }
    }
    return true;
}

static bool finish(builder *b) {
    for (int32_t i = 0; i < b->n_links; i++) {
        link *it = &b->links[i];
        chain_layer *l = &it->layer;
        if (it->reads >= 0)
            link_source(l, &b->maps[it->reads]);
        if (it->writes >= 0)
            link_target(l, &b->maps[it->writes]);
        if (l->kind == CHAIN_CONV || l->kind == CHAIN_FC)
            set_sums(b, it);
        if (l->kind == CHAIN_INGEST) { /* mean and scale of a row of images */
            l->weight = (int32_t)b->plan->packed_floats;
            b->plan->packed_floats += gpu_round_up(2 * (l->image_c * l->ow + b->tiles->vec), b->tiles->vec);
        }
        if (!(it->is_wino ? put_wino(b, it) : put(b, l, it->sub)))
            return false;
    }
    return true;
}

static fr_reason plan_once(const fr_step *chain, const chain_tiles *tiles, chain_plan *out_plan) {
    builder b = {.chain = chain, .tiles = tiles, .plan = out_plan};
    fr_reason why = check(chain);
    memset(out_plan, 0, sizeof *out_plan);
    if (why)
        return why;
    if (chain->n_sub * 3 + 2 > CHAIN_MOST_LAYERS)
        return FR_WHY_MEMORY;
    if (chain->sub[0].kind != FR_STEP_INGEST)
        add_layer(&b, CHAIN_LOAD, 0, chain->src[0].c, chain->src[0].h, chain->src[0].w);
    for (int32_t i = 0; i < chain->n_sub; i++)
        add_sub(&b, i);
    if (chain->sub[chain->n_sub - 1].kind != FR_STEP_EMIT)
        add_layer(&b, CHAIN_STORE, chain->n_sub - 1, 0, 0, 0);
    crop(&b);
    for (int32_t i = 0; i < b.n_links; i++)
        if (b.links[i].layer.kind == CHAIN_CONV)
            choose_wino(&b, &b.links[i]);
    place_maps(&b);
    out_plan->packed_floats = (int64_t)CHAIN_LAYER_FOURS * 4 * CHAIN_MOST_LAYERS;
    if (out_plan->map_floats > INT32_MAX / 4 || !finish(&b) || out_plan->packed_floats > INT32_MAX / 4)
        return FR_WHY_MEMORY;
    return FR_WHY_NOT;
}

/* Less room for V and M, if that makes it fit. */
fr_reason chain_plan_make(const fr_step *chain, const chain_tiles *tiles, chain_plan *out_plan) {
    chain_tiles now = *tiles;
    fr_reason why = plan_once(chain, &now, out_plan);
    while (!why && out_plan->has_wino && out_plan->map_floats > now.most_floats && now.wino_floats > 4096) {
        now.wino_floats /= 2;
        why = plan_once(chain, &now, out_plan);
    }
    return why || out_plan->map_floats <= now.most_floats ? why : FR_WHY_MEMORY;
}
