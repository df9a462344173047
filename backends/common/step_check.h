/* What a step must satisfy before anything is computed: dims that follow from each other, legal windows, dtypes and scales.
 * Pure, and the same for every backend: candidates() asks it first, so that kernels can trust a step's dims. */
#ifndef FR_BACKENDS_COMMON_STEP_CHECK_H
#define FR_BACKENDS_COMMON_STEP_CHECK_H

#include "foldrun/backend.h"

fr_reason step_check(const fr_step *step); /* FR_WHY_NOT: nothing is wrong with it */

#endif
