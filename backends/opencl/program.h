/* A compiled step: what launch needs, worked out beforehand. */
#ifndef OPENCL_PROGRAM_H
#define OPENCL_PROGRAM_H

#include "gpu/bindings.h"
#include "opencl.h"

typedef struct ocl_dispatch {
    gpu_call call;
    cl_kernel kernel; /* KERNEL */
    gpu_gemm gemm;    /* GEMM */
    char name[48];    /* of the kernel, for sentences */
    gpu_bind binds[GPU_MAX_BUFFERS];
    int32_t n_binds;
    size_t global[3], local[3];
    cl_uint words_at; /* the argument of the launch words */
    /* What the kernel's arguments hold now; setting one costs more than looking. */
    uint64_t set_serial[GPU_MAX_BUFFERS];
    cl_uint set_words[8];
    bool words_set;
} ocl_dispatch;

struct fr_program {
    fr_device *device;
    cl_mem packed; /* NULL: no weights */
    uint64_t packed_bytes;
    ocl_dispatch dispatches[GPU_MAX_DISPATCHES];
    int32_t n_dispatches;
    pthread_mutex_t lock; /* of the kernels' arguments, until they are enqueued */
    gpu_bindings bindings;
    bool is_bad; /* a kernel of it does not build */
};

#endif
