/*
 * Comparisons: what many configurations do on the devices of one machine, or of machines that never met. A set is a list of
 * machines, of devices and of rows; its JSON is documented in docs/compare.md. All of it belongs to the command alone.
 */
#ifndef FR_CLI_COMPARE_H
#define FR_CLI_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/args.h"
#include "cli/host.h"
#include "foldrun/foldrun.h"

#define CMP_KIND "foldrun comparison"
enum { CMP_FORMAT = 1, CMP_NAME = 128, CMP_REASON = 256 };

/* Images a second: the median of visits, and between what it lies, by the order of them (no shape is assumed of their spread). */
typedef struct cmp_rate {
    double median, low, high; /* 0: none */
} cmp_rate;

typedef struct cmp_machine {
    /* "m" and a hash of what follows: two files are of one machine when these are the same. A file's own ids are names within it, and
     * reading makes these of them. */
    char id[24];
    cli_host host;
    char name[CMP_NAME]; /* as the user calls it (--machine), else the processor's */
} cmp_machine;

typedef struct cmp_device {
    char machine[24]; /* id */
    char id[32];      /* "opencl:0"; of a peer: "cpu" or "gpu" as the peer knows it */
    char backend[32], title[CMP_NAME], name[CMP_NAME], driver[CMP_NAME], features[256];
    int64_t units, memory_bytes;
    double peak[FR_PRECISIONS];              /* operations a second; 0 = not measured */
    double bandwidth;                        /* bytes a second, of the device's profile; 0 = none */
    double staircase_quantum[FR_PRECISIONS]; /* channels of a tile, 0 = none known */
    char clocks[CMP_NAME]; /* what the system tells of clocks and throttling at the time; "" = nothing */
    fr_json_doc *profile;  /* the device's profile as `foldrun profile --json` has it, or NULL; owned by the set */
    const fr_json *profile_root;
} cmp_device;

/* A visit: the median of the runs in one opened session. */
typedef struct cmp_visit {
    double images_per_s;
    double at_s; /* since the comparison began */
} cmp_visit;

typedef struct cmp_layer {
    char name[64], kernel[64];
    double ns, ops, bytes; /* of one image */
} cmp_layer;

typedef enum cmp_check { CMP_UNCHECKED, CMP_RIGHT, CMP_WRONG } cmp_check;

/* A configuration. Its key: machine, device, engine, version, model, fold, round, batch, precision, schedule, copies. */
typedef struct cmp_row {
    char machine[24], device[32];
    char engine[32], version[48]; /* "foldrun", "0.1.0"; "onnxruntime", "1.23.2" */
    char model[CMP_NAME];
    int32_t fold;
    char round[24]; /* "floor", "up:16" */
    int64_t batch;
    char precision[8]; /* as fr_precision_name has it */
    char schedule[12]; /* "auto", "layers", "chain"; of peers "" */
    bool copies;       /* from the host's memory to answers in it */
    cmp_rate rate;
    cmp_visit *visits;
    size_t n_visits;
    int64_t runs; /* in all visits */
    cmp_check check;
    double max_error; /* against ref, over the largest score */
    double ops_per_image, planned_bytes, peak_bytes, weight_bytes, open_ms, first_ms;
    cmp_layer *layers; /* of the last visit, or none */
    size_t n_layers;
    bool failed;
    char reason[CMP_REASON];
    char command[CMP_REASON]; /* that measures this row alone */
} cmp_row;

typedef struct cmp_set {
    cmp_machine *machines;
    size_t n_machines;
    cmp_device *devices;
    size_t n_devices;
    cmp_row *rows;
    size_t n_rows, cap_rows;
    uint32_t *slots; /* where rows are, by their keys: for cmp_set_row alone */
    size_t n_slots, n_indexed;
    char command[512]; /* that made the file; of a merged one: "merged" */
    double seconds;    /* spent measuring */
    bool interrupted;  /* not all of what was asked for is there */
} cmp_set;             /* {0} */

/* ---- compare_set.c, compare_set_text.c (writes), compare_set_read.c: the set and its file ---- */

void cmp_set_free(cmp_set *set);
/* The row with the same key, or a new one with it (NULL: out of memory). A new one moves the others; keys are not changed later. */
cmp_row *cmp_set_row(cmp_set *set, const cmp_row *key);
cmp_row *cmp_set_find(cmp_set *set, const cmp_row *key); /* the same, or NULL */
/* A copy, with its visits and layers; of two rows with the same key one is made, with the visits of both. False: out of memory. */
bool cmp_set_add(cmp_set *set, const cmp_row *row);
bool cmp_same_key(const cmp_row *a, const cmp_row *b);
cmp_machine *cmp_set_machine(cmp_set *set, const cmp_machine *machine);
cmp_device *cmp_set_device(cmp_set *set, const char *machine, const char *id);
const cmp_device *cmp_device_of(const cmp_set *set, const cmp_row *row); /* NULL = none */
const cmp_machine *cmp_machine_of(const cmp_set *set, const char *id);
/* For what comes from outside: cut between characters (false then), controls become '?'. */
bool cmp_copy_text(char *out, size_t bytes, const char *text);
void cmp_machine_identify(cmp_machine *machine);                     /* sets the id, of the rest */
void cmp_machine_here(const char *name, cmp_machine *out);           /* name NULL: the processor's */
bool cmp_row_visit(cmp_row *row, double images_per_s, double at_s);  /* adds one and sets rate; false: out of memory */
bool cmp_device_profile(cmp_device *device, const fr_json *profile); /* keeps a copy; false: out of memory */
void cmp_row_forget(cmp_row *row);                                   /* what was measured of it */
cmp_rate cmp_rate_of(const cmp_visit *visits, size_t count);
/* Answers an exit code; a failure has been told: CLI_BAD_INPUT with the file, line and column, or what is missing. */
int cmp_set_read(const char *path, cmp_set *out);
const char *cmp_check_word(cmp_check check);             /* "right" */
int cmp_set_write(const char *path, const cmp_set *set); /* beside it, then renamed; NULL: standard output */
void cmp_set_put(const cmp_set *set, fr_json_writer *w); /* the same as a value of its own */
/* Everything of `from` into `into`: rows with the same key keep the visits of both. */
int cmp_set_merge(cmp_set *into, const cmp_set *from);

/* ---- compare_rank.c: what may be said of rows ---- */

/* Fewer visits do not make an interval; with fewer than enough it holds the median less than 95 times in a hundred. */
enum { CMP_LEAST_VISITS = 3, CMP_ENOUGH_VISITS = 6 };
bool cmp_row_worked(const cmp_row *row);  /* it has a figure, and its answers are not known to be wrong */
bool cmp_row_settled(const cmp_row *row); /* and enough visits to be compared */

typedef enum cmp_verdict { CMP_FASTER, CMP_SLOWER, CMP_NO_DIFFERENCE } cmp_verdict;
cmp_verdict cmp_compare_rates(const cmp_rate *a, const cmp_rate *b);
/* Rows that worked, by their medians, the fastest first, of one model (NULL = all); those with copies before those without, for they do
 * not do the same work. rank[i] is 1 and how many of its like are shown to be faster, whose intervals lie above its own: 1, 1, 3, ...; 0 =
 * too few visits to tell. Returns how many (0 too when out of memory); both arrays have room for set->n_rows. */
size_t cmp_rank(const cmp_set *set, const char *model, size_t *order, int32_t *rank);
/* Accuracy classes: f64, f32 and tf32 = 0; f16, bf16 = 1; int8 = 2. */
int32_t cmp_accuracy_class(const char *precision);
/* Its speed-up over the same device's and engine's best fold 1 (its best batch, its best precision of the same accuracy class); NULL: no such row. */
const cmp_row *cmp_best_plain(const cmp_set *set, const cmp_row *row);
typedef struct cmp_ratio {
    double ratio, low, high; /* from the two intervals */
    cmp_verdict verdict;
} cmp_ratio;
cmp_ratio cmp_ratio_of(const cmp_row *row, const cmp_row *base);

/* ---- compare_table.c: for a terminal, a spreadsheet, a document ---- */

typedef enum cmp_format { CMP_TABLE, CMP_CSV, CMP_MARKDOWN } cmp_format;
void cmp_print(const cmp_set *set, cmp_format format, fr_text *out);

/* ---- compare_measure.c ---- */

typedef struct cmp_request {
    cli_texts models;          /* none: V1-V6, N1-N4 */
    cli_texts devices;         /* none or "all": all but ref */
    cli_ints folds, batches;   /* 1-4; 64,256,1024 */
    cli_precisions precisions; /* none: f32 */
    cli_round round;
    const char *schedule_word, *output, *machine, *format_word;
    fr_schedule schedule;
    double budget_s, slice_s, tune_s; /* of all; of a visit; of a configuration's kernels */
    double narrow_percent;            /* of the interval, at most */
    int64_t seed;
    bool json, no_check, layers, fresh;
} cmp_request;

/* Fills the set, which may hold rows of an earlier call (they are gone on with, not begun anew), and keeps it in request->output
 * every few seconds. CLI_INTERRUPTED after Ctrl-C, the set as it is. */
int cmp_measure(fr_context *context, const cmp_request *request, cmp_set *set);

/* ---- report*.c ---- */

/* The whole page: self-contained, no network. */
void cmp_report(const cmp_set *set, const char *title, fr_text *out);
/* report_charts.c: a figure each, as SVG in the page's own colours (classes, light and dark), with a title and a description for who hears it; nothing
 * where the set has no such figures. `model`: of one. */
/* Bars: the best of each engine and device and fold, with intervals. */
void cmp_chart_rates(const cmp_set *set, const char *model, fr_text *out);
/* By fold, over the best plain; the published ones beside them. */
void cmp_chart_speedups(const cmp_set *set, fr_text *out);
void cmp_picture(const cmp_set *set, const char *title, fr_text *out);               /* the same as a file of its own */
void cmp_chart_roofline(const cmp_set *set, const cmp_device *device, fr_text *out); /* layers, plain and folded */
void cmp_chart_batches(const cmp_set *set, const char *model, fr_text *out);         /* rate by batch, a line a fold */
void cmp_chart_staircase(const cmp_device *device, fr_text *out);                    /* with its quanta */

#endif
