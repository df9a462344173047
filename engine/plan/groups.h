/* Group sizes worth measuring: how many inputs a launch may take on a device, by what the device is like. Pure. */
#ifndef FR_PLAN_GROUPS_H
#define FR_PLAN_GROUPS_H

#include "foldrun/foldrun.h"
#include "plan/plan.h"

typedef struct fr_group_question {
    bool is_cpu;      /* a lane is a core: small groups, whose maps stay in its cache */
    bool is_software; /* a GPU's API on a CPU */
    int32_t lanes;
    int64_t inputs; /* of a run, for all lanes */
    int32_t asked;  /* by the user; 0 = choose */
    fr_schedule
        schedule; /* LAYERS: the last group is all that a lane takes; those before it are for measuring kernels */
    uint64_t input_bytes;  /* fr_group_input_bytes */
    uint64_t cache_bytes;  /* of the last level; 0 = unknown */
    uint64_t memory_bytes; /* of the device; 0 = unknown */
} fr_group_question;

/* Most bytes of one input that are read and written by a step. */
uint64_t fr_group_input_bytes(const fr_steps *steps);
double fr_step_weight_numbers(const fr_step *step); /* of a convolution or a fully connected step; else 0 */
/* Weights that fill a quarter of the last cache are fetched anew by each launch: maps, and what others do, take its rest. */
bool fr_weights_stay(double bytes, double cache_bytes);

/* Sets groups, n_groups, cached_group and share of the menu. Each group divides the next, but for the last one of LAYERS. */
void fr_groups_choose(const fr_group_question *question, fr_menu *menu);

#endif
