/* One oneDNN primitive with what is fixed about it, ready to run on any queue. */
#ifndef CPU_PRIM_H
#define CPU_PRIM_H

#include "replica.h"

enum { CPU_PRIM_FIXED = 3 }; /* weights, bias, scales */

typedef struct cpu_prim {
    fr_device *device;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_memory_t fixed[CPU_PRIM_FIXED][FR_MOST_NODES]; /* as many as there are copies */
    cpu_replicas fixed_at[CPU_PRIM_FIXED];
    int fixed_arg[CPU_PRIM_FIXED];
    int n_fixed;
    bool moves_stack; /* signals wait while it runs */
} cpu_prim;

/* Memory objects carry the address they stand for, so each queue has its own; made at a queue's first launch. */
typedef struct cpu_exec {
    const cpu_prim *of;
    dnnl_memory_t moving[3]; /* src, dst, scratchpad (NULL without one) */
    void *at[3];
    dnnl_exec_arg_t args[3 + CPU_PRIM_FIXED];
    int n_args;    /* the fixed ones are the last */
    int32_t node;  /* whose copies they are */
    void *scratch; /* when the caller has none to give */
    uint64_t scratch_bytes;
} cpu_exec;

/* By queue slot; only the queue's own thread touches its entry. */
typedef struct cpu_execs {
    cpu_exec *of_slot[CPU_MAX_QUEUES];
} cpu_execs;

/* Takes pd (also when it fails). Code is generated here, for as many threads as OpenMP now gives. */
fr_status cpu_prim_new(fr_device *device, dnnl_primitive_desc_t pd, cpu_prim **out_prim) FR_MUST_CHECK;
void cpu_prim_free(cpu_prim *prim);
uint64_t cpu_prim_scratch(const_dnnl_primitive_desc_t pd);

/* Brings `plain` (as `from` describes it) to the layout that the primitive wants as argument `arg`. */
fr_status cpu_prim_fix(cpu_prim *prim, int arg, cpu_md_ref from, const void *plain, cpu_md_ref wanted) FR_MUST_CHECK;

/* scratch: cpu_prim_scratch bytes, or NULL: then the queue gets its own, once. oneDNN may ask for more of a primitive than it
 * asked for of the description it was made from, when it finds the like in its cache. */
fr_status cpu_prim_run(const cpu_prim *prim, cpu_execs *execs, fr_queue *queue, const void *src, void *dst,
                       void *scratch) FR_MUST_CHECK;
void cpu_execs_free(fr_device *device, cpu_execs *execs);

#endif
