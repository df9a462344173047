/* A choice being made: what the tuner, its finalists and their race share. Private to engine/run/{tuner,finalists,race}.c. */
#ifndef FR_RUN_CHOOSING_H
#define FR_RUN_CHOOSING_H

#include "run/plan_store.h"
#include "run/tuner.h"

enum { FR_MAX_FINALISTS = 32 };

typedef struct fr_choosing {
    const fr_target *target;
    const fr_tuning_request *request;
    fr_cuts *cuts;
    fr_menu all;                /* of cuts->all */
    fr_menu menus[FR_MAX_CUTS]; /* parts of it */
    int32_t cut;                /* being picked from: */
    const fr_steps *steps;
    const fr_menu *menu;
    int32_t lanes, lane_threads; /* of the finalists being picked */
    int32_t wide; /* wide: threads of one lane, worth trying when there are fewer inputs than lanes; else 0 */
    fr_picked finalists[FR_MAX_FINALISTS];
    int32_t n_finalists;
} fr_choosing;

void fr_choosing_turn(fr_choosing *choosing, int32_t cut);
fr_status fr_choosing_build(const fr_choosing *choosing, const fr_picked *picked, fr_plan *out_plan) FR_MUST_CHECK;

/* finalists.c. A new one has the lanes of now, and arrays for the steps of the cut of now; free takes what it has half made. */
fr_status fr_finalist_new(const fr_choosing *choosing, fr_picked *picked) FR_MUST_CHECK;
void fr_finalist_free(fr_picked *picked);
fr_schedule fr_finalist_schedule(const fr_choosing *choosing, const fr_picked *picked);
/* Adds what is worth a run by the menus' times, or, where nothing was measured, the one by rule of thumb. FR_UNSUPPORTED when the
 * device has no way of the schedule that was asked for. */
fr_status fr_finalists_pick(fr_choosing *choosing, bool measured) FR_MUST_CHECK;

/* race.c: whole runs, the finalists in turn; the least time wins. */
fr_status fr_race(fr_choosing *choosing, int32_t *out_winner) FR_MUST_CHECK;

#endif
