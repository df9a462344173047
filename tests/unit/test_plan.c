/* The pure part of planning: choice of candidates and groups from a menu, layout changes, lifetimes and memory. */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "plan/plan.h"

enum { N = 4 }; /* items of the little chain: ingest, conv, fc, emit */

typedef struct chain {
    fr_steps steps;
    fr_slot slots[N + 1];
    fr_step_item items[N];
    fr_menu menu;
    fr_menu_item menu_items[N];
    fr_menu_entry entries[N][2];
} chain;

static void set_entry(fr_menu_entry *e, const char *name, uint16_t src, uint16_t dst) {
    snprintf(e->candidate.name, sizeof e->candidate.name, "%s", name);
    e->candidate.src_layout[0] = src;
    e->candidate.dst_layout = dst;
}

/* user -> ingest -> 8x6x6 -> conv -> 8x6x6 -> fc -> 10 -> emit -> user; two candidates a step: NCHW and blocked. */
static void make_chain(chain *c) {
    static const uint16_t kinds[N] = {FR_STEP_INGEST, FR_STEP_CONV, FR_STEP_FC, FR_STEP_EMIT};
    memset(c, 0, sizeof *c);
    for (int i = 0; i <= N; i++) {
        bool map = i < 3;
        c->slots[i] = (fr_slot){.c = map ? 8 : 10,
                                .h = map ? 6 : 1,
                                .w = map ? 6 : 1,
                                .dtype = FR_F32,
                                .value = i == 0 || i == N ? -1 : i,
                                .producer = i - 1};
    }
    for (int i = 0; i < N; i++) {
        fr_step_item *it = &c->items[i];
        it->step.struct_bytes = sizeof it->step;
        it->step.kind = kinds[i];
        it->step.n_src = 1;
        it->src[0] = i;
        it->dst = i + 1;
        snprintf(it->name, sizeof it->name, "s%d", i);
        for (int side = 0; side < 2; side++) {
            fr_tensor *t = side ? &it->step.dst : &it->step.src[0];
            const fr_slot *s = &c->slots[i + side];
            *t = (fr_tensor){.c = s->c, .h = s->h, .w = s->w, .dtype = FR_F32};
        }
        c->menu_items[i] = (fr_menu_item){.entries = c->entries[i], .n_entries = 2};
        set_entry(&c->entries[i][0], "plain", FR_LAYOUT_NCHW, FR_LAYOUT_NCHW);
        set_entry(&c->entries[i][1], "blocked", FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW16C);
    }
    c->steps =
        (fr_steps){.slots = c->slots, .n_slots = N + 1, .items = c->items, .n_items = N, .fold = 1, .classes = 10};
    c->menu =
        (fr_menu){.items = c->menu_items, .n_items = N, .groups = {1, 8, 64}, .n_groups = 3, .copy_ns_per_byte = 0.1};
}

static void set_times(chain *c, int item, int entry, double g1, double g8, double g64) {
    c->entries[item][entry].ns[0] = g1;
    c->entries[item][entry].ns[1] = g8;
    c->entries[item][entry].ns[2] = g64;
}

TEST(a_layout_change_is_paid_only_where_it_pays) {
    chain c;
    int32_t picks[N];
    make_chain(&c);
    for (int i = 0; i < N; i++)
        for (int e = 0; e < 2; e++)
            set_times(&c, i, e, 1000, 8000, 64000);
    set_times(&c, 1, 1, 990, 7920, 63360); /* 10 ns an input: less than moving 8x6x6 floats twice */
    set_times(&c, 0, 1, 5000, 40000, 320000);
    set_times(&c, 2, 1, 5000, 40000, 320000);
    fr_choose_candidates(&c.steps, &c.menu, 1, picks);
    CHECK_INT(picks[1], 0);
    set_times(&c, 1, 0, 3000, 24000, 192000);
    set_times(&c, 1, 1, 100, 800, 6400);
    fr_choose_candidates(&c.steps, &c.menu, 1, picks);
    CHECK_INT(picks[0], 0);
    CHECK_INT(picks[1], 1);
    CHECK_INT(picks[2], 0);
}

TEST(neighbours_move_to_a_better_layout_together) {
    chain c;
    int32_t picks[N];
    make_chain(&c);
    for (int i = 0; i < N; i++) {
        set_times(&c, i, 0, 1000, 8000, 64000);
        set_times(&c, i, 1, 950, 7600, 60800); /* each alone does not pay for two changes, all together do */
    }
    double cost = fr_choose_candidates(&c.steps, &c.menu, 0, picks);
    for (int i = 0; i < N; i++)
        CHECK_INT(picks[i], 1);
    CHECK_NEAR(cost, 4 * 950, 1e-6);
}

TEST(a_large_fc_gets_its_own_group) {
    chain c;
    int32_t picks[N] = {0}, groups[N];
    make_chain(&c);
    for (int i = 0; i < N; i++)
        set_times(&c, i, 0, 1000, 8000, 90000); /* convs lose at 64: the maps leave the cache */
    set_times(&c, 2, 0, 50000, 60000, 100000);  /* the fc's weights are read once a group */
    fr_choose_groups(&c.steps, &c.menu, picks, groups);
    CHECK(groups[1] < 2);
    CHECK_INT(groups[2], 2);
}

TEST(weights_that_the_cache_loses_ask_for_a_larger_group) {
    chain c;
    int32_t picks[N] = {0}, groups[N];
    make_chain(&c);
    for (int i = 0; i < N; i++)
        set_times(&c, i, 0, 1000, 8000, 90000);
    set_times(&c, 2, 0, 1000, 8000,
              70000); /* timed alone it finds its weights in the cache: the smallest group is as good */
    fr_choose_groups(&c.steps, &c.menu, picks, groups);
    CHECK(groups[2] < 2);
    double cost = fr_choose_candidates(&c.steps, &c.menu, 0, picks);
    c.menu_items[2].fetch_ns = 20000;
    fr_choose_groups(&c.steps, &c.menu, picks, groups);
    CHECK(groups[1] < 2);
    CHECK_INT(groups[2], 2);
    CHECK_NEAR(fr_choose_candidates(&c.steps, &c.menu, 0, picks), cost + 20000, 1e-6);
}

/* A profile may know a step's kernels by another step, for which the best of this one's was never tried. */
TEST(kernels_that_no_profile_knows_are_tried_too) {
    fr_menu_entry entries[6] = {{.expected_ns = 0}, {.expected_ns = 90},  {.expected_ns = 50},
                                {.expected_ns = 0}, {.expected_ns = 101}, {.expected_ns = 60}};
    fr_menu_item item = {.entries = entries, .n_entries = 6};
    int32_t order[6];
    static const int32_t cut[] = {2, 0, 5, 1, 3}, whole[] = {2, 0, 5, 1, 4, 3};
    CHECK_INT(fr_menu_order(&item, true, order), 5);
    CHECK_INT(memcmp(order, cut, sizeof cut), 0);
    CHECK_INT(fr_menu_order(&item, false, order), 6);
    CHECK_INT(memcmp(order, whole, sizeof whole), 0);
    for (int e = 0; e < 6; e++)
        entries[e].expected_ns = 0;
    CHECK_INT(fr_menu_order(&item, true, order), 6); /* nothing is expected: the backend's order */
    for (int e = 0; e < 6; e++)
        CHECK_INT(order[e], e);
}

TEST(unmeasured_times_come_from_the_nearest_group) {
    chain c;
    make_chain(&c);
    c.entries[1][0].ns[1] = 8000;
    CHECK_NEAR(fr_menu_cost(&c.menu, 1, 0, 0), 1000, 1e-9);
    CHECK_NEAR(fr_menu_cost(&c.menu, 1, 0, 2), 1000, 1e-9);
    CHECK(fr_menu_cost(&c.menu, 1, 1, 1) > 1e9);                            /* dropped: another was measured */
    CHECK(fr_menu_cost(&c.menu, 2, 0, 1) < fr_menu_cost(&c.menu, 2, 1, 1)); /* nothing measured: the backend's order */
}

static fr_status build(chain *c, const int32_t *picks, const int32_t *groups, int32_t block, fr_plan *plan) {
    const fr_candidate *candidates[N];
    for (int i = 0; i < N; i++)
        candidates[i] = &c->entries[i][picks[i]].candidate;
    fr_plan_choice choice = {.candidates = candidates, .groups = groups, .block = block};
    return fr_plan_build(&c->steps, &choice, plan);
}

TEST(a_plan_has_changes_segments_and_border_tensors) {
    chain c;
    fr_plan plan;
    int32_t picks[N] = {0, 1, 0, 0}, groups[N] = {8, 8, 64, 64};
    make_chain(&c);
    CHECK_OK(build(&c, picks, groups, 64, &plan));
    CHECK_INT(plan.n_ops, N + 2); /* 8 channels padded to 16: not the same bytes */
    CHECK_INT(plan.n_segments, 2);
    CHECK_INT(plan.ops[1].item, -1);
    CHECK_INT(plan.ops[1].step.kind, FR_STEP_REORDER);
    CHECK_INT(plan.ops[1].step.dst.layout, FR_LAYOUT_NCHW16C);
    int32_t conv_out = plan.ops[2].dst;
    CHECK(plan.tensors[conv_out].boundary);
    CHECK_INT(plan.tensors[conv_out].inputs, 64);
    CHECK_INT(plan.tensors[plan.ops[0].dst].inputs, 8);
    CHECK(plan.tensors[conv_out].first_op == 0); /* alive while the whole first segment loops */
    char text[160];
    fr_plan_describe(&plan, &c.steps, text, sizeof text);
    CHECK_TEXT(text, "s0..s1 by 8, s2..s3 by 64");
    fr_plan_free(&plan);
}

TEST(equal_bytes_need_no_change) {
    chain c;
    fr_plan plan;
    int32_t picks[N] = {0, 0, 0, 1}, groups[N] = {1, 1, 1, 1};
    make_chain(&c);
    c.slots[3].c = c.items[2].step.dst.c = c.items[3].step.src[0].c =
        32; /* two full blocks on 1x1 maps: the same order */
    CHECK_OK(build(&c, picks, groups, 1, &plan));
    CHECK_INT(plan.n_ops, N);
    fr_plan_free(&plan);
}

/* Random lifetimes: nothing that lives together overlaps, and the arena never exceeds the sum. */
TEST(memory_places_never_overlap) {
    fr_random random = {11};
    for (int round = 0; round < 200; round++) {
        fr_plan_tensor tensors[24];
        fr_plan plan = {.tensors = tensors, .n_tensors = 2 + (int32_t)(fr_random_next(&random) % 23)};
        uint64_t sum = 0, most = 0;
        for (int32_t i = 0; i < plan.n_tensors; i++) {
            int32_t from = (int32_t)(fr_random_next(&random) % 20);
            tensors[i] = (fr_plan_tensor){.first_op = from,
                                          .last_op = from + (int32_t)(fr_random_next(&random) % 6),
                                          .bytes = 64 * (1 + fr_random_next(&random) % 50),
                                          .pinned = fr_random_next(&random) % 9 == 0};
            sum += tensors[i].bytes;
            most = tensors[i].bytes > most ? tensors[i].bytes : most;
        }
        CHECK_OK(fr_plan_place(&plan, false));
        CHECK(plan.arena_bytes <= sum && plan.arena_bytes >= most);
        for (int32_t i = 0; i < plan.n_tensors; i++)
            for (int32_t k = 0; k < i; k++) {
                const fr_plan_tensor *a = &tensors[i], *b = &tensors[k];
                bool together = a->pinned || b->pinned || (a->first_op <= b->last_op && b->first_op <= a->last_op);
                CHECK(!together || a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
            }
        CHECK_OK(fr_plan_place(&plan, true));
        CHECK_INT(plan.arena_bytes, sum);
    }
}

TEST(layouts_with_the_same_bytes) {
    fr_tensor map = {.c = 16, .h = 5, .w = 5}, row = {.c = 10, .h = 1, .w = 1}, grey = {.c = 1, .h = 5, .w = 5};
    CHECK(fr_layout_same(&map, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW16C));
    CHECK(!fr_layout_same(&map, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW8C));
    CHECK(!fr_layout_same(&map, FR_LAYOUT_NCHW, FR_LAYOUT_NHWC));
    CHECK(fr_layout_same(&row, FR_LAYOUT_NCHW, FR_LAYOUT_NHWC));
    CHECK(!fr_layout_same(&row, FR_LAYOUT_NCHW, FR_LAYOUT_NCHW16C));
    CHECK(fr_layout_same(&grey, FR_LAYOUT_NCHW, FR_LAYOUT_NHWC));
}

CHECK_MAIN
