/* Small stand-ins for steps, to check kernels on. Pure. */
#ifndef FR_PLAN_SHRINK_H
#define FR_PLAN_SHRINK_H

#include <stdbool.h>

#include "foldrun/backend.h"

/* Products, or places times what each reads, of one launch. */
double fr_step_work(const fr_step *step);

/* The step for n inputs on smaller maps, then of fewer channels, until its work is at most most_work: same windows, strides,
 * padding, epilogue and dtypes, and the same remainders at the edges. A CHAIN stays whole. False when it can't be made so
 * small; *out is then the smallest. */
bool fr_step_shrink(const fr_step *step, int32_t n, double most_work, fr_step *out);

#endif
