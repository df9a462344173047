/* Every kind of step, as steps.c calls it: what can run it, and a program for one of these ways. */
#ifndef CPU_STEPS_H
#define CPU_STEPS_H

#include "cpu.h"

typedef struct cpu_kind {
    /* Layouts ANY in the step are free; steps are checked for sense before. */
    fr_status (*candidates)(fr_device *device, const fr_step *step, cpu_offers *offers);
    fr_status (*compile)(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                         const fr_weights *weights, fr_program **out_program);
} cpu_kind;

extern const cpu_kind cpu_kind_conv;                                   /* conv_candidates.c, conv.c */
extern const cpu_kind cpu_kind_fc;                                     /* fc.c */
extern const cpu_kind cpu_kind_pool;                                   /* pool.c */
extern const cpu_kind cpu_kind_ingest;                                 /* ingest.c */
extern const cpu_kind cpu_kind_emit;                                   /* emit.c */
extern const cpu_kind cpu_kind_binary, cpu_kind_unary;                 /* pointwise.c */
extern const cpu_kind cpu_kind_concat, cpu_kind_pad, cpu_kind_reorder; /* moves.c */
extern const cpu_kind cpu_kind_lrn, cpu_kind_softmax, cpu_kind_argmax; /* channels.c */

#endif
