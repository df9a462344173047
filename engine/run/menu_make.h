/* A menu made on a target: what it offers for each step, and how long that takes. */
#ifndef FR_RUN_MENU_MAKE_H
#define FR_RUN_MENU_MAKE_H

#include "run/tuner.h"

/* Group sizes worth trying for this many inputs on so many lanes; a group asked for by the user is the only one. */
void fr_menu_groups(const fr_target *target, const fr_steps *steps, int64_t inputs, int32_t lanes, int32_t asked,
                    fr_schedule schedule, fr_menu *menu);
fr_status fr_menu_make(const fr_target *target, const fr_steps *steps,
                       fr_menu *menu) FR_MUST_CHECK; /* groups are set */
/* Index of the group to begin with, before anything was measured: what keeps the largest map of the steps in a unit's cache. */
int32_t fr_menu_first_group(const fr_target *target, const fr_steps *steps, const fr_menu *menu);
/* Times entries: all at the first group, then those still worth it at the others, until the budget is spent. Layer by layer on a
 * device of cores the first group is all: launches of the others take long. */
fr_status fr_menu_measure(const fr_target *target, const fr_steps *steps, fr_menu *menu,
                          const fr_tuning_request *request, uint32_t lane_threads, uint64_t until_ns) FR_MUST_CHECK;

#endif
