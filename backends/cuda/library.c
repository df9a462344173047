/* Shared libraries and where they are looked for. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

enum { PATH_BYTES = 4096 };

/* NODELETE: drivers leave threads behind that must not wake up in memory that is gone. */
static void *load(const char *path) {
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

static void *load_in(const char *folder, size_t length, const char *const *names) {
    char path[PATH_BYTES];
    void *library = NULL;
    for (int i = 0; names[i] && !library; i++)
        if (snprintf(path, sizeof path, "%.*s/%s", (int)length, folder, names[i]) < (int)sizeof path)
            library = load(path);
    return library;
}

void *cud_library_open_named(const char *const *names) {
    const char *at = getenv("FOLDRUN_CUDA_PATH");
    void *library = NULL;
    while (at && *at && !library) {
        size_t length = strcspn(at, ":");
        if (length > 0 && length < PATH_BYTES)
            library = load_in(at, length, names);
        at += length + (at[length] == ':');
    }
    return library;
}

void *cud_library_open(const char *const *names) {
    static const char *const places[] = {"/usr/local/cuda/lib64", "/opt/cuda/lib64", "/usr/lib/wsl/lib"};
    void *library = cud_library_open_named(names);
    for (int i = 0; names[i] && !library; i++)
        library = load(names[i]);
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !library; i++)
        library = load_in(places[i], strlen(places[i]), names);
    return library;
}

void *cud_symbol(void *library, const char *name, char *why, size_t bytes) {
    void *symbol = dlsym(library, name);
    if (!symbol)
        (void)snprintf(why, bytes, "it lacks %s", name);
    return symbol;
}

bool cud_without(const char *word) {
    const char *at = getenv("FOLDRUN_CUDA_WITHOUT");
    size_t length = strlen(word);
    while (at && *at) {
        size_t here = strcspn(at, ", ");
        if (here == length && strncmp(at, word, length) == 0)
            return true;
        at += here + (at[here] != 0);
    }
    return false;
}
