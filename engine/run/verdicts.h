/*
 * What is known of a device's kernels: good, wrong, or does not build, by name. Kept in the disk cache under the backend's
 * version, the device's name, driver and features, so that a new one of any of these is checked anew.
 *
 * A book may be used by several threads. Two processes that write one add to each other's.
 */
#ifndef FR_RUN_VERDICTS_H
#define FR_RUN_VERDICTS_H

#include <stdbool.h>

#include "foldrun/backend.h"
#include "foldrun/foldrun.h"
#include "run/cache.h"

enum { FR_VERDICT_WHY = 320 };

typedef struct fr_verdict_entry {
    char name[48]; /* the candidate's */
    fr_verdict verdict;
    double ratio;             /* worst error over its limit */
    int32_t runs;             /* times it ran on a step */
    bool thorough;            /* by the self-test, not by a session on the one step it met */
    char why[FR_VERDICT_WHY]; /* of a bad one: the first difference, or what the build says */
} fr_verdict_entry;

typedef struct fr_verdicts fr_verdicts;

/* What is stored, or an empty book; a stored text that makes no sense is left out with a warning. */
fr_status fr_verdicts_open(fr_cache *cache, const fr_backend *backend, const fr_device_facts *facts,
                           fr_verdicts **out_verdicts) FR_MUST_CHECK;
void fr_verdicts_close(fr_verdicts *verdicts); /* does not save */
bool fr_verdicts_are_of(const fr_verdicts *verdicts, const fr_backend *backend, const fr_device_facts *facts);

fr_verdict fr_verdicts_find(fr_verdicts *verdicts, const char *name, fr_verdict_entry *out_entry); /* out may be NULL */
/* Over what was known of that name. */
fr_status fr_verdicts_set(fr_verdicts *verdicts, const fr_verdict_entry *entry) FR_MUST_CHECK;
void fr_verdicts_save(fr_verdicts *verdicts); /* when something was set since the last time */

#endif
