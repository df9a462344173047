/* Chooses a plan for a target: as the user gives it, from the cache, by measurement, or by rule of thumb. */
#ifndef FR_RUN_TUNER_H
#define FR_RUN_TUNER_H

#include "foldrun/foldrun.h"
#include "plan/cuts.h"
#include "run/cache.h"
#include "run/executor.h"
#include "run/target.h"

typedef struct fr_tuning_request {
    int64_t inputs;  /* folded inputs a run is planned for */
    int32_t threads; /* lanes at most */
    int32_t group;   /* asked for by the user; 0 = choose */
    fr_schedule schedule;
    fr_tuning tuning;
    uint64_t budget_ns;
    int64_t image_bytes;
    fr_cache *cache;
    const char *plan;       /* what fr_tuned.text was once; NULL = none */
    const char *steps_hash; /* of the steps, in hex */
    const char *key;        /* of the model and options; the steps and the target's facts are added to it */
    void (*progress)(void *user, const char *what, double fraction);
    void *progress_user;
} fr_tuning_request;

typedef struct fr_tuned {
    fr_cuts *cuts;         /* the caller's, with the plan: fr_tuned_free_cuts */
    const fr_steps *steps; /* one of its views: what the plan is of */
    fr_plan plan;
    int32_t lanes, lane_threads;
    fr_schedule schedule; /* LAYERS or CHAIN */
    char *text;           /* fr_free: the choice, for fr_tuning_request.plan */
    bool measured, from_cache;
    bool given, refused; /* request->plan was used; it did not fit */
    int32_t guessed[3];  /* steps and chains by what the device's profile knew of them: by fr_profile_match */
    uint64_t tune_ns;
} fr_tuned;

fr_status fr_tune(const fr_target *target, const fr_steps *steps, const fr_tuning_request *request,
                  fr_tuned *out_tuned) FR_MUST_CHECK;
void fr_tuned_free_cuts(fr_cuts *cuts); /* after the executor of its plan */

#endif
