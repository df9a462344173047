/* Which core a lane's thread runs on. */
#ifndef FR_RUN_PIN_H
#define FR_RUN_PIN_H

#include <stdint.h>

/*
 * Binds the calling thread to the index-th core that this process may use, when lanes fill them all; else does nothing. Unbound,
 * the scheduler sometimes wakes two lanes on one core and leaves them there for a short batch: half the speed, at random.
 * With fewer lanes than cores the scheduler places better than we could.
 */
void fr_pin_lane(int32_t index, int32_t lanes);

#endif
