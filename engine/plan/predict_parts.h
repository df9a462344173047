/* What the files of the predictor share. */
#ifndef FR_PLAN_PREDICT_PARTS_H
#define FR_PLAN_PREDICT_PARTS_H

#include "plan/predict.h"

/* A mean in which the near counts most: with 1 / (distance squared + slack). */
typedef struct fr_mean {
    double sum, weight;
} fr_mean;

static inline void fr_mean_add(fr_mean *mean, double value, double distance, double slack) {
    double weight = 1 / (distance * distance + slack);
    mean->sum += weight * value;
    mean->weight += weight;
}

/* ---- predict_lines.c: the time of a step with products, from the lines of its kind ------------------------- */

enum { FR_FAMILY_LINES = 12 };

/* Lines whose times can be compared: one kind, precision, kernel, and in groups or whole. */
typedef struct fr_family {
    uint16_t kind, precision;
    int32_t kernel;
    bool is_grouped;
    const fr_stairs *both[FR_FAMILY_LINES], *in[FR_FAMILY_LINES],
        *out[FR_FAMILY_LINES]; /* both: by places, ascending */
    int32_t n_both, n_in, n_out;
} fr_family;

/* How far a map lies from what the lines say of its places: measured over interpolated. */
typedef struct fr_map_factor {
    uint16_t precision;
    int32_t kernel, c, h, w;
    double factor;
} fr_map_factor;

/* How the time of an input falls as a launch takes more: by work (inputs, or inputs * places * channels), ascending. */
enum { FR_CURVE_POINTS = 16 };
typedef struct fr_fill_curve {
    uint16_t kind, precision;
    int32_t c_in, c_out, kernel, h, w;
    int32_t count;
    double log_work[FR_CURVE_POINTS], log_ns[FR_CURVE_POINTS];
} fr_fill_curve;

/* A pool in a convolution's epilogue: for each number that the convolution makes. */
typedef struct fr_pool_cost {
    uint16_t precision;
    int32_t kernel, stride, c;
    double log_places, ns;
} fr_pool_cost;

/* A CONV or FC without its pool. FC: c_in counts all it reads, the map is 1 x 1. */
typedef struct fr_line_question {
    uint16_t kind, precision;
    int32_t c_in, c_out, h, w, kernel, groups; /* map of the output */
} fr_line_question;

/* Kernels by the tiles that they cut maps into: predict_maps.c. */
enum { FR_MAP_WAYS = 8 };
typedef struct fr_map_way {
    int32_t h, w; /* places of a tile */
    double ns;    /* of one */
} fr_map_way;

typedef struct fr_map_tiles {
    uint16_t precision;
    int32_t kernel, c_in, c_out;
    int32_t n_points; /* of the line of maps */
    fr_map_way ways[FR_MAP_WAYS];
    int32_t n_ways;
} fr_map_tiles;

typedef struct fr_lines {
    const fr_probe *probe; /* &flat */
    fr_probe flat;         /* the probe, its points' times as if their maps filled the kernels' tiles */
    fr_map_tiles *maps;
    int32_t n_maps;
    fr_stairs_list stairs;
    fr_family *families;
    int32_t n_families;
    fr_map_factor *factors;
    int32_t n_factors;
    fr_fill_curve *curves;
    int32_t n_curves;
    fr_pool_cost *pools;
    int32_t n_pools;
} fr_lines;

typedef struct fr_line_answer {
    double ns;       /* of one input, the launch taken off */
    double log_work; /* of the launch that it was measured with */
    double fill;     /* of the tiles */
    fr_basis basis;
} fr_line_answer;

double fr_point_places(const fr_probe_point *point); /* of the convolution's output; 1 for an FC */
double fr_point_alone(const fr_probe *probe, const fr_probe_point *point); /* ns of one input, the launch taken off */
double fr_point_at_place(const fr_probe *probe, const fr_probe_point *point); /* ... for each place and group */
int32_t fr_point_fc_inputs(const fr_probe_point *point);                      /* all that an FC reads */

fr_status fr_families_make(fr_lines *lines) FR_MUST_CHECK;
const fr_family *fr_family_find(const fr_lines *lines, uint16_t kind, uint16_t precision, int32_t kernel,
                                bool is_grouped);
/* Channels of one group; nanoseconds for a place and a group of one input. */
double fr_family_at(const fr_probe *probe, const fr_family *family, double c_in, double c_out, double log_places);
double fr_family_fill(const fr_family *family, double c_in, double c_out);
bool fr_family_covers(const fr_family *family, double c_in, double c_out);

/* ---- predict_maps.c -------------------------------------------------------------------------------------------- */

fr_status fr_lines_flatten(fr_lines *lines, const fr_probe *probe) FR_MUST_CHECK;
/* Time of a map over that of as many places in whole tiles: at least 1. */
double fr_lines_waste(const fr_lines *lines, const fr_line_question *question);

/* ---- predict_ask.c --------------------------------------------------------------------------------------------- */

fr_status fr_lines_new(const fr_probe *probe,
                       fr_lines *out_lines) FR_MUST_CHECK; /* fr_lines_free, whatever it answers */
void fr_lines_free(fr_lines *lines);
/* With a max pool behind it, or pool_kernel 0. False: no line is like it. */
bool fr_lines_ask(const fr_lines *lines, const fr_line_question *question, int32_t pool_kernel, int32_t pool_stride,
                  fr_line_answer *out_answer);
double fr_lines_pool(const fr_lines *lines, const fr_line_question *question, int32_t kernel, int32_t stride);
const fr_fill_curve *fr_lines_curve(const fr_lines *lines, const fr_line_question *question);
double fr_curve_at(const fr_fill_curve *curve, double log_work); /* a logarithm; 0 without a curve */
void fr_curve_add(fr_fill_curve *curve, double log_work, double log_ns);
double fr_curve_work(const fr_line_question *question); /* of one input */

/* ---- predict_step.c: what a step costs at any number of inputs ----------------------------------------------- */

typedef struct fr_step_cost {
    double ns;                  /* of one input, the launch taken off, on one lane alone, as its points had it */
    const fr_fill_curve *curve; /* NULL: the same however many */
    double log_work;            /* of one input */
    double log_measured, log_reference; /* of the launch that ns was measured with: work, and the curve there */
    double map_bytes, weight_bytes;     /* of one input; of a launch */
    double ops, fill;
    bool is_end; /* INGEST, EMIT: their own points hold whatever bytes cost */
    fr_basis basis;
} fr_step_cost;

/* Memory of a way to run them: many batches are run alike. */
typedef struct fr_costed_arena {
    int32_t group, head_group, block;
    uint64_t bytes;
} fr_costed_arena;
enum { FR_COSTED_ARENAS = 16 };

/* Steps at a precision: all of a prediction that no batch and no schedule changes. */
typedef struct fr_costed {
    const fr_predictor *predictor;
    fr_precision precision;
    fr_steps view; /* the steps with the precision's dtypes; borrows all but `items` and `slots` */
    fr_step_cost *costs;
    double ops_per_image, mean_channels; /* log of the channels, by operations */
    double weight_bytes, image_bytes;
    uint64_t input_bytes; /* of the largest step */
    int32_t by_basis[4];
    fr_costed_arena arenas[FR_COSTED_ARENAS]; /* placed already; the newest in the place of the oldest */
    int32_t n_arenas;
} fr_costed;

/* What predictions are corrected by: a run of the probe. */
typedef struct fr_residual {
    uint16_t precision, schedule;
    double at[3]; /* fr_costed_place */
    double log_ratio, spread;
} fr_residual;

struct fr_predictor {
    const fr_probe *probe;
    fr_lines lines;
    fr_residual *residuals;
    int32_t n_residuals;
    double usual_spread;  /* of the runs' repeats */
    fr_fill_curve memory; /* nanoseconds a byte, by the bytes of a launch */
};

fr_step_cost fr_step_cost_of(const fr_predictor *predictor, const fr_step *step, fr_precision precision);
double fr_lanes_slow(const fr_probe *probe, fr_precision precision, int32_t lanes); /* times a lane alone */

/* How a step is run: with what company, and what its bytes cost then. */
typedef struct fr_company {
    int32_t lanes;                 /* at work */
    double slow;                   /* fr_lanes_slow */
    bool is_wide;                  /* maps of whole blocks: they leave the cache where it is too small for them */
    double cache_bytes;            /* of the last cache */
    double byte_ns, cache_byte_ns; /* of maps, for one lane */
} fr_company;
double fr_company_byte_ns(const fr_company *company, double bytes); /* of all that is in flight */
double fr_step_cost_ns(const fr_probe *probe, const fr_step_cost *cost, const fr_company *company,
                       double n); /* of a launch of n inputs */
double fr_step_limit_ns(const fr_probe *probe, const fr_step_cost *cost, fr_precision precision, double byte_ns);
void fr_memory_curve(const fr_probe *probe, fr_fill_curve *out_curve);

/* ---- predict_run.c ---------------------------------------------------------------------------------------------- */

fr_status fr_costed_make(const fr_predictor *predictor, const fr_steps *steps, fr_precision precision,
                         fr_costed *out_costed) FR_MUST_CHECK;
void fr_costed_free(fr_costed *costed);
void fr_costed_place(const fr_costed *costed, int64_t batch, double out[3]); /* for nearness */
/* Without correction. lanes 0 = the device's. */
fr_status fr_costed_run(fr_costed *costed, fr_schedule schedule, int64_t batch, int32_t lanes,
                        fr_prediction *out) FR_MUST_CHECK;

/* Step by step; fr_free(out->steps). */
fr_status fr_costed_steps(const fr_costed *costed, fr_schedule schedule, int64_t batch, int32_t lanes,
                          fr_prediction *out) FR_MUST_CHECK;

/* ---- predict.c ----------------------------------------------------------------------------------------------------- */

/* fr_predict for steps that are costed already. */
fr_status fr_predict_costed(fr_costed *costed, fr_schedule schedule, int64_t batch, int32_t lanes, bool wants_steps,
                            fr_prediction *out) FR_MUST_CHECK;
bool fr_predictor_has(const fr_predictor *predictor, fr_precision precision, fr_schedule schedule);

#endif
