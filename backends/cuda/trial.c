/* Trials run on the device's own stream, one at a time. */
#include "trial.h"

#include <string.h>

enum { PART = 256, FILL = 0x3c /* about 1 in f16, small in f32 */, TRIAL_US = 5000, LONG_US = 10000, MOST_RUNS = 16 };

static const char *const what = "trying a library's plans";

static fr_status check(const cud_trial *t, CUresult code, const char *call) {
    return cud_check(t->device, t->device->base.host, code, call, what);
}

fr_status cud_trial_new(fr_device *device, const uint64_t bytes[TRIAL_MAX_PARTS], cud_trial *out) {
    const cud_api *cu = device->cu;
    uint64_t at[TRIAL_MAX_PARTS + 1] = {0};
    memset(out, 0, sizeof *out);
    out->device = device;
    for (int i = 0; i < TRIAL_MAX_PARTS; i++)
        at[i + 1] = at[i] + (bytes[i] + PART - 1) / PART * PART;
    fr_status status = cud_memory_new(device, at[TRIAL_MAX_PARTS], what, &out->memory);
    if (status != FR_OK)
        return status == FR_NO_MEMORY ? FR_OK : status;
    for (int i = 0; i < TRIAL_MAX_PARTS; i++)
        out->part[i] = bytes[i] ? out->memory + at[i] : 0;
    HOST_GO(failed, check(out, cu->cuMemsetD8Async(out->memory, FILL, at[2], device->own), "cuMemsetD8Async"));
    HOST_GO(failed, check(out, cu->cuEventCreate(&out->begin, CU_EVENT_DEFAULT), "cuEventCreate"));
    HOST_GO(failed, check(out, cu->cuEventCreate(&out->end, CU_EVENT_DEFAULT), "cuEventCreate"));
    return FR_OK;
failed:
    cud_trial_free(out);
    return status;
}

void cud_trial_free(cud_trial *t) {
    if (!t->device)
        return;
    const cud_api *cu = t->device->cu;
    if (t->memory) {
        (void)cu->cuStreamSynchronize(t->device->own);
        cud_memory_free(t->device, t->memory);
    }
    if (t->begin)
        (void)cu->cuEventDestroy(t->begin);
    if (t->end)
        (void)cu->cuEventDestroy(t->end);
    memset(t, 0, sizeof *t);
}

static fr_status run_timed(const cud_trial *t, cud_trial_run run, void *user, int32_t runs, double *out_us) {
    const cud_api *cu = t->device->cu;
    float ms = 0;
    HOST_TRY(check(t, cu->cuEventRecord(t->begin, t->device->own), "cuEventRecord"));
    for (int32_t i = 0; i < runs; i++)
        HOST_TRY(run(user));
    HOST_TRY(check(t, cu->cuEventRecord(t->end, t->device->own), "cuEventRecord"));
    HOST_TRY(check(t, cu->cuStreamSynchronize(t->device->own), "cuStreamSynchronize"));
    HOST_TRY(check(t, cu->elapsed_time(&ms, t->begin, t->end), "cuEventElapsedTime"));
    *out_us = (double)ms * 1000.0 / runs;
    return FR_OK;
}

static fr_status measure(const cud_trial *t, cud_trial_run run, void *user, double *out_us) {
    HOST_TRY(run_timed(t, run, user, 1, out_us)); /* the one before loaded what is loaded late */
    if (*out_us > LONG_US)
        return FR_OK;
    double runs = *out_us > 0 ? TRIAL_US / *out_us : MOST_RUNS;
    return run_timed(t, run, user, runs < 2 ? 2 : runs > MOST_RUNS ? MOST_RUNS : (int32_t)runs, out_us);
}

fr_status cud_trial_time(const cud_trial *t, cud_trial_run run, void *user, bool wants_time, double *out_us) {
    *out_us = 0;
    if (!t->memory)
        return FR_OK;
    pthread_mutex_lock(&t->device->own_lock);
    fr_status status = run_timed(t, run, user, 1, out_us);
    if (status == FR_OK && wants_time)
        status = measure(t, run, user, out_us);
    if (status != FR_OK) /* what was launched may still run, and a failed plan is freed at once */
        (void)t->device->cu->cuStreamSynchronize(t->device->own);
    pthread_mutex_unlock(&t->device->own_lock);
    return status;
}
