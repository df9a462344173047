/* How far a device's answer may lie from the reference's, and whether it does. */
#ifndef FR_CHECK_LIMITS_H
#define FR_CHECK_LIMITS_H

#include "check/oracle.h"

/* Number i of the answer as dst can hold it: clamped to what its dtype reaches; EXACT: rounded too. */
double fr_check_wanted(const fr_check_numbers *numbers, const fr_check_answer *answer, uint64_t i);
/* How far a stored result may lie from it. EXACT: 0. */
double fr_check_allowed(const fr_check_numbers *numbers, const fr_check_answer *answer, uint64_t i, bool is_inexact);

/* Where number i of the answer lies in dst, in elements. The step's layouts are fixed. */
uint64_t fr_check_place(const fr_step *step, uint64_t i);

typedef struct fr_check_difference {
    uint64_t wrong, first;                   /* numbers outside the limit; the first of them */
    uint64_t worst;                          /* the number farthest out, by error over limit: */
    double ratio, error, got, want, allowed; /* ratio: infinite for NaN */
} fr_check_difference;

/* data: dst's memory, in the step's layout. True when no number is wrong. */
bool fr_check_compare(const fr_check_numbers *numbers, const fr_check_answer *answer, const fr_step *step,
                      const void *data, bool is_inexact, fr_check_difference *out);

#endif
