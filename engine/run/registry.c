#include "run/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "run/folders.h"
#include "run/host.h"
#include "run/module.h"

struct fr_registry {
    char *folder;
    fr_cache *cache;
    fr_host host;
    pthread_mutex_t mutex; /* guards the first opening; what is below never changes after it */
    bool opened;
    fr_module *modules;
    size_t n_modules;
    fr_device_entry *entries;
    size_t n_entries;
};

/* Backends that foldrun has, or may have, whether or not they are installed here. */
static const char *const known_backends[] = {"cpu", "cuda", "opencl", "ref", "vulkan"};
enum { N_KNOWN = sizeof known_backends / sizeof known_backends[0] };

fr_status fr_registry_new(const char *backend_dir, const char *cache_dir, fr_registry **out_registry) {
    *out_registry = NULL;
    fr_status status = FR_OK;
    char *cache_folder = NULL;
    fr_registry *registry = fr_alloc(sizeof *registry);
    if (!registry)
        return fr_no_memory(sizeof *registry, "the registry of backends");
    pthread_mutex_init(&registry->mutex, NULL);
    FR_GO(done, fr_folder_of_backends(backend_dir, &registry->folder));
    FR_GO(done, fr_folder_of_cache(cache_dir, &cache_folder));
    FR_GO(done, fr_cache_new(cache_folder, &registry->cache));
    registry->host = fr_host_make(registry->cache);
    *out_registry = registry;
    registry = NULL;
done:
    fr_registry_free(registry);
    fr_free(cache_folder);
    return status;
}

static void close_modules(fr_registry *registry) {
    for (size_t i = 0; i < registry->n_modules; i++)
        fr_module_close(&registry->modules[i]);
    fr_free(registry->modules);
    fr_free(registry->entries);
    registry->modules = NULL;
    registry->entries = NULL;
    registry->n_modules = registry->n_entries = 0;
}

void fr_registry_free(fr_registry *registry) {
    if (!registry)
        return;
    close_modules(registry);
    pthread_mutex_destroy(&registry->mutex);
    fr_cache_free(registry->cache);
    fr_free(registry->folder);
    fr_free(registry);
}

const fr_host *fr_registry_host(fr_registry *registry) {
    return &registry->host;
}

fr_cache *fr_registry_cache(fr_registry *registry) {
    return registry->cache;
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

static fr_status open_modules(fr_registry *registry) {
    char **files = NULL;
    size_t n_files = 0;
    char name[16];
    if (!fr_path_is_folder(registry->folder))
        return fr_fail(FR_UNAVAILABLE,
                       "no backend: there is no folder '%s'; install foldrun's backends, or set FOLDRUN_BACKEND_DIR to "
                       "where they are",
                       registry->folder);
    FR_TRY(fr_folder_list(registry->folder, &files, &n_files));
    fr_status status = FR_OK;
    registry->modules = fr_alloc_array(n_files, sizeof *registry->modules);
    if (!registry->modules)
        status = fr_no_memory(n_files * sizeof *registry->modules, "the list of backends");
    for (size_t i = 0; i < n_files && status == FR_OK; i++) {
        if (!fr_module_name(files[i], name))
            continue;
        fr_module *module = &registry->modules[registry->n_modules++];
        fr_module_open(files[i], &registry->host, module);
        if (module->status ==
            FR_NO_MEMORY) /* says nothing of the backend: fail now, so that a later call tries again */
            status = fr_fail(FR_NO_MEMORY, "backend %s: %s", module->name, module->why);
        else if (module->status != FR_OK)
            fr_log(FR_LOG_DEBUG, "backend %s: %s", module->name, module->why);
    }
    for (size_t i = 0; i < n_files; i++)
        fr_free(files[i]);
    fr_free(files);
    if (status == FR_OK && registry->n_modules == 0)
        return fr_fail(FR_UNAVAILABLE,
                       "no backend: '%s' holds no " FR_MODULE_PREFIX "*" FR_MODULE_SUFFIX
                       "; install foldrun's backends, or set FOLDRUN_BACKEND_DIR to where they are",
                       registry->folder);
    return status;
}

static void end_texts(fr_device_facts *facts) {
    facts->name[sizeof facts->name - 1] = 0;
    facts->vendor[sizeof facts->vendor - 1] = 0;
    facts->driver[sizeof facts->driver - 1] = 0;
    facts->uuid[sizeof facts->uuid - 1] = 0;
    facts->features[sizeof facts->features - 1] = 0;
}

/* An entry for device `index`, or for a backend that could not open. */
static void fill_entry(const fr_module *module, uint32_t index, fr_device_entry *out) {
    memcpy(out->backend, module->name, sizeof out->backend);
    memcpy(out->title, module->title, sizeof out->title);
    out->status = module->status;
    if (module->status != FR_OK) {
        memcpy(out->id, module->name, sizeof module->name);
        memcpy(out->why, module->why, sizeof out->why);
        return;
    }
    (void)snprintf(out->id, sizeof out->id, "%s:%u", module->name,
                   index % 1000000); /* as many digits as ids may have */
    out->facts.struct_bytes = sizeof out->facts;
    (void)fr_fail(FR_INTERNAL, "it gives no reason"); /* a code without a sentence must not be given an older one */
    out->status = module->backend->device_facts(module->driver, index, &out->facts);
    end_texts(&out->facts);
    if (out->status != FR_OK)
        (void)snprintf(out->why, sizeof out->why, "%s", fr_error_sentence());
}

static fr_status list_devices(fr_registry *registry) {
    size_t count = 0;
    for (size_t i = 0; i < registry->n_modules; i++)
        count += registry->modules[i].status == FR_OK ? registry->modules[i].n_devices : 1;
    registry->entries = fr_alloc_array(count, sizeof *registry->entries);
    if (!registry->entries)
        return fr_no_memory(count * sizeof *registry->entries, "the list of devices");
    for (size_t i = 0; i < registry->n_modules; i++) {
        fr_module *module = &registry->modules[i];
        uint32_t index = 0;
        module->first_entry = registry->n_entries;
        do {
            fr_device_entry *entry = &registry->entries[registry->n_entries++];
            fill_entry(module, index, entry);
            if (entry->status == FR_NO_MEMORY)
                return fr_fail(FR_NO_MEMORY, "device %s: %s", entry->id, entry->why);
        } while (++index < module->n_devices);
    }
    return FR_OK;
}

static fr_status open_once(fr_registry *registry) {
    fr_status status = FR_OK;
    pthread_mutex_lock(&registry->mutex);
    if (!registry->opened) {
        status = open_modules(registry);
        if (status == FR_OK)
            status = list_devices(registry);
        if (status == FR_OK)
            registry->opened = true;
        else
            close_modules(registry);
    }
    pthread_mutex_unlock(&registry->mutex);
    return status;
}

fr_status fr_registry_devices(fr_registry *registry, const fr_device_entry **out_entries, size_t *out_count) {
    *out_entries = NULL;
    *out_count = 0;
    FR_TRY(open_once(registry));
    *out_entries = registry->entries;
    *out_count = registry->n_entries;
    return FR_OK;
}

/* ---- choosing ---------------------------------------------------------------------------------------------- */

static const fr_module *find_module(const fr_registry *registry, const char *name) {
    for (size_t i = 0; i < registry->n_modules; i++) {
        if (strcmp(registry->modules[i].name, name) == 0)
            return &registry->modules[i];
    }
    return NULL;
}

static bool may_be_default(const fr_device_entry *entry) {
    return entry->status == FR_OK && (entry->facts.flags & (FR_DEVICE_SOFTWARE | FR_DEVICE_ORACLE)) == 0;
}

static fr_status find_default(const fr_registry *registry, const fr_device_entry **out_entry) {
    const fr_device_entry *chosen = NULL;
    fr_text reasons = {0};
    for (size_t i = 0; i < registry->n_entries; i++) {
        const fr_device_entry *entry = &registry->entries[i];
        if (may_be_default(entry) &&
            (!chosen || (strcmp(entry->backend, "cpu") == 0 && strcmp(chosen->backend, "cpu") != 0)))
            chosen = entry;
        if (entry->status != FR_OK)
            fr_text_add(&reasons, "; backend %s: %s", entry->id, entry->why);
        else if (!may_be_default(entry))
            fr_text_add(&reasons, "; %s must be asked for by name", entry->id);
    }
    *out_entry = chosen;
    fr_status status = chosen ? FR_OK
                              : fr_fail(FR_UNAVAILABLE, "no device to run on in '%s'%s", registry->folder,
                                        reasons.data ? reasons.data : "");
    fr_text_free(&reasons);
    return status;
}

static fr_status unknown_backend(const fr_registry *registry, const char *id, const char *name) {
    const char *names[N_KNOWN + 64];
    size_t count = 0;
    fr_text list = {0};
    for (size_t i = 0; i < N_KNOWN; i++) {
        if (strcmp(name, known_backends[i]) == 0)
            return fr_fail(FR_UNAVAILABLE,
                           "device '%s': backend %s is not installed (no " FR_MODULE_PREFIX "%s" FR_MODULE_SUFFIX
                           " in '%s'); build foldrun with it, or choose another: foldrun devices",
                           id, name, name, registry->folder);
        names[count++] = known_backends[i];
    }
    for (size_t i = 0; i < registry->n_modules; i++) {
        fr_text_add(&list, "%s%s", i == 0 ? "" : ", ", registry->modules[i].name);
        if (count < sizeof names / sizeof names[0])
            names[count++] = registry->modules[i].name;
    }
    const char *nearest = fr_nearest_name(name, names, count);
    fr_status status = fr_fail(FR_INVALID, "device '%s': there is no backend '%s'%s%s%s; there are: %s", id, name,
                               nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'" : "",
                               list.data ? list.data : "none");
    fr_text_free(&list);
    return status;
}

/* "cpu" and "cpu:0" into name and number. */
static fr_status parse_id(const char *id, char out_name[16], uint32_t *out_index) {
    size_t bytes = strcspn(id, ":");
    const char *digits = id[bytes] ? id + bytes + 1 : "0";
    size_t n_digits = strlen(digits);
    if (bytes == 0 || bytes > 15 || n_digits == 0 || n_digits > 6 || strspn(digits, "0123456789") != n_digits)
        return fr_fail(
            FR_INVALID,
            "'%s' is no device: write BACKEND or BACKEND:NUMBER, as in cpu or cpu:0; foldrun devices lists them", id);
    memcpy(out_name, id, bytes);
    out_name[bytes] = 0;
    *out_index = 0;
    for (; *digits; digits++)
        *out_index = *out_index * 10 + (uint32_t)(*digits - '0');
    return FR_OK;
}

static fr_status find_device(const fr_registry *registry, const char *id, const fr_device_entry **out_entry) {
    char name[16];
    uint32_t index = 0;
    FR_TRY(parse_id(id, name, &index));
    const fr_module *module = find_module(registry, name);
    if (!module)
        return unknown_backend(registry, id, name);
    if (module->status != FR_OK)
        return fr_fail(module->status, "backend %s: %s", name, module->why);
    if (index >= module->n_devices && module->n_devices == 1)
        return fr_fail(FR_UNAVAILABLE, "device '%s': backend %s has one device, %s:0", id, name, name);
    if (index >= module->n_devices)
        return fr_fail(FR_UNAVAILABLE, "device '%s': backend %s has %u devices, %s:0 to %s:%u", id, name,
                       module->n_devices, name, name, module->n_devices - 1);
    const fr_device_entry *entry = &registry->entries[module->first_entry + index];
    if (entry->status != FR_OK)
        return fr_fail(entry->status, "device %s: %s", entry->id, entry->why);
    *out_entry = entry;
    return FR_OK;
}

fr_status fr_registry_open(fr_registry *registry, const char *id, const fr_backend **out_backend,
                           fr_device **out_device, fr_device_facts *out_facts) {
    *out_backend = NULL;
    *out_device = NULL;
    memset(out_facts, 0, sizeof *out_facts);
    const fr_device_entry *entry = NULL;
    FR_TRY(open_once(registry));
    if (id) {
        FR_TRY(find_device(registry, id, &entry));
    } else {
        FR_TRY(find_default(registry, &entry));
    }
    const fr_module *module = find_module(registry, entry->backend);
    uint32_t index = (uint32_t)((size_t)(entry - registry->entries) - module->first_entry);
    fr_device *device = NULL;
    (void)fr_fail(FR_INTERNAL, "it gives no reason");
    fr_status status = module->backend->device_open(module->driver, index, &device);
    if (status != FR_OK)
        return fr_fail_within(status, "device %s", entry->id);
    *out_backend = module->backend;
    *out_device = device;
    *out_facts = entry->facts;
    return FR_OK;
}
