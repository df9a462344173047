/* The kernels' texts: shaders/opencl and what lies beside it, embedded when foldrun is built. */
#ifndef OPENCL_TEXTS_H
#define OPENCL_TEXTS_H

#include "gpu/text.h"

const gpu_text *ocl_text_list(size_t *out_count); /* texts.c, made by the build */

static inline gpu_texts ocl_texts(void) {
    gpu_texts texts = {.api = "opencl"};
    texts.list = ocl_text_list(&texts.count);
    return texts;
}

#endif
