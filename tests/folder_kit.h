/* A folder that a test made. */
#ifndef TESTS_FOLDER_KIT_H
#define TESTS_FOLDER_KIT_H

#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* With the files in it. */
static inline void folder_remove(const char *folder) {
    char **files = NULL;
    size_t count = 0;
    if (fr_folder_list(folder, &files, &count) != FR_OK)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        unlink(files[i]);
        fr_free(files[i]);
    }
    fr_free(files);
    rmdir(folder);
}

#endif
