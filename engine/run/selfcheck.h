/*
 * The self-check: before a kernel may be used, its answer on a small step is compared with the reference's. What comes of it
 * is kept for good (verdicts.h), so that a name is checked once on a device and driver.
 */
#ifndef FR_RUN_SELFCHECK_H
#define FR_RUN_SELFCHECK_H

#include "check/attempt.h"
#include "run/registry.h"
#include "run/target.h"
#include "run/verdicts.h"

typedef struct fr_selfcheck fr_selfcheck; /* one thread's */

/* checks false: verdicts are heeded, and no new ones are sought. target must outlive it; it opens the reference when it is
 * first needed. Without a reference nothing can be checked, and all that is not known to be bad may be used. */
fr_status fr_selfcheck_new(fr_registry *registry, fr_verdicts *verdicts, const fr_target *target, bool checks,
                           fr_selfcheck **out_check) FR_MUST_CHECK;
void fr_selfcheck_free(fr_selfcheck *check); /* saves the verdicts; takes NULL */

/* Known to be wrong, or not to build. All of these take a check of NULL: then nothing is known, and nothing bad. */
bool fr_selfcheck_bans(fr_selfcheck *check, const char *candidate);
/* Whether a candidate for the step may be used; checked now when it never was. The weights are taken for a CHAIN alone. */
bool fr_selfcheck_passes(fr_selfcheck *check, const fr_step *step, const fr_weights *weights, const char *step_name,
                         const fr_candidate *candidate);
/* A compile that failed outside a check, with its status: remembered as a verdict if it says something of the kernel, and
 * until the check is freed if it says that the kernel is not for this step. */
void fr_selfcheck_note_failure(fr_selfcheck *check, fr_status status, const fr_step *step, const char *step_name,
                               const char *candidate);
/* Whether it was noted not to be for such a step, whatever its n. */
bool fr_selfcheck_leaves_out(const fr_selfcheck *check, const fr_step *step, const char *candidate);
int32_t fr_selfcheck_dropped(const fr_selfcheck *check); /* found bad, or left out for a step, since it was made */
bool fr_selfcheck_lost(const fr_selfcheck *check);       /* the device was lost in a check or a noted compile */
uint64_t fr_selfcheck_spent_ns(const fr_selfcheck *check);

/* ---- for who checks steps of its own ------------------------------------------------------------------------- */

typedef struct fr_check_task { /* a step with numbers and their right answer */
    fr_check_numbers numbers;
    fr_check_answer answer;
} fr_check_task;

/* Asks the reference. FR_UNAVAILABLE when there is none. */
fr_status fr_selfcheck_task(fr_selfcheck *check, const fr_step *step, const fr_weights *weights,
                            fr_check_task *out_task) FR_MUST_CHECK;
void fr_selfcheck_task_free(fr_check_task *task);
/* Runs and judges; the verdict is not kept. NONE, with the reason, where the kernel is not for this step. Fails only where
 * nothing can be said: out of memory, a lost device. */
fr_status fr_selfcheck_judge(fr_selfcheck *check, const fr_check_task *task, const char *step_name,
                             const fr_candidate *candidate, fr_verdict_entry *out_entry) FR_MUST_CHECK;
/* Remembers it, with a warning about a bad one. */
void fr_selfcheck_keep(fr_selfcheck *check, const fr_verdict_entry *entry);

#endif
