/*
 * The device profile: how fast each kernel ran a step, as `tune` measured it. Pure: what is put in, looked up and written down.
 *
 * A step is found by its whole shape and its inputs a launch; else the nearest shape of the same kind, windows and dtypes
 * stands in for it, its times scaled by the work; else there is nothing, and the backend's own order counts.
 */
#ifndef FR_PLAN_PROFILE_H
#define FR_PLAN_PROFILE_H

#include <stdbool.h>

#include "foldrun/backend.h"

enum { FR_PROFILE_SHAPE = 224, FR_PROFILE_NAME = 48 };

typedef struct fr_profile_time {
    char name[FR_PROFILE_NAME]; /* the candidate's */
    uint16_t src_layout, dst_layout;
    double ns; /* one launch */
} fr_profile_time;

typedef struct fr_profile_step {
    char shape[FR_PROFILE_SHAPE]; /* equal for equal steps, whatever n */
    char kind[FR_PROFILE_SHAPE];  /* equal for steps whose times can be compared; empty: it is like none */
    int32_t n, c_in, c_out, places;
    double work;            /* one launch */
    fr_profile_time *times; /* fastest first */
    int32_t n_times;
    char untuned[FR_PROFILE_NAME]; /* what the backend's own order would take */
    double untuned_ns;             /* 0: it was not measured */
} fr_profile_step;

typedef struct fr_profile {
    fr_profile_step *steps;
    size_t count, capacity;
} fr_profile; /* {0} is empty */

typedef enum fr_profile_match { FR_PROFILE_NONE = 0, FR_PROFILE_NEAR = 1, FR_PROFILE_EXACT = 2 } fr_profile_match;

/* What a step is known by: fr_profile_step.shape. */
void fr_profile_shape(const fr_step *step, char out[FR_PROFILE_SHAPE]);

void fr_profile_free(fr_profile *profile);
/* In the place of what was known of that shape and n. Sorts the times, and copies them. */
fr_status fr_profile_put(fr_profile *profile, const fr_step *step, const char *untuned, const fr_profile_time *times,
                         int32_t n_times) FR_MUST_CHECK;
/* *out_scale: what the found step's times are multiplied by for this one. */
fr_profile_match fr_profile_find(const fr_profile *profile, const fr_step *step, const fr_profile_step **out_step,
                                 double *out_scale);
/* Nanoseconds of a launch of that candidate by a found step's times; 0 = unknown. */
double fr_profile_ns(const fr_profile_step *step, double scale, const fr_candidate *candidate);

/* The same for a step that is described already. */
fr_status fr_profile_insert(fr_profile *profile, const fr_profile_step *made, const fr_profile_time *times,
                            int32_t n_times) FR_MUST_CHECK;

/* profile_text.c: JSON; `device` says whose it is, and is compared on reading. A text that is no profile, or another device's, is FR_INVALID. */
fr_status fr_profile_write(const fr_profile *profile, const char *device, char **out_text) FR_MUST_CHECK;
fr_status fr_profile_read(const char *text, size_t bytes, const char *device, fr_profile *out_profile) FR_MUST_CHECK;

#endif
