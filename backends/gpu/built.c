#include "gpu/built.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_device.h"
#include "gpu/text.h"

typedef enum state { BUILDING, READY, FAILED } state;

struct gpu_built {
    gpu_built *next;
    uint64_t hash;
    char *source;
    state state;
    void *made;
    fr_status status; /* FAILED */
};

void gpu_built_init(gpu_built_list *list) {
    pthread_mutex_init(&list->lock, NULL);
    pthread_cond_init(&list->one_done, NULL);
    list->first = NULL;
}

void gpu_built_free(const fr_host *host, gpu_built_list *list, const gpu_builder *builder, void *user) {
    while (list->first) {
        gpu_built *next = list->first->next;
        if (list->first->made)
            builder->free(user, list->first->made);
        host->free(list->first->source);
        host->free(list->first);
        list->first = next;
    }
    pthread_cond_destroy(&list->one_done);
    pthread_mutex_destroy(&list->lock);
}

/* ---- from the disk, or the source ----------------------------------------------------------------------------------- */

/* All that a binary depends on. Freed with host->free; NULL when there is no memory: then there is no cache. */
static char *cache_key(const fr_host *host, const gpu_builder *builder, void *user, const char *source) {
    size_t length = strlen(source);
    char *key = host->alloc(GPU_KEY_HEAD_BYTES + length + 1, 0);
    if (!key)
        return NULL;
    builder->key_head(user, key, GPU_KEY_HEAD_BYTES);
    memcpy(key + strlen(key), source, length + 1);
    return key;
}

static void *load(const fr_host *host, const gpu_builder *builder, void *user, const char *key,
                  const gpu_dispatch *dispatch) {
    void *data;
    size_t bytes;
    if (host->cache_load(host->ctx, key, &data, &bytes) != FR_OK)
        return NULL;
    void *made = builder->load(user, data, bytes, dispatch);
    host->free(data);
    return made;
}

static fr_status load_or_build(const fr_host *host, const gpu_builder *builder, void *user, const char *source,
                               const gpu_dispatch *dispatch, void **out_made) {
    fr_status status = FR_OK;
    char *key = cache_key(host, builder, user, source);
    *out_made = key ? load(host, builder, user, key, dispatch) : NULL;
    if (!*out_made)
        status = builder->build(user, source, dispatch, key, out_made);
    if (key)
        host->free(key);
    return status;
}

/* ---- once a device ------------------------------------------------------------------------------------------------- */

static gpu_built *find_built(const gpu_built_list *list, uint64_t hash, const char *source) {
    for (gpu_built *b = list->first; b; b = b->next)
        if (b->hash == hash && strcmp(b->source, source) == 0)
            return b;
    return NULL;
}

/* With the lock held: the entry of the source, new ones FAILED for a passing reason, so that they are tried. */
static gpu_built *claim_built(const fr_host *host, gpu_built_list *list, char **source) {
    uint64_t hash = gpu_hash_text(GPU_HASH_START, *source);
    gpu_built *built = find_built(list, hash, *source);
    if (built)
        return built;
    built = host->alloc(sizeof *built, 0);
    if (!built)
        return NULL;
    *built = (gpu_built){.next = list->first, .hash = hash, .source = *source, .state = FAILED, .status = FR_NO_MEMORY};
    list->first = built;
    *source = NULL;
    return built;
}

fr_status gpu_built_get(const fr_host *host, gpu_built_list *list, const gpu_builder *builder, void *user, char *source,
                        const gpu_dispatch *dispatch, void **out_made) {
    fr_status status = FR_OK;
    *out_made = NULL;
    pthread_mutex_lock(&list->lock);
    gpu_built *built = claim_built(host, list, &source);
    while (built && built->state == BUILDING)
        pthread_cond_wait(&list->one_done, &list->lock);
    bool is_mine = built && built->state == FAILED && built->status != FR_UNSUPPORTED;
    if (is_mine) {
        void *made;
        built->state = BUILDING;
        pthread_mutex_unlock(&list->lock);
        status = load_or_build(host, builder, user, built->source, dispatch, &made);
        pthread_mutex_lock(&list->lock);
        built->made = made;
        built->state = status == FR_OK ? READY : FAILED;
        built->status = status;
        pthread_cond_broadcast(&list->one_done);
    } else if (built && built->state == FAILED) {
        status = host_fail(host, FR_UNSUPPORTED, "%s: %s%s does not build with this driver, as said before",
                           builder->api, dispatch->file, builder->ending);
    }
    if (built && status == FR_OK)
        *out_made = built->made;
    pthread_mutex_unlock(&list->lock);
    if (source)
        host->free(source);
    return built ? status : host_fail(host, FR_NO_MEMORY, "out of memory: %zu bytes for a program", sizeof *built);
}

/* ---- what compilers say --------------------------------------------------------------------------------------------- */

void gpu_log_words(const char *log, char *out, size_t bytes) {
    const char *at = strstr(log, "error");
    if (at)
        while (at > log && at[-1] != '\n')
            at--;
    else
        at = log + strspn(log, " \t\r\n");
    size_t length = strcspn(at, "\r\n");
    (void)snprintf(out, bytes, "%.*s", (int)(length < bytes ? length : bytes - 1), at);
}

void gpu_log_lines(const fr_host *host, const char *api, const char *log) {
    for (size_t length; *log; log += length + (log[length] != 0)) { /* a line of the engine's log is not long */
        length = strcspn(log, "\n");
        host->log(3, "%s: %.*s", api, (int)length, log);
    }
}
