/*
 * Ways of running a step that are not recipes: a library's. A way has a fit and a make as a gpu_variant has; what it makes
 * is an op, which puts work into a queue's stream.
 */
#ifndef CUDA_WAYS_H
#define CUDA_WAYS_H

#include "cud.h"

typedef struct cud_place { /* of one launch: where everything begins */
    CUdeviceptr src[FR_MAX_SRC], dst, scratch;
    int32_t valid;
} cud_place;

/* Bytes that the beginning of a tensor is a multiple of in any launch, 16 at most: sub-batches begin at whole inputs. */
static inline int64_t cud_alignment_of(uint64_t bytes_each) {
    uint64_t most = 16;
    while (bytes_each % most != 0)
        most /= 2;
    return (int64_t)most;
}

typedef struct cud_op cud_op;
struct cud_op { /* first member of a library's own struct */
    fr_status (*enqueue)(cud_op *op, fr_queue *queue, const cud_place *place);
    void (*free)(fr_device *device, cud_op *op); /* takes one half made */
    uint64_t weight_bytes;                       /* on the account as FR_BUFFER_WEIGHT by program.c */
};

typedef struct cud_way cud_way;
struct cud_way {
    const char *name; /* "dnn.nhwc": the candidate is cuda.dnn.nhwc.f16 */
    uint32_t kinds;   /* GPU_KIND(...) */
    /* As gpu_fit_fn: called after step_check; name and id are filled in already. Cheap: no library is asked. */
    void (*fit)(const fr_device *device, const fr_step *step, const cud_way *way, fr_candidate *candidate,
                double *out_ns);
    /* The step with all layouts fixed as its candidate has them. FR_UNSUPPORTED with a sentence when the library has nothing for
     * it: the candidate is then left out on this device for such a step. */
    fr_status (*make)(fr_device *device, const fr_step *step, const cud_way *way, const fr_weights *weights,
                      cud_op **out_op);
    int32_t option[4]; /* the way's own */
};

extern const cud_way cud_dnn_ways[]; /* dnn_ways.c: cuDNN's graphs */
extern const int32_t cud_n_dnn_ways;
extern const cud_way cud_lt_ways[]; /* lt_ways.c: cuBLASLt */
extern const int32_t cud_n_lt_ways;

/* dnn.c, lt.c: a device's share of the library (device->dnn, ->lt), made by device.c when the library is there. */
fr_status cud_dnn_open(fr_device *device) FR_MUST_CHECK;
void cud_dnn_close(fr_device *device);
/* Makes ahead what launches on the queue will need of the library; nothing without it, and nothing the second time. */
fr_status cud_dnn_queue_ready(fr_queue *queue) FR_MUST_CHECK;
void cud_dnn_queue_close(fr_queue *queue); /* what the library keeps for it */
fr_status cud_lt_open(fr_device *device) FR_MUST_CHECK;
void cud_lt_close(fr_device *device);
fr_status cud_lt_queue_ready(fr_queue *queue) FR_MUST_CHECK;
void cud_lt_queue_close(fr_queue *queue);
/* GPU_CALL_GEMM of recipes: row-major, f32 throughout (no tf32). lt_gemm.c */
fr_status cud_lt_gemm(fr_queue *queue, const gpu_gemm *gemm, CUdeviceptr a, CUdeviceptr b, CUdeviceptr c);

#endif
