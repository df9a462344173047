/* Backends found and opened: the only place that loads modules. One registry a context. */
#ifndef FR_RUN_REGISTRY_H
#define FR_RUN_REGISTRY_H

#include "foldrun/backend.h"
#include "foldrun/foldrun.h"
#include "run/cache.h"

typedef struct fr_registry fr_registry;

/* backend_dir NULL = FOLDRUN_BACKEND_DIR, else beside the library. cache_dir as in fr_context_options. */
fr_status fr_registry_new(const char *backend_dir, const char *cache_dir, fr_registry **out_registry) FR_MUST_CHECK;
void fr_registry_free(fr_registry *registry);
/* All devices, and one entry for each backend that has none, with the reason. FR_UNAVAILABLE when the folder has no
 * backend at all. The list lives as long as the registry. */
fr_status fr_registry_devices(fr_registry *registry, const fr_device_entry **out_entries,
                              size_t *out_count) FR_MUST_CHECK;
/* "cpu" or "cpu:0"; NULL = the default: the first device that is neither SOFTWARE nor ORACLE, of backend cpu if it has one.
 * FR_UNAVAILABLE with the reason and what to do; FR_INVALID for a name no backend has (suggests one). The caller closes
 * the device (backend->device_close) before the registry goes. */
fr_status fr_registry_open(fr_registry *registry, const char *id, const fr_backend **out_backend,
                           fr_device **out_device, fr_device_facts *out_facts) FR_MUST_CHECK;
/* The engine's disk cache, as backends get it. */
const fr_host *fr_registry_host(fr_registry *registry);
fr_cache *fr_registry_cache(fr_registry *registry);

#endif
