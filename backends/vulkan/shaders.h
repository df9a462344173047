/* The SPIR-V of shaders/vulkan, embedded when foldrun is built. */
#ifndef VULKAN_SHADERS_H
#define VULKAN_SHADERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct vlk_shader {
    const char *name; /* of the kernel, and the flavour of prelude.glsl's NARROW: "pool.0", "pool.1" */
    const uint32_t *words;
    size_t bytes;
} vlk_shader;

const vlk_shader *vlk_shaders(size_t *out_count); /* sorted by name */

#endif
