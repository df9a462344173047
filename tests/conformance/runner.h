/* Runs one case on one device: every candidate, poisoned, guarded, twice. Failures are printed with the line that repeats
 * them. */
#ifndef FR_TESTS_CONFORMANCE_RUNNER_H
#define FR_TESTS_CONFORMANCE_RUNNER_H

#include "cases.h"
#include "check/attempt.h"
#include "run/registry.h"

enum { CONF_REASONS = FR_WHY_SELFCHECK + 1 };

typedef struct conf_counts {
    uint64_t cases, candidates, runs, failures, refused[CONF_REASONS];
    uint64_t no_precision; /* cases in a precision the device does not claim */
    uint64_t no_candidate; /* cases that every candidate refused */
} conf_counts;

typedef struct conf_device {
    char id[24];
    uint64_t seed; /* for the line that repeats a failure */
    bool is_verbose;
    bool is_thorough;           /* every candidate with both fills */
    const char *only_candidate; /* others are not run; NULL = all */
    const fr_backend *backend;
    fr_device *device;
    fr_device_facts facts;
    fr_queue *one, *all; /* with one thread; with as many as there are */
    conf_counts counts;
} conf_device;

fr_status conf_device_open(fr_registry *registry, const char *id, uint64_t seed, conf_device *out_device) FR_MUST_CHECK;
void conf_device_close(conf_device *device);

/* EXACT runs on the queue with one thread, RANDOM on the other; candidates marked inexact run RANDOM alone. Counts
 * candidates and refusals when `counts_candidates`: once a case. */
void conf_run_case(conf_device *device, const conf_case *the_case, const fr_check_numbers *numbers,
                   const fr_check_answer *answer, bool counts_candidates);

/* The device's own promises: facts, buffers, accounting, events, refusals. */
void conf_check_device(conf_device *device);
/* One program on several queues at once. */
void conf_check_threads(conf_device *device);
/* Bundles of the backends that have them. */
void conf_check_bundles(conf_device *device);

void conf_report_failure(conf_device *device, const char *case_name, const char *candidate, const char *fmt, ...)
    FR_PRINTF(4, 5);
const char *conf_reason_word(uint32_t reason);
const char *conf_layout_word(uint16_t layout);

#endif
