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

#include "foldrun/backend.h"

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

/* ---- for the files that write parts of the list ------------------------------------------------------------ */

/* What tensors and products of a case are made of. INT8: U8 sources, and dst U8 where it can't be negative, else S8. */
typedef enum conf_type { CONF_F32, CONF_BF16, CONF_F16, CONF_INT8, CONF_TYPES } conf_type;

void conf_set_type(fr_step *step, conf_type type);
/* Precisions a device must claim to be asked for the step: its products' and its tensors'. Bits as in fr_device_facts. */
uint32_t conf_precisions(const fr_step *step);
/* Names the case and adds it; a case that is there already is left alone. all_layouts and valid: see conf_case. */
fr_status conf_add(conf_list *list, const fr_step *step, bool all_layouts, int32_t valid) FR_MUST_CHECK;
fr_status conf_add_typed(conf_list *list, fr_step step, conf_type type) FR_MUST_CHECK;
fr_status conf_add_all_types(conf_list *list, const fr_step *step) FR_MUST_CHECK;

fr_step conf_step(fr_step_kind kind, int32_t n, int32_t c, int32_t h, int32_t w); /* one source; dst has its dims */
fr_window conf_window(int32_t k, int32_t stride, int32_t pad);
int32_t conf_pooled(int32_t size, int32_t k, int32_t stride, int32_t pad_begin, int32_t pad_end, bool ceil_mode);
/* A conv with bias and ReLU; the dims of dst follow from the window. */
fr_step conf_conv(int32_t n, int32_t c, int32_t h, int32_t w, int32_t c_out, fr_window win, int32_t groups);
void conf_set_residual(fr_step *step);
/* False when the pool's window is larger than the map. */
bool conf_set_pool(fr_step *step, fr_pool_kind kind, fr_window win, bool ceil_mode);
void conf_name(const fr_step *step, int32_t valid, char *out, size_t bytes);

fr_status conf_add_convs(conf_list *list) FR_MUST_CHECK;  /* cases_conv.c */
fr_status conf_add_plain(conf_list *list) FR_MUST_CHECK;  /* cases_plain.c: everything without weights, and fc */
fr_status conf_add_chains(conf_list *list) FR_MUST_CHECK; /* cases_chain.c */
fr_status conf_add_models(conf_list *list) FR_MUST_CHECK; /* cases_models.c: layers of the zoo's small models */

#endif
