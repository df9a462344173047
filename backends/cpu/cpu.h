/* What the files of this backend share: the nouns of the table, and small services. */
#ifndef CPU_H
#define CPU_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/topology.h"
#include "common/host_device.h"
#include "dnnl_shim.h"
#include "isa.h"
#include "kernels.h"

enum { CPU_MAX_QUEUES = 512 }; /* open at once on a device */

struct fr_driver {
    const fr_host *host;
    cpu_isa isa;
    fr_topology topology;
};

struct fr_device {
    host_device base; /* first, as host_device.h wants it */
    cpu_isa isa;
    const fr_topology *topology; /* the driver's */
    const cpu_kernels *kernels;
    dnnl_engine_t engine;
    pthread_mutex_t lock; /* of the queues below */
    uint8_t slot_taken[CPU_MAX_QUEUES];
    atomic_int one_thread_queues, many_thread_queues; /* open: compile builds what they need */
};

struct fr_queue {
    fr_device *device;
    dnnl_stream_t stream;
    uint32_t threads, slot;
    sigset_t held[]; /* of each thread: signals that wait between cpu_signals_hold and cpu_signals_release */
};

typedef struct cpu_args { /* a launch, resolved to addresses */
    const void *src[FR_MAX_SRC];
    void *dst;
    char *scratch;
    int32_t valid;
} cpu_args;

/* A program is the first member of what its kind needs. */
struct fr_program {
    fr_device *device;
    fr_step step; /* layouts fixed; no pointers of the caller's inside */
    fr_status (*run)(fr_program *program, fr_queue *queue, const cpu_args *args);
    void (*free_parts)(fr_program *program); /* NULL: there are none */
    uint64_t src_bytes[FR_MAX_SRC], dst_bytes, scratch_bytes;
};

/* Host memory that is on the device's account. */
typedef struct cpu_block {
    void *at;
    uint64_t bytes;
} cpu_block;
fr_status cpu_block_new(fr_device *device, uint64_t bytes, const char *what,
                        cpu_block *out_block) FR_MUST_CHECK; /* as WEIGHT */
void cpu_block_free(fr_device *device, cpu_block *block);

/* A program of `bytes`, zeroed, with the base filled from the step. */
fr_status cpu_program_new(fr_device *device, const fr_step *step, const fr_candidate *candidate, size_t bytes,
                          void *out_program) FR_MUST_CHECK;

/* ---- threads (queue.c) ------------------------------------------------------------------------------------ */

/* Sets the number of threads that OpenMP gives this thread; returns what to give to cpu_threads_back. */
int cpu_threads_set(uint32_t threads);
void cpu_threads_back(int before);
/* fn(ctx, job) for job in [0, jobs), on the queue's threads. */
void cpu_parallel(const fr_queue *queue, int64_t jobs, void (*fn)(void *ctx, int64_t job), void *ctx);

/* Between the two, signals wait: on the calling thread and on the queue's others (signals.c). */
void cpu_signals_hold(fr_queue *queue);
void cpu_signals_release(fr_queue *queue);

fr_status cpu_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue);
void cpu_queue_close(fr_queue *queue);
fr_status cpu_sync(fr_queue *queue);

/* ---- device.c ------------------------------------------------------------------------------------------------ */

fr_status cpu_driver_open(const fr_host *host, fr_driver **out_driver);
void cpu_driver_close(fr_driver *driver);
fr_status cpu_device_count(fr_driver *driver, uint32_t *out_count);
fr_status cpu_device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts);
fr_status cpu_device_open(fr_driver *driver, uint32_t index, fr_device **out_device);
void cpu_device_close(fr_device *device);

/* ---- steps.c: which file knows which step ------------------------------------------------------------------- */

fr_status cpu_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count);
fr_status cpu_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program);
void cpu_program_free(fr_program *program);
fr_status cpu_launch(fr_queue *queue, const fr_launch *launch);

/* Where candidates() of a step puts what it finds; counts what does not fit. */
typedef struct cpu_offers {
    fr_candidate *out;
    uint32_t capacity, count, good; /* good: not refused */
} cpu_offers;

/* A slot zeroed but for its size and name; never NULL. */
fr_candidate *cpu_offer(cpu_offers *offers, const char *fmt, ...) FR_PRINTF(2, 3);
void cpu_refuse(cpu_offers *offers, fr_reason reason, const char *fmt, ...) FR_PRINTF(3, 4);

/* A fixed layout of the question holds; a map of one place is the same in NCHW and NHWC. */
bool cpu_layout_fits(const fr_tensor *asked, uint16_t layout);
const char *cpu_layout_word(uint16_t layout);     /* "n16c" */
const char *cpu_dtype_word(uint16_t dtype);       /* "f32" */
const char *cpu_precision_word(uint16_t compute); /* "bf16" */
bool cpu_act_scales(uint16_t act); /* act(u*x) = u * act'(x) with bounds scaled alike: none, relu, leaky, clip */

#endif
