/* Choosing from a menu: candidates with their layouts, then groups. */
#include <float.h>

#include "base/alloc.h"
#include "plan/plan.h"

static const double hopeless_expected = 2; /* times the best that is expected */

void fr_menu_free(fr_menu *menu) {
    if (!menu || !menu->items)
        return;
    for (int32_t i = 0; i < menu->n_items; i++)
        fr_free(menu->items[i].entries);
    fr_free(menu->items);
    menu->items = NULL;
}

bool fr_layout_same(const fr_tensor *t, uint16_t a, uint16_t b) {
    if (a == b)
        return true;
    int32_t wide = fr_layout_block(a) > fr_layout_block(b) ? fr_layout_block(a) : fr_layout_block(b);
    if (fr_layout_channels(a, t->c) != fr_layout_channels(b, t->c))
        return false;
    if (t->h == 1 && t->w == 1) /* channels in order, whatever the blocks */
        return true;
    /* one block of channels is NHWC; one channel is NCHW */
    bool a_dense = a == FR_LAYOUT_NHWC || fr_layout_block(a) > 1,
         b_dense = b == FR_LAYOUT_NHWC || fr_layout_block(b) > 1;
    if (t->c == 1 && wide == 1)
        return true;
    return a_dense && b_dense && t->c <= wide && (fr_layout_block(a) == 1 || fr_layout_block(b) == 1) && t->c == wide;
}

double fr_menu_cost(const fr_menu *menu, int32_t item, int32_t entry, int32_t group_index) {
    const fr_menu_entry *e = &menu->items[item].entries[entry];
    for (int32_t away = 0; away < menu->n_groups; away++)
        for (int32_t side = -1; side <= 1; side += 2) {
            int32_t at = group_index + side * away;
            if (at >= 0 && at < menu->n_groups && e->ns[at] > 0)
                return e->ns[at] / menu->groups[at];
        }
    bool any = false;
    for (int32_t k = 0; k < menu->items[item].n_entries && !any; k++)
        for (int32_t g = 0; g < menu->n_groups; g++)
            any |= menu->items[item].entries[k].ns[g] > 0;
    if (any) /* others were measured and this one was not: it was dropped on the way, or the time ran out */
        return 1e12;
    if (e->expected_ns > 0)
        return e->expected_ns;
    bool expects = false; /* of others */
    for (int32_t k = 0; k < menu->items[item].n_entries && !expects; k++)
        expects = menu->items[item].entries[k].expected_ns > 0;
    return expects ? 1e9 + entry : 1000.0 * (entry + 1);
}

int32_t fr_menu_order(const fr_menu_item *item, bool cuts, int32_t *out) {
    int32_t most = item->n_entries, count = 0, known;
    double best = 0;
    for (int32_t e = 0; e < most; e++)
        if (item->entries[e].expected_ns > 0 && (best <= 0 || item->entries[e].expected_ns < best))
            best = item->entries[e].expected_ns;
    for (int32_t e = 0; e < most; e++) { /* what is known, ascending */
        double ns = item->entries[e].expected_ns;
        if (ns <= 0 || (cuts && ns > hopeless_expected * best))
            continue;
        int32_t at = count++;
        for (; at > 0 && item->entries[out[at - 1]].expected_ns > ns; at--)
            out[at] = out[at - 1];
        out[at] = e;
    }
    known = count;
    for (int32_t e = 0; e < most; e++)
        if (item->entries[e].expected_ns <= 0)
            out[count++] = e;
    if (known > 1 && known < count && out[known] == 0) { /* the backend's first guess, of which nothing is known */
        for (int32_t at = known; at > 1; at--)
            out[at] = out[at - 1];
        out[1] = 0;
    }
    return count;
}

/* Bytes of one input that a layout change between a producer's pick and a reader would move; 0 = none is needed. */
static double change_cost(const fr_steps *steps, const fr_menu *menu, const int32_t *picks, int32_t item, int32_t s) {
    int32_t producer = steps->slots[steps->items[item].src[s]].producer;
    if (producer < 0)
        return 0;
    const fr_candidate *from = &menu->items[producer].entries[picks[producer]].candidate;
    const fr_candidate *to = &menu->items[item].entries[picks[item]].candidate;
    const fr_tensor *t = &steps->items[item].step.src[s];
    if (fr_layout_same(t, from->dst_layout, to->src_layout[s]))
        return 0;
    double bytes = (double)t->c * t->h * t->w * (double)fr_dtype_bytes((fr_dtype)t->dtype);
    return (2 * bytes + 64) * menu->copy_ns_per_byte * 2;
}

/* What item's pick costs, with the changes on both its sides. */
static double local_cost(const fr_steps *steps, const fr_menu *menu, const int32_t *picks, int32_t item,
                         int32_t group_index) {
    double cost = fr_menu_cost(menu, item, picks[item], group_index);
    for (int32_t s = 0; s < steps->items[item].step.n_src; s++)
        cost += change_cost(steps, menu, picks, item, s);
    for (int32_t r = item + 1; r < steps->n_items; r++)
        for (int32_t s = 0; s < steps->items[r].step.n_src; s++)
            if (steps->items[r].src[s] == steps->items[item].dst)
                cost += change_cost(steps, menu, picks, r, s);
    return cost;
}

static double total_cost(const fr_steps *steps, const fr_menu *menu, const int32_t *picks, int32_t group_index) {
    double cost = 0;
    for (int32_t i = 0; i < steps->n_items; i++) {
        cost += fr_menu_cost(menu, i, picks[i], group_index) + menu->items[i].fetch_ns / menu->groups[group_index];
        for (int32_t s = 0; s < steps->items[i].step.n_src; s++)
            cost += change_cost(steps, menu, picks, i, s);
    }
    return cost;
}

/* A start that keeps to one layout where it can: local moves alone can't leave a layout that all neighbours share. */
static void start_with(const fr_steps *steps, const fr_menu *menu, uint16_t layout, int32_t group_index,
                       int32_t *picks) {
    for (int32_t i = 0; i < steps->n_items; i++) {
        double best = DBL_MAX;
        picks[i] = 0;
        for (int32_t e = 0; e < menu->items[i].n_entries; e++) {
            const fr_candidate *c = &menu->items[i].entries[e].candidate;
            double cost = fr_menu_cost(menu, i, e, group_index);
            if (layout != FR_LAYOUT_ANY && !fr_layout_same(&steps->items[i].step.dst, c->dst_layout, layout))
                cost = cost * 8 + 1e6;
            if (layout != FR_LAYOUT_ANY && steps->items[i].step.n_src > 0 &&
                !fr_layout_same(&steps->items[i].step.src[0], c->src_layout[0], layout))
                cost = cost * 2;
            if (cost < best) {
                best = cost;
                picks[i] = e;
            }
        }
    }
}

double fr_choose_candidates(const fr_steps *steps, const fr_menu *menu, int32_t group_index, int32_t *picks) {
    static const uint16_t starts[] = {FR_LAYOUT_ANY,  FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW8C, FR_LAYOUT_NHWC,
                                      FR_LAYOUT_NCHW, FR_LAYOUT_NCHW4C,  FR_LAYOUT_NCHW32C};
    const size_t n_starts = sizeof starts / sizeof starts[0];
    double best = DBL_MAX;
    uint16_t best_start = FR_LAYOUT_ANY;
    for (size_t k = 0; k <= n_starts; k++) {
        /* the last round repeats the winner, so that picks ends as it */
        start_with(steps, menu, k < n_starts ? starts[k] : best_start, group_index, picks);
        bool changed = true;
        for (int round = 0; changed && round < 20; round++) {
            changed = false;
            for (int32_t i = 0; i < steps->n_items; i++) {
                int32_t keep = picks[i];
                double least = local_cost(steps, menu, picks, i, group_index);
                for (int32_t e = 0; e < menu->items[i].n_entries; e++) {
                    picks[i] = e;
                    double cost = local_cost(steps, menu, picks, i, group_index);
                    if (cost < least * (1 - 1e-9)) {
                        least = cost;
                        keep = e;
                        changed = true;
                    }
                }
                picks[i] = keep;
            }
        }
        double cost = total_cost(steps, menu, picks, group_index);
        if (k < n_starts && cost < best) {
            best = cost;
            best_start = starts[k];
        }
    }
    return best;
}

/* Bytes of one input that are alive between item and the next: they leave the cache when the two have different groups. */
static double crossing_bytes(const fr_steps *steps, int32_t item) {
    double bytes = 0;
    for (int32_t s = 0; s < steps->n_slots; s++) {
        const fr_slot *slot = &steps->slots[s];
        bool read_later = false;
        for (int32_t r = item + 1; r < steps->n_items && !read_later; r++)
            for (int32_t k = 0; k < steps->items[r].step.n_src; k++)
                read_later |= steps->items[r].src[k] == s;
        if (slot->producer >= 0 && slot->producer <= item && read_later)
            bytes += (double)slot->c * slot->h * slot->w * (double)fr_dtype_bytes(slot->dtype);
    }
    return bytes;
}

double fr_choose_groups(const fr_steps *steps, const fr_menu *menu, const int32_t *picks, int32_t *groups) {
    double least[FR_MAX_GROUPS] = {0}, next[FR_MAX_GROUPS];
    int32_t n = menu->n_groups;
    int8_t *from = fr_alloc_array((size_t)steps->n_items, FR_MAX_GROUPS);
    if (!from) { /* the smallest group everywhere is always a plan */
        for (int32_t i = 0; i < steps->n_items; i++)
            groups[i] = 0;
        return 0;
    }
    for (int32_t i = 0; i < steps->n_items; i++) {
        double border = i > 0 ? crossing_bytes(steps, i - 1) * 2 * menu->copy_ns_per_byte + 20 : 0;
        for (int32_t g = 0; g < n; g++) {
            int32_t best = g;
            for (int32_t h = 0; h < n; h++)
                if (least[h] + (h == g ? 0 : border) < least[best] + (best == g ? 0 : border))
                    best = h;
            from[i * FR_MAX_GROUPS + g] = (int8_t)best;
            next[g] = least[best] + (best == g ? 0 : border) + fr_menu_cost(menu, i, picks[i], g) +
                      menu->items[i].fetch_ns / menu->groups[g];
        }
        for (int32_t g = 0; g < n; g++)
            least[g] = next[g];
    }
    int32_t at = 0;
    for (int32_t g = 1; g < n; g++)
        if (least[g] < least[at])
            at = g;
    double cost = least[at];
    for (int32_t i = steps->n_items - 1; i >= 0; i--) {
        groups[i] = at;
        at = from[i * FR_MAX_GROUPS + at];
    }
    fr_free(from);
    return cost;
}
