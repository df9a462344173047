/* Ways of cutting steps into chains: runs of steps that one program takes depth-first. Pure. */
#ifndef FR_PLAN_CUTS_H
#define FR_PLAN_CUTS_H

#include "plan/plan.h"

enum { FR_MAX_CHAINS = 5, FR_MAX_CUTS = FR_MAX_CHAINS + 1 };

typedef struct fr_chain {
    int32_t first, last; /* items of the steps it stands for */
    fr_step *sub;
    fr_weights *sub_weights;
} fr_chain;

/* `all` has the steps' own items, then one item for each chain: a menu is made and measured for all of them at once. A
 * cut is a list of items of `all` that together do the work once; cut 0 has no chain. */
typedef struct fr_cuts {
    fr_steps all; /* what its items own stays the steps' own */
    fr_chain chains[FR_MAX_CHAINS];
    int32_t n_chains;
    int32_t n_cuts;
    fr_steps views[FR_MAX_CUTS]; /* each cut as steps; they borrow too */
    int32_t *items[FR_MAX_CUTS]; /* view item -> item of `all` */
} fr_cuts;

/* The steps must outlive the cuts. */
fr_status fr_cuts_make(const fr_steps *steps, fr_cuts *out_cuts) FR_MUST_CHECK;
void fr_cuts_free(fr_cuts *cuts);
/* A chain that the device refuses: it and the cut with it go. */
void fr_cuts_drop(fr_cuts *cuts, int32_t chain);
/* The part of a menu of `all` that a cut needs, sharing its entries: items is view->n_items long, the caller's. */
void fr_cut_menu(const fr_cuts *cuts, int32_t cut, const fr_menu *all, fr_menu_item *items, fr_menu *out_menu);

#endif
