/* Bundles: launches in a command buffer of their own, recorded once and submitted many times, also while it still runs: its
 * first barrier waits for what was submitted before. */
#include "program.h"
#include "queue.h"

struct fr_bundle {
    fr_device *device;
    vlk_recorder recorder;
    bool was_submitted;
};

static fr_status record(fr_bundle *bundle, const fr_launch *launches, uint32_t count) {
    vlk_recorder *recorder = &bundle->recorder;
    uint32_t dispatches = 0;
    for (uint32_t i = 0; i < count; i++)
        dispatches += (uint32_t)launches[i].program->n_dispatches;
    HOST_TRY(vlk_alive(bundle->device));
    HOST_TRY(vlk_recorder_new(bundle->device, dispatches, recorder));
    recorder->runs_again = true;
    HOST_TRY(vlk_recorder_begin(recorder));
    for (uint32_t i = 0; i < count; i++)
        HOST_TRY(vlk_recorder_launch(recorder, &launches[i]));
    return vlk_recorder_end(recorder);
}

fr_status vlk_bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle) {
    const fr_host *host = device->base.host;
    void *block;
    *out_bundle = NULL;
    if (count == 0)
        return host_fail(host, FR_INVALID, "bundle: it has no launches");
    HOST_TRY(host_alloc(host, sizeof(fr_bundle), "a bundle", &block));
    fr_bundle *bundle = block;
    bundle->device = device;
    bundle->recorder.device = device;
    fr_status status = record(bundle, launches, count);
    if (status != FR_OK) {
        vlk_bundle_free(bundle);
        return status;
    }
    *out_bundle = bundle;
    return FR_OK;
}

fr_status vlk_bundle_launch(fr_queue *queue, fr_bundle *bundle) {
    fr_status status = vlk_alive(queue->device);
    if (status == FR_OK)
        status = vlk_queue_submit(queue, bundle->recorder.commands, vlk_recorder_what(&bundle->recorder), NULL);
    bundle->was_submitted |= status == FR_OK;
    return vlk_queue_fail(queue, status);
}

void vlk_bundle_free(fr_bundle *bundle) {
    if (!bundle)
        return;
    fr_device *device = bundle->device;
    if (bundle->was_submitted) /* its last replay is done, or its queue has failed */
        vlk_rest(device);
    if (!vlk_is_stuck(device))
        vlk_recorder_free(&bundle->recorder);
    device->base.host->free(bundle);
}
