/* Monotonic time. */
#ifndef FR_BASE_CLOCK_H
#define FR_BASE_CLOCK_H

#include <stdint.h>

uint64_t fr_clock_ns(void);

#endif
