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
    char why[256];
    char *kernels; /* fr_session_plan_text's; NULL where there are none */
} fr_planner_record;

enum { FR_PLANNER_BATCHES = 16 };

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
    bool from_cache;
    double choose_ms, measure_s;
    double done_before, done_span; /* of the whole: what fr_planner_tell's fraction is of */
} fr_planner;

/* planner.c: checks the options, finds the probe. Free with fr_planner_free, whatever it answers. */
fr_status fr_planner_begin(fr_planner *p, fr_context *context, const fr_plan_options *options) FR_MUST_CHECK;
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

/* planner_measure.c: the options by their indices in the choice, interleaved; a record each. What fails is a record with its reason. */
fr_status fr_planner_measure(fr_planner *p, const int32_t *options, int32_t count) FR_MUST_CHECK;
fr_session_options fr_planner_session(const fr_planner *p, fr_precision precision, fr_schedule schedule, int64_t batch);

/* planner_records.c */
fr_status fr_planner_add_record(fr_planner *p, const fr_planner_record *record) FR_MUST_CHECK;
const fr_planner_record *fr_planner_find_record(const fr_planner *p, const fr_option *option);
/* Writes the records into the choice's options, judges the limits by them, and ranks again. */
void fr_planner_apply_records(fr_planner *p);
/* Adds options to the list, up to `most`, that may be better than the best that was measured, by how measuring differed from predicting: of
 * each fold, precision and schedule that is not in the list yet the best, then of each rounding. */
fr_status fr_planner_promising(const fr_planner *p, int32_t most, int32_t *list, int32_t *count) FR_MUST_CHECK;
/* In the place of each the option with the smallest batch that is as good, once and not yet measured; returns how many are left. */
int32_t fr_planner_settle(const fr_planner *p, int32_t *options, int32_t count);

/* planner_cache.c */
bool fr_planner_load(fr_planner *p);
void fr_planner_store(const fr_planner *p);

/* planner_notes.c: sentences, a line each. */
fr_status fr_planner_notes(const fr_planner *p, const fr_plan_result *result, char **out_notes) FR_MUST_CHECK;

#endif
