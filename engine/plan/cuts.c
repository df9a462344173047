#include "plan/cuts.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

static int32_t readers_of(const fr_steps *steps, int32_t slot) {
    int32_t count = 0;
    for (int32_t i = 0; i < steps->n_items; i++)
        for (int32_t s = 0; s < steps->items[i].step.n_src; s++)
            count += steps->items[i].src[s] == slot;
    return count;
}

/* Whether the item reads what the one before it made, and nobody else does. */
static bool follows(const fr_steps *steps, int32_t item) {
    const fr_step_item *it = &steps->items[item];
    return item > 0 && it->step.n_src == 1 && it->src[0] == steps->items[item - 1].dst &&
           readers_of(steps, it->src[0]) == 1 && it->step.kind != FR_STEP_REORDER;
}

static fr_status fill_chain(const fr_steps *steps, fr_chain *chain, fr_step_item *out) {
    const fr_step_item *first = &steps->items[chain->first], *last = &steps->items[chain->last];
    int32_t count = chain->last - chain->first + 1;
    chain->sub = fr_alloc_array((size_t)count, sizeof *chain->sub);
    chain->sub_weights = fr_alloc_array((size_t)count, sizeof *chain->sub_weights);
    if (!chain->sub || !chain->sub_weights)
        return fr_no_memory((size_t)count * sizeof *chain->sub, "a chain");
    *out = (fr_step_item){.src = {first->src[0]}, .dst = last->dst, .node = first->node};
    out->step = (fr_step){.struct_bytes = sizeof out->step,
                          .kind = FR_STEP_CHAIN,
                          .compute = FR_PRECISION_F32,
                          .n_src = 1,
                          .src = {first->step.src[0]},
                          .dst = last->step.dst,
                          .groups = 1,
                          .inexact_ok = 1,
                          .sub = chain->sub,
                          .n_sub = count};
    for (int32_t i = 0; i < count; i++) {
        const fr_step_item *it = &steps->items[chain->first + i];
        chain->sub[i] = it->step;
        chain->sub_weights[i] = it->weights;
        out->ops_per_input += it->ops_per_input;
        out->step.inexact_ok &= it->step.inexact_ok;
        if (it->step.kind == FR_STEP_CONV || it->step.kind == FR_STEP_FC)
            out->step.compute = it->step.compute;
        if (it->step.kind == FR_STEP_INGEST || it->step.kind == FR_STEP_EMIT)
            out->step.images = it->step.images;
    }
    out->weights = (fr_weights){.struct_bytes = sizeof out->weights, .sub = chain->sub_weights};
    snprintf(out->name, sizeof out->name, "[%.28s to %.28s]", first->name, last->name);
    return FR_OK;
}

/* The steps without items [first, last], the chain in their place. */
static fr_status fill_view(fr_cuts *cuts, const fr_steps *steps, int32_t cut, int32_t chain) {
    fr_steps *view = &cuts->views[cut];
    *view = *steps;
    view->items = fr_alloc_array((size_t)steps->n_items, sizeof *view->items);
    view->slots = fr_alloc_array((size_t)steps->n_slots, sizeof *view->slots);
    cuts->items[cut] = fr_alloc_array((size_t)steps->n_items, sizeof **cuts->items);
    if (!view->items || !view->slots || !cuts->items[cut])
        return fr_no_memory((size_t)steps->n_items * sizeof *view->items, "steps");
    memcpy(view->slots, steps->slots, (size_t)steps->n_slots * sizeof *view->slots);
    view->n_items = 0;
    for (int32_t i = 0; i < steps->n_items; i++) {
        bool is_inside = chain >= 0 && i >= cuts->chains[chain].first && i <= cuts->chains[chain].last;
        if (is_inside && i != cuts->chains[chain].first)
            continue;
        int32_t from = is_inside ? steps->n_items + chain : i;
        cuts->items[cut][view->n_items] = from;
        view->items[view->n_items] = cuts->all.items[from];
        if (view->items[view->n_items].dst >= 0)
            view->slots[view->items[view->n_items].dst].producer = view->n_items;
        view->n_items++;
    }
    return FR_OK;
}

static void add_chain(fr_cuts *cuts, int32_t first, int32_t last) {
    if (last <= first || cuts->n_chains == FR_MAX_CHAINS)
        return;
    for (int32_t k = 0; k < cuts->n_chains; k++)
        if (cuts->chains[k].first == first && cuts->chains[k].last == last)
            return;
    cuts->chains[cuts->n_chains++] = (fr_chain){.first = first, .last = last};
}

/* Runs from the user's images on: to the end of all, to the last step before weights that are all used once (fc), to the
 * first convolution; and the same without the images. */
static void find_chains(const fr_steps *steps, fr_cuts *cuts) {
    int32_t end = 0, first_conv = 0, before_fc = 0;
    while (end + 1 < steps->n_items && follows(steps, end + 1))
        end++;
    while (before_fc < end && steps->items[before_fc + 1].step.kind != FR_STEP_FC)
        before_fc++;
    while (first_conv < end && steps->items[first_conv].step.kind != FR_STEP_CONV)
        first_conv++;
    add_chain(cuts, 0, end);
    add_chain(cuts, 0, before_fc);
    add_chain(cuts, 0, first_conv);
    add_chain(cuts, 1, before_fc);
    if (steps->items[end].step.kind == FR_STEP_EMIT)
        add_chain(cuts, 1, end - 1);
}

fr_status fr_cuts_make(const fr_steps *steps, fr_cuts *out_cuts) {
    fr_cuts *cuts = out_cuts;
    fr_status status = FR_OK;
    memset(cuts, 0, sizeof *cuts);
    find_chains(steps, cuts);
    cuts->all = *steps;
    cuts->all.n_items = steps->n_items + cuts->n_chains;
    cuts->all.items = fr_alloc_array((size_t)cuts->all.n_items, sizeof *cuts->all.items);
    if (!cuts->all.items) {
        status = fr_no_memory((size_t)cuts->all.n_items * sizeof *cuts->all.items, "steps");
        goto cleanup;
    }
    memcpy(cuts->all.items, steps->items, (size_t)steps->n_items * sizeof *steps->items);
    for (int32_t k = 0; k < cuts->n_chains; k++)
        FR_GO(cleanup, fill_chain(steps, &cuts->chains[k], &cuts->all.items[steps->n_items + k]));
    for (; cuts->n_cuts <= cuts->n_chains; cuts->n_cuts++)
        FR_GO(cleanup, fill_view(cuts, steps, cuts->n_cuts, cuts->n_cuts - 1));
cleanup:
    if (status != FR_OK)
        fr_cuts_free(cuts);
    return status;
}

static void free_cut(fr_cuts *cuts, int32_t cut) {
    fr_free(cuts->views[cut].items);
    fr_free(cuts->views[cut].slots);
    fr_free(cuts->items[cut]);
}

static void free_chain(fr_chain *chain) {
    fr_free(chain->sub);
    fr_free(chain->sub_weights);
}

void fr_cuts_drop(fr_cuts *cuts, int32_t chain) {
    int32_t base = cuts->all.n_items - cuts->n_chains, after = cuts->n_chains - chain - 1;
    free_chain(&cuts->chains[chain]);
    free_cut(cuts, chain + 1);
    memmove(&cuts->chains[chain], &cuts->chains[chain + 1], (size_t)after * sizeof cuts->chains[0]);
    memmove(&cuts->all.items[base + chain], &cuts->all.items[base + chain + 1],
            (size_t)after * sizeof *cuts->all.items);
    memmove(&cuts->views[chain + 1], &cuts->views[chain + 2], (size_t)after * sizeof cuts->views[0]);
    memmove(&cuts->items[chain + 1], &cuts->items[chain + 2], (size_t)after * sizeof cuts->items[0]);
    cuts->n_chains--;
    cuts->n_cuts--;
    cuts->all.n_items--;
    memset(&cuts->chains[cuts->n_chains], 0, sizeof cuts->chains[0]);
    memset(&cuts->views[cuts->n_cuts], 0, sizeof cuts->views[0]);
    cuts->items[cuts->n_cuts] = NULL;
    for (int32_t c = 1; c < cuts->n_cuts; c++) /* later chains stand one place earlier now */
        for (int32_t i = 0; i < cuts->views[c].n_items; i++)
            if (cuts->items[c][i] >= base)
                cuts->items[c][i] = base + c - 1;
}

void fr_cuts_free(fr_cuts *cuts) {
    if (!cuts)
        return;
    for (int32_t c = 0; c < FR_MAX_CUTS; c++)
        free_cut(cuts, c);
    for (int32_t k = 0; k < FR_MAX_CHAINS; k++)
        free_chain(&cuts->chains[k]);
    fr_free(cuts->all.items);
    memset(cuts, 0, sizeof *cuts);
}

void fr_cut_menu(const fr_cuts *cuts, int32_t cut, const fr_menu *all, fr_menu_item *items, fr_menu *out_menu) {
    *out_menu = *all;
    out_menu->items = items;
    out_menu->n_items = cuts->views[cut].n_items;
    for (int32_t i = 0; i < out_menu->n_items; i++)
        items[i] = all->items[cuts->items[cut][i]];
}
