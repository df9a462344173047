/* Cutting steps into chains: which runs, what a view and its menu hold, and that nothing of the steps is lost. */
#include "base/status.h"
#include "check.h"
#include "plan/cuts.h"

enum { MOST_ITEMS = 8 };

typedef struct net {
    fr_steps steps;
    fr_slot slots[MOST_ITEMS + 1];
    fr_step_item items[MOST_ITEMS];
} net;

/* One step a kind, each reading what the one before it made. */
static void make_net(net *n, const uint16_t *kinds, int32_t count) {
    memset(n, 0, sizeof *n);
    for (int32_t i = 0; i <= count; i++)
        n->slots[i] = (fr_slot){
            .c = 4, .h = 5, .w = 6, .dtype = FR_F32, .value = i == 0 || i == count ? -1 : i, .producer = i - 1};
    for (int32_t i = 0; i < count; i++) {
        fr_step_item *it = &n->items[i];
        it->step = (fr_step){.struct_bytes = sizeof it->step, .kind = kinds[i], .n_src = 1, .inexact_ok = 1};
        it->step.src[0] = it->step.dst = (fr_tensor){.c = 4, .h = 5, .w = 6, .dtype = FR_F32};
        if (kinds[i] == FR_STEP_INGEST || kinds[i] == FR_STEP_EMIT)
            it->step.images = 2;
        it->src[0] = i;
        it->dst = i + 1;
        it->ops_per_input = 100 + i;
        snprintf(it->name, sizeof it->name, "s%d", i);
    }
    n->steps = (fr_steps){.slots = n->slots, .n_slots = count + 1, .items = n->items, .n_items = count, .fold = 2};
}

static const uint16_t small[] = {FR_STEP_INGEST, FR_STEP_CONV, FR_STEP_POOL, FR_STEP_CONV, FR_STEP_FC, FR_STEP_EMIT};

static int64_t ops_of(const fr_steps *steps) {
    int64_t ops = 0;
    for (int32_t i = 0; i < steps->n_items; i++)
        ops += steps->items[i].ops_per_input;
    return ops;
}

TEST(every_cut_does_all_the_work_once) {
    net n;
    fr_cuts cuts;
    make_net(&n, small, 6);
    CHECK_OK(fr_cuts_make(&n.steps, &cuts));
    CHECK_INT(cuts.n_chains, 5);
    CHECK_INT(cuts.n_cuts, 6);
    CHECK_INT(cuts.views[0].n_items, 6);
    for (int32_t c = 0; c < cuts.n_cuts; c++) {
        const fr_steps *view = &cuts.views[c];
        CHECK_INT(ops_of(view), ops_of(&n.steps));
        CHECK_INT(view->items[0].src[0], 0);
        CHECK_INT(view->items[view->n_items - 1].dst, 6);
        for (int32_t i = 0; i < view->n_items; i++) {
            CHECK_INT(view->slots[view->items[i].dst].producer, i);
            if (i > 0)
                CHECK_INT(view->items[i].src[0], view->items[i - 1].dst);
        }
    }
    fr_cuts_free(&cuts);
}

TEST(a_whole_net_becomes_one_step_from_images_to_answers) {
    net n;
    fr_cuts cuts;
    make_net(&n, small, 6);
    CHECK_OK(fr_cuts_make(&n.steps, &cuts));
    const fr_steps *view = &cuts.views[1];
    CHECK_INT(view->n_items, 1);
    const fr_step *chain = &view->items[0].step;
    CHECK_INT(chain->kind, FR_STEP_CHAIN);
    CHECK_INT(chain->n_sub, 6);
    CHECK_INT(chain->images, 2);
    CHECK_INT(chain->inexact_ok, 1);
    for (int32_t i = 0; i < 6; i++)
        CHECK_INT(chain->sub[i].kind, small[i]);
    fr_step sized = *chain;
    fr_step_set_n(&sized, 7);
    CHECK_INT(sized.n, 7);
    CHECK_INT(chain->sub[5].n, 7);
    fr_cuts_free(&cuts);
}

TEST(a_chain_ends_where_a_step_has_two_readers_or_sources) {
    net n;
    fr_cuts cuts;
    make_net(&n, small, 6);
    n.items[3].step.n_src = 2; /* a residual from before the pool */
    n.items[3].src[1] = 2;
    CHECK_OK(fr_cuts_make(&n.steps, &cuts));
    for (int32_t k = 0; k < cuts.n_chains; k++)
        CHECK(cuts.chains[k].last <= 1);
    CHECK(cuts.n_chains >= 1);
    fr_cuts_free(&cuts);
}

TEST(a_dropped_chain_takes_its_cut_along) {
    net n;
    fr_cuts cuts;
    make_net(&n, small, 6);
    CHECK_OK(fr_cuts_make(&n.steps, &cuts));
    fr_chain kept = cuts.chains[2];
    fr_cuts_drop(&cuts, 1);
    fr_cuts_drop(&cuts, 0);
    CHECK_INT(cuts.n_chains, 3);
    CHECK_INT(cuts.n_cuts, 4);
    CHECK_INT(cuts.all.n_items, 9);
    CHECK_INT(cuts.chains[0].first, kept.first);
    CHECK_INT(cuts.chains[0].last, kept.last);
    for (int32_t c = 1; c < cuts.n_cuts; c++) { /* a view's chain is found at its place in the list of all */
        const fr_step_item *chain = NULL;
        for (int32_t i = 0; i < cuts.views[c].n_items; i++)
            if (cuts.views[c].items[i].step.kind == FR_STEP_CHAIN) {
                chain = &cuts.views[c].items[i];
                CHECK_INT(cuts.items[c][i], 6 + c - 1);
            }
        CHECK(chain != NULL);
        CHECK(chain && chain->step.sub == cuts.chains[c - 1].sub);
        CHECK(chain && chain->step.sub == cuts.all.items[6 + c - 1].step.sub);
    }
    while (cuts.n_chains > 0)
        fr_cuts_drop(&cuts, cuts.n_chains - 1);
    CHECK_INT(cuts.n_cuts, 1);
    CHECK_INT(cuts.all.n_items, 6);
    fr_cuts_free(&cuts);
}

TEST(a_cut_shares_the_menu_of_all) {
    net n;
    fr_cuts cuts;
    fr_menu_entry entries[11] = {0};
    fr_menu_item items[11], part[6];
    fr_menu all = {.items = items, .n_items = 11, .groups = {1, 8}, .n_groups = 2}, menu;
    make_net(&n, small, 6);
    CHECK_OK(fr_cuts_make(&n.steps, &cuts));
    for (int i = 0; i < 11; i++)
        items[i] = (fr_menu_item){.entries = &entries[i], .n_entries = 1};
    for (int32_t c = 0; c < cuts.n_cuts; c++) {
        fr_cut_menu(&cuts, c, &all, part, &menu);
        CHECK_INT(menu.n_items, cuts.views[c].n_items);
        CHECK_INT(menu.n_groups, 2);
        for (int32_t i = 0; i < menu.n_items; i++)
            CHECK(menu.items[i].entries == &entries[cuts.items[c][i]]);
    }
    fr_cuts_free(&cuts);
}

CHECK_MAIN
