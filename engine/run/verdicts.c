#include "run/verdicts.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"

typedef struct row {
    uint64_t hash; /* of the name: most look-ups compare nothing else */
    bool is_new;   /* set here since the last save */
    fr_verdict_entry entry;
} row;

struct fr_verdicts {
    fr_cache *cache;
    char *key;
    pthread_mutex_t mutex;
    row *rows;
    size_t count, capacity;
    bool dirty;
};

static const char *const words[] = {"none", "good", "wrong", "does not build"};

const char *fr_verdict_name(fr_verdict verdict) {
    return (size_t)verdict < sizeof words / sizeof words[0] ? words[verdict] : words[0];
}

static char *make_key(const fr_backend *backend, const fr_device_facts *facts) {
    return fr_format("verdicts 1|%s|%s|%s|%s|%s", backend->name, backend->version, facts->name, facts->driver,
                     facts->features);
}

static row *find(const fr_verdicts *v, const char *name) {
    uint64_t hash = fr_hash_bytes(name, strlen(name), (fr_hash){0, 0}).a;
    for (size_t i = 0; i < v->count; i++)
        if (v->rows[i].hash == hash && strcmp(v->rows[i].entry.name, name) == 0)
            return &v->rows[i];
    return NULL;
}

static fr_status put(fr_verdicts *v, const fr_verdict_entry *entry, bool is_new) {
    row *r = find(v, entry->name);
    if (!r) {
        if (v->count == v->capacity) {
            size_t capacity = v->capacity ? 2 * v->capacity : 64;
            row *rows = fr_grow_array(v->rows, v->capacity, capacity, sizeof *rows);
            if (!rows)
                return fr_no_memory(capacity * sizeof *rows, "verdicts on kernels");
            v->rows = rows;
            v->capacity = capacity;
        }
        r = &v->rows[v->count++];
    }
    r->entry = *entry;
    r->hash = fr_hash_bytes(entry->name, strlen(entry->name), (fr_hash){0, 0}).a;
    r->is_new = is_new;
    return FR_OK;
}

/* ---- as text ---------------------------------------------------------------------------------------------------- */

static bool read_entry(const fr_json *stored, fr_verdict_entry *out) {
    const char *name = fr_json_string(stored, "name", ""), *word = fr_json_string(stored, "verdict", "");
    memset(out, 0, sizeof *out);
    for (int k = FR_VERDICT_GOOD; k <= FR_VERDICT_UNBUILT; k++)
        if (strcmp(word, words[k]) == 0)
            out->verdict = (fr_verdict)k;
    if (!name[0] || strlen(name) >= sizeof out->name || out->verdict == FR_VERDICT_NONE)
        return false;
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->why, sizeof out->why, "%s", fr_json_string(stored, "why", ""));
    out->ratio = fr_json_number(stored, "ratio", 0);
    out->runs = (int32_t)fmin(fmax(fr_json_number(stored, "runs", 0), 0), 1e9);
    out->thorough = fr_json_bool(stored, "thorough", false);
    return true;
}

/* What is stored, but for what was set here since the last save. */
static fr_status merge_stored(fr_verdicts *v) {
    char *text = NULL;
    fr_json_doc *doc = NULL;
    fr_verdict_entry entry;
    if (fr_cache_load_text(v->cache, v->key, &text) != FR_OK)
        return FR_OK;
    fr_status status = fr_json_parse(text, strlen(text), &doc);
    const fr_json *list = status == FR_OK ? fr_json_get(fr_json_root(doc), "kernels") : NULL;
    bool makes_sense = list && list->kind == FR_JSON_ARRAY;
    status = status == FR_NO_MEMORY ? status : FR_OK;
    for (const fr_json *at = makes_sense ? list->child : NULL; at && status == FR_OK; at = at->next) {
        if (!read_entry(at, &entry))
            continue;
        const row *own = find(v, entry.name);
        if (!own || !own->is_new)
            status = put(v, &entry, false);
    }
    if (!makes_sense && status == FR_OK)
        fr_log(FR_LOG_WARNING, "the stored verdicts on kernels cannot be read: they are checked again");
    fr_json_free(doc);
    fr_free(text);
    return status;
}

static char *write_all(const fr_verdicts *v) {
    fr_json_writer w = {.indent = 1};
    fr_json_begin_object(&w);
    fr_json_string_member(&w, "of", v->key);
    fr_json_key(&w, "kernels");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < v->count; i++) {
        const fr_verdict_entry *e = &v->rows[i].entry;
        fr_json_begin_object(&w);
        fr_json_string_member(&w, "name", e->name);
        fr_json_string_member(&w, "verdict", words[e->verdict]);
        fr_json_number_member(&w, "ratio", e->ratio);
        fr_json_int_member(&w, "runs", e->runs);
        fr_json_bool_member(&w, "thorough", e->thorough);
        if (e->why[0])
            fr_json_string_member(&w, "why", e->why);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    if (w.text.failed)
        fr_text_free(&w.text);
    return w.text.data;
}

/* ---- the book --------------------------------------------------------------------------------------------------- */

fr_status fr_verdicts_open(fr_cache *cache, const fr_backend *backend, const fr_device_facts *facts,
                           fr_verdicts **out_verdicts) {
    *out_verdicts = NULL;
    fr_status status = FR_OK;
    fr_verdicts *v = fr_alloc(sizeof *v);
    if (!v)
        return fr_no_memory(sizeof *v, "verdicts on kernels");
    pthread_mutex_init(&v->mutex, NULL);
    v->cache = cache;
    v->key = make_key(backend, facts);
    if (!v->key)
        status = fr_no_memory(0, "verdicts on kernels");
    if (status == FR_OK)
        status = merge_stored(v);
    if (status != FR_OK) {
        fr_verdicts_close(v);
        return status;
    }
    *out_verdicts = v;
    return FR_OK;
}

void fr_verdicts_close(fr_verdicts *v) {
    if (!v)
        return;
    pthread_mutex_destroy(&v->mutex);
    fr_free(v->key);
    fr_free(v->rows);
    fr_free(v);
}

bool fr_verdicts_are_of(const fr_verdicts *v, const fr_backend *backend, const fr_device_facts *facts) {
    char *key = make_key(backend, facts);
    bool same = key && strcmp(key, v->key) == 0;
    fr_free(key);
    return same;
}

fr_verdict fr_verdicts_find(fr_verdicts *v, const char *name, fr_verdict_entry *out_entry) {
    pthread_mutex_lock(&v->mutex);
    const row *r = find(v, name);
    fr_verdict verdict = r ? r->entry.verdict : FR_VERDICT_NONE;
    if (out_entry)
        *out_entry = r ? r->entry : (fr_verdict_entry){.verdict = FR_VERDICT_NONE};
    pthread_mutex_unlock(&v->mutex);
    return verdict;
}

fr_status fr_verdicts_set(fr_verdicts *v, const fr_verdict_entry *entry) {
    pthread_mutex_lock(&v->mutex);
    fr_status status = put(v, entry, true);
    v->dirty |= status == FR_OK;
    pthread_mutex_unlock(&v->mutex);
    return status;
}

void fr_verdicts_save(fr_verdicts *v) {
    char sentence[1024]; /* of a failure on whose way this is: a miss in the cache must not stand in its place */
    snprintf(sentence, sizeof sentence, "%s", fr_error_sentence());
    pthread_mutex_lock(&v->mutex);
    if (v->dirty && merge_stored(v) == FR_OK) {
        char *text = write_all(v);
        if (text) {
            fr_cache_store_text(v->cache, v->key, text);
            v->dirty = false;
            for (size_t i = 0; i < v->count; i++)
                v->rows[i].is_new = false;
        }
        fr_free(text);
    }
    pthread_mutex_unlock(&v->mutex);
    if (sentence[0])
        (void)fr_fail(FR_INTERNAL, "%s", sentence);
}
