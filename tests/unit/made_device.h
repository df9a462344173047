/* The profile of a device that is a formula, in a file, or in a cache in the place of a real device's. */
#ifndef FR_TESTS_MADE_DEVICE_H
#define FR_TESTS_MADE_DEVICE_H

#include <unistd.h>

#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "foldrun/planner.h"
#include "planner_kit.h"
#include "run/context.h"
#include "run/device_profile.h"
#include "run/model.h"
#include "run/probe_store.h"

/* Two lanes with tiles of 32 channels: 90 channels cost what 96 cost. */
static const formula made_usual = {
    .peak = 5e10, .in_tile = 32, .out_tile = 32, .waste = 1, .place_ns = 0.1, .bandwidth = 1e10, .launch_ns = 500};

static inline fr_status made_probe(const formula *f, int32_t level, fr_probe *probe) {
    snprintf(probe->identity, sizeof probe->identity, "made|1|Made-up device|0|");
    snprintf(probe->backend, sizeof probe->backend, "made");
    snprintf(probe->driver, sizeof probe->driver, "none 1.0");
    snprintf(probe->foldrun, sizeof probe->foldrun, "%s", fr_version());
    FR_TRY(kit_probe(f, level, 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_BF16, probe));
    snprintf(probe->device, sizeof probe->device, "made:0");
    snprintf(probe->name, sizeof probe->name, "Made-up device");
    probe->flags = FR_DEVICE_UNIFIED | FR_DEVICE_HOST_POINTERS;
    probe->run_ns = 20000;
    for (size_t i = 0; i < probe->n_points; i++)
        snprintf(probe->points[i].candidate, sizeof probe->points[i].candidate, "made.tiles");
    probe->n_runs = 0; /* a run is the sum of its steps */
    probe->complete = true;
    return FR_OK;
}

static inline fr_status made_write(const formula *f, int32_t level, const char *path) {
    fr_probe probe = {.level = 0};
    fr_status status = made_probe(f, level, &probe);
    if (status == FR_OK)
        status = fr_probe_save(path, &probe);
    fr_probe_free(&probe);
    return status;
}

static inline fr_status made_store(fr_context *context, const char *device, const formula *f) {
    fr_target target = {0};
    fr_probe probe = {.level = 0};
    char path[4096], *identity = NULL;
    fr_status status = FR_OK;
    FR_TRY(fr_registry_open(context->registry, device, &target.backend, &target.device, &target.facts));
    FR_GO(cleanup, made_probe(f, 1, &probe));
    identity = fr_device_identity(&target);
    snprintf(probe.identity, sizeof probe.identity, "%s", identity ? identity : "");
    FR_GO(cleanup, fr_probe_path(fr_cache_folder(context->cache), &target, path, sizeof path));
    status = fr_probe_save(path, &probe);
cleanup:
    fr_free(identity);
    fr_probe_free(&probe);
    target.backend->device_close(target.device);
    return status;
}

#endif
