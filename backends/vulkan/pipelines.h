/* What pipeline.c and pipeline_cache.c share: all that was made on one device. */
#ifndef VULKAN_PIPELINES_H
#define VULKAN_PIPELINES_H

#include "vlk.h"

typedef struct vlk_made vlk_made;     /* a pipeline, or one being made */
typedef struct vlk_layout vlk_layout; /* of descriptor sets and pipelines */

struct vlk_pipelines {
    pthread_mutex_t lock;
    pthread_cond_t made_one;
    vlk_made *made;
    vlk_layout *layouts;
    VkPipelineCache cache; /* NULL: the driver gives none, and all goes without */
    uint64_t stored_hash;  /* of what is on disk; 0 = nothing */
    uint32_t n_made;       /* since it was stored */
};

/* ---- pipeline_cache.c: the driver's own cache, kept in the engine's ---------------------------------------------- */

void vlk_cache_open(fr_device *device);  /* what is on disk is taken when it is sound and of this very driver */
void vlk_cache_store(fr_device *device); /* when it holds something new */

#endif
