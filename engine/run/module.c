#include "run/module.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

/* More devices than any machine has: a count beyond is a broken driver. */
enum { DEVICES_MAX = 256 };

bool fr_module_name(const char *path, char out_name[16]) {
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    size_t prefix = strlen(FR_MODULE_PREFIX), suffix = strlen(FR_MODULE_SUFFIX), length = strlen(file);
    if (length <= prefix + suffix || strncmp(file, FR_MODULE_PREFIX, prefix) != 0 ||
        strcmp(file + length - suffix, FR_MODULE_SUFFIX) != 0)
        return false;
    size_t bytes = length - prefix - suffix;
    if (bytes > 15 || strspn(file + prefix, "abcdefghijklmnopqrstuvwxyz0123456789_") < bytes)
        return false;
    memcpy(out_name, file + prefix, bytes);
    out_name[bytes] = 0;
    return true;
}

/* The first entry that a table must have and lacks; NULL when it is whole. */
static const char *missing_entry(const fr_backend *b) {
#define REQUIRE(entry) \
    if (!b->entry)     \
    return #entry
    REQUIRE(name);
    REQUIRE(title);
    REQUIRE(version);
    REQUIRE(driver_open);
    REQUIRE(driver_close);
    REQUIRE(device_count);
    REQUIRE(device_facts);
    REQUIRE(device_open);
    REQUIRE(device_close);
    REQUIRE(memory_use);
    REQUIRE(queue_open);
    REQUIRE(queue_close);
    REQUIRE(sync);
    REQUIRE(buffer_new);
    REQUIRE(buffer_free);
    REQUIRE(write);
    REQUIRE(read);
    REQUIRE(candidates);
    REQUIRE(compile);
    REQUIRE(program_free);
    REQUIRE(launch);
    REQUIRE(event_new);
    REQUIRE(event_free);
    REQUIRE(record);
    REQUIRE(wait);
    REQUIRE(elapsed);
#undef REQUIRE
    if (b->bundle_new && !(b->bundle_launch && b->bundle_free))
        return b->bundle_launch ? "bundle_free" : "bundle_launch";
    return NULL;
}

static fr_status check_table(const fr_backend *backend, const char *name) {
    if (!backend)
        return fr_fail(FR_UNAVAILABLE, "the module gives no table");
    if (backend->abi != FR_BACKEND_ABI)
        return fr_fail(FR_UNAVAILABLE,
                       "the module speaks version %u of the backend table, this foldrun version %u: install backends "
                       "of this version",
                       backend->abi, FR_BACKEND_ABI);
    if (backend->struct_bytes < sizeof *backend)
        return fr_fail(FR_UNAVAILABLE,
                       "the module's table has %u bytes, this foldrun needs %zu: install backends of this version",
                       backend->struct_bytes, sizeof *backend);
    const char *missing = missing_entry(backend);
    if (missing)
        return fr_fail(FR_UNAVAILABLE, "the module's table lacks %s, which every backend must have", missing);
    if (strcmp(backend->name, name) != 0)
        return fr_fail(FR_UNAVAILABLE, "the module calls itself '%s', but its file is named for '%s'", backend->name,
                       name);
    return FR_OK;
}

static fr_status open_table(const char *path, fr_module *module) {
    /* The code stays mapped after dlclose (NODELETE): a backend's libraries leave threads behind that wait for work
     * (OpenMP's, a driver's), and they would wake up in memory that is gone. */
    module->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!module->handle)
        return fr_fail(FR_UNAVAILABLE, "the module cannot be loaded: %s", dlerror());
    fr_backend_entry_fn entry;
    void *symbol = dlsym(module->handle, FR_BACKEND_ENTRY);
    if (!symbol)
        return fr_fail(FR_UNAVAILABLE, "the module exports no %s: it is no backend of foldrun", FR_BACKEND_ENTRY);
    memcpy(&entry, &symbol, sizeof entry); /* C has no cast from an object's address to a function's */
    const fr_backend *backend = entry();
    FR_TRY(check_table(backend, module->name));
    module->backend = backend;
    return FR_OK;
}

static fr_status open_driver(const fr_host *host, fr_module *module) {
    const fr_backend *backend = module->backend;
    (void)snprintf(module->title, sizeof module->title, "%s", backend->title);
    FR_TRY(backend->driver_open(host, &module->driver));
    FR_TRY(backend->device_count(module->driver, &module->n_devices));
    if (module->n_devices == 0)
        return fr_fail(FR_UNAVAILABLE, "its driver is there, but it has no device");
    if (module->n_devices > DEVICES_MAX)
        return fr_fail(FR_INTERNAL, "its driver counts %u devices", module->n_devices);
    return FR_OK;
}

void fr_module_open(const char *path, const fr_host *host, fr_module *out_module) {
    memset(out_module, 0, sizeof *out_module);
    if (!fr_module_name(path, out_module->name))
        (void)snprintf(out_module->name, sizeof out_module->name, "?");
    memcpy(out_module->title, out_module->name, sizeof out_module->name);
    out_module->status = open_table(path, out_module);
    if (out_module->status == FR_OK) {
        /* a backend that answers a code without a sentence must not be given an older one */
        (void)fr_fail(FR_INTERNAL, "it gives no reason");
        out_module->status = open_driver(host, out_module);
    }
    if (out_module->status == FR_OK)
        return;
    (void)snprintf(out_module->why, sizeof out_module->why, "%s", fr_error_sentence());
    fr_module_close(out_module);
}

void fr_module_close(fr_module *module) {
    if (module->driver)
        module->backend->driver_close(module->driver);
    module->driver = NULL;
    module->backend = NULL;
    module->n_devices = 0;
    if (module->handle)
        dlclose(module->handle);
    module->handle = NULL;
}
