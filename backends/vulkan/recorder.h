/* A command buffer being filled with launches and copies, each of which sees what the ones before it wrote. */
#ifndef VULKAN_RECORDER_H
#define VULKAN_RECORDER_H

#include "vlk.h"

typedef struct vlk_recorder {
    fr_device *device;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkDescriptorPool sets; /* without push descriptors */
    uint32_t most, count;  /* dispatches */
    bool is_open, has_commands;
    bool runs_again;          /* what is recorded may be submitted while it still runs */
    const vlk_pipeline *last; /* dispatched last, for sentences */
} vlk_recorder;

typedef struct vlk_bound { /* a dispatch's descriptors and launch words */
    VkDescriptorBufferInfo buffers[GPU_MAX_BUFFERS + 1];
    VkBufferView views[GPU_MAX_BUFFERS];
    uint32_t words[8];
} vlk_bound;

fr_status vlk_recorder_new(fr_device *device, uint32_t most, vlk_recorder *out_recorder) FR_MUST_CHECK;
void vlk_recorder_free(vlk_recorder *recorder);                     /* nothing of it is running; takes one half made */
fr_status vlk_recorder_begin(vlk_recorder *recorder) FR_MUST_CHECK; /* what it held is forgotten */
fr_status vlk_recorder_end(vlk_recorder *recorder) FR_MUST_CHECK;   /* then it can be submitted */
/* Before anything is recorded that depends on what was. */
void vlk_recorder_barrier(vlk_recorder *recorder);
/* launch.c: every dispatch of the launch; there is room. */
fr_status vlk_recorder_launch(vlk_recorder *recorder, const fr_launch *launch) FR_MUST_CHECK;
const char *vlk_recorder_what(const vlk_recorder *recorder); /* "kernel pool", for sentences of what is in flight */

/* Descriptors of a dispatch, for what is recorded next. */
fr_status vlk_recorder_bind(vlk_recorder *recorder, const vlk_pipeline *pipeline, int32_t n_buffers, uint32_t texels,
                            bool has_params, const vlk_bound *bound) FR_MUST_CHECK;

#endif
