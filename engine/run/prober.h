/*
 * The prober: measures the points and runs of a probe on a device, within a budget, and keeps what it has. Private to
 * engine/run/probe_*.c and profile_api.c.
 */
#ifndef FR_RUN_PROBER_H
#define FR_RUN_PROBER_H

#include "foldrun/planner.h"
#include "plan/probe.h"
#include "run/device_profile.h"
#include "run/probe_store.h"
#include "run/selfcheck.h"
#include "run/trial.h"

/* ---- probe_steps.c: a point as a step ------------------------------------------------------------------------- */

typedef struct fr_probe_kit { /* seeded weights, shared by all steps; grown as they need it */
    float *weight, *bias, *weight_scale;
    int8_t *weight_s8;
    size_t n_weights, n_outputs;
} fr_probe_kit;

/* FR_UNSUPPORTED where the point makes no step: a pool larger than its map, groups that do not divide the channels. */
fr_status fr_probe_step(const fr_probe_point *point, fr_step *out_step) FR_MUST_CHECK;
/* Weights for the step; valid until the next call. */
fr_status fr_probe_kit_for(fr_probe_kit *kit, const fr_step *step, fr_weights *out_weights) FR_MUST_CHECK;
void fr_probe_kit_free(fr_probe_kit *kit);
/* "f32: conv 3x3, both channels 32, 24x50" */
void fr_probe_point_name(const fr_probe_point *point, char *out, size_t bytes);

/* The candidate of a point that no kernel can run. */
static const char fr_probe_no_kernel[] = "none";

/* ---- the whole ------------------------------------------------------------------------------------------------ */

typedef struct
    fr_probe_known { /* one of the best kernels of a point; those of a point stand together, the best first */
    int32_t point;   /* index */
    char name[48];
    uint16_t src_layout, dst_layout; /* ANY: as they come */
    bool exact;                      /* known to do all the multiplications that are counted */
    double slower;                   /* than the best of them, times */
} fr_probe_known;

typedef struct fr_probe_pending { /* measured since the reference step was last timed */
    int32_t point;
    uint64_t at;
} fr_probe_pending;

enum { FR_WATCH_READINGS = 3, FR_OPENINGS = 15 };

typedef struct fr_probe_watch {       /* the reference step on one lane, or on all of them */
    int32_t lanes;                    /* 0 = not begun */
    double first_ns, last_ns;         /* as the first points saw it; now */
    double ns[FR_WATCH_READINGS];     /* the latest readings, the newest first: the middle one is now */
    double spread[FR_WATCH_READINGS]; /* of their repeats */
    double unsure;                    /* no drift is seen that is smaller */
} fr_probe_watch;

typedef struct fr_probe_drift { /* the reference step, timed again and again */
    fr_step step;
    fr_candidate candidate;
    bool set;
    uint64_t fill_ns; /* of a reading on one lane */
    fr_probe_watch alone, together;
    uint64_t last_at, wait_ns;
    double before_run_ns; /* what the run's watch said */
    fr_probe_pending *pending;
    size_t n_pending, cap_pending;
} fr_probe_drift;

typedef struct fr_prober {
    fr_context *context;
    fr_profile_options options;
    const char *device; /* id */
    fr_target target;
    fr_verdicts *verdicts; /* the context's; NULL: nothing is checked */
    fr_probe probe;
    fr_device_profile kernels; /* what sessions begin with: the times of all kernels that were tried */
    char path[FR_PROBE_PATH];
    fr_trial trial;
    fr_probe_kit kit;
    fr_probe_known *known;
    size_t n_known, cap_known;
    fr_probe_drift drift;
    uint64_t begin_ns, until_ns, saved_ns;
    double wanted;                 /* work that there was to do in this call */
    double opening_s[FR_OPENINGS]; /* of the latest runs' sessions, without the first one */
    size_t n_openings;             /* in all, with it */
    double share_s;                /* of the time, for finding a point's kernel */
    char doing[160];               /* what was said last */
    uint32_t precisions;           /* bits that are asked for */
    size_t next_point;             /* of the list; those before it had their turn in this call */
    size_t n_new;                  /* points and runs measured in this call */
} fr_prober;

/* Says what is being measured. FR_CANCELLED when the caller has enough. */
fr_status fr_prober_says(fr_prober *p, const char *what) FR_MUST_CHECK;
/* Where kernels are slow to build, seeking verdicts on all of them would take the whole budget. */
bool fr_prober_may_check(const fr_prober *p);
double fr_prober_left_s(const fr_prober *p); /* of the budget; never negative */
/* Every few seconds: keeps what was measured. */
fr_status fr_prober_save(fr_prober *p, bool now) FR_MUST_CHECK;

/* probe_time.c: times of a step with its best kernel. Kernels that fail or are wrong set no times; where none is left,
 * FR_UNSUPPORTED. `point`: its index, or -1 for a step that is none. out_spread: NULL, or where it says how sure the least is. */
fr_status fr_prober_best(fr_prober *p, const fr_step *step, int32_t point, uint64_t fill_ns,
                         fr_candidate *out_candidate, fr_trial_times *out_times, double *out_spread) FR_MUST_CHECK;
/* Measures the point, where there is time for it. */
fr_status fr_prober_point(fr_prober *p, int32_t point) FR_MUST_CHECK;
bool fr_prober_wants(const fr_prober *p, int32_t point); /* it is asked for, and not measured */
/* Clearly slower, for what it does, than a neighbour with another kernel: that one should have been tried. */
bool fr_prober_suspects(const fr_prober *p, int32_t point);
/* Takes the kernels that an earlier call found best as hints. */
fr_status fr_prober_recall(fr_prober *p) FR_MUST_CHECK;

/* probe_drift.c */
fr_status fr_drift_begin(fr_prober *p) FR_MUST_CHECK;
/* Times the reference step once a second, or now, and corrects the points that were measured since the last time. */
fr_status fr_drift_check(fr_prober *p, bool now) FR_MUST_CHECK;
fr_status fr_drift_note(fr_prober *p, int32_t point) FR_MUST_CHECK;                    /* one was measured */
fr_status fr_drift_note_twin(fr_prober *p, int32_t point, int32_t twin) FR_MUST_CHECK; /* has the time of a twin */
void fr_drift_forget(fr_prober *p, int32_t point);                                     /* it has its old time again */
/* Around a run, on as many lanes as it uses. How much slower than at its first time the machine was meanwhile, 1 = as fast or not to be
 * told; how far before and after lie apart. */
fr_status fr_drift_before_run(fr_prober *p) FR_MUST_CHECK;
fr_status fr_drift_after_run(fr_prober *p, double *out_slower, double *out_apart) FR_MUST_CHECK;
void fr_drift_free(fr_probe_drift *drift);

/* probe_scalars.c: what is not there yet of bandwidths, and of what a launch and a run cost; */
fr_status fr_prober_scalars(fr_prober *p) FR_MUST_CHECK;
/* of peaks, and of how lanes share the device: when points have shown which kernels to take. */
fr_status fr_prober_peaks(fr_prober *p) FR_MUST_CHECK;
void fr_prober_peaks_of_points(fr_prober *p); /* no lower than the fastest point shows */

/* probe_runs.c: a whole small CNN, where there is time for it. */
double fr_prober_run_s(const fr_prober *p, int32_t precision, double ops); /* that it needs: of so many operations */
bool fr_prober_wants_run(const fr_prober *p, int32_t run);
fr_status fr_prober_run(fr_prober *p, int32_t run) FR_MUST_CHECK;
/* Nanoseconds of a run of one image through a network of next to nothing. */
fr_status fr_prober_empty_run(fr_prober *p, double *out_ns) FR_MUST_CHECK;

/* probe_measure.c: all of it. The device is open, and the probe is what was measured before. */
fr_status fr_prober_measure(fr_prober *p) FR_MUST_CHECK;
void fr_prober_close(fr_prober *p);

#endif
