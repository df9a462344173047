/*
 * The disk cache: measured choices and compiled kernels, found again by a text key.
 *
 * An entry is one file, <hash of the key>.bin, with its whole key, its length and a checksum. What is corrupt, cut short
 * or of another version is a miss, and is removed. Entries appear by rename, so processes may share a folder. A cache
 * that cannot be written costs time and nothing else: the first failure is logged, the caller goes on.
 * Any thread may use a cache at any time.
 */
#ifndef FR_RUN_CACHE_H
#define FR_RUN_CACHE_H

#include "foldrun/types.h"

typedef struct fr_cache fr_cache;

/* folder NULL or "": no cache, every load is a miss and stores do nothing. The folder is made by the first store. */
fr_status fr_cache_new(const char *folder, fr_cache **out_cache) FR_MUST_CHECK;
void fr_cache_free(fr_cache *cache);
const char *fr_cache_folder(const fr_cache *cache); /* "" when there is none */

/* FR_UNAVAILABLE is a miss; FR_NO_MEMORY the only other failure. Free *out_data with fr_free. A cache of NULL misses. */
fr_status fr_cache_load(fr_cache *cache, const char *key, void **out_data, size_t *out_bytes) FR_MUST_CHECK;
void fr_cache_store(fr_cache *cache, const char *key, const void *data, size_t bytes);

/* The same for text (JSON profiles): what is loaded is NUL-ended and has no NUL inside. */
fr_status fr_cache_load_text(fr_cache *cache, const char *key, char **out_text) FR_MUST_CHECK;
void fr_cache_store_text(fr_cache *cache, const char *key, const char *text);

#endif
