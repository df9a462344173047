#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

/* The lock is held while the callback runs: once fr_log_to returns, the old callback is never entered again. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fr_log_fn sink;
static void *sink_user;
static _Atomic int sink_level = -1;
static _Thread_local bool inside; /* this thread is in the callback and holds the lock */

void fr_log_to(fr_log_fn fn, void *user, int level) {
    if (!inside)
        pthread_mutex_lock(&lock);
    sink = fn;
    sink_user = user;
    atomic_store(&sink_level, fn ? level : -1);
    if (!inside)
        pthread_mutex_unlock(&lock);
}

void fr_log(int level, const char *fmt, ...) {
    if (level > atomic_load_explicit(&sink_level, memory_order_relaxed) || inside)
        return;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (length < 0)
        return;
    pthread_mutex_lock(&lock);
    inside = true;
    if (sink && level <= atomic_load(&sink_level))
        sink(sink_user, level, line);
    inside = false;
    pthread_mutex_unlock(&lock);
}
