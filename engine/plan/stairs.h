/*
 * Staircases: how the time of a step grows with its channels, and what tile that betrays. Pure.
 *
 * A line of points is fitted as  ns = a + b * ((1 - waste) * c + waste * ceil(c / q) * q): a partly filled tile of q channels costs
 * `waste` of what it lacks (1: as if it were full). The q that explains the line best, and clearly better than none, is its quantum.
 */
#ifndef FR_PLAN_STAIRS_H
#define FR_PLAN_STAIRS_H

#include "plan/probe.h"

typedef struct fr_stair_fit {
    int32_t quantum;   /* channels; 1 = no steps were seen */
    double waste;      /* 0 .. 1 */
    double confidence; /* 0 .. 1: how much of what a smooth curve leaves over the steps explain, less for noise */
    double base_ns, ns_per_channel;
} fr_stair_fit;

enum { FR_STAIR_POINTS = 512 }; /* of a longer line the first are fitted */

/* At least 6 points, ascending; fewer, or too narrow a range, give quantum 1 with confidence 0. */
void fr_stairs_fit(const int32_t *channels, const double *ns, size_t count, fr_stair_fit *out_fit);
/* The same with what more a line knows of itself. */
typedef struct fr_stair_line {
    const int32_t *channels;
    const double *ns;
    const int32_t *kernels; /* the same number for points of the same kernel; NULL = not known */
    size_t count;
    bool
        both; /* channels in and out grow together: time grows with their square, so ns / channels is what is fitted, and
                * what base_ns and ns_per_channel are of */
} fr_stair_line;
void fr_stairs_fit_line(const fr_stair_line *line, fr_stair_fit *out_fit);

/* A line of a probe: its points by channels, ascending; measured ones alone. */
typedef struct fr_stairs {
    fr_probe_point like;           /* what all have in common; c_in, c_out, ns as of the first */
    const fr_probe_point **points; /* of the list's */
    const fr_probe_point *first;   /* in the probe's order */
    size_t count;
    fr_stair_fit fit;
    bool noisy; /* more than a fifth of its points are */
} fr_stairs;

typedef struct fr_stairs_list {
    fr_stairs *at;
    size_t count;
    const fr_probe_point **points; /* line after line */
} fr_stairs_list;

/* All lines of BOTH, IN and OUT that have at least two points, in the probe's order. They point into the probe. */
fr_status fr_stairs_read(const fr_probe *probe, fr_stairs_list *out_list) FR_MUST_CHECK;
void fr_stairs_free(fr_stairs_list *list);
int32_t fr_stairs_channels(const fr_stairs *stairs, size_t point); /* what the line grows in */

/* Quanta worth rounding widths to at a precision, ascending, confident ones alone (never 1); returns how many. */
int32_t fr_stairs_quanta(const fr_stairs_list *list, fr_precision precision, int32_t *out, int32_t most);

#endif
