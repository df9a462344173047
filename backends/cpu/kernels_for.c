#include "kernels.h"

extern const cpu_kernels cpu_kernels_base;
#ifdef CPU_KERNELS_X86
extern const cpu_kernels cpu_kernels_avx2, cpu_kernels_avx2_vnni, cpu_kernels_avx512, cpu_kernels_avx512_vnni,
    cpu_kernels_avx512_bf16, cpu_kernels_avx512_amx;
#endif

const cpu_kernels *cpu_kernels_for(cpu_level level) {
#ifdef CPU_KERNELS_X86
    switch (level) {
    case CPU_LEVEL_AVX512_AMX: return &cpu_kernels_avx512_amx;
    case CPU_LEVEL_AVX512_BF16: return &cpu_kernels_avx512_bf16;
    case CPU_LEVEL_AVX512_VNNI: return &cpu_kernels_avx512_vnni;
    case CPU_LEVEL_AVX512: return &cpu_kernels_avx512;
    case CPU_LEVEL_AVX2_VNNI: return &cpu_kernels_avx2_vnni;
    case CPU_LEVEL_AVX2: return &cpu_kernels_avx2;
    case CPU_LEVEL_BASE: break;
    }
#endif
    (void)level;
    return &cpu_kernels_base;
}
