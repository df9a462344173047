#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"

bool fr_path_is_folder(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

bool fr_path_exists(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0;
}

static fr_status make_one(const char *path, const char *whole) {
    if (mkdir(path, 0777) == 0 || fr_path_is_folder(path))
        return FR_OK;
    return fr_fail(FR_IO, "cannot make the folder %s: %s", whole,
                   errno == EEXIST ? "a file of that name exists" : strerror(errno));
}

fr_status fr_folder_make(const char *path) {
    fr_status status = FR_OK;
    char *part = fr_strdup(path);
    if (!part)
        return fr_no_memory(strlen(path) + 1, "a folder name");
    for (char *at = part; *at && status == FR_OK; at++) {
        if (*at != '/' || at == part || at[-1] == '/')
            continue;
        *at = '\0';
        status = make_one(part, path);
        *at = '/';
    }
    if (status == FR_OK && part[0] && part[strlen(part) - 1] != '/')
        status = make_one(part, path);
    fr_free(part);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct name_list {
    char **names;
    size_t count, capacity;
} name_list;

static void list_free(name_list *list) {
    for (size_t i = 0; i < list->count; i++)
        fr_free(list->names[i]);
    fr_free(list->names);
}

static fr_status list_take(name_list *list, const char *folder, const char *name) {
    struct stat facts;
    size_t length = strlen(folder);
    char *full = fr_format("%s%s%s", folder, length > 0 && folder[length - 1] == '/' ? "" : "/", name);
    if (!full)
        return fr_no_memory(length + strlen(name) + 2, "a file name");
    if (stat(full, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        fr_free(full);
        return FR_OK;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        char **names = fr_grow_array(list->names, list->count, capacity, sizeof *names);
        if (!names) {
            fr_free(full);
            return fr_no_memory(capacity * sizeof *names, "file names");
        }
        list->names = names;
        list->capacity = capacity;
    }
    list->names[list->count++] = full;
    return FR_OK;
}

fr_status fr_folder_list(const char *path, char ***out_names, size_t *out_count) {
    fr_status status = FR_OK;
    name_list list = {0};
    *out_names = NULL;
    *out_count = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return fr_fail(FR_IO, "cannot read the folder %s: %s", path, strerror(errno));
    while (status == FR_OK) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (entry)
            status = list_take(&list, path, entry->d_name);
        else if (errno != 0)
            status = fr_fail(FR_IO, "cannot read the folder %s: %s", path, strerror(errno));
        else
            break;
    }
    closedir(folder);
    if (status != FR_OK) {
        list_free(&list);
        return status;
    }
    if (list.count > 1)
        qsort(list.names, list.count, sizeof *list.names, by_name);
    *out_names = list.names;
    *out_count = list.count;
    return FR_OK;
}
