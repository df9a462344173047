#include "isa.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#endif

#if defined(__x86_64__)
static void brand_read(cpu_isa *isa) {
    unsigned regs[4];
    if (__get_cpuid(0, &regs[0], &regs[1], &regs[2], &regs[3])) {
        memcpy(isa->vendor, &regs[1], 4);
        memcpy(isa->vendor + 4, &regs[3], 4);
        memcpy(isa->vendor + 8, &regs[2], 4);
    }
    char raw[49] = {0};
    for (unsigned leaf = 0; leaf < 3; leaf++) {
        if (!__get_cpuid(0x80000002u + leaf, &regs[0], &regs[1], &regs[2], &regs[3]))
            return;
        memcpy(raw + leaf * 16, regs, 16);
    }
    size_t at = 0; /* some brands are padded with spaces, in front and within */
    for (const char *c = raw; *c != '\0'; c++)
        if (*c != ' ' || (at > 0 && isa->brand[at - 1] != ' '))
            isa->brand[at++] = *c;
    while (at > 0 && isa->brand[at - 1] == ' ')
        isa->brand[--at] = '\0';
}

/* CPUID 7: the kernel's and the hypervisor's consent to wide registers is in what oneDNN answers. */
static bool has_avx_vnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1u);
}

/* CPUID 7: AMX-BF16, AMX-TILE, AMX-INT8. Tiles are too large for the kernel to keep unasked: a process asks once, for all its
 * threads. Linux 5.16 and later know the question; a thread whose stack for signals is too small for them has it refused. */
static bool may_use_amx(void) {
    enum {
        REQUEST_PERMISSION = 0x1023,
        TILE_DATA = 18
    }; /* asm/prctl.h: ARCH_REQ_XCOMP_PERM; a part of XSAVE's state */
    const unsigned needed = 1u << 22 | 1u << 24 | 1u << 25;
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & needed) != needed)
        return false;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#else
static void brand_read(cpu_isa *isa) {
    (void)isa;
}
static bool has_avx_vnni(void) {
    return false;
}
static bool may_use_amx(void) {
    return false;
}
#endif

/* dnnl_cpu_isa_t is a set of bits in which each word includes those it builds on. */
static bool includes(unsigned effective, unsigned word) {
    return (effective & word) == word;
}

static const char *onednn_isa_word(unsigned effective) {
    static const struct {
        unsigned bits;
        const char *word;
    } words[] = {
        {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
        {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
        {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
        {dnnl_cpu_isa_avx512_core, "avx512_core"},
        {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
        {dnnl_cpu_isa_avx2, "avx2"},
        {dnnl_cpu_isa_avx, "avx"},
        {dnnl_cpu_isa_sse41, "sse41"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (includes(effective, words[i].bits))
            return words[i].word;
    return "generic";
}

static void levels_read(cpu_isa *isa) {
    unsigned effective = (unsigned)dnnl_get_effective_cpu_isa();
    bool avx2 = includes(effective, dnnl_cpu_isa_avx2), avx512 = includes(effective, dnnl_cpu_isa_avx512_core);
    isa->avx512_vnni = includes(effective, dnnl_cpu_isa_avx512_core_vnni);
    isa->avx512_bf16 = includes(effective, dnnl_cpu_isa_avx512_core_bf16);
    isa->amx = includes(effective, dnnl_cpu_isa_avx512_core_amx) && may_use_amx();
    isa->avx_vnni = includes(effective, dnnl_cpu_isa_avx2_vnni) && has_avx_vnni();
    isa->int8 = isa->avx512_vnni || isa->avx_vnni;
    isa->bf16 = isa->avx512_bf16;
#if defined(__x86_64__)
    isa->level = !avx512 && avx2                        ? (isa->avx_vnni ? CPU_LEVEL_AVX2_VNNI : CPU_LEVEL_AVX2)
                 : !avx512                              ? CPU_LEVEL_BASE
                 : isa->amx                             ? CPU_LEVEL_AVX512_AMX
                 : isa->avx512_bf16 && isa->avx512_vnni ? CPU_LEVEL_AVX512_BF16
                 : isa->avx512_vnni                     ? CPU_LEVEL_AVX512_VNNI
                                                        : CPU_LEVEL_AVX512;
#endif
    snprintf(isa->words, sizeof isa->words, "%s%s%s%s%s%s", includes(effective, dnnl_cpu_isa_sse41) ? "sse4.1" : "sse2",
             avx2 ? " avx2 fma" : "", avx512 ? " avx512f avx512bw avx512vl avx512dq" : "",
             isa->avx512_vnni ? " avx512_vnni"
             : isa->avx_vnni  ? " avx_vnni"
                              : "",
             isa->avx512_bf16 ? " avx512_bf16" : "", isa->amx ? " amx" : "");
    const dnnl_version_t *version = dnnl_version();
    snprintf(isa->onednn, sizeof isa->onednn, "oneDNN %d.%d.%d (%s)", version->major, version->minor, version->patch,
             onednn_isa_word(effective));
}

/* A file of one small word under the first processor's caches. */
static bool cache_word(int index, const char *name, char *out, size_t bytes) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool got = fgets(out, (int)bytes, file) != NULL;
    fclose(file);
    return got;
}

/* sysconf's answers are wrong on some processors, so the kernel's own come first. */
static void caches_read(cpu_isa *isa) {
    static const int names[3] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
    char level[16], type[32], size[32];
    for (int index = 0; index < 8 && cache_word(index, "level", level, sizeof level); index++) {
        int at = level[0] - '1';
        if (at < 0 || at > 2 || !cache_word(index, "type", type, sizeof type) || type[0] == 'I' ||
            !cache_word(index, "size", size, sizeof size))
            continue;
        char *unit = NULL;
        unsigned long long count = strtoull(size, &unit, 10);
        isa->cache_bytes[at] = count * (*unit == 'K' ? 1024u : *unit == 'M' ? 1024u * 1024u : 1u);
    }
    for (int at = 0; at < 3; at++) {
        long bytes = isa->cache_bytes[at] == 0 ? sysconf(names[at]) : 0;
        if (bytes > 0)
            isa->cache_bytes[at] = (uint64_t)bytes;
    }
}

void cpu_isa_read(uint32_t cores, cpu_isa *out_isa) {
    memset(out_isa, 0, sizeof *out_isa);
    brand_read(out_isa);
    levels_read(out_isa);
    out_isa->cores = cores;
    caches_read(out_isa);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    out_isa->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}
