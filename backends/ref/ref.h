/*
 * The reference backend: every step in plain loops and double precision. It is the oracle of the conformance suite and
 * the skeleton of a new backend.
 *
 * How a step runs: for one input at a time, the sources are read from whatever dtype and layout they have into dense
 * maps of doubles (tensor.c), the step's function computes dense maps, and these are written in dst's dtype and layout.
 * So the arithmetic files know no dtype and no layout. The dense maps live in the launch's scratch.
 *
 * Int8: sums are formed of the stored integers and are exact; the sum of output channel o is then multiplied by
 * src.scale * weight_scale[o], and everything after it (bias, residual, act, pool) is in real numbers until dst is stored,
 * rounded half to even and clamped.
 */
#ifndef FR_BACKENDS_REF_REF_H
#define FR_BACKENDS_REF_REF_H

#include <stdbool.h>

#include "common/host_device.h"

struct fr_driver {
    const fr_host *host;
};
struct fr_device {
    host_device base;
};
struct fr_queue {
    fr_device *device;
};

typedef struct ref_maps { /* of one input: channel c, row y, column x at [(c * h + y) * w + x] */
    int32_t c, h, w;
    double *at;
} ref_maps;

struct fr_program {
    fr_device *device;
    fr_step step;        /* layouts fixed; sub is not kept */
    float *weight;       /* in the order of fr_weights; int8 weights as they are stored */
    float *bias;         /* NULL = none */
    double *factor;      /* int8: what the sum of each output channel is multiplied by; else NULL */
    float *mean, *scale; /* INGEST; NULL = 0 and 1 */
    uint64_t weight_bytes;
    uint64_t scratch_bytes;
    fr_program **sub; /* CHAIN */
    int32_t n_sub;
    uint64_t between_bytes; /* CHAIN: the largest tensor between two sub-steps, a multiple of 64 */
};

/* Computes one input. `extra` is the scratch its entry in the table of program.c asks for. */
typedef void (*ref_run_fn)(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);

/* ---- device.c: drivers, devices, queues ------------------------------------------------------------------ */

fr_status ref_driver_open(const fr_host *host, fr_driver **out_driver);
void ref_driver_close(fr_driver *driver);
fr_status ref_device_count(fr_driver *driver, uint32_t *out_count);
fr_status ref_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts);
fr_status ref_device_open(fr_driver *driver, uint32_t index, fr_device **out_device);
void ref_device_close(fr_device *device);
fr_status ref_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue);
void ref_queue_close(fr_queue *queue);
fr_status ref_sync(fr_queue *queue);

/* ---- program.c: candidates, compile, launch -------------------------------------------------------------- */

fr_status ref_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count);
fr_status ref_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program);
void ref_program_free(fr_program *program);
fr_status ref_launch(fr_queue *queue, const fr_launch *launch);

/* ---- tensor.c: between stored tensors and dense doubles ---------------------------------------------------- */

double ref_get(const fr_tensor *tensor, const void *data, uint64_t index); /* number = scale * stored, for U8 and S8 */
void ref_put(const fr_tensor *tensor, void *data, uint64_t index, double value);
/* raw: stored integers as they are, without the scale. */
void ref_load(const fr_tensor *tensor, const void *data, int32_t n, bool raw, double *out);
void ref_store(const fr_tensor *tensor, void *data, int32_t n, const double *in); /* zeros in a block's padding */

static inline uint64_t ref_elements(const fr_tensor *t) { /* of one input, without a layout's padding */
    return (uint64_t)t->c * (uint64_t)t->h * (uint64_t)t->w;
}

/* ---- the arithmetic, a family a file ------------------------------------------------------------------------ */

double ref_act(const fr_step *step, double x); /* eltwise.c: the step's activation */
void ref_pool_maps(uint8_t kind, const fr_window *win, const ref_maps *src, const ref_maps *dst); /* pool.c */
void ref_softmax_row(double *first, int32_t count, uint64_t stride);                              /* channel.c */

void ref_conv(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_fc(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_pool(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_binary(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_unary(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_lrn(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_softmax(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_argmax(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_concat(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_reorder(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);
void ref_pad(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst);

/* user.c: all inputs of a launch at once, since `valid` counts images. maps: scratch for one input. */
void ref_ingest(const fr_program *program, const void *src, double *maps, void *dst, int32_t valid);
void ref_emit(const fr_program *program, const void *src, double *maps, void *dst, int32_t valid);

#endif
