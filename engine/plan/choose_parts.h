/* What the files of the choice share. */
#ifndef FR_PLAN_CHOOSE_PARTS_H
#define FR_PLAN_CHOOSE_PARTS_H

#include "plan/choose.h"

double fr_option_speed(const fr_option *option); /* images a second: measured, else predicted */
/* Negative: a asks less of the user than b; 0 only for one and the same. */
int fr_option_asks_less(const fr_choice_question *question, const fr_option *a, const fr_option *b);
/* The option over the limits on latency and memory, the larger share: above 1 one is broken; 0 without limits. *out_limit, unless NULL:
 * which one it is. */
double fr_option_excess(const fr_choice_question *question, const fr_option *option, fr_limit *out_limit);

#endif
