/* What a context owns: the registry of backends, and through it the disk cache. */
#ifndef FR_RUN_CONTEXT_H
#define FR_RUN_CONTEXT_H

#include <pthread.h>

#include "foldrun/foldrun.h"
#include "run/cache.h"
#include "run/registry.h"

struct fr_context {
    fr_registry *registry;
    fr_cache *cache;       /* the registry's; fr_cache_load(context->cache, ...) */
    pthread_mutex_t mutex; /* guards load_report */
    char *load_report;     /* of the last refused load, or NULL */
    bool logs;             /* this context set the log callback */
};

/* Takes the report (fr_free'd by the context); NULL clears it. */
void fr_context_keep_report(fr_context *context, char *report);

#endif
