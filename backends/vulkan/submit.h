/*
 * What goes to the device, and points in it that can be waited for: values of one timeline semaphore a device, or
 * fences where the device has none.
 */
#ifndef VULKAN_SUBMIT_H
#define VULKAN_SUBMIT_H

#include "vlk.h"

enum { VLK_STUCK = 2 }; /* fr_device.is_lost: it did not answer in time, so nothing of it may be destroyed */

typedef struct vlk_mark {
    VkFence fence;  /* without a timeline */
    uint64_t value; /* of the timeline */
    bool is_set;    /* something was submitted, and nobody has waited for it */
} vlk_mark;

fr_status vlk_mark_new(fr_device *device, vlk_mark *out_mark) FR_MUST_CHECK;
void vlk_mark_free(fr_device *device, vlk_mark *mark); /* waited for, or never set */

/* Either mark is reached when the commands, and all that was submitted before, are done. Neither is set yet; `also`
 * may be NULL. */
fr_status vlk_submit(fr_device *device, uint32_t count, const VkCommandBuffer *commands, vlk_mark *mark, vlk_mark *also,
                     const char *what) FR_MUST_CHECK;
/* Nothing to do for a mark that is not set. `what`: the last kernel, for the sentence. */
fr_status vlk_mark_wait(fr_device *device, vlk_mark *mark, const char *what) FR_MUST_CHECK;

/* Waits for all that was submitted, whatever came of it: after failures, before what it uses is freed. A lost device
 * takes no time; one that is stuck is not waited for. */
void vlk_rest(fr_device *device);
/* As if it had been waited for; the device rests. */
void vlk_mark_clear(fr_device *device, vlk_mark *mark);

/* FR_DEVICE_LOST in words once the device is lost. */
fr_status vlk_alive(fr_device *device) FR_MUST_CHECK;
static inline bool vlk_is_stuck(fr_device *device) {
    return atomic_load(&device->is_lost) == VLK_STUCK;
}

#endif
