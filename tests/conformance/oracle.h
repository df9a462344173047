/* What is right: the reference backend's answer in doubles, and how far from it a device may be. */
#ifndef FR_TESTS_CONFORMANCE_ORACLE_H
#define FR_TESTS_CONFORMANCE_ORACLE_H

#include "fill.h"
#include "run/registry.h"

typedef struct conf_oracle {
    const fr_backend *backend;
    fr_device *device;
    fr_queue *queue;
} conf_oracle;

fr_status conf_oracle_open(fr_registry *registry, conf_oracle *out_oracle) FR_MUST_CHECK;
void conf_oracle_close(conf_oracle *oracle); /* takes one that never opened */

typedef struct conf_answer { /* in CHW order, input after input; EMIT: row after row */
    double *value;           /* before dst's rounding */
    double *magnitude;       /* RANDOM fill of CONV, FC and CHAIN; else NULL */
    double reach;            /* with it, of a CHAIN: its largest number, before a softmax at its end */
    uint64_t count;
} conf_answer;

fr_status conf_oracle_ask(conf_oracle *oracle, const conf_numbers *numbers, conf_answer *out_answer) FR_MUST_CHECK;
void conf_answer_free(conf_answer *answer);

/* Number i of the answer as dst can hold it: clamped to what its dtype reaches; EXACT: rounded too. */
double conf_wanted(const conf_numbers *numbers, const conf_answer *answer, uint64_t i);
/* How far a stored result may lie from it. EXACT: 0. */
double conf_allowed(const conf_numbers *numbers, const conf_answer *answer, uint64_t i, bool is_inexact);

#endif
