/* The registry against folders of tiny modules (tests/modules), each with something wrong or right about it. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "check.h"
#include "run/folders.h"
#include "run/registry.h"

static atomic_int opened, closed, cached;

static void count_lines(void *user, int level, const char *line) {
    (void)user;
    (void)level;
    if (strcmp(line, "fake: driver opened") == 0)
        opened++;
    if (strcmp(line, "fake: driver closed") == 0)
        closed++;
    if (strcmp(line, "fake: cached kernel, 7 bytes, device 1") == 0)
        cached++;
}

static const fr_device_entry *entry_named(fr_registry *registry, const char *id) {
    const fr_device_entry *entries;
    size_t count;
    if (fr_registry_devices(registry, &entries, &count) != FR_OK)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].id, id) == 0)
            return &entries[i];
    }
    return NULL;
}

/* Opens, closes, and says which device it was in out_name. */
static fr_status try_open(fr_registry *registry, const char *id, char out_name[192]) {
    const fr_backend *backend;
    fr_device *device;
    fr_device_facts facts;
    out_name[0] = 0;
    FR_TRY(fr_registry_open(registry, id, &backend, &device, &facts));
    snprintf(out_name, 192, "%s/%s", backend->name, facts.name);
    backend->device_close(device);
    return FR_OK;
}

TEST(a_broken_module_is_listed_with_its_reason) {
    static const struct {
        const char *id, *why;
        fr_status status;
    } wanted[] = {
        {"absent", "no absent loader: install libabsent1", FR_UNAVAILABLE},
        {"empty", "no device", FR_UNAVAILABLE},
        {"holes", "lacks launch", FR_UNAVAILABLE},
        {"lacking", "libfake_hidden.so", FR_UNAVAILABLE},
        {"moot", "exports no fr_backend_entry", FR_UNAVAILABLE},
        {"old", "version 77 of the backend table, this foldrun version 2", FR_UNAVAILABLE},
        {"other", "calls itself 'another'", FR_UNAVAILABLE},
        {"short", "has 64 bytes", FR_UNAVAILABLE},
        {"wordless", "it gives no reason", FR_DEVICE_LOST},
    };
    fr_registry *registry;
    CHECK_OK(fr_registry_new(FAKE_MODULES "/mixed", "", &registry));
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const fr_device_entry *entry = entry_named(registry, wanted[i].id);
        if (!entry)
            fprintf(stderr, "no entry '%s'\n", wanted[i].id);
        CHECK(entry != NULL);
        CHECK_INT(entry->status, wanted[i].status);
        CHECK_HAS(entry->why, wanted[i].why);
        CHECK_TEXT(entry->backend, wanted[i].id);
    }
    CHECK_TEXT(entry_named(registry, "absent")->title, "Fake (absent)");
    char name[192];
    CHECK_INT(try_open(registry, "absent:0", name), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_sentence(), "backend absent: no absent loader");
    fr_registry_free(registry);
}

TEST(devices_are_listed_and_opened_by_id) {
    fr_registry *registry;
    char name[192];
    CHECK_OK(fr_registry_new(FAKE_MODULES "/mixed", "", &registry));
    const fr_device_entry *first = entry_named(registry, "fake:0"), *second = entry_named(registry, "fake:1");
    CHECK(first && second == first + 1);
    CHECK_INT(first->status, FR_OK);
    CHECK_TEXT(first->why, "");
    CHECK_INT(second->facts.units, 2);
    CHECK_INT(strlen(second->facts.vendor), sizeof second->facts.vendor - 1);
    CHECK_OK(try_open(registry, "fake", name));
    CHECK_TEXT(name, "fake/fake 0");
    CHECK_OK(try_open(registry, "fake:1", name));
    CHECK_TEXT(name, "fake/fake 1");
    CHECK_OK(try_open(registry, NULL, name)); /* fake:0 is software */
    CHECK_TEXT(name, "fake/fake 1");
    fr_registry_free(registry);
}

TEST(a_wrong_id_says_what_there_is) {
    static const struct {
        const char *id, *says;
        fr_status status;
    } wanted[] = {
        {"fake:2", "has 2 devices, fake:0 to fake:1", FR_UNAVAILABLE},
        {"fake:99999999999999999999", "is no device", FR_INVALID},
        {"fkae", "did you mean 'fake'", FR_INVALID},
        {"toaster", "there are: absent, empty, fake", FR_INVALID},
        {"vulkan", "backend vulkan is not installed", FR_UNAVAILABLE},
        {"", "is no device", FR_INVALID},
        {":0", "is no device", FR_INVALID},
        {"fake:", "is no device", FR_INVALID},
        {"fake:-1", "is no device", FR_INVALID},
        {"fake:1:1", "is no device", FR_INVALID},
        {"a_name_far_longer_than_any", "is no device", FR_INVALID},
    };
    fr_registry *registry;
    char name[192];
    CHECK_OK(fr_registry_new(FAKE_MODULES "/mixed", "", &registry));
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        CHECK_INT(try_open(registry, wanted[i].id, name), wanted[i].status);
        CHECK_HAS(fr_error_sentence(), wanted[i].says);
    }
    fr_registry_free(registry);
}

TEST(the_default_prefers_cpu_and_never_an_oracle) {
    fr_registry *registry;
    char name[192];
    CHECK_OK(fr_registry_new(FAKE_MODULES "/prefer", "", &registry));
    CHECK_OK(try_open(registry, NULL, name));
    CHECK_TEXT(name, "cpu/fake 0");
    CHECK_INT(try_open(registry, "cpu:3", name), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_sentence(), "has one device, cpu:0");
    fr_registry_free(registry);

    CHECK_OK(fr_registry_new(FAKE_MODULES "/oracle", "", &registry));
    CHECK_INT(try_open(registry, NULL, name), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_sentence(), "ref:0 must be asked for by name");
    CHECK_OK(try_open(registry, "ref", name));
    fr_registry_free(registry);
}

TEST(no_backend_names_the_folder) {
    fr_registry *registry;
    const fr_device_entry *entries;
    size_t count = 9;
    CHECK_OK(fr_registry_new(FAKE_MODULES "/hidden", "", &registry)); /* has a library, but no module */
    CHECK_INT(fr_registry_devices(registry, &entries, &count), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_sentence(), FAKE_MODULES "/hidden");
    CHECK(!entries && count == 0);
    fr_registry_free(registry);
    CHECK_OK(fr_registry_new("/nowhere/at/all", "", &registry));
    CHECK_INT(fr_registry_devices(registry, &entries, &count), FR_UNAVAILABLE);
    CHECK_HAS(fr_error_sentence(), "no folder '/nowhere/at/all'");
    fr_registry_free(registry);
}

TEST(out_of_memory_is_no_verdict_on_a_backend) {
    fr_registry *registry;
    const fr_device_entry *entries;
    size_t count;
    CHECK_OK(fr_registry_new(FAKE_MODULES "/hungry", "", &registry));
    CHECK_INT(fr_registry_devices(registry, &entries, &count), FR_NO_MEMORY);
    CHECK_INT(fr_registry_devices(registry, &entries, &count), FR_NO_MEMORY);
    fr_registry_free(registry);
}

TEST(a_file_that_is_no_library_is_refused) {
    char folder[] = "/tmp/foldrun-test-XXXXXX", path[128];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/foldrun-backend-text.so", folder);
    CHECK_OK(fr_file_write(path, "hello", 5));
    fr_registry *registry;
    CHECK_OK(fr_registry_new(folder, "", &registry));
    const fr_device_entry *entry = entry_named(registry, "text");
    CHECK(entry && entry->status == FR_UNAVAILABLE);
    CHECK_HAS(entry->why, "cannot be loaded");
    fr_registry_free(registry);
    unlink(path);
    rmdir(folder);
}

static void *list_from_a_thread(void *user) {
    const fr_device_entry *entries = NULL;
    size_t count;
    return fr_registry_devices(user, &entries, &count) == FR_OK ? (void *)entries : NULL;
}

TEST(drivers_open_once_whoever_asks_first_and_reach_the_cache) {
    char folder[] = "/tmp/foldrun-test-XXXXXX", name[192];
    CHECK(mkdtemp(folder) != NULL);
    opened = closed = cached = 0;
    fr_log_to(count_lines, NULL, FR_LOG_INFO);
    fr_registry *registry;
    CHECK_OK(fr_registry_new(FAKE_MODULES "/mixed", folder, &registry));
    CHECK_INT(opened, 0);
    pthread_t threads[8];
    void *seen[8];
    for (int i = 0; i < 8; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, list_from_a_thread, registry), 0);
    for (int i = 0; i < 8; i++)
        CHECK_INT(pthread_join(threads[i], &seen[i]), 0);
    for (int i = 0; i < 8; i++)
        CHECK(seen[i] != NULL && seen[i] == seen[0]);
    CHECK_INT(opened, 1);
    CHECK_OK(try_open(registry, "fake:1", name));
    CHECK_INT(cached, 1);
    CHECK_TEXT(fr_cache_folder(fr_registry_cache(registry)), folder);
    CHECK_INT(closed, 0);
    fr_registry_free(registry);
    CHECK_INT(closed, 1);
    fr_log_to(NULL, NULL, 0);
    char **files;
    size_t count;
    CHECK_OK(fr_folder_list(folder, &files, &count));
    CHECK_INT(count, 1);
    unlink(files[0]);
    fr_free(files[0]);
    fr_free(files);
    rmdir(folder);
}

static const char *folder_now(fr_status (*find)(const char *, char **), const char *option) {
    static char kept[4096];
    char *folder;
    if (find(option, &folder) != FR_OK)
        return NULL;
    snprintf(kept, sizeof kept, "%s", folder);
    fr_free(folder);
    return kept;
}

/* Beside this program, as beside the library when that is what holds the code. */
TEST(folders_are_found_beside_the_code_and_not_in_the_current_folder) {
    char current[] = "/tmp/foldrun-test-XXXXXX", decoy[64], here[4000], beside[4096];
    ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    CHECK(length > 0 && mkdtemp(current) && chdir(current) == 0);
    here[length] = 0;
    snprintf(decoy, sizeof decoy, "%s/foldrun", current);
    *strrchr(here, '/') = 0;
    snprintf(beside, sizeof beside, "%s/foldrun", here);
    CHECK(mkdir(decoy, 0700) == 0 && !fr_path_exists(beside));
    unsetenv("FOLDRUN_BACKEND_DIR");
    const char *without = folder_now(fr_folder_of_backends, NULL);
    CHECK(without && strncmp(without, "/tmp/foldrun-test", 17) != 0 && strcmp(without, beside) != 0);
    CHECK_INT(mkdir(beside, 0700), 0);
    const char *with = folder_now(fr_folder_of_backends, NULL);
    rmdir(beside);
    rmdir(decoy);
    CHECK(chdir("/") == 0);
    rmdir(current);
    CHECK_TEXT(with, beside);
}

TEST(folders_come_from_options_then_the_environment) {
    setenv("FOLDRUN_BACKEND_DIR", "/told/backends", 1);
    CHECK_TEXT(folder_now(fr_folder_of_backends, NULL), "/told/backends");
    CHECK_TEXT(folder_now(fr_folder_of_backends, "/asked"), "/asked");
    unsetenv("FOLDRUN_BACKEND_DIR");
    CHECK(folder_now(fr_folder_of_backends, NULL)[0] == '/'); /* never relative to the current folder */
    setenv("FOLDRUN_CACHE_DIR", "/told/cache", 1);
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    setenv("HOME", "/home/me", 1);
    CHECK_TEXT(folder_now(fr_folder_of_cache, "/asked"), "/asked");
    CHECK_TEXT(folder_now(fr_folder_of_cache, ""), "");
    CHECK_TEXT(folder_now(fr_folder_of_cache, NULL), "/told/cache");
    unsetenv("FOLDRUN_CACHE_DIR");
    CHECK_TEXT(folder_now(fr_folder_of_cache, NULL), "/xdg/foldrun");
    setenv("XDG_CACHE_HOME", "relative", 1);
    CHECK_TEXT(folder_now(fr_folder_of_cache, NULL), "/home/me/.cache/foldrun");
    unsetenv("HOME");
    CHECK_TEXT(folder_now(fr_folder_of_cache, NULL), "");
}

CHECK_MAIN
