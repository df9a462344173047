/* What the engine offers a backend: the callbacks of foldrun/backend.h. */
#ifndef FR_RUN_HOST_H
#define FR_RUN_HOST_H

#include "foldrun/backend.h"
#include "run/cache.h"

/* The table that driver_open gets; the cache may be NULL. */
fr_host fr_host_make(fr_cache *cache);

#endif
