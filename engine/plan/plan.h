/*
 * The plan: one candidate a step, the layouts between them, groups and segments, and memory. Pure: same input, same plan;
 * no device is asked. What was measured comes in as a menu.
 *
 * A lane takes `block` folded inputs at a time through all segments. A segment is a run of ops done depth-first: group inputs
 * go through all its ops before the next group, so that what lies between stays in a cache. Tensors inside a segment are
 * sized to its group; those that cross a border are sized to the block.
 */
#ifndef FR_PLAN_PLAN_H
#define FR_PLAN_PLAN_H

#include "plan/steps.h"

enum { FR_MAX_GROUPS = 8 };

/* ---- what was offered and measured ---------------------------------------------------------------------- */

typedef struct fr_menu_entry {
    fr_candidate candidate;
    double ns[FR_MAX_GROUPS]; /* one launch at groups[i] inputs; 0 = not measured */
    double expected_ns;       /* for one input, by the device's profile; 0 = it says nothing */
} fr_menu_entry;

typedef struct fr_menu_item {
    fr_menu_entry *entries;
    int32_t n_entries;
    double
        fetch_ns; /* of a launch among others: weights that the cache no longer holds. A step timed alone finds them there */
} fr_menu_item;

typedef struct fr_menu {
    fr_menu_item *items; /* one for each of the steps' */
    int32_t n_items;
    int32_t groups[FR_MAX_GROUPS], n_groups; /* ascending */
    int32_t
        cached_group; /* index of one whose maps the last cache holds, on a device that else takes all at once; -1 = none */
    int32_t share;  /* inputs that a lane of a device of cores takes at once layer by layer; 0 on other devices */
    bool cut_short; /* time ran out before all that was to be measured was */
    double copy_ns_per_byte; /* a layout change, or a tensor that leaves the cache between segments */
} fr_menu;

void fr_menu_free(fr_menu *menu);

/* Nanoseconds for one input of an entry at a group: measured, else scaled from the nearest measured group, else expected
 * by the device's profile, else guessed from its place in the backend's order. */
double fr_menu_cost(const fr_menu *menu, int32_t item, int32_t entry, int32_t group_index);

/* In which order an item's entries are worth timing; answers how many: at most all of them. What the device's profile expects something of comes first, the best
 * first, and then the others, in the backend's order; the backend's own first guess is never later than second, for what is
 * expected may come from another step, for which other kernels are good. When `cuts`, what is expected to take twice the
 * best's time is left out, but never what nothing is known of. */
int32_t fr_menu_order(const fr_menu_item *item, bool cuts, int32_t *out_entries);

/* picks[item] = entry, the cheapest assignment with the layout changes it needs (exact on chains of two layouts, a local
 * optimum from several starts elsewhere); returns its cost for one input. */
double fr_choose_candidates(const fr_steps *steps, const fr_menu *menu, int32_t group_index, int32_t *picks);
/* groups[item] (index into menu->groups): the cheapest cut into segments for these picks; returns ns for one input. */
double fr_choose_groups(const fr_steps *steps, const fr_menu *menu, const int32_t *picks, int32_t *groups);

/* ---- the plan ---------------------------------------------------------------------------------------------- */

typedef struct fr_plan_tensor {
    fr_tensor t;
    int32_t slot;
    int32_t inputs;            /* it is sized for: a group or the block */
    bool boundary;             /* crosses a segment's border */
    bool pinned;               /* its place is nobody else's: what INGEST made stays for a resident run */
    int32_t first_op, last_op; /* lives from..to, segments' loops counted in */
    uint64_t bytes, offset;
} fr_plan_tensor;

typedef struct fr_plan_op {
    fr_step step;            /* layouts fixed, n = the segment's group */
    fr_candidate candidate;  /* empty name: a REORDER whose candidate is still to be asked for */
    int32_t item;            /* of the steps; -1 = a layout change */
    int32_t src[FR_MAX_SRC]; /* tensors; -1 = the user's images */
    int32_t dst;             /* -1 = the user's answers */
    int32_t segment;
} fr_plan_op;

typedef struct fr_plan_segment {
    int32_t first_op, n_ops, group;
} fr_plan_segment;

typedef struct fr_plan {
    fr_plan_op *ops;
    int32_t n_ops;
    fr_plan_tensor *tensors;
    int32_t n_tensors;
    fr_plan_segment *segments;
    int32_t n_segments;
    int32_t block;
    uint64_t arena_bytes;
} fr_plan;

typedef struct fr_plan_choice {
    const fr_candidate **candidates; /* one an item */
    const int32_t *groups;           /* inputs, one an item; a divisor of block */
    int32_t block;
    bool no_reuse; /* every tensor keeps its own place (calibration) */
} fr_plan_choice;

fr_status fr_plan_build(const fr_steps *steps, const fr_plan_choice *choice, fr_plan *out_plan) FR_MUST_CHECK;
void fr_plan_free(fr_plan *plan);
/* Places for tensors by their lifetimes; sets offset of each and arena_bytes. */
fr_status fr_plan_place(fr_plan *plan, bool no_reuse) FR_MUST_CHECK;
/* "chain: conv1..pool3 by 8, fc1 by 64" */
void fr_plan_describe(const fr_plan *plan, const fr_steps *steps, char *out, size_t bytes);

/* Whether two layouts lay this tensor out in the same bytes. */
bool fr_layout_same(const fr_tensor *t, uint16_t a, uint16_t b);

#endif
