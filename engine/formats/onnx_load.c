/* ONNX files into protobuf messages: sizes and nesting are checked before anything is unpacked. */
#include <string.h>

#include "base/file.h"
#include "formats/onnx_parts.h"

/* A node's or a tensor's message takes up to a few hundred bytes where the file has a few: real graphs of thousands of
 * nodes need tens of MB, and a file made of nothing but empty messages is refused. */
enum { ONNX_MAX_DEPTH = 64, ONNX_UNPACK_BYTES = 256 * 1024 * 1024 };

typedef struct scan {
    const uint8_t *begin, *at;
} scan;

static fr_status scan_failed(const scan *s, const char *why) {
    return fr_fail(FR_INVALID, "not an ONNX file, or a damaged one: %s at byte %zu", why, (size_t)(s->at - s->begin));
}

static fr_status scan_varint(scan *s, const uint8_t *end, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (s->at == end)
            return scan_failed(s, "it is cut short");
        uint8_t byte = *s->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return FR_OK;
    }
    return scan_failed(s, "a number has no end");
}

/* protobuf-c recurses as deep as the file says and reports no reason, so every message is walked here first. */
static fr_status scan_message(scan *s, const uint8_t *end, const ProtobufCMessageDescriptor *type, int depth) {
    if (depth > ONNX_MAX_DEPTH)
        return scan_failed(s, "messages are nested too deeply");
    while (s->at < end) {
        uint64_t key, bytes = 0;
        FR_TRY(scan_varint(s, end, &key));
        if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
            return scan_failed(s, "there is a field that protobuf does not have");
        switch (key & 7) {
        case 0: FR_TRY(scan_varint(s, end, &bytes)); continue;
        case 1: bytes = 8; break;
        case 2: FR_TRY(scan_varint(s, end, &bytes)); break;
        case 5: bytes = 4; break;
        default: return scan_failed(s, "there is a field of no known kind");
        }
        if (bytes > (uint64_t)(end - s->at))
            return fr_fail(
                FR_INVALID,
                "not an ONNX file, or a damaged one: a field of %llu bytes begins at byte %zu, where %zu are left",
                (unsigned long long)bytes, (size_t)(s->at - s->begin), (size_t)(end - s->at));
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
        if ((key & 7) == 2 && field && field->type == PROTOBUF_C_TYPE_MESSAGE)
            FR_TRY(scan_message(s, s->at + bytes, field->descriptor, depth + 1));
        else
            s->at += bytes;
    }
    return FR_OK;
}

static fr_status unpack(const void *data, size_t bytes, fr_onnx_arena *arena, Onnx__ModelProto **out_model) {
    *out_model = NULL;
    if (bytes == 0)
        return fr_fail(FR_INVALID, "the file is empty");
    if (bytes > INT32_MAX)
        return fr_fail(FR_INVALID, "the file has %zu bytes; ONNX files end at 2 GB: keep the weights as external data",
                       bytes);
    scan s = {data, data};
    FR_TRY(scan_message(&s, s.begin + bytes, &onnx__model_proto__descriptor, 0));
    fr_onnx_arena_open(arena, (size_t)ONNX_UNPACK_BYTES + 2 * bytes);
    *out_model = onnx__model_proto__unpack(&arena->allocator, bytes, data);
    if (*out_model)
        return FR_OK;
    if (arena->denied == SIZE_MAX)
        return fr_fail(FR_INVALID, "the file unpacks to more than %zu MB: it is damaged, or made to exhaust memory",
                       arena->limit >> 20);
    return arena->denied
               ? fr_no_memory(arena->denied, "an ONNX file")
               : fr_fail(FR_INVALID, "not an ONNX file, or a damaged one: a field has another kind than ONNX gives it");
}

fr_status fr_onnx_parse(const void *data, size_t bytes, const char *folder, fr_graph **out_graph, char **out_report) {
    *out_graph = NULL;
    if (out_report)
        *out_report = NULL;
    fr_onnx_arena arena = {0};
    Onnx__ModelProto *model;
    fr_status status = unpack(data, bytes, &arena, &model);
    if (status == FR_OK)
        status = fr_onnx_build(model, folder, NULL, out_graph, out_report);
    fr_onnx_arena_close(&arena);
    return status;
}

/* "dir/net.onnx" -> "dir" and "net". */
static fr_status split_path(const char *path, char **out_folder, char **out_stem) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    int stem = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    *out_folder = !slash          ? fr_strdup(".")
                  : slash == path ? fr_strdup("/")
                                  : fr_format("%.*s", (int)(slash - path), path);
    *out_stem = fr_format("%.*s", stem, base);
    return *out_folder && *out_stem ? FR_OK : fr_no_memory(strlen(path), "a path");
}

fr_status fr_onnx_load(const char *path, fr_graph **out_graph, char **out_report) {
    *out_graph = NULL;
    if (out_report)
        *out_report = NULL;
    fr_onnx_arena arena = {0};
    Onnx__ModelProto *model;
    char *data = NULL, *folder = NULL, *stem = NULL;
    size_t bytes;
    FR_TRY(fr_file_read(path, INT32_MAX, &data, &bytes)); /* its sentences name the file */
    fr_status status;
    FR_GO(done, split_path(path, &folder, &stem));
    FR_GO(done, unpack(data, bytes, &arena, &model));
    fr_free(data); /* the weights are in the arena now, and soon in the graph: two copies are enough */
    data = NULL;
    FR_GO(done, fr_onnx_build(model, folder, stem, out_graph, out_report));
done:
    fr_onnx_arena_close(&arena);
    fr_free(data);
    fr_free(folder);
    fr_free(stem);
    return status == FR_OK ? FR_OK : fr_fail_within(status, "%s", path);
}
