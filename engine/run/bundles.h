/* A lane's bundles: the launches of a block as one submission, kept for the image counts that come again. */
#ifndef FR_RUN_BUNDLES_H
#define FR_RUN_BUNDLES_H

#include <stdbool.h>

#include "run/target.h"

enum { FR_BUNDLE_SLOTS = 3, FR_BUNDLE_MOST = 1 << 14 }; /* counts that are kept; launches of a bundle */

typedef struct fr_bundle_slot {
    int64_t count;   /* images; 0 = the slot is free */
    uint64_t used;   /* when, in runs */
    fr_bundle *made; /* NULL: the count was seen once */
} fr_bundle_slot;

typedef struct fr_bundles {
    const fr_target *target;
    fr_launch *launches; /* room to list those of a whole block; NULL = launch one by one */
    uint32_t most;
    uint64_t runs;
    fr_bundle_slot slots[2][FR_BUNDLE_SLOTS]; /* with the user's ends, and resident */
} fr_bundles;

/* Nothing is kept where the target has no use for bundles, or a block has too many launches. Zeroed memory; fr_bundles_close
 * takes it, whatever this answers. */
fr_status fr_bundles_open(fr_bundles *bundles, const fr_target *target, uint64_t launches_of_block) FR_MUST_CHECK;
void fr_bundles_close(fr_bundles *bundles); /* nothing of them runs; before buffers and programs go */

/* For a run of that many images. *out_bundle NULL: launch one by one, a bundle does not pay yet, or never will. When
 * *out_list, the launches are to be listed in bundles->launches and given to fr_bundles_make. */
void fr_bundles_find(fr_bundles *bundles, bool is_resident, int64_t count, fr_bundle **out_bundle, bool *out_list);
fr_status fr_bundles_make(fr_bundles *bundles, bool is_resident, int64_t count, uint32_t listed,
                          fr_bundle **out_bundle) FR_MUST_CHECK; /* NULL with FR_OK: the backend would rather not */

#endif
