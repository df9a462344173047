#include "run/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "run/folders.h"
#include "run/host.h"
#include "run/module.h"

typedef struct slot { /* a module's file; its driver is opened when somebody asks for it, for that may take long */
    char *path;
    bool opened; /* what is below never changes then */
    fr_module module;
    fr_device_entry *entries; /* its devices, or one that says why there is none */
    size_t n_entries;
} slot;

struct fr_registry {
    char *folder;
    fr_cache *cache;
    fr_host host;
    pthread_mutex_t mutex; /* of all openings */
    slot *slots;           /* NULL until the folder was read */
    size_t n_slots;
    fr_device_entry *entries; /* of all slots, once somebody wanted the list */
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

static void close_slot(slot *s) {
    fr_module_close(&s->module);
    fr_free(s->entries);
    s->entries = NULL;
    s->n_entries = 0;
    s->opened = false;
}

static void close_slots(fr_registry *registry) {
    for (size_t i = 0; i < registry->n_slots; i++) {
        close_slot(&registry->slots[i]);
        fr_free(registry->slots[i].path);
    }
    fr_free(registry->slots);
    fr_free(registry->entries);
    registry->slots = NULL;
    registry->entries = NULL;
    registry->n_slots = registry->n_entries = 0;
}

void fr_registry_free(fr_registry *registry) {
    if (!registry)
        return;
    close_slots(registry);
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

/* The folder's modules, none of them opened. */
static fr_status read_folder(fr_registry *registry) {
    char **files = NULL, name[16];
    size_t n_files = 0;
    if (registry->slots)
        return FR_OK;
    if (!fr_path_is_folder(registry->folder))
        return fr_fail(FR_UNAVAILABLE,
                       "no backend: there is no folder '%s'; install foldrun's backends, or set FOLDRUN_BACKEND_DIR to "
                       "where they are",
                       registry->folder);
    FR_TRY(fr_folder_list(registry->folder, &files, &n_files));
    fr_status status = FR_OK;
    registry->slots = fr_alloc_array(n_files, sizeof *registry->slots);
    if (!registry->slots)
        status = fr_no_memory(n_files * sizeof *registry->slots, "the list of backends");
    for (size_t i = 0; i < n_files; i++) {
        if (status == FR_OK && fr_module_name(files[i], name)) {
            slot *s = &registry->slots[registry->n_slots++];
            memcpy(s->module.name, name, sizeof name);
            s->path = files[i];
        } else {
            fr_free(files[i]);
        }
    }
    fr_free(files);
    if (status == FR_OK && registry->n_slots == 0) {
        close_slots(registry);
        return fr_fail(FR_UNAVAILABLE,
                       "no backend: '%s' holds no " FR_MODULE_PREFIX "*" FR_MODULE_SUFFIX
                       "; install foldrun's backends, or set FOLDRUN_BACKEND_DIR to where they are",
                       registry->folder);
    }
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

static fr_status list_slot(slot *s) {
    size_t count = s->module.status == FR_OK ? s->module.n_devices : 1;
    s->entries = fr_alloc_array(count, sizeof *s->entries);
    if (!s->entries)
        return fr_no_memory(count * sizeof *s->entries, "the list of devices");
    for (; s->n_entries < count; s->n_entries++) {
        fr_device_entry *entry = &s->entries[s->n_entries];
        fill_entry(&s->module, (uint32_t)s->n_entries, entry);
        if (entry->status == FR_NO_MEMORY)
            return fr_fail(FR_NO_MEMORY, "device %s: %s", entry->id, entry->why);
    }
    return FR_OK;
}

/* With the mutex held. What a backend lacks is kept in its slot; a lack of memory says nothing of the backend: it fails now,
 * so that a later call tries again. */
static fr_status open_slot(fr_registry *registry, slot *s) {
    if (s->opened)
        return FR_OK;
    fr_module_open(s->path, &registry->host, &s->module);
    fr_status status = s->module.status == FR_NO_MEMORY
                           ? fr_fail(FR_NO_MEMORY, "backend %s: %s", s->module.name, s->module.why)
                           : FR_OK;
    if (s->module.status != FR_OK && status == FR_OK)
        fr_log(FR_LOG_DEBUG, "backend %s: %s", s->module.name, s->module.why);
    if (status == FR_OK)
        status = list_slot(s);
    if (status == FR_OK)
        s->opened = true;
    else
        close_slot(s);
    return status;
}

static fr_status open_all(fr_registry *registry) {
    size_t count = 0;
    if (registry->entries)
        return FR_OK;
    for (size_t i = 0; i < registry->n_slots; i++) {
        FR_TRY(open_slot(registry, &registry->slots[i]));
        count += registry->slots[i].n_entries;
    }
    registry->entries = fr_alloc_array(count, sizeof *registry->entries);
    if (!registry->entries)
        return fr_no_memory(count * sizeof *registry->entries, "the list of devices");
    for (size_t i = 0; i < registry->n_slots; i++) {
        const slot *s = &registry->slots[i];
        memcpy(&registry->entries[registry->n_entries], s->entries, s->n_entries * sizeof *s->entries);
        registry->n_entries += s->n_entries;
    }
    return FR_OK;
}

fr_status fr_registry_devices(fr_registry *registry, const fr_device_entry **out_entries, size_t *out_count) {
    *out_entries = NULL;
    *out_count = 0;
    pthread_mutex_lock(&registry->mutex);
    fr_status status = read_folder(registry);
    if (status == FR_OK)
        status = open_all(registry);
    pthread_mutex_unlock(&registry->mutex);
    if (status == FR_OK) {
        *out_entries = registry->entries;
        *out_count = registry->n_entries;
    }
    return status;
}

/* ---- choosing ---------------------------------------------------------------------------------------------- */

static slot *find_slot(const fr_registry *registry, const char *name) {
    for (size_t i = 0; i < registry->n_slots; i++) {
        if (strcmp(registry->slots[i].module.name, name) == 0)
            return &registry->slots[i];
    }
    return NULL;
}

static bool may_be_default(const fr_device_entry *entry) {
    return entry->status == FR_OK && (entry->facts.flags & (FR_DEVICE_SOFTWARE | FR_DEVICE_ORACLE)) == 0;
}

/* The CPU when it will do: then no other driver is opened. */
static fr_status find_default(fr_registry *registry, const fr_device_entry **out_entry) {
    fr_text reasons = {0};
    slot *cpu = find_slot(registry, "cpu");
    *out_entry = NULL;
    if (cpu) {
        FR_TRY(open_slot(registry, cpu));
        for (size_t i = 0; i < cpu->n_entries && !*out_entry; i++)
            if (may_be_default(&cpu->entries[i]))
                *out_entry = &cpu->entries[i];
    }
    if (*out_entry)
        return FR_OK;
    FR_TRY(open_all(registry));
    for (size_t i = 0; i < registry->n_entries; i++) {
        const fr_device_entry *entry = &registry->entries[i];
        if (may_be_default(entry) && !*out_entry)
            *out_entry = entry;
        if (entry->status != FR_OK)
            fr_text_add(&reasons, "; backend %s: %s", entry->id, entry->why);
        else if (!may_be_default(entry))
            fr_text_add(&reasons, "; %s must be asked for by name", entry->id);
    }
    fr_status status = *out_entry ? FR_OK
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
    for (size_t i = 0; i < registry->n_slots; i++) {
        fr_text_add(&list, "%s%s", i == 0 ? "" : ", ", registry->slots[i].module.name);
        if (count < sizeof names / sizeof names[0])
            names[count++] = registry->slots[i].module.name;
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

static fr_status find_device(fr_registry *registry, const char *id, const fr_device_entry **out_entry) {
    char name[16];
    uint32_t index = 0;
    FR_TRY(parse_id(id, name, &index));
    slot *s = find_slot(registry, name);
    if (!s)
        return unknown_backend(registry, id, name);
    FR_TRY(open_slot(registry, s));
    const fr_module *module = &s->module;
    if (module->status != FR_OK)
        return fr_fail(module->status, "backend %s: %s", name, module->why);
    if (index >= module->n_devices && module->n_devices == 1)
        return fr_fail(FR_UNAVAILABLE, "device '%s': backend %s has one device, %s:0", id, name, name);
    if (index >= module->n_devices)
        return fr_fail(FR_UNAVAILABLE, "device '%s': backend %s has %u devices, %s:0 to %s:%u", id, name,
                       module->n_devices, name, name, module->n_devices - 1);
    const fr_device_entry *entry = &s->entries[index];
    if (entry->status != FR_OK)
        return fr_fail(entry->status, "device %s: %s", entry->id, entry->why);
    *out_entry = entry;
    return FR_OK;
}

static fr_status find(fr_registry *registry, const char *id, const fr_device_entry **out_entry) {
    FR_TRY(read_folder(registry));
    return id ? find_device(registry, id, out_entry) : find_default(registry, out_entry);
}

fr_status fr_registry_open(fr_registry *registry, const char *id, const fr_backend **out_backend,
                           fr_device **out_device, fr_device_facts *out_facts) {
    *out_backend = NULL;
    *out_device = NULL;
    memset(out_facts, 0, sizeof *out_facts);
    const fr_device_entry *entry = NULL;
    pthread_mutex_lock(&registry->mutex);
    fr_status status = find(registry, id, &entry);
    pthread_mutex_unlock(&registry->mutex);
    FR_TRY(status);
    const fr_module *module = &find_slot(registry, entry->backend)->module;
    const char *colon = strchr(entry->id, ':');
    uint32_t index = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
    fr_device *device = NULL;
    (void)fr_fail(FR_INTERNAL, "it gives no reason");
    status = module->backend->device_open(module->driver, index, &device);
    if (status != FR_OK)
        return fr_fail_within(status, "device %s", entry->id);
    *out_backend = module->backend;
    *out_device = device;
    *out_facts = entry->facts;
    return FR_OK;
}
