/* A comparison while it is measured: between compare_measure.c (the rounds), compare_order.c (what is measured, and in which order),
 * compare_devices.c (on what), compare_visit.c (one opened session), compare_check.c (whether its answers are right),
 * compare_layers.c and compare_clocks.c. */
#ifndef FR_CLI_COMPARE_RUN_H
#define FR_CLI_COMPARE_RUN_H

#include "base/hash.h"
#include "cli/compare.h"
#include "cli/progress.h"

enum { CMP_MOST_VISITS = 50 }; /* what is not narrow by then stays as wide as it is */

typedef struct cmp_model {
    char label[CMP_NAME];
    fr_model *model; /* as it was loaded */
    fr_model_info info;
} cmp_model;

typedef struct cmp_target {
    const fr_device_entry *entry; /* the context's */
    int32_t losses;               /* times it was lost, one after another */
} cmp_target;

typedef struct cmp_config {
    size_t model, target;
    int32_t fold;
    int64_t batch;
    fr_precision precision;
    char *plan;  /* its kernels, as the session chose them; NULL: not tuned yet */
    int64_t row; /* in the set; -1: none yet */
    bool is_over;
} cmp_config;

/* The images of a model at a fold, whole inputs of them, and what the reference answers. A batch is these images again and again, so
 * that every answer of it can be judged. */
typedef struct cmp_answers {
    size_t model;
    int32_t fold, classes;
    int64_t images;
    uint8_t *pixels;
    float *scores; /* NULL: not asked for, or the reference cannot, and `why` says so */
    size_t image_bytes;
    fr_status status;
    char why[CMP_REASON];
} cmp_answers;

typedef struct cmp_clocks {
    double low_khz, high_khz, limit_khz; /* 0: the system does not tell */
    int64_t throttled, throttled_before;
    bool tells_throttling;
} cmp_clocks;

typedef struct cmp_run {
    fr_context *context;
    const cmp_request *request;
    cmp_set *set;
    char machine[24];
    cmp_model *models;
    size_t n_models;
    cmp_target *targets;
    size_t n_targets;
    cmp_config *configs;
    size_t n_configs;
    cmp_answers *answers;
    size_t n_answers;
    const fr_device_entry *oracle; /* NULL: answers are not checked */
    cmp_clocks clocks;
    fr_random random;
    cli_progress line;
    char doing[CMP_NAME]; /* for the progress line */
    uint64_t start_ns, kept_ns, keeping_ns;
    bool keeping_failed;
    double seconds_before; /* spent by the calls before this one */
    char why[CMP_REASON];  /* of the last failure */
} cmp_run;

/* ---- compare_measure.c ---- */

double cmp_elapsed(const cmp_run *run);                      /* seconds of this call */
void cmp_say(void *user, const char *what, double fraction); /* fr_session_options.progress; user is the run */

/* ---- compare_order.c ---- */

/* Both answer an exit code; a failure has been told. */
int cmp_load_models(cmp_run *run);
int cmp_list_configs(cmp_run *run);
void cmp_shuffle(fr_random *random, size_t *order, size_t count);
bool cmp_is_narrow(const cmp_row *row, double percent);
bool cmp_is_done(const cmp_run *run, const cmp_row *row); /* no visit would make it better */
void cmp_key_of(const cmp_run *run, const cmp_config *config, cmp_row *out);
cmp_row *cmp_row_of(cmp_run *run, cmp_config *config); /* the set's own, made if need be; NULL: out of memory */

/* ---- compare_devices.c: those that answer do so with an exit code ---- */

int cmp_find_targets(cmp_run *run);
int cmp_meet_targets(cmp_run *run);   /* into the set; what was measured with another driver is forgotten */
void cmp_measure_peaks(cmp_run *run); /* for --layers, of what has figures */

/* ---- compare_visit.c: run->why says what failed ---- */

fr_status cmp_make_ready(cmp_run *run, cmp_config *config); /* chooses its kernels */
/* FR_CANCELLED: Ctrl-C came, and the visit does not count. */
fr_status cmp_visit_once(cmp_run *run, cmp_config *config);
fr_status cmp_told(cmp_run *run, fr_status status); /* with the library's sentence in run->why */

/* ---- compare_check.c ---- */

double cmp_tolerance(fr_precision precision); /* of an answer, in shares of the largest one */
/* Of the model folded as the configuration says. NULL: out of memory, or the images cannot be made; run->why says it. */
const cmp_answers *cmp_answers_of(cmp_run *run, const cmp_config *config, const fr_model *folded,
                                  const fr_model_info *info);
/* The largest difference over the largest answer wanted; NaN when an answer is none. */
double cmp_error_of(const cmp_answers *answers, const float *scores, int64_t images);
void cmp_answers_free(cmp_answers *answers);

/* ---- compare_layers.c ---- */

/* Times each step of a session, with the bytes that it moves for one image. lanes: that compute at once (1 where one fills the device). */
fr_status cmp_time_layers(fr_session *session, const fr_model *model, const cmp_config *config, int32_t lanes,
                          cmp_layer **out_layers, size_t *out_count);

/* ---- compare_clocks.c ---- */

void cmp_clocks_begin(cmp_clocks *clocks);
void cmp_clocks_look(cmp_clocks *clocks);                                /* while something runs, or right after it */
void cmp_clocks_text(const cmp_clocks *clocks, char *out, size_t bytes); /* "" when the system tells nothing */

#endif
