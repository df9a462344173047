/* A plan's programs, compiled on a target. */
#ifndef FR_RUN_PROGRAMS_H
#define FR_RUN_PROGRAMS_H

#include "plan/plan.h"
#include "run/target.h"

enum { FR_MAX_CANDIDATES = 96 };

/* The unrefused candidates of a step, at most FR_MAX_CANDIDATES. FR_UNSUPPORTED, with the reasons, when there are none. */
fr_status fr_target_candidates(const fr_target *target, const fr_step *step, const char *name, fr_candidate *out,
                               int32_t *out_count) FR_MUST_CHECK;
bool fr_target_offers(const fr_target *target, const fr_step *step); /* at least one that is wanted and not refused */
/* After a failure: waits for what the queue still runs, so that it can be freed. Returns the status, its sentence kept. */
fr_status fr_target_settle(const fr_target *target, fr_queue *queue, fr_status status);
/* FR_UNSUPPORTED: `name` has not the precision; it says which ones it has (bits). */
fr_status fr_target_lacks(const char *name, fr_precision precision, uint32_t has);
/* "cpu:0": as asked for, or by the backend's name, with its number. */
void fr_target_id(const fr_target *target, const char *asked, char *out, size_t bytes);
const char *fr_reason_text(fr_reason reason);

/* programs[plan->n_ops]. Asks for the candidates of layout changes and writes them into the plan. */
fr_status fr_programs_compile(const fr_target *target, const fr_steps *steps, fr_plan *plan,
                              void (*progress)(void *user, const char *what, double fraction), void *progress_user,
                              fr_program ***out_programs) FR_MUST_CHECK;
void fr_programs_free(const fr_target *target, fr_program **programs, int32_t count);

#endif
