/* A lane: a queue, an arena, and the plan's launches with their places in it. Used by one thread at a time. */
#ifndef FR_RUN_LANE_H
#define FR_RUN_LANE_H

#include "plan/plan.h"
#include "run/bundles.h"
#include "run/target.h"

typedef struct fr_lane {
    const fr_target *target;
    const fr_plan *plan;
    fr_queue *queue;
    fr_buffer *arena, *scratch;
    fr_buffer *user_in, *user_out; /* windows on the user's memory, or staging */
    fr_launch *launches;           /* one an op */
    fr_bundles bundles;
    int64_t image_bytes;
    int32_t fold, classes;
    bool windows;
    uint64_t bytes; /* of its buffers */
} fr_lane;

/* The queue comes first: what a backend compiles may depend on the queues that are open. */
fr_status fr_lane_open(fr_lane *lane, const fr_target *target, int32_t threads) FR_MUST_CHECK;
/* Buffers and launches. programs: one an op of the plan. */
fr_status fr_lane_load(fr_lane *lane, const fr_plan *plan, const fr_steps *steps, fr_program *const *programs,
                       int64_t image_bytes) FR_MUST_CHECK;
void fr_lane_close(fr_lane *lane);
/* At most block * fold images through all segments; returns when the answers are in out. images NULL: resident. */
fr_status fr_lane_run(fr_lane *lane, const void *images, int64_t count, float *out) FR_MUST_CHECK;

#endif
