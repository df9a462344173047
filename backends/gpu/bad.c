#include "gpu/bad.h"

#include <stdio.h>
#include <string.h>

void gpu_bad_init(gpu_bad_list *list) {
    pthread_mutex_init(&list->lock, NULL);
    list->first = NULL;
}

void gpu_bad_free(const fr_host *host, gpu_bad_list *list) {
    while (list->first) {
        gpu_bad *next = list->first->next;
        host->free(list->first);
        list->first = next;
    }
    pthread_mutex_destroy(&list->lock);
}

/* With the lock held. */
static bool has(const gpu_bad_list *list, const char *name) {
    for (const gpu_bad *bad = list->first; bad; bad = bad->next)
        if (strcmp(bad->name, name) == 0)
            return true;
    return false;
}

fr_reason gpu_bad_verdict(void *user, const char *name) {
    gpu_bad_list *list = user;
    pthread_mutex_lock(&list->lock);
    bool is_bad = has(list, name);
    pthread_mutex_unlock(&list->lock);
    return is_bad ? FR_WHY_DRIVER : FR_WHY_NOT;
}

bool gpu_bad_add(const fr_host *host, gpu_bad_list *list, const char *name) {
    gpu_bad *bad = host->alloc(sizeof *bad, 0);
    if (!bad) /* it is tried again, and fails again */
        return false;
    (void)snprintf(bad->name, sizeof bad->name, "%s", name);
    pthread_mutex_lock(&list->lock);
    bool is_new = !has(list, name);
    if (is_new) {
        bad->next = list->first;
        list->first = bad;
    }
    pthread_mutex_unlock(&list->lock);
    if (!is_new)
        host->free(bad);
    return is_new;
}
