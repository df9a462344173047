#include "kernels.h"

extern const cpu_kernels cpu_kernels_base;
#ifdef CPU_KERNELS_X86
extern const cpu_kernels cpu_kernels_avx2, cpu_kernels_avx512;
#endif

const cpu_kernels *cpu_kernels_for(cpu_level level) {
#ifdef CPU_KERNELS_X86
    if (level == CPU_LEVEL_AVX512)
        return &cpu_kernels_avx512;
    if (level == CPU_LEVEL_AVX2)
        return &cpu_kernels_avx2;
#endif
    (void)level;
    return &cpu_kernels_base;
}
