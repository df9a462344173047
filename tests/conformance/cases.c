#include "cases.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/step_name.h"

fr_status conf_add(conf_list *list, const fr_step *step, bool all_layouts, int32_t valid) {
    conf_case made = {.step = *step, .all_layouts = all_layouts, .valid = valid};
    fr_step_name(step, valid, made.name, sizeof made.name);
    for (int32_t i = 0; i < step->n_sub && i < CONF_MAX_SUB; i++)
        made.sub[i] = step->sub[i];
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, made.name) == 0) {
            list->items[i].all_layouts |= all_layouts;
            return FR_OK;
        }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        conf_case *items = fr_grow_array(list->items, list->capacity, capacity, sizeof *items);
        if (!items)
            return fr_no_memory(capacity * sizeof *items, "the case list");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = made;
    return FR_OK;
}

fr_status conf_add_typed(conf_list *list, fr_step step, fr_make_type type) {
    fr_make_of_type(&step, type);
    return conf_add(list, &step, false, 0);
}

fr_status conf_add_all_types(conf_list *list, const fr_step *step) {
    for (int type = 0; type < FR_MAKE_TYPES; type++)
        FR_TRY(conf_add_typed(list, *step, (fr_make_type)type));
    return fr_make_has_products(step) ? conf_add_typed(list, *step, FR_MAKE_TF32) : FR_OK;
}

fr_status conf_cases_build(conf_list *out_list) {
    memset(out_list, 0, sizeof *out_list);
    FR_TRY(conf_add_convs(out_list));
    FR_TRY(conf_add_plain(out_list));
    FR_TRY(conf_add_chains(out_list));
    FR_TRY(conf_add_models(out_list));
    for (size_t i = 0; i < out_list->count; i++)
        if (out_list->items[i].step.kind == FR_STEP_CHAIN)
            out_list->items[i].step.sub = out_list->items[i].sub;
    return FR_OK;
}

void conf_cases_free(conf_list *list) {
    fr_free(list->items);
    memset(list, 0, sizeof *list);
}
