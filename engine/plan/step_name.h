/* A step in one word: for reports, lists of cases and the device profile. Pure. */
#ifndef FR_PLAN_STEP_NAME_H
#define FR_PLAN_STEP_NAME_H

#include <stddef.h>

#include "foldrun/backend.h"

/* The whole step but its layouts: conv3x3-c32o32-11x26-p1-bias-relu-max3x3s2-to5x12-n8-bf16. valid: images that exist, said
 * where they are not all. */
void fr_step_name(const fr_step *step, int32_t valid, char *out, size_t bytes);

#endif
