/* The steps that sessions of the zoo's small models run: every layer and every chain, folded and in each precision. */
#ifndef FR_TESTS_CUDA_ZOO_STEPS_H
#define FR_TESTS_CUDA_ZOO_STEPS_H

#include "cases.h"

/* Adds those of V1-V6 and N1-N4 to the list, which must be whole, and settles it again. */
fr_status zoo_steps_add(conf_list *list) FR_MUST_CHECK;

#endif
