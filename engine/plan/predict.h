/*
 * Predictions: how long a device would take for steps that it may never have seen, from its probe. Pure.
 *
 * A step's time is the larger of its operations at the measured rate (the probe's lines, interpolated in channels, map and
 * inputs) and its bytes over the bandwidth that its schedule leaves it, and a launch. A run is its steps, what is transferred,
 * and the fixed cost of a run, over the lanes; corrected by how far the probe's own whole runs lay from such a sum.
 */
#ifndef FR_PLAN_PREDICT_H
#define FR_PLAN_PREDICT_H

#include "plan/probe.h"
#include "plan/stairs.h"
#include "plan/steps.h"

typedef enum fr_basis {                            /* what a time rests on, from the best to the worst */
                        FR_BASIS_MEASURED = 0,     /* this very step was a point */
                        FR_BASIS_INTERPOLATED = 1, /* between points */
                        FR_BASIS_EXTRAPOLATED = 2, /* beyond the last one of a line */
                        FR_BASIS_LIMIT = 3         /* no line is like it: operations over peak, bytes over bandwidth */
} fr_basis;
const char *fr_basis_name(fr_basis basis); /* "interpolated" */

typedef struct fr_predicted_step {
    double ns;         /* for one input, on one lane */
    double ops, bytes; /* for one input; weights shared by the inputs of a launch */
    double
        fill; /* operations over those of the tiles that hold them: 0.94 = 6 % of the work is for nothing; 1 if no tile is known */
    double limit_ns; /* operations over peak or bytes over bandwidth, the larger: what no kernel could beat */
    fr_basis basis;
} fr_predicted_step;

typedef struct fr_prediction {
    double images_per_s;
    double run_ns;                          /* of the batch: its latency */
    double transfer_ns, steps_ns, fixed_ns; /* what it is made of; lanes work at once, so they need not add up */
    double correction;                      /* by the probe's whole runs; 1 = none */
    uint64_t bytes;                         /* activations and weights; a plan's scratch comes on top */
    int32_t group, lanes;                   /* inputs a launch; lanes at work */
    int32_t by_basis[4];                    /* steps */
    fr_predicted_step *steps;               /* one an item; fr_free. NULL when they were not asked for. */
} fr_prediction;

typedef struct fr_predict_question {
    const fr_steps *steps; /* of any precision: shapes alone count */
    fr_precision precision;
    fr_schedule schedule; /* LAYERS or CHAIN */
    int64_t batch;        /* images */
    int32_t lanes;        /* 0 = the device's */
    bool wants_steps;
} fr_predict_question;

typedef struct fr_predictor fr_predictor;

/* The probe must outlive it. FR_INVALID when there is too little in it to predict anything. */
fr_status fr_predictor_new(const fr_probe *probe, fr_predictor **out_predictor) FR_MUST_CHECK;
void fr_predictor_free(fr_predictor *predictor);
const fr_probe *fr_predictor_probe(const fr_predictor *predictor);
const fr_stairs_list *fr_predictor_stairs(const fr_predictor *predictor);
/* FR_UNSUPPORTED: the device has not that precision or schedule. */
fr_status fr_predict(const fr_predictor *predictor, const fr_predict_question *question,
                     fr_prediction *out_prediction) FR_MUST_CHECK;

#endif
