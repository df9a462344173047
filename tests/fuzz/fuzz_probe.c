/* Device profiles: what the reader accepts is written and read back as the same, and staircases can be read off it. */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "plan/stairs.h"

static void check_stairs(fr_probe *probe) {
    fr_stairs_list list;
    size_t added, before = probe->n_points;
    FUZZ_REQUIRE(fr_stairs_read(probe, &list) == FR_OK);
    for (size_t i = 0; i < list.count; i++) {
        const fr_stair_fit *fit = &list.at[i].fit;
        FUZZ_REQUIRE(list.at[i].count >= 2 && fit->quantum >= 1);
        FUZZ_REQUIRE(fit->confidence >= 0 && fit->confidence <= 1 && fit->waste >= 0 && fit->waste <= 1);
        FUZZ_REQUIRE(isfinite(fit->base_ns) && isfinite(fit->ns_per_channel));
    }
    fr_stairs_free(&list);
    FUZZ_REQUIRE(fr_probe_refine(probe, 16, &added) == FR_OK);
    FUZZ_REQUIRE(added <= 16 && probe->n_points == before + added);
}

static char *rewrite(const char *text, size_t bytes, bool must_read) {
    fr_probe probe;
    char *out = NULL;
    fr_status status = fr_probe_read(text, bytes, &probe);
    FUZZ_REQUIRE(status == FR_OK || !must_read);
    if (status != FR_OK) {
        fuzz_check_refusal(status, probe.points);
        FUZZ_REQUIRE(!probe.runs);
        return NULL;
    }
    for (size_t i = 0; i < probe.n_points; i++)
        FUZZ_REQUIRE(fr_probe_ops(&probe.points[i]) >= 0 && fr_probe_bytes(&probe.points[i]) > 0);
    FUZZ_REQUIRE(fr_probe_write(&probe, &out) == FR_OK);
    check_stairs(&probe);
    fr_probe_free(&probe);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint64_t live = fr_alloc_read().live_blocks;
    char *first = rewrite((const char *)data, bytes, false);
    if (first) {
        char *second = rewrite(first, strlen(first), true);
        FUZZ_REQUIRE(strcmp(first, second) == 0);
        fr_free(second);
    }
    fr_free(first);
    FUZZ_REQUIRE(fr_alloc_read().live_blocks == live);
    return 0;
}
