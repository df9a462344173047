/* What a context owns: the registry of backends, and through it the disk cache. */
#ifndef FR_RUN_CONTEXT_H
#define FR_RUN_CONTEXT_H

#include <pthread.h>

#include "foldrun/foldrun.h"
#include "run/cache.h"
#include "run/registry.h"
#include "run/verdicts.h"

struct fr_context {
    fr_registry *registry;
    fr_cache *cache;        /* the registry's; fr_cache_load(context->cache, ...) */
    pthread_mutex_t mutex;  /* guards load_report */
    char *load_report;      /* of the last refused load, or NULL */
    bool logs;              /* this context set the log callback */
    fr_verdicts **verdicts; /* a book for each device that was used; guarded by the mutex */
    size_t n_verdicts;
};

/* The book on a device's kernels; the context's. */
fr_status fr_context_verdicts(fr_context *context, const fr_backend *backend, const fr_device_facts *facts,
                              fr_verdicts **out_verdicts) FR_MUST_CHECK;

/* Takes the report (fr_free'd by the context); NULL clears it. */
void fr_context_keep_report(fr_context *context, char *report);

#endif
