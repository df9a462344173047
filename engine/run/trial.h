/* Times one step by itself on a device: the tuner's, the layer table's and the peak measurement's stopwatch. */
#ifndef FR_RUN_TRIAL_H
#define FR_RUN_TRIAL_H

#include "run/target.h"

typedef struct fr_trial { /* one thread's; buffers grow as steps need them */
    const fr_target *target;
    fr_queue *queue;
    fr_buffer *buffers[FR_MAX_SRC + 2]; /* sources, destination, scratch */
    uint64_t bytes[FR_MAX_SRC + 2];
    void (*ready)(void *user); /* NULL, or called before the clock starts: the program is built, and has run */
    void *ready_user;
} fr_trial;

fr_status fr_trial_open(fr_trial *trial, const fr_target *target, uint32_t threads) FR_MUST_CHECK;
void fr_trial_close(fr_trial *trial);
typedef struct fr_trial_times { /* nanoseconds of a launch, over the repeats */
    double least, median;
} fr_trial_times;

/* Least nanoseconds of a launch, of three or as many as fill least_ns; of one that takes longer than hopeless_ns (0 = any
 * time is fine) the first is enough. The step's layouts are the candidate's. Compiles and frees the program. */
fr_status fr_trial_time(fr_trial *trial, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                        uint64_t least_ns, double hopeless_ns, double *out_ns) FR_MUST_CHECK;
/* The same, with how far the repeats lie apart. */
fr_status fr_trial_measure(fr_trial *trial, const fr_step *step, const fr_candidate *candidate,
                           const fr_weights *weights, uint64_t least_ns, double hopeless_ns,
                           fr_trial_times *out_times) FR_MUST_CHECK;

#endif
