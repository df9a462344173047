/* Which processor a lane's thread runs on. */
#ifndef FR_RUN_PIN_H
#define FR_RUN_PIN_H

#include "base/topology.h"
#include "foldrun/foldrun.h"

enum { FR_PIN_NONE = -1 };

/*
 * A processor for each of `lanes`, or FR_PIN_NONE: the scheduler places it. Lanes in turn go to the nodes in turn, so that few of them
 * have the bandwidth of all memory; a core gets its second lane when each has one. AUTO: where the lanes fill all cores, or all
 * processors. Unbound, the scheduler sometimes wakes two lanes on one core and leaves them there for a short batch: half the
 * speed, at random. With fewer lanes it places better than we could.
 */
fr_status fr_pin_choose(const fr_topology *topology, fr_pinning pinning, int32_t lanes,
                        int32_t *out_cpus) FR_MUST_CHECK;

/* Binds the calling thread. */
bool fr_pin_thread(int32_t cpu);

#endif
