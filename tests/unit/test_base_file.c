#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "check.h"

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

__attribute__((constructor)) static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/foldrun-test-XXXXXX");
    if (!mkdtemp(folder))
        exit(1);
}

__attribute__((destructor)) static void remove_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", folder);
}

static size_t files_here(void) {
    char **names;
    size_t count = 0;
    if (fr_folder_list(folder, &names, &count) != FR_OK)
        return 9999;
    for (size_t i = 0; i < count; i++)
        fr_free(names[i]);
    fr_free(names);
    return count;
}

/* FR_OK and the text, or the status. */
static fr_status read_text(const char *path, size_t limit, char *out, size_t room) {
    char *data;
    size_t bytes;
    fr_status status = fr_file_read(path, limit, &data, &bytes);
    if (status == FR_OK)
        snprintf(out, room, "%s", data);
    fr_free(data);
    return status;
}

TEST(writes_and_reads_back) {
    char text[32];
    CHECK_OK(fr_file_write(in_folder("a"), "hello", 5));
    CHECK_OK(read_text(in_folder("a"), 0, text, sizeof text));
    CHECK_TEXT(text, "hello");
    CHECK_OK(fr_file_write(in_folder("a"), "bye", 3));
    CHECK_OK(read_text(in_folder("a"), 3, text, sizeof text));
    CHECK_TEXT(text, "bye");
    CHECK_OK(fr_file_write(in_folder("a"), "", 0));
    CHECK_OK(read_text(in_folder("a"), 0, text, sizeof text));
    CHECK_TEXT(text, "");
    CHECK_INT(files_here(), 1);
    unlink(in_folder("a"));
}

TEST(large_files_in_odd_pieces) {
    enum { BYTES = 300000 };
    char *data = fr_alloc(BYTES), *back;
    size_t bytes;
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (char)(i * 7 + i / 251);
    fr_file_writer *writer;
    CHECK_OK(fr_file_begin(in_folder("large"), &writer));
    for (size_t at = 0, piece = 1; at < BYTES; at += piece, piece = piece * 3 + 1) {
        if (piece > BYTES - at)
            piece = BYTES - at;
        CHECK_OK(fr_file_put(writer, data + at, piece));
    }
    CHECK(!fr_path_exists(in_folder("large")));
    CHECK_OK(fr_file_commit(writer));
    CHECK_OK(fr_file_read(in_folder("large"), 0, &back, &bytes));
    CHECK_INT(bytes, BYTES);
    CHECK(memcmp(data, back, BYTES) == 0 && back[BYTES] == '\0');
    fr_free(data);
    fr_free(back);
    unlink(in_folder("large"));
}

TEST(reading_refuses_with_its_own_words) {
    char text[8];
    CHECK_INT(read_text(in_folder("none"), 0, text, sizeof text), FR_IO);
    CHECK_HAS(fr_error_sentence(), "none: No such file or directory");
    CHECK_INT(read_text(folder, 0, text, sizeof text), FR_IO);
    CHECK_HAS(fr_error_sentence(), "it is a folder");
    CHECK_INT(read_text("/dev/zero", 0, text, sizeof text), FR_IO);
    CHECK_HAS(fr_error_sentence(), "it is a device");
    CHECK_INT(mkfifo(in_folder("pipe"), 0600), 0);
    CHECK_INT(read_text(in_folder("pipe"), 0, text, sizeof text), FR_IO);
    CHECK_HAS(fr_error_sentence(), "it is a pipe");
    unlink(in_folder("pipe"));
    CHECK_OK(fr_file_write(in_folder("a"), "12345", 5));
    CHECK_INT(read_text(in_folder("a"), 4, text, sizeof text), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "too large: 5 bytes");
    unlink(in_folder("a"));
}

TEST(abandoned_files_leave_nothing) {
    fr_file_writer *writer;
    CHECK_OK(fr_file_begin(in_folder("never"), &writer));
    CHECK_OK(fr_file_put(writer, "x", 1));
    CHECK_INT(files_here(), 1);
    fr_file_abandon(writer);
    CHECK_INT(files_here(), 0);
    fr_file_abandon(NULL);
}

TEST(a_full_disk_is_said) {
    CHECK_INT(fr_file_write("/dev/full", "x", 1), FR_IO);
    CHECK_TEXT(fr_error_sentence(), "cannot write /dev/full: No space left on device");
    CHECK_OK(fr_file_write("/dev/null", "x", 1));
}

/* A limit on file sizes stands in for a disk that fills up half-way. */
TEST(a_write_that_fails_keeps_the_old_file_and_no_other) {
    enum { BYTES = 200000 };
    char *data = fr_alloc(BYTES), text[16];
    CHECK_OK(fr_file_write(in_folder("kept"), "old", 3));
    struct rlimit before, small;
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
    fr_status status = fr_file_write(in_folder("kept"), data, BYTES);
    setrlimit(RLIMIT_FSIZE, &before);
    fr_free(data);
    CHECK_INT(status, FR_IO);
    CHECK_HAS(fr_error_sentence(), "cannot write ");
    CHECK_HAS(fr_error_sentence(), strerror(EFBIG));
    CHECK_INT(files_here(), 1);
    CHECK_OK(read_text(in_folder("kept"), 0, text, sizeof text));
    CHECK_TEXT(text, "old");
    unlink(in_folder("kept"));
}

TEST(commit_after_a_failed_put_fails) {
    fr_file_writer *writer;
    CHECK_OK(fr_file_begin("/dev/full", &writer));
    char *data = fr_alloc(100000);
    CHECK_INT(fr_file_put(writer, data, 100000), FR_IO);
    fr_free(data);
    CHECK_INT(fr_file_commit(writer), FR_IO);
}

TEST(targets_that_cannot_be) {
    CHECK_INT(fr_file_write(folder, "x", 1), FR_IO);
    CHECK_HAS(fr_error_sentence(), "it is a folder");
    CHECK_INT(fr_file_write(in_folder("no/such/place"), "x", 1), FR_IO);
    CHECK_HAS(fr_error_sentence(), "No such file or directory");
    CHECK_INT(fr_file_write("", "x", 1), FR_IO);
    CHECK_INT(fr_file_write("/dev/no-such-device/x", "x", 1), FR_IO);
}

TEST(pipes_and_standard_output_in_place) {
    int ends[2];
    char path[64], got[8] = "";
    CHECK_INT(pipe(ends), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    CHECK_OK(fr_file_write(path, "piped", 5));
    CHECK_INT(read(ends[0], got, 5), 5);
    CHECK_TEXT(got, "piped");
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    fr_status status = fr_file_write("/dev/stdout", "again", 5);
    dup2(saved, STDOUT_FILENO);
    CHECK_OK(status);
    CHECK_INT(read(ends[0], got, 5), 5);
    CHECK_TEXT(got, "again");
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

TEST(links_and_modes_stay) {
    struct stat facts;
    char text[8], real[512];
    CHECK_OK(fr_file_write(in_folder("real"), "1", 1));
    CHECK_INT(chmod(in_folder("real"), 0640), 0);
    snprintf(real, sizeof real, "%s", in_folder("real"));
    CHECK_INT(symlink(real, in_folder("link")), 0);
    CHECK_OK(fr_file_write(in_folder("link"), "2", 1));
    CHECK_INT(lstat(in_folder("link"), &facts), 0);
    CHECK(S_ISLNK(facts.st_mode));
    CHECK_INT(lstat(real, &facts), 0);
    CHECK_INT(facts.st_mode & 0777, 0640);
    CHECK_OK(read_text(real, 0, text, sizeof text));
    CHECK_TEXT(text, "2");
    unlink(in_folder("link"));
    unlink(real);
}

TEST(names_of_any_length) {
    char name[256], text[8];
    memset(name, 'n', 255);
    name[255] = '\0';
    CHECK_OK(fr_file_write(in_folder(name), "x", 1));
    CHECK_OK(read_text(in_folder(name), 0, text, sizeof text));
    unlink(in_folder(name));
}

TEST(folders) {
    char **names;
    size_t count;
    CHECK_OK(fr_folder_make(in_folder("x/y//z/")));
    CHECK_OK(fr_folder_make(in_folder("x/y/z")));
    CHECK(fr_path_is_folder(in_folder("x/y/z")));
    CHECK_OK(fr_folder_list(in_folder("x/y/z"), &names, &count));
    CHECK(names == NULL && count == 0);
    CHECK_OK(fr_file_write(in_folder("x/b"), "", 0));
    CHECK_OK(fr_file_write(in_folder("x/a"), "", 0));
    CHECK_OK(fr_folder_list(in_folder("x"), &names, &count));
    CHECK_INT(count, 2);
    CHECK_TEXT(names[0], in_folder("x/a"));
    CHECK_TEXT(names[1], in_folder("x/b"));
    for (size_t i = 0; i < count; i++)
        fr_free(names[i]);
    fr_free(names);
    CHECK_INT(fr_folder_make(in_folder("x/a/below")), FR_IO);
    CHECK_HAS(fr_error_sentence(), "cannot make the folder");
    CHECK_INT(fr_folder_make(in_folder("x/a")), FR_IO);
    CHECK_INT(fr_folder_list(in_folder("none"), &names, &count), FR_IO);
    CHECK(names == NULL && count == 0);
    CHECK(fr_path_exists(in_folder("x/a")) && !fr_path_is_folder(in_folder("x/a")));
}

TEST(out_of_memory_leaves_nothing) {
    uint64_t live = fr_alloc_read().live_blocks;
    size_t files = files_here();
    char **names;
    size_t count;
    CHECK_OK(fr_file_write(in_folder("m"), "x", 1));
    for (uint64_t nth = 1; nth <= 4; nth++) {
        fr_alloc_fail_at(nth);
        CHECK_INT(fr_file_write(in_folder("m2"), "x", 1), FR_NO_MEMORY);
    }
    for (uint64_t nth = 1; nth <= 2; nth++) {
        fr_alloc_fail_at(nth);
        CHECK_INT(fr_folder_list(folder, &names, &count), FR_NO_MEMORY);
    }
    fr_alloc_fail_at(0);
    unlink(in_folder("m"));
    CHECK_INT(fr_alloc_read().live_blocks, live);
    CHECK_INT(files_here(), files);
}

CHECK_MAIN
