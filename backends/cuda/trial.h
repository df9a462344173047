/* Trying a library's plans on the device, with buffers as a launch has them: which of them run, and how fast. */
#ifndef CUDA_TRIAL_H
#define CUDA_TRIAL_H

#include "cud.h"

enum { TRIAL_MAX_PARTS = 4 };

typedef struct cud_trial {
    fr_device *device;
    CUdeviceptr memory; /* 0: there is none to be had, and plans are taken as they come */
    CUdeviceptr part[TRIAL_MAX_PARTS];
    CUevent begin, end;
} cud_trial;

typedef fr_status (*cud_trial_run)(void *user); /* puts a run into device->own */

/* Parts of so many bytes each, the first two filled with small numbers. No memory is no failure. */
fr_status cud_trial_new(fr_device *device, const uint64_t bytes[TRIAL_MAX_PARTS], cud_trial *out_trial) FR_MUST_CHECK;
/* Runs it once; as often as it takes to know its time, when that is wanted. Microseconds a run. */
fr_status cud_trial_time(const cud_trial *trial, cud_trial_run run, void *user, bool wants_time,
                         double *out_us) FR_MUST_CHECK;
void cud_trial_free(cud_trial *trial); /* takes one half made */

/* A plan that fails is left out; a device that is gone is not. */
static inline bool cud_trial_is_over(fr_status status) {
    return status == FR_DEVICE_LOST || status == FR_NO_MEMORY;
}

#endif
