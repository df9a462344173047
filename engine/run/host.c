#include "run/host.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/status.h"

enum { LINE_BYTES = 1024 }; /* as much as the error record and a log line hold */

static fr_status host_fail(fr_status code, const char *file, int line, const char *fmt, ...) {
    char sentence[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(sentence, sizeof sentence, fmt, args) < 0)
        sentence[0] = 0;
    va_end(args);
    return fr_fail_at(code, file, line, "%s", sentence);
}

static void host_log(int level, const char *fmt, ...) {
    char sentence[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    if (length >= 0)
        fr_log(level, "%s", sentence);
}

static fr_status host_cache_load(void *ctx, const char *key, void **out_data, size_t *out_bytes) {
    return fr_cache_load(ctx, key, out_data, out_bytes);
}

static fr_status host_cache_store(void *ctx, const char *key, const void *data, size_t bytes) {
    fr_cache_store(ctx, key, data, bytes);
    return FR_OK;
}

fr_host fr_host_make(fr_cache *cache) {
    return (fr_host){
        .abi = FR_BACKEND_ABI,
        .struct_bytes = sizeof(fr_host),
        .ctx = cache,
        .alloc = fr_alloc_aligned,
        .free = fr_free,
        .fail = host_fail,
        .log = host_log,
        .cache_load = host_cache_load,
        .cache_store = host_cache_store,
    };
}
