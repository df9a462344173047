/* A step on all of a device's lanes at once, and the peak that it shows. */
#ifndef FR_RUN_PEAK_H
#define FR_RUN_PEAK_H

#include "run/trial.h"

int32_t fr_target_lanes(const fr_target *target);      /* at least 1 */
int32_t fr_target_busy_lanes(const fr_target *target); /* that fill it: one fills a wide device */
/* As a session would load the device: each lane on its own copy, for about ns, all from the same moment; the slowest lane's times. */
fr_status fr_lanes_time(const fr_target *target, const fr_step *step, const fr_candidate *candidate,
                        const fr_weights *weights, int32_t lanes, uint64_t ns, fr_trial_times *out_times) FR_MUST_CHECK;
double fr_peak_ops(const fr_target *target); /* of a launch of the step that shows the peak */
/* fr_measure_peak on a device that is open, with so many of its kernels. */
fr_status fr_target_peak(const fr_target *target, fr_precision precision, int32_t threads, int32_t kernels, int32_t ms,
                         double *out_ops_per_s) FR_MUST_CHECK;

#endif
