/* A queue: a ring of slots, each a command buffer that is filled, then runs, then is filled again. */
#ifndef VULKAN_QUEUE_H
#define VULKAN_QUEUE_H

#include "recorder.h"
#include "submit.h"

enum {
    VLK_SLOTS = 4,
    VLK_SLOT_MOST = 128,        /* dispatches in one */
    VLK_SLOT_FIRST = 16,        /* ... while nothing runs: the device is not to wait for the rest */
    VLK_SLOT_READS = 16,        /* reads through staging */
    VLK_SLOT_STAGING = 4 << 20, /* bytes each way */
};

typedef struct vlk_pending_read { /* copied to the host when the slot is done */
    void *to;
    uint64_t at, bytes;
} vlk_pending_read;

typedef struct vlk_slot {
    vlk_recorder recorder;
    vlk_mark mark;
    bool is_running;
    fr_buffer *up, *down; /* staging; made when first needed */
    uint64_t up_bytes, down_bytes;
    vlk_pending_read reads[VLK_SLOT_READS];
    uint32_t n_reads;
    char what[48]; /* the last kernel of what runs */
} vlk_slot;

struct fr_queue {
    fr_device *device;
    vlk_slot slots[VLK_SLOTS];
    uint32_t at;        /* the slot being filled */
    uint32_t n_running; /* those before it */
};

/* An open slot with room for that many dispatches (VLK_SLOT_MOST at most). */
fr_status vlk_queue_room(fr_queue *queue, uint32_t dispatches, vlk_slot **out_slot) FR_MUST_CHECK;
/* Submits what was recorded, then `commands` (NULL = none); `also` is reached when all of it is done. */
fr_status vlk_queue_submit(fr_queue *queue, VkCommandBuffer commands, const char *what, vlk_mark *also) FR_MUST_CHECK;
/* Gives the status back; after a failure waits for what runs, so that its memory may be freed. */
fr_status vlk_queue_fail(fr_queue *queue, fr_status status);

#endif
