/*
 * Numbers to check a step with. EXACT: small integers and powers of two, so that every sum is exact in the step's types and
 * the result is one bit pattern, whatever the order of the sums. RANDOM: reals (int8: the whole range, any scales), with a
 * magnitude for each result from which its error is bounded.
 *
 * Sources are stored as the step says (dtype), dense, in NCHW order or, from the user, in the user's.
 */
#ifndef FR_CHECK_NUMBERS_H
#define FR_CHECK_NUMBERS_H

#include <stdbool.h>

#include "foldrun/backend.h"

typedef enum fr_check_fill { FR_CHECK_EXACT = 0, FR_CHECK_RANDOM = 1 } fr_check_fill;

typedef struct fr_check_weights { /* owned arrays behind one fr_weights */
    float *weight, *bias, *weight_scale, *mean, *scale;
    int8_t *weight_s8;
} fr_check_weights;

typedef struct fr_check_numbers {
    fr_check_fill fill;
    fr_step step; /* scales set; sub points below */
    fr_step *sub; /* step.n_sub of each */
    int32_t valid;
    void *src[FR_MAX_SRC];
    uint64_t src_bytes[FR_MAX_SRC];
    fr_weights weights, *sub_weights;
    fr_check_weights owned, *sub_owned;
} fr_check_numbers;

/* Whether the step's arithmetic keeps integers exact: no exp, no division by 3. */
bool fr_check_can_be_exact(const fr_step *step);

/* valid: images that exist, of a step with the user's memory at an end. A CHAIN keeps its scales, and takes the weights `given`
 * where that is not NULL; they must outlive the numbers. */
fr_status fr_check_numbers_make(const fr_step *step, const fr_weights *given, int32_t valid, fr_check_fill fill,
                                uint64_t seed, fr_check_numbers *out_numbers) FR_MUST_CHECK;
/* The same step on absolute values, with no activation: what bounds the magnitude of every sum. CONV, FC and CHAIN. */
fr_status fr_check_magnitude(const fr_check_numbers *from, fr_check_numbers *out_numbers) FR_MUST_CHECK;
void fr_check_numbers_free(fr_check_numbers *numbers);

/* Products in one sum; the sum over a chain's steps. 1 where nothing is summed. */
double fr_check_sum_length(const fr_step *step);

/* One stored number. Encoding rounds to nearest even and clamps; written apart from any backend's. */
double fr_check_decode(uint16_t dtype, float scale, const void *data, uint64_t index);
void fr_check_encode(uint16_t dtype, float scale, void *data, uint64_t index, double value);

#endif
