#include "run/probe_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "run/device_profile.h"

static const size_t most_bytes = (size_t)64 << 20;
static const char ending[] = ".json";

fr_status fr_probe_path(const char *cache_folder, const fr_target *target, char *out, size_t bytes) {
    out[0] = 0;
    if (!cache_folder[0])
        return FR_OK;
    char *identity = fr_device_identity(target);
    char *path = identity ? fr_device_file(cache_folder, "probe", target, identity) : NULL;
    fr_status status = FR_OK;
    if (!path)
        status = fr_no_memory(0, "the device profile's name");
    else if (strlen(path) >= bytes)
        status =
            fr_fail(FR_INVALID, "the cache folder's name is too long for the device profile: set FOLDRUN_CACHE_DIR");
    else
        snprintf(out, bytes, "%s", path);
    fr_free(path);
    fr_free(identity);
    return status;
}

fr_status fr_probe_load_file(const char *path, fr_probe *out_probe) {
    char *text;
    size_t bytes;
    memset(out_probe, 0, sizeof *out_probe);
    FR_TRY(fr_file_read(path, most_bytes, &text, &bytes));
    fr_status status = fr_probe_read(text, bytes, out_probe);
    fr_free(text);
    return status == FR_OK || status == FR_NO_MEMORY ? status : fr_fail_within(status, "'%s'", path);
}

bool fr_probe_is_stale(const fr_probe *probe) {
    return strcmp(probe->foldrun, fr_version()) != 0;
}

fr_status fr_probe_save(const char *path, const fr_probe *probe) {
    char *text;
    FR_TRY(fr_probe_write(probe, &text));
    fr_status status = fr_device_file_write(path, text);
    fr_free(text);
    return status;
}

/* A damaged file is as good as none. */
static fr_status load_if_good(const char *path, fr_probe *out_probe, bool *out_found) {
    fr_status status = fr_probe_load_file(path, out_probe);
    *out_found = status == FR_OK;
    if (status == FR_OK || status == FR_NO_MEMORY)
        return status;
    fr_log(FR_LOG_WARNING, "the device profile is not used: %s; 'foldrun profile' makes a new one",
           fr_error_sentence());
    fr_probe_free(out_probe);
    memset(out_probe, 0, sizeof *out_probe);
    return FR_OK;
}

/* Whether the file's name is the stem, the 16 digits of a hash, and the ending. */
static bool is_of_device(const char *path, const char *stem) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(stem);
    return strncmp(name, stem, length) == 0 && strspn(name + length, "0123456789abcdef") == 16 &&
           strcmp(name + length + 16, ending) == 0;
}

static int64_t age_of(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0 ? (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec : 0;
}

/* The newest file of the device with another driver or backend; what cannot be listed has none. */
static fr_status load_older(const char *cache_folder, const fr_target *target, fr_probe *out_probe, bool *out_found) {
    char **files = NULL, *stem = fr_device_file_stem("probe", target);
    const char *newest = NULL;
    size_t count = 0;
    if (!stem)
        return fr_no_memory(0, "the device profile's name");
    fr_status status = fr_path_is_folder(cache_folder) ? fr_folder_list(cache_folder, &files, &count) : FR_OK;
    if (status != FR_OK && status != FR_NO_MEMORY)
        status = FR_OK;
    for (size_t i = 0; i < count; i++)
        if (is_of_device(files[i], stem) && (!newest || age_of(files[i]) > age_of(newest)))
            newest = files[i];
    if (status == FR_OK && newest)
        status = load_if_good(newest, out_probe, out_found);
    for (size_t i = 0; i < count; i++)
        fr_free(files[i]);
    fr_free(files);
    fr_free(stem);
    return status;
}

fr_status fr_probe_load(const char *cache_folder, const fr_target *target, fr_probe *out_probe, bool *out_found,
                        bool *out_stale) {
    char path[FR_PROBE_PATH];
    memset(out_probe, 0, sizeof *out_probe);
    *out_found = *out_stale = false;
    if (!cache_folder[0])
        return FR_OK;
    FR_TRY(fr_probe_path(cache_folder, target, path, sizeof path));
    if (fr_path_exists(path)) {
        FR_TRY(load_if_good(path, out_probe, out_found));
        *out_stale = *out_found && fr_probe_is_stale(out_probe);
        return FR_OK;
    }
    FR_TRY(load_older(cache_folder, target, out_probe, out_found));
    *out_stale = *out_found;
    return FR_OK;
}
