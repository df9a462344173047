#include "foldrun/foldrun.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "formats/npy.h"

static char folder[64], path[128];

static const char *in_folder(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool make_folder(void) {
    strcpy(folder, "/tmp/foldrun-source-XXXXXX");
    return mkdtemp(folder) != NULL;
}

static void drop_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "could not remove %s\n", folder);
}

/* A 2x2 PGM whose pixels are all `value`. */
static fr_status put_pgm(const char *name, uint8_t value) {
    uint8_t file[15] = "P5 2 2 255 ";
    memset(file + 11, value, 4);
    return fr_file_write(in_folder(name), file, sizeof file);
}

static fr_status put_npy(const char *name, fr_dtype dtype, const fr_shape *shape, const void *data, size_t bytes) {
    char *header;
    size_t length;
    FR_TRY(fr_npy_header(dtype, shape, &header, &length));
    char *file = fr_alloc(length + bytes);
    memcpy(file, header, length);
    memcpy(file + length, data, bytes);
    fr_status status = fr_file_write(in_folder(name), file, length + bytes);
    fr_free(header);
    fr_free(file);
    return status;
}

static fr_status open_one(const char *input, int32_t h, int32_t w, int32_t c, fr_source **out) {
    fr_source_options options = FR_OPTIONS(fr_source_options);
    options.paths = &input;
    options.n_paths = 1;
    options.height = h;
    options.width = w;
    options.channels = c;
    return fr_source_open(&options, out);
}

TEST(a_folder_in_order) {
    fr_source *source;
    uint8_t out[4];
    char name[256];
    bool got;
    CHECK(make_folder());
    const char *names[] = {"f1.pgm", "f2.PGM", "f10.pgm"};
    for (int i = 2; i >= 0; i--)
        CHECK_OK(put_pgm(names[i], (uint8_t)(10 * i)));
    CHECK_OK(fr_file_write(in_folder("notes.txt"), "hello", 5));
    CHECK_INT(mkdir(in_folder("below"), 0755), 0);
    CHECK_OK(open_one(folder, 2, 2, 1, &source));
    CHECK_INT(fr_source_total(source), 3);
    CHECK_INT(fr_source_skipped(source), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
        CHECK(got);
        CHECK_HAS(name, names[i]);
        CHECK_INT(out[0], 10 * i);
        CHECK_INT(out[3], 10 * i);
    }
    CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
    CHECK(!got);
    fr_source_close(source);
    drop_folder();
}

TEST(a_bad_file_is_named_and_the_next_one_read) {
    fr_source *source;
    uint8_t out[4];
    char name[256];
    bool got;
    CHECK(make_folder());
    CHECK_OK(put_pgm("a1.pgm", 5));
    CHECK_OK(fr_file_write(in_folder("a2.pgm"), "P5 2 2 255 xx", 13));
    CHECK_OK(put_pgm("a3.pgm", 7));
    CHECK_OK(open_one(folder, 2, 2, 1, &source));
    CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
    CHECK_INT(fr_source_next(source, out, name, sizeof name, &got), FR_INVALID);
    CHECK(!got);
    CHECK_HAS(name, "a2.pgm");
    CHECK_HAS(fr_error_sentence(), "2 bytes are missing");
    CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
    CHECK(got && out[0] == 7);
    fr_source_close(source);
    drop_folder();
}

TEST(npy_in_both_orders) {
    enum { H = 2, W = 4, C = 3 };
    uint8_t hwc[2][H][W][C], chw[2][C][H][W], out[H * W * C];
    fr_source *source;
    char name[256];
    bool got;
    for (int i = 0; i < 2 * H * W * C; i++) {
        int c = i % C, x = i / C % W, y = i / (C * W) % H, n = i / (C * W * H);
        hwc[n][y][x][c] = chw[n][c][y][x] = (uint8_t)(5 * i + 1);
    }
    CHECK(make_folder());
    CHECK_OK(put_npy("hwc.npy", FR_U8, &(fr_shape){4, {2, H, W, C}}, hwc, sizeof hwc));
    CHECK_OK(put_npy("chw.npy", FR_U8, &(fr_shape){4, {2, C, H, W}}, chw, sizeof chw));
    for (int order = 0; order < 2; order++) {
        CHECK_OK(open_one(in_folder(order ? "chw.npy" : "hwc.npy"), H, W, C, &source));
        CHECK_INT(fr_source_total(source), 2);
        for (int n = 0; n < 2; n++) {
            CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
            CHECK(got);
            CHECK(memcmp(out, hwc[n], sizeof out) == 0);
            CHECK_HAS(name, n ? ".npy#1" : ".npy#0");
        }
        CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
        CHECK(!got);
        fr_source_close(source);
    }
    drop_folder();
}

TEST(bad_arrays_say_why) {
    fr_source *source;
    const float floats[12] = {0};
    const uint8_t bytes[12] = {0};
    CHECK(make_folder());
    CHECK_OK(put_npy("f32.npy", FR_F32, &(fr_shape){4, {1, 2, 2, 3}}, floats, sizeof floats));
    CHECK_INT(open_one(in_folder("f32.npy"), 2, 2, 3, &source), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "type f32");
    CHECK_OK(put_npy("rank.npy", FR_U8, &(fr_shape){2, {3, 4}}, bytes, 12));
    CHECK_INT(open_one(in_folder("rank.npy"), 2, 2, 3, &source), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "N,H,W,C");
    CHECK_OK(put_npy("c5.npy", FR_U8, &(fr_shape){4, {1, 5, 2, 5}}, bytes, 12));
    CHECK_INT(open_one(in_folder("c5.npy"), 2, 2, 3, &source), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "3 channels");
    CHECK_OK(put_npy("zero.npy", FR_U8, &(fr_shape){4, {1, 0, 2, 3}}, bytes, 0));
    CHECK_INT(open_one(in_folder("zero.npy"), 2, 2, 3, &source), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "dimension 1 is 0");
    CHECK_OK(put_npy("short.npy", FR_U8, &(fr_shape){4, {9, 2, 2, 3}}, bytes, 12));
    CHECK_INT(open_one(in_folder("short.npy"), 2, 2, 3, &source), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "96 bytes of the array are missing");
    CHECK_OK(put_npy("huge.npy", FR_U8, &(fr_shape){4, {1, 1 << 20, 1 << 20, 3}}, bytes, 12));
    CHECK_INT(open_one(in_folder("huge.npy"), 2, 2, 3, &source), FR_INVALID);
    CHECK(source == NULL);
    drop_folder();
}

TEST(an_empty_array_is_no_image_and_no_error) {
    fr_source *source;
    uint8_t out[12];
    char name[64];
    bool got;
    CHECK(make_folder());
    CHECK_OK(put_npy("none.npy", FR_U8, &(fr_shape){4, {0, 2, 2, 3}}, "", 0));
    CHECK_OK(open_one(in_folder("none.npy"), 2, 2, 3, &source));
    CHECK_INT(fr_source_total(source), 0);
    CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
    CHECK(!got);
    fr_source_close(source);
    drop_folder();
}

TEST(bad_paths_say_why) {
    fr_source *source;
    CHECK(make_folder());
    CHECK_INT(open_one(in_folder("missing.png"), 2, 2, 3, &source), FR_IO);
    CHECK_HAS(fr_error_sentence(), "missing.png");
    CHECK_INT(symlink("/nowhere/at/all", in_folder("link.png")), 0);
    CHECK_INT(open_one(in_folder("link.png"), 2, 2, 3, &source), FR_IO);
    CHECK_HAS(fr_error_sentence(), "a link to nothing");
    CHECK_INT(mkdir(in_folder("empty"), 0755), 0);
    CHECK_INT(open_one(in_folder("empty"), 2, 2, 3, &source), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "holds no image");
    CHECK_INT(open_one("-", 2, 2, 3, &source), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "need their size");
    CHECK_INT(open_one(folder, 0, 2, 3, &source), FR_INVALID);
    drop_folder();
}

/* Puts these bytes on standard input. */
static bool feed(const void *bytes, size_t count) {
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], bytes, count) != (ssize_t)count || close(ends[1]) != 0)
        return false;
    return dup2(ends[0], STDIN_FILENO) == STDIN_FILENO && close(ends[0]) == 0;
}

TEST(frames_on_standard_input) {
    uint8_t stream[11], out[4];
    char name[64];
    bool got;
    fr_source *source;
    const char *input = "-";
    fr_source_options options = FR_OPTIONS(fr_source_options);
    options.paths = &input;
    options.n_paths = 1;
    options.height = options.width = 2;
    options.channels = 1;
    options.frame_height = options.frame_width = 2;
    options.frame_channels = 1;
    for (int i = 0; i < 11; i++)
        stream[i] = (uint8_t)i;
    CHECK(feed(stream, 11));
    CHECK_OK(fr_source_open(&options, &source));
    CHECK_INT(fr_source_total(source), -1);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(fr_source_next(source, out, name, sizeof name, &got));
        CHECK(got);
        CHECK(memcmp(out, stream + 4 * i, 4) == 0);
    }
    CHECK_TEXT(name, "stdin#1");
    CHECK_INT(fr_source_next(source, out, name, sizeof name, &got), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "frame 2 is cut short: 1 of its 4 bytes are missing");
    fr_source_close(source);
    CHECK(feed(stream, 3)); /* grey frames of 1x3 become colour images of 2x2 */
    options.channels = 3;
    options.frame_height = 1;
    options.frame_width = 3;
    uint8_t colour[12];
    CHECK_OK(fr_source_open(&options, &source));
    CHECK_OK(fr_source_next(source, colour, name, sizeof name, &got));
    CHECK(got);
    CHECK_INT(colour[0], colour[2]);
    CHECK_OK(fr_source_next(source, colour, name, sizeof name, &got));
    CHECK(!got);
    fr_source_close(source);
}

TEST(no_allocation_failure_leaks) {
    uint8_t out[4];
    char name[256];
    bool got;
    CHECK(make_folder());
    CHECK_OK(put_pgm("a1.pgm", 5));
    const uint8_t two[8] = {0};
    CHECK_OK(put_npy("b.npy", FR_U8, &(fr_shape){4, {1, 1, 2, 2}}, two, 4));
    uint64_t live = fr_alloc_read().live_blocks;
    for (uint64_t n = 1; n < 200; n++) {
        char array[128];
        fr_source *source;
        snprintf(array, sizeof array, "%s/b.npy", folder);
        const char *inputs[] = {folder, array};
        fr_source_options options = {
            .struct_bytes = sizeof options, .paths = inputs, .n_paths = 2, .height = 2, .width = 2, .channels = 1};
        fr_alloc_fail_at(n);
        fr_status status = fr_source_open(&options, &source);
        for (int i = 0; i < 2 && status == FR_OK; i++)
            status = fr_source_next(source, out, name, sizeof name, &got);
        fr_alloc_fail_at(0);
        fr_source_close(source);
        CHECK_INT(fr_alloc_read().live_blocks, live);
        if (status == FR_OK)
            break;
        CHECK_INT(status, FR_NO_MEMORY);
        CHECK(n < 199);
    }
    drop_folder();
}

CHECK_MAIN
