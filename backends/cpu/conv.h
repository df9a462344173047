/* How a conv runs on oneDNN: what the primitive is asked, and what is done before and after it. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "own.h"
#include "prim.h"
#include "steps.h"

/* What an implementation is called in a candidate's name; the order is that of the words. */
typedef enum cpu_conv_way {
    CPU_WAY_DIRECT = 0,
    CPU_WAY_WINOGRAD = 1,
    CPU_WAY_BRGEMM = 2,
    CPU_WAY_1X1 = 3,
    CPU_WAY_DEPTHWISE = 4,
    CPU_WAY_GEMM = 5,
    CPU_WAY_REF = 6,
    CPU_WAY_NONE =
        7, /* never used: a conv that oneDNN runs as an inner product asks for more scratch than its description said */
    CPU_WAY_OWN = 16 /* the first row of our own table (own.h); the others follow */
} cpu_conv_way;

enum { CPU_ONEDNN_WAYS = 7 };

/* The row of our own table; NULL: oneDNN's. */
static inline const cpu_own *cpu_own_of(cpu_conv_way way) {
    return way >= CPU_WAY_OWN ? cpu_own_at((uint32_t)way - CPU_WAY_OWN) : NULL;
}

/*
 * A conv by sub-batches of `inner` images:
 *   src --(convert, when oneDNN wants another dtype)--> in --(oneDNN: sums, bias, residual, act)--> out
 *   out --(pool, or convert)--> dst, when out is not dst itself
 * so that what lies between stays in the cache. In scratch: in, out, oneDNN's own, each on 64 bytes.
 * A fully connected layer is the same with an inner product over rows.
 */
typedef struct cpu_conv_plan {
    cpu_conv_way way;
    fr_tensor in, out; /* as the primitive sees them */
    bool stage_in, stage_out;
    bool pools;                              /* who computes applies the pool too */
    float unit;                              /* out's numbers are stored as multiples of this; 1 for floats */
    bool scales_unit;                        /* 1/unit is multiplied into the scales; else an eltwise does it */
    int32_t inner;                           /* divides n */
    uint64_t in_bytes, out_bytes, own_bytes; /* of scratch, rounded up to 64; own: of whoever computes */
} cpu_conv_plan;

/* What differs between candidates of a step: layouts, and who computes. */
typedef struct cpu_conv_choice {
    uint16_t src, dst;
    cpu_conv_way way;
} cpu_conv_choice;

/* Fills everything but what oneDNN needs of scratch; FR_WHY_NOT or why it cannot be. */
fr_reason cpu_conv_plan_make(const fr_device *device, const fr_step *step, const cpu_conv_choice *choice,
                             uint32_t threads, cpu_conv_plan *out_plan);

/* The walk through oneDNN's implementations of the plan's conv. scales: [c_out], for int8. */
fr_status cpu_conv_walk(fr_device *device, const fr_step *step, const cpu_conv_plan *plan, const float *scales,
                        cpu_walk *out_walk) FR_MUST_CHECK;
cpu_conv_way cpu_conv_way_of(const char *implementation);
/* Goes on to the plan's way; false when there is none. */
bool cpu_conv_walk_to(cpu_walk *walk, cpu_conv_way way);

uint32_t cpu_conv_choice_id(const cpu_conv_choice *choice);
cpu_conv_choice cpu_conv_choice_of(uint32_t id);
uint64_t cpu_conv_scratch(const cpu_conv_plan *plan);

/* ---- for convs and fully connected layers alike ---------------------------------------------------------------------- */

typedef enum cpu_conv_search { CPU_SEARCH_USUAL, CPU_SEARCH_WINOGRAD, CPU_SEARCH_LAST_RESORT } cpu_conv_search;

/* Offers every implementation that oneDNN has for these layouts, once a way; its reference only as the last resort. */
fr_status cpu_conv_offer(fr_device *device, const fr_step *step, uint16_t src, uint16_t dst, cpu_conv_search search,
                         const float *scales, cpu_offers *offers) FR_MUST_CHECK;

/* Offers a row of our own table, or says why not. */
void cpu_conv_offer_ours(const fr_device *device, const fr_step *step, cpu_conv_choice choice, cpu_offers *offers);

typedef fr_status (*cpu_conv_search_fn)(fr_device *device, const fr_step *step, const float *scales,
                                        cpu_offers *offers);
/* Calls fn as compile will ask oneDNN: for one thread, with scales where there must be some. */
fr_status cpu_conv_search_all(fr_device *device, const fr_step *step, cpu_offers *offers,
                              cpu_conv_search_fn fn) FR_MUST_CHECK;

fr_status cpu_conv_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) FR_MUST_CHECK;
fr_status cpu_conv_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                           const fr_weights *weights, fr_program **out_program) FR_MUST_CHECK;
fr_status cpu_conv_check_weights(const fr_host *host, const fr_step *step, const fr_weights *weights) FR_MUST_CHECK;

/* The matrix product that an FC over sources of this layout is: one long row of channels as they are stored. */
fr_step cpu_fc_as_product(const fr_step *step, uint16_t src_layout);

#endif
