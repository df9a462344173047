/*
 * The choice of f, width rounding, precision, schedule and batch for a device, by prediction. Pure, and the same for the same input.
 *
 * Options are ranked by images a second. Those within `tie` of the best are as good, and of them the one that asks least
 * of the user wins: the smaller fold, the finer precision, the wider of two roundings of a fold (it costs nothing and learns
 * more), the smaller batch, the first.
 */
#ifndef FR_PLAN_CHOOSE_H
#define FR_PLAN_CHOOSE_H

#include "foldrun/planner.h"
#include "plan/predict.h"

/* A network that does the task: the plain one, a folded one, a folded one with rounded widths. */
typedef struct fr_variant {
    const fr_steps *steps;
    int32_t fold;
    fr_round round;
    int32_t quantum; /* of the rounding; 0 = none */
    int32_t width;   /* sum of hidden widths: to tell which of two is wider */
    bool trained;    /* else it is a shape that must be trained first */
    double accuracy; /* percent; negative = not known */
} fr_variant;

typedef struct fr_limits {
    double max_latency_ms; /* of a batch; 0 = none */
    uint64_t max_bytes;    /* 0 = none */
    double max_drop;       /* points below the accuracy of fold 1; negative = none */
} fr_limits;

typedef enum fr_limit { FR_LIMIT_NONE = 0, FR_LIMIT_LATENCY = 1, FR_LIMIT_MEMORY = 2, FR_LIMIT_DROP = 3 } fr_limit;

typedef struct fr_option {
    int32_t variant; /* index */
    fr_precision precision;
    fr_schedule schedule;
    int64_t batch;
    fr_prediction predicted;            /* without steps */
    fr_limit broken;                    /* the first limit that it breaks */
    double measured;                    /* images a second; 0 = not measured */
    double measured_low, measured_high; /* of the repeats */
    double measured_ms;                 /* of a batch */
    uint64_t measured_bytes;
    bool failed; /* measuring it failed */
} fr_option;

typedef struct fr_choice_question {
    const fr_variant *variants;
    int32_t n_variants;
    uint32_t precisions; /* bits */
    uint32_t schedules;  /* bits by fr_schedule: LAYERS, CHAIN */
    const int64_t *batches;
    int32_t n_batches;
    fr_limits limits;
    int32_t lanes;         /* 0 = the device's */
    double plain_accuracy; /* percent, of a network at fold 1 that need not be among the variants; 0 = not known */
} fr_choice_question;

typedef struct fr_choice {
    fr_option *options; /* best first; those that break a limit behind all others */
    size_t n_options;
    bool drop_unjudged; /* a limit on accuracy was set, and of some variant none is known */
} fr_choice;

static const double fr_choice_tie = FR_PLAN_TIE;

/* What a drop is counted from: the best accuracy at fold 1; negative = none is known. */
double fr_choice_plain_accuracy(const fr_choice_question *question);
/* FR_UNSUPPORTED when there is nothing the device could run. */
fr_status fr_choose(const fr_predictor *predictor, const fr_choice_question *question,
                    fr_choice *out_choice) FR_MUST_CHECK;
void fr_choice_free(fr_choice *choice);
/* Sorts again by what was measured (measured options before unmeasured ones, failed ones behind). */
void fr_choice_rank(const fr_choice_question *question, fr_choice *choice);
/* The options worth measuring, at most `most`: the best ones predicted, always with the best of fold 1, the best of each fold, of
 * each schedule and of each precision that might win after all, then of what they are together. Indices, best first. */
int32_t fr_choice_finalists(const fr_choice_question *question, const fr_choice *choice, int32_t most, int32_t *out);
/* The one to take, by rank and ties: index, or -1 when every option breaks a limit. Measured ones alone when there are any; never a
 * fold that was measured to be slower than fold 1 of the same limits. */
int32_t fr_choice_winner(const fr_choice_question *question, const fr_choice *choice);

/* Rounded variants worth trying for a model at a fold: FLOOR first, then UP, NEAREST and DOWN to each quantum. */
typedef struct fr_rounding {
    fr_round round;
    int32_t quantum;
} fr_rounding;
int32_t fr_choice_roundings(const int32_t *quanta, int32_t n_quanta, fr_rounding *out, int32_t most);

#endif
