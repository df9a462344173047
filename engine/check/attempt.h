/* One candidate on one step: run on a device, and compared with the reference's answer. */
#ifndef FR_CHECK_ATTEMPT_H
#define FR_CHECK_ATTEMPT_H

#include "check/limits.h"

typedef struct fr_check_device {
    const fr_backend *backend;
    fr_device *device;
    fr_queue *queue;
} fr_check_device;

/* From the numbers' own order to the tensor's layout; zeros in a block's padding. */
void fr_check_relayout(const fr_tensor *to, int32_t n, const void *dense, unsigned char *out);
/* Bytes of dst's memory: EMIT's rows of all images, existing or not. */
uint64_t fr_check_dst_bytes(const fr_step *step);

/* Compiles, runs once on a poisoned destination, compares. *out_built says how far it came when that fails. */
fr_status fr_check_attempt(const fr_check_device *on, const fr_check_numbers *numbers, const fr_check_answer *answer,
                           const fr_candidate *candidate, bool *out_built,
                           fr_check_difference *out_difference) FR_MUST_CHECK;

#endif
