/* What follows from a GPU's architecture alone, and texts made into its machine code. Needs no driver: the tests compile every
 * kernel for every architecture with it. */
#ifndef CUDA_COMPILE_H
#define CUDA_COMPILE_H

#include "api.h"
#include "gpu/gpu.h"

typedef struct cud_abilities { /* of a device, as far as recipes care */
    int32_t arch;              /* 10 * major + minor: 70, 75, 90 */
    uint32_t units;
    uint64_t shared_bytes; /* of a group that asks for more than the usual 48 KiB */
    bool has_gemm;         /* cuBLASLt is there */
    bool without_mma;
} cud_abilities;

enum { CUD_STATIC_SHARED_BYTES = 48 << 10 }; /* what a kernel may declare */

void cud_traits_fill(const cud_abilities *abilities, gpu_traits *out_traits);

/* NVRTC's options for an architecture, the same everywhere kernels are compiled. */
enum { CUD_MAX_OPTIONS = 8, CUD_OPTION_BYTES = 48 };
int32_t cud_compile_options(int32_t arch, char text[CUD_MAX_OPTIONS][CUD_OPTION_BYTES]);

typedef struct cud_code { /* host->alloc; freed by cud_code_free */
    char *cubin, *log;    /* the log may be NULL */
    size_t bytes;
} cud_code;

/* `name` is the kernel file's, for sentences; `more`: `n_more` options beside ours. FR_UNSUPPORTED with the log's first error when
 * the text does not compile: the log is then there too. */
fr_status cud_compile_text(const fr_host *host, const cud_nvrtc *nvrtc, int32_t arch, const char *name,
                           const char *source, const char *const *more, int n_more, cud_code *out_code) FR_MUST_CHECK;
void cud_code_free(const fr_host *host, cud_code *code);

#endif
