/*
 * What was chosen, as JSON, and back: for the cache, and for the user, whose texts may say anything. A text says whose it is; one
 * of something else, of kernels that are not offered (any more), or of groups that make no sense is FR_INVALID, in words.
 */
#ifndef FR_RUN_PLAN_STORE_H
#define FR_RUN_PLAN_STORE_H

#include "foldrun/foldrun.h"
#include "plan/plan.h"
#include "run/target.h"

typedef struct fr_picked {
    const fr_candidate **candidates; /* one an item, into the menu */
    int32_t *groups;                 /* inputs, one an item */
    int32_t block, lanes, lane_threads;
    int32_t cut;      /* whose steps these are */
    int64_t short_ms; /* of measuring, which was not enough for all there was to measure; 0 = it was */
} fr_picked;

/* Who a choice is for. */
typedef struct fr_plan_owner {
    const char *backend, *version, *device, *driver, *features;
    const char *steps; /* a hash of them */
    int64_t inputs;    /* of a run */
    int32_t lanes;     /* that may be used */
} fr_plan_owner;

typedef struct fr_plan_bounds {
    int32_t lanes, wide; /* threads of a lane: 1, or as many as this when it is more */
    int32_t block;       /* at most */
} fr_plan_bounds;

fr_status fr_picked_write(const fr_plan_owner *owner, const fr_steps *steps, const fr_picked *picked,
                          char **out_text) FR_MUST_CHECK;

typedef struct fr_plan_text fr_plan_text;

/* The text must be for this owner. */
fr_status fr_plan_text_open(const char *text, const fr_plan_owner *owner, fr_plan_text **out_text) FR_MUST_CHECK;
void fr_plan_text_close(fr_plan_text *text);
bool fr_plan_text_fits(const fr_plan_text *text, const fr_steps *steps); /* it has these steps, by their names */
/* Fills the arrays given. */
fr_status fr_plan_text_read(const fr_plan_text *text, const fr_target *target, const fr_steps *steps,
                            const fr_menu *menu, const fr_plan_bounds *bounds, fr_picked *out_picked) FR_MUST_CHECK;

/* Depth first, or layer by layer: a CHAIN, or several steps by groups that are less than the block, or than `share`, which is a lane's
 * whole on a device of cores. */
fr_schedule fr_picked_schedule(const fr_steps *steps, const fr_picked *picked, int32_t share);

#endif
