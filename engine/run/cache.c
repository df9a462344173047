#include "run/cache.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"

/* What an entry begins with; then the key, then the payload, then nothing. */
typedef struct entry_head {
    char magic[8];
    uint32_t version;
    uint32_t reserved; /* 0 */
    uint64_t key_bytes;
    uint64_t payload_bytes;
    uint64_t check[2]; /* of all that is before, and of all that is after */
} entry_head;

static const char entry_magic[8] = {'f', 'r', 'c', 'a', 'c', 'h', 'e', '\n'};
enum { ENTRY_VERSION = 1, CHECKED_HEAD = offsetof(entry_head, check) };
static const size_t entry_limit = (size_t)1 << 30; /* no entry of ours comes near */

struct fr_cache {
    char *folder; /* "" = none */
    atomic_bool warned;
};

fr_status fr_cache_new(const char *folder, fr_cache **out_cache) {
    *out_cache = NULL;
    fr_cache *cache = fr_alloc(sizeof *cache);
    if (!cache)
        return fr_no_memory(sizeof *cache, "the cache");
    cache->folder = fr_strdup(folder ? folder : "");
    if (!cache->folder) {
        fr_cache_free(cache);
        return fr_no_memory(0, "the cache's folder name");
    }
    *out_cache = cache;
    return FR_OK;
}

void fr_cache_free(fr_cache *cache) {
    if (!cache)
        return;
    fr_free(cache->folder);
    fr_free(cache);
}

const char *fr_cache_folder(const fr_cache *cache) {
    return cache ? cache->folder : "";
}

static bool has_folder(const fr_cache *cache) {
    return cache && cache->folder[0] != 0;
}

static char *entry_path(const fr_cache *cache, const char *key) {
    char hex[33];
    fr_hash_hex(fr_hash_bytes(key, strlen(key), (fr_hash){0, 0}), hex);
    return fr_format("%s/%s.bin", cache->folder, hex);
}

static fr_hash entry_check(const void *head, const void *key, size_t key_bytes, const void *payload,
                           size_t payload_bytes) {
    fr_hash hash = fr_hash_bytes(head, CHECKED_HEAD, (fr_hash){ENTRY_VERSION, 0});
    hash = fr_hash_bytes(key, key_bytes, hash);
    return fr_hash_bytes(payload, payload_bytes, hash);
}

typedef enum verdict { ENTRY_GOOD, ENTRY_OTHER_KEY, ENTRY_BAD } verdict;

/* On ENTRY_GOOD *out_payload points into data. */
static verdict judge(const char *data, size_t bytes, const char *key, const char **out_payload, size_t *out_bytes) {
    entry_head head;
    if (bytes < sizeof head)
        return ENTRY_BAD;
    memcpy(&head, data, sizeof head);
    size_t rest = bytes - sizeof head;
    if (memcmp(head.magic, entry_magic, sizeof entry_magic) != 0 || head.version != ENTRY_VERSION ||
        head.key_bytes > rest || head.payload_bytes != rest - head.key_bytes)
        return ENTRY_BAD;
    const char *stored_key = data + sizeof head, *payload = stored_key + head.key_bytes;
    fr_hash check = entry_check(&head, stored_key, head.key_bytes, payload, head.payload_bytes);
    if (check.a != head.check[0] || check.b != head.check[1])
        return ENTRY_BAD;
    if (head.key_bytes != strlen(key) || memcmp(stored_key, key, head.key_bytes) != 0)
        return ENTRY_OTHER_KEY; /* sound, but another key of the same hash: it stays until it is overwritten */
    *out_payload = payload;
    *out_bytes = head.payload_bytes;
    return ENTRY_GOOD;
}

fr_status fr_cache_load(fr_cache *cache, const char *key, void **out_data, size_t *out_bytes) {
    *out_data = NULL;
    *out_bytes = 0;
    if (!has_folder(cache))
        return fr_fail(FR_UNAVAILABLE, "there is no cache folder");
    fr_status status = FR_OK;
    char *path = entry_path(cache, key), *data = NULL;
    size_t bytes = 0, payload_bytes = 0;
    const char *payload = NULL;
    if (!path)
        return fr_no_memory(0, "a cache entry's name");

    if (!fr_path_exists(path)) {
        status = fr_fail(FR_UNAVAILABLE, "not in the cache yet");
        goto done;
    }
    status = fr_file_read(path, entry_limit, &data, &bytes);
    if (status != FR_OK) {
        if (status != FR_NO_MEMORY)
            status = fr_fail(FR_UNAVAILABLE, "the cache entry '%s' cannot be read", path);
        goto done;
    }
    switch (judge(data, bytes, key, &payload, &payload_bytes)) {
    case ENTRY_BAD:
        fr_log(FR_LOG_INFO, "cache: '%s' is damaged or of another version: removed", path);
        (void)unlink(path);
        status = fr_fail(FR_UNAVAILABLE, "the cache entry was damaged or of another version");
        break;
    case ENTRY_OTHER_KEY: status = fr_fail(FR_UNAVAILABLE, "not in the cache: the entry is another key's"); break;
    case ENTRY_GOOD: /* the payload moves to the front of the block that was read */
        memmove(data, payload, payload_bytes);
        data[payload_bytes] = 0;
        *out_data = data;
        *out_bytes = payload_bytes;
        data = NULL;
        break;
    }
done:
    fr_free(data);
    fr_free(path);
    return status;
}

static fr_status store(fr_cache *cache, const char *key, const void *data, size_t bytes) {
    fr_status status = FR_OK;
    fr_file_writer *writer = NULL;
    char *path = entry_path(cache, key);
    if (!path)
        return fr_no_memory(0, "a cache entry's name");
    size_t key_bytes = strlen(key);
    entry_head head = {.version = ENTRY_VERSION, .key_bytes = key_bytes, .payload_bytes = bytes};
    memcpy(head.magic, entry_magic, sizeof entry_magic);
    fr_hash check = entry_check(&head, key, key_bytes, data, bytes);
    head.check[0] = check.a;
    head.check[1] = check.b;

    FR_GO(done, fr_folder_make(cache->folder));
    FR_GO(done, fr_file_begin(path, &writer));
    FR_GO(done, fr_file_put(writer, &head, sizeof head));
    FR_GO(done, fr_file_put(writer, key, key_bytes));
    FR_GO(done, fr_file_put(writer, data, bytes));
    status = fr_file_commit(writer);
    writer = NULL;
done:
    fr_file_abandon(writer);
    fr_free(path);
    return status;
}

void fr_cache_store(fr_cache *cache, const char *key, const void *data, size_t bytes) {
    if (!has_folder(cache) || bytes > entry_limit / 2)
        return;
    if (store(cache, key, data, bytes) != FR_OK && !atomic_exchange(&cache->warned, true))
        fr_log(FR_LOG_WARNING, "the cache in '%s' cannot be written, so the next start measures and compiles again: %s",
               cache->folder, fr_error_sentence());
}

fr_status fr_cache_load_text(fr_cache *cache, const char *key, char **out_text) {
    void *data;
    size_t bytes;
    *out_text = NULL;
    FR_TRY(fr_cache_load(cache, key, &data, &bytes));
    if (memchr(data, 0, bytes)) {
        fr_free(data);
        return fr_fail(FR_UNAVAILABLE, "the cache entry is no text");
    }
    *out_text = data;
    return FR_OK;
}

void fr_cache_store_text(fr_cache *cache, const char *key, const char *text) {
    fr_cache_store(cache, key, text, strlen(text));
}
