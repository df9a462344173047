/* Tracked allocation. Every block is 64-byte aligned and zeroed; a test can make the n-th one fail. */
#ifndef FR_BASE_ALLOC_H
#define FR_BASE_ALLOC_H

#include <stdbool.h>

#include "foldrun/types.h"

void *fr_alloc(size_t bytes);                          /* NULL when there is none; bytes 0 gives a valid block */
void *fr_alloc_aligned(size_t bytes, size_t align);    /* align: a power of two; below 64 means 64 */
void *fr_alloc_array(size_t count, size_t item_bytes); /* NULL on overflow too */
void *fr_grow_array(void *block, size_t old_count, size_t count,
                    size_t item_bytes);                /* like realloc; new items zeroed; NULL leaves block as it was */
void fr_free(void *block);                             /* takes NULL */
char *fr_strdup(const char *text);                     /* NULL in, NULL out */
char *fr_format(const char *fmt, ...) FR_PRINTF(1, 2); /* NULL when out of memory */

/* FR_NO_MEMORY with the sentence "out of memory: N bytes for WHAT". */
fr_status fr_no_memory(size_t bytes, const char *what);

typedef struct fr_alloc_use {
    uint64_t live_bytes, live_blocks, peak_bytes, calls;
} fr_alloc_use;
fr_alloc_use fr_alloc_read(void);
void fr_alloc_fail_at(uint64_t nth_call); /* tests: that call from now (1 = next) fails, once; 0 = never */

/* Checked sizes: false on overflow. */
bool fr_size_mul(size_t a, size_t b, size_t *out);
bool fr_size_add(size_t a, size_t b, size_t *out);

#endif
