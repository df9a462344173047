/* The text that a dispatch's kernel is built from. */
#ifndef OPENCL_SOURCE_H
#define OPENCL_SOURCE_H

#include <stddef.h>

#include "gpu/gpu.h"

typedef struct ocl_text { /* a file of shaders/opencl or shaders/params.h, embedded when foldrun is built */
    const char *name;     /* without its ending */
    const char *text;
    size_t bytes;
} ocl_text;

const ocl_text *ocl_texts(size_t *out_count);

#define OCL_HASH_START 0xcbf29ce484222325u
uint64_t ocl_hash_text(uint64_t hash, const char *text); /* FNV-1a, from OCL_HASH_START or a hash so far */

/*
 * The defines (those of the dispatch and LX LY LZ HAS_HALF_MATH HAS_DOT8, sorted), prelude, params.h, the files that the
 * dispatch's file needs, and the file. A file needs another by a line "// needs: other.cl". Freed with host->free.
 */
fr_status ocl_source_make(const fr_host *host, const gpu_traits *traits, const gpu_dispatch *dispatch,
                          char **out_source) FR_MUST_CHECK;

#endif
