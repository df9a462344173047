#include "run/device_profile.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "run/menu_make.h"

static const size_t most_bytes = (size_t)256 << 20;

char *fr_device_identity(const fr_target *target) {
    const fr_device_facts *f = &target->facts;
    return fr_format("%s|%s|%s|%u units, %u lanes|%s|%s", target->backend->name, target->backend->version, f->name,
                     f->units, f->lanes, f->driver, f->features);
}

char *fr_device_file_stem(const char *what, const fr_target *target) {
    char name[64];
    size_t length = 0;
    for (const char *at = target->facts.name; *at && length + 1 < sizeof name; at++) {
        bool plain = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        if (plain || (length > 0 && name[length - 1] != '-'))
            name[length++] = (char)(plain ? *at : '-');
    }
    name[length] = 0;
    return fr_format("%s-%s-%s-", what, target->backend->name, name);
}

char *fr_device_file(const char *folder, const char *what, const fr_target *target, const char *identity) {
    char *stem = fr_device_file_stem(what, target);
    char *path = stem ? fr_format("%s/%s%016llx.json", folder, stem,
                                  (unsigned long long)fr_hash_bytes(identity, strlen(identity), (fr_hash){0, 0}).a)
                      : NULL;
    fr_free(stem);
    return path;
}

fr_status fr_device_profile_load(const char *cache_folder, const fr_target *target, fr_device_profile *out_profile) {
    fr_status status = FR_OK;
    char *text = NULL;
    size_t bytes = 0;
    memset(out_profile, 0, sizeof *out_profile);
    out_profile->device = fr_device_identity(target);
    if (!out_profile->device)
        return fr_no_memory(0, "the device profile");
    if (!cache_folder[0])
        return FR_OK;
    out_profile->path = fr_device_file(cache_folder, "profile", target, out_profile->device);
    if (!out_profile->path)
        status = fr_no_memory(0, "the device profile");
    if (status == FR_OK && fr_path_exists(out_profile->path)) {
        status = fr_file_read(out_profile->path, most_bytes, &text, &bytes);
        if (status == FR_OK)
            status = fr_profile_read(text, bytes, out_profile->device, &out_profile->profile);
        if (status != FR_OK && status != FR_NO_MEMORY) {
            fr_log(FR_LOG_WARNING, "the device profile '%s' is not used: %s; 'foldrun tune' makes a new one",
                   out_profile->path, fr_error_sentence());
            status = FR_OK;
        }
    }
    fr_free(text);
    if (status != FR_OK)
        fr_device_profile_free(out_profile);
    return status;
}

void fr_device_profile_free(fr_device_profile *p) {
    fr_free(p->path);
    fr_free(p->device);
    fr_profile_free(&p->profile);
    memset(p, 0, sizeof *p);
}

static fr_status make_folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = fr_format("%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    fr_status status = folder ? fr_folder_make(folder) : fr_no_memory(0, "the device profile");
    fr_free(folder);
    return status;
}

fr_status fr_device_file_write(const char *path, const char *text) {
    FR_TRY(make_folder_of(path));
    return fr_file_write(path, text, strlen(text));
}

fr_status fr_device_profile_save(const fr_device_profile *p) {
    char *text = NULL;
    if (!p->path)
        return fr_fail(FR_UNAVAILABLE, "there is no cache folder to keep the device profile in: set FOLDRUN_CACHE_DIR");
    FR_TRY(fr_profile_write(&p->profile, p->device, &text));
    fr_status status = fr_device_file_write(p->path, text);
    fr_free(text);
    return status;
}

void fr_device_profile_stamp(const char *cache_folder, const fr_target *target, char *out, size_t bytes) {
    struct stat facts;
    char *device = cache_folder[0] ? fr_device_identity(target) : NULL;
    char *path = device ? fr_device_file(cache_folder, "profile", target, device) : NULL;
    out[0] = 0;
    if (path && stat(path, &facts) == 0)
        snprintf(out, bytes, "%lld.%09ld.%lld", (long long)facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
                 (long long)facts.st_size);
    fr_free(path);
    fr_free(device);
}

/* ---- what a menu may expect --------------------------------------------------------------------------------------- */

static void expect_item(const fr_profile *profile, const fr_step *step, fr_menu_item *item, int32_t by[3]) {
    const fr_profile_step *found;
    double scale;
    bool any = false;
    fr_profile_match match = fr_profile_find(profile, step, &found, &scale);
    for (int32_t e = 0; found && e < item->n_entries; e++) {
        item->entries[e].expected_ns = fr_profile_ns(found, scale, &item->entries[e].candidate) / step->n;
        any |= item->entries[e].expected_ns > 0;
    }
    by[any ? match : FR_PROFILE_NONE]++;
}

fr_status fr_menu_expect(const char *cache_folder, const fr_target *target, const fr_steps *steps, fr_menu *menu,
                         int32_t by[3]) {
    fr_device_profile p;
    memset(by, 0, 3 * sizeof *by);
    FR_TRY(fr_device_profile_load(cache_folder, target, &p));
    for (int32_t i = 0; i < menu->n_items; i++) {
        fr_step step = steps->items[i].step;
        fr_step_set_n(&step, menu->groups[fr_menu_first_group(target, steps, menu)]);
        expect_item(&p.profile, &step, &menu->items[i], by);
    }
    if (p.profile.count > 0)
        fr_log(
            FR_LOG_INFO,
            "kernels are first guessed by the device profile for %d of %d steps, by its nearest shape for %d, by the "
            "backend's own order for %d",
            by[FR_PROFILE_EXACT], menu->n_items, by[FR_PROFILE_NEAR], by[FR_PROFILE_NONE]);
    fr_device_profile_free(&p);
    return FR_OK;
}
