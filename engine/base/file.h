/* Whole files, in and out. Writing goes to a temporary name beside the target, is flushed, and is renamed. */
#ifndef FR_BASE_FILE_H
#define FR_BASE_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "foldrun/types.h"

/* FR_IO when it can't be read, FR_INVALID when it is larger than limit (0 = no limit). One NUL follows the data.
 * Free with fr_free. A folder, a FIFO and a device other than a regular file are refused with their own words. */
fr_status fr_file_read(const char *path, size_t limit, char **out_data, size_t *out_bytes) FR_MUST_CHECK;

/* Writing in pieces. Nothing stands at `path` before commit; abandon removes the temporary file. A target that is not
 * a regular file (/dev/full, a pipe, /dev/stdout) is written in place. */
typedef struct fr_file_writer fr_file_writer;
fr_status fr_file_begin(const char *path, fr_file_writer **out_writer) FR_MUST_CHECK;
fr_status fr_file_put(fr_file_writer *writer, const void *data, size_t bytes) FR_MUST_CHECK;
fr_status fr_file_commit(fr_file_writer *writer) FR_MUST_CHECK; /* frees the writer, whatever it answers */
void fr_file_abandon(fr_file_writer *writer);                   /* takes NULL */

fr_status fr_file_write(const char *path, const void *data, size_t bytes) FR_MUST_CHECK;
fr_status fr_folder_make(const char *path) FR_MUST_CHECK; /* with its parents; existing is fine */
bool fr_path_is_folder(const char *path);
bool fr_path_exists(const char *path);
/* Regular files in a folder (not below), sorted by name, full paths; *out_names (NULL when there are none) and each name by fr_free. */
fr_status fr_folder_list(const char *path, char ***out_names, size_t *out_count) FR_MUST_CHECK;

#endif
