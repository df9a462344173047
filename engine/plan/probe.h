/*
 * A probe: what a device was measured to do, step by step and in whole runs of small CNNs. Pure data, with no device at hand:
 * a list of points in the order they are measured, written as JSON and read back. Staircases (stairs.h) and predictions
 * (predict.h) are made of it.
 */
#ifndef FR_PLAN_PROBE_H
#define FR_PLAN_PROBE_H

#include <stdbool.h>

#include "foldrun/backend.h"
#include "foldrun/foldrun.h"

enum { FR_PROBE_FORMAT = 1, FR_PROBE_IDENTITY = 448 };

/* What a point tells; its neighbours on the same line differ in that alone. */
typedef enum fr_probe_line {
    FR_LINE_BOTH = 1,   /* channels in = channels out */
    FR_LINE_IN = 2,     /* channels in, at a fixed number out */
    FR_LINE_OUT = 3,    /* channels out, at a fixed number in */
    FR_LINE_MAP = 4,    /* size of the map */
    FR_LINE_INPUTS = 5, /* inputs a launch: what a launch costs, and when the device is full */
    FR_LINE_POOL = 6,   /* the pool in a convolution's epilogue */
    FR_LINE_ENDS = 7,   /* ingest, emit: images an input */
    FR_LINE_MEMORY = 8  /* a step that only moves bytes, by how many */
} fr_probe_line;

/* One step, and how long a launch of it takes with the fastest kernel. Same padding as the models': kernel / 2. */
typedef struct fr_probe_point {
    uint16_t line;      /* fr_probe_line */
    uint16_t kind;      /* fr_step_kind: CONV (bias, ReLU), FC (bias), POOL, BINARY, UNARY, INGEST, EMIT */
    uint16_t precision; /* fr_precision */
    uint16_t level;     /* 0: of a quick profile; 1: of a full one; 2: put in where the time jumped */
    int32_t n;          /* inputs a launch */
    int32_t c_in, h, w, c_out;
    int32_t kernel, groups;           /* CONV; else 0 */
    int32_t pool_kernel, pool_stride; /* CONV with a max pool behind it, and POOL; else 0 */
    int32_t images;                   /* INGEST, EMIT; else 0 */
    double ns;                        /* a launch on one lane, the others at rest; 0 = not measured */
    double spread;                    /* of the repeats: (median - least) / least */
    bool noisy;                       /* the spread stayed large when it was measured again */
    char candidate[48];               /* the fastest kernel's */
} fr_probe_point;

/* A whole small CNN (probe_net.c), run as a session runs it. */
typedef struct fr_probe_run {
    int32_t net; /* fr_probe_net's family */
    int32_t width, fold, h, w;
    uint16_t precision, schedule; /* fr_schedule: LAYERS or CHAIN */
    int64_t batch;                /* images */
    double images_per_s;          /* 0 = not measured */
    double spread;
    bool refused; /* the device has no such schedule, or cannot run it */
} fr_probe_run;

typedef struct fr_probe {
    char identity
        [FR_PROBE_IDENTITY]; /* backend, its version, device, driver, features: another one makes the profile stale */
    char backend[16], device[24], driver[128], name[128],
        foldrun[32];                                /* device: its id when it was measured; name: in words */
    uint32_t kind, flags, units, lanes, precisions; /* of fr_device_facts */
    uint64_t memory_bytes, cache_bytes[3];
    double peak[FR_PRECISIONS];             /* operations a second, all lanes; 0 = none or not measured */
    double lane_scaling[FR_PRECISIONS];     /* time of a step with all lanes at work over its time alone: 1 .. lanes */
    double bandwidth;                       /* bytes a second of maps that no cache holds, all lanes */
    double cache_bandwidth;                 /* ... that the last cache holds */
    double write_bandwidth, read_bandwidth; /* to and from the device; 0: there is nothing to transfer */
    double launch_ns;                       /* a launch of next to nothing */
    double run_ns;      /* a whole run of next to nothing: what a batch costs before its first image */
    double worst_drift; /* of the reference step, over its first time: 0.03 = 3 % slower at worst */
    int32_t level;      /* 0: quick, 1: full; what the list was made for */
    bool complete;      /* every point and run of it was measured */
    fr_probe_point *points;
    size_t n_points, cap_points;
    fr_probe_run *runs;
    size_t n_runs, cap_runs;
} fr_probe;

void fr_probe_free(fr_probe *probe);
/* Points and runs are equal when they ask for the same, whatever was measured. Adding an equal one replaces nothing. */
fr_status fr_probe_add_point(fr_probe *probe, const fr_probe_point *point) FR_MUST_CHECK;
fr_status fr_probe_add_run(fr_probe *probe, const fr_probe_run *run) FR_MUST_CHECK;
bool fr_probe_same_point(const fr_probe_point *a, const fr_probe_point *b);
double fr_precision_bytes(fr_precision precision);  /* of a number in a map */
double fr_probe_ops(const fr_probe_point *point);   /* of a launch; 0 for steps without products */
double fr_probe_bytes(const fr_probe_point *point); /* of a launch: maps read and written, and weights, once each */

/* probe_list.c: what to measure on a device of these facts (probe->kind .. cache_bytes and level are set), coarse before fine, so
 * that a budget may cut it anywhere; adds what is not there yet. `precisions`: bits; 0 = all of the device but f64. */
fr_status fr_probe_list(fr_probe *probe, uint32_t precisions) FR_MUST_CHECK;
/* More points where measured neighbours of a line jump (level 2); *out_added 0 when there is nothing to look closer at. */
fr_status fr_probe_refine(fr_probe *probe, size_t most, size_t *out_added) FR_MUST_CHECK;
/* out_bumps, one a point: measured slower, for what tiles compute, than both its neighbours on a line. */
fr_status fr_probe_bumps(const fr_probe *probe, bool *out_bumps) FR_MUST_CHECK;

/* probe_net.c: the text (.fold) of the small CNN of a run: family 0 is like the game models, 1 like NoScope's. No model of the
 * zoo. Widths are as given; fold is the run's own business. */
enum { FR_PROBE_NETS = 2 };
void fr_probe_net(int32_t net, int32_t width, int32_t h, int32_t w, char *out, size_t bytes);

/* probe_text.c: JSON, documented in docs/profile.md. FR_INVALID says what is wrong with a text: cut short, of another version, numbers that
 * make no sense. An unfinished probe is read like a finished one. */
fr_status fr_probe_write(const fr_probe *probe, char **out_text) FR_MUST_CHECK;
fr_status fr_probe_read(const char *text, size_t bytes, fr_probe *out_probe) FR_MUST_CHECK;

#endif
