#include "run/source_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

static bool ends_with_any(const char *path, const char *const *endings, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (fr_ends_in(path, endings[i]))
            return true;
    return false;
}

static bool is_image_name(const char *path) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pnm"};
    return ends_with_any(path, endings, sizeof endings / sizeof endings[0]);
}

static bool is_npy_name(const char *path) {
    static const char *const endings[] = {".npy"};
    return ends_with_any(path, endings, 1);
}

static fr_status append(fr_source_list *list, fr_source_kind kind, const char *path) {
    if (list->n_items == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        fr_source_item *grown = fr_grow_array(list->items, list->n_items, capacity, sizeof *grown);
        if (!grown)
            return fr_no_memory(capacity * sizeof *grown, "the list of images");
        list->items = grown;
        list->capacity = capacity;
    }
    char *copy = fr_strdup(path);
    if (!copy)
        return fr_no_memory(strlen(path) + 1, "a file name");
    list->items[list->n_items++] = (fr_source_item){kind, copy};
    return FR_OK;
}

static fr_status add_folder(fr_source_list *list, const char *path) {
    char **names;
    size_t count, before = list->n_items;
    int64_t skipped = 0;
    fr_status status = FR_OK;
    FR_TRY(fr_folder_list(path, &names, &count));
    fr_natural_sort(names, count);
    for (size_t i = 0; i < count && status == FR_OK; i++) {
        if (is_image_name(names[i]))
            status = append(list, FR_SOURCE_IMAGE, names[i]);
        else
            skipped++;
    }
    if (status == FR_OK && list->n_items == before)
        status = fr_fail(FR_INVALID, "folder '%s' holds no image (%lld other files)", path, (long long)skipped);
    for (size_t i = 0; i < count; i++)
        fr_free(names[i]);
    fr_free(names);
    list->skipped += skipped;
    return status;
}

fr_status fr_source_list_add(fr_source_list *list, const char *path) {
    struct stat facts;
    if (strcmp(path, "-") == 0)
        return append(list, FR_SOURCE_FRAMES, path);
    if (path[0] == '\0')
        return fr_fail(FR_INVALID, "an input path is empty");
    if (stat(path, &facts) != 0) {
        bool link = lstat(path, &facts) == 0 && S_ISLNK(facts.st_mode);
        return fr_fail(FR_IO, "cannot read '%s': %s", path, link ? "a link to nothing" : strerror(errno));
    }
    if (S_ISDIR(facts.st_mode))
        return add_folder(list, path);
    return append(list, is_npy_name(path) ? FR_SOURCE_NPY : FR_SOURCE_IMAGE, path);
}

void fr_source_list_free(fr_source_list *list) {
    for (size_t i = 0; i < list->n_items; i++)
        fr_free(list->items[i].path);
    fr_free(list->items);
    *list = (fr_source_list){0};
}
