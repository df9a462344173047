/*
 * Our own ways of running a conv, beside oneDNN's: rows of one table (own.c). A row knows which steps it runs, what it reads
 * and writes as it is, how its weights lie, and runs some images on one thread. All else is conv.c's: converting what a row
 * does not read or write, sub-batches, threads, memory.
 */
#ifndef CPU_OWN_H
#define CPU_OWN_H

#include "amx.h"
#include "cpu.h"
#include "direct.h"
#include "grouped.h"
#include "fixed.h"
#include "wino.h"
#include "wino_rows.h"

struct cpu_conv_plan;
typedef struct cpu_own cpu_own;

/* A row at work on a step, for so many threads. The row's plan() fills what is not said otherwise. */
typedef struct cpu_own_use {
    const cpu_own *own;                         /* this, images, shares and the three steps: own.c's */
    int32_t images;                             /* of a sub-batch */
    uint32_t shares;                            /* threads that its scratch is for */
    uint64_t src_step, dst_step, residual_step; /* bytes of an image */
    uint64_t share_bytes, weight_bytes; /* scratch of one thread, what pack() fills; own.c rounds them up to 64 */
    const void *kernels;                /* of the instruction set */
    bool is_product;                    /* a fully connected layer */
    union {
        struct {
            cpu_wino of;
            uint64_t u_bytes;
        } tiles;
        struct {
            cpu_wino_rows of;
            uint64_t u_bytes;
        } rows;
        cpu_direct direct;
        cpu_grouped grouped;
        cpu_depthwise depthwise;
        cpu_amx amx;
        struct {
            cpu_fixed of;
            float unit; /* what a stored number of dst counts */
        } fixed;
    } is;
} cpu_own_use;

/* Images of one thread's share. residual: NULL where the step has none; scratch: share_bytes, 64-byte aligned. */
typedef struct cpu_own_run {
    const void *weights, *src, *residual;
    void *dst, *scratch;
    int32_t images;
} cpu_own_run;

enum { CPU_OWN_BLOCKS = 0xff, CPU_OWN_PAIRS = 6 }; /* BLOCKS: the layout in blocks of this processor's vectors */
typedef struct cpu_own_pair {
    uint16_t src, dst; /* fr_layout or CPU_OWN_BLOCKS; src 0 ends a list */
} cpu_own_pair;

struct cpu_own {
    const char *word; /* cpu.WORD.nhwc.s8 */
    bool is_inexact;  /* sums of small integers need not come out bit for bit */
    bool multiplies;  /* it is asked for fully connected layers too */
    cpu_own_pair pairs[CPU_OWN_PAIRS];
    /* Dtypes that it reads and writes itself; else it is given, and gives, f32. NULL: nothing but f32. */
    bool (*reads)(const fr_step *step, uint16_t dtype);
    bool (*writes)(const fr_step *step, uint16_t dtype);
    bool (*pools)(const fr_step *step); /* it applies the pool epilogue itself, and dst is after it; NULL: never */
    /* FR_WHY_NOT and how it will run, or why it cannot; plan->in and plan->out are what it reads and writes. */
    fr_reason (*plan)(const fr_device *device, const fr_step *step, const struct cpu_conv_plan *plan, cpu_own_use *use);
    /* Weights, bias and scales into weight_bytes of zeros. */
    void (*pack)(const cpu_own_use *use, const fr_step *step, const fr_weights *weights, void *to);
    void (*run)(const cpu_own_use *use, const cpu_own_run *run);
};

uint32_t cpu_own_count(void);
const cpu_own *cpu_own_at(uint32_t index);
/* A layout of a pair on this processor. */
uint16_t cpu_own_layout(const fr_device *device, uint16_t layout);

fr_reason cpu_own_plan(const fr_device *device, const fr_step *step, const struct cpu_conv_plan *plan, uint32_t threads,
                       cpu_own_use *out_use);
static inline uint64_t cpu_own_scratch(const cpu_own_use *use) {
    return use->share_bytes * use->shares;
}
fr_status cpu_own_pack(fr_device *device, const cpu_own_use *use, const fr_step *step, const fr_weights *weights,
                       cpu_block *out_block) FR_MUST_CHECK;
/* use->images images, shared out among the queue's threads. */
void cpu_own_launch(const fr_queue *queue, const cpu_own_use *use, const void *weights, const void *src,
                    const void *residual, void *dst, void *scratch);

/* ---- for rows ---------------------------------------------------------------------------------------------------- */

/* A 3x3 conv of stride 1 as Winograd's algorithms want it, padded by at most 2, in blocks of `lanes` channels out. */
fr_reason cpu_own_winograd_trouble(const fr_step *step, int32_t lanes);
static inline int32_t cpu_own_blocks(int32_t channels, int32_t lanes) {
    return (channels + lanes - 1) / lanes;
}

extern const cpu_own cpu_own_wino_rows;                                    /* own_rows.c */
extern const cpu_own cpu_own_direct;                                       /* own_direct.c */
extern const cpu_own cpu_own_amx;                                          /* own_amx.c */
extern const cpu_own cpu_own_depthwise, cpu_own_group, cpu_own_group_wino; /* own_grouped.c */
extern const cpu_own cpu_own_wino[CPU_WINO_SIDES * CPU_WINO_SIDES];        /* own_wino.c */
extern const cpu_own cpu_own_fixed44, cpu_own_fixed55;                     /* own_fixed.c */

#endif
