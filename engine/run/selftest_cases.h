/* The steps that `selftest` runs every kernel on: small ones, that together reach every kind, dtype and epilogue. Pure. */
#ifndef FR_RUN_SELFTEST_CASES_H
#define FR_RUN_SELFTEST_CASES_H

#include <stdbool.h>

#include "foldrun/backend.h"

typedef struct fr_selftest_case {
    fr_step step;
    fr_step *sub;       /* a CHAIN's */
    bool fixed_layouts; /* ask for every pair of fixed layouts too */
} fr_selftest_case;

typedef struct fr_selftest_cases {
    fr_selftest_case *items;
    size_t count, capacity;
} fr_selftest_cases;

fr_status fr_selftest_cases_make(fr_selftest_cases *out_cases) FR_MUST_CHECK;
void fr_selftest_cases_free(fr_selftest_cases *cases);

#endif
