#include "kernels.h"

extern const cpu_kernels cpu_kernels_base, cpu_kernels_avx2, cpu_kernels_avx2_vnni, cpu_kernels_avx512,
    cpu_kernels_avx512_vnni, cpu_kernels_avx512_bf16, cpu_kernels_avx512_amx;

static const cpu_kernels *const built[] = {[CPU_LEVEL_BASE] = &cpu_kernels_base,
#ifdef CPU_BUILT_avx2
                                           [CPU_LEVEL_AVX2] = &cpu_kernels_avx2,
#endif
#ifdef CPU_BUILT_avx2_vnni
                                           [CPU_LEVEL_AVX2_VNNI] = &cpu_kernels_avx2_vnni,
#endif
#ifdef CPU_BUILT_avx512
                                           [CPU_LEVEL_AVX512] = &cpu_kernels_avx512,
#endif
#ifdef CPU_BUILT_avx512_vnni
                                           [CPU_LEVEL_AVX512_VNNI] = &cpu_kernels_avx512_vnni,
#endif
#ifdef CPU_BUILT_avx512_bf16
                                           [CPU_LEVEL_AVX512_BF16] = &cpu_kernels_avx512_bf16,
#endif
#ifdef CPU_BUILT_avx512_amx
                                           [CPU_LEVEL_AVX512_AMX] = &cpu_kernels_avx512_amx,
#endif
                                           [CPU_LEVELS] = NULL};

cpu_level cpu_level_built(cpu_level level) {
    static const cpu_level below[CPU_LEVELS] = {[CPU_LEVEL_AVX2_VNNI] = CPU_LEVEL_AVX2,
                                                [CPU_LEVEL_AVX512] = CPU_LEVEL_AVX2,
                                                [CPU_LEVEL_AVX512_VNNI] = CPU_LEVEL_AVX512,
                                                [CPU_LEVEL_AVX512_BF16] = CPU_LEVEL_AVX512_VNNI,
                                                [CPU_LEVEL_AVX512_AMX] = CPU_LEVEL_AVX512_BF16};
    while (built[level] == NULL)
        level = below[level];
    return level;
}

const cpu_kernels *cpu_kernels_for(cpu_level level) {
    return built[cpu_level_built(level)];
}
