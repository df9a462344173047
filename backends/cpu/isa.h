/* What this processor can do, as far as oneDNN may use it (ONEDNN_MAX_CPU_ISA lowers it, and ours with it). */
#ifndef CPU_ISA_H
#define CPU_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instruction sets that our own kernels are built for; each has what those before it have, but AVX512 not AVX2_VNNI's. */
typedef enum cpu_level {
    CPU_LEVEL_BASE = 0,
    CPU_LEVEL_AVX2 = 1,
    CPU_LEVEL_AVX2_VNNI = 2,
    CPU_LEVEL_AVX512 = 3,
    CPU_LEVEL_AVX512_VNNI = 4,
    CPU_LEVEL_AVX512_BF16 = 5,
    CPU_LEVEL_AVX512_AMX = 6,
    CPU_LEVELS = 7
} cpu_level;

static inline bool cpu_level_is_avx512(cpu_level level) {
    return level >= CPU_LEVEL_AVX512;
}

typedef struct cpu_isa {
    cpu_level level;
    bool avx512_vnni, avx512_bf16, avx_vnni;
    bool amx;        /* tiles, int8 and bf16, and the kernel lets this process use them */
    bool int8, bf16; /* products run in one instruction, without saturation */
    uint32_t cores;  /* that this process may use, and is granted the time of */
    char brand[64], vendor[16];
    char words[128]; /* "avx2 fma avx512f avx512_vnni" */
    char onednn[48]; /* "oneDNN 2.6.3 (avx512_core_bf16)" */
    uint64_t cache_bytes[3], memory_bytes;
} cpu_isa;

void cpu_isa_read(uint32_t cores, cpu_isa *out_isa);

#endif
