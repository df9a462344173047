#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_device.h"

uint64_t ocl_hash_text(uint64_t hash, const char *text) {
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

enum { MAX_FILES = 12, MAX_DEFINES = GPU_MAX_DEFINES + 5, DEFINE_BYTES = 48, LINE_MARK_BYTES = 64 };

typedef struct files { /* in the order in which the compiler sees them */
    const ocl_text *list[MAX_FILES];
    int count;
} files;

static const ocl_text *find_text(const char *name, size_t length) {
    size_t count;
    const ocl_text *texts = ocl_texts(&count);
    for (size_t i = 0; i < count; i++)
        if (strncmp(texts[i].name, name, length) == 0 && texts[i].name[length] == 0)
            return &texts[i];
    return NULL;
}

static fr_status add_file(const fr_host *host, files *f, const char *name, size_t length, int depth);

/* What stands in lines "// needs: other.cl" comes before the file itself. */
static fr_status add_needs(const fr_host *host, files *f, const ocl_text *text, int depth) {
    static const char mark[] = "// needs: ";
    for (const char *at = text->text; (at = strstr(at, mark)) != NULL;) {
        bool begins_line = at == text->text || at[-1] == '\n';
        at += sizeof mark - 1;
        if (begins_line)
            HOST_TRY(add_file(host, f, at, strcspn(at, ".\r\n"), depth + 1));
    }
    return FR_OK;
}

static fr_status add_file(const fr_host *host, files *f, const char *name, size_t length, int depth) {
    const ocl_text *text = find_text(name, length);
    if (!text)
        return host_fail(host, FR_INTERNAL, "opencl: there is no kernel file '%.*s.cl'", (int)length, name);
    for (int i = 0; i < f->count; i++)
        if (f->list[i] == text)
            return FR_OK;
    if (depth < MAX_FILES)
        HOST_TRY(add_needs(host, f, text, depth));
    if (depth >= MAX_FILES || f->count == MAX_FILES)
        return host_fail(host, FR_INTERNAL, "opencl: kernel file '%s.cl' needs too many others", text->name);
    f->list[f->count++] = text;
    return FR_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const gpu_define *)a)->name, ((const gpu_define *)b)->name);
}

static int32_t collect_defines(const gpu_traits *traits, const gpu_dispatch *dispatch, gpu_define out[MAX_DEFINES]) {
    const gpu_define own[] = {{"LX", (int32_t)dispatch->local[0]},
                              {"LY", (int32_t)dispatch->local[1]},
                              {"LZ", (int32_t)dispatch->local[2]},
                              {"HAS_HALF_MATH", traits->half_math},
                              {"HAS_DOT8", traits->dot8}};
    int32_t count = dispatch->n_defines;
    memcpy(out, dispatch->defines, (size_t)count * sizeof *out);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        out[count++] = own[i];
    qsort(out, (size_t)count, sizeof *out, by_name);
    return count;
}

fr_status ocl_source_make(const fr_host *host, const gpu_traits *traits, const gpu_dispatch *dispatch,
                          char **out_source) {
    gpu_define defines[MAX_DEFINES];
    int32_t n_defines = collect_defines(traits, dispatch, defines);
    files f = {.count = 0};
    size_t bytes = (size_t)n_defines * DEFINE_BYTES + 1, used = 0;
    void *block;
    *out_source = NULL;
    HOST_TRY(add_file(host, &f, "prelude", strlen("prelude"), 0));
    HOST_TRY(add_file(host, &f, "params", strlen("params"), 0));
    HOST_TRY(add_file(host, &f, dispatch->file, strlen(dispatch->file), 0));
    for (int i = 0; i < f.count; i++)
        bytes += f.list[i]->bytes + strlen(f.list[i]->name) + LINE_MARK_BYTES;
    HOST_TRY(host_alloc(host, bytes, "a kernel's source", &block));
    char *source = block;
    for (int32_t i = 0; i < n_defines; i++) {
        int32_t value = defines[i].value; /* in brackets: a minus must not meet another */
        used += (size_t)snprintf(source + used, bytes - used, value < 0 ? "#define %s (%d)\n" : "#define %s %d\n",
                                 defines[i].name, value);
    }
    for (int i = 0; i < f.count; i++) {
        used += (size_t)snprintf(source + used, bytes - used, "#line 1 \"%s\"\n", f.list[i]->name);
        memcpy(source + used, f.list[i]->text, f.list[i]->bytes);
        used += f.list[i]->bytes;
        source[used++] = '\n';
    }
    source[used] = 0;
    *out_source = source;
    return FR_OK;
}
