/* The reference's backend with two kernels for convolutions; the first one's compile fails as the test says. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "foldrun/backend.h"

const fr_backend *ref_entry(void);

FR_EXPORT extern atomic_int picky_status, picky_channels, picky_is_driver, picky_tried;
/* What compile answers for convolutions to so many channels (0: to any) with the first kernel, FR_OK: it compiles; whether the driver is then to blame, for
 * every step; and how often it answered so. */
atomic_int picky_status, picky_channels, picky_is_driver, picky_tried;

static const char *const names[] = {"picky.first", "picky.second"};
enum { FIRST, WAYS = 2 };

static const fr_host *host;
static atomic_bool is_bad;

static fr_status driver_open(const fr_host *given, fr_driver **out_driver) {
    host = given;
    atomic_store(&is_bad, false);
    return ref_entry()->driver_open(given, out_driver);
}

static fr_status device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    fr_status status = ref_entry()->device_facts(driver, index, out_facts);
    out_facts->flags &= ~(uint32_t)FR_DEVICE_ORACLE;
    (void)snprintf(out_facts->name, sizeof out_facts->name, "picky");
    return status;
}

static fr_status candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                            uint32_t *out_count) {
    fr_candidate only;
    *out_count = 0;
    fr_status status = ref_entry()->candidates(device, step, &only, 1, out_count);
    if (status != FR_OK || *out_count == 0)
        return status;
    if (step->kind != FR_STEP_CONV) {
        if (capacity > 0)
            *out = only;
        return FR_OK;
    }
    bool first_is_last = atomic_load(&is_bad);
    *out_count = WAYS;
    for (uint32_t at = 0; at < WAYS && at < capacity; at++) {
        uint32_t way = first_is_last ? WAYS - 1 - at : at;
        out[at] = only;
        out[at].id = way;
        out[at].refused = first_is_last && way == FIRST ? FR_WHY_DRIVER : only.refused;
        (void)snprintf(out[at].name, sizeof out[at].name, "%s", names[way]);
    }
    return FR_OK;
}

static fr_status compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                         const fr_weights *weights, fr_program **out_program) {
    fr_status answer = (fr_status)atomic_load(&picky_status);
    int channels = atomic_load(&picky_channels);
    fr_candidate only = *candidate;
    *out_program = NULL;
    if (step->kind != FR_STEP_CONV)
        return ref_entry()->compile(device, step, candidate, weights, out_program);
    if (answer != FR_OK && candidate->id == FIRST && (channels == 0 || channels == step->dst.c)) {
        atomic_fetch_add(&picky_tried, 1);
        if (atomic_load(&picky_is_driver))
            atomic_store(&is_bad, true);
        return host->fail(answer, __FILE__, __LINE__, "nothing for this convolution");
    }
    (void)snprintf(only.name, sizeof only.name, "ref");
    only.id = 0;
    return ref_entry()->compile(device, step, &only, weights, out_program);
}

FR_EXPORT const fr_backend *fr_backend_entry(void);

const fr_backend *fr_backend_entry(void) {
    static fr_backend table;
    table = *ref_entry();
    table.name = "picky";
    table.title = "Picky";
    table.driver_open = driver_open;
    table.device_facts = device_facts;
    table.candidates = candidates;
    table.compile = compile;
    return &table;
}
