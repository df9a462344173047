/* A plan being made: what its parts share. Private to engine/run/planner*.c. */
#ifndef FR_RUN_PLANNER_H
#define FR_RUN_PLANNER_H

#include "base/text.h"
#include "foldrun/planner.h"
#include "graph/graph.h"
#include "plan/choose.h"

/* A network of the choice, and its shape as steps in f32. */
typedef struct fr_planner_variant {
    const fr_model *model;
    fr_model *made; /* the same, where it was made here; else NULL */
    int32_t index;  /* of the caller's model that it is, or is made of */
    char label[128];
    fr_graph *graph; /* the steps' */
    fr_steps steps;
} fr_planner_variant;

/* What was measured of an option. */
typedef struct fr_planner_record {
    int32_t variant;
    fr_precision precision;
    fr_schedule schedule;
    int64_t batch;
    double images_per_s, low, high, ms;
    uint64_t bytes;
    bool failed;
    fr_status status; /* of the failure */
    char why[256];
    char *kernels; /* fr_session_plan_text's; NULL where there are none */
    int32_t race;  /* those of one race ran in turn; 0 = not of this call */
} fr_planner_record;

enum { FR_PLANNER_BATCHES = 16, FR_PLANNER_MOST = 64 /* options that are measured at first */ };

typedef struct fr_planner {
    fr_context *context;
    fr_plan_options options; /* rounds, folds and precisions filled in */
    fr_probe probe;
    fr_predictor *predictor;
    bool from_file, stale;
    char device[24], name[128], driver[128], path[512];
    char identity[FR_PROBE_IDENTITY]; /* of the device at hand, which may differ from the probe's; "" without one */
    fr_planner_variant *variants;
    fr_variant *shapes; /* the same for choosing */
    int32_t n_variants, cap_variants;
    fr_text refused; /* a line for each shape that could not be made */
    int64_t batches[FR_PLANNER_BATCHES];
    fr_choice_question question;
    fr_choice choice;
    fr_planner_record *records;
    size_t n_records, cap_records;
    int32_t n_races;
    bool from_cache;
    bool retries; /* something failed the last time that may do now */
    double choose_ms, measure_s;
    double done_before, done_span; /* of the whole: what fr_planner_tell's fraction is of */
} fr_planner;

/* planner.c: checks the options, finds the probe. Free with fr_planner_free, whatever it answers. */
fr_status fr_planner_begin(fr_planner *p, fr_context *context, const fr_plan_options *options) FR_MUST_CHECK;
fr_status fr_planner_predict(fr_planner *p) FR_MUST_CHECK; /* all there is to choose from, ranked */
void fr_planner_free(fr_planner *p);
/* FR_CANCELLED when the user wants no more. */
fr_status fr_planner_tell(fr_planner *p, const char *what, double fraction) FR_MUST_CHECK;
bool fr_planner_measures(const fr_planner *p);

/* planner_variants.c */
fr_status fr_planner_variants(fr_planner *p) FR_MUST_CHECK;
/* Of the caller's model `index`; added as the last variant. fold 0: as it is. */
fr_status fr_planner_add_variant(fr_planner *p, int32_t index, int32_t fold, fr_rounding rounding) FR_MUST_CHECK;
void fr_planner_free_variants(fr_planner *p);
fr_status fr_planner_batches(fr_planner *p) FR_MUST_CHECK;

/* planner_measure.c: the options by their indices in the choice, interleaved; a record each. What fails is a record with its reason. A duel
 * is of options that have their records: short rounds say again how they compare, at the speed that the machine had in the mean. */
fr_status fr_planner_measure(fr_planner *p, const int32_t *options, int32_t count, bool is_duel) FR_MUST_CHECK;
fr_session_options fr_planner_session(const fr_planner *p, fr_precision precision, fr_schedule schedule, int64_t batch);

/* planner_records.c */
fr_status fr_planner_add_record(fr_planner *p, const fr_planner_record *record) FR_MUST_CHECK;
fr_planner_record *fr_planner_find_record(const fr_planner *p, const fr_option *option);
/* Writes the records into the choice's options, judges the limits by them, and ranks again. */
void fr_planner_apply_records(fr_planner *p);

/* planner_trust.c. Memory to ask it is its own: one asks at a time. */
typedef struct fr_trust {
    const fr_planner *planner;
    const fr_option **of; /* measured */
    double *numbers;
    int32_t n;
    double mean_speed, mean_bytes; /* logarithms: what is wrong with all predictions alike */
    double scale;
} fr_trust;
typedef struct fr_trusted {
    double speed, bytes; /* what is likely to be measured, over what is predicted */
    double unsure;       /* of the speed: the share by which it may be off as well as not */
} fr_trusted;
fr_status fr_trust_make(const fr_planner *p, fr_trust *out_trust) FR_MUST_CHECK;
fr_trusted fr_trust_ask(const fr_trust *trust, const fr_option *option);
void fr_trust_free(fr_trust *trust);

/* planner_decide.c: what to measure, in which order, and when there is enough. `measure`: fr_planner_measure. */
typedef fr_status (*fr_planner_measurer)(fr_planner *p, const int32_t *options, int32_t count, bool is_duel);
fr_status fr_planner_decide(fr_planner *p, fr_planner_measurer measure) FR_MUST_CHECK;

/* planner_cache.c. Of failures those alone are kept that will be the same the next time. */
bool fr_planner_load(fr_planner *p);
void fr_planner_store(const fr_planner *p);

/* planner_notes.c: sentences, a line each. */
fr_status fr_planner_notes(const fr_planner *p, const fr_plan_result *result, char **out_notes) FR_MUST_CHECK;

#endif
