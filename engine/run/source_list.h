/* What a source reads: the paths it was given, with folders opened. */
#ifndef FR_RUN_SOURCE_LIST_H
#define FR_RUN_SOURCE_LIST_H

#include "foldrun/types.h"

typedef enum fr_source_kind { FR_SOURCE_IMAGE = 1, FR_SOURCE_NPY = 2, FR_SOURCE_FRAMES = 3 } fr_source_kind;

typedef struct fr_source_item {
    fr_source_kind kind;
    char *path;
} fr_source_item;

typedef struct fr_source_list {
    fr_source_item *items;
    size_t n_items, capacity;
    int64_t skipped; /* files in folders whose names are no image's */
} fr_source_list;

/* Half-filled on failure: free it in any case. */
fr_status fr_source_list_add(fr_source_list *list, const char *path) FR_MUST_CHECK;
void fr_source_list_free(fr_source_list *list);

#endif
