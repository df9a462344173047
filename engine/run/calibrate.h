/* Ranges for int8: the largest magnitude that each value between steps takes on calibration images, in f32 on the device. */
#ifndef FR_RUN_CALIBRATE_H
#define FR_RUN_CALIBRATE_H

#include "foldrun/foldrun.h"
#include "plan/steps.h"
#include "run/target.h"

/* graph: simplified and materialised. lowering: as the session's will be, but its precision and ranges are not read.
 * images NULL: seeded ones. *out_ranges[graph->n_values] by fr_free; 0 where nothing was seen. */
fr_status fr_calibrate(const fr_target *target, const fr_graph *graph, const fr_lowering *lowering,
                       const fr_images *images, float **out_ranges) FR_MUST_CHECK;

#endif
