/* A compiled step: what launch needs, worked out beforehand. */
#ifndef VULKAN_PROGRAM_H
#define VULKAN_PROGRAM_H

#include "gpu/bindings.h"
#include "vlk.h"

typedef struct vlk_dispatch {
    const vlk_pipeline *pipeline;
    gpu_bind binds[GPU_MAX_BUFFERS];
    int32_t n_binds;
    uint32_t texels;
    uint32_t groups[3];
    uint64_t params_at; /* in the program's packed buffer */
    uint32_t params_bytes;
} vlk_dispatch;

struct fr_program {
    fr_device *device;
    fr_buffer *packed;     /* the weights, then each dispatch's parameters */
    uint64_t weight_bytes; /* of the weights alone */
    vlk_dispatch dispatches[GPU_MAX_DISPATCHES];
    int32_t n_dispatches;
    gpu_bindings bindings;
    bool is_bad; /* a pipeline of it is not made */
};

/* Where descriptors begin: launch words say the rest. */
static inline uint64_t vlk_descriptor_step(const fr_device *device) {
    uint64_t asked = device->found->properties.limits.minStorageBufferOffsetAlignment;
    return asked > 64 ? asked : 64;
}

#endif
