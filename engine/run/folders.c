#include "run/folders.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"

static fr_status give(char *folder, char **out_folder) {
    *out_folder = folder;
    return folder ? FR_OK : fr_no_memory(0, "a folder's name");
}

/* The file that holds this code, by the kernel's own list: what dladdr says of an executable is argv[0], which may be
 * relative, and then means another file after a change of folder. *out_file stays NULL when it cannot be told. */
static fr_status own_file(char **out_file) {
    *out_file = NULL;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return FR_OK;
    fr_status status = FR_OK;
    char *line = NULL;
    size_t capacity = 0;
    uintptr_t here = (uintptr_t)(void (*)(void))fr_folder_of_backends;
    while (status == FR_OK && !*out_file && getline(&line, &capacity, maps) > 0) {
        uintptr_t begin, end;
        char *path = strchr(line, '/');
        if (!path || sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) != 2 || here < begin || here >= end)
            continue;
        path[strcspn(path, "\n")] = 0;
        status = give(fr_strdup(path), out_file);
    }
    free(line);
    fclose(maps);
    return status;
}

/* Sets *out_folder NULL where no such folder stands beside our file. */
static fr_status folder_beside(const char *name, char **out_folder) {
    *out_folder = NULL;
    char *file, *folder;
    FR_TRY(own_file(&file));
    if (!file)
        return FR_OK;
    *strrchr(file, '/') = 0;
    fr_status status = give(fr_format("%s/%s", file, name), &folder);
    fr_free(file);
    FR_TRY(status);
    if (fr_path_is_folder(folder))
        *out_folder = folder;
    else
        fr_free(folder);
    return FR_OK;
}

fr_status fr_folder_of_backends(const char *option, char **out_folder) {
    *out_folder = NULL;
    if (option && *option)
        return give(fr_strdup(option), out_folder);
    const char *told = getenv("FOLDRUN_BACKEND_DIR");
    if (told && *told)
        return give(fr_strdup(told), out_folder);
    FR_TRY(folder_beside("foldrun", out_folder));
    if (!*out_folder)
        FR_TRY(folder_beside("backends", out_folder));
    if (*out_folder)
        return FR_OK;
    return give(fr_strdup(FOLDRUN_INSTALLED_BACKENDS), out_folder);
}

fr_status fr_folder_of_cache(const char *option, char **out_folder) {
    *out_folder = NULL;
    const char *told = option ? option : getenv("FOLDRUN_CACHE_DIR");
    if (told)
        return give(fr_strdup(told), out_folder);
    const char *base = getenv("XDG_CACHE_HOME");
    if (base && *base == '/') /* the XDG specification: a relative path is to be ignored */
        return give(fr_format("%s/foldrun", base), out_folder);
    const char *home = getenv("HOME");
    if (home && *home == '/')
        return give(fr_format("%s/.cache/foldrun", home), out_folder);
    return give(fr_strdup(""), out_folder);
}
