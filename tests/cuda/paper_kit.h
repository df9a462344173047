/* Setting the paper GPU (paper/), and asking it. */
#ifndef FR_TESTS_CUDA_PAPER_KIT_H
#define FR_TESTS_CUDA_PAPER_KIT_H

#include "shim_kit.h"

#define PAPER_CUDA  PAPER_FOLDER "/libcuda.so.1"
#define PAPER_NVRTC PAPER_FOLDER "/libnvrtc.so.13"

/* One setting, or none: a healthy device of sm_90. */
static inline void paper(const char *name, const char *value) {
    static const char *const settings[] = {
        "PAPER_ARCH",           "PAPER_INIT",           "PAPER_VERSION", "PAPER_MEMORY",  "PAPER_ORDER",
        "PAPER_CONTEXT",        "PAPER_ALLOC",          "PAPER_PINNED",  "PAPER_MODULE",  "PAPER_LAUNCH",
        "PAPER_COPY",           "PAPER_SYNC",           "PAPER_EVENT",   "PAPER_CAPTURE", "PAPER_GRAPH",
        "PAPER_SKIP",           "PAPER_COUNT",          "PAPER_QUIET",   "PAPER_COMPILE", "PAPER_NVRTC",
        "FOLDRUN_CUDA_WITHOUT", "CUDA_VISIBLE_DEVICES", "PAPER_INFO",
    };
    shim_choose(settings, sizeof settings / sizeof settings[0], "FOLDRUN_CUDA_PATH", PAPER_FOLDER, name, value);
}

static inline int paper_refused(void) { /* since it was asked last, as the others */
    return shim_count_of(PAPER_CUDA, "paper_refusals");
}

static inline int paper_misused(void) { /* wrong calls, and what a closed device left behind */
    return shim_count_of(PAPER_CUDA, "paper_complaints");
}

static inline int paper_graphs_replayed(void) {
    return shim_count_of(PAPER_CUDA, "paper_graphs");
}

static inline int paper_kernels_compiled(void) {
    return shim_count_of(PAPER_NVRTC, "paper_compiles");
}

#endif
