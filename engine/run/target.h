/* The one device that a session, a tuner or a trial works on. Borrowed pointers. */
#ifndef FR_RUN_TARGET_H
#define FR_RUN_TARGET_H

#include <stdbool.h>

#include "foldrun/backend.h"
#include "foldrun/foldrun.h"

typedef struct fr_target {
    const fr_backend *backend;
    fr_device *device;
    fr_device_facts facts;
    bool bundles;   /* a block's launches go as one, where they come again */
    fr_pinning pin; /* of lanes, where the device is a CPU */
    /* Words that candidates' names must contain, or with a minus must not; NULL = all. */
    const char *kernels;
    struct fr_selfcheck *check; /* while a session opens: who says which candidates may be used; NULL = all may */
} fr_target;

#endif
