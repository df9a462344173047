/* Devices that are not there: what the recipes of backends/gpu are asked for in the tests. */
#ifndef FR_TESTS_UNIT_GPU_DEVICES_H
#define FR_TESTS_UNIT_GPU_DEVICES_H

#include "gpu/gpu.h"

static gpu_traits cpu_traits(int32_t vec) {
    return (gpu_traits){.is_cpu = true,
                        .vec = vec,
                        .units = 2,
                        .max_items = 4096,
                        .local_bytes = 1 << 20,
                        .gemm_library = vec != 8,
                        .max_vec = 16,
                        .narrow = true};
}

static gpu_traits card_traits(uint64_t local_bytes, uint32_t max_items) {
    return (gpu_traits){.vec = 4,
                        .units = 24,
                        .max_items = max_items,
                        .subgroup = 32,
                        .local_bytes = local_bytes,
                        .real_local = true,
                        .half_math = true,
                        .dot8 = local_bytes > 32 << 10,
                        .gemm_library = true,
                        .max_vec = 16,
                        .narrow = true};
}

/* Items that are lanes: Vulkan's devices. */
static gpu_traits lanes_traits(uint32_t subgroup, bool is_card) {
    return (gpu_traits){.vec = 4,
                        .units = is_card ? 24 : 2,
                        .max_items = is_card ? 256 : 1024,
                        .subgroup = subgroup,
                        .local_bytes = is_card ? 16 << 10 : 32 << 10,
                        .real_local = is_card,
                        .lockstep = true,
                        .glsl = true,
                        .max_vec = 4,
                        .narrow = subgroup != 64,
                        .texels = !is_card,
                        .spread = subgroup != 0,
                        .matrix = is_card && subgroup != 0};
}

/* Items that are lanes, and kernels built from texts: CUDA's devices. */
static gpu_traits warp_traits(int32_t generation) {
    return (gpu_traits){.vec = 4,
                        .units = 80,
                        .max_items = 1024,
                        .subgroup = 32,
                        .local_bytes = 48 << 10,
                        .shared_bytes = generation >= 80 ? 163 << 10 : 64 << 10,
                        .real_local = true,
                        .lockstep = true,
                        .dot8 = true,
                        .gemm_library = generation > 0,
                        .max_vec = 4,
                        .narrow = true,
                        .bf16 = true,
                        .tf32 = generation >= 80,
                        .mma = generation};
}

typedef struct named_traits {
    const char *name;
    gpu_traits traits;
} named_traits;

enum { DEVICES = 12 };

static void all_devices(named_traits out[DEVICES]) {
    out[0] = (named_traits){"a CPU of 16 lanes", cpu_traits(16)};
    out[1] = (named_traits){"a CPU of 8 lanes", cpu_traits(8)};
    out[2] = (named_traits){"a CPU of 4 lanes", cpu_traits(4)};
    out[3] = (named_traits){"a GPU", card_traits(48 << 10, 1024)};
    out[4] = (named_traits){"a GPU with little local memory", card_traits(16 << 10, 128)};
    out[5] = (named_traits){"a GPU with next to no local memory", card_traits(1 << 10, 64)};
    out[6] = (named_traits){"lanes of a CPU", lanes_traits(8, false)};
    out[7] = (named_traits){"lanes of a GPU", lanes_traits(64, true)};
    out[8] = (named_traits){"lanes that keep their numbers", lanes_traits(0, true)};
    out[9] = (named_traits){"warps", warp_traits(80)};
    out[10] = (named_traits){"warps of an old card", warp_traits(70)};
    out[11] = (named_traits){"warps alone", warp_traits(0)};
}

#endif
