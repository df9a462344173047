/*
 * What a kernel's shared object and the fake driver say to each other. The object defines `paper_link`; the driver finds it by
 * name, gives it its functions, and sets the indices before a thread of the kernel goes on.
 */
#ifndef PAPER_ABI_H
#define PAPER_ABI_H

#include <stdint.h>

#define PAPER_ABI  1u
#define PAPER_LINK "paper_link"

enum { PAPER_WARP = 32, PAPER_MOST_PARAMS = 24, PAPER_MOST_VALUE = 256 /* bytes that a lane gives to an exchange */ };

typedef struct paper_index {
    uint32_t x, y, z;
} paper_index;

typedef struct paper_kernel {
    const char *name;
    void (*call)(void *const *params);
    uint32_t n_params;
    uint32_t bytes[PAPER_MOST_PARAMS];
} paper_kernel;

typedef struct paper_object {
    uint32_t abi;
    const paper_kernel *kernels;
    uint32_t n_kernels;
    char *shared_begin, *shared_end; /* what kernels declare with __shared__ */
    /* set by the driver */
    paper_index thread, block, block_dim, grid_dim;
    char *dynamic; /* shared memory whose size the launch says */
    uint32_t dynamic_bytes;
    /* All threads of the block, or `threads` of them at barrier `id`. */
    void (*barrier)(uint32_t id, uint32_t threads);
    /* 32 values, `bytes` apart, of the lanes in mask; they stay until this lane's next one. */
    const void *(*exchange)(uint32_t mask, const void *mine, uint32_t bytes);
    /* cp.async: done at wait() alone, what is at `to` is garbage until then. `from` bytes are copied, the rest is zero. */
    void (*copy)(void *to, const void *from, uint32_t bytes, uint32_t from_bytes);
    void (*copy_commit)(void);
    void (*copy_wait)(uint32_t groups_left);
    void (*fail)(const char *words); /* an assertion: reported, the launch is an error */
} paper_object;

#endif
