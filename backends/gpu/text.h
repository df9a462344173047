/* The text that a dispatch's kernel is built from, where kernels are compiled from C-like texts (OpenCL, CUDA). */
#ifndef FR_BACKENDS_GPU_TEXT_H
#define FR_BACKENDS_GPU_TEXT_H

#include <stddef.h>

#include "gpu/gpu.h"

typedef struct gpu_text { /* a kernel file, embedded when foldrun is built */
    const char *name;     /* without its ending */
    const char *text;
    size_t bytes;
} gpu_text;

typedef struct gpu_texts { /* a backend's; "prelude" and "params" are among them */
    const char *api;       /* "opencl": in sentences */
    const gpu_text *list;
    size_t count;
} gpu_texts;

#define GPU_HASH_START 0xcbf29ce484222325u
uint64_t gpu_hash_text(uint64_t hash, const char *text); /* FNV-1a, from GPU_HASH_START or a hash so far */

/* A backend's version and a hash of all its texts: what is kept of kernels (verdicts, times, plans) is of these very texts. */
void gpu_texts_version(const gpu_texts *texts, const char *version, char *out, size_t bytes);

/*
 * The defines (those of the dispatch and LX LY LZ HAS_HALF_MATH HAS_DOT8, sorted), prelude, params, the files that the
 * dispatch's file needs, the dispatch's own text, and the file. A file needs another by a line "// needs: other.cl": what counts is the name up to the
 * first dot. Freed with host->free.
 */
fr_status gpu_source_make(const fr_host *host, const gpu_texts *texts, const gpu_traits *traits,
                          const gpu_dispatch *dispatch, char **out_source) FR_MUST_CHECK;

#endif
