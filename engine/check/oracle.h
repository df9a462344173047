/* What is right: the reference backend's answer, in doubles. */
#ifndef FR_CHECK_ORACLE_H
#define FR_CHECK_ORACLE_H

#include "check/numbers.h"

typedef struct fr_check_oracle {
    const fr_backend *backend;
    fr_device *device;
    fr_queue *queue;
} fr_check_oracle;

/* Takes the reference's device over, also when it fails. */
fr_status fr_check_oracle_open(const fr_backend *backend, fr_device *device, fr_check_oracle *out_oracle) FR_MUST_CHECK;
void fr_check_oracle_close(fr_check_oracle *oracle); /* takes one that never opened */

typedef struct fr_check_answer { /* in CHW order, input after input; EMIT: row after row */
    double *value;               /* before dst's rounding */
    double *magnitude;           /* RANDOM fill of CONV, FC and CHAIN; else NULL */
    double reach;                /* with it, of a CHAIN: its largest number, before a softmax at its end */
    uint64_t count;
} fr_check_answer;

fr_status fr_check_oracle_ask(fr_check_oracle *oracle, const fr_check_numbers *numbers,
                              fr_check_answer *out_answer) FR_MUST_CHECK;
void fr_check_answer_free(fr_check_answer *answer);

#endif
