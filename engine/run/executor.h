/*
 * Runs a plan: its programs, compiled once, and lanes: threads with a queue and an arena each, that take blocks of a job
 * until none is left. Nothing is allocated after fr_executor_new.
 */
#ifndef FR_RUN_EXECUTOR_H
#define FR_RUN_EXECUTOR_H

#include "foldrun/foldrun.h"
#include "plan/plan.h"
#include "run/target.h"

enum { FR_MAX_JOBS = 16 }; /* that wait or run at once; a further submit blocks until one is done */

typedef struct fr_executor fr_executor;

typedef struct fr_executor_options {
    int32_t lanes, lane_threads;
    int64_t image_bytes; /* of one image as the user has it */
    void (*progress)(void *user, const char *what, double fraction);
    void *progress_user;
} fr_executor_options;

/* Takes the plan over (also when it fails). target and steps must outlive the executor. */
fr_status fr_executor_new(const fr_target *target, const fr_steps *steps, fr_plan *plan,
                          const fr_executor_options *options, fr_executor **out_executor) FR_MUST_CHECK;
void fr_executor_free(fr_executor *executor); /* waits for what runs; jobs not begun fail with FR_CANCELLED */

/* images == NULL: a resident job. `done` runs on a lane's thread; it must not free the executor. */
fr_status fr_executor_submit(fr_executor *executor, const void *images, int64_t count, float *out, fr_done done,
                             void *user) FR_MUST_CHECK;
fr_status fr_executor_run(fr_executor *executor, const void *images, int64_t count,
                          float *out) FR_MUST_CHECK;             /* submit and wait for it */
fr_status fr_executor_wait(fr_executor *executor) FR_MUST_CHECK; /* all; the first failure since the last wait */

const fr_plan *fr_executor_plan(const fr_executor *executor);
uint64_t fr_executor_bytes(const fr_executor *executor); /* arenas, scratch and staging of all lanes */
int32_t fr_executor_pinned(const fr_executor *executor); /* lanes that are bound to a processor */

/* Lane 0's tensors, for who must look at what lies between steps (calibration). Not while a job runs. */
fr_status fr_executor_peek(fr_executor *executor, int32_t tensor, void *out, uint64_t bytes) FR_MUST_CHECK;

#endif
