/* Bundles: launches in a command buffer of their own, recorded once and submitted many times. It is recorded anew when
 * another number of images is valid, which is what the user's ends are told in their launch words. */
#include <string.h>

#include "program.h"
#include "queue.h"

struct fr_bundle {
    fr_device *device;
    vlk_recorder recorder;
    vlk_mark mark; /* of its last submission */
    bool is_recorded, has_user_ends;
    int32_t valid; /* as recorded */
    uint32_t count;
    fr_launch launches[];
};

static fr_status record(fr_bundle *bundle, int32_t valid) {
    if (bundle->is_recorded && (valid == bundle->valid || !bundle->has_user_ends))
        return FR_OK;
    bundle->is_recorded = false;
    HOST_TRY(vlk_recorder_begin(&bundle->recorder));
    for (uint32_t i = 0; i < bundle->count; i++) {
        bundle->launches[i].valid = valid;
        HOST_TRY(vlk_recorder_launch(&bundle->recorder, &bundle->launches[i]));
    }
    HOST_TRY(vlk_recorder_end(&bundle->recorder));
    bundle->is_recorded = true;
    bundle->valid = valid;
    return FR_OK;
}

static fr_status fill(fr_bundle *bundle, const fr_launch *launches) {
    uint32_t dispatches = 0;
    for (uint32_t i = 0; i < bundle->count; i++) {
        const fr_program *program = launches[i].program;
        dispatches += (uint32_t)program->n_dispatches;
        bundle->has_user_ends |= program->bindings.src_is_user || program->bindings.dst_is_user;
    }
    HOST_TRY(vlk_alive(bundle->device));
    HOST_TRY(vlk_mark_new(bundle->device, &bundle->mark));
    HOST_TRY(vlk_recorder_new(bundle->device, dispatches, &bundle->recorder));
    return record(bundle, launches[0].valid);
}

fr_status vlk_bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle) {
    const fr_host *host = device->base.host;
    void *block;
    *out_bundle = NULL;
    if (count == 0)
        return host_fail(host, FR_INVALID, "bundle: it has no launches");
    HOST_TRY(host_alloc(host, sizeof(fr_bundle) + count * sizeof(fr_launch), "a bundle", &block));
    fr_bundle *bundle = block;
    bundle->device = device;
    bundle->recorder.device = device;
    bundle->count = count;
    memcpy(bundle->launches, launches, count * sizeof *launches);
    fr_status status = fill(bundle, launches);
    if (status != FR_OK) {
        vlk_bundle_free(bundle);
        return status;
    }
    *out_bundle = bundle;
    return FR_OK;
}

fr_status vlk_bundle_launch(fr_queue *queue, fr_bundle *bundle, int32_t valid) {
    fr_status status = vlk_alive(queue->device);
    if (status == FR_OK) /* a command buffer runs once at a time */
        status = vlk_mark_wait(bundle->device, &bundle->mark, vlk_recorder_what(&bundle->recorder));
    if (status == FR_OK)
        status = record(bundle, valid);
    if (status == FR_OK)
        status =
            vlk_queue_submit(queue, bundle->recorder.commands, vlk_recorder_what(&bundle->recorder), &bundle->mark);
    return vlk_queue_fail(queue, status);
}

void vlk_bundle_free(fr_bundle *bundle) {
    if (!bundle)
        return;
    fr_device *device = bundle->device;
    if (bundle->mark.is_set)
        vlk_rest(device);
    vlk_mark_free(device, &bundle->mark);
    if (!vlk_is_stuck(device))
        vlk_recorder_free(&bundle->recorder);
    device->base.host->free(bundle);
}
