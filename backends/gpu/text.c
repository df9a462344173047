#include "gpu/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_device.h"

uint64_t gpu_hash_text(uint64_t hash, const char *text) {
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

void gpu_texts_version(const gpu_texts *texts, const char *version, char *out, size_t bytes) {
    uint64_t hash = GPU_HASH_START;
    for (size_t i = 0; i < texts->count; i++)
        hash = gpu_hash_text(hash, texts->list[i].text);
    (void)snprintf(out, bytes, "%s.%08x", version, (unsigned)(hash ^ hash >> 32));
}

enum { MAX_FILES = 12, MAX_DEFINES = GPU_MAX_DEFINES + 5, DEFINE_BYTES = 48, LINE_MARK_BYTES = 64 };

typedef struct files { /* in the order in which the compiler sees them */
    const fr_host *host;
    const gpu_texts *texts;
    const gpu_text *list[MAX_FILES];
    int count;
} files;

static const gpu_text *find_text(const gpu_texts *texts, const char *name, size_t length) {
    for (size_t i = 0; i < texts->count; i++)
        if (strncmp(texts->list[i].name, name, length) == 0 && texts->list[i].name[length] == 0)
            return &texts->list[i];
    return NULL;
}

static fr_status add_file(files *f, const char *name, size_t length, int depth);

/* What stands in lines "// needs: other.cl" comes before the file itself. */
static fr_status add_needs(files *f, const gpu_text *text, int depth) {
    static const char mark[] = "// needs: ";
    for (const char *at = text->text; (at = strstr(at, mark)) != NULL;) {
        bool begins_line = at == text->text || at[-1] == '\n';
        at += sizeof mark - 1;
        if (begins_line)
            HOST_TRY(add_file(f, at, strcspn(at, ".\r\n"), depth + 1));
    }
    return FR_OK;
}

static fr_status add_file(files *f, const char *name, size_t length, int depth) {
    const gpu_text *text = find_text(f->texts, name, length);
    if (!text)
        return host_fail(f->host, FR_INTERNAL, "%s: there is no kernel file '%.*s'", f->texts->api, (int)length, name);
    for (int i = 0; i < f->count; i++)
        if (f->list[i] == text)
            return FR_OK;
    if (depth < MAX_FILES)
        HOST_TRY(add_needs(f, text, depth));
    if (depth >= MAX_FILES || f->count == MAX_FILES)
        return host_fail(f->host, FR_INTERNAL, "%s: kernel file '%s' needs too many others", f->texts->api, text->name);
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

static size_t put_file(const gpu_text *file, char *source, size_t used, size_t bytes) {
    used += (size_t)snprintf(source + used, bytes - used, "#line 1 \"%s\"\n", file->name);
    memcpy(source + used, file->text, file->bytes);
    used += file->bytes;
    source[used++] = '\n';
    return used;
}

fr_status gpu_source_make(const fr_host *host, const gpu_texts *texts, const gpu_traits *traits,
                          const gpu_dispatch *dispatch, char **out_source) {
    gpu_define defines[MAX_DEFINES];
    int32_t n_defines = collect_defines(traits, dispatch, defines);
    files f = {.host = host, .texts = texts};
    size_t bytes = (size_t)n_defines * DEFINE_BYTES + 1, used = 0;
    void *block;
    *out_source = NULL;
    HOST_TRY(add_file(&f, "prelude", strlen("prelude"), 0));
    HOST_TRY(add_file(&f, "params", strlen("params"), 0));
    HOST_TRY(add_file(&f, dispatch->file, strlen(dispatch->file), 0));
    for (int i = 0; i < f.count; i++)
        bytes += f.list[i]->bytes + strlen(f.list[i]->name) + LINE_MARK_BYTES;
    gpu_text made = {.name = "generated", .text = dispatch->text, .bytes = dispatch->text ? strlen(dispatch->text) : 0};
    bytes += made.bytes + sizeof "generated" + LINE_MARK_BYTES;
    HOST_TRY(host_alloc(host, bytes, "a kernel's source", &block));
    char *source = block;
    for (int32_t i = 0; i < n_defines; i++) {
        int32_t value = defines[i].value; /* in brackets: a minus must not meet another */
        used += (size_t)snprintf(source + used, bytes - used, value < 0 ? "#define %s (%d)\n" : "#define %s %d\n",
                                 defines[i].name, value);
    }
    for (int i = 0; i < f.count; i++) {
        if (i == f.count - 1 && made.text)
            used = put_file(&made, source, used, bytes);
        used = put_file(f.list[i], source, used, bytes);
    }
    source[used] = 0;
    *out_source = source;
    return FR_OK;
}
