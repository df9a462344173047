#include "run/bundles.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/status.h"

fr_status fr_bundles_open(fr_bundles *bundles, const fr_target *target, uint64_t launches_of_block) {
    memset(bundles, 0, sizeof *bundles);
    bundles->target = target;
    if (!target->bundles || launches_of_block > FR_BUNDLE_MOST)
        return FR_OK;
    bundles->most = (uint32_t)launches_of_block;
    bundles->launches = fr_alloc_array(bundles->most, sizeof *bundles->launches);
    return bundles->launches ? FR_OK : fr_no_memory(bundles->most * sizeof *bundles->launches, "a lane");
}

static void give_up(fr_bundles *bundles) {
    for (int kind = 0; kind < 2; kind++)
        for (int32_t i = 0; i < FR_BUNDLE_SLOTS; i++)
            if (bundles->slots[kind][i].made)
                bundles->target->backend->bundle_free(bundles->slots[kind][i].made);
    memset(bundles->slots, 0, sizeof bundles->slots);
    fr_free(bundles->launches);
    bundles->launches = NULL;
}

void fr_bundles_close(fr_bundles *bundles) {
    if (bundles->target)
        give_up(bundles);
    memset(bundles, 0, sizeof *bundles);
}

/* Counts that come once (the tail of a job) cost nothing: a bundle is made when its count is seen again. Where more counts go
 * round than there are slots, none is seen twice. */
void fr_bundles_find(fr_bundles *bundles, bool is_resident, int64_t count, fr_bundle **out_bundle, bool *out_list) {
    fr_bundle_slot *slots = bundles->slots[is_resident], *oldest = &slots[0];
    *out_bundle = NULL;
    *out_list = false;
    if (!bundles->launches)
        return;
    bundles->runs++;
    for (int32_t i = 0; i < FR_BUNDLE_SLOTS; i++) {
        if (slots[i].count == count) {
            slots[i].used = bundles->runs;
            *out_bundle = slots[i].made;
            *out_list = !slots[i].made;
            return;
        }
        if (slots[i].used < oldest->used)
            oldest = &slots[i];
    }
    if (oldest->made)
        bundles->target->backend->bundle_free(oldest->made);
    *oldest = (fr_bundle_slot){.count = count, .used = bundles->runs};
}

fr_status fr_bundles_make(fr_bundles *bundles, bool is_resident, int64_t count, uint32_t listed,
                          fr_bundle **out_bundle) {
    const fr_target *target = bundles->target;
    fr_bundle *made = NULL;
    *out_bundle = NULL;
    fr_status status = target->backend->bundle_new(target->device, bundles->launches, listed, &made);
    if (status == FR_UNSUPPORTED || status == FR_NO_MEMORY) {
        fr_log(FR_LOG_INFO, "launching one by one: %s", fr_error_sentence());
        give_up(bundles);
        return FR_OK;
    }
    FR_TRY(status);
    for (int32_t i = 0; i < FR_BUNDLE_SLOTS; i++)
        if (bundles->slots[is_resident][i].count == count)
            bundles->slots[is_resident][i].made = made;
    *out_bundle = made;
    return FR_OK;
}
