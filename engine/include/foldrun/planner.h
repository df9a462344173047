/*
 * foldrun's planner: what a device can do, measured once, and which fold, width rounding, precision, schedule, batch and kernels
 * give the most images a second on it.
 *
 *     fr_profile_device(context, &profile_options, &report);   minutes; kept in the cache folder
 *     fr_plan_make(context, &plan_options, &plan);             plan.rows[plan.choice] is the one to take
 *
 * The rules of foldrun.h hold here too.
 */
#ifndef FOLDRUN_PLANNER_H
#define FOLDRUN_PLANNER_H

#include "foldrun/foldrun.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a device's profile --------------------------------------------------------------------------------- */

enum { FR_PROFILE_QUICK_S = 25, FR_PROFILE_FULL_S = 270 }; /* seconds, where no budget is given */

typedef struct fr_profile_options {
    uint32_t struct_bytes;
    const char *device;  /* NULL = the CPU */
    bool quick;          /* seconds instead of minutes: coarse lines, few whole runs */
    bool again;          /* from the beginning, whatever was measured before; else an unfinished profile goes on */
    uint32_t precisions; /* bits (1u << fr_precision); 0 = all of the device but f64 */
    double budget_s;     /* 0 = FR_PROFILE_QUICK_S or _FULL_S. What does not fit is left for the next time. */
    /* What is being measured, how much of it is done (0 to 1). False: stop; what was measured is kept, and the answer is FR_CANCELLED. */
    bool (*progress)(void *user, const char *what, double fraction);
    void *progress_user;
} fr_profile_options;

typedef struct fr_stair_point {
    int32_t channels;
    double ns; /* a launch */
    bool noisy;
} fr_stair_point;

/* Time of a step as its channels grow. */
typedef struct fr_staircase {
    char title[112]; /* "conv 3x3 on 25x25, 8 inputs a launch, f32: channels in and out" */
    char kind[8];    /* "conv", "fc" */
    char line[8];    /* what grows: "both", "in", "out" */
    fr_precision precision;
    int32_t kernel, groups, h, w, n;
    int32_t fixed; /* channels of the other side; 0 where both grow */
    fr_stair_point *points;
    size_t n_points;
    int32_t quantum;          /* channels of a tile; 1 = no steps */
    double waste, confidence; /* of a partly filled tile, 0 to 1; of the quantum, 0 to 1 */
    bool noisy;
} fr_staircase;

typedef struct fr_device_report {
    char device[24], name[128], driver[128], foldrun[32], path[512]; /* the profile's file */
    bool found;                                                      /* fr_profile_load: there is one */
    bool stale; /* of another driver, device or foldrun; measure it again */
    bool complete, quick;
    double peak[FR_PRECISIONS]; /* operations a second; 0 = none */
    double lane_scaling[FR_PRECISIONS];
    double bandwidth, cache_bandwidth, write_bandwidth, read_bandwidth; /* bytes a second */
    double launch_ns, run_ns, worst_drift;
    size_t n_points, n_noisy, n_runs; /* measured */
    size_t n_new;                     /* points and runs measured by this call */
    double seconds;                   /* of this call */
    fr_staircase *stairs;
    size_t n_stairs;
} fr_device_report;

/* Measures what is missing in the device's profile, and keeps it. Free with fr_device_report_free, whatever it answers. */
FR_EXPORT fr_status fr_profile_device(fr_context *context, const fr_profile_options *options,
                                      fr_device_report *out_report) FR_MUST_CHECK;
/* Reads one: of a device (path NULL), or a file from anywhere (device NULL). A device without a profile: FR_OK, found = false. A file that is
 * missing, cut short or damaged: FR_INVALID. */
FR_EXPORT fr_status fr_profile_load(fr_context *context, const char *device, const char *path,
                                    fr_device_report *out_report) FR_MUST_CHECK;
/* The same of a file's text. What is no profile: FR_INVALID. */
FR_EXPORT fr_status fr_profile_parse(const char *text, size_t bytes, fr_device_report *out_report) FR_MUST_CHECK;
FR_EXPORT void fr_device_report_free(fr_device_report *report);

/* ---- plans ------------------------------------------------------------------------------------------------- */

enum { FR_PLAN_LIST = 16 };

typedef struct fr_plan_options {
    uint32_t struct_bytes;
    const char *device; /* NULL = the CPU */
    const char *
        profile; /* a profile's file, of a device that need not be here: then nothing is measured. NULL = the device's own,
                            measured quickly when there is none */
    /* The task's networks: one plain model, of which folded shapes are made; or its trained variants, of the same images and
     * classes, which are taken as they are. Borrowed. */
    const fr_model *const *models;
    const char *const *labels; /* how they are called in the rows; NULL = by their names */
    size_t n_models;
    int32_t folds[FR_PLAN_LIST]; /* of shapes that are made; n_folds 0 = 1, 2, 3, 4 */
    size_t n_folds;
    struct {
        fr_round round;
        int32_t quantum;
    } rounds
        [FR_PLAN_LIST]; /* of shapes that are made; n_rounds 0 = the paper's floor, and the quanta that the profile shows */
    size_t n_rounds;
    uint32_t precisions; /* bits; 0 = every one of the device but int8 (it needs calibration) and f64 */
    uint32_t schedules;  /* bits (1u << fr_schedule); 0 = both */
    int64_t batches[FR_PLAN_LIST];
    size_t n_batches;      /* 0 = chosen: 1 to 4096 */
    double max_latency_ms; /* of a batch; 0 = any */
    uint64_t max_memory;   /* bytes; 0 = any */
    bool has_max_drop;
    double max_drop; /* points of accuracy below fold 1 */
    bool exact;      /* as of a session */
    int32_t threads; /* as of a session */
    bool no_measure; /* trust the prediction */
    bool fresh;      /* measure again what the cache knows */
    int32_t measure; /* options that are measured first, and at most as many behind them; 0 = 8 */
    int32_t tune_ms; /* for the kernels of each; 0 = 1500 */
    bool (*progress)(void *user, const char *what, double fraction); /* false: stop, FR_CANCELLED */
    void *progress_user;
    const char
        *kernels;   /* fr_plan_explain: the row's, as fr_plan_result has the choice's; NULL = chosen by its session */
    fr_pinning pin; /* as of a session */
} fr_plan_options;

/* Options whose images a second differ by no more than this share are as good, and the one that asks least of the user wins. */
#define FR_PLAN_TIE 0.02

typedef struct fr_plan_row {
    char label[128]; /* of the variant: the model's name or file */
    int32_t model;   /* index of it */
    int32_t fold, quantum;
    fr_round round;
    fr_precision precision;
    fr_schedule schedule;
    int64_t batch;
    bool trained;
    double accuracy;                /* percent; negative = not known */
    double predicted, predicted_ms; /* images a second, of a batch */
    uint64_t predicted_bytes;
    int32_t guessed_steps; /* whose time lies beyond what was measured of the device, */
    int32_t n_steps;       /* of so many */
    double measured, measured_low, measured_high, measured_ms; /* 0 = not measured */
    uint64_t measured_bytes;
    const char *broken; /* "latency", "memory", "accuracy": the limit that it breaks; NULL = none */
    char why[256];      /* measuring it failed */
} fr_plan_row;

typedef struct fr_plan_result {
    char device[24], name[128], driver[128], profile[512];
    bool from_cache; /* nothing was measured now */
    bool quick_profile, stale_profile;
    bool drop_unjudged; /* a limit on accuracy, and of some rows or of fold 1 no accuracy to judge it by */
    fr_plan_row *rows;  /* best first */
    size_t n_rows;
    int32_t choice; /* -1: every one breaks a limit */
    double
        plain_accuracy; /* percent, at fold 1, which a drop is counted from, in the rows or not; negative = not known */
    char *kernels;      /* the choice's, as fr_session_options.plan takes them; NULL where nothing was measured */
    char *notes;        /* what is to be known about the choice: sentences, a line each */
    double choose_ms, measure_s;
} fr_plan_result;

/* FR_OK also when no option keeps the limits (choice -1). Free with fr_plan_result_free, whatever it answers. */
FR_EXPORT fr_status fr_plan_make(fr_context *context, const fr_plan_options *options,
                                 fr_plan_result *out_result) FR_MUST_CHECK;
FR_EXPORT void fr_plan_result_free(fr_plan_result *result);

typedef struct fr_explained_step {
    char name[64];
    double ops, bytes, intensity;  /* for one image */
    double fill;                   /* of the tiles it takes, 0 to 1 */
    double limit_ns, predicted_ns; /* for one image, on one lane */
    double measured_ns;            /* 0 = not measured */
    char basis[16];                /* of the prediction: "measured", "interpolated", "extrapolated", "limit" */
    char kernel[48];               /* "" = not chosen */
} fr_explained_step;

typedef struct fr_explained_kernel {
    char step[64], kernel[48];
    bool chosen;
    char why[96]; /* it is refused; "" = it was offered */
} fr_explained_kernel;

typedef struct fr_explanation {
    fr_explained_step *plain, *chosen; /* the network at fold 1 and as the row has it */
    size_t n_plain, n_chosen;
    fr_explained_kernel *kernels; /* of the chosen, step by step; none where the device is absent */
    size_t n_kernels;
    char schedule[160];
} fr_explanation;

/* A row of a plan that was made with these options. Opens the session, and times its steps, unless options->no_measure or the profile is
 * a file. Free with fr_explanation_free, whatever it answers. */
FR_EXPORT fr_status fr_plan_explain(fr_context *context, const fr_plan_options *options, const fr_plan_row *row,
                                    fr_explanation *out_explanation) FR_MUST_CHECK;
FR_EXPORT void fr_explanation_free(fr_explanation *explanation);

/* ---- in front of a general CNN ------------------------------------------------------------------------------ */

/* A filter takes ts for an image and leaves the share `unsure` to a general CNN that takes tg. Folding makes it `speedup` times as
 * fast and loses `drop` (0.0021 = 0.21 points), whose images go to the general CNN too. */
typedef struct fr_tradeoff {
    double speedup, drop, ts, tg, unsure; /* given; any unit of time */
    double ratio, break_even;             /* tg / ts; folding wins below break_even (infinite without a drop) */
    double plain, folded;                 /* expected time of an image */
    bool folding_wins;
} fr_tradeoff;

FR_EXPORT fr_status fr_tradeoff_judge(fr_tradeoff *tradeoff) FR_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
