/* The disk cache: what goes in comes out, and anything else is a miss. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "check.h"
#include "run/cache.h"

static char folder[64];
static fr_cache *cache;

static bool begin(void) {
    strcpy(folder, "/tmp/foldrun-cache-XXXXXX");
    return mkdtemp(folder) && fr_cache_new(folder, &cache) == FR_OK;
}

static size_t entries(char path[256]) {
    char **files = NULL;
    size_t count = 0;
    if (fr_folder_list(folder, &files, &count) != FR_OK)
        return 999;
    for (size_t i = 0; i < count; i++) {
        snprintf(path, 256, "%s", files[i]);
        fr_free(files[i]);
    }
    fr_free(files);
    return count;
}

static void end(void) {
    char path[256];
    while (entries(path) - 1 < 100)
        unlink(path);
    rmdir(folder);
    fr_cache_free(cache);
    cache = NULL;
}

static bool holds(const char *key, const void *want, size_t want_bytes) {
    void *data;
    size_t bytes;
    bool same =
        fr_cache_load(cache, key, &data, &bytes) == FR_OK && bytes == want_bytes && memcmp(data, want, bytes) == 0;
    fr_free(data);
    return same;
}

static bool misses(const char *key) {
    void *data = &data;
    size_t bytes = 1;
    return fr_cache_load(cache, key, &data, &bytes) == FR_UNAVAILABLE && !data && bytes == 0;
}

TEST(what_is_stored_is_loaded) {
    CHECK(begin());
    unsigned char payload[1000];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (unsigned char)(i * 7);
    CHECK(misses("a"));
    fr_cache_store(cache, "a", payload, sizeof payload);
    fr_cache_store(cache, "b", "", 0);
    CHECK(holds("a", payload, sizeof payload));
    CHECK(holds("b", "", 0));
    fr_cache_store(cache, "a", "new", 3);
    CHECK(holds("a", "new", 3));
    CHECK(misses("c"));
    fr_cache_free(cache);
    CHECK_OK(fr_cache_new(folder, &cache)); /* as the next process does */
    CHECK(holds("a", "new", 3));
    char path[256];
    CHECK_INT(entries(path), 2);
    CHECK_HAS(path, ".bin");
    end();
}

TEST(text_is_ended_and_whole) {
    CHECK(begin());
    char *text;
    fr_cache_store_text(cache, "profile", "{\"group\": 8}");
    CHECK_OK(fr_cache_load_text(cache, "profile", &text));
    CHECK_TEXT(text, "{\"group\": 8}");
    fr_free(text);
    fr_cache_store(cache, "profile", "a\0b", 3);
    CHECK_INT(fr_cache_load_text(cache, "profile", &text), FR_UNAVAILABLE);
    CHECK(text == NULL);
    end();
}

TEST(every_flipped_byte_is_a_miss_and_removed) {
    CHECK(begin());
    char path[256], *whole;
    size_t bytes;
    fr_cache_store(cache, "the key", "the payload", 11);
    CHECK_INT(entries(path), 1);
    CHECK_OK(fr_file_read(path, 0, &whole, &bytes));
    CHECK_INT(bytes, 48 + 7 + 11);
    for (size_t i = 0; i < bytes; i++) {
        for (int bit = 0; bit < 8; bit += 7) {
            whole[i] = (char)(whole[i] ^ (1 << bit));
            CHECK_OK(fr_file_write(path, whole, bytes));
            whole[i] = (char)(whole[i] ^ (1 << bit));
            CHECK(misses("the key"));
            CHECK(!fr_path_exists(path));
        }
    }
    CHECK_OK(fr_file_write(path, whole, bytes));
    CHECK(holds("the key", "the payload", 11)); /* it was the flips */
    fr_free(whole);
    end();
}

TEST(cut_and_grown_entries_are_misses) {
    CHECK(begin());
    char path[256], *whole, longer[80] = {0};
    size_t bytes;
    fr_cache_store(cache, "the key", "the payload", 11);
    CHECK_INT(entries(path), 1);
    CHECK_OK(fr_file_read(path, 0, &whole, &bytes));
    for (size_t cut = 0; cut < bytes; cut++) {
        CHECK_OK(fr_file_write(path, whole, cut));
        CHECK(misses("the key"));
        CHECK(!fr_path_exists(path));
    }
    memcpy(longer, whole, bytes);
    CHECK_OK(fr_file_write(path, longer, bytes + 1));
    CHECK(misses("the key"));
    fr_free(whole);
    end();
}

TEST(an_entry_of_another_key_is_a_miss) {
    CHECK(begin());
    char first[256], second[256], *whole;
    size_t bytes;
    fr_cache_store(cache, "one", "payload of one", 14);
    CHECK_INT(entries(first), 1);
    CHECK_OK(fr_file_read(first, 0, &whole, &bytes));
    unlink(first);
    fr_cache_store(cache, "two", "payload of two", 14);
    CHECK_INT(entries(second), 1);
    CHECK(strcmp(first, second) != 0);
    CHECK_OK(fr_file_write(second, whole, bytes)); /* as if both keys had one hash */
    CHECK(misses("two"));
    CHECK(fr_path_exists(second));
    fr_cache_store(cache, "two", "payload of two", 14);
    CHECK(holds("two", "payload of two", 14));
    fr_free(whole);
    end();
}

/* ---- at once ----------------------------------------------------------------------------------------------- */

enum { WRITERS = 4, ROUNDS = 40, PAYLOAD = 100000 };
static atomic_int torn;

static void *write_and_read(void *user) {
    char fill = (char)('a' + *(int *)user), *payload = fr_alloc(PAYLOAD);
    fr_cache *own = NULL; /* as two processes have: nothing is shared but the folder */
    if (!payload || fr_cache_new(folder, &own) != FR_OK) {
        torn++;
        return NULL;
    }
    memset(payload, fill, PAYLOAD);
    for (int i = 0; i < ROUNDS; i++) {
        void *data;
        size_t bytes;
        fr_cache_store(own, "shared", payload, PAYLOAD);
        if (fr_cache_load(own, "shared", &data, &bytes) != FR_OK || bytes != PAYLOAD ||
            memchr("abcd", *(char *)data, 4) == NULL || memcmp(data, (char *)data + 1, PAYLOAD - 1) != 0)
            torn++;
        fr_free(data);
    }
    fr_cache_free(own);
    fr_free(payload);
    return NULL;
}

TEST(writers_at_once_never_tear_an_entry) {
    CHECK(begin());
    pthread_t threads[WRITERS];
    int numbers[WRITERS];
    torn = 0;
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        CHECK_INT(pthread_create(&threads[i], NULL, write_and_read, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(torn, 0);
    char path[256];
    CHECK_INT(entries(path), 1); /* and no temporary file is left */
    end();
}

/* ---- folders that do not work ------------------------------------------------------------------------------ */

static int warnings;

static void count_warnings(void *user, int level, const char *line) {
    (void)user;
    if (level == FR_LOG_WARNING && strstr(line, "cannot be written"))
        warnings++;
}

static void store_in_vain(const char *where) {
    void *data;
    size_t bytes;
    fr_cache *lame;
    warnings = 0;
    fr_log_to(count_warnings, NULL, FR_LOG_WARNING);
    CHECK_OK(fr_cache_new(where, &lame));
    fr_cache_store(lame, "a", "x", 1);
    fr_cache_store(lame, "b", "x", 1);
    CHECK_INT(fr_cache_load(lame, "a", &data, &bytes), FR_UNAVAILABLE);
    fr_cache_free(lame);
    fr_log_to(NULL, NULL, 0);
}

TEST(a_folder_that_cannot_be_written_warns_once) {
    CHECK(begin());
    char path[256];
    fr_cache_store(cache, "a", "x", 1);
    CHECK_INT(entries(path), 1);
    strcat(path, "/below-a-file");
    store_in_vain(path);
    CHECK_INT(warnings, 1);
    store_in_vain("/proc/foldrun"); /* read-only, for root too */
    CHECK_INT(warnings, 1);
    if (geteuid() != 0) {
        CHECK_INT(chmod(folder, 0500), 0);
        store_in_vain(folder);
        CHECK_INT(chmod(folder, 0700), 0);
        CHECK_INT(warnings, 1);
    }
    end();
}

TEST(no_folder_is_no_cache_and_no_warning) {
    store_in_vain("");
    CHECK_INT(warnings, 0);
    store_in_vain(NULL);
    CHECK_INT(warnings, 0);
    void *data;
    size_t bytes;
    CHECK_INT(fr_cache_load(NULL, "a", &data, &bytes), FR_UNAVAILABLE);
    fr_cache_store(NULL, "a", "x", 1);
    CHECK_TEXT(fr_cache_folder(NULL), "");
}

TEST(a_deep_folder_is_made_by_the_first_store) {
    CHECK(begin());
    char deep[256];
    fr_cache *own;
    snprintf(deep, sizeof deep, "%s/x/y", folder);
    CHECK_OK(fr_cache_new(deep, &own));
    CHECK(!fr_path_exists(deep));
    fr_cache_store(own, "a", "x", 1);
    fr_cache_free(own);
    CHECK_OK(fr_cache_new(deep, &own));
    void *data;
    size_t bytes;
    CHECK_OK(fr_cache_load(own, "a", &data, &bytes));
    fr_free(data);
    fr_cache_free(own);
    char command[300];
    snprintf(command, sizeof command, "rm -r %s/x", folder);
    CHECK_INT(system(command), 0);
    end();
}

CHECK_MAIN
