/* The kernels' texts, embedded when foldrun is built: those of shaders/opencl, and CUDA's own, its prelude among them. */
#ifndef CUDA_TEXTS_H
#define CUDA_TEXTS_H

#include "gpu/text.h"

const gpu_text *cud_text_list(size_t *out_count); /* texts.c, made by the build */

static inline gpu_texts cud_texts(void) {
    gpu_texts texts = {.api = "cuda"};
    texts.list = cud_text_list(&texts.count);
    return texts;
}

#endif
