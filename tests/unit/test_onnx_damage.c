/* Damaged and hostile files: never a crash, a leak, or memory for what the file only claims to hold. */
#include "onnx_builder.h"

#include <unistd.h>

/* A small network with every kind of field: strings, lists, tensors, metadata. */
static build network(void) {
    build b = build_new(13);
    build_input(&b, "x", -1, 3, 8, 8);
    build_output(&b, "y");
    build_meta(&b, "foldrun.fold", "1");
    build_meta(&b, "foldrun.mean", "1,2,3");
    build_weights(&b, "w", 4, 3, 3, 3);
    build_weights(&b, "bias", 4);
    build_weights(&b, "fc", 36, 5);
    build_list(&b, "target", 0, -1);
    build_scalar(&b, "six", 6.0f);
    Onnx__NodeProto *node = build_node(&b, "Conv", "x,w,bias", "a");
    build_ints(&b, node, "kernel_shape", 3, 3);
    build_ints(&b, node, "pads", 1, 0, 1, 0);
    build_string(&b, node, "auto_pad", "NOTSET");
    build_node(&b, "Clip", "a,,six", "c");
    node = build_node(&b, "MaxPool", "c", "p");
    build_ints(&b, node, "kernel_shape", 2, 2);
    build_ints(&b, node, "strides", 2, 2);
    node = build_node(&b, "Pad", "p,pads", "q");
    build_list(&b, "pads", 0, 0, 0, 0, 0, 0, -1, 0);
    build_node(&b, "Reshape", "q,target", "f");
    build_node(&b, "MatMul", "f,fc", "g");
    node = build_node(&b, "Softmax", "g", "y");
    build_int(&b, node, "axis", -1);
    return b;
}

/* Reads it, writes what could be read, and says whether everything was given back. */
static bool survives(const void *data, size_t bytes, fr_status *out_status) {
    fr_graph *graph;
    char *report;
    void *written = NULL;
    size_t size;
    uint64_t before = fr_alloc_read().live_blocks;
    *out_status = fr_onnx_parse(data, bytes, NULL, &graph, &report);
    bool good = (*out_status == FR_OK) == (graph != NULL) && (*out_status == FR_OK || fr_error_sentence()[0]);
    if (graph && fr_onnx_write(graph, &written, &size) == FR_OK)
        good = good && size > 0;
    fr_free(written);
    fr_free(report);
    fr_graph_free(graph);
    return good && fr_alloc_read().live_blocks == before;
}

TEST(the_whole_file_is_good) {
    build b = network();
    size_t bytes;
    fr_status status;
    const uint8_t *data = build_pack(&b, &bytes);
    CHECK(survives(data, bytes, &status));
    CHECK_INT(status, FR_OK);
    CHECK_INT(fr_onnx_parse(data, 0, NULL, &(fr_graph *){NULL}, NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "empty");
    build_free(&b);
}

TEST(cut_at_every_seventh_byte) {
    build b = network();
    size_t bytes, refused = 0, tried = 0;
    const uint8_t *data = build_pack(&b, &bytes);
    for (size_t cut = 1; cut < bytes; cut += 7, tried++) {
        fr_status status;
        uint8_t *exact = malloc(cut); /* its own block: a read past the end is seen */
        memcpy(exact, data, cut);
        bool good = survives(exact, cut, &status);
        free(exact);
        CHECK(good);
        CHECK(status == FR_INVALID || (status == FR_OK && bytes - cut < 64)); /* what lies after the graph can go */
        refused += status == FR_INVALID;
    }
    CHECK(refused > tried * 9 / 10);
    build_free(&b);
}

TEST(one_bit_flipped_anywhere) {
    build b = network();
    size_t bytes, refused = 0;
    const uint8_t *data = build_pack(&b, &bytes);
    uint8_t *flipped = malloc(bytes);
    for (size_t bit = 0; bit < bytes * 8; bit += bit % 3 + 1) {
        fr_status status;
        memcpy(flipped, data, bytes);
        flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(survives(flipped, bytes, &status));
        CHECK(status == FR_OK || status == FR_INVALID || status == FR_UNSUPPORTED);
        refused += status != FR_OK;
    }
    CHECK(refused > 100);
    free(flipped);
    build_free(&b);
}

static uint8_t *put_varint(uint8_t *at, uint64_t value) {
    for (; value > 127; value >>= 7)
        *at++ = (uint8_t)(value | 128);
    *at++ = (uint8_t)value;
    return at;
}

TEST(a_length_of_two_gigabytes) {
    fr_graph *graph;
    uint8_t file[32], *at = file;
    *at++ = 0x3a; /* graph, 15 bytes */
    *at++ = 15;
    *at++ = 0x2a; /* initializer */
    *at++ = 13;
    *at++ = 0x4a; /* raw_data of 2^31 - 1 bytes */
    at = put_varint(at, INT32_MAX);
    fr_alloc_use before = fr_alloc_read();
    CHECK_INT(fr_onnx_parse(file, 17, NULL, &graph, NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "2147483647 bytes");
    fr_alloc_use after = fr_alloc_read();
    CHECK(after.peak_bytes - before.live_bytes < 1 << 20);
    CHECK_INT(after.live_blocks, before.live_blocks);
}

TEST(a_file_past_two_gigabytes) {
    fr_graph *graph;
    CHECK_INT(fr_onnx_parse("x", (size_t)INT32_MAX + 1, NULL, &graph, NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "external data");
}

/* Two bytes for each node in the file, a hundred in memory. */
TEST(millions_of_empty_nodes) {
    enum { NODES = 4000000 };
    fr_graph *graph;
    uint8_t *file = malloc(2 * NODES + 16), *at = file;
    fr_alloc_use before = fr_alloc_read();
    *at++ = 0x3a;
    at = put_varint(at, 2 * NODES);
    for (int i = 0; i < NODES; i++) {
        *at++ = 0x0a;
        *at++ = 0;
    }
    fr_status status = fr_onnx_parse(file, (size_t)(at - file), NULL, &graph, NULL);
    free(file);
    CHECK_INT(status, FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "exhaust memory");
    CHECK_INT(fr_alloc_read().live_blocks, before.live_blocks);
    CHECK(fr_alloc_read().peak_bytes - before.live_bytes < 300u << 20);
}

/* graph { node { attribute { g { node { ... */
static uint8_t *nested(int depth, size_t *out_bytes) {
    static const uint8_t tags[] = {0x0a, 0x2a, 0x32}; /* node, attribute, g */
    size_t room = (size_t)depth * 6 + 16, used = 0;
    uint8_t *file = malloc(room), *end = file + room;
    for (int level = depth; level >= 0; level--) {
        uint8_t head[8], *at = head;
        *at++ = level == 0 ? 0x3a : tags[(level - 1) % 3];
        at = put_varint(at, used);
        used += (size_t)(at - head);
        memcpy(end - used, head, (size_t)(at - head));
    }
    memmove(file, end - used, used);
    *out_bytes = used;
    return file;
}

TEST(messages_within_messages) {
    for (int depth = 10; depth < 1000000; depth *= 10) {
        fr_graph *graph;
        size_t bytes;
        uint8_t *file = nested(depth, &bytes);
        fr_status status = fr_onnx_parse(file, bytes, NULL, &graph, NULL);
        free(file);
        CHECK_INT(status, FR_INVALID);
        if (depth > 100)
            CHECK_HAS(fr_error_sentence(), "nested too deeply");
    }
}

TEST(a_field_of_another_kind) {
    fr_graph *graph;
    CHECK_INT(fr_onnx_parse("\x0a\x02xy", 4, NULL, &graph, NULL), FR_INVALID); /* ir_version as text */
    CHECK_HAS(fr_error_sentence(), "another kind");
    CHECK_INT(fr_onnx_parse("\x0b\x02", 2, NULL, &graph, NULL), FR_INVALID); /* a group */
    CHECK_HAS(fr_error_sentence(), "no known kind");
    CHECK_INT(fr_onnx_parse("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, NULL, &graph, NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "no end");
    CHECK_INT(fr_onnx_parse("plain text, no model", 20, NULL, &graph, NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "not an ONNX file");
}

TEST(the_nth_allocation_fails) {
    build b = network();
    build_node(&b, "Mish", "y", "m"); /* the table, too */
    for (int broken = 0; broken < 2; broken++, b.graph->n_node--) {
        size_t bytes;
        const uint8_t *data = build_pack(&b, &bytes);
        fr_status status = FR_NO_MEMORY;
        uint64_t before = fr_alloc_read().live_blocks;
        int failures = 0;
        for (uint64_t nth = 1; status == FR_NO_MEMORY; nth++, failures++) {
            fr_graph *graph;
            char *report;
            void *written = NULL;
            size_t size;
            fr_alloc_fail_at(nth);
            status = fr_onnx_parse(data, bytes, NULL, &graph, &report);
            if (status == FR_OK)
                status = fr_onnx_write(graph, &written, &size);
            fr_alloc_fail_at(0);
            fr_free(written);
            fr_free(report);
            fr_graph_free(graph);
            CHECK_INT(fr_alloc_read().live_blocks, before);
        }
        CHECK_INT(status, broken ? FR_OK : FR_UNSUPPORTED);
        CHECK(failures > 10);
    }
    build_free(&b);
}

TEST(files_that_are_none) {
    fr_graph *graph;
    char path[512];
    CHECK_INT(fr_onnx_load(FOLDRUN_BUILD_DIR "/no/such/model.onnx", &graph, NULL), FR_IO);
    CHECK_HAS(fr_error_sentence(), "no/such/model.onnx");
    CHECK(fr_onnx_load(FOLDRUN_BUILD_DIR, &graph, NULL) != FR_OK);
    CHECK_HAS(fr_error_sentence(), "folder");
    snprintf(path, sizeof path, "%s/test-onnx-empty-%d.onnx", FOLDRUN_BUILD_DIR, (int)getpid());
    FILE *file = fopen(path, "w");
    CHECK(file);
    fclose(file);
    fr_status status = fr_onnx_load(path, &graph, NULL);
    unlink(path);
    CHECK_INT(status, FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "test-onnx-empty");
    CHECK_HAS(fr_error_sentence(), "the file is empty");
}

CHECK_MAIN
