/*
 * Numbers for a case. EXACT: small integers and powers of two, so that every sum is exact in the case's types and the
 * result is one bit pattern, whatever the order of the sums. RANDOM: reals (int8: the whole range, any scales), with a
 * magnitude for each result from which its error is bounded.
 *
 * Sources are stored as the step says (dtype), dense, in NCHW order or, for INGEST, in the user's.
 */
#ifndef FR_TESTS_CONFORMANCE_FILL_H
#define FR_TESTS_CONFORMANCE_FILL_H

#include "cases.h"

typedef enum conf_fill { CONF_EXACT = 0, CONF_RANDOM = 1 } conf_fill;

typedef struct conf_weights { /* owned arrays behind one fr_weights */
    float *weight, *bias, *weight_scale, *mean, *scale;
    int8_t *weight_s8;
} conf_weights;

typedef struct conf_numbers {
    conf_fill fill;
    fr_step step; /* scales set; sub points below */
    fr_step sub[CONF_MAX_SUB];
    int32_t valid;
    void *src[FR_MAX_SRC];
    uint64_t src_bytes[FR_MAX_SRC];
    fr_weights weights, sub_weights[CONF_MAX_SUB];
    conf_weights owned, sub_owned[CONF_MAX_SUB];
} conf_numbers;

/* Whether the step's arithmetic keeps integers exact: no exp, no division by 3. */
bool conf_can_be_exact(const fr_step *step);

fr_status conf_numbers_make(const conf_case *from, conf_fill fill, uint64_t seed,
                            conf_numbers *out_numbers) FR_MUST_CHECK;
/* The same step on absolute values, with no activation and no softmax: what bounds the magnitude of every sum. CONV, FC and
 * CHAIN. */
fr_status conf_numbers_magnitude(const conf_numbers *from, conf_numbers *out_numbers) FR_MUST_CHECK;
void conf_numbers_free(conf_numbers *numbers);

/* Products in one sum; the sum over a chain's steps. 1 where nothing is summed. */
double conf_sum_length(const fr_step *step);

/* One stored number. Encoding rounds to nearest even and clamps; written apart from any backend's. */
double conf_decode(uint16_t dtype, float scale, const void *data, uint64_t index);
void conf_encode(uint16_t dtype, float scale, void *data, uint64_t index, double value);

#endif
