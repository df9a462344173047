/* The bytes that a launch of a step reads and writes, and whether what is bound holds them. */
#ifndef FR_BACKENDS_GPU_BINDINGS_H
#define FR_BACKENDS_GPU_BINDINGS_H

#include "gpu/gpu.h"

typedef struct gpu_bindings { /* at the user's ends the bytes are those of one image */
    uint64_t src_bytes[FR_MAX_SRC], dst_bytes, scratch_bytes;
    bool src_is_user, dst_is_user;
    int32_t n_src, most_valid;
} gpu_bindings;

void gpu_bindings_measure(const fr_step *step, uint64_t scratch_bytes, gpu_bindings *out);

/* FR_INVALID in words when a buffer does not hold that many bytes; the backend's own. */
typedef fr_status (*gpu_binding_check_fn)(const fr_host *host, const fr_binding *binding, uint64_t bytes,
                                          const char *what);
fr_status gpu_bindings_check(const fr_host *host, const gpu_bindings *bindings, const fr_launch *launch,
                             gpu_binding_check_fn check) FR_MUST_CHECK;

/* Bytes of role's buffer (a source, GPU_DST or GPU_SCRATCH) in a launch with that many valid images. */
uint64_t gpu_bindings_bytes(const gpu_bindings *bindings, int32_t role, int32_t valid);
static inline const fr_binding *gpu_bindings_of(const fr_launch *launch, int32_t role) {
    return role == GPU_DST ? &launch->dst : role == GPU_SCRATCH ? &launch->scratch : &launch->src[role];
}

#endif
