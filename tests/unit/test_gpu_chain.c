/* Chains without a device: where their maps lie, what is left out, what does not fit. */
#include "check.h"

#include "base/status.h"
#include "cases.h"
#include "gpu/chain_plan.h"

typedef struct range {
    int64_t begin, end;
} range;

static bool apart(range a, range b) {
    return a.end <= b.begin || b.end <= a.begin || a.begin == a.end || b.begin == b.end;
}

/* What a layer reads and writes of the local array, borders included. */
static range target_of(const chain_layer *l) {
    int64_t first = l->dst - (int64_t)l->border_t * l->dst_y - (int64_t)l->border_l * l->dst_x;
    return (range){first, first + (int64_t)(l->oh + l->border_t + l->border_b) * l->dst_y};
}

static range source_of(const chain_layer *l) {
    int64_t last;
    if (l->kind == CHAIN_CONV || l->kind == CHAIN_FC)
        last = (int64_t)(l->oh - 1) * l->step_y + (int64_t)(l->ow - 1) * l->step_x +
               (int64_t)(l->runs_y - 1) * l->run_y + (int64_t)(l->runs_x - 1) * l->run_x + l->run;
    else
        last = (int64_t)(l->h - 1) * l->src_y + (int64_t)(l->w - 1) * l->src_x + l->c;
    return (range){l->src, l->src + last};
}

static range wino_source_of(const chain_layer *l, int32_t vec) { /* the last vector goes past the channels */
    int64_t tile = l->tile_first + l->tile_count - 1, y = tile / l->tiles_x * 4 + 5,
            x = (l->tile_count > 1 ? l->tiles_x - 1 : tile % l->tiles_x) * 4 + 5;
    return (range){l->src, l->src + y * l->src_y + x * l->src_x + gpu_round_up(l->c, vec)};
}

static bool inside(range r, const chain_plan *plan) {
    return r.begin >= 0 && r.begin <= r.end && r.end <= plan->map_floats;
}

static void check_layer(const chain_plan *plan, const chain_layer *l, int32_t vec) {
    range v = {l->v_at, l->v_at + 36 * (int64_t)l->tile_count * l->v_tile},
          m = {l->m_at, l->m_at + 36 * (int64_t)l->tile_count * l->m_tile};
    switch (l->kind) {
    case CHAIN_LOAD:
    case CHAIN_INGEST: CHECK(inside(target_of(l), plan)); break;
    case CHAIN_STORE:
    case CHAIN_EMIT: CHECK(inside(source_of(l), plan)); break;
    case CHAIN_ACT:
        CHECK(inside(target_of(l), plan));
        CHECK(l->src == l->dst);
        break;
    case CHAIN_WINO_IN:
    case CHAIN_WINO_MUL:
    case CHAIN_WINO_OUT:
        CHECK(inside(wino_source_of(l, vec), plan) && inside(target_of(l), plan) && inside(v, plan) && inside(m, plan));
        CHECK(apart(v, m) && apart(v, target_of(l)) && apart(m, target_of(l)));
        CHECK(apart((range){l->src, wino_source_of(l, 1).end}, v) || l->kind != CHAIN_WINO_IN);
        CHECK(l->tile_first + l->tile_count <= gpu_ceil_div(l->oh, 4) * l->tiles_x && l->tile_count > 0);
        break;
    default: CHECK(inside(source_of(l), plan) && inside(target_of(l), plan)); CHECK(apart(source_of(l), target_of(l)));
    }
}

static const chain_tiles kernels[] = {{16, 7, 8, 0, 1 << 18, false},
                                      {16, 7, 8, 96 << 10, 1 << 18, false},
                                      {8, 6, 8, 8 << 10, 1 << 18, false},
                                      {4, 4, 4, 0, 12 << 10, true},
                                      {4, 4, 4, 6 << 10, 12 << 10, true}};

TEST(no_layer_touches_what_is_not_its_own) {
    conf_list list;
    int planned = 0, with_wino = 0, too_large = 0;
    CHECK_OK(conf_cases_build(&list));
    for (size_t i = 0; i < list.count; i++)
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
            chain_plan plan;
            const fr_step *step = &list.items[i].step;
            if (step->kind != FR_STEP_CHAIN || step->compute == FR_PRECISION_BF16)
                continue;
            fr_reason why = chain_plan_make(step, &kernels[k], &plan);
            CHECK(why == FR_WHY_NOT || why == FR_WHY_MEMORY);
            too_large += why == FR_WHY_MEMORY;
            if (why)
                continue;
            planned++;
            with_wino += plan.has_wino;
            CHECK(plan.map_floats <= kernels[k].most_floats);
            CHECK(!plan.has_wino || kernels[k].wino_floats > 0);
            for (int32_t l = 0; l < plan.n_layers; l++)
                check_layer(&plan, &plan.layers[l], kernels[k].vec);
        }
    conf_cases_free(&list);
    CHECK(planned > 300 && with_wino > 50 && too_large > 0);
}

static fr_step pooled_conv(int32_t c, int32_t h, int32_t w, int32_t c_out) {
    fr_step step = fr_make_conv(1, c, h, w, c_out, fr_make_window(3, 1, 1), 1);
    fr_make_pooled(&step, FR_POOL_MAX, fr_make_window(3, 2, 0), false);
    fr_make_of_type(&step, FR_MAKE_F32);
    return step;
}

static fr_step chain_of(const fr_step *sub, int32_t count) {
    fr_step chain = fr_make_step(FR_STEP_CHAIN, 1, sub[0].src[0].c, sub[0].src[0].h, sub[0].src[0].w);
    chain.sub = sub;
    chain.n_sub = count;
    chain.dst = sub[count - 1].dst;
    return chain;
}

TEST(a_conv_leaves_out_what_its_pool_never_sees) {
    fr_step sub = pooled_conv(3, 22, 52, 32), chain = chain_of(&sub, 1);
    chain_plan plan;
    CHECK(chain_plan_make(&chain, &kernels[0], &plan) == FR_WHY_NOT);
    CHECK_INT(plan.n_layers, 4); /* load, conv, pool, store */
    CHECK_INT(plan.layers[1].oh, 21);
    CHECK_INT(plan.layers[1].ow, 51);
    CHECK_INT(plan.layers[1].run, 9); /* three places of three channels, no padding among them */
    CHECK_INT(plan.layers[2].oh, 10);
}

TEST(v_and_m_shrink_until_they_fit_and_then_it_is_refused) {
    fr_step sub[2] = {pooled_conv(32, 40, 40, 32), pooled_conv(32, 19, 19, 32)}, chain = chain_of(sub, 2);
    chain_tiles tiles = kernels[1];
    chain_plan wide, narrow;
    CHECK(chain_plan_make(&chain, &tiles, &wide) == FR_WHY_NOT);
    tiles.most_floats = wide.map_floats - 1;
    CHECK(chain_plan_make(&chain, &tiles, &narrow) == FR_WHY_NOT);
    CHECK(narrow.map_floats < wide.map_floats && narrow.n_layers > wide.n_layers);
    tiles.most_floats = 40 * 40 * 32;
    CHECK(chain_plan_make(&chain, &tiles, &narrow) == FR_WHY_MEMORY);
}

TEST(what_it_cannot_do_is_refused_with_its_reason) {
    fr_step sub = pooled_conv(8, 9, 9, 8), chain = chain_of(&sub, 1);
    chain_plan plan;
    sub.groups = 2;
    CHECK(chain_plan_make(&chain, &kernels[0], &plan) == FR_WHY_GROUPS);
    sub.groups = 1;
    sub.residual = 1;
    CHECK(chain_plan_make(&chain, &kernels[0], &plan) == FR_WHY_EPILOGUE);
    sub.residual = 0;
    sub.kind = FR_STEP_LRN;
    CHECK(chain_plan_make(&chain, &kernels[0], &plan) == FR_WHY_KIND);
    sub.kind = FR_STEP_CONV;
    sub.dst.dtype = FR_S8;
    CHECK(chain_plan_make(&chain, &kernels[0], &plan) == FR_WHY_DTYPE);
}

CHECK_MAIN
