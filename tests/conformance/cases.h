/*
 * The case list: steps as data, shared by everything that must see each kind of step on each device. Pure: knows no
 * device. A case fixes dims, dtypes and the epilogue; scales come with the numbers (fill.h), layouts stay ANY but for
 * the user's side of INGEST.
 *
 * A name says the whole step: conv3x3-c32o32-11x26-p1-bias-relu-max3x3s2-n8-bf16. Names are unique.
 */
#ifndef FR_TESTS_CONFORMANCE_CASES_H
#define FR_TESTS_CONFORMANCE_CASES_H

#include <stdbool.h>

#include "check/make.h"
#include "check/numbers.h"

enum { CONF_MAX_SUB = 12, CONF_NAME_BYTES = 200 };

typedef struct conf_case {
    char name[CONF_NAME_BYTES];
    fr_step step;
    fr_step sub[CONF_MAX_SUB]; /* CHAIN: step.sub points here once the list is complete */
    int32_t valid;             /* INGEST, EMIT and chains that have them: images that exist */
    bool all_layouts;          /* ask for every pair of fixed layouts too */
} conf_case;

typedef struct conf_list {
    conf_case *items;
    size_t count, capacity;
} conf_list;

fr_status conf_cases_build(conf_list *out_list) FR_MUST_CHECK;
void conf_cases_free(conf_list *list);

/* Numbers that depend on the case's name, the fill and the seed alone. */
fr_status conf_numbers_make(const conf_case *from, fr_check_fill fill, uint64_t seed,
                            fr_check_numbers *out_numbers) FR_MUST_CHECK;

/* ---- for the files that write parts of the list ------------------------------------------------------------ */

/* Names the case and adds it; a case that is there already is left alone. all_layouts and valid: see conf_case. */
fr_status conf_add(conf_list *list, const fr_step *step, bool all_layouts, int32_t valid) FR_MUST_CHECK;
fr_status conf_add_typed(conf_list *list, fr_step step, fr_make_type type) FR_MUST_CHECK;
fr_status conf_add_all_types(conf_list *list, const fr_step *step) FR_MUST_CHECK;

fr_status conf_add_convs(conf_list *list) FR_MUST_CHECK;  /* cases_conv.c */
fr_status conf_add_plain(conf_list *list) FR_MUST_CHECK;  /* cases_plain.c: everything without weights, and fc */
fr_status conf_add_chains(conf_list *list) FR_MUST_CHECK; /* cases_chain.c */
fr_status conf_add_models(conf_list *list) FR_MUST_CHECK; /* cases_models.c: layers of the zoo's small models */

#endif
